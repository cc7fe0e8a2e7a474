package store

import (
	"encoding/json"
	"errors"
	"fmt"
	"math/rand/v2"
	"net/netip"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"github.com/rstprobe/rstprobe/internal/watch/alert"
	"github.com/rstprobe/rstprobe/internal/watch/state"
	"github.com/rstprobe/rstprobe/probe"
	"github.com/rstprobe/rstprobe/report"
)

const day = 24 * time.Hour

var start = time.Date(2026, 1, 2, 3, 4, 5, 678000, time.UTC)

func opened(t *testing.T, path string) *Store {
	t.Helper()
	s, err := Open(path)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := s.Close(); err != nil {
			t.Error(err)
		}
	})
	return s
}

// run n of a check, with evidence of about size bytes that do not compress.
func run(check string, n, size int) Run {
	at := start.Add(time.Duration(n) * time.Minute)
	noise := make([]byte, size)
	rng := rand.New(rand.NewPCG(uint64(n), 1))
	for i := range noise {
		noise[i] = "0123456789abcdef"[rng.IntN(16)]
	}
	r := Run{
		Check: check, Started: at, Ended: at.Add(time.Second), Retest: n%2 == 1, Interval: time.Minute,
		Document: report.Document{
			SchemaVersion: report.SchemaVersion, RunID: fmt.Sprint("run ", n), StartedAt: at, DurationMS: float64(1000 + n), Version: string(noise),
			Verdict: report.Verdict{Outcome: probe.Clean, Summary: fmt.Sprint("run ", n)}, PacketsSent: n,
			Tests: report.List[report.Test]{{
				Kind: sni.Kind, Name: sni.Name, Outcome: probe.OK, Stage: probe.StageData, Counts: report.Counts{ControlTotal: 2},
			}},
		},
	}
	if n%3 == 0 {
		r.Document.Verdict.Outcome = probe.Interference
		t := &r.Document.Tests[0]
		t.Outcome, t.Trigger, t.Author = probe.Reset, probe.TriggerSNI, probe.InPath
		t.Location = &report.Location{AfterTTL: 3, AtTTL: 4, AtIP: netip.MustParseAddr("10.9.3.2")}
	}
	return r
}

var sni = state.Question{Kind: probe.SNI, Name: "shop.example"}

// after is a state that tells run n, which told nothing itself if 5 divides n.
func after(n int) state.Machines {
	m := state.Machine{Since: start, Candidate: &state.Candidate{Tested: n}}
	if n%5 != 0 {
		m.LastAt = start.Add(time.Duration(n)*time.Minute + time.Second)
	}
	return state.Machines{sni: m}
}

func tested(m state.Machines) int {
	for _, x := range m {
		return x.Candidate.Tested
	}
	return -1
}

func change(n int) state.Change {
	return state.Change{
		Question: sni, Since: start, At: start.Add(time.Duration(n) * time.Minute),
		Axes: []state.Axis{state.Outcome}, From: state.Axes{Outcome: probe.OK},
		To: state.Axes{Outcome: probe.Reset, Place: state.Place{AfterTTL: 3, AtTTL: 4, AtIP: netip.MustParseAddr("10.9.3.2")}},
	}
}

func TestWhatIsAddedCanBeRead(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "a store? 100%#1.db")
	s := opened(t, path)
	for n := range 10 {
		var changes []state.Change
		if n == 4 {
			changes = append(changes, change(n))
		}
		if err := s.Add(run("shop", n, 100), changes, after(n)); err != nil {
			t.Fatal(err)
		}
	}
	if err := s.Add(run("other", 3, 100), nil, after(3)); err != nil {
		t.Fatal(err)
	}
	for _, file := range []string{path, path + "-wal"} {
		if info, err := os.Stat(file); err != nil || info.Mode() != 0o600 {
			t.Errorf("%s: %v, %v; want a file of mode 0600", file, info, err)
		}
	}

	r, err := OpenReadOnly(path) // while it is written to
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close() //nolint:errcheck // only read
	checks, err := r.Checks()
	if err != nil {
		t.Fatal(err)
	}
	want := []Summary{
		{Check: "other", Runs: 1, First: start.Add(3 * time.Minute), Last: start.Add(3 * time.Minute), Verdict: probe.Interference, State: after(3)},
		{Check: "shop", Runs: 10, First: start, Last: start.Add(9 * time.Minute), Verdict: probe.Interference, Changes: 1, State: after(9)},
	}
	if diff := cmp.Diff(want, checks, cmpopts.EquateComparable(netip.Addr{})); diff != "" {
		t.Errorf("checks (-want +got):\n%s", diff)
	}
	entries, err := r.Entries("shop", 2)
	if err != nil || len(entries) != 2 {
		t.Fatalf("entries %v, %v", entries, err)
	}
	if diff := cmp.Diff(Entry{ID: 10, Started: start.Add(9 * time.Minute), Took: time.Second, Retest: true, Verdict: probe.Interference, Summary: "run 9"}, entries[1]); diff != "" {
		t.Errorf("last entry (-want +got):\n%s", diff)
	}
	doc, err := r.Document(entries[1].ID)
	if err != nil || doc.RunID != "run 9" {
		t.Errorf("document %v, %v", doc.RunID, err)
	}
	changes, err := r.Changes("shop", 10)
	if diff := cmp.Diff([]Change{{Run: 5, Change: change(4)}}, changes, cmpopts.EquateComparable(netip.Addr{})); diff != "" || err != nil {
		t.Errorf("changes, %v (-want +got):\n%s", err, diff)
	}
}

