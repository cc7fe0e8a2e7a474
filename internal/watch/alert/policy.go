// Package alert decides which receivers are told what of the changes that a
// watch has made certain, once and in order. It is pure: the times are those
// of the readings, and what is to be sent is a value, an [Event], which the
// store keeps with the run and the state that gave rise to it; package deliver
// sends it.
//
// It compares what is certain with what a receiver was told last, and not one
// run with the one before. So nothing is told twice and nothing is missed,
// whatever happens in between: a restart, a full disk, a receiver that is new
// in the watch file.
package alert

import (
	"time"

	"github.com/rstprobe/rstprobe/internal/watch/state"
)

// State is what a receiver was told of one question. The zero value is
// nothing. It is a plain value that compares, to be kept in a store as JSON.
type State struct {
	Firing      bool       `json:"firing"`   // the last it knows is that something is wrong
	Flapping    bool       `json:"flapping"` // likewise, that it flaps
	Axes        state.Axes `json:"axes"`     // what was confirmed then
	Since       time.Time  `json:"since"`    // of Axes; UTC, as all times here
	FiringSince time.Time  `json:"firing_since"`
	Told        time.Time  `json:"told"`  // when; zero: never
	Borne       int        `json:"borne"` // readings in a row that bear out what it was not told yet
}

// Finding is what is certain of a question after a reading that counted.
type Finding struct {
	Question  state.Question
	Confirmed state.Axes // Known
	Since     time.Time  // the first reading of Confirmed
	Flapping  bool
	Turned    time.Time  // since when it flaps, if it does
	Last      state.Axes // the reading itself
}

// found is what a machine says after a reading; false: nothing is certain yet.
func found(q state.Question, m state.Machine) (Finding, bool) {
	f := Finding{Question: q, Confirmed: m.Confirmed, Since: m.Since.UTC(), Flapping: m.Flapping, Last: m.Last}
	if m.Flapping {
		f.Turned = m.Turns[0].UTC()
	}
	return f, m.Confirmed.Known() || m.Flapping
}

// step is what a receiver knows after a finding at a time, and what it is to be
// told; "": nothing.
func (r Rule) step(told State, f Finding, at time.Time) (State, Status) {
	wrong := r.wrong(f.Question, f.Confirmed)
	if f.Flapping { // whatever a single reading shows, it is over only when it no longer flaps
		wrong = wrong || told.Firing || r.wrong(f.Question, f.Last)
	}
	now := State{Firing: wrong, Flapping: f.Flapping && wrong, Axes: f.Confirmed, Since: f.Since, Told: at}
	switch {
	case wrong && told.Firing:
		now.FiringSince = told.FiringSince
	case wrong && f.Flapping:
		now.FiringSince = f.Turned
	case wrong:
		now.FiringSince = f.Since
	}
	switch {
	case wrong != told.Firing:
		told.Borne = r.borne(told, f)
		switch {
		case told.Borne < r.needed(wrong) && !f.Flapping:
			return told, ""
		case wrong:
			return now, Firing
		case !r.Resolved:
			return now, ""
		}
		return now, Resolved
	case !wrong: // and was not before
		now.Told = told.Told
		return now, ""
	case now.Flapping != told.Flapping, now.Axes != told.Axes && !now.Since.Equal(told.Since):
		return now, Changed
	case r.Reminder > 0 && at.Sub(told.Told) >= r.Reminder:
		return now, Reminder
	}
	told.Borne = 0
	return told, ""
}

// borne is how many readings in a row bear the finding out, this one included.
func (r Rule) borne(told State, f Finding) int {
	if f.Last.Outcome != f.Confirmed.Outcome && f.Confirmed.Known() {
		return 0
	}
	return told.Borne + 1
}

// needed is how many readings it takes to tell that something is wrong, or
// that it is no longer.
func (r Rule) needed(wrong bool) int {
	if wrong {
		return r.Failures
	}
	return r.Successes
}
