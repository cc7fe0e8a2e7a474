package state

import (
	"testing"
	"time"
)

// flapping is a machine that flaps, and whose last reading turned to well.
func flapping(t *testing.T) Machine {
	t.Helper()
	w := newWorld(func(at time.Duration) Reading {
		if at >= time.Hour && at/time.Minute%2 == 0 {
			return sure(blocked)
		}
		return sure(fine)
	})
	if w.until(time.Hour + 9*time.Minute); !w.Flapping || w.Last != fine {
		t.Fatalf("it does not flap: %+v", w.Machine)
	}
	return w.Machine
}

// TestFlappingEndsByReadings: a time in which nothing was read, as long as it
// may be, is not one in which nothing turned. What it has come to takes as many
// readings as any change.
func TestFlappingEndsByReadings(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		name  string
		m     Machine
		reads Axes
		takes int // readings
	}{
		{"a machine that slept", flapping(t), fine, patience.Confirm},
		{"an outage of our own network", flapping(t).Doubt(), blocked, 1 + patience.Confirm},
	} {
		m, n := tt.m, 0
		for m.Flapping && n < 100 {
			n++
			r := sure(tt.reads)
			r.At = start.Add(9*time.Hour + time.Duration(n)*time.Minute)
			m, _ = m.Step(question, r, patience, nil)
		}
		if n != tt.takes || m.Confirmed != tt.reads {
			t.Errorf("%s: it ends with %v after %d readings, want %v after %d", tt.name, m.Confirmed, n, tt.reads, tt.takes)
		}
	}
}

// TestSilenceWhileFlapping suspects nothing: it is settled otherwise.
func TestSilenceWhileFlapping(t *testing.T) {
	t.Parallel()
	m := flapping(t)
	r := Reading{At: start.Add(2 * time.Hour), Axes: gone, Healthy: true}
	if m, _ = m.Step(question, r, patience, func(time.Time) bool { return false }); m.Candidate != nil {
		t.Errorf("suspected: %+v", m.Candidate)
	}
}

// TestClockSetBack: readings count from the first one on, whatever was known
// of a time that is yet to come; a change takes as long as ever, and nothing
// flaps that did not.
func TestClockSetBack(t *testing.T) {
	t.Parallel()
	const year = 365 * 24 * time.Hour
	for name, ahead := range map[string]Machine{
		"well":      newWorld(from(0*time.Second, fine)).until(time.Hour).Machine,
		"suspected": newWorld(from(0*time.Second, fine, time.Hour, blocked)).until(time.Hour + 10*time.Second).Machine,
		"turned":    newWorld(from(0*time.Second, fine, 50*time.Minute, blocked, 55*time.Minute, fine)).until(time.Hour).Machine,
	} {
		w := newWorld(from(0*time.Second, fine, 10*time.Minute, blocked))
		w.Machine = ahead
		for _, at := range []*time.Time{&w.Since, &w.LastAt} {
			*at = at.Add(year)
		}
		for i := range w.Turns {
			w.Turns[i] = w.Turns[i].Add(year)
		}
		if c := w.Candidate; c != nil {
			w.Candidate = &Candidate{Axes: c.Axes, First: c.First.Add(year), Agreed: c.Agreed, Tested: c.Tested, Voted: c.Voted.Add(year), Due: c.Due.Add(year)}
		}
		w.until(20 * time.Minute)
		if len(w.changes) != 1 || !w.changes[0].Since.Equal(start.Add(10*time.Minute)) || w.changes[0].At.Sub(w.changes[0].Since) != 233*time.Second {
			t.Errorf("%s: changes %+v", name, w.changes)
		}
	}
	m := flapping(t)
	changes := 0
	for n := range 30 {
		r := sure(fine)
		r.At = start.Add(time.Duration(n)*time.Minute - year)
		var c *Change
		if m, c = m.Step(question, r, patience, nil); c != nil {
			if changes++; r.At.Sub(start.Add(-year)) != patience.window() {
				t.Errorf("flapping: %v at %v", *c, r.At)
			}
		}
	}
	if changes != 1 || m.Flapping {
		t.Errorf("flapping: %d changes, %+v", changes, m)
	}
}

