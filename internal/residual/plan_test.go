package residual_test

import (
	"math/rand/v2"
	"slices"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/rstprobe/rstprobe/internal/residual"
)

var allWays = []residual.Scope{residual.FourTuple, residual.ThreeTuple, residual.AnyPort, residual.AnyAddress}

// box is a box with residual blocking, as polls see it.
type box struct {
	scope    residual.Scope // None: it does not block afterwards
	hold     time.Duration
	extended bool           // by every packet that it blocks
	arms     time.Duration  // after the trigger
	broken   residual.Scope // a way that fails for another reason
	lose     int            // the poll, counted from 1, that fails by a loss; 0: none
	lag      time.Duration  // by which every poll is late
}

// width orders scopes.
func width(s residual.Scope) int { return slices.Index(allWays, s) }

// measured is what a plan made of a box.
type measured struct {
	fact     residual.Fact
	polls    int
	triggers int
	waited   time.Duration // both runs
	lasted   time.Duration // of the block in the first run, as the box knows
}

// measure carries a plan out.
func measure(t *testing.T, p residual.Plan, b box) measured {
	t.Helper()
	m := measured{triggers: 1}
	until := b.hold // of the run under way, since its trigger
	var answers []residual.Answer
	var waited, now time.Duration
	for {
		step := p.Next(answers)
		if step.Done {
			m.fact, m.waited = step.Fact, waited+now
			if m.triggers == 1 {
				m.lasted = until
			}
			return m
		}
		if step.Trigger {
			m.lasted = until
			m.triggers++
			waited, now, until = waited+now, 0, b.hold
		}
		if len(step.Ways) == 0 || !step.Trigger && step.At+b.lag < now || step.Run != m.triggers-1 {
			t.Fatalf("step %+v at %v after trigger %d", step, now, m.triggers)
		}
		now = max(now, step.At+b.lag)
		end := until
		for _, way := range step.Ways {
			m.polls++
			blocked := now >= b.arms && now < end && width(way) <= width(b.scope)
			if blocked && b.extended {
				until = now + b.hold
			}
			failed := blocked || way == b.broken || m.polls == b.lose
			answers = append(answers, residual.Answer{Run: step.Run, At: now, Way: way, Blocked: failed})
		}
		if m.polls > 200 {
			t.Fatalf("no conclusion after %d polls: %+v", m.polls, answers)
		}
	}
}

func TestPlan(t *testing.T) {
	const s, ms = time.Second, time.Millisecond
	long := residual.Plan{Ways: allWays, MaxWait: 20 * time.Minute}
	usual := residual.Plan{Ways: allWays, MaxWait: 3 * time.Minute}
	three := func(lo, hi time.Duration, timer residual.Timer) residual.Fact {
		return residual.Fact{Scope: residual.ThreeTuple, Min: lo, Max: hi, Timer: timer}
	}
	for _, tt := range []struct {
		name     string
		plan     residual.Plan
		box      box
		want     residual.Fact
		triggers int
	}{
		{"none", usual, box{scope: residual.None}, residual.Fact{Scope: residual.None}, 1},
		{"none, one loss", usual, box{scope: residual.None, lose: 2}, residual.Fact{Scope: residual.None}, 1},
		{"none, another port is closed", usual, box{scope: residual.None, broken: residual.AnyPort}, residual.Fact{Scope: residual.None}, 1},
		{
			"four-tuple, 75 s", usual, box{scope: residual.FourTuple, hold: 75 * s},
			residual.Fact{Scope: residual.FourTuple, Min: 60 * s, Max: 80 * s, Timer: residual.TimerFixed}, 2,
		},
		{"three-tuple, 90 s, fixed", usual, box{scope: residual.ThreeTuple, hold: 90 * s}, three(80*s, 120*s, residual.TimerFixed), 2},
		{"three-tuple, 90 s, another server is down", usual, box{scope: residual.ThreeTuple, hold: 90 * s, broken: residual.AnyAddress}, three(80*s, 120*s, residual.TimerFixed), 2},
		{"three-tuple, 60 s, extended by every poll", long, box{scope: residual.ThreeTuple, hold: 60 * s, extended: true}, three(59*s, 119*s, residual.TimerExtended), 2},
		{"three-tuple, 15 s, extended by every poll", usual, box{scope: residual.ThreeTuple, hold: 15 * s, extended: true}, three(9*s, 19*s, residual.TimerExtended), 2},
		{"three-tuple, slow to block", usual, box{scope: residual.ThreeTuple, hold: 30 * s, arms: s}, three(20*s, 40*s, residual.TimerFixed), 2},
		{"any port, 45 s", usual, box{scope: residual.AnyPort, hold: 45 * s}, residual.Fact{Scope: residual.AnyPort, Min: 40 * s, Max: 60 * s, Timer: residual.TimerFixed}, 2},
		{"any address, 3 s", usual, box{scope: residual.AnyAddress, hold: 3500 * ms}, residual.Fact{Scope: residual.AnyAddress, Min: 2 * s, Max: 5 * s}, 1},
		{"gaps alone rule an extended timer out", residual.Plan{Ways: allWays, MaxWait: 93 * s}, box{scope: residual.ThreeTuple, hold: 85 * s}, three(80*s, 90*s, residual.TimerFixed), 1},
		{"one loss when it is over", usual, box{scope: residual.ThreeTuple, hold: 75 * s, lose: 21}, three(60*s, 81*s, residual.TimerFixed), 2},
		{"too short to tell the timers apart", usual, box{scope: residual.ThreeTuple, hold: 1800 * ms}, three(500*ms, 2*s, residual.TimerUnknown), 1},
		{"longer than the budget", usual, box{scope: residual.ThreeTuple, hold: 300 * s}, three(177*s, 0, residual.TimerUnknown), 1},
		{"longer than the schedule", long, box{scope: residual.FourTuple, hold: time.Hour}, residual.Fact{Scope: residual.FourTuple, Min: 420 * s}, 1},
		{"no budget left for the second run", residual.Plan{Ways: allWays, MaxWait: 130 * s}, box{scope: residual.ThreeTuple, hold: 90 * s}, three(80*s, 127*s, residual.TimerUnknown), 1},
		{"no budget", residual.Plan{Ways: allWays}, box{scope: residual.ThreeTuple, hold: 90 * s}, residual.Fact{}, 1},
		{"no way", residual.Plan{MaxWait: time.Minute}, box{scope: residual.ThreeTuple, hold: 90 * s}, residual.Fact{}, 1},
		{"only new ports to poll by", residual.Plan{Ways: allWays[1:2], MaxWait: 3 * time.Minute}, box{scope: residual.AnyPort, hold: 90 * s}, three(80*s, 120*s, residual.TimerFixed), 2},
		{"late polls", usual, box{scope: residual.ThreeTuple, hold: 90 * s, lag: 300 * ms}, three(80*s+300*ms, 120*s+300*ms, residual.TimerFixed), 2},
	} {
		t.Run(tt.name, func(t *testing.T) {
			got := measure(t, tt.plan, tt.box)
			if diff := cmp.Diff(tt.want, got.fact); diff != "" {
				t.Errorf("fact (-want +got):\n%s", diff)
			}
			if got.triggers != tt.triggers {
				t.Errorf("%d triggers, want %d", got.triggers, tt.triggers)
			}
		})
	}
}

