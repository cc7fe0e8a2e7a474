package main

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/rstprobe/rstprobe/internal/testenv"
)

// shellWorld is a directory with some files, and this program in the PATH as
// rstprobe.
func shellWorld(t *testing.T) (dir string, env []string) {
	t.Helper()
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	dir = t.TempDir()
	for name, text := range map[string]string{
		"bin/rstprobe":    fmt.Sprintf("#!/bin/sh\n%s=1 exec '%s' \"$@\"\n", asProgram, self),
		"sub/a file.json": "", "sub/names.txt": "", "sub/x.pcap": "", "sub/deep/y": "",
	} {
		path := filepath.Join(dir, name)
		if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, []byte(text), 0o700); err != nil { //nolint:gosec // one is a program
			t.Fatal(err)
		}
	}
	return dir, []string{
		"PATH=" + filepath.Join(dir, "bin") + ":" + os.Getenv("PATH"), "HOME=" + dir, "ZDOTDIR=" + dir,
		"TERM=dumb", "LC_ALL=C", envOf("", configFlag) + "=" + noConfig,
	}
}

// typed are lines with the cursor at the end, and the words that the shell
// makes of each when the tabulator key is pressed there.
var typed = []struct {
	name, line string
	want       []string
}{
	{"command", "tra", []string{"trace"}},
	{"flag behind a target", "example.com:443 --char", []string{"example.com:443", "--characterize"}},
	{"flag behind an address", "http://example.com/x -4 --char", []string{"http://example.com/x", "-4", "--characterize"}},
	{"word, glued", "h --hello=fire", []string{"h", "--hello=firefox"}},
	{"word, apart", "h --hello chr", []string{"h", "--hello", "chrome"}},
	{"case", "demo kernel-sni-rej", []string{"demo", "kernel-sni-reject"}},
	{"file", "explain sub/x", []string{"explain", "sub/x.pcap"}},
	{"file with a blank, glued", "h --output=sub/a", []string{"h", "--output=sub/a file.json"}},
	{"file with a blank, apart", "h -o sub/a", []string{"h", "-o", "sub/a file.json"}},
	{"file of names", "h --sni=@sub/na", []string{"h", "--sni=@sub/names.txt"}},
	{"directory", "h -o sub/de", []string{"h", "-o", "sub/deep"}},
	{"nothing fits", "example.com:443 --qqq", []string{"example.com:443", "--qqq"}},
}

// TestShells: the key is pressed in real, interactive shells.
func TestShells(t *testing.T) {
	const prompt = "<ready>"
	for _, shell := range []struct {
		name    string
		program string
		args    []string
		rc      string // file read at the start
		text    string
	}{
		{"bash", "bash", []string{"--noprofile", "--rcfile", "bashrc", "-i"}, "bashrc",
			"source <(rstprobe completion bash)\nbind 'set show-all-if-ambiguous on'\nPS1='" + prompt + "'\n"},
		{"zsh, loaded on demand", "zsh", []string{"-d", "-i"}, ".zshrc",
			"fpath=($HOME $fpath); rstprobe completion zsh >$HOME/_rstprobe; autoload -U compinit; compinit -u -D\nbindkey -e; unsetopt nomatch beep\nPS1='" + prompt + "'; PROMPT_EOL_MARK=\n"},
		{"zsh", "zsh", []string{"-d", "-i"}, ".zshrc",
			"autoload -U compinit; compinit -u -D; source <(rstprobe completion zsh)\nbindkey -e; unsetopt nomatch beep\nPS1='" + prompt + "'; PROMPT_EOL_MARK=\n"},
	} {
		t.Run(shell.name, func(t *testing.T) {
			testenv.Need(t, shell.program)
			dir, env := shellWorld(t)
			if err := os.WriteFile(filepath.Join(dir, shell.rc), []byte(shell.text), 0o600); err != nil {
				t.Fatal(err)
			}
			cmd := exec.CommandContext(t.Context(), shell.program, shell.args...)
			cmd.Dir, cmd.Env = dir, env
			tty := startOnTerminal(t, cmd, 500)
			tty.until(t, regexp.MustCompile(prompt))
			for _, tt := range typed {
				t.Run(tt.name, func(t *testing.T) {
					// Behind the completion, Control-A goes to the beginning of
					// the line, which is made one that prints its words.
					tty.write(t, "rstprobe "+tt.line+"\t\x01printf '<%s>' \n")
					out := tty.until(t, regexp.MustCompile(`<rstprobe>.*`+prompt))
					var got []string
					for _, m := range regexp.MustCompile(`<([^<>]*)>`).FindAllStringSubmatch(out[strings.LastIndex(out, "<rstprobe>"):], -1) {
						got = append(got, strings.TrimSuffix(m[1], "/")) // zsh takes it away again
					}
					if diff := cmp.Diff(slices.Concat([]string{"rstprobe"}, tt.want, []string{"ready"}), got); diff != "" {
						t.Errorf("-want +got:\n%s\n%q", diff, out)
					}
				})
			}
		})
	}
}

// TestFish: fish says itself what it would offer.
func TestFish(t *testing.T) {
	testenv.Need(t, "fish")
	dir, env := shellWorld(t)
	for _, tt := range typed {
		t.Run(tt.name, func(t *testing.T) {
			cmd := exec.CommandContext(t.Context(), "fish", "--no-config", "-c",
				"rstprobe completion fish | source; complete -C 'rstprobe "+tt.line+"'")
			cmd.Dir, cmd.Env = dir, env
			out, err := cmd.CombinedOutput()
			if err != nil {
				t.Fatalf("%v: %s", err, out)
			}
			var got []string
			for _, line := range strings.Split(strings.TrimSpace(string(out)), "\n") {
				if word, _, _ := strings.Cut(line, "\t"); word != "" {
					got = append(got, strings.TrimSuffix(word, "/"))
				}
			}
			want := tt.want[len(tt.want)-1:]
			if strings.HasSuffix(tt.line, want[0]) { // nothing to add
				want = nil
			}
			if diff := cmp.Diff(want, got); diff != "" {
				t.Errorf("-want +got:\n%s", diff)
			}
		})
	}
}
