package state

import (
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"net/netip"
	"slices"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"github.com/rstprobe/rstprobe/probe"
)

var (
	start    = time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)
	question = Question{probe.SNI, "shop.example"}
	patience = Patience{Confirm: 3, Of: 4, Retest: []time.Duration{3 * time.Second, 30 * time.Second, 200 * time.Second}, Every: time.Minute}

	fine    = Axes{Outcome: probe.OK, Trigger: probe.TriggerNone, Author: probe.Server}
	blocked = Axes{Outcome: probe.Reset, Trigger: probe.TriggerSNI, Author: probe.InPath, Place: Place{3, 4, netip.MustParseAddr("10.9.3.2")}}
	farther = with(blocked, func(a *Axes) { a.Place = Place{5, 6, netip.MustParseAddr("10.9.5.2")} })
	wider   = with(blocked, func(a *Axes) { a.Place = Place{1, 5, netip.Addr{}} })
	vague   = Axes{Outcome: probe.Reset, Trigger: probe.TriggerUnknown, Author: probe.OnOrInPath}
	gone    = Axes{Outcome: probe.Drop, Trigger: probe.TriggerUnknown, Author: probe.Undetermined}
)

func with(a Axes, change func(*Axes)) Axes {
	change(&a)
	return a
}

// world feeds a machine as the scheduler does: a run per interval, and the
// re-tests that it asks for.
type world struct {
	Machine
	now      time.Time
	interval time.Duration
	sees     func(at time.Duration) Reading // since start
	alive    func(since time.Time) bool
	changes  []Change
	runs     int
}

func newWorld(sees func(at time.Duration) Reading) *world {
	return &world{now: start, interval: time.Minute, sees: sees, alive: func(time.Time) bool { return false }}
}

// until runs until a time since start.
func (w *world) until(end time.Duration) *world {
	for slot := start; ; {
		next := slot
		if due := w.Due(); !due.IsZero() && due.Before(next) {
			next = due
		} else {
			slot = slot.Add(w.interval)
		}
		if next.Sub(start) > end {
			return w
		}
		w.now = next
		r := w.sees(next.Sub(start))
		r.At = next
		w.runs++
		var change *Change
		if w.Machine, change = w.Step(question, r, patience, w.alive); change != nil {
			w.changes = append(w.changes, *change)
		}
	}
}

func sure(a Axes) Reading { return Reading{Axes: a, Healthy: true, Life: true} }

// from sees what each pair of a time and axes says, from that time on.
func from(pairs ...any) func(time.Duration) Reading {
	return func(at time.Duration) Reading {
		var a Axes
		for i := 0; i < len(pairs); i += 2 {
			if at >= pairs[i].(time.Duration) {
				a = pairs[i+1].(Axes)
			}
		}
		return sure(a)
	}
}

func TestNothingChanges(t *testing.T) {
	t.Parallel()
	w := newWorld(from(0*time.Second, fine)).until(365 * 24 * time.Hour)
	if len(w.changes) > 0 || w.Confirmed != fine || w.Since != start {
		t.Errorf("changes %v, state %v since %v", w.changes, w.Confirmed, w.Since)
	}
}

