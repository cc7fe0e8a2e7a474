package timetable

import (
	"fmt"
	"testing"
	"time"
)

func TestSlotsFollowEachOther(t *testing.T) {
	t.Parallel()
	start := time.Date(2026, 1, 2, 3, 4, 5, 6, time.UTC)
	for _, interval := range []time.Duration{time.Second, time.Minute, 7 * time.Minute, 24 * time.Hour} {
		for _, jitter := range []float64{0, 0.2, 0.5} {
			tt := Timetable{Name: "shop", Interval: interval, Jitter: jitter, Secret: 7}
			first := tt.At(start)
			for s := first; s < first+1000; s++ {
				at := tt.Begin(s)
				if got := tt.At(at); got != s {
					t.Fatalf("%v, %v: the run of slot %d begins in slot %d", interval, jitter, s, got)
				}
				gap := tt.Begin(s + 1).Sub(at)
				if slack := time.Duration(jitter*float64(interval)) + 1; gap < interval-slack || gap > interval+slack {
					t.Fatalf("%v, %v: %v between two runs", interval, jitter, gap)
				}
			}
		}
	}
}

// TestPhasesSpread: as many checks as there are seconds in an interval must
// not bunch.
func TestPhasesSpread(t *testing.T) {
	t.Parallel()
	const checks, parts = 600, 10
	var in [parts]int
	start := time.Date(2026, 1, 2, 0, 0, 0, 0, time.UTC)
	for i := range checks {
		tt := Timetable{Name: fmt.Sprint("check ", i), Interval: time.Minute}
		next, _ := tt.Next(start, tt.At(start)-1)
		in[int(tt.Begin(next).Sub(start)/(time.Minute/parts))]++
	}
	for i, n := range in {
		if n < checks/parts/2 || n > checks/parts*2 {
			t.Errorf("%d of %d checks begin in part %d of %d", n, checks, i+1, parts)
		}
	}
}

func TestDelaysAreNoPattern(t *testing.T) {
	t.Parallel()
	a := Timetable{Name: "shop", Interval: time.Minute, Jitter: 0.2, Secret: 1}
	b := a
	b.Secret = 2
	alike := 0
	seen := map[time.Duration]bool{}
	for s := range Slot(1000) {
		seen[a.delay(s)] = true
		if a.delay(s) == b.delay(s) {
			alike++
		}
	}
	if len(seen) < 990 || alike > 0 {
		t.Errorf("%d different delays of 1000, %d predictable without the secret", len(seen), alike)
	}
}

func TestNext(t *testing.T) {
	t.Parallel()
	tt := Timetable{Name: "shop", Interval: time.Minute, Jitter: 0.2, Secret: 7}
	const last = 1000
	at := tt.Begin(last)
	for _, c := range []struct {
		name   string
		now    time.Time
		next   Slot
		missed int
	}{
		{"a short run", at.Add(time.Second), last + 1, 0},
		{"a run of just one interval", tt.Begin(last + 1), last + 1, 0},
		{"a run into the next slot's time", tt.Begin(last + 1).Add(1), last + 2, 1},
		{"a machine that slept", tt.Begin(last + 500).Add(time.Second), last + 501, 500},
		{"a clock set back a little", tt.Begin(last).Add(-time.Second), last + 1, 0},
		{"a clock set back a day", tt.Begin(last - 1440).Add(1), last - 1439, 0},
	} {
		next, missed := tt.Next(c.now, last)
		if next != c.next || missed != c.missed {
			t.Errorf("%s: slot %d with %d missed, want %d with %d", c.name, next, missed, c.next, c.missed)
		}
	}
}
