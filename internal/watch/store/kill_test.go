package store

import (
	"bufio"
	"fmt"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strconv"
	"testing"

	"github.com/rstprobe/rstprobe/internal/watch/state"
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
// every seventh a change.
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
		if n%7 == 0 {
			changes = append(changes, change(n))
		}
		if err := s.Add(run("shop", n, 5000), changes, after(n)); err != nil {
			return err
		}
		fmt.Println(n)
	}
}

// TestKilledAtAnyMoment: what a process has acknowledged is there after it was
// killed, and a run is there with its changes and its state or not at all.
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
	if doc, err := s.Document(int64(c.Runs)); err != nil || doc.RunID != fmt.Sprint("run ", c.Runs) {
		t.Errorf("the last document is that of %s, %v", doc.RunID, err)
	}
}
