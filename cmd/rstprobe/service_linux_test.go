package main

import (
	"bufio"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync/atomic"
	"syscall"
	"testing"

	"github.com/google/go-cmp/cmp"
	"golang.org/x/sys/unix"

	"github.com/rstprobe/rstprobe/internal/lab"
	"github.com/rstprobe/rstprobe/internal/lab/netlab"
	"github.com/rstprobe/rstprobe/internal/testenv"
	"github.com/rstprobe/rstprobe/report"
)

// asService makes cmd run as the system manager runs the service: as a user
// without privileges who has CAP_NET_RAW and no other capability, and to whom
// the directory and what is in it belongs.
func asService(t testing.TB, cmd *exec.Cmd, dir string) {
	t.Helper()
	giveTo(t, nobody, dir)
	as(cmd, nobody, dir)
	cmd.SysProcAttr.AmbientCaps = []uintptr{unix.CAP_NET_RAW}
}

// giveTo makes a user the owner of a directory and of what is in it.
func giveTo(t testing.TB, uid int, dir string) {
	t.Helper()
	err := filepath.WalkDir(dir, func(path string, _ fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		return os.Chown(path, uid, uid)
	})
	if err != nil {
		t.Fatal(err)
	}
}

// pathOf is an emulated path for as long as a test runs.
func pathOf(t testing.TB, top lab.Topology) *netlab.Net {
	t.Helper()
	path, err := netlab.New(top)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := path.Close(); err != nil {
			t.Error(err)
		}
	})
	return path
}

// unitFile is the service as we ship it.
const unitFile = "../../contrib/systemd/rstprobe-watch.service"

// readUnit is what a unit says: the words of each setting, in order
// (systemd.syntax(7)).
func readUnit(t testing.TB, path string) map[string][]string {
	t.Helper()
	b, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	unit := map[string][]string{}
	for line := range strings.Lines(string(b)) {
		if key, value, ok := strings.Cut(strings.TrimSpace(line), "="); ok && !strings.HasPrefix(key, "#") {
			unit[key] = append(unit[key], strings.Fields(value)...)
		}
	}
	return unit
}

// TestKernelService: in the sandbox of the unit that we ship, the program
// measures with raw sockets, finds a box, tells the system manager how far it
// is, reloads, and can do no more than it is to be able to.
func TestKernelService(t *testing.T) {
	testenv.Need(t, "root", "netns", "raw", "setpriv", "systemd-analyze")
	program, unit := released(t), readUnit(t, unitFile)
	var on atomic.Bool
	on.Store(true)
	top := lab.Topology{Routers: 4, Boxes: []lab.Placement{resetterAt(2, &on)}}
	path := pathOf(t, top)
	dir := openDir(t)
	file := filepath.Join(dir, "watch.yaml")
	text := fmt.Sprintf("checks: [{target: \"shop.example:443@%s\", sni: true}]\n", top.ServerAddr())
	if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	manager, err := net.ListenUnixgram("unixgram", &net.UnixAddr{Name: filepath.Join(dir, "notify"), Net: "unixgram"})
	if err != nil {
		t.Fatal(err)
	}
	defer manager.Close() //nolint:errcheck // only read
	told := func(want string) {
		t.Helper()
		b := make([]byte, 100)
		n, err := manager.Read(b)
		if got := string(b[:n]); got != want || err != nil {
			t.Errorf("the system manager was told %q, %v; want %q", got, err, want)
		}
	}
	giveTo(t, nobody, dir)

	here := func(words []string) []string { // a command of the unit, with what is elsewhere here
		out := slices.Clone(words)
		for from, to := range map[string]string{"/usr/bin/rstprobe": program, "/etc/rstprobe/watch.yaml": file} {
			i := slices.Index(out, from)
			if i < 0 {
				t.Fatalf("%v lacks %s", words, from)
			}
			out[i] = to
		}
		return out
	}
	w := &watchProcess{T: t, path: path, cmd: sandboxed(t, unit, dir, append(here(unit["ExecStart"]), "--log-runs", "-n"))}
	w.cmd.Env = append(w.cmd.Env, "NOTIFY_SOCKET="+filepath.Join(dir, "notify"))
	stderr, err := w.cmd.StderrPipe()
	if err != nil {
		t.Fatal(err)
	}
	w.lines = bufio.NewScanner(stderr)
	if err := path.Client(w.cmd.Start); err != nil {
		t.Fatal(err)
	}
	w.message("watching")
	told("READY=1")
	if l := w.message("run"); l.Verdict != "interference" {
		t.Errorf("the first run shows %s", l.Verdict)
	}
	confined := []string{"CapInh " + noCaps, "CapPrm 0000000000002000", "CapEff " + noCaps, "CapAmb " + noCaps, "NoNewPrivs 1", "CapBnd not empty"}
	if diff := cmp.Diff(confined, threadCapabilities(t, w.cmd.Process.Pid)); diff != "" {
		t.Errorf("all threads (-want +got):\n%s", diff)
	}
	reload := unit["ExecReload"]
	check, signal := reload[:len(reload)-3], reload[len(reload)-3:]
	if out, err := sandboxed(t, unit, dir, here(check)).CombinedOutput(); err != nil {
		t.Errorf("%v: %v: %s", check, err, out)
	}
	if diff := cmp.Diff([]string{"/bin/kill", "-HUP", "$MAINPID"}, signal); diff != "" {
		t.Errorf("the signal to reload (-want +got):\n%s", diff)
	}
	if err := w.cmd.Process.Signal(syscall.SIGHUP); err != nil {
		t.Fatal(err)
	}
	told("RELOADING=1")
	w.message("watch file read again")
	told("READY=1")
	w.end(syscall.SIGTERM)
	told("STOPPING=1")

	out, err := exec.CommandContext(t.Context(), program, "history", "--run", "1", "--store", filepath.Join(dir, "rstprobe.db")).Output()
	var doc report.Document
	if err := errors.Join(err, json.Unmarshal(out, &doc)); err != nil {
		t.Fatal(err)
	}
	if doc.Mode != modeRaw || len(doc.Tests) == 0 {
		t.Errorf("mode %s, %d tests; want %s", doc.Mode, len(doc.Tests), modeRaw)
	}
}

// TestServiceIsConfined: what the unit forbids fails, so that the sandbox of
// these tests is one.
func TestServiceIsConfined(t *testing.T) {
	testenv.Need(t, "root", "netns", "setpriv", "systemd-analyze")
	unit, dir, elsewhere := readUnit(t, unitFile), openDir(t), openDir(t)
	giveTo(t, nobody, dir)
	giveTo(t, nobody, elsewhere)
	for _, tt := range []struct {
		name, command, said string
		killed              bool
	}{
		{"its own directory", "touch " + dir + "/x && id -u", "65534\n", false},
		{"another directory", "touch " + elsewhere + "/x || true", "touch: cannot touch '" + elsewhere + "/x': Read-only file system\n", false},
		{"a system call that is not in the filter", "exec chroot /", "", true},
	} {
		t.Run(tt.name, func(t *testing.T) {
			cmd := sandboxed(t, unit, dir, []string{"/bin/sh", "-c", tt.command})
			out, err := cmd.CombinedOutput()
			if cmd.ProcessState == nil {
				t.Fatal(err)
			}
			status := cmd.ProcessState.Sys().(syscall.WaitStatus)
			if killed := status.Signaled() && status.Signal() == syscall.SIGSYS; killed != tt.killed || string(out) != tt.said {
				t.Errorf("it said %q and ended with %v", out, cmd.ProcessState)
			}
		})
	}
}
