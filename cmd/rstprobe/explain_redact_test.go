package main

import (
	"bytes"
	"net/netip"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

// TestExplainRedact: the client is in nothing that explain writes, however
// --redact is given, and in nothing that report makes of what was not redacted.
func TestExplainRedact(t *testing.T) {
	t.Parallel()
	client := netip.MustParseAddr("192.0.2.1")
	capture := saved(t, censored(t).bytes())
	for _, tt := range []struct {
		name string
		env  map[string]string
		args []string
	}{
		{"flag", nil, []string{"--redact", "2"}},
		{"file", map[string]string{"RSTPROBE_CONFIG": writeConfig(t, "redact: 2\n")}, nil},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			dir := t.TempDir()
			args := append([]string{"explain", capture}, tt.args...)
			for _, ext := range []string{".json", ".html", ".md", ".txt", ".pcapng"} {
				args = append(args, "-o", filepath.Join(dir, "x"+ext))
			}
			f := fakeSystem{env: tt.env}
			written := map[string]string{}
			for _, more := range []string{"--only=all", "--json"} {
				got := f.run(t.Context(), "", append(args, more)...)
				if got.code != 10 || got.stderr != "" {
					t.Fatalf("%s: exit code %d, standard error %q", more, got.code, got.stderr)
				}
				written["standard output with "+more] = got.stdout
			}
			plain := filepath.Join(t.TempDir(), "plain.json")
			var bare fakeSystem
			if got := bare.run(t.Context(), "", "explain", capture, "-o", plain); got.code != 10 {
				t.Fatalf("exit code %d: %s", got.code, got.stderr)
			}
			if got := f.run(t.Context(), "", append([]string{"report", plain, "-o", filepath.Join(dir, "again.html")}, tt.args...)...); got.code != 0 {
				t.Fatalf("exit code %d: %s", got.code, got.stderr)
			}
			entries, err := os.ReadDir(dir)
			if err != nil {
				t.Fatal(err)
			}
			for _, e := range entries {
				b, err := os.ReadFile(filepath.Join(dir, e.Name()))
				if err != nil {
					t.Fatal(err)
				}
				written[e.Name()] = string(b)
			}
			for name, text := range written {
				if regexp.MustCompile(regexp.QuoteMeta(client.String())+`\b`).MatchString(text) || bytes.Contains([]byte(text), client.AsSlice()) {
					t.Errorf("%s names %v", name, client)
				}
				if !strings.Contains(text, "192.0.2.254") {
					t.Errorf("%s names nobody in the place of %v", name, client)
				}
			}
		})
	}
}
