package netlab

import (
	"bufio"
	"errors"
	"fmt"
	"net/netip"
	"os"
	"os/exec"
	"os/signal"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/rstprobe/rstprobe/internal/lab"
	"github.com/rstprobe/rstprobe/internal/testenv"
)

// childEnv tells the test binary which of children it is to be.
const childEnv = "NETLAB_TEST_CHILD"

// childCode is the exit code of a child that found all well: one that nothing
// else uses.
const childCode = 42

var children = map[string]func() error{
	"lab":    buildLabs,
	"signal": awaitSignal,
	"killed": func() error { return syscall.Kill(os.Getpid(), syscall.SIGKILL) },
}

func TestMain(m *testing.M) {
	child, ok := children[os.Getenv(childEnv)]
	if !ok {
		os.Exit(m.Run())
	}
	err := Reexec()
	if err == nil {
		err = child()
	}
	if err != nil {
		fmt.Println(err)
		os.Exit(1)
	}
	os.Exit(childCode)
}

// startChild runs a child as an ordinary user.
func startChild(t *testing.T, name string) (*exec.Cmd, *bufio.Scanner) {
	t.Helper()
	testenv.Need(t, "root", "netns")
	const nobody = 65534
	cmd := exec.Command("/proc/self/exe")
	cmd.Dir = "/"
	cmd.Env = append(os.Environ(), childEnv+"="+name)
	cmd.SysProcAttr = &syscall.SysProcAttr{Credential: &syscall.Credential{Uid: nobody, Gid: nobody}}
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	return cmd, bufio.NewScanner(out)
}

// endChild reads the rest of what the child says and compares its exit code.
func endChild(t *testing.T, cmd *exec.Cmd, out *bufio.Scanner, want int) {
	t.Helper()
	var said []string
	for out.Scan() {
		said = append(said, out.Text())
	}
	err := cmd.Wait()
	if got := cmd.ProcessState.ExitCode(); got != want {
		text := strings.Join(said, "\n")
		if strings.Contains(text, "start in a user namespace") {
			t.Skipf("needs user namespaces for ordinary users: %s", text)
		}
		t.Errorf("exit code %d (%v), want %d, output:\n%s", got, err, want, text)
	}
}

// buildLabs uses every part of a topology once.
func buildLabs() error {
	for _, ipv6 := range []bool{false, true} {
		n, err := New(lab.Topology{
			Routers: 3, IPv6: ipv6, Silent: []int{3},
			Kernel: []lab.KernelRule{{Router: 2, Contains: blocked, Port: 443, Reject: true}},
			Boxes:  []lab.Placement{{Router: 2, New: resetter(true)}},
		})
		if err != nil {
			return err
		}
		for _, to := range []netip.Addr{n.top.ServerAddr(), n.top.ServerAddr2()} {
			c, err := dial(n, to, 443)
			if err != nil {
				return err
			}
			if err := handshake(c, control); err != nil {
				return err
			}
			if err := c.Close(); err != nil {
				return err
			}
		}
		if err := n.Close(); err != nil {
			return err
		}
	}
	return nil
}

func awaitSignal() error {
	signals := make(chan os.Signal, 1)
	signal.Notify(signals, syscall.SIGTERM)
	fmt.Println("ready")
	select {
	case <-signals:
		return nil
	case <-time.After(patience):
		return errors.New("no signal")
	}
}

func TestReexecBuilds(t *testing.T) {
	cmd, out := startChild(t, "lab")
	endChild(t, cmd, out, childCode)
}

func TestReexecPassesSignals(t *testing.T) {
	cmd, out := startChild(t, "signal")
	if out.Scan() && out.Text() == "ready" {
		if err := cmd.Process.Signal(syscall.SIGTERM); err != nil {
			t.Error(err)
		}
	}
	endChild(t, cmd, out, childCode)
}

func TestReexecTellsSignalOfChild(t *testing.T) {
	cmd, out := startChild(t, "killed")
	endChild(t, cmd, out, 128+int(syscall.SIGKILL))
}
