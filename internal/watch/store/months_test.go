package store

import (
	"net/netip"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"github.com/rstprobe/rstprobe/internal/watch/period"
	"github.com/rstprobe/rstprobe/internal/watch/state"
	"github.com/rstprobe/rstprobe/probe"
	"github.com/rstprobe/rstprobe/report"
)

// months fills a store with what a check that runs every hour finds from one
// day to another: a box at hops 3 and 4 from day 10 to 13 and at hops 5 and 6
// until day 15, no watch from day 20 to 22, and trouble of our own network on
// the first half of day 24. What is old is deleted every six hours.
func months(t *testing.T, s *Store, from, to int, keep Keep, trimmed func(now time.Time)) {
	t.Helper()
	states, err := s.States()
	if err != nil {
		t.Fatal(err)
	}
	machine := states["shop"][sni]
	patience := state.Patience{Retest: []time.Duration{time.Second}, Every: time.Hour}
	for h := 24 * from; h < 24*to; h++ {
		now, day := start.Add(time.Duration(h)*time.Hour), float64(h)/24
		if h%6 == 0 {
			keep.Now = now
			if _, err := s.Trim(t.Context(), keep); err != nil {
				t.Fatal(err)
			}
			trimmed(now)
		}
		if day >= 20 && day < 22 {
			continue
		}
		r := run("shop", 1, 3000)
		r.Started, r.Ended, r.Interval, r.Trouble = now, now.Add(2*time.Second), time.Hour, day >= 24 && day < 24.5
		test := &r.Document.Tests[0]
		switch {
		case day >= 10 && day < 15:
			r.Document.Verdict.Outcome = probe.Interference
			test.Outcome, test.Trigger, test.Author, test.Location = probe.Reset, probe.TriggerSNI, probe.InPath, &report.Location{AfterTTL: 3, AtTTL: 4}
			if day >= 13 {
				test.Location = &report.Location{AfterTTL: 5, AtTTL: 6}
			}
		case r.Trouble:
			r.Document.Verdict.Outcome = probe.OverallUnreachable
			test.Outcome, test.Stage, test.Counts = probe.Drop, probe.StageSYN, report.Counts{}
		}
		reading := state.Readings(r.Document, r.Ended)[sni]
		var changes []state.Change
		next, change := machine.Step(sni, reading, patience, func(time.Time) bool { return false })
		if machine = next; change != nil {
			changes = append(changes, *change)
		}
		if err := s.Add(r, changes, state.Machines{sni: machine}); err != nil {
			t.Fatal(err)
		}
	}
}

// hasty gives up on power failures, which tests do not have.
func hasty(t *testing.T, s *Store) {
	t.Helper()
	if _, err := s.db.Exec("PRAGMA synchronous = off"); err != nil {
		t.Fatal(err)
	}
}

// TestPastOutlivesItsRuns: what a period was like is the same when its runs are
// gone, but for the paths that they took.
func TestPastOutlivesItsRuns(t *testing.T) {
	t.Parallel()
	s := opened(t, filepath.Join(t.TempDir(), "rstprobe.db"))
	hasty(t, s)
	keep := Keep{Runs: 30 * day, Rollups: 400 * day, Bytes: 1 << 30}
	months(t, s, 0, 30, keep, func(time.Time) {})
	at := func(d float64) time.Time { return start.Add(time.Duration(d*24)*time.Hour + 2*time.Second) }
	before, err := s.Period("shop", start, at(29), nil)
	if err != nil {
		t.Fatal(err)
	}
	var spans []string
	for _, x := range before.Questions[0].Spans {
		spans = append(spans, string(x.Standing)+" "+x.From.Sub(start).String())
	}
	want := []string{
		"unwatched 0s", "ok 2s", "interference 240h0m2s", "interference 312h0m2s", "ok 360h0m2s", "unwatched 479h0m2s",
		"ok 528h0m2s", "unknown 575h0m2s", "own_network_trouble 576h0m2s", "unknown 587h0m2s", "ok 588h0m2s",
	}
	if diff := cmp.Diff(want, spans); diff != "" {
		t.Errorf("spans (-want +got):\n%s", diff)
	}
	if a := before.Questions[0].Availability; a.Told != 29*24-48-12+1 || a.Told-a.Fine != 5*24 || before.Path == nil || before.Path.After.Run == 0 {
		t.Errorf("availability %+v, path %v", a, before.Path)
	}

	months(t, s, 30, 100, keep, func(time.Time) {})
	checks, err := s.Checks()
	if err != nil || checks[0].First.Before(start.Add(69*day)) || checks[0].Runs < 29*24 {
		t.Fatalf("kept: %+v, %v", checks, err)
	}
	after, err := s.Period("shop", start, at(29), nil)
	if after.Path != nil {
		t.Errorf("paths of runs that are gone: %+v", after.Path)
	}
	if diff := cmp.Diff(before, after, cmpopts.IgnoreFields(period.Check{}, "Path"), cmpopts.EquateComparable(netip.Addr{})); diff != "" || err != nil {
		t.Errorf("%v (-with the runs +without them):\n%s", err, diff)
	}
}

// TestRoomRunsOut: the file stays within its bytes all the time, and roll-ups
// take half of them at most, which is much longer than the runs last.
func TestRoomRunsOut(t *testing.T) {
	t.Parallel()
	const limit = 1 << 20
	path := filepath.Join(t.TempDir(), "rstprobe.db")
	s := opened(t, path)
	hasty(t, s)
	largest := int64(0)
	months(t, s, 0, 150, Keep{Runs: 100 * day, Rollups: 400 * day, Bytes: limit}, func(time.Time) {
		for _, file := range []string{path, path + "-wal"} {
			info, err := os.Stat(file)
			if err != nil {
				t.Fatal(err)
			}
			largest = max(largest, info.Size())
		}
	})
	hours, err := s.Hours("shop", start, forever)
	if err != nil {
		t.Fatal(err)
	}
	runs, err := s.EntriesBetween("shop", start, forever, 1e6)
	if err != nil {
		t.Fatal(err)
	}
	t.Logf("%d runs and %d roll-ups in at most %d bytes", len(runs), len(hours), largest)
	if largest > limit {
		t.Errorf("the file had %d bytes, want %d at most", largest, limit)
	}
	if len(hours) < 40*24 || len(hours) < 5*len(runs) || len(runs) < 100 {
		t.Errorf("left are %d runs and %d roll-ups", len(runs), len(hours))
	}
	if changes, err := s.Changes("shop", 100); err != nil || len(changes) != 3 {
		t.Errorf("changes %v, %v", changes, err)
	}
}
