//go:build unix

package deliver

import (
	"context"
	"errors"
	"io"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/rstprobe/rstprobe/internal/testenv"
	"github.com/rstprobe/rstprobe/internal/watch/alert"
)

// script is a receiver that is a shell script with arguments.
func script(t *testing.T, timeout time.Duration, text string, args ...string) alert.Receiver {
	t.Helper()
	testenv.Need(t, "sh")
	return alert.Receiver{Name: "script", Via: alert.Exec{Command: append([]string{"sh", "-c", text, "sh"}, args...), Timeout: timeout}}
}

// TestExec: the event stands on standard input and in the environment, nothing
// is left to a shell that was not asked for, and no capability is passed on.
func TestExec(t *testing.T) {
	t.Parallel()
	out := filepath.Join(t.TempDir(), "out")
	r := script(t, time.Minute, `{ cat; echo; env | grep ^RSTPROBE_ALERT_ | sort; echo "$2"; grep ^CapEff /proc/self/status || echo CapEff: 0; } >"$1"`, out, "$(reboot); *")
	if err := sender(r, "")(t.Context(), event); err != nil {
		t.Fatal(err)
	}
	b, err := os.ReadFile(out)
	if err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{
		`{"version":1,"status":"firing",`, "\nRSTPROBE_ALERT_STATUS=firing\n", "\nRSTPROBE_ALERT_CHECK=shop\n", "\nRSTPROBE_ALERT_SUMMARY=a box\n",
		"\nRSTPROBE_ALERT_QUESTION=sni shop.example\n", "\nRSTPROBE_ALERT_TO=reset\n", "\nRSTPROBE_ALERT_KEY=k1\n", "\n$(reboot); *\n",
	} {
		if !strings.Contains(string(b), want) {
			t.Errorf("lacks %q:\n%s", want, b)
		}
	}
	if !regexp.MustCompile(`\nCapEff:\s+0+\n`).Match(b) {
		t.Errorf("it has capabilities:\n%s", b)
	}
}

// TestExecFails: the code says whether it arrived.
func TestExecFails(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]string{
		"exit 0":                          "",
		"exit 3":                          "exit status 3",
		"echo 'no modem' >&2; exit 1":     `exit status 1: "no modem"`,
		"kill -9 $$":                      "signal: killed",
		"yes | head -c 100000 >&2":        "",
		"exec /nonexistent/program 2>&1 ": "exit status 127",
	} {
		err := sender(script(t, time.Minute, text), "")(t.Context(), event)
		if (err == nil) != (want == "") || err != nil && !strings.Contains(err.Error(), want) {
			t.Errorf("%s: error %v, want %q", text, err, want)
		}
		if errors.As(err, new(refusal)) {
			t.Errorf("%s: it is not tried again", text)
		}
	}
	missing := alert.Receiver{Name: "script", Via: alert.Exec{Command: []string{"/nonexistent/program"}, Timeout: time.Minute}}
	if err := sender(missing, "")(t.Context(), event); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("error %v", err)
	}
	if err := Ready(missing); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("ready: %v", err)
	}
}

// TestExecLeavesOthersBehind: an exit code of 0 counts, though who was left
// behind holds on to standard error beyond the time.
func TestExecLeavesOthersBehind(t *testing.T) {
	t.Parallel()
	fifo := filepath.Join(t.TempDir(), "fifo")
	if err := syscall.Mkfifo(fifo, 0o600); err != nil {
		t.Fatal(err)
	}
	done := make(chan error, 1)
	r := script(t, leave/2, `{ read -r end <"$1"; } & exit 0`, fifo)
	go func() { done <- sender(r, "")(t.Context(), event) }()
	left, err := os.OpenFile(fifo, os.O_WRONLY, 0) // returns when it is there
	if err != nil {
		t.Fatal(err)
	}
	if err := <-done; err != nil {
		t.Errorf("error %v", err)
	}
	if err := left.Close(); err != nil { // and that is the end of it
		t.Error(err)
	}
}

// TestExecInTime: when its time is up, or ours, a program ends with whatever
// it has started.
func TestExecInTime(t *testing.T) {
	t.Parallel()
	for name, timeout := range map[string]time.Duration{"its": 200 * time.Millisecond, "ours": time.Hour} {
		fifo := filepath.Join(t.TempDir(), "fifo")
		if err := syscall.Mkfifo(fifo, 0o600); err != nil {
			t.Fatal(err)
		}
		ctx, cancel := context.WithCancel(t.Context())
		done := make(chan error)
		r := script(t, timeout, `exec 3>"$1"; echo ready >&3; trap '' TERM INT; sleep 3600 & sleep 3600`, fifo)
		go func() { done <- sender(r, "")(ctx, event) }()
		alive, err := os.Open(fifo) // returns when the program has opened it
		if err != nil {
			t.Fatal(err)
		}
		if _, err := io.ReadFull(alive, make([]byte, len("ready\n"))); err != nil {
			t.Fatal(err)
		}
		if name == "ours" {
			cancel()
		}
		if _, err := io.ReadAll(alive); err != nil { // to its end: nobody has it open any more
			t.Error(err)
		}
		if err := <-done; err == nil || !strings.Contains(err.Error(), "did not end") {
			t.Errorf("%s: error %v", name, err)
		}
		cancel()
		if err := alive.Close(); err != nil {
			t.Error(err)
		}
	}
}