// TestClockSetBackInSilence: what was suspected while nothing answered, by a
// clock that was ahead, does not hold up what is found when something does.
func TestClockSetBackInSilence(t *testing.T) {
	t.Parallel()
	w := newWorld(from(0*time.Second, fine, 10*time.Minute, blocked))
	dead := func(time.Time) bool { return false }
	m, _ := Machine{}.Step(question, Reading{At: start, Axes: fine, Healthy: true, Life: true}, patience, dead)
	w.Machine, _ = m.Step(question, Reading{At: start.Add(24 * time.Hour), Axes: blocked, Healthy: true}, patience, dead)
	if w.Candidate == nil {
		t.Fatal("nothing is suspected")
	}
	w.until(20 * time.Minute)
	if len(w.changes) != 1 || !w.changes[0].Since.Equal(start.Add(10*time.Minute)) || w.changes[0].At.Sub(w.changes[0].Since) != 233*time.Second {
		t.Errorf("changes %+v", w.changes)
	}
}

// TestAnotherTarget: what was suspected, and what has turned, was so of the old
// one; what is confirmed is what the new one is compared with.
func TestAnotherTarget(t *testing.T) {
	t.Parallel()
	const moves = time.Hour + 40*time.Second
	var w *world
	var agreed int
	w = newWorld(func(at time.Duration) Reading {
		r := from(0*time.Second, fine, time.Hour, blocked)(at)
		if r.Target = "old.example"; at > moves {
			r.Target = "new.example"
		} else if c := w.Candidate; c != nil {
			agreed = c.Agreed + 1
		}
		return r
	})
	w.until(2 * time.Hour)
	if agreed != 2 || len(w.changes) != 1 {
		t.Fatalf("%d re-tests agreed at the old one; changes: %+v", agreed, w.changes)
	}
	if c := w.changes[0]; c.From != fine || c.Since.Sub(start) <= moves || c.At.Sub(c.Since) != 233*time.Second {
		t.Errorf("seen first after %v, sure %v later: %v", c.Since.Sub(start), c.At.Sub(c.Since), c)
	}
}

// TestFlappingAtAnotherTarget goes on, and ends as ever, even where our own
// network fails with the first reading.
func TestFlappingAtAnotherTarget(t *testing.T) {
	t.Parallel()
	m, moves := flapping(t), start.Add(2*time.Hour)
	for n := range 21 {
		r := sure(blocked)
		r.Target, r.At = "new.example", moves.Add(time.Duration(n)*time.Minute)
		before := m.Flapping
		if m, _ = m.Step(question, r, patience, nil); n == 0 {
			m = m.Doubt()
		}
		if over := r.At.Sub(moves) >= patience.window(); !before || m.Flapping == over {
			t.Errorf("after %v it flaps: %v", r.At.Sub(moves), m.Flapping)
		}
	}
}

// TestRetestsThatTellNothing come ever more rarely, and at last no more often
// than the runs of the check itself.
func TestRetestsThatTellNothing(t *testing.T) {
	t.Parallel()
	daily := patience
	daily.Every = 24 * time.Hour
	r := sure(blocked)
	r.At = start
	m, _ := Machine{Confirmed: fine, Since: start}.Step(question, r, daily, nil)
	var delays []time.Duration
	for at := m.Due(); at.Before(start.Add(10 * daily.Every)); at = m.Due() {
		m = m.Postpone(at, daily)
		delays = append(delays, m.Due().Sub(at))
	}
	if n := len(delays); n > 25 || delays[0] != 30*time.Second || delays[2] != 200*time.Second || delays[n-1] < daily.Every {
		t.Errorf("%d re-tests in ten days, after %v", len(delays), delays)
	}
	if m, _ = m.Step(question, Reading{At: m.Due(), Axes: blocked, Healthy: true, Life: true}, daily, nil); m.Candidate.Agreed != 1 || m.Due().Sub(m.LastAt) > 200*time.Second {
		t.Errorf("after one that tells something: %+v", m.Candidate)
	}
}
