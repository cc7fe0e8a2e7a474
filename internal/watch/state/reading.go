package state

import (
	"strings"
	"time"

	"github.com/rstprobe/rstprobe/probe"
	"github.com/rstprobe/rstprobe/report"
	"github.com/rstprobe/rstprobe/traceroute"
)

// Reading is what a run says of one question.
type Reading struct {
	At      time.Time // when the run ended
	Target  string    // who was asked, as in the watch file
	Axes    Axes
	Healthy bool // the controls did well, so that the axes tell something
	Life    bool // something beyond our own network answered; see Life
}

// Question names one question of a check.
type Question struct {
	Kind probe.Kind `json:"kind"`
	Name string     `json:"name"` // "" for a SYN
}

// String is the question in words.
func (q Question) String() string {
	if q.Name == "" {
		return string(q.Kind)
	}
	return string(q.Kind) + " " + q.Name
}

// MarshalText makes a question the key of a JSON object.
func (q Question) MarshalText() ([]byte, error) { return []byte(q.String()), nil }

// UnmarshalText is the inverse of MarshalText.
func (q *Question) UnmarshalText(b []byte) error {
	kind, name, _ := strings.Cut(string(b), " ")
	q.Kind, q.Name = probe.Kind(kind), name
	return nil
}

// Readings are what a run that ended at a time says of each question that it
// came to. A run that was interrupted, and one without an address, says
// nothing.
func Readings(doc report.Document, ended time.Time) map[Question]Reading {
	out := map[Question]Reading{}
	if doc.Interrupted {
		return out
	}
	life := Life(doc)
	for _, t := range doc.Tests {
		out[Question{t.Kind, t.Name}] = Reading{At: ended, Target: doc.Target.Input, Axes: axesOf(t), Healthy: healthy(t), Life: life}
	}
	return out
}

// healthy reports whether a test may be believed. Where no connection stands,
// no control could be asked; then it is the life elsewhere that counts.
func healthy(t report.Test) bool {
	switch {
	case t.Outcome == probe.Inconclusive:
		return false
	case t.Kind == probe.SYN || t.Stage == probe.StageSYN:
		return true
	}
	return t.Counts.ControlTotal > 0 && 2*t.Counts.ControlBad < t.Counts.ControlTotal
}

// axesOf are the axes of a test. Where all is well there is nobody to blame.
func axesOf(t report.Test) Axes {
	if t.Outcome == probe.OK {
		return Axes{Outcome: probe.OK, Trigger: probe.TriggerNone, Author: probe.Server}
	}
	a := Axes{Outcome: t.Outcome, Trigger: t.Trigger, Author: t.Author}
	if l := t.Location; l != nil {
		a.Place = Place{AfterTTL: l.AfterTTL, AtTTL: l.AtTTL, AtIP: l.AtIP}
	}
	return a
}

// Life reports whether a run shows that our own network works: a control was
// served, the server answered at all, or a router did that is not the first,
// which answers even where the line behind it is cut.
func Life(doc report.Document) bool {
	if doc.Path.ServerTTL > 0 {
		return true
	}
	for _, t := range doc.Tests {
		switch {
		case t.Counts.ControlBad < t.Counts.ControlTotal, t.Outcome == probe.OK, t.Outcome == probe.Refused:
			return true
		}
	}
	for _, h := range doc.Path.Hops {
		if h.TTL > 1 && (h.Control == traceroute.TimeExceeded || h.Test == traceroute.TimeExceeded) {
			return true
		}
	}
	return false
}