func TestStoreOfALaterVersionIsLeftAlone(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "rstprobe.db")
	s := opened(t, path)
	if _, err := s.db.Exec("PRAGMA user_version = 99"); err != nil {
		t.Fatal(err)
	}
	for name, open := range map[string]func(string) (*Store, error){"Open": Open, "OpenReadOnly": OpenReadOnly} {
		if _, err := open(path); !errors.Is(err, ErrVersion) {
			t.Errorf("%s: %v, want ErrVersion", name, err)
		}
	}
	if _, err := OpenReadOnly(path + "x"); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("no file: %v", err)
	}
}

// TestWhatIsNoStore is said, with what to do about it.
func TestWhatIsNoStore(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	s := opened(t, filepath.Join(dir, "whole.db"))
	if err := s.Add(run("shop", 1, 100_000), nil, after(1)); err != nil {
		t.Fatal(err)
	}
	if err := s.shrink(); err != nil {
		t.Fatal(err)
	}
	whole, err := os.ReadFile(filepath.Join(dir, "whole.db"))
	if err != nil {
		t.Fatal(err)
	}
	for _, tt := range []struct {
		name string
		data []byte
		want string
	}{
		{"junk.db", []byte(strings.Repeat("junk", 2000)), "it is damaged, or was never a store"},
		{"cut.db", whole[:len(whole)/2], "it is damaged, or was never a store"},
		{"empty.db", nil, "has written nothing to it"},
	} {
		path := filepath.Join(dir, tt.name)
		if err := os.WriteFile(path, tt.data, 0o600); err != nil {
			t.Fatal(err)
		}
		if _, err := OpenReadOnly(path); err == nil || !strings.Contains(err.Error(), tt.want) {
			t.Errorf("%s, to read: %v, want %q", tt.name, err, tt.want)
		}
		if tt.data == nil { // one that is to be
			continue
		}
		if _, err := Open(path); err == nil || !strings.Contains(err.Error(), tt.want) {
			t.Errorf("%s, to write: %v, want %q", tt.name, err, tt.want)
		}
	}
	if _, err := OpenReadOnly(dir); err == nil || !strings.Contains(err.Error(), "it is a directory") {
		t.Errorf("a directory: %v", err)
	}
}

func TestTrimByAge(t *testing.T) {
	t.Parallel()
	s := opened(t, filepath.Join(t.TempDir(), "rstprobe.db"))
	for n := range 1200 {
		if err := s.Add(run("shop", n, 10), []state.Change{change(n)}, after(n)); err != nil {
			t.Fatal(err)
		}
	}
	n, err := s.Trim(t.Context(), Keep{Now: start.Add(1100 * time.Minute), Rollups: 400 * day, Bytes: 1 << 40})
	if n != 1100 || err != nil {
		t.Errorf("%d deleted, %v; want 1100", n, err)
	}
	checks, err := s.Checks()
	if err != nil || checks[0].Runs != 100 || checks[0].Changes != 1200 || checks[0].First != start.Add(1100*time.Minute) {
		t.Errorf("left: %+v, %v", checks, err)
	}
}

// TestTrimBySize: the newest runs stay, the limit holds, and the file itself
// becomes smaller.
func TestTrimBySize(t *testing.T) {
	t.Parallel()
	const limit = 1 << 20
	path := filepath.Join(t.TempDir(), "rstprobe.db")
	s := opened(t, path)
	for n := range 400 {
		if err := s.Add(run("shop", n, 20_000), []state.Change{change(n)}, after(n)); err != nil {
			t.Fatal(err)
		}
	}
	if _, err := s.Trim(t.Context(), Keep{Now: start, Rollups: 400 * day, Bytes: limit}); err != nil {
		t.Fatal(err)
	}
	info, err := os.Stat(path)
	if err != nil {
		t.Fatal(err)
	}
	wal, err := os.Stat(path + "-wal")
	if err != nil {
		t.Fatal(err)
	}
	if size := info.Size() + wal.Size(); size > limit || size < limit/2 {
		t.Errorf("%d bytes on the disk, want at most %d and not much less", size, limit)
	}
	checks, err := s.Checks()
	if err != nil || checks[0].Changes != 400 || checks[0].Last != start.Add(399*time.Minute) {
		t.Errorf("left: %+v, %v", checks, err)
	}
	// With no run left, changes go; the state stays.
	if _, err := s.Trim(t.Context(), Keep{Now: start, Rollups: 400 * day, Bytes: 1}); err != nil {
		t.Fatal(err)
	}
	if checks, err = s.Checks(); err != nil || checks[0].Runs+checks[0].Changes != 0 || tested(checks[0].State) != 399 {
		t.Errorf("left: %+v, %v", checks, err)
	}
}

