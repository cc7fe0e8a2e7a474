package watch

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"maps"
	"slices"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/rstprobe/rstprobe/internal/diagnosis"
	"github.com/rstprobe/rstprobe/internal/watch/alert"
	"github.com/rstprobe/rstprobe/internal/watch/state"
	"github.com/rstprobe/rstprobe/internal/watch/store"
	"github.com/rstprobe/rstprobe/internal/watch/watchfile"
	"github.com/rstprobe/rstprobe/probe"
	"github.com/rstprobe/rstprobe/report"
)

// memory is a store and an observer, and what a fake measurement notes.
type memory struct {
	mu      sync.Mutex
	runs    map[string][]store.Run
	lags    map[string][]time.Duration
	changes map[string][]state.Change
	states  map[string]state.Machines
	told    []alert.Decision
	missed  map[string]int
	trims   int
	trouble []bool
	broken  bool // Add fails

	atOnce, most int
	busy         map[string]bool // by host
	overlaps     []string
}

func newMemory() *memory {
	return &memory{
		runs: map[string][]store.Run{}, lags: map[string][]time.Duration{}, changes: map[string][]state.Change{},
		states: map[string]state.Machines{}, missed: map[string]int{}, busy: map[string]bool{},
	}
}

func (m *memory) States() (map[string]state.Machines, error) { return maps.Clone(m.states), nil }

func (m *memory) Add(r store.Run, changes []state.Change, after state.Machines, told ...alert.Decision) error {
	if m.broken {
		return errors.New("disk full")
	}
	r.Document = report.Document{Verdict: r.Document.Verdict} // months of them are kept
	m.runs[r.Check] = append(m.runs[r.Check], r)
	m.changes[r.Check] = append(m.changes[r.Check], changes...)
	m.states[r.Check] = after
	m.told = append(m.told, told...)
	return nil
}

func (m *memory) Trim(context.Context, store.Keep) (int64, error) {
	m.trims++
	return 0, nil
}

func (m *memory) Watched([]watchfile.Check)      {}
func (m *memory) Known(string, state.Machines)   {}
func (m *memory) Missed(check string, slots int) { m.missed[check] += slots }
func (m *memory) Network(trouble bool)           { m.trouble = append(m.trouble, trouble) }
func (m *memory) Failed(string, bool)            {}
func (m *memory) Ran(run store.Run, lag time.Duration, _ []state.Change) {
	m.lags[run.Check] = append(m.lags[run.Check], lag)
}

// world is what a fake measurement sees: how long it takes, and what it finds.
type world func(c watchfile.Check) (took time.Duration, outcome probe.Outcome)

// measure is a measurement in a world; it notes what must not happen.
func (m *memory) measure(see world) func(context.Context, watchfile.Check) Measured {
	return func(ctx context.Context, c watchfile.Check) Measured {
		took, outcome := see(c)
		m.mu.Lock()
		m.atOnce++
		m.most = max(m.most, m.atOnce)
		if m.busy[c.Target.Host] {
			m.overlaps = append(m.overlaps, c.Name)
		}
		m.busy[c.Target.Host] = true
		m.mu.Unlock()
		started := time.Now()
		t := time.NewTimer(took)
		defer t.Stop()
		select {
		case <-t.C:
		case <-ctx.Done():
		}
		m.mu.Lock()
		defer m.mu.Unlock()
		m.atOnce--
		m.busy[c.Target.Host] = false
		return Measured{Document: document(c, started, outcome, ctx.Err() != nil)}
	}
}

// document is a result; "": nothing at all answered.
func document(c watchfile.Check, started time.Time, outcome probe.Outcome, interrupted bool) report.Document {
	doc := report.Document{StartedAt: started, Target: report.Target{Input: c.Target.Input}, Interrupted: interrupted, Verdict: report.Verdict{Outcome: probe.Clean}}
	test := report.Test{Kind: probe.SNI, Name: c.Questions[0].Name, Outcome: outcome, Stage: probe.StageData, Counts: report.Counts{TestTotal: 3, ControlTotal: 4}}
	doc.Path.ServerTTL = 7
	switch outcome {
	case probe.OK:
	case "":
		doc.Verdict.Outcome, doc.Path.ServerTTL = probe.OverallUnreachable, 0
		test.Outcome, test.Stage, test.Counts = probe.Drop, probe.StageSYN, report.Counts{}
	default:
		doc.Verdict.Outcome, test.Author, test.Trigger = probe.Interference, probe.InPath, probe.TriggerSNI
		test.Location = &report.Location{AfterTTL: 3, AtTTL: 4}
	}
	doc.Tests = append(doc.Tests, test)
	return doc
}

