package main

import (
	"strings"
	"testing"
)

// TestExplainFlag: the explanation follows the text; beside JSON it is on
// standard error, so that standard output stays one object per line.
func TestExplainFlag(t *testing.T) {
	const title = "WHY INTERFERENCE: "
	for _, tt := range []struct {
		line         string
		stdout, both bool // the explanation is there
	}{
		{"blocked.example", false, false},
		{"blocked.example --explain", true, true},
		{"blocked.example --explain --json", false, true},
	} {
		t.Run(tt.line, func(t *testing.T) {
			f := &fakeSystem{}
			got := f.run(t.Context(), "", strings.Fields(tt.line)...)
			if got.code != 10 {
				t.Errorf("exit code %d, want 10: %s", got.code, got.stderr)
			}
			if strings.Contains(got.stdout, title) != tt.stdout || strings.Contains(got.stdout+got.stderr, title) != tt.both {
				t.Errorf("standard output:\n%s\nstandard error:\n%s", got.stdout, got.stderr)
			}
			if strings.Contains(tt.line, "--json") && len(documents(t, got.stdout)) != 1 {
				t.Errorf("standard output is not one result: %s", got.stdout)
			}
		})
	}
}

// TestVeryVerbose: -vv is more than -v, and standard output is that of a run
// without.
func TestVeryVerbose(t *testing.T) {
	run := func(flag string) ran {
		f := &fakeSystem{lines: []string{"a packet"}}
		return f.run(t.Context(), "", strings.Fields("blocked.example --json --seed 1 "+flag)...)
	}
	const reason = "# what becomes of the test name?"
	for flag, want := range map[string]struct{ packets, reasons bool }{
		"": {}, "-v": {true, false}, "-vv": {true, true}, "--very-verbose": {true, true}, "-v -vv": {true, true},
	} {
		got := run(flag)
		if strings.Contains(got.stderr, "a packet\n") != want.packets || strings.Contains(got.stderr, reason) != want.reasons {
			t.Errorf("%q: standard error:\n%s", flag, got.stderr)
		}
		if strings.Contains(got.stdout, reason) || strings.Contains(got.stdout, "a packet") || len(documents(t, got.stdout)) != 1 {
			t.Errorf("%q: standard output:\n%s", flag, got.stdout)
		}
	}
}
