package main

import (
	"bufio"
	"fmt"
	"os"
	"path/filepath"
	"syscall"
	"testing"
)

// watchHere starts a watch with a file on this machine, where it needs no
// privilege.
func watchHere(t *testing.T, file string) *watchProcess {
	t.Helper()
	w := &watchProcess{T: t, cmd: command(t, "watch", "-c", file, "--log-format", "json", "--mode", "kernel", "-n", "--ledger", "none")}
	stderr, err := w.cmd.StderrPipe()
	if err != nil {
		t.Fatal(err)
	}
	w.lines = bufio.NewScanner(stderr)
	if err := w.cmd.Start(); err != nil {
		t.Fatal(err)
	}
	return w
}

// TestStoppedIsLast: what is told when the watch is told to end is told before
// it says that it has.
func TestStoppedIsLast(t *testing.T) {
	dir := t.TempDir()
	file, begun := filepath.Join(dir, "watch.yaml"), filepath.Join(dir, "begun")
	if err := syscall.Mkfifo(begun, 0o600); err != nil {
		t.Fatal(err)
	}
	text := fmt.Sprintf(`
listen: 127.0.0.1:0
store: %s/rstprobe.db
defaults: {confirm: 0}
checks: [{target: "127.0.0.1:1", syn: true}]
alerts: [{name: ops, exec: {command: [/bin/sh, -c, "echo > %s; sleep 0.5"]}}]
`, dir, begun)
	if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	w := watchHere(t, file)
	if _, err := os.ReadFile(begun); err != nil { // waits for the program to begin
		t.Fatal(err)
	}
	if err := w.cmd.Process.Signal(syscall.SIGTERM); err != nil {
		t.Fatal(err)
	}
	w.message("alert delivered")
	w.message("stopped")
	if err := w.cmd.Wait(); err != nil {
		t.Error(err)
	}
}

// TestEarlyHangup: who hangs up while the watch only begins has the file read
// again, as later.
func TestEarlyHangup(t *testing.T) {
	dir := t.TempDir()
	file := filepath.Join(dir, "watch.yaml")
	if err := syscall.Mkfifo(file, 0o600); err != nil {
		t.Fatal(err)
	}
	text := fmt.Sprintf("listen: 127.0.0.1:0\nstore: %s/rstprobe.db\nchecks: [{target: \"127.0.0.1:1\", syn: true, interval: 1h}]\n", dir)
	w := watchHere(t, file)
	say := func(meanwhile func() error) {
		t.Helper()
		f, err := os.OpenFile(file, os.O_WRONLY, 0) // waits for the watch to read
		if err == nil {
			err = meanwhile()
		}
		if err != nil {
			t.Fatal(err)
		}
		if _, err := f.WriteString(text); err != nil {
			t.Fatal(err)
		}
		if err := f.Close(); err != nil {
			t.Fatal(err)
		}
	}
	say(func() error { return w.cmd.Process.Signal(syscall.SIGHUP) })
	w.message("watching")
	say(func() error { return nil })
	w.message("watch file read again")
	w.end(syscall.SIGTERM)
}
