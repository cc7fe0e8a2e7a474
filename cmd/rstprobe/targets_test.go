package main

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// TestBadLists: every wrong line of a list is named with its place, before
// anything is sent.
func TestBadLists(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		name, list string
		args       string
		want       []string // lines of standard error, LIST for its path
	}{
		{"one", "clean.example\r\n\r\n\tclean.example:x # port\n", "", []string{
			`rstprobe: LIST:3:16: target "clean.example:x": "x" is not a port`,
		}},
		{"byte order mark", "\ufeffclean.example:x\n", "", []string{`rstprobe: LIST:1:15: `}},
		{"letters of several bytes", "  bücher.example/x\n", "", []string{`rstprobe: LIST:1:17: target "bücher.example/x": a path needs a scheme`}},
		{"several", "10.0.0.0/8\nclean.example\na.example,b.example\n", "", []string{
			`rstprobe: LIST:1:9: target "10.0.0.0/8": a network is not a target`,
			`LIST:3:1: target "a.example,b.example": a list is not a target`,
		}},
		{"two on a line", "clean.example blocked.example\n", "", []string{`rstprobe: LIST:1:1: target "clean.example blocked.example"`}},
		{"many", strings.Repeat(":1\n", 15), "", []string{`rstprobe: LIST:1:1: `, "LIST:2:1: ", "LIST:3:1: ", "LIST:4:1: ", "LIST:5:1: ",
			"LIST:6:1: ", "LIST:7:1: ", "LIST:8:1: ", "LIST:9:1: ", "LIST:10:1: ", "and 5 more"}},
		{"UTF-16", "\xff\xfec\x00l\x00", "", []string{"rstprobe: --file: LIST is UTF-16: save it as UTF-8"}},
		{"long line", "clean.example\n" + strings.Repeat("x", maxLine+1), "", []string{"rstprobe: --file: LIST:2: the line is longer than 4096 bytes"}},
		{"too many", strings.Repeat("clean.example\n", maxTargets+1), "", []string{"rstprobe: --file: LIST lists more than the 100000 of one run: split it"}},
		{"too many together", strings.Repeat("clean.example\n", maxTargets), "clean.example", []string{"rstprobe: 100001 targets are more than the 100000 of one run: split the list"}},
		{"family", "clean.example\n192.0.2.1\n", "-6", []string{"rstprobe: LIST:2: target 192.0.2.1 is IPv4, but the flags ask for IPv6"}},
		{"no name to test", "\n192.0.2.1\n", "--sni", []string{"rstprobe: LIST:2: --sni alone tests the target's own name"}},
		{"control", "blocked.example\nclean.example\n", "--sni --control=clean.example", []string{"rstprobe: LIST:2: --control=clean.example is also the test name"}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			path := filepath.Join(t.TempDir(), "list")
			if err := os.WriteFile(path, []byte(tt.list), 0o600); err != nil {
				t.Fatal(err)
			}
			var f fakeSystem
			got := f.run(t.Context(), "", append(strings.Fields(tt.args), "-f", path)...)
			if got.code != exitUsage || got.stdout != "" || len(f.opened) > 0 {
				t.Errorf("exit code %d, standard output %q, %d sessions; want %d and nothing", got.code, got.stdout, len(f.opened), exitUsage)
			}
			lines := strings.Split(strings.TrimSuffix(got.stderr, "\n"), "\n")
			lines = lines[:len(lines)-1] // the hint at --help
			if len(lines) != len(tt.want) {
				t.Fatalf("%d lines, want %d:\n%s", len(lines), len(tt.want), got.stderr)
			}
			for i, want := range tt.want {
				if want = strings.ReplaceAll(want, "LIST", path); !strings.HasPrefix(lines[i], want) {
					t.Errorf("got  %s\nwant %s...", lines[i], want)
				}
			}
		})
	}
}

