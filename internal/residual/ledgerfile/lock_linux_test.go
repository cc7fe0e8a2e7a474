package ledgerfile_test

import (
	"bufio"
	"bytes"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"
	"golang.org/x/sys/unix"

	"github.com/rstprobe/rstprobe/internal/residual/ledgerfile"
)

// The environment variables that make this test binary another process: one
// that saves a ledger for each port of "PATH PORT…", or one that takes the lock
// of a path, writes half a ledger beside it, says so and waits.
const (
	asWriter = "RSTPROBE_TEST_LEDGER_WRITER"
	asHolder = "RSTPROBE_TEST_LEDGER_HOLDER"
)

func TestMain(m *testing.M) {
	var err error
	switch line, path := os.Getenv(asWriter), os.Getenv(asHolder); {
	case line != "":
		err = writeAll(line)
	case path != "":
		err = writeHalf(path)
	default:
		os.Exit(m.Run())
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
	os.Exit(0)
}

func writeAll(line string) error {
	path, ports, _ := strings.Cut(line, " ")
	for word := range strings.FieldsSeq(ports) {
		n, err := strconv.Atoi(word)
		if err != nil {
			return err
		}
		if err := ledgerfile.Save(path, blocking(n), start); err != nil {
			return err
		}
	}
	return nil
}

func writeHalf(path string) error {
	if _, err := hold(path); err != nil {
		return err
	}
	if err := os.WriteFile(path+".tmp-half", []byte(`{"version":1,"blo`), 0o600); err != nil {
		return err
	}
	fmt.Println("writing")
	select {}
}

// writer is a process of its own that saves one ledger for each port.
func writer(t *testing.T, path, ports string) (cmd *exec.Cmd, stderr *bytes.Buffer) {
	t.Helper()
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	cmd, stderr = exec.CommandContext(t.Context(), self), &bytes.Buffer{}
	cmd.Env = append(os.Environ(), asWriter+"="+path+" "+ports)
	cmd.Stderr = stderr
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	return cmd, stderr
}

// TestProcesses: of two processes that write at once, neither loses what the
// other wrote.
func TestProcesses(t *testing.T) {
	path := filepath.Join(t.TempDir(), "residual.json")
	a, aErr := writer(t, path, "1 2 3 4 5 6 7 8")
	b, bErr := writer(t, path, "11 12 13 14 15 16 17 18")
	if err := errors.Join(a.Wait(), b.Wait()); err != nil {
		t.Fatalf("%v: %s%s", err, aErr, bErr)
	}
	want := []int{1, 2, 3, 4, 5, 6, 7, 8, 11, 12, 13, 14, 15, 16, 17, 18}
	if diff := cmp.Diff(want, blocked(load(t, path))); diff != "" {
		t.Errorf("-want +got:\n%s", diff)
	}
}

// hold takes the lock and returns what gives it back.
func hold(path string) (release func() error, err error) {
	lock, err := os.OpenFile(path+".lock", os.O_RDWR|os.O_CREATE, 0o600)
	if err != nil {
		return nil, err
	}
	if err := unix.Flock(int(lock.Fd()), unix.LOCK_EX); err != nil {
		return nil, err
	}
	return lock.Close, nil
}

// TestBusy: nobody waits for ever for a process that was stopped with the
// lock in its hand, and who only reads does not wait at all.
func TestBusy(t *testing.T) {
	path := filepath.Join(t.TempDir(), "residual.json")
	save(t, path, blocking(1))
	release, err := hold(path)
	if err != nil {
		t.Fatal(err)
	}
	synctest.Test(t, func(t *testing.T) {
		if err := ledgerfile.Save(path, blocking(2), start); !errors.Is(err, ledgerfile.ErrBusy) {
			t.Errorf("save: %v, want %v", err, ledgerfile.ErrBusy)
		}
	})
	if diff := cmp.Diff([]int{1}, blocked(load(t, path))); diff != "" {
		t.Errorf("while it is locked (-want +got):\n%s", diff)
	}
	if err := release(); err != nil {
		t.Fatal(err)
	}
	save(t, path, blocking(2))
	if diff := cmp.Diff([]int{1, 2}, blocked(load(t, path))); diff != "" {
		t.Errorf("afterwards (-want +got):\n%s", diff)
	}
}

// TestKilledProcess: a process that is killed in the middle of writing leaves
// the ledger as it was and the lock free.
func TestKilledProcess(t *testing.T) {
	path := filepath.Join(t.TempDir(), "residual.json")
	save(t, path, blocking(1))
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	cmd := exec.CommandContext(t.Context(), self)
	cmd.Env = append(os.Environ(), asHolder+"="+path)
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	if line, err := bufio.NewReader(out).ReadString('\n'); line != "writing\n" {
		t.Fatalf("the other process said %q (%v)", line, err)
	}
	if diff := cmp.Diff([]int{1}, blocked(load(t, path))); diff != "" {
		t.Errorf("while the other writes (-want +got):\n%s", diff)
	}
	if err := cmd.Process.Kill(); err != nil {
		t.Fatal(err)
	}
	if err := cmd.Wait(); err == nil {
		t.Fatal("the other process ended well")
	}
	save(t, path, blocking(3))
	if diff := cmp.Diff([]int{1, 3}, blocked(load(t, path))); diff != "" {
		t.Errorf("-want +got:\n%s", diff)
	}
}

// TestPipe: a path that names a pipe is refused, and nobody hangs.
func TestPipe(t *testing.T) {
	path := filepath.Join(t.TempDir(), "residual.json")
	if err := unix.Mkfifo(path, 0o600); err != nil {
		t.Skipf("no named pipes here: %v", err)
	}
	if _, err := ledgerfile.Load(path, time.Now()); !errors.Is(err, ledgerfile.ErrNotRegular) {
		t.Errorf("load: %v, want %v", err, ledgerfile.ErrNotRegular)
	}
}
