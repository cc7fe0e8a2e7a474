package store

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
)

// TestReadingTakesNoLockAway from who writes in the same process: without it,
// another process that ends takes the log of the database for its own to
// delete, and what is written from then on is lost.
func TestReadingTakesNoLockAway(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "rstprobe.db")
	s := opened(t, path)
	if err := s.Add(run("shop", 1, 10), nil, after(1)); err != nil {
		t.Fatal(err)
	}
	before := locksOn(t, path)
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
		if now := locksOn(t, path); now < before {
			t.Errorf("%d locks, before somebody read there were %d", now, before)
		}
	}
}

// locksOn counts the locks that this process has on a file (proc_locks(5)).
func locksOn(t *testing.T, path string) int {
	t.Helper()
	info, err := os.Stat(path)
	if err != nil {
		t.Fatal(err)
	}
	all, err := os.ReadFile("/proc/locks")
	if err != nil {
		t.Fatal(err)
	}
	n := 0
	for line := range strings.Lines(string(all)) {
		fields := strings.Fields(line) // 1: POSIX ADVISORY READ PID MAJOR:MINOR:INODE START END
		if len(fields) == 8 && fields[4] == fmt.Sprint(os.Getpid()) && strings.HasSuffix(fields[5], fmt.Sprintf(":%d", info.Sys().(*syscall.Stat_t).Ino)) {
			n++
		}
	}
	return n
}