// TestEveryAxisAlone: each change is told once, with what has changed and
// since when, after three re-tests.
func TestEveryAxisAlone(t *testing.T) {
	t.Parallel()
	onPath := with(blocked, func(a *Axes) { a.Author = probe.OnPath })
	byHost := with(blocked, func(a *Axes) { a.Trigger = probe.TriggerProtocol })
	for _, tt := range []struct {
		name         string
		before, then Axes
		axes         []Axis
	}{
		{"blocked", fine, blocked, []Axis{Outcome, Trigger, Author, Where}},
		{"free again", blocked, fine, []Axis{Outcome, Trigger, Author, Where}},
		{"otherwise", blocked, with(blocked, func(a *Axes) { a.Outcome = probe.Drop }), []Axis{Outcome}},
		{"another trigger", blocked, byHost, []Axis{Trigger}},
		{"another author", blocked, onPath, []Axis{Author}},
		{"author found out", vague, with(vague, func(a *Axes) { a.Author = probe.InPath }), []Axis{Author}},
		{"relocated", blocked, farther, []Axis{Where}},
		{"located", with(blocked, func(a *Axes) { a.Place = Place{} }), blocked, []Axis{Where}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			w := newWorld(from(0*time.Second, tt.before, time.Hour, tt.then)).until(3 * time.Hour)
			w.changes = slices.DeleteFunc(w.changes, func(c Change) bool { return !c.From.Known() })
			want := []Change{{
				Question: question, Since: start.Add(time.Hour), At: start.Add(time.Hour + 233*time.Second),
				Axes: tt.axes, From: tt.before, To: tt.then,
			}}
			if diff := cmp.Diff(want, w.changes, cmpopts.EquateComparable(netip.Addr{})); diff != "" {
				t.Errorf("changes (-want +got):\n%s", diff)
			}
			if w.Candidate != nil {
				t.Errorf("something is still suspected: %+v", w.Candidate)
			}
		})
	}
}

func TestWhatIsBadFromTheFirstIsToldOnce(t *testing.T) {
	t.Parallel()
	w := newWorld(from(0*time.Second, blocked)).until(time.Hour)
	if len(w.changes) != 1 || w.changes[0].From.Known() || w.changes[0].To != blocked {
		t.Errorf("changes: %v", w.changes)
	}
}

// TestWhatTellsLessIsNoChange: loss takes away evidence.
func TestWhatTellsLessIsNoChange(t *testing.T) {
	t.Parallel()
	for name, a := range map[string]Axes{"all but the outcome": vague, "the segment": wider, "author": with(blocked, func(a *Axes) { a.Author = probe.Undetermined })} {
		w := newWorld(from(0*time.Second, blocked, time.Hour, a)).until(5 * time.Hour)
		if len(w.changes) != 1 || w.Confirmed != blocked {
			t.Errorf("%s: changes %v, state %v", name, w.changes, w.Confirmed)
		}
	}
}

func TestSegmentsNarrow(t *testing.T) {
	t.Parallel()
	w := newWorld(from(0*time.Second, wider, time.Hour, blocked, 2*time.Hour, wider)).until(3 * time.Hour)
	if len(w.changes) != 1 || w.Confirmed.Place != blocked.Place {
		t.Errorf("changes %v, place %v", w.changes, w.Confirmed.Place)
	}
}

// TestOneOutlierIsNoChange, whichever reading it is.
func TestOneOutlierIsNoChange(t *testing.T) {
	t.Parallel()
	for n := 2; n < 200; n += 7 {
		var w *world
		w = newWorld(func(time.Duration) Reading {
			if w.runs == n {
				return sure(blocked)
			}
			return sure(fine)
		})
		w.until(5 * time.Hour)
		if len(w.changes) > 0 || w.Confirmed != fine || w.Candidate != nil {
			t.Errorf("reading %d: changes %v, state %v", n, w.changes, w.Confirmed)
		}
	}
}

// TestOneReTestMayFail: three of four are enough.
func TestOneReTestMayFail(t *testing.T) {
	t.Parallel()
	for failing := range 4 {
		votes := 0
		var w *world
		w = newWorld(func(at time.Duration) Reading {
			if at < time.Hour {
				return sure(fine)
			}
			if c := w.Candidate; c != nil && !w.now.Before(c.Due) {
				if votes++; votes == failing {
					return sure(fine)
				}
			}
			return sure(blocked)
		})
		w.until(2 * time.Hour)
		if len(w.changes) != 1 || w.changes[0].Since != start.Add(time.Hour) {
			t.Errorf("re-test %d failed: changes %v", failing, w.changes)
		}
	}
}

