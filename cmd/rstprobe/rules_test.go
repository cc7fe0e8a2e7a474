package main

import (
	"strings"
	"testing"

	"github.com/rstprobe/rstprobe/probe"
)

func TestExplainRule(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		name, line     string
		code           int
		stdout, stderr []string
	}{
		{"one", "explain-rule ttl-differs", exitOK,
			[]string{"ttl-differs\nstrong, family ttl, weight 10\n", "\nLooks at:\n  ", "\nWhy:\n  ", "\nLooks alike:\n  Load balancers", "\nSource:\n  "}, nil},
		{"written otherwise", "explain-rule TTL_Differs", exitOK, []string{"ttl-differs\nstrong"}, nil},
		{"all", "explain-rule", exitOK, []string{"ttl-differs ", " decisive ", " genuine "}, nil},
		{"help", "explain-rule --help", exitOK, []string{"rstprobe explain-rule - ", "explain-rule [RULE]"}, nil},
		{"in the help", "--help", exitOK, []string{"rstprobe explain-rule [RULE]"}, nil},
		{"a slip", "explain-rule tll-difers", exitUsage, nil, []string{`there is no rule "tll-difers": did you mean ttl-differs?`, "--help"}},
		{"a part", "explain-rule hedged", exitUsage, nil, []string{"did you mean hedged-sequence?"}},
		{"two", "explain-rule ttl-differs ttl-copied", exitUsage, nil, []string{"explains one rule"}},
		{"flag of another command", "explain-rule --sni ttl-differs", exitUsage, nil, []string{"--sni"}},
		{"unknown flag", "explain-rule --nosuch", exitUsage, nil, []string{"unknown flag --nosuch"}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			f := fakeSystem{}
			got := f.run(t.Context(), "", strings.Fields(tt.line)...)
			if got.code != tt.code {
				t.Errorf("exit code %d, want %d", got.code, tt.code)
			}
			for _, want := range tt.stdout {
				if !strings.Contains(got.stdout, want) {
					t.Errorf("standard output lacks %q:\n%s", want, got.stdout)
				}
			}
			for _, want := range tt.stderr {
				if !strings.Contains(got.stderr, want) {
					t.Errorf("standard error lacks %q:\n%s", want, got.stderr)
				}
			}
			if (got.stdout != "") != (tt.stdout != nil) || (got.stderr != "") != (tt.stderr != nil) {
				t.Errorf("standard output %q, standard error %q", got.stdout, got.stderr)
			}
			if len(f.opened) > 0 {
				t.Error("something was measured")
			}
		})
	}
}

// Every rule can be explained, in lines that fit a terminal.
func TestExplainEveryRule(t *testing.T) {
	t.Parallel()
	list := (&fakeSystem{}).run(t.Context(), "", "explain-rule").stdout
	if got, want := strings.Count(list, "\n"), len(probe.Rules()); got != want {
		t.Errorf("%d lines in the list, want %d", got, want)
	}
	for _, r := range probe.Rules() {
		got := (&fakeSystem{}).run(t.Context(), "", "explain-rule", string(r.ID))
		if got.code != exitOK || !strings.HasPrefix(got.stdout, string(r.ID)+"\n"+string(r.Class)) {
			t.Errorf("%s: exit code %d\n%s", r.ID, got.code, got.stdout)
		}
		for line := range strings.Lines(got.stdout) {
			if len([]rune(strings.TrimSuffix(line, "\n"))) > helpColumns {
				t.Errorf("%s: too long: %q", r.ID, line)
			}
		}
	}
}