func check(name, host string, interval time.Duration) watchfile.Check {
	return watchfile.Check{
		Name: name, Target: probe.Target{Input: host, Host: host, Name: host, Port: 443},
		Questions: []diagnosis.Question{{Kind: probe.SNI, Name: host}},
		Interval:  interval, Jitter: watchfile.DefaultJitter, Confirm: 3, Of: 4,
		Retest: []time.Duration{3 * time.Second, 30 * time.Second, 200 * time.Second},
	}
}

func watcher(t *testing.T, m *memory, see world, concurrency int) *Watcher {
	t.Helper()
	w, err := New(Config{
		Measure: m.measure(see), Store: m, Observer: m, Log: slog.New(slog.DiscardHandler), Concurrency: concurrency,
		Retention: watchfile.Retention{Age: time.Hour, Bytes: 1}, Secret: 7,
	})
	if err != nil {
		t.Fatal(err)
	}
	return w
}

// during runs checks for some (virtual) time.
func during(t *testing.T, d time.Duration, w *Watcher, checks ...watchfile.Check) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), d)
	defer cancel()
	w.Run(ctx, checks, nil)
}

func fine(watchfile.Check) (time.Duration, probe.Outcome) { return 2 * time.Second, probe.OK }

const day = 24 * time.Hour

// TestMonths: three months of ten checks. Every slot has its run, none overlap,
// and the runs are no pattern.
func TestMonths(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		m := newMemory()
		var checks []watchfile.Check
		for i := range 10 {
			checks = append(checks, check(fmt.Sprint("check ", i), fmt.Sprintf("h%d.example", i/2), 5*time.Minute))
		}
		during(t, 90*day, watcher(t, m, fine, 3), checks...)
		const want = 90 * 24 * 12
		for _, c := range checks {
			runs := m.runs[c.Name]
			if n := len(runs); n < want-2 || n > want+2 || m.missed[c.Name] > 0 {
				t.Errorf("%s: %d runs and %d missed, want %d", c.Name, n, m.missed[c.Name], want)
			}
			gaps := map[time.Duration]int{}
			for i := range runs[2:] {
				gap := runs[i+2].Started.Sub(runs[i+1].Started)
				gaps[gap.Truncate(time.Second)]++
				if gap < 4*time.Minute-10*time.Second || gap > 6*time.Minute+10*time.Second {
					t.Fatalf("%s: %v between two runs", c.Name, gap)
				}
			}
			if len(gaps) < 60 {
				t.Errorf("%s: only %d different gaps", c.Name, len(gaps))
			}
			if lag := slices.Max(m.lags[c.Name]); lag > 10*time.Second {
				t.Errorf("%s: began %v late", c.Name, lag)
			}
		}
		if m.most > 3 || len(m.overlaps) > 0 {
			t.Errorf("%d at once, overlaps: %v", m.most, m.overlaps)
		}
		if m.trims < 90*24 {
			t.Errorf("old results were deleted %d times", m.trims)
		}
	})
}

// TestSlowChecksMissSlots instead of running twice at a time or without a
// pause, and hold up only what shares their target.
func TestSlowChecksMissSlots(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		m := newMemory()
		slow, same, other := check("slow", "a.example", time.Minute), check("same", "a.example", time.Minute), check("other", "b.example", time.Minute)
		during(t, 10*day, watcher(t, m, func(c watchfile.Check) (time.Duration, probe.Outcome) {
			if c.Name == "slow" {
				return 150 * time.Second, probe.OK
			}
			return time.Second, probe.OK
		}, 2), slow, same, other)
		const slots = 10 * 24 * 60
		for _, c := range []string{"slow", "same"} {
			if n := len(m.runs[c]) + m.missed[c]; n < slots-5 || n > slots+5 {
				t.Errorf("%s: %d runs and %d missed of %d", c, len(m.runs[c]), m.missed[c], slots)
			}
		}
		if m.missed["slow"] < slots/2 || m.missed["other"] > 0 || len(m.overlaps) > 0 {
			t.Errorf("missed: %v, overlaps: %v", m.missed, m.overlaps)
		}
	})
}

// TestChangesAreToldOnceAndInTime: boxes are switched on and off.
func TestChangesAreToldOnceAndInTime(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		m := newMemory()
		start := time.Now()
		on := func(now time.Time) bool { return now.Sub(start)/(7*time.Hour)%2 == 1 }
		during(t, 30*day, watcher(t, m, func(c watchfile.Check) (time.Duration, probe.Outcome) {
			if c.Name == "shop" && on(time.Now()) {
				return 2 * time.Second, probe.Reset
			}
			return 2 * time.Second, probe.OK
		}, 2), check("shop", "a.example", time.Minute), check("bank", "b.example", time.Minute))
		const switched = 30 * 24 / 7
		if n := len(m.changes["shop"]); n != switched || len(m.changes["bank"]) > 0 {
			t.Errorf("%d changes of %d, and %v", n, switched, m.changes["bank"])
		}
		for i, c := range m.changes["shop"] {
			at := start.Add(time.Duration(i+1) * 7 * time.Hour)
			if seen := c.Since.Sub(at); seen < 0 || seen > 75*time.Second || c.At.Sub(c.Since) > 245*time.Second {
				t.Errorf("change %d was seen %v late, and sure %v later", i, seen, c.At.Sub(c.Since))
			}
		}
		retests := 0
		for _, r := range m.runs["shop"] {
			if r.Retest {
				retests++
			}
		}
		if retests < 3*switched-switched || retests > 4*switched {
			t.Errorf("%d re-tests of %d changes", retests, switched)
		}
	})
}

