package watch

import (
	"context"
	"fmt"
	"log/slog"
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"github.com/rstprobe/rstprobe/internal/watch/state"
	"github.com/rstprobe/rstprobe/internal/watch/watchfile"
	"github.com/rstprobe/rstprobe/probe"
)

// begin runs checks until stop, and others from each reload on.
func begin(t *testing.T, w *Watcher, checks ...watchfile.Check) (reload func(...watchfile.Check), stop func()) {
	t.Helper()
	ctx, cancel := context.WithCancel(t.Context())
	reloads, done := make(chan []watchfile.Check), make(chan struct{})
	go func() {
		defer close(done)
		w.Run(ctx, checks, reloads)
	}()
	return func(checks ...watchfile.Check) { reloads <- checks }, func() {
		cancel()
		<-done
	}
}

// TestRunOfACheckThatIsGone: it is finished and kept, but what it showed of our
// own network does not stand for ever.
func TestRunOfACheckThatIsGone(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		m, start := newMemory(), time.Now()
		w := watcher(t, m, func(c watchfile.Check) (time.Duration, probe.Outcome) {
			switch {
			case c.Name == "gone":
				return 10 * time.Minute, probe.OK
			case time.Since(start) > 15*time.Minute:
				return time.Second, ""
			}
			return time.Second, probe.OK
		}, 2)
		stays := check("stays", "b.example", time.Minute)
		reload, stop := begin(t, w, check("gone", "a.example", time.Minute), stays)
		time.Sleep(time.Minute)
		reload(stays)
		time.Sleep(20 * time.Minute)
		stop()
		if len(m.runs["gone"]) != 1 {
			t.Errorf("%d runs were kept of 1", len(m.runs["gone"]))
		}
		if !slices.Equal(m.trouble, []bool{false, true}) {
			t.Errorf("trouble of our own network: %v", m.trouble)
		}
	})
}

// TestGoneAndBack: a check that comes back while a run of it is under way waits
// for that, even if it has another target now; and what that run finds at the
// old one is not taken for the new one.
func TestGoneAndBack(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		const takes = 10 * time.Minute
		m := newMemory()
		var began []time.Time
		w := watcher(t, m, func(c watchfile.Check) (time.Duration, probe.Outcome) {
			if c.Name != "shop" {
				return time.Second, probe.OK
			}
			m.mu.Lock()
			defer m.mu.Unlock()
			began = append(began, time.Now())
			if c.Target.Host == "a.example" {
				return takes, probe.Reset
			}
			return takes, probe.OK
		}, 3)
		before, after, other := check("shop", "a.example", time.Minute), check("shop", "b.example", time.Minute), check("other", "c.example", time.Minute)
		before.Confirm, after.Confirm = 0, 0
		after.Questions = before.Questions
		reload, stop := begin(t, w, before, other)
		time.Sleep(time.Minute)
		reload(other)
		time.Sleep(time.Minute)
		reload(after, other)
		time.Sleep(time.Hour)
		stop()
		if len(began) < 5 {
			t.Fatalf("runs began at %v", began)
		}
		for i := range began[1:] {
			if began[i+1].Sub(began[i]) < takes {
				t.Errorf("runs overlap, they began at %v", began)
			}
		}
		if len(m.changes["shop"]) > 0 {
			t.Errorf("changes: %v", m.changes["shop"])
		}
	})
}

// TestReloadWithinARun: what it finds counts, whatever else the file says of the
// check now, if the target is the same.
func TestReloadWithinARun(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		m := newMemory()
		w := watcher(t, m, func(watchfile.Check) (time.Duration, probe.Outcome) { return 10 * time.Minute, probe.Reset }, 1)
		shop := check("shop", "a.example", 30*time.Minute)
		shop.Confirm = 0
		reload, stop := begin(t, w, shop)
		time.Sleep(time.Minute)
		shop.Labels, shop.Interval = map[string]string{"team": "web"}, 20*time.Minute
		reload(shop)
		time.Sleep(10 * time.Minute) // the first run has ended, the second has not
		stop()
		if runs, changes := m.runs["shop"], m.changes["shop"]; len(runs) != 2 || len(changes) != 1 || !changes[0].At.Equal(runs[0].Ended) {
			t.Errorf("%d runs, changes %v", len(runs), changes)
		}
	})
}

