package deliver

import (
	"maps"
	"strconv"
	"time"

	"github.com/rstprobe/rstprobe/internal/watch/alert"
)

// managed is an alert as version 2 of the interface of Alertmanager takes it
// (postableAlert in its api/v2/openapi.yaml).
type managed struct {
	Labels       map[string]string `json:"labels"` // an alert is the same one as long as these are
	Annotations  map[string]string `json:"annotations"`
	StartsAt     time.Time         `json:"startsAt"`
	EndsAt       time.Time         `json:"endsAt"`
	GeneratorURL string            `json:"generatorURL,omitempty"`
}

// The names of alerts.
const (
	nameCheck   = "RstprobeCheck"
	nameNetwork = "RstprobeOwnNetwork"
	nameTest    = "RstprobeTest"
)

// lapse is how long an alert fires without being told again: if rstprobe is
// gone, nobody knows whether it still holds. Prometheus allows four resends,
// too.
const lapse = 4 * resend

// manage is an event as an alert, sent at a time. What changes while it fires
// is in the annotations, so that it stays the same alert.
func manage(via alert.Alertmanager, e alert.Event, now time.Time) managed {
	name := nameCheck
	switch {
	case e.Status == alert.Test:
		name = nameTest
	case e.Question == alert.OwnNetwork:
		name = nameNetwork
	}
	labels := map[string]string{}
	maps.Copy(labels, e.Labels)
	maps.Copy(labels, via.Labels)
	maps.Copy(labels, map[string]string{"alertname": name, "question": e.Question.String()})
	if e.Check != "" {
		labels["check"] = e.Check
	}
	out := managed{
		Labels: labels, StartsAt: e.FiringSince, EndsAt: now.Add(lapse).UTC(), GeneratorURL: e.URL,
		Annotations: map[string]string{
			"summary": e.Summary, "target": e.Target, "from": e.From.String(), "to": e.To.String(),
			"since": e.Since.Format(time.RFC3339), "flapping": strconv.FormatBool(e.Flapping), "run": strconv.FormatInt(e.Run, 10),
		},
	}
	if e.Status == alert.Resolved {
		out.EndsAt = e.At
	}
	if out.StartsAt.After(out.EndsAt) { // the clock was set back; it would be refused
		out.StartsAt = out.EndsAt
	}
	return out
}