// TestOwnOutage: all are silent for hours; nothing is told, and a run of
// re-tests does not hammer the network.
func TestOwnOutage(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		m := newMemory()
		start := time.Now()
		during(t, 3*day, watcher(t, m, func(watchfile.Check) (time.Duration, probe.Outcome) {
			if h := time.Since(start) / time.Hour; h >= 24 && h < 48 {
				return 8 * time.Second, ""
			}
			return 2 * time.Second, probe.OK
		}, 4), check("shop", "a.example", 5*time.Minute), check("bank", "b.example", 5*time.Minute))
		if len(m.changes["shop"])+len(m.changes["bank"]) > 0 {
			t.Errorf("changes: %v", m.changes)
		}
		if !slices.Equal(m.trouble, []bool{false, true, false}) {
			t.Errorf("trouble of our own network: %v", m.trouble)
		}
		if n := len(m.runs["shop"]); n > 3*24*12+24*3600/200+10 {
			t.Errorf("%d runs", n)
		}
	})
}

// TestRestart: what was known is not told again, and what was suspected is
// gone on with.
func TestRestart(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		m := newMemory()
		blocked := func(watchfile.Check) (time.Duration, probe.Outcome) { return time.Second, probe.Reset }
		c := check("shop", "a.example", time.Minute)
		for range 10 { // ten times a minute and a half
			during(t, 90*time.Second, watcher(t, m, blocked, 1), c)
		}
		if len(m.changes["shop"]) != 1 {
			t.Errorf("changes: %v", m.changes)
		}
	})
}

// TestChangesOutliveABrokenStore: they are kept once it works again.
func TestChangesOutliveABrokenStore(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		m := newMemory()
		start := time.Now()
		during(t, 3*time.Hour, watcher(t, m, func(watchfile.Check) (time.Duration, probe.Outcome) {
			hour := time.Since(start) / time.Hour
			m.broken = hour == 1
			if hour >= 1 {
				return time.Second, probe.Reset
			}
			return time.Second, probe.OK
		}, 1), check("shop", "a.example", time.Minute))
		if n := len(m.changes["shop"]); n != 1 || m.changes["shop"][0].At.Sub(start) > 70*time.Minute {
			t.Errorf("changes: %v", m.changes)
		}
	})
}

// TestReload: checks that stay go on as they are, others end and begin, and a
// run that is under way is finished.
func TestReload(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		m := newMemory()
		stays, goes := check("stays", "a.example", time.Minute), check("goes", "b.example", time.Minute)
		changed, comes := check("changed", "c.example", time.Minute), check("comes", "d.example", time.Minute)
		w := watcher(t, m, func(watchfile.Check) (time.Duration, probe.Outcome) { return 50 * time.Second, probe.OK }, 9)
		ctx, cancel := context.WithCancel(t.Context())
		before := []watchfile.Check{stays, goes, changed}
		reloads, done := make(chan []watchfile.Check), make(chan struct{})
		go func() {
			defer close(done)
			w.Run(ctx, before, reloads)
		}()
		time.Sleep(10*time.Minute + 3*time.Second)
		changed.Interval = 2 * time.Minute
		reloads <- []watchfile.Check{stays, changed, comes}
		at := time.Now()
		time.Sleep(10 * time.Minute)
		cancel()
		<-done
		late := func(name string) (n int) {
			for _, r := range m.runs[name] {
				if r.Started.After(at) {
					n++
				}
			}
			return n
		}
		if a, b, c, d := late("stays"), late("goes"), late("changed"), late("comes"); a < 9 || b > 0 || c < 4 || c > 7 || d < 9 {
			t.Errorf("runs after the reload: stays %d, goes %d, changed %d, comes %d", a, b, c, d)
		}
		for _, r := range m.runs["goes"] {
			if r.Document.Verdict.Outcome != probe.Clean || r.Ended.Sub(r.Started) != 50*time.Second {
				t.Errorf("a run was cut: %+v", r)
			}
		}
		if len(m.overlaps) > 0 {
			t.Errorf("overlaps: %v", m.overlaps)
		}
	})
}
