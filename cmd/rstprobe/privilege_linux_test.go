package main

import (
	"bufio"
	"bytes"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// The capabilities to reach other users' files: CAP_DAC_OVERRIDE,
// CAP_DAC_READ_SEARCH and CAP_FOWNER (linux/capability.h).
const fileCaps = "000000000000000e"

const noCaps = "0000000000000000"

// TestPrivilegesAreDropped: when the first packet leaves, no thread has a
// capability any more, nor can ever get one again; however the program came
// by CAP_NET_RAW.
func TestPrivilegesAreDropped(t *testing.T) {
	program := released(t)
	w := emulatedFor(t, "syn-drop-port") // silence takes seconds to be sure of
	theirs := openDir(t)
	if err := os.Chown(theirs, nobody, nobody); err != nil {
		t.Fatal(err)
	}
	for _, tt := range []struct {
		name     string
		file     string // capabilities of the program's file
		uid      uint32
		dir      string
		want     string // CapPrm and CapEff of all threads
		bounding bool   // the bounding set can be emptied
	}{
		{"permitted by the file", "cap_net_raw=p", nobody, theirs, noCaps, false},
		{"in effect by the file", "cap_net_raw=ep", nobody, theirs, noCaps, false},
		{"more than needed", "cap_net_raw,cap_net_admin=ep", nobody, theirs, noCaps, false},
		{"superuser", "", 0, openDir(t), noCaps, true},
		{"superuser in the directory of another user", "", 0, theirs, fileCaps, true},
	} {
		t.Run(tt.name, func(t *testing.T) {
			setCapabilities(t, program, tt.file)
			cmd := exec.CommandContext(t.Context(), program, w.target, "--syn", "--mode", "raw", "--json", "-v", "-o", "x.json")
			as(cmd, tt.uid, tt.dir)
			var out bytes.Buffer
			cmd.Stdout = &out
			stderr, err := cmd.StderrPipe()
			if err != nil {
				t.Fatal(err)
			}
			if err := w.start(cmd); err != nil {
				t.Fatal(err)
			}
			var got []string
			var said strings.Builder
			for lines := bufio.NewScanner(stderr); lines.Scan(); {
				said.WriteString(lines.Text() + "\n")
				if got == nil && sentPacket(lines.Text()) {
					got = threadCapabilities(t, cmd.Process.Pid)
					if err := cmd.Process.Signal(syscall.SIGINT); err != nil {
						t.Error(err)
					}
				}
			}
			if err := cmd.Wait(); cmd.ProcessState.ExitCode() != exitInterrupted {
				t.Errorf("exit code %d (%v), want %d; it said:\n%s", cmd.ProcessState.ExitCode(), err, exitInterrupted, &said)
			}
			bounding := "CapBnd not empty"
			if tt.bounding {
				bounding = "CapBnd empty"
			}
			want := []string{"CapInh " + noCaps, "CapPrm " + tt.want, "CapEff " + tt.want, "CapAmb " + noCaps, "NoNewPrivs 1", bounding}
			if diff := cmp.Diff(want, got); diff != "" {
				t.Errorf("all threads (-want +got):\n%s", diff)
			}
			written, err := os.ReadFile(filepath.Join(tt.dir, "x.json"))
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(out.String(), string(written)); diff != "" {
				t.Errorf("file and standard output differ: -stdout +file:\n%s", diff)
			}
		})
	}
}

// setCapabilities gives the program's file capabilities; "" takes all away.
func setCapabilities(t *testing.T, program, capabilities string) {
	t.Helper()
	args := []string{"-q", "-r", program}
	if capabilities != "" {
		args = []string{"-q", capabilities, program}
	}
	out, err := exec.CommandContext(t.Context(), "setcap", args...).CombinedOutput()
	if err != nil && capabilities != "" {
		t.Fatalf("setcap %s: %v: %s", capabilities, err, out)
	}
}

// threadCapabilities are the lines of proc_pid_status(5) on which all threads
// of a process agree; where they do not, all of them.
func threadCapabilities(t *testing.T, pid int) []string {
	t.Helper()
	threads, err := filepath.Glob(fmt.Sprintf("/proc/%d/task/*/status", pid))
	if err != nil || len(threads) < 2 {
		t.Errorf("%d threads, %v; want several", len(threads), err)
	}
	var out []string
	for _, field := range []string{"CapInh", "CapPrm", "CapEff", "CapAmb", "NoNewPrivs", "CapBnd"} {
		seen := map[string]bool{}
		for _, path := range threads {
			status, err := os.ReadFile(path)
			if err != nil {
				continue // the thread has ended
			}
			for line := range strings.Lines(string(status)) {
				key, value, _ := strings.Cut(line, ":")
				value = strings.TrimSpace(value)
				if key != field || seen[value] {
					continue
				}
				seen[value] = true
				switch {
				case field != "CapBnd":
					out = append(out, field+" "+value)
				case value == noCaps:
					out = append(out, "CapBnd empty")
				default:
					out = append(out, "CapBnd not empty")
				}
			}
		}
	}
	return out
}
