package store

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// TestReadingTakesNoLockAway from who writes in the same process: without it,
// another process that ends takes the log of the database for its own to
// delete, and what is written from then on is lost. It is not parallel: the locks
// of other tests would be counted, too.
func TestReadingTakesNoLockAway(t *testing.T) {
	path := filepath.Join(t.TempDir(), "rstprobe.db")
	s := opened(t, path)
	if err := s.Add(run("shop", 1, 10), nil, after(1)); err != nil {
		t.Fatal(err)
	}
	before := locks(t)
	if before == 0 {
		t.Fatal("a store that is open has no lock on its file")
	}
	for range 2 {
		r, err := OpenReadOnly(path)
		if err != nil {
			t.Fatal(err)
		}
		if err := r.Close(); err != nil {
			t.Fatal(err)
		}
		if now := locks(t); now < before {
			t.Errorf("%d locks, before somebody read there were %d", now, before)
		}
	}
}

// locks counts those that this process has on any file (proc_locks(5)).
func locks(t *testing.T) int {
	t.Helper()
	all, err := os.ReadFile("/proc/locks")
	if err != nil {
		t.Fatal(err)
	}
	n := 0
	for line := range strings.Lines(string(all)) {
		fields := strings.Fields(line) // 1: POSIX ADVISORY READ PID MAJOR:MINOR:INODE START END
		if len(fields) == 8 && fields[4] == fmt.Sprint(os.Getpid()) {
			n++
		}
	}
	return n
}
