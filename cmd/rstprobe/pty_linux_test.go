package main

import (
	"os"
	"os/exec"
	"regexp"
	"strconv"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

// pty is the near end of a pseudo terminal.
type pty struct{ *os.File }

// startOnTerminal starts a program on a new pseudo terminal, which ends with
// the test.
func startOnTerminal(t *testing.T, cmd *exec.Cmd, columns uint16) pty {
	t.Helper()
	fd, err := unix.Open("/dev/ptmx", unix.O_RDWR|unix.O_NOCTTY|unix.O_NONBLOCK|unix.O_CLOEXEC, 0)
	if err != nil {
		t.Fatal(err)
	}
	near := os.NewFile(uintptr(fd), "/dev/ptmx")
	if err := unix.IoctlSetPointerInt(fd, unix.TIOCSPTLCK, 0); err != nil {
		t.Fatal(err)
	}
	n, err := unix.IoctlGetInt(fd, unix.TIOCGPTN)
	if err != nil {
		t.Fatal(err)
	}
	if err := unix.IoctlSetWinsize(fd, unix.TIOCSWINSZ, &unix.Winsize{Row: 50, Col: columns}); err != nil {
		t.Fatal(err)
	}
	far, err := os.OpenFile("/dev/pts/"+strconv.Itoa(n), os.O_RDWR|unix.O_NOCTTY, 0)
	if err != nil {
		t.Fatal(err)
	}
	cmd.Stdin, cmd.Stdout, cmd.Stderr = far, far, far
	cmd.SysProcAttr = &syscall.SysProcAttr{Setsid: true, Setctty: true}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	if err := far.Close(); err != nil {
		t.Error(err)
	}
	t.Cleanup(func() {
		_ = near.Close() // the program is hung up
		_ = cmd.Wait()   // how it takes that is its own affair
	})
	// Only for a program that never says what is waited for.
	if err := near.SetReadDeadline(time.Now().Add(time.Minute)); err != nil {
		t.Fatal(err)
	}
	return pty{near}
}

func (f pty) write(t *testing.T, text string) {
	t.Helper()
	if _, err := f.WriteString(text); err != nil {
		t.Fatal(err)
	}
}

// until reads until the pattern is there.
func (f pty) until(t *testing.T, pattern *regexp.Regexp) string {
	t.Helper()
	var all []byte
	buf := make([]byte, 4096)
	for !pattern.Match(all) {
		n, err := f.Read(buf)
		if err != nil {
			t.Fatalf("%v, after %q", err, all)
		}
		all = append(all, buf[:n]...)
	}
	return string(all)
}