// TestRepeatedTargets: they are measured as often as they are named, and one
// line says so.
func TestRepeatedTargets(t *testing.T) {
	t.Parallel()
	list := filepath.Join(t.TempDir(), "list")
	if err := os.WriteFile(list, []byte("clean.example\n# again\nCLEAN.example:443\nclean.example:80\nclean.example@192.0.2.9\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	for _, tt := range []struct {
		line    string
		results int
		want    string
	}{
		{"clean.example clean.example:80", 2, ""},
		{"-f " + list, 4, "named before, and measured again: CLEAN.example:443 (" + list + ":3; before: " + list + ":1)"},
		{"clean.example blocked.example -f " + list, 6, "2 targets were named before, and are measured again; the first: clean.example (" + list + ":1; before: command line)"},
		{"clean.example clean.example -q", 2, ""},
	} {
		var f fakeSystem
		got := f.run(t.Context(), "", append(strings.Fields(tt.line), "--json")...)
		if n := len(documents(t, got.stdout)); n != tt.results {
			t.Errorf("%s: %d results, want %d", tt.line, n, tt.results)
		}
		want := ""
		if tt.want != "" {
			want = "rstprobe: note: " + tt.want + "\n"
		}
		if diff := cmp.Diff(want, got.stderr); diff != "" {
			t.Errorf("%s: -want +got:\n%s", tt.line, diff)
		}
	}
}

// TestAddresses: which addresses of a target are probed, and what is said of
// one without any. The others go on.
func TestAddresses(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		line string
		code int
		want []string // "INPUT IP: SUMMARY"; the summary of a result without an address or a route
	}{
		{"many.example", 0, []string{"many.example 2001:db8::9: "}},
		{"many.example --all-ips clean.example", 11, []string{
			"many.example 2001:db8::9: ", "many.example 192.0.2.9: ",
			"many.example 198.51.100.1: This machine has no route to 198.51.100.1.",
			"many.example 192.0.2.10: ", "clean.example 192.0.2.7: ", "clean.example 2001:db8::7: ",
		}},
		{"--all-ips many.example:443@192.0.2.33 closed.example:443@2001:db8::1", 0, []string{"many.example:443@192.0.2.33 192.0.2.33: ", "closed.example:443@2001:db8::1 2001:db8::1: "}},
		{"many.example@[2001:db8::33] -6", 0, []string{"many.example@[2001:db8::33] 2001:db8::33: "}},
		{"v4only.example", 0, []string{"v4only.example 192.0.2.8: "}},
		{"nosuch.example clean.example", 11, []string{
			"nosuch.example : The name nosuch.example could not be resolved: there is no such name, or it has no address.", "clean.example 192.0.2.7: ",
		}},
		{"v4only.example nosuch.example clean.example -6", 11, []string{
			"v4only.example : The name v4only.example could not be resolved: it has no IPv6 address, only 192.0.2.8.",
			"nosuch.example : The name nosuch.example could not be resolved: there is no such name, or it has no address.",
			"clean.example 2001:db8::7: ",
		}},
		{"slow.example blocked.example", 10, []string{
			"slow.example : The name slow.example could not be resolved: the resolver did not answer in time (asked 192.0.2.53:53).", "blocked.example 192.0.2.7: ",
		}},
		{"sinkhole.example --all-ips", 11, []string{
			"sinkhole.example : The name sinkhole.example could not be resolved: the resolver gives 0.0.0.0, which is the address of no host; resolvers that block a name answer so.",
		}},
	} {
		t.Run(tt.line, func(t *testing.T) {
			t.Parallel()
			var f fakeSystem
			got := f.run(t.Context(), "", append(strings.Fields(tt.line), "--json")...)
			if got.code != tt.code {
				t.Errorf("exit code %d, want %d: %s", got.code, tt.code, got.stderr)
			}
			var results []string
			for _, d := range documents(t, got.stdout) {
				summary := d.Verdict.Summary
				if len(d.Tests) > 0 {
					summary = ""
				}
				results = append(results, fmt.Sprintf("%s %s: %s", d.Target.Input, d.Target.IP, summary))
			}
			if diff := cmp.Diff(tt.want, results); diff != "" {
				t.Errorf("-want +got:\n%s", diff)
			}
		})
	}
}
