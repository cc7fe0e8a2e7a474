package store

import (
	"errors"
	"net/netip"
	"path/filepath"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"github.com/rstprobe/rstprobe/internal/watch/period"
	"github.com/rstprobe/rstprobe/internal/watch/state"
	"github.com/rstprobe/rstprobe/probe"
)

// forever is later than all tests.
var forever = time.Date(2999, 1, 1, 0, 0, 0, 0, time.UTC)

// minute is a time after the start of the tests.
func minute(n float64) time.Time { return start.Add(time.Duration(n * float64(time.Minute))) }

// TestPastInPart: runs and changes by time, and the runs beside a time.
func TestPastInPart(t *testing.T) {
	t.Parallel()
	s := opened(t, filepath.Join(t.TempDir(), "rstprobe.db"))
	for n := 1; n <= 20; n++ {
		for _, check := range []string{"shop", "bank"} {
			if err := s.Add(run(check, n, 10), []state.Change{change(n)}, after(n)); err != nil {
				t.Fatal(err)
			}
		}
	}
	numbers := func(entries []Entry) (out []int) {
		for _, e := range entries {
			out = append(out, int(e.Started.Sub(start)/time.Minute))
		}
		return out
	}
	entries, err := s.EntriesBetween("shop", minute(5), minute(9), 3)
	if diff := cmp.Diff([]int{6, 7, 8}, numbers(entries)); diff != "" || err != nil {
		t.Errorf("runs, %v (-want +got):\n%s", err, diff)
	}
	changes, err := s.ChangesBetween("bank", minute(5), minute(8))
	if diff := cmp.Diff([]Change{{Run: 10, Change: change(5)}, {Run: 12, Change: change(6)}, {Run: 14, Change: change(7)}}, changes, cmpopts.EquateComparable(netip.Addr{})); diff != "" || err != nil {
		t.Errorf("changes, %v (-want +got):\n%s", err, diff)
	}
	for _, tt := range []struct {
		name string
		ask  func() (Entry, error)
		want int // 0: none
	}{
		{"last", func() (Entry, error) { return s.Last("shop") }, 20},
		{"last of none", func() (Entry, error) { return s.Last("nobody") }, 0},
		{"before", func() (Entry, error) { return s.Before("shop", minute(5)) }, 4},
		{"before all", func() (Entry, error) { return s.Before("shop", minute(1)) }, 0},
		{"after", func() (Entry, error) { return s.After("shop", minute(5)) }, 5},
		{"after all", func() (Entry, error) { return s.After("shop", minute(20.5)) }, 0},
	} {
		e, err := tt.ask()
		if errors.Is(err, ErrNoRun) != (tt.want == 0) || tt.want > 0 && (err != nil || numbers([]Entry{e})[0] != tt.want) {
			t.Errorf("%s: %+v, %v; want run %d", tt.name, e, err, tt.want)
		}
	}
	if names, err := s.Names(); err != nil || !cmp.Equal(names, []string{"bank", "shop"}) {
		t.Errorf("names %v, %v", names, err)
	}
	if _, err := s.Run(99); !errors.Is(err, ErrNoRun) {
		t.Errorf("a run that there is not: %v", err)
	}
}

// TestCoverage: a pause of watch is told from a time in which nothing changed,
// whatever comes between two runs.
func TestCoverage(t *testing.T) {
	t.Parallel()
	between := func(a, b float64) period.Interval { return period.Interval{From: minute(a), To: minute(b)} }
	told := func(at float64) state.Machines { return state.Machines{sni: {LastAt: minute(at)}} }
	for _, tt := range []struct {
		name string
		add  func(run func(at float64, tells, trouble bool))
		to   float64
		want period.Coverage
	}{
		{"one after the other, two lost", func(run func(float64, bool, bool)) {
			for _, at := range []float64{0, 5, 10, 25, 30} {
				run(at, true, false)
			}
		}, 100, period.Coverage{Ran: []period.Interval{between(0, 30)}, Told: map[state.Question][]period.Interval{sni: {between(0, 30)}}}},
		{"a pause", func(run func(float64, bool, bool)) {
			for _, at := range []float64{0, 5, 30, 35} {
				run(at, true, false)
			}
		}, 100, period.Coverage{Ran: []period.Interval{between(0, 5), between(30, 35)}, Told: map[state.Question][]period.Interval{sni: {between(0, 5), between(30, 35)}}}},
		{"what the last run showed stands until the next one is overdue", func(run func(float64, bool, bool)) {
			run(0, true, false)
			run(5, true, false)
		}, 19, period.Coverage{Ran: []period.Interval{between(0, 19)}, Told: map[state.Question][]period.Interval{sni: {between(0, 19)}}}},
		{"runs that tell nothing", func(run func(float64, bool, bool)) {
			for at := 0.0; at <= 60; at += 5 {
				run(at, at <= 10 || at >= 40, false)
			}
		}, 60, period.Coverage{Ran: []period.Interval{between(0, 60)}, Told: map[state.Question][]period.Interval{sni: {between(0, 10), between(40, 60)}}}},
		{"trouble of our own network, ended by the first run without", func(run func(float64, bool, bool)) {
			for at := 0.0; at <= 40; at += 5 {
				trouble := at == 10 || at == 15 || at == 25
				run(at, !trouble, trouble)
			}
		}, 40, period.Coverage{
			Ran: []period.Interval{between(0, 40)}, Trouble: []period.Interval{between(10, 15), between(25, 25)},
			Told: map[state.Question][]period.Interval{sni: {between(0, 40)}},
		}},
		{"the clock was set back", func(run func(float64, bool, bool)) {
			for _, at := range []float64{1000, 1005, 0, 5, 10} {
				run(at, true, false)
			}
		}, 100, period.Coverage{Ran: []period.Interval{between(0, 10)}, Told: map[state.Question][]period.Interval{sni: {between(0, 10)}}}},
	} {
		s := opened(t, filepath.Join(t.TempDir(), "rstprobe.db"))
		tt.add(func(at float64, tells, trouble bool) {
			r := run("shop", 1, 10)
			r.Started, r.Ended, r.Interval, r.Trouble = minute(at).Add(-time.Second), minute(at), 5*time.Minute, trouble
			machines := told(at)
			if !tells {
				machines = told(-1)
			}
			if err := s.Add(r, nil, machines); err != nil {
				t.Fatal(err)
			}
		})
		got, err := s.coverage("shop", start, minute(tt.to))
		if diff := cmp.Diff(tt.want, got); diff != "" || err != nil {
			t.Errorf("%s: %v (-want +got):\n%s", tt.name, err, diff)
		}
	}
}

