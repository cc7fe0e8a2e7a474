package report

import (
	"fmt"
	"strconv"
	"time"

	"github.com/rstprobe/rstprobe/internal/diagnosis"
)

// Residual is what a failed test leaves behind: harmless connections that
// fail afterwards.
type Residual struct {
	Scope string   `json:"scope"`
	MinMS float64  `json:"min_ms"` // it lasts longer than that
	MaxMS *float64 `json:"max_ms"` // and at most that; nil, null in JSON: its end was not seen
	Timer string   `json:"timer"`  // "": not measured
}

// newResidual is what was measured; nil: nothing was seen of it.
func newResidual(t diagnosis.Test) *Residual {
	f := t.Residual
	if f.Scope == "" {
		return nil
	}
	out := &Residual{Scope: string(f.Scope), MinMS: milliseconds(f.Min), Timer: string(f.Timer)}
	if f.Max > 0 || f.Scope == nothingBlocked {
		upTo := milliseconds(f.Max)
		out.MaxMS = &upTo
	}
	return out
}

// nothingBlocked is the scope of a box that blocks nothing afterwards.
const nothingBlocked = "none"

// scopeText says what a block covers.
var scopeText = map[string]string{
	nothingBlocked: "nothing",
	"four_tuple":   "the same connection (our port and the server's)",
	"three_tuple":  "everything from us to this port of the server",
	"port_any":     "everything from us to any port of this server",
	"address":      "everything from our address to this and other servers",
}

// timerText says what becomes of a block's remaining time when packets come.
var timerText = map[string]string{
	"":         "packets in between may prolong it",
	"fixed":    "it ends by itself, packets in between do not prolong it",
	"extended": "every packet in between prolongs it, so wait in silence",
}

// text is the sentence for a person.
func (r Residual) text() string {
	if r.Scope == nothingBlocked {
		return "nothing stays blocked afterwards: harmless connections work at once"
	}
	s := "afterwards " + scopeText[r.Scope] + " is blocked"
	switch {
	case r.MaxMS == nil && r.MinMS > 0:
		s += fmt.Sprintf(", still so after %s s; its end was not seen", seconds(r.MinMS))
	case r.MaxMS == nil:
		s += " for a while; its end was not seen"
	case r.MinMS <= 0:
		s += fmt.Sprintf(" for at most %s s", seconds(*r.MaxMS))
	default:
		s += fmt.Sprintf(" for %s to %s s", seconds(r.MinMS), seconds(*r.MaxMS))
	}
	return join("; ", s, timerText[r.Timer])
}

// seconds writes milliseconds as seconds, as finely as a person says them.
func seconds(ms float64) string {
	d := time.Duration(ms * float64(time.Millisecond))
	digits := time.Second
	if d < 10*time.Second {
		digits = 100 * time.Millisecond
	}
	if d < time.Second {
		digits = time.Millisecond
	}
	return strconv.FormatFloat(d.Round(digits).Seconds(), 'f', -1, 64)
}
