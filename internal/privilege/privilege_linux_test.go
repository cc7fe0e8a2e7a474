package privilege

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"runtime"
	"testing"

	"github.com/google/go-cmp/cmp"
	"golang.org/x/sys/unix"

	"github.com/rstprobe/rstprobe/internal/testenv"
)

// What reaches all threads cannot be undone, so it is tested on the program
// itself, in cmd/rstprobe.

// onThread runs f on a thread of its own, which ends with it, with the given
// capabilities left of the superuser's.
func onThread(t *testing.T, left sets, f func()) {
	t.Helper()
	testenv.Need(t, "root")
	done := make(chan error)
	go func() {
		runtime.LockOSThread() // for good: the runtime ends the thread with the goroutine
		err := left.here()
		if err == nil {
			f()
		}
		done <- err
	}()
	if err := <-done; err != nil {
		t.Fatal(err)
	}
}

func now(t *testing.T) sets {
	t.Helper()
	s, err := current()
	if err != nil {
		t.Error(err)
	}
	return s
}

// TestRaise: CAP_NET_RAW is in effect within, and what was is afterwards.
func TestRaise(t *testing.T) {
	errFailed := errors.New("failed")
	for _, tt := range []struct {
		name   string
		before sets
		within sets
		err    error
	}{
		{"permitted", sets{permitted: raw}, sets{raw, raw}, nil},
		{"in effect already", sets{raw, raw}, sets{raw, raw}, nil},
		{"not permitted", sets{}, sets{}, nil},
		{"with others", sets{files, raw | files}, sets{raw | files, raw | files}, nil},
		{"with those for better sockets", sets{permitted: raw | better}, sets{raw | better, raw | better}, nil},
		{"those alone", sets{permitted: better}, sets{permitted: better}, nil},
		{"failing", sets{permitted: raw}, sets{raw, raw}, errFailed},
	} {
		t.Run(tt.name, func(t *testing.T) {
			onThread(t, tt.before, func() {
				var within sets
				err := Raise(func() error {
					within = now(t)
					return tt.err
				})
				if !errors.Is(err, tt.err) {
					t.Errorf("error %v, want %v", err, tt.err)
				}
				opt := cmp.AllowUnexported(sets{})
				if diff := cmp.Diff(tt.within, within, opt); diff != "" {
					t.Errorf("within (-want +got):\n%s", diff)
				}
				if diff := cmp.Diff(tt.before, now(t), opt); diff != "" {
					t.Errorf("afterwards (-want +got):\n%s", diff)
				}
			})
		})
	}
}

// TestRaiseOpens: that is enough for a raw socket, and without it there is
// none.
func TestRaiseOpens(t *testing.T) {
	open := func() error {
		fd, err := unix.Socket(unix.AF_INET, unix.SOCK_RAW|unix.SOCK_CLOEXEC, unix.IPPROTO_RAW)
		if err != nil {
			return err
		}
		return unix.Close(fd)
	}
	onThread(t, sets{permitted: raw}, func() {
		if err := open(); !errors.Is(err, fs.ErrPermission) {
			t.Errorf("before: %v, want a missing permission", err)
		}
		if err := Raise(open); err != nil {
			t.Errorf("raised: %v", err)
		}
		if err := open(); !errors.Is(err, fs.ErrPermission) {
			t.Errorf("afterwards: %v, want a missing permission", err)
		}
	})
}

// TestBeyondReach: the superuser needs capabilities for files of others, and
// for those only.
func TestBeyondReach(t *testing.T) {
	testenv.Need(t, "root")
	const nobody = 65534
	base := t.TempDir()
	dir := func(name string, owner int, mode fs.FileMode) string {
		path := filepath.Join(base, name)
		if err := errors.Join(os.Mkdir(path, 0o700), os.Chown(path, owner, owner), os.Chmod(path, mode)); err != nil {
			t.Fatal(err)
		}
		return path
	}
	file := func(path string, owner int, mode fs.FileMode) {
		if err := errors.Join(os.WriteFile(path, nil, 0o600), os.Chown(path, owner, owner), os.Chmod(path, mode)); err != nil {
			t.Fatal(err)
		}
	}
	ours, theirs := dir("ours", 0, 0o755), dir("theirs", nobody, 0o755)
	open, sticky := dir("open", nobody, 0o777), dir("sticky", nobody, 0o777|fs.ModeSticky)
	file(filepath.Join(open, "private"), nobody, 0o600)
	file(filepath.Join(open, "public"), nobody, 0o666)
	file(filepath.Join(sticky, "theirs"), nobody, 0o666)
	file(filepath.Join(sticky, "ours"), 0, 0o600)
	for _, tt := range []struct {
		name string
		path string
		want bool
	}{
		{"new file of ours", filepath.Join(ours, "x.json"), false},
		{"new directories of ours", filepath.Join(ours, "a", "b", "x.json"), false},
		{"home of the user who called sudo", filepath.Join(theirs, "x.json"), true},
		{"new directory there", filepath.Join(theirs, "a", "x.json"), true},
		{"open to all", filepath.Join(open, "x.json"), false},
		{"private file in it", filepath.Join(open, "private"), true},
		{"public file in it", filepath.Join(open, "public"), false},
		{"new file in a sticky directory", filepath.Join(sticky, "x.json"), false},
		{"their file in it", filepath.Join(sticky, "theirs"), true},
		{"our file in it", filepath.Join(sticky, "ours"), false},
	} {
		t.Run(tt.name, func(t *testing.T) {
			before := now(t)
			got, err := beyondReach(before, []string{filepath.Join(ours, "other"), tt.path})
			if err != nil {
				t.Fatal(err)
			}
			if got != tt.want {
				t.Errorf("beyondReach(%s) = %v, want %v", tt.path, got, tt.want)
			}
			if diff := cmp.Diff(before, now(t), cmp.AllowUnexported(sets{})); diff != "" {
				t.Errorf("capabilities afterwards (-before +after):\n%s", diff)
			}
		})
	}
}
