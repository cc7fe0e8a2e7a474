// Package timetable says when the runs of a check begin. It is a function of
// the check's name and of a secret: no state, no clock of its own.
//
// Time is divided into slots, each one interval long, of which every check has
// its own, shifted by a hash of its name, so that checks with the same interval
// do not run at once. Within a slot, a run begins after a random delay: a
// strict period would be a fingerprint by which a box could know us.
package timetable

import (
	"crypto/sha256"
	"encoding/binary"
	"math"
	"time"
)

// Timetable is that of one check.
type Timetable struct {
	Name     string        // of the check
	Interval time.Duration // positive
	Jitter   float64       // a run begins within this share of its slot: 0 … 1
	Secret   uint64        // so that nobody who knows the name knows the delays
}

// Slot numbers the slots from the epoch of Unix time.
type Slot int64

// At is the slot that a time is in.
func (t Timetable) At(now time.Time) Slot {
	since := now.UnixNano() - int64(t.Phase())
	slot := since / int64(t.Interval)
	if since < 0 && since%int64(t.Interval) != 0 {
		slot--
	}
	return Slot(slot)
}

// Begin is when the run of a slot begins.
func (t Timetable) Begin(s Slot) time.Time {
	return time.Unix(0, int64(t.Phase())+int64(s)*int64(t.Interval)).Add(t.delay(s))
}

// Next is the slot whose run is next when those up to last are over and done
// with, and how many were missed in between since their time went by. A clock
// that was set back by more than an interval begins anew.
func (t Timetable) Next(now time.Time, last Slot) (next Slot, missed int) {
	current := t.At(now)
	if now.After(t.Begin(current)) {
		current++ // its time went by
	}
	if last > current+1 {
		return current, 0
	}
	next = max(last+1, current)
	return next, int(next - last - 1)
}

// Phase is how far the slots of the check are shifted: 0 … Interval.
func (t Timetable) Phase() time.Duration {
	return time.Duration(t.random("phase", 0, 0) * float64(t.Interval))
}

// delay is how far into its slot a run begins.
func (t Timetable) delay(s Slot) time.Duration {
	return time.Duration(t.random("delay", uint64(s), t.Secret) * t.Jitter * float64(t.Interval)) //nolint:gosec // any 64 bits do
}

// random is a number in [0, 1) that depends on nothing but its arguments and
// the name.
func (t Timetable) random(what string, n, secret uint64) float64 {
	b := binary.BigEndian.AppendUint64([]byte(what), n)
	b = binary.BigEndian.AppendUint64(b, secret)
	sum := sha256.Sum256(append(b, t.Name...))
	return math.Ldexp(float64(binary.BigEndian.Uint64(sum[:])>>11), -53)
}
