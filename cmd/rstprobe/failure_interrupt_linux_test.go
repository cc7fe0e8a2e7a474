package main

import (
	"bufio"
	"fmt"
	"io"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"github.com/google/go-cmp/cmp"
	"golang.org/x/sys/unix"

	"github.com/rstprobe/rstprobe/internal/testenv"
)

// TestInterruptedAnywhere: wherever a signal meets a measurement, what it has
// found is printed and written, and valid. The places are packets, counted, so
// that a slow machine is interrupted at the same ones.
func TestInterruptedAnywhere(t *testing.T) {
	program := released(t)
	testenv.Need(t, "tcpdump")
	w := emulatedFor(t, "sni-reset-on-path")
	rng := rand.New(rand.NewPCG(5, 7)) //nolint:gosec // reproducible
	places := []int{1, 2, 40}          // of about 360 TCP segments: the first of all, and of the tests
	for range 4 {
		places = append(places, 41+rng.IntN(240))
	}
	for _, n := range places {
		t.Run(fmt.Sprintf("packet %d", n), func(t *testing.T) {
			dir := t.TempDir()
			cmd := exec.CommandContext(t.Context(), program, w.target, "--sni", "--trace", "always", "--mode", "raw", "--json", "-v",
				"--ledger", "none", "--seed", "1", "-o", "x.json", "-o", "x.md", "-o", "x.pcapng")
			as(cmd, 0, dir)
			var out strings.Builder
			cmd.Stdout = &out
			stderr, err := cmd.StderrPipe()
			if err != nil {
				t.Fatal(err)
			}
			if err := w.start(cmd); err != nil {
				t.Fatal(err)
			}
			seen := 0
			for lines := bufio.NewScanner(stderr); lines.Scan(); {
				if !strings.Contains(lines.Text(), "Flags [") {
					continue
				}
				if seen++; seen == n {
					if err := cmd.Process.Signal(syscall.SIGINT); err != nil {
						t.Error(err)
					}
				}
			}
			if err := cmd.Wait(); cmd.ProcessState.ExitCode() != exitInterrupted {
				t.Fatalf("exit code %d (%v) after %d packets, want %d", cmd.ProcessState.ExitCode(), err, seen, exitInterrupted)
			}
			docs := documents(t, out.String())
			if len(docs) != 1 || !docs[0].Interrupted {
				t.Errorf("results %+v, want one, interrupted", docs)
			}
			written, err := os.ReadFile(filepath.Join(dir, "x.json"))
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(out.String(), string(written)); diff != "" {
				t.Errorf("file and standard output differ: -stdout +file:\n%s", diff)
			}
			if info, err := os.Stat(filepath.Join(dir, "x.md")); err != nil || info.Size() == 0 {
				t.Errorf("Markdown: %v, %v", info, err)
			}
			packets, err := exec.CommandContext(t.Context(), "tcpdump", "-nr", filepath.Join(dir, "x.pcapng")).Output()
			if got := strings.Count(string(packets), "\n"); err != nil || got < n {
				t.Errorf("tcpdump reads %d packets, %v; want %d and more", got, err, n)
			}
			if entries, err := os.ReadDir(dir); err != nil || len(entries) != 3 {
				t.Errorf("files %v, %v; want three", entries, err)
			}
		})
	}
}

// TestInterruptedWaiting: a program that waits for standard input ends by the
// first signal; one that is stuck, by the second.
func TestInterruptedWaiting(t *testing.T) {
	program := released(t)
	cmd := exec.CommandContext(t.Context(), program, "-f", "-", "--ledger", "none")
	as(cmd, 0, t.TempDir())
	cmd.SysProcAttr.Cloneflags = syscall.CLONE_NEWNET
	stdin, err := cmd.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	// What was written has been read when there is room for more than a pipe
	// holds (64 KiB, pipe(7)); so it waits for the rest.
	if _, err := io.WriteString(stdin, strings.Repeat("# nothing\n", 1<<16)); err != nil {
		t.Fatal(err)
	}
	if err := cmd.Process.Signal(syscall.SIGINT); err != nil {
		t.Fatal(err)
	}
	if err := cmd.Wait(); cmd.ProcessState.ExitCode() != exitInterrupted {
		t.Errorf("exit code %d (%v), want %d", cmd.ProcessState.ExitCode(), err, exitInterrupted)
	}
}

// TestInterruptedTwice: the second signal ends at once what the first one
// cannot, as when nobody takes the result.
func TestInterruptedTwice(t *testing.T) {
	program := released(t)
	w := emulatedFor(t, "sni-reset-on-path")
	r, stdout, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()                                                                            //nolint:errcheck // only read
	if _, err := unix.FcntlInt(stdout.Fd(), unix.F_SETPIPE_SZ, os.Getpagesize()); err != nil { // less than a result
		t.Fatal(err)
	}
	cmd := exec.CommandContext(t.Context(), program, w.target, "--sni", "--trace", "always", "--mode", "raw", "--json", "-v", "--ledger", "none")
	as(cmd, 0, t.TempDir())
	cmd.Stdout = stdout
	stderr, err := cmd.StderrPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := w.start(cmd); err != nil {
		t.Fatal(err)
	}
	if err := stdout.Close(); err != nil {
		t.Fatal(err)
	}
	signal := func() {
		if err := cmd.Process.Signal(syscall.SIGINT); err != nil {
			t.Error(err)
		}
	}
	const enough = 300 // packets for a result that does not fit
	lines := bufio.NewScanner(stderr)
	for seen := 0; seen < enough && lines.Scan(); {
		if strings.Contains(lines.Text(), "Flags [") {
			seen++
		}
	}
	signal()
	go func() {
		for lines.Scan() { // or the program would wait for that
		}
	}()
	// The first byte is there, so it is stuck in writing the others.
	if _, err := io.ReadFull(r, make([]byte, 1)); err != nil {
		t.Error(err)
	}
	signal()
	err = cmd.Wait()
	status, ok := cmd.ProcessState.Sys().(syscall.WaitStatus)
	if !ok || !status.Signaled() || status.Signal() != syscall.SIGINT {
		t.Errorf("ended with %v, want by the signal", err)
	}
}

// TestNobodyReads: with standard output closed by its reader, files are
// written all the same.
func TestNobodyReads(t *testing.T) {
	program := released(t)
	w := emulatedFor(t, "clean-host")
	r, stdout, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := r.Close(); err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	cmd := exec.CommandContext(t.Context(), program, w.target, "--mode", "raw", "--ledger", "none", "-o", "x.json")
	as(cmd, 0, dir)
	var errs strings.Builder
	cmd.Stdout, cmd.Stderr = stdout, &errs
	if err := w.start(cmd); err != nil {
		t.Fatal(err)
	}
	if err := stdout.Close(); err != nil {
		t.Fatal(err)
	}
	err = cmd.Wait()
	if cmd.ProcessState.ExitCode() != exitFailure || !strings.Contains(errs.String(), "write the result") {
		t.Errorf("ended with %v, saying %q; want exit code %d and why", err, &errs, exitFailure)
	}
	written, err := os.ReadFile(filepath.Join(dir, "x.json"))
	if err != nil {
		t.Fatal(err)
	}
	if docs := documents(t, string(written)); len(docs) != 1 {
		t.Errorf("%d results in the file, want one", len(docs))
	}
}
