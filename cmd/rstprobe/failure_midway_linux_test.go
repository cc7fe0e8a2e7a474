package main

import (
	"bufio"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
)

// midway runs the program at the client's end of a path with -v, and does
// something once it has sent a number of packets. The files are those of --json
// and of -o x.json.
func midway(t *testing.T, w world, packets int, do func(*exec.Cmd), before []string, args ...string) (code int, stdout, stderr string) {
	t.Helper()
	program, dir := released(t), t.TempDir()
	line := append(append(before, program), args...)
	cmd := exec.CommandContext(t.Context(), line[0], append(line[1:], "--json", "-v", "--ledger", "none", "--seed", "1", "-n", "-o", "x.jsonl")...)
	as(cmd, 0, dir)
	var out, said strings.Builder
	cmd.Stdout = &out
	errs, err := cmd.StderrPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := w.start(cmd); err != nil {
		t.Fatal(err)
	}
	seen := 0
	for lines := bufio.NewScanner(errs); lines.Scan(); {
		if strings.Contains(lines.Text(), "Flags [") {
			if seen++; seen == packets {
				do(cmd)
			}
			continue
		}
		said.WriteString(lines.Text() + "\n")
	}
	_ = cmd.Wait() // its exit code says more
	written, err := os.ReadFile(filepath.Join(dir, "x.jsonl"))
	if err != nil || string(written) != out.String() {
		t.Errorf("the file (%v) differs from standard output", err)
	}
	return cmd.ProcessState.ExitCode(), out.String(), said.String()
}

// TestInterfaceDown: an interface that is set down in the middle makes targets
// unreachable, and none clean that was not measured to the end.
func TestInterfaceDown(t *testing.T) {
	for _, mode := range []string{modeRaw, modeKernel} {
		t.Run(mode, func(t *testing.T) {
			w := emulatedFor(t, "clean-host")
			down := func(*exec.Cmd) {
				if err := w.path.Client(exec.CommandContext(t.Context(), "ip", "link", "set", "far", "down").Run); err != nil {
					t.Error(err)
				}
			}
			code, out, said := midway(t, w, 2, down, nil, w.target, "10.9.6.2:9", "10.9.6.2:7001", "--mode", mode)
			if code != 11 {
				t.Errorf("exit code %d, want 11; it said %s", code, said)
			}
			docs := documents(t, out)
			if len(docs) != 3 {
				t.Fatalf("%d results, want 3", len(docs))
			}
			for _, d := range docs {
				if d.Verdict.Outcome != "unreachable" || !strings.Contains(d.Verdict.Summary, "Next: look at ip route get 10.9.6.2 and ip link") {
					t.Errorf("%s: %s", d.Verdict.Outcome, d.Verdict.Summary)
				}
			}
		})
	}
}

// TestHangUp: a terminal that is closed, of which the system and the shell may
// both tell, ends the run in order; nohup keeps it going.
func TestHangUp(t *testing.T) {
	hangUp := func(cmd *exec.Cmd) {
		for range 2 {
			if err := cmd.Process.Signal(syscall.SIGHUP); err != nil {
				t.Error(err)
			}
		}
	}
	w := emulatedFor(t, "clean-host")
	if code, out, said := midway(t, w, 9, hangUp, nil, w.target); code != exitInterrupted || !documents(t, out)[0].Interrupted {
		t.Errorf("exit code %d, want %d; it said %s", code, exitInterrupted, said)
	}
	ignoring := []string{"env", "--ignore-signal=HUP"}
	if code, out, said := midway(t, w, 9, hangUp, ignoring, w.target); code != 0 || documents(t, out)[0].Interrupted {
		t.Errorf("with nohup exit code %d, want 0; it said %s", code, said)
	}
}