// TestReloadWithinAConfirmation: what is suspected stays suspected, and is told
// once; but not of another target, however often it was seen at the old one.
func TestReloadWithinAConfirmation(t *testing.T) {
	t.Parallel()
	for name, tt := range map[string]struct {
		change func(*watchfile.Check)
		anew   bool
	}{
		"another interval": {func(c *watchfile.Check) { c.Interval = 7 * time.Minute }, false},
		"another target":   {func(c *watchfile.Check) { c.Target.Input, c.Target.Host = "b.example", "b.example" }, true},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				m, start := newMemory(), time.Now()
				w := watcher(t, m, func(watchfile.Check) (time.Duration, probe.Outcome) {
					if time.Since(start) > 30*time.Minute {
						return time.Second, probe.Reset
					}
					return time.Second, probe.OK
				}, 1)
				shop := check("shop", "a.example", 5*time.Minute)
				reload, stop := begin(t, w, shop)
				suspected := func() state.Candidate {
					w.mu.Lock()
					defer w.mu.Unlock()
					for _, machine := range w.known["shop"] {
						if machine.Candidate != nil {
							return *machine.Candidate
						}
					}
					return state.Candidate{}
				}
				for suspected().Agreed < 2 {
					time.Sleep(time.Second)
				}
				first, at := suspected().First, time.Now()
				tt.change(&shop)
				reload(shop)
				time.Sleep(time.Hour)
				stop()
				if len(m.changes["shop"]) != 1 {
					t.Fatalf("changes: %v", m.changes["shop"])
				}
				c := m.changes["shop"][0]
				if took := c.At.Sub(c.Since); tt.anew && (c.Since.Before(at) || took < 233*time.Second) || !tt.anew && !c.Since.Equal(first) {
					t.Errorf("seen %v after the reload, sure %v later; it was suspected since %v before", c.Since.Sub(at), took, at.Sub(first))
				}
			})
		})
	}
}

// TestNewCheckInAnOutage: that it has not run yet does not mean that our own
// network works again.
func TestNewCheckInAnOutage(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		m, start := newMemory(), time.Now()
		w := watcher(t, m, func(c watchfile.Check) (time.Duration, probe.Outcome) {
			at := time.Since(start)
			switch {
			case at < 10*time.Minute || at > 60*time.Minute:
				return time.Second, probe.OK
			case c.Name == "new":
				return 20 * time.Minute, ""
			}
			return time.Second, ""
		}, 3)
		shop, bank := check("shop", "a.example", time.Minute), check("bank", "b.example", time.Minute)
		reload, stop := begin(t, w, shop, bank)
		time.Sleep(20 * time.Minute)
		reload(shop, bank, check("new", "c.example", time.Minute))
		time.Sleep(time.Hour)
		stop()
		if !slices.Equal(m.trouble, []bool{false, true, false}) {
			t.Errorf("trouble of our own network: %v", m.trouble)
		}
	})
}

// TestAllAtOnce: that everything is blocked at the same time is told of each
// check, if anything behind our own network answers; if nothing does, it is
// told once something does, of what is still silent then.
func TestAllAtOnce(t *testing.T) {
	t.Parallel()
	for name, tt := range map[string]struct {
		outcome probe.Outcome
		want    map[string]int // changes by check
	}{
		"boxes":        {probe.Reset, map[string]int{"shop": 1, "bank": 2}},
		"only silence": {"", map[string]int{"shop": 1, "bank": 0}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				const begins, ends = time.Hour, 5 * time.Hour // for bank; shop stays blocked
				m, start := newMemory(), time.Now()
				during(t, 10*time.Hour, watcher(t, m, func(c watchfile.Check) (time.Duration, probe.Outcome) {
					if at := time.Since(start); at < begins || at > ends && c.Name == "bank" {
						return time.Second, probe.OK
					}
					return time.Second, tt.outcome
				}, 2), check("shop", "a.example", 5*time.Minute), check("bank", "b.example", 5*time.Minute))
				for name, want := range tt.want {
					if len(m.changes[name]) != want {
						t.Errorf("%s: changes %v, want %d", name, m.changes[name], want)
					}
				}
				if c := m.changes["shop"]; len(c) > 0 && (c[0].Since.Sub(start) > begins+7*time.Minute || tt.outcome == "" && c[0].At.Sub(start) < ends) {
					t.Errorf("shop: seen after %v, sure after %v", c[0].Since.Sub(start), c[0].At.Sub(start))
				}
			})
		})
	}
}

// TestLookupsAreToldOnce, whichever of two resolvers fails to answer.
func TestLookupsAreToldOnce(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		m, log, start, n := newMemory(), &counting{lines: map[string]int{}}, time.Now(), 0
		w := watcher(t, m, nil, 1)
		w.cfg.Log = slog.New(slog.NewJSONHandler(log, nil))
		w.cfg.Measure = func(_ context.Context, c watchfile.Check) Measured {
			out := Measured{Document: document(c, time.Now(), probe.OK, false)}
			if h := time.Since(start) / time.Hour; h == 1 || h == 3 {
				n++
				out.Lookup = fmt.Sprintf("the resolver did not answer in time (asked 192.0.2.%d:53)", n%2)
			}
			return out
		}
		during(t, 5*time.Hour, w, check("shop", "a.example", 5*time.Minute))
		if a, b := log.lines["the name cannot be resolved"], log.lines["the name can be resolved again"]; a != 2 || b != 2 {
			t.Errorf("told %d times that it cannot be resolved and %d times that it can, want 2 and 2", a, b)
		}
	})
}
