package main

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"syscall"
	"testing"

	"github.com/rstprobe/rstprobe/internal/lab/cases"
	"github.com/rstprobe/rstprobe/internal/lab/netlab"
	"github.com/rstprobe/rstprobe/internal/testenv"
)

// nobody is a user without privileges (user 65534, as most systems have it).
const nobody = 65534

// static is the program as it is released, without cgo: only so can it give
// privileges up in all threads. It is built once, into a directory that
// everybody may read, and removed by removeStatic.
var static = sync.OnceValues(func() (string, error) {
	dir, err := os.MkdirTemp("", "rstprobe-test-*")
	if err != nil {
		return "", err
	}
	staticDir = dir
	if err := os.Chmod(dir, 0o755); err != nil { //nolint:gosec // other users are to run it
		return "", err
	}
	path := filepath.Join(dir, "rstprobe")
	build := exec.Command("go", "build", "-o", path, ".")
	build.Env = append(os.Environ(), "CGO_ENABLED=0")
	if out, err := build.CombinedOutput(); err != nil {
		return "", errors.Join(err, errors.New(string(out)))
	}
	return path, nil
})

var staticDir string

func removeStatic() error { return os.RemoveAll(staticDir) }

// released is the path of a copy of the program, in a directory of its own, so
// that a test may give it capabilities.
func released(t testing.TB) string {
	t.Helper()
	testenv.Need(t, "root", "netns", "go")
	path, err := static()
	if err != nil {
		t.Fatal(err)
	}
	data, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	own := filepath.Join(openDir(t), "rstprobe")
	if err := os.WriteFile(own, data, 0o755); err != nil { //nolint:gosec // other users are to run it
		t.Fatal(err)
	}
	return own
}

// openDir is a temporary directory that other users can look into. Those of
// t.TempDir lie in one that is closed to them.
func openDir(t testing.TB) string {
	t.Helper()
	dir, err := os.MkdirTemp("", "rstprobe-test-*")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := os.RemoveAll(dir); err != nil {
			t.Error(err)
		}
	})
	if err := os.Chmod(dir, 0o755); err != nil { //nolint:gosec // as intended
		t.Fatal(err)
	}
	return dir
}

// world is an emulated path in which processes run.
type world struct {
	path   *netlab.Net
	target string // as it is typed
}

// emulate builds the path of a case of the demo. The caller closes it.
func emulate(name string) (world, error) {
	all := cases.All()
	i := slices.IndexFunc(all, func(c cases.Case) bool { return c.Name == name })
	if i < 0 {
		return world{}, fmt.Errorf("there is no case %s", name)
	}
	path, err := netlab.New(all[i].Topology)
	return world{path, all[i].Target().Input}, err
}

// emulatedFor is the path of a case for as long as a test runs.
func emulatedFor(t testing.TB, name string) world {
	t.Helper()
	testenv.Need(t, "root", "netns", "raw")
	w, err := emulate(name)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := w.path.Close(); err != nil {
			t.Error(err)
		}
	})
	return w
}

// start starts a process at the client's end of the path.
func (w world) start(cmd *exec.Cmd) error { return w.path.Client(cmd.Start) }

// as makes cmd run as a user, in a directory, with an environment that has
// nothing of ours.
func as(cmd *exec.Cmd, uid uint32, dir string) {
	cmd.Dir = dir
	cmd.Env = []string{"HOME=" + dir, "PATH=" + os.Getenv("PATH"), "RSTPROBE_CONFIG=none"}
	cmd.SysProcAttr = &syscall.SysProcAttr{Credential: &syscall.Credential{Uid: uid, Gid: uid}, Pdeathsig: syscall.SIGKILL}
}

// ended is what became of a process.
type ended struct {
	code           int
	stdout, stderr string
}

// run runs a process at the client's end of the path to its end.
func (w world) run(t testing.TB, cmd *exec.Cmd) ended {
	t.Helper()
	var out, errs bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &errs
	if err := w.start(cmd); err != nil {
		t.Fatal(err)
	}
	err := cmd.Wait()
	if exit := (*exec.ExitError)(nil); err != nil && !errors.As(err, &exit) {
		t.Fatal(err)
	}
	return ended{cmd.ProcessState.ExitCode(), out.String(), errs.String()}
}

// sentPacket reports whether a line of -v tells of a packet that has left.
func sentPacket(line string) bool { return strings.Contains(line, "[S]") }
