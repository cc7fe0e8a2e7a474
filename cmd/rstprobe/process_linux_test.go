package main

import (
	"bufio"
	"bytes"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"strings"
	"syscall"
	"testing"

	"github.com/rstprobe/rstprobe/internal/testenv"
)

// asProgram is the environment variable that makes this test binary the
// program itself.
const asProgram = "RSTPROBE_TEST_MAIN"

func TestMain(m *testing.M) {
	if os.Getenv(asProgram) != "" {
		main()
	}
	if os.Getenv(asSandbox) != "" {
		fmt.Fprintln(os.Stderr, enterSandbox())
		os.Exit(1)
	}
	// The settings of whoever runs the tests are no business of theirs.
	for _, variable := range os.Environ() {
		name, _, _ := strings.Cut(variable, "=")
		if strings.HasPrefix(name, envPrefix) && name != "RSTPROBE_REQUIRE" && name != "RSTPROBE_CAPTURES" {
			if err := os.Unsetenv(name); err != nil {
				panic(err)
			}
		}
	}
	if err := os.Setenv(envOf("", configFlag), noConfig); err != nil {
		panic(err)
	}
	code := m.Run()
	if err := removeStatic(); err != nil {
		panic(err)
	}
	os.Exit(code)
}

// command is the program with arguments, as a process of its own.
func command(t *testing.T, args ...string) *exec.Cmd {
	t.Helper()
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	cmd := exec.CommandContext(t.Context(), self, args...)
	cmd.Env = append(os.Environ(), asProgram+"=1")
	return cmd
}

// TestDemo: a real diagnosis on real kernels.
func TestDemo(t *testing.T) {
	testenv.Need(t, "netns", "raw")
	for _, tt := range []struct {
		demo string
		code int
	}{
		{"sni-reset-on-path", 10},
		{"kernel-sni-reject", 10},
		{"clean-host", 0},
		{"closed-port", 0},
	} {
		t.Run(tt.demo, func(t *testing.T) {
			cmd := command(t, "demo", tt.demo, "--json", "-q")
			var out, errs bytes.Buffer
			cmd.Stdout, cmd.Stderr = &out, &errs
			err := cmd.Run()
			if exit := (*exec.ExitError)(nil); err != nil && !errors.As(err, &exit) {
				t.Fatal(err)
			}
			if got := cmd.ProcessState.ExitCode(); got != tt.code || errs.Len() > 0 {
				t.Errorf("exit code %d, standard error %q; want %d and nothing", got, &errs, tt.code)
			}
			if n := len(documents(t, out.String())); n != 1 {
				t.Errorf("%d results, want 1: %s", n, &out)
			}
		})
	}
}

// TestSignal: a signal in the middle of a measurement ends it in order.
func TestSignal(t *testing.T) {
	testenv.Need(t, "netns", "raw")
	for _, sig := range []syscall.Signal{syscall.SIGINT, syscall.SIGTERM} {
		t.Run(sig.String(), func(t *testing.T) {
			// A silent drop takes seconds to be sure of; its first packets
			// are there at once.
			cmd := command(t, "demo", "syn-drop-port", "--json", "-v")
			var out bytes.Buffer
			cmd.Stdout = &out
			stderr, err := cmd.StderrPipe()
			if err != nil {
				t.Fatal(err)
			}
			if err := cmd.Start(); err != nil {
				t.Fatal(err)
			}
			sent := false
			var rest strings.Builder
			for lines := bufio.NewScanner(stderr); lines.Scan(); {
				rest.WriteString(lines.Text() + "\n")
				if !sent && strings.Contains(lines.Text(), "Flags [S]") {
					sent = true
					if err := cmd.Process.Signal(sig); err != nil {
						t.Error(err)
					}
				}
			}
			err = cmd.Wait()
			if got := cmd.ProcessState.ExitCode(); got != exitInterrupted {
				t.Errorf("exit code %d (%v), want %d; standard error:\n%s", got, err, exitInterrupted, &rest)
			}
			docs := documents(t, out.String())
			if len(docs) != 1 || !docs[0].Interrupted {
				t.Errorf("results %+v, want one, interrupted", docs)
			}
		})
	}
}
