package main

import (
	"bytes"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/rstprobe/rstprobe/internal/diagnosis"
)

// TestGoesOn: what befalls one target is no reason not to measure the others.
func TestGoesOn(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		line  string
		code  int
		lines int // of results
		says  string
	}{
		{"broken.example clean.example broken.example", exitFailure, 3, "rstprobe: engine: wire broke (2 targets failed)\n"},
		{"198.51.100.1 clean.example", 11, 2, ""},
		{"198.51.100.3 clean.example", 11, 2, ""},
	} {
		t.Run(tt.line, func(t *testing.T) {
			t.Parallel()
			f := fakeSystem{}
			got := f.run(t.Context(), "", append(strings.Fields(tt.line), "--json", "--quiet")...)
			if n := strings.Count(got.stdout, "\n"); got.code != tt.code || n != tt.lines {
				t.Errorf("exit code %d with %d results, want %d with %d", got.code, n, tt.code, tt.lines)
			}
			if got.stderr != tt.says {
				t.Errorf("standard error %q, want %q", got.stderr, tt.says)
			}
		})
	}
}

// TestNobodyListens: results that cannot be printed are still written to files;
// without files there is nothing to go on for, and it is said what is missing.
func TestNobodyListens(t *testing.T) {
	t.Parallel()
	file := filepath.Join(t.TempDir(), "all.jsonl")
	for _, tt := range []struct {
		name     string
		args     []string
		measured int
		says     string
	}{
		{"with a file", []string{"-o", file}, 3, ""},
		{"without", nil, 1, "rstprobe: 2 of 3 targets were not measured, from closed.example on\n"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			f, measured := fakeSystem{}, 0
			f.during = func(diagnosis.Config) { measured++ }
			var errs bytes.Buffer
			args := append([]string{"rstprobe", "clean.example", "closed.example", "blocked.example", "--json"}, tt.args...)
			code := run(t.Context(), args, nil, brokenWriter{}, &errs, f.system())
			if code != exitFailure || measured != tt.measured {
				t.Errorf("exit code %d after %d targets, want %d after %d", code, measured, exitFailure, tt.measured)
			}
			if says := errs.String(); !strings.HasPrefix(says, tt.says+"rstprobe: write the result: ") || strings.Count(says, "write the result") != 1 {
				t.Errorf("standard error %q, want %q and the reason", says, tt.says)
			}
			if tt.args == nil {
				return
			}
			written, err := os.ReadFile(file)
			if err != nil || bytes.Count(written, []byte("\n")) != 3 {
				t.Errorf("%q (%v), want three results", written, err)
			}
		})
	}
}

// TestControlIsTarget: the target is no control of itself, however it is named.
func TestControlIsTarget(t *testing.T) {
	t.Parallel()
	for _, line := range []string{"192.0.2.7 --control-address 192.0.2.7", "clean.example --control-address 192.0.2.7", "192.0.2.9 clean.example --control-address 192.0.2.7"} {
		f := fakeSystem{}
		got := f.run(t.Context(), "", append(strings.Fields(line), "--syn")...)
		if got.code != exitUsage || got.stdout != "" || !strings.Contains(got.stderr, "--control-address 192.0.2.7 is the address of ") {
			t.Errorf("%s: exit code %d, %q, %q; want %d and why", line, got.code, got.stdout, got.stderr, exitUsage)
		}
	}
}
