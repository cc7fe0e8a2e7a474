package main

import (
	"os/exec"
	"regexp"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/urfave/cli/v2"

	"github.com/rstprobe/rstprobe/internal/argv"
	"github.com/rstprobe/rstprobe/internal/testenv"
)

// TestHelp: every help fits a terminal, names all flags and shows examples.
func TestHelp(t *testing.T) {
	t.Parallel()
	app := testApp()
	helps := map[string][]cli.Flag{"": app.Flags}
	for _, c := range app.Commands {
		helps[c.Name] = c.Flags
	}
	for command, flags := range helps {
		var f fakeSystem
		got := f.run(t.Context(), "", strings.Fields(command+" --help")...)
		if got.code != 0 || got.stderr != "" {
			t.Errorf("%s --help: exit code %d, %s", command, got.code, got.stderr)
		}
		for _, line := range strings.Split(got.stdout, "\n") {
			if len([]rune(line)) > helpColumns || strings.ContainsAny(line, "\t`") || strings.HasSuffix(line, " ") {
				t.Errorf("%s --help: %q", command, line)
			}
		}
		for _, f := range flags {
			if !regexp.MustCompile(`(?m)^  (-[^,]+, |    )--` + f.Names()[0] + `\b`).MatchString(got.stdout) {
				t.Errorf("%s --help does not show --%s", command, f.Names()[0])
			}
		}
		for _, title := range []string{"Usage:\n", "Other:\n"} {
			if !strings.Contains(got.stdout, title) {
				t.Errorf("%s --help has no %s", command, title)
			}
		}
	}
	if help := helpOf(t); !regexp.MustCompile(`(?s)Usage:.*Examples:.*Targets:.*Tests:.*Exit codes:`).MatchString(help) {
		t.Errorf("parts missing, or in another order:\n%s", help)
	}
}

func helpOf(t *testing.T, command ...string) string {
	t.Helper()
	var f fakeSystem
	return f.run(t.Context(), "", append(command, "--help")...).stdout
}

// TestFlagsExplainThemselves: each flag says what it does, what its value is
// and, where it has one, its default.
func TestFlagsExplainThemselves(t *testing.T) {
	t.Parallel()
	app := testApp()
	flags := append([]cli.Flag{}, app.Flags...)
	for _, c := range app.Commands {
		flags = append(flags, c.Flags...)
	}
	for _, f := range flags {
		names, usage := flagLine(f)
		doc := f.(cli.DocGenerationFlag)
		if len(usage) < 8 || groupOf(f) == "" {
			t.Errorf("%s says only %q, in group %q", names, usage, groupOf(f))
		}
		if strings.HasSuffix(strings.TrimSpace(usage), ".") || strings.ToUpper(usage[:1]) == usage[:1] && usage[1] != ' ' && !strings.ContainsAny(usage[1:2], "ABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789") {
			t.Errorf("%s: %q is a sentence, not a phrase as the others", names, usage)
		}
		if doc.TakesValue() && argv.Placeholder(f) == "VALUE" {
			t.Errorf("%s does not say what its value is: put it between backquotes in %q", names, usage)
		}
		if w, ok := f.(*argv.WordFlag); ok {
			for _, word := range w.Words {
				if !regexp.MustCompile(`\b` + word + `\b`).MatchString(usage) {
					t.Errorf("%s does not name %s: %q", names, word, usage)
				}
			}
		}
		if d := defaultText(f); d != "" && d != "false" && !strings.Contains(usage, "(default: ") {
			t.Errorf("%s does not show its default %s", names, d)
		}
	}
	for command := range examples {
		if command != "" && commandOf(app, command) == nil {
			t.Errorf("there are examples of %s, but no such command", command)
		}
	}
}

// TestExamples: what help shows is accepted, as far as it can be told without
// its files.
func TestExamples(t *testing.T) {
	t.Parallel()
	for command, all := range examples {
		for _, e := range all {
			for _, line := range regexp.MustCompile(`rstprobe [^|>)]*`).FindAllString(e.left, -1) {
				var f fakeSystem
				sys := f.system()
				app := (&program{sys: sys}).app()
				parsed, err := argv.Parse(app, strings.Fields(line)[1:])
				if err != nil {
					t.Errorf("%s: %v", line, err)
					continue
				}
				if err := mistaken(app, parsed); err != nil {
					t.Errorf("%s: %v", line, err)
				}
				if got := strings.Join(parsed.Commands(), " "); got != command && command != "" {
					t.Errorf("%s: is no example of %s", line, command)
				}
			}
			if got := len(e.left); got > helpColumns-2 {
				t.Errorf("%s: %d characters", e.left, got)
			}
		}
	}
}

// TestManual: the page has every command and flag, and groff's other reader
// finds no fault with it.
func TestManual(t *testing.T) {
	t.Parallel()
	var f fakeSystem
	got := f.run(t.Context(), "", "man")
	if got.code != 0 || got.stderr != "" {
		t.Fatalf("exit code %d, %s", got.code, got.stderr)
	}
	app := testApp()
	flags := append([]cli.Flag{}, app.Flags...)
	for _, c := range app.Commands {
		flags = append(flags, c.Flags...)
		if !strings.Contains(got.stdout, roffText("rstprobe "+c.Name)) {
			t.Errorf("command %s is not in it", c.Name)
		}
	}
	for _, f := range flags {
		if !strings.Contains(got.stdout, roffText("--"+f.Names()[0])) {
			t.Errorf("--%s is not in it", f.Names()[0])
		}
	}
	testenv.Need(t, "mandoc")
	cmd := exec.CommandContext(t.Context(), "mandoc", "-T", "lint")
	cmd.Stdin = strings.NewReader(got.stdout)
	out, _ := cmd.CombinedOutput() // exit code 2 for any remark
	for _, remark := range strings.Split(strings.TrimSpace(string(out)), "\n") {
		// A date would change with every build.
		if remark != "" && !strings.Contains(remark, "missing date") {
			t.Error(remark)
		}
	}
	cmd = exec.CommandContext(t.Context(), "mandoc", "-T", "utf8")
	cmd.Stdin = strings.NewReader(got.stdout)
	page, err := cmd.Output()
	if err != nil {
		t.Fatal(err)
	}
	plain := string(regexp.MustCompile(".\b").ReplaceAll(page, nil)) // without bold and underline
	for _, want := range []string{"--sni[=NAMES]", "~/.local/state/rstprobe", "[2001:db8::1]:443", "$XDG_CONFIG_HOME/rstprobe/config.yaml"} {
		if !strings.Contains(plain, want) {
			t.Errorf("%s cannot be copied from the page", want)
		}
	}
}

// TestRoff: text that would be a command of roff stays text.
func TestRoff(t *testing.T) {
	t.Parallel()
	r := &roff{}
	r.macro("SS", `say "no"`)
	r.text(".so /etc/passwd")
	r.text(`'\" -x`)
	want := ".SS \"say \\(dqno\\(dq\"\n\\&.so /etc/passwd\n\\&'\\e\" \\-x\n"
	if diff := cmp.Diff(want, r.String()); diff != "" {
		t.Errorf("-want +got:\n%s", diff)
	}
}