// check holds a measurement to the box that it was made of.
func check(t *testing.T, p residual.Plan, b box, m measured) {
	t.Helper()
	fail := func(what string) { t.Errorf("%+v of %+v: %+v: %s", p, b, m, what) }
	if m.waited > p.MaxWait+b.lag {
		fail("waited too long")
	}
	switch f := m.fact; f.Scope {
	case residual.Unknown:
		if p.MaxWait > 5*time.Second {
			fail("unknown")
		}
	case residual.None:
		// A block shorter than the repetition of its first poll passes for a loss.
		if b.scope != residual.None && b.hold > 2*time.Second {
			fail("a block was missed")
		}
	default:
		if f.Scope != b.scope && b.hold > 2*time.Second {
			fail("wrong scope")
		}
		if f.Timer == residual.TimerFixed && b.extended || f.Timer == residual.TimerExtended && !b.extended {
			fail("wrong timer")
		}
		lasted := m.lasted // what the polls made of it
		if f.Timer != residual.TimerUnknown {
			lasted = b.hold
		}
		if lasted <= f.Min || f.Max > 0 && lasted > f.Max {
			fail("wrong duration")
		}
	}
}

// TestPlanOnAnyBox: whatever the box, the conclusion is true or says that it
// is unknown, also when any one poll is lost.
func TestPlanOnAnyBox(t *testing.T) {
	rng := rand.New(rand.NewPCG(1, 2))
	timers := map[residual.Timer]int{}
	for range 5000 {
		p := residual.Plan{Ways: allWays, MaxWait: time.Duration(rng.Int64N(int64(15 * time.Minute)))}
		b := box{
			scope: allWays[rng.IntN(4)], extended: rng.IntN(2) == 0,
			hold: time.Duration(rng.Int64N(int64(8 * time.Minute))), lag: time.Duration(rng.Int64N(int64(100 * time.Millisecond))),
		}
		if rng.IntN(10) == 0 {
			b.scope, b.hold = residual.None, 0
		}
		if rng.IntN(2) == 0 {
			b.lose = 1 + rng.IntN(40)
		}
		m := measure(t, p, b)
		check(t, p, b, m)
		timers[m.fact.Timer]++
	}
	for _, timer := range []residual.Timer{residual.TimerFixed, residual.TimerExtended} {
		if timers[timer] < 250 {
			t.Errorf("timer %q was found %d times of 5000: %v", timer, timers[timer], timers)
		}
	}
}

// FuzzPlan: whatever the answers, the plan comes to an end and to a fact that
// a ledger keeps.
func FuzzPlan(f *testing.F) {
	f.Add([]byte{0, 1, 2, 3}, int64(3*time.Minute))
	f.Add([]byte{255, 255, 255, 255, 0, 0, 255}, int64(20*time.Minute))
	f.Fuzz(func(t *testing.T, choices []byte, wait int64) {
		p := residual.Plan{Ways: allWays, MaxWait: time.Duration(wait)}
		var answers []residual.Answer
		var step residual.Step
		var now time.Duration
		for n := 0; ; n++ {
			if step = p.Next(answers); step.Done {
				break
			}
			if n > 100 {
				t.Fatalf("no conclusion after %d steps", n)
			}
			if step.Trigger {
				now = 0
			}
			now = max(now, step.At)
			for _, way := range step.Ways {
				choice := byte(0)
				if len(choices) > 0 {
					choice, choices = choices[0], choices[1:]
				}
				now += time.Duration(choice>>1) * 100 * time.Millisecond
				answers = append(answers, residual.Answer{Run: step.Run, At: now, Way: way, Blocked: choice&1 == 1})
			}
		}
		var l residual.Ledger
		start := time.Unix(1_700_000_000, 0)
		l.Learn(start, "box", step.Fact)
		if _, known := l.Known(start, "box"); known != (step.Fact.Scope != residual.Unknown) {
			t.Errorf("fact %+v: kept is %v", step.Fact, known)
		}
	})
}
