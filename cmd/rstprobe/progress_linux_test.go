package main

import (
	"regexp"
	"strings"
	"testing"

	"github.com/rstprobe/rstprobe/internal/testenv"
)

// onTerminal runs the program on a terminal of 80 columns, types ^C once the
// pattern is there, if it is not nil, and returns all that the program wrote,
// what is left of it on the screen, and the exit code.
func onTerminal(t *testing.T, interruptAt *regexp.Regexp, args ...string) (wrote, left string, code int) {
	t.Helper()
	s := newScreen(80)
	cmd := command(t, args...)
	cmd.Env = append(cmd.Env, "TERM=xterm", "LC_ALL=C")
	tty := startOnTerminal(t, cmd, 80)
	if interruptAt != nil {
		wrote = tty.until(t, interruptAt)
		tty.write(t, "\x03")
	}
	buf := make([]byte, 4096)
	for {
		n, err := tty.Read(buf)
		wrote += string(buf[:n])
		if err != nil { // EIO: the last who had it open has closed it
			break
		}
	}
	_ = cmd.Wait() // its exit code says more
	if _, err := s.Write([]byte(wrote)); err != nil {
		t.Fatal(err)
	}
	if len(s.odd) > 0 {
		t.Errorf("sequences that not every terminal knows: %q", s.odd)
	}
	left, _ = s.now()
	return wrote, left, cmd.ProcessState.ExitCode()
}

// TestProgressOnTerminal: on a real terminal the lines come, and leave nothing
// but the result, however the program ends.
func TestProgressOnTerminal(t *testing.T) {
	testenv.Need(t, "netns", "raw")
	const (
		fast    = "kernel-sni-reject"
		slow    = "sni-drop"
		head    = "demo " + fast + ": the kernel's packet filter rejects packets that hold a name with a reset, at router 3 of 6\n"
		stopped = "rstprobe: stopping; what was measured is written. Interrupt again to stop at once.\n"
	)
	for _, tt := range []struct {
		name      string
		demo      string
		args      []string
		interrupt *regexp.Regexp
		saw       []string // among what was written
		begins    string   // what is left on the screen
		code      int
	}{
		{"to the end", fast, nil, nil, []string{"looking for the path", "asking the test name: sni", "locating: sni", "  3 10.9.2.2  4 10.9.3.2"}, head + "INTERFERENCE: ", 10},
		{"JSON", fast, []string{"--json"}, nil, []string{"looking for the path"}, head + `{"schema_version":1`, 10},
		{"interrupted", slow, nil, regexp.MustCompile(`asking the test name`), nil, "demo sni-drop: a box drops the packet with the name, at router 3 of 6\n" + stopped, 130},
		{"quiet", fast, []string{"-q"}, nil, nil, "INTERFERENCE: ", 10},
		{"verbose", fast, []string{"-v"}, nil, nil, "seed ", 10},
	} {
		t.Run(tt.name, func(t *testing.T) {
			wrote, left, code := onTerminal(t, tt.interrupt, append([]string{"demo", tt.demo, "--no-color"}, tt.args...)...)
			if code != tt.code {
				t.Errorf("exit code %d, want %d", code, tt.code)
			}
			for _, s := range tt.saw {
				if !strings.Contains(wrote, s) {
					t.Errorf("%q was never shown", s)
				}
			}
			if !strings.HasPrefix(left, tt.begins) {
				t.Errorf("the screen begins with %.300q, want %q", left, tt.begins)
			}
			if debris := regexp.MustCompile(`(?m)^\[[#-]+\]|^hops  |\^C`).FindString(left); debris != "" {
				t.Errorf("left on the screen: %q in\n%s", debris, left)
			}
			if tt.saw == nil && tt.interrupt == nil && strings.Contains(wrote, "\x1b[") {
				t.Errorf("escape sequences in %.300q", wrote)
			}
		})
	}
}