// TestRunStandsBeyondTheBeginning of what is asked for: where runs are rare,
// the last one may be before that.
func TestRunStandsBeyondTheBeginning(t *testing.T) {
	t.Parallel()
	s := opened(t, filepath.Join(t.TempDir(), "rstprobe.db"))
	for _, at := range []float64{0, 60} {
		r := run("shop", 1, 10)
		r.Started, r.Ended, r.Interval = minute(at), minute(at), time.Hour
		if err := s.Add(r, nil, state.Machines{sni: {Confirmed: state.Axes{Outcome: probe.OK}, Since: minute(0), LastAt: minute(at)}}); err != nil {
			t.Fatal(err)
		}
	}
	for _, tt := range []struct {
		from, to float64
		want     period.Standing
	}{{90, 100, period.OK}, {90, 240, period.OK}, {90, 241, period.Unwatched}, {250, 260, period.Unwatched}} {
		c, err := s.Period("shop", minute(tt.from), minute(tt.to), nil)
		if err != nil {
			t.Fatal(err)
		}
		if spans := c.Questions[0].Spans; len(spans) != 1 || spans[0].Standing != tt.want {
			t.Errorf("from minute %v to %v: %+v, want %s", tt.from, tt.to, spans, tt.want)
		}
	}
}

// TestNobodyWaitsForWhoReads: what is old is deleted while somebody reads as
// slowly as he likes.
func TestNobodyWaitsForWhoReads(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "rstprobe.db")
	s := opened(t, path)
	for n := range 3 {
		if err := s.Add(run("shop", n, 10), nil, after(n)); err != nil {
			t.Fatal(err)
		}
	}
	r, err := OpenReadOnly(path)
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()                                                         //nolint:errcheck // only read
	if _, err := s.db.Exec("PRAGMA busy_timeout(1000000000)"); err != nil { // who waits, waits for days
		t.Fatal(err)
	}
	for _, err := range rowsOf(r.db, scanText, "SELECT check_name FROM runs") {
		if err != nil {
			t.Fatal(err)
		}
		if n, err := s.Trim(t.Context(), Keep{Now: start.Add(day), Rollups: 400 * day, Bytes: 1 << 30}); n != 3 || err != nil {
			t.Errorf("%d runs deleted, %v; want 3", n, err)
		}
		break
	}
	var timeout int
	if err := s.db.QueryRow("PRAGMA busy_timeout").Scan(&timeout); timeout != 10000 || err != nil {
		t.Errorf("from then on one waits for %d ms for another who writes, %v", timeout, err)
	}
}

// TestRunsAreReadByTheHandful: all of them, once and in order, though several
// began at the same time, and nobody is held up meanwhile.
func TestRunsAreReadByTheHandful(t *testing.T) {
	t.Parallel()
	s := opened(t, filepath.Join(t.TempDir(), "rstprobe.db"))
	hasty(t, s)
	const all = 3*handful + 7
	for n := range all {
		if err := s.Add(run("shop", n/(2*handful), 10), nil, after(n)); err != nil {
			t.Fatal(err)
		}
	}
	n := int64(0)
	for r, err := range s.EachRun("shop", start, minute(5)) {
		if n++; err != nil || r.ID != n {
			t.Fatalf("run %d is number %d, %v", r.ID, n, err)
		}
		if err := s.Add(run("shop", 5, 10), nil, after(1)); err != nil { // it has but one connection
			t.Fatal(err)
		}
	}
	if n != all {
		t.Errorf("%d runs, want %d", n, all)
	}
}