// TestUnhealthyReadingsCountForNothing.
func TestUnhealthyReadingsCountForNothing(t *testing.T) {
	t.Parallel()
	w := newWorld(func(at time.Duration) Reading {
		r := sure(fine)
		if at >= time.Hour {
			r = Reading{Axes: blocked, Life: true}
		}
		return r
	}).until(24 * time.Hour)
	if len(w.changes) > 0 || w.Confirmed != fine {
		t.Errorf("changes %v, state %v", w.changes, w.Confirmed)
	}
}

func TestFlapping(t *testing.T) {
	t.Parallel()
	rng := rand.New(rand.NewPCG(1, 2))
	w := newWorld(func(at time.Duration) Reading {
		if at >= time.Hour && at < 6*time.Hour && rng.IntN(2) == 0 {
			return sure(blocked)
		}
		return sure(fine)
	}).until(12 * time.Hour)
	if len(w.changes) < 2 {
		t.Fatalf("changes %v", w.changes)
	}
	first, last := w.changes[0], w.changes[len(w.changes)-1]
	if len(w.changes) > 2 || !first.Flapping || last.Flapping || last.At.Sub(start) < 6*time.Hour || w.Flapping || w.Confirmed != fine {
		t.Errorf("changes %v, state %v", w.changes, w.Confirmed)
	}
}

// TestSwitchesAreNotFlapping: a box that is switched every five minutes is
// told of each time.
func TestSwitchesAreNotFlapping(t *testing.T) {
	t.Parallel()
	w := newWorld(func(at time.Duration) Reading {
		if at/(5*time.Minute)%2 == 1 {
			return sure(blocked)
		}
		return sure(fine)
	}).until(24*time.Hour - time.Second)
	if got, want := len(w.changes), 24*12-1; got != want {
		t.Errorf("%d changes, want %d", got, want)
	}
}

// TestOwnNetwork: where nothing answers, it takes another check that shows
// life for each vote.
func TestOwnNetwork(t *testing.T) {
	t.Parallel()
	silent := func(at time.Duration) Reading {
		if at < time.Hour {
			return sure(fine)
		}
		return Reading{Axes: gone, Healthy: true}
	}
	alone := newWorld(silent).until(24 * time.Hour)
	if len(alone.changes) > 0 || alone.Confirmed != fine {
		t.Errorf("alone: changes %v", alone.changes)
	}
	// The other one was still under way when the line was cut.
	other := newWorld(silent)
	other.alive = func(since time.Time) bool { return start.Add(time.Hour + 5*time.Second).After(since) }
	if other.until(24 * time.Hour); len(other.changes) > 0 {
		t.Errorf("cut: changes %v", other.changes)
	}
	served := newWorld(silent)
	served.alive = func(since time.Time) bool { return served.now.Truncate(10 * time.Minute).After(since) }
	if served.until(24 * time.Hour); len(served.changes) != 1 || served.changes[0].Since != start.Add(time.Hour) {
		t.Errorf("another is served every ten minutes: changes %v", served.changes)
	}
	back := newWorld(func(at time.Duration) Reading {
		if at >= 5*time.Hour {
			return sure(fine)
		}
		return silent(at)
	})
	if back.until(24 * time.Hour); len(back.changes) > 0 || back.Candidate != nil {
		t.Errorf("back: changes %v, %+v", back.changes, back.Candidate)
	}
}

// TestDoubt: the reading before an outage of our own network and the one after
// it make no turn; others do.
func TestDoubt(t *testing.T) {
	t.Parallel()
	step := func(m Machine, minute int, a Axes) Machine {
		r := sure(a)
		r.At = start.Add(time.Duration(minute) * time.Minute)
		m, _ = m.Step(question, r, patience, nil)
		return m
	}
	m := step(step(Machine{}, 0, fine), 1, blocked)
	turned := m.Turns
	m = step(m, 2, fine).Doubt()
	if diff := cmp.Diff(turned, m.Turns); diff != "" {
		t.Errorf("turns once it is in doubt (-want +got):\n%s", diff)
	}
	m = step(m.Doubt(), 3, blocked)
	if diff := cmp.Diff(turned, m.Turns); diff != "" {
		t.Errorf("turns after the next reading (-want +got):\n%s", diff)
	}
	if m = step(m, 4, fine); len(m.Turns) != len(turned)+1 {
		t.Errorf("turns %v, want one more than %v", m.Turns, turned)
	}
}

