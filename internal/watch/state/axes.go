// Package state says what has changed in what is watched, from the readings
// that runs give, one after the other. It is pure: the times are those of the
// readings, and the next re-test is for the caller to carry out.
//
// What is watched of a question are four axes that change independently:
// outcome, trigger, author, place. A reading that differs from what is
// confirmed is a candidate; it becomes a change once enough re-tests, spread
// over minutes, agree with it. A reading whose controls did badly counts
// neither for nor against, and while nothing of our own network answers
// anywhere, no reading of silence counts at all.
package state

import (
	"fmt"
	"net/netip"

	"github.com/rstprobe/rstprobe/probe"
)

// Axes is what one question found. The zero value means that nothing is
// known.
type Axes struct {
	Outcome probe.Outcome `json:"outcome"`
	Trigger probe.Trigger `json:"trigger"`
	Author  probe.Author  `json:"author"`
	Place   Place         `json:"place"`
}

// Place is the segment on which a box sits, as in report.Location: after the
// TTL check of one router and before that of another. The zero value is no
// place.
type Place struct {
	AfterTTL int        `json:"after_ttl"` // 0: this machine
	AtTTL    int        `json:"at_ttl"`    // 0: not located
	AtIP     netip.Addr `json:"at_ip"`     // invalid, "" in JSON: silent
}

// Axis names one of Axes.
type Axis string

// The axes.
const (
	Outcome Axis = "outcome"
	Trigger Axis = "trigger"
	Author  Axis = "author"
	Where   Axis = "place"
	// Stability is that of all the others together.
	Stability Axis = "stability"
)

// Known reports whether the axes say anything.
func (a Axes) Known() bool { return a.Outcome != "" }

// Fine reports whether connections are answered as they should be.
func (a Axes) Fine() bool { return a.Outcome == probe.OK }

// Interferes reports whether something between us and the server is to blame.
func (a Axes) Interferes() bool {
	return probe.Verdict{Outcome: a.Outcome, Author: a.Author}.Interferes()
}

// differing are the axes on which a reading contradicts what was known before.
// What a run could not tell contradicts nothing: whether a box sits beside the
// path or in it, and where, takes evidence that loss can eat.
func differing(before, now Axes) []Axis {
	if before.Outcome != now.Outcome {
		out := []Axis{Outcome}
		for _, x := range []struct {
			axis    Axis
			differs bool
		}{
			{Trigger, before.Trigger != now.Trigger}, {Author, before.Author != now.Author},
			{Where, !before.Place.overlaps(now.Place)},
		} {
			if x.differs {
				out = append(out, x.axis)
			}
		}
		return out
	}
	var out []Axis
	if now.Trigger != before.Trigger && now.Trigger != probe.TriggerUnknown {
		out = append(out, Trigger)
	}
	if !sameAuthor(before.Author, now.Author) {
		out = append(out, Author)
	}
	if now.Place.known() && !before.Place.overlaps(now.Place) {
		out = append(out, Where)
	}
	return out
}

// sameAuthor reports whether the author of a reading may be the one known
// before.
func sameAuthor(before, now probe.Author) bool {
	switch now {
	case before, probe.Undetermined:
		return true
	case probe.OnOrInPath:
		return before == probe.OnPath || before == probe.InPath
	case probe.Server, probe.ServerSide, probe.OnPath, probe.InPath, probe.OwnSide:
	}
	return false
}

// merged is what is known after a reading that contradicts nothing: of two
// places, the narrower one.
func merged(before, now Axes) Axes {
	if now.Place.known() && before.Place.overlaps(now.Place) && now.Place.width() < before.Place.width() {
		before.Place = now.Place
	}
	return before
}

func (p Place) known() bool { return p.AtTTL > 0 }

// width is how many hops the segment spans.
func (p Place) width() int { return p.AtTTL - p.AfterTTL }

// overlaps reports whether one box may be at both places. Loss widens a
// segment and never moves it, so that a box that stays gives segments that
// overlap. Two that are not known are the same.
func (p Place) overlaps(q Place) bool {
	if !p.known() || !q.known() {
		return p.known() == q.known()
	}
	return p.AfterTTL < q.AtTTL && q.AfterTTL < p.AtTTL
}

// String is the axes in a few words.
func (a Axes) String() string {
	switch {
	case !a.Known():
		return "unknown"
	case a.Fine():
		return "ok"
	}
	s := string(a.Outcome)
	if a.Trigger != probe.TriggerNone && a.Trigger != probe.TriggerUnknown && a.Trigger != "" {
		s += fmt.Sprintf(" by %s", a.Trigger)
	}
	if a.Author != "" {
		s += fmt.Sprintf(", author %s", a.Author)
	}
	if a.Place.known() {
		s += ", " + a.Place.String()
	}
	return s
}

// String is the place in words.
func (p Place) String() string {
	switch {
	case !p.known():
		return "nowhere known"
	case p.AtIP.IsValid():
		return fmt.Sprintf("between hops %d and %d (%v)", p.AfterTTL, p.AtTTL, p.AtIP)
	}
	return fmt.Sprintf("between hops %d and %d", p.AfterTTL, p.AtTTL)
}
