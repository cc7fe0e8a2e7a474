package main

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/urfave/cli/v2"

	"github.com/rstprobe/rstprobe/internal/argv"
	"github.com/rstprobe/rstprobe/internal/lab/cases"
	"github.com/rstprobe/rstprobe/probe"
)

// completions are what the program offers behind words, without descriptions.
func completions(t *testing.T, words ...string) []string {
	t.Helper()
	f := fakeSystem{demos: []cases.Case{{Name: "reset", Doc: "a box resets"}, {Name: "forked", Simulated: true}, {Name: "drop"}}}
	got := f.run(t.Context(), "", append([]string{completeCommand}, words...)...)
	if got.code != 0 || got.stderr != "" {
		t.Errorf("exit code %d, standard error %q", got.code, got.stderr)
	}
	var out []string
	for _, line := range strings.Split(strings.TrimSuffix(got.stdout, "\n"), "\n") {
		if word, description, _ := strings.Cut(line, "\t"); word == filesCandidate {
			out = append(out, word+" "+description)
		} else if word != "" {
			out = append(out, word)
		}
	}
	return out
}

func TestComplete(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		name  string
		words []string
		want  []string
	}{
		{"command", []string{"tra"}, []string{"trace"}},
		{"no target is guessed", []string{"example"}, nil},
		{"no command behind a target", []string{"example.com:443", "tra"}, nil},
		{"flag", []string{"--char"}, []string{"--characterize"}},
		{"flag behind a target", []string{"example.com:443", "--char"}, []string{"--characterize"}},
		{"flag behind a wrong flag", []string{"--nosuch", "example.com:443", "--char"}, []string{"--characterize"}},
		{"flag of a command", []string{"explain", "x.pcap", "--reset"}, []string{"--reset-reasons"}},
		{"flag of no such command", []string{"explain", "--char"}, nil},
		{"flag given already", []string{"--characterize", "--char"}, nil},
		{"repeatable flag given already", []string{"--control=a", "--control", "b", "--contr"}, []string{"--control", "--control-address"}},
		{"words, apart", []string{"h", "--hello", ""}, []string{"plain", "chrome", "firefox"}},
		{"words, begun", []string{"h", "--hello", "f"}, []string{"firefox"}},
		{"words, glued", []string{"h", "--hello=f"}, []string{"--hello=firefox"}},
		{"words, one dash", []string{"-hello=f"}, []string{"-hello=firefox"}},
		{"truth", []string{"--json=f"}, []string{"--json=false"}},
		{"off", []string{"--sni=n"}, []string{"--sni=none"}},
		{"file, apart", []string{"-o", "x"}, []string{":files "}},
		{"file, glued", []string{"--output=x"}, []string{":files --output="}},
		{"file of names", []string{"--sni=@x"}, []string{":files --sni=@"}},
		{"a name", []string{"--control", ""}, nil},
		{"value that looks like a flag", []string{"-o", "--js"}, []string{":files "}},
		{"capture", []string{"explain", ""}, []string{":files "}},
		{"second capture", []string{"explain", "a.pcap", "--server", ""}, []string{":files "}},
		{"behind a double dash", []string{"--", "--js"}, nil},
		{"case", []string{"demo", ""}, []string{"reset", "drop"}},
		{"one case is enough", []string{"demo", "reset", ""}, nil},
		{"rule", []string{"explain-rule", "below-s"}, []string{"below-server-ttl"}},
		{"shell", []string{"completion", ""}, []string{"bash", "zsh", "fish"}},
		{"configuration", []string{"config", "ch"}, []string{"check"}},
		{"file to check", []string{"config", "check", ""}, []string{":files "}},
		{"command to show", []string{"config", "show", "expl"}, []string{"explain"}},
		{"unknown flag's value", []string{"--nosuch=x"}, nil},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			if diff := cmp.Diff(tt.want, completions(t, tt.words...)); diff != "" {
				t.Errorf("-want +got:\n%s", diff)
			}
		})
	}
}

// TestCompleteEverything: every command and flag there is, and the words of
// each flag that takes one of some.
func TestCompleteEverything(t *testing.T) {
	t.Parallel()
	app := testApp()
	all := map[string][]cli.Flag{"": app.Flags}
	offered := map[string]bool{}
	for _, w := range completions(t, "") {
		offered[w] = true
	}
	for _, c := range app.Commands {
		all[c.Name] = c.Flags
		if !offered[c.Name] {
			t.Errorf("command %s is not offered", c.Name)
		}
	}
	for command, flags := range all {
		var words []string
		if command != "" {
			words = []string{command}
		}
		for _, f := range flags {
			name := "--" + f.Names()[0]
			if got := completions(t, append(words, name)...); len(got) == 0 || got[0] != name {
				t.Errorf("%s %s is not offered: %v", command, name, got)
			}
			if w, ok := f.(*argv.WordFlag); ok {
				if diff := cmp.Diff(w.Words, completions(t, append(words, name, "")...)); diff != "" {
					t.Errorf("%s %s: -want +got:\n%s", command, name, diff)
				}
			}
		}
	}
	for _, r := range probe.Rules() {
		if got := completions(t, "explain-rule", string(r.ID)); len(got) == 0 {
			t.Errorf("rule %s is not offered", r.ID)
		}
	}
}

// TestWordFlags: what takes one of some words says so in its type, so that
// help, completion and configuration know the words; and each is accepted.
func TestWordFlags(t *testing.T) {
	t.Parallel()
	app := testApp()
	line := map[string]string{"": "clean.example", "trace": "trace clean.example"}
	for command, words := range line {
		flags := app.Flags
		if command != "" {
			flags = commandOf(app, command).Flags
		}
		for _, f := range flags {
			w, ok := f.(*argv.WordFlag)
			if !ok {
				continue
			}
			for _, word := range w.Words {
				var sys fakeSystem
				if got := sys.run(t.Context(), "", append(strings.Fields(words), "--"+w.Name+"="+word)...); got.code == exitUsage {
					t.Errorf("%s --%s=%s is refused: %s", words, w.Name, word, got.stderr)
				}
			}
			var sys fakeSystem
			got := sys.run(t.Context(), "", append(strings.Fields(words), "--"+w.Name+"=qqq")...)
			if got.code != exitUsage || !strings.Contains(got.stderr, w.Words[0]) {
				t.Errorf("%s --%s=qqq: exit code %d, %s", words, w.Name, got.code, got.stderr)
			}
		}
	}
}
