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