// TestTrimTakesMessagesFirst: those that are done with go before any run does,
// and one that is still to be sent stays.
func TestTrimTakesMessagesFirst(t *testing.T) {
	t.Parallel()
	const limit = 1 << 20
	s := opened(t, filepath.Join(t.TempDir(), "rstprobe.db"))
	hasty(t, s)
	for n := range 200 {
		d := decision("ops", "shop.example", alert.Firing, n)
		d.Event.Summary = strings.Repeat("x", 5000)
		if err := s.Add(run("shop", n, 4000), nil, after(n), d); err != nil {
			t.Fatal(err)
		}
	}
	if _, err := s.db.Exec("UPDATE outbox SET done = ? WHERE id < 200", start.UnixMicro()); err != nil {
		t.Fatal(err)
	}
	deleted, err := s.Trim(t.Context(), Keep{Now: start, Rollups: 400 * day, Bytes: limit})
	if deleted != 0 || err != nil {
		t.Errorf("%d runs deleted, %v; want none as long as there are messages", deleted, err)
	}
	var messages int
	if err := s.db.QueryRow("SELECT count(*) FROM outbox").Scan(&messages); err != nil || messages == 200 {
		t.Errorf("%d messages left, %v", messages, err)
	}
	if _, err := s.Trim(t.Context(), Keep{Now: start, Rollups: 400 * day, Bytes: 1}); err != nil {
		t.Fatal(err)
	}
	if n, err := s.Pending("ops"); n != 1 || err != nil {
		t.Errorf("%d messages to send, %v; want the one that was not sent", n, err)
	}
}

// TestTrimOfVeryMuch deletes no more than it must, either.
func TestTrimOfVeryMuch(t *testing.T) {
	t.Parallel()
	s := opened(t, filepath.Join(t.TempDir(), "rstprobe.db"))
	hasty(t, s)
	for n := range 400 {
		if err := s.Add(run("shop", n, 20_000), nil, after(n)); err != nil {
			t.Fatal(err)
		}
	}
	if _, err := s.db.Exec("UPDATE runs SET id = ? WHERE id = 400", int64(1)<<43); err != nil { // as if there were so many
		t.Fatal(err)
	}
	excess, err := s.excess(0)
	if err != nil {
		t.Fatal(err)
	}
	if n, err := s.share(runs, excess*3/4); n < 1 || n > batch || err != nil {
		t.Errorf("%d rows to delete next, %v; want 1 to %d", n, err, batch)
	}
}

// TestRunsAreNeverNumberedAgain, though all of them may be gone: changes and
// links go by their numbers.
func TestRunsAreNeverNumberedAgain(t *testing.T) {
	t.Parallel()
	s := opened(t, filepath.Join(t.TempDir(), "rstprobe.db"))
	for n := range 3 {
		if err := s.Add(run("shop", n, 10), nil, after(n)); err != nil {
			t.Fatal(err)
		}
		if _, err := s.Trim(t.Context(), Keep{Now: start.Add(day), Rollups: 400 * day, Bytes: 1 << 30}); err != nil {
			t.Fatal(err)
		}
	}
	if err := s.Add(run("shop", 4, 10), nil, after(4)); err != nil {
		t.Fatal(err)
	}
	if e, err := s.Last("shop"); e.ID != 4 || err != nil {
		t.Errorf("the fourth run has the number %d, %v", e.ID, err)
	}
}

// TestDocumentsAreSmall keeps the figure of watchfile.DefaultBytes honest: a
// usual document takes a few kilobytes.
func TestDocumentsAreSmall(t *testing.T) {
	t.Parallel()
	doc := run("shop", 1, 10).Document
	for i := range 100 {
		doc.Path.Hops = append(doc.Path.Hops, report.Hop{TTL: i})
	}
	b, err := compress(doc)
	if err != nil {
		t.Fatal(err)
	}
	plain, err := json.Marshal(doc)
	if err != nil {
		t.Fatal(err)
	}
	if 4*len(b) > len(plain) {
		t.Errorf("%d bytes of %d", len(b), len(plain))
	}
	back, err := decompress(b)
	if err != nil || len(back.Path.Hops) != 100 || !strings.HasPrefix(back.RunID, "run") {
		t.Errorf("read again: %v, %v", back, err)
	}
}
