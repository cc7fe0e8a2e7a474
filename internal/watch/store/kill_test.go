package store

import (
	"bufio"
	"bytes"
	"fmt"
	"math/rand/v2"
	"net/netip"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strconv"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"github.com/rstprobe/rstprobe/internal/watch/alert"
	"github.com/rstprobe/rstprobe/internal/watch/period"
	"github.com/rstprobe/rstprobe/internal/watch/state"
	"github.com/rstprobe/rstprobe/report"
)

// asWriter is the environment variable that makes this test binary a process
// that adds runs to the database that it names, and says so after each.
const asWriter = "RSTPROBE_TEST_WRITER"

func TestMain(m *testing.M) {
	if path := os.Getenv(asWriter); path != "" {
		if err := write(path); err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		}
	}
	os.Exit(m.Run())
}

// write adds runs until the process is killed: run n has the state n, and
// every seventh a change, of which somebody is to be told.
func write(path string) error {
	s, err := Open(path)
	if err != nil {
		return err
	}
	entries, err := s.Entries("shop", 1)
	if err != nil {
		return err
	}
	n := 0
	if len(entries) > 0 {
		n = int(entries[0].ID)
	}
	for {
		n++
		var changes []state.Change
		var told []alert.Decision
		if n%7 == 0 {
			changes = append(changes, change(n))
			told = append(told, decision("ops", "shop.example", alert.Firing, n))
		}
		if err := s.Add(run("shop", n, 5000), changes, after(n), told...); err != nil {
			return err
		}
		fmt.Println(n)
	}
}

// TestKilledAtAnyMoment: what a process has acknowledged is there after it was
// killed, and a run is there with its changes, its state and its part of the
// roll-ups or not at all.
func TestKilledAtAnyMoment(t *testing.T) {
	t.Parallel()
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	path := filepath.Join(t.TempDir(), "rstprobe.db")
	rng := rand.New(rand.NewPCG(5, 6))
	for round := range 25 {
		acknowledged := writeAndKill(t, self, path, 1+rng.IntN(40), rng.IntN(2000))
		s, err := Open(path)
		if err != nil {
			t.Fatalf("round %d: %v", round, err)
		}
		inspect(t, s, acknowledged)
		if err := s.Close(); err != nil {
			t.Fatal(err)
		}
		if t.Failed() {
			t.Fatalf("round %d", round)
		}
	}
}

// writeAndKill lets a process add runs and kills it some time after it has
// acknowledged some; it returns the last one acknowledged.
func writeAndKill(t *testing.T, self, path string, acks, turns int) int {
	t.Helper()
	cmd := exec.CommandContext(t.Context(), self)
	cmd.Env, cmd.Stderr = append(os.Environ(), asWriter+"="+path), os.Stderr
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	lines, last := bufio.NewScanner(out), 0
	for seen := 0; lines.Scan(); {
		if last, err = strconv.Atoi(lines.Text()); err != nil {
			t.Fatal(err)
		}
		if seen++; seen == acks {
			for range turns { // so that it is not always just behind an acknowledgment
				runtime.Gosched()
			}
			if err := cmd.Process.Kill(); err != nil {
				t.Fatal(err)
			}
		}
	}
	if err := cmd.Wait(); err == nil || last == 0 {
		t.Fatalf("the writer ended by itself after run %d: %v", last, err)
	}
	return last
}

func inspect(t *testing.T, s *Store, acknowledged int) {
	t.Helper()
	var verdict string
	if err := s.db.QueryRow("PRAGMA integrity_check").Scan(&verdict); err != nil || verdict != "ok" {
		t.Errorf("integrity: %s, %v", verdict, err)
	}
	checks, err := s.Checks()
	if err != nil || len(checks) != 1 {
		t.Fatalf("checks %v, %v", checks, err)
	}
	c := checks[0]
	if c.Runs < acknowledged {
		t.Errorf("%d runs, but %d were acknowledged", c.Runs, acknowledged)
	}
	if c.Changes != c.Runs/7 || tested(c.State) != c.Runs {
		t.Errorf("%d runs with %d changes and the state after run %d", c.Runs, c.Changes, tested(c.State))
	}
	inspectRollups(t, s)
	if n, err := s.Pending("ops"); n != c.Changes || err != nil {
		t.Errorf("%d alerts to send of %d changes, %v", n, c.Changes, err)
	}
	if doc, err := s.Document(int64(c.Runs)); err != nil || doc.RunID != fmt.Sprint("run ", c.Runs) {
		t.Errorf("the last document is that of %s, %v", doc.RunID, err)
	}
}

// inspectRollups requires what is kept when the runs go to say what they say.
func inspectRollups(t *testing.T, s *Store) {
	t.Helper()
	want := map[time.Time]period.Tally{}
	told := time.Time{}
	for r, err := range s.EachRun("shop", start, forever) {
		if err != nil {
			t.Fatal(err)
		}
		doc, err := report.Read(bytes.NewReader(r.Document))
		if err != nil {
			t.Fatal(err)
		}
		n := int(r.ID)
		raw := Run{Check: "shop", Started: r.Started, Ended: r.Started.Add(r.Took), Retest: r.Retest, Document: doc}
		hour := r.Started.Truncate(time.Hour)
		want[hour] = want[hour].Plus(tally(raw, after(n)))
		if n%5 != 0 {
			told = raw.Ended
		}
	}
	hours, err := s.Hours("shop", start, forever)
	if err != nil {
		t.Fatal(err)
	}
	got := map[time.Time]period.Tally{}
	for _, h := range hours {
		got[h.Start] = h.Tally
	}
	if diff := cmp.Diff(want, got, cmpopts.EquateComparable(netip.Addr{})); diff != "" {
		t.Errorf("roll-ups (-what the runs say +what is kept):\n%s", diff)
	}
	coverage, err := s.Coverage("shop", start, forever)
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range coverage {
		if c.Kind == Told && !c.To.Equal(told) {
			t.Errorf("coverage %+v; want it told until %v", c, told)
		}
	}
}