// TestMachineSurvivesAStore: after any reading, the machine from its JSON goes
// on as if nothing had happened; also where targets change, our own network
// fails and the clock is set back.
func TestMachineSurvivesAStore(t *testing.T) {
	t.Parallel()
	all := []Axes{fine, blocked, farther, wider, vague, gone}
	rng := rand.New(rand.NewPCG(3, 4))
	var m Machine
	now := start
	flaps := 0
	for i := range 4000 {
		if rng.IntN(20) == 0 {
			m = m.Doubt()
		}
		b, err := json.Marshal(m)
		if err != nil {
			t.Fatal(err)
		}
		var stored Machine
		if err := json.Unmarshal(b, &stored); err != nil {
			t.Fatal(err)
		}
		now = now.Add(time.Duration(rng.IntN(300)) * time.Second)
		if rng.IntN(50) == 0 {
			now = now.Add(-time.Hour)
		}
		r := Reading{At: now, Target: fmt.Sprint(rng.IntN(50) / 49), Axes: all[rng.IntN(1+i/800)], Healthy: rng.IntN(5) > 0, Life: rng.IntN(5) > 0}
		alive := func(time.Time) bool { return i%3 == 0 }
		var a, b2 *Change
		m, a = m.Step(question, r, patience, alive)
		stored, b2 = stored.Step(question, r, patience, alive)
		if fmt.Sprint(a) != fmt.Sprint(b2) {
			t.Fatalf("reading %d: %v, and from the store %v", i, a, b2)
		}
		if n := len(m.Turns); n > flappingTurns || m.Flapping && n == 0 || !slices.IsSortedFunc(m.Turns, time.Time.Compare) {
			t.Fatalf("reading %d: turns %v, flapping: %v", i, m.Turns, m.Flapping)
		}
		if m.Flapping {
			flaps++
		}
		if diff := cmp.Diff(m, stored, cmpopts.EquateComparable(netip.Addr{}), cmpopts.EquateEmpty()); diff != "" {
			t.Fatalf("reading %d (-kept +stored):\n%s", i, diff)
		}
	}
	if flaps == 0 {
		t.Error("it never flaps")
	}
}

func TestNetwork(t *testing.T) {
	t.Parallel()
	var n Network
	n.Note("b", start, false)
	if n.Trouble(2) {
		t.Error("trouble before a has run")
	}
	n.Note("a", start, true)
	if n.Trouble(2) || n.AliveElsewhere("a", start)(start.Add(-1)) || !n.AliveElsewhere("b", start)(start.Add(-1)) || n.AliveElsewhere("b", start)(start) {
		t.Error("a shows life, b does not")
	}
	n.Note("a", start.Add(time.Minute), false)
	if !n.Trouble(2) {
		t.Error("no trouble though nobody shows life")
	}
	n.Forget("a")
	if !n.Trouble(1) || n.AliveElsewhere("b", start)(start.Add(-1)) {
		t.Error("a is still known")
	}
}

// TestLifeBeforeIsNone: a run that began before a time shows no life after it,
// however long it took.
func TestLifeBeforeIsNone(t *testing.T) {
	t.Parallel()
	at := time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)
	var n Network
	n.Note("long", at, true)
	for since, want := range map[time.Time]bool{at.Add(-time.Second): true, at: false, at.Add(time.Second): false} {
		if got := n.AliveElsewhere("other", at.Add(time.Minute))(since); got != want {
			t.Errorf("alive since %v: %v, want %v", since, got, want)
		}
	}
	if n.AliveElsewhere("long", at.Add(time.Minute))(at.Add(-time.Second)) {
		t.Error("its own life is taken for that of another")
	}
	if back := at.Add(-time.Hour); n.AliveElsewhere("other", back)(back.Add(-time.Second)) {
		t.Error("life that is yet to come, since the clock was set back, is taken for life")
	}
}
