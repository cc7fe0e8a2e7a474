package netlab

import (
	"errors"
	"os"
	"os/exec"
	"strings"
	"testing"

	"golang.org/x/sys/unix"

	"github.com/rstprobe/rstprobe/internal/lab"
	"github.com/rstprobe/rstprobe/internal/testenv"
)

func running(node int, script, says string) lab.Topology {
	return lab.Topology{Routers: 2, Programs: []lab.Program{{
		Node: node, Command: []string{"sh", "-c", script}, Files: map[string]string{"note": "a note"}, Says: says,
	}}}
}

func TestProgram(t *testing.T) {
	testenv.Need(t, "root", "netns", "sh", "sleep", "ls", "cat")
	n, err := New(running(1, "cat note; ls; echo ready; exec sleep 1000", "ready"))
	if err != nil {
		t.Fatal(err)
	}
	p := n.programs[0]
	for _, want := range []string{"a note", lab.CertificateFile} {
		if !strings.Contains(n.Output(), want) {
			t.Errorf("output %q is without %q", n.Output(), want)
		}
	}
	if err := n.Close(); err != nil {
		t.Error(err)
	}
	if err := unix.Kill(p.cmd.Process.Pid, 0); !errors.Is(err, unix.ESRCH) {
		t.Errorf("the program after Close: %v, want %v", err, unix.ESRCH)
	}
	if _, err := os.Stat(p.dir); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("the program's directory after Close: %v, want %v", err, os.ErrNotExist)
	}
}

func TestProgramFails(t *testing.T) {
	testenv.Need(t, "root", "netns", "sh")
	_, err := New(running(1, "echo broken >&2; exit 3", "ready"))
	var exit *exec.ExitError
	if !errors.As(err, &exit) || exit.ExitCode() != 3 || !strings.Contains(err.Error(), "broken") {
		t.Errorf("a program that fails: %v, want its exit status and output", err)
	}
	if _, err := New(running(1, "exit 0", "ready")); err == nil {
		t.Error("a program that ends before it is ready: no error")
	}
	missing := running(1, "", "")
	missing.Programs[0].Command = []string{"no-such-program"}
	if _, err := New(missing); !errors.Is(err, exec.ErrNotFound) {
		t.Errorf("a program that does not exist: %v, want %v", err, exec.ErrNotFound)
	}
}

// TestProgramEnds: a program that leaves too early is reported in the end.
func TestProgramEnds(t *testing.T) {
	testenv.Need(t, "root", "netns", "sh", "sleep")
	n, err := New(running(1, "echo ready; exec sleep 1000", "ready"))
	if err != nil {
		t.Fatal(err)
	}
	p := n.programs[0]
	if err := p.cmd.Process.Signal(unix.SIGTERM); err != nil {
		t.Fatal(err)
	}
	<-p.done
	if err := n.Close(); err == nil || !strings.Contains(err.Error(), "ended by itself: signal: terminated: ready") {
		t.Errorf("Close: %v, want how it ended, and its output", err)
	}
}

func TestProgramNowhere(t *testing.T) {
	for _, top := range []lab.Topology{running(0, "", ""), running(4, "", ""), {Routers: 2, Programs: []lab.Program{{Node: 1}}}} {
		if n, err := New(top); err == nil {
			t.Errorf("New(%+v): no error", top.Programs)
			_ = n.Close()
		}
	}
}

// TestTaken: where a program is the server, the lab's own one is not.
func TestTaken(t *testing.T) {
	top := running(3, "sleep 1000", "")
	top.Programs[0].Listens = []uint16{80}
	if got := top.Taken(); len(got) != 1 || got[0] != 80 {
		t.Errorf("Taken() = %v, want [80]", got)
	}
	top.Programs[0].Node = 2
	if got := top.Taken(); got != nil {
		t.Errorf("Taken() = %v with the program in a router, want none", got)
	}
}

// TestListening reads the ports of the lab's own server.
func TestListening(t *testing.T) {
	families(t, lab.Topology{Routers: 1, Server: lab.Server{Closed: []uint16{80}}}, func(t *testing.T, n *Net) {
		open, err := listening(n.nodes[len(n.nodes)-1])
		if err != nil {
			t.Fatal(err)
		}
		if !open[443] || open[80] {
			t.Errorf("listening: %v, want 443 alone", open)
		}
	})
}
