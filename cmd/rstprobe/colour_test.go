package main

import (
	"bytes"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// TestColour: each stream is judged by itself.
func TestColour(t *testing.T) {
	t.Parallel()
	type streams struct{ Out, Err bool }
	both, none := streams{true, true}, streams{}
	for _, tt := range []struct {
		name     string
		env      map[string]string
		flag     string
		terminal streams
		want     streams
	}{
		{"terminals", nil, "", both, both},
		{"pipes", nil, "", none, none},
		{"only the result in a pipe", nil, "", streams{Err: true}, streams{Err: true}},
		{"only errors in a file", nil, "", streams{Out: true}, streams{Out: true}},
		{"NO_COLOR", map[string]string{"NO_COLOR": "1"}, "", both, none},
		{"NO_COLOR, empty", map[string]string{"NO_COLOR": ""}, "", both, both},
		{"flag", nil, "--no-color", both, none},
		{"flag in the environment", map[string]string{"RSTPROBE_NO_COLOR": "true"}, "", both, none},
		{"TERM=dumb", map[string]string{"TERM": "dumb"}, "", both, none},
		{"FORCE_COLOR in pipes", map[string]string{"FORCE_COLOR": "1"}, "", none, both},
		{"FORCE_COLOR, dumb", map[string]string{"FORCE_COLOR": "1", "TERM": "dumb"}, "", both, both},
		{"FORCE_COLOR=0", map[string]string{"FORCE_COLOR": "0"}, "", both, none},
		{"FORCE_COLOR against NO_COLOR", map[string]string{"FORCE_COLOR": "1", "NO_COLOR": "1"}, "", both, none},
		{"FORCE_COLOR against the flag", map[string]string{"FORCE_COLOR": "1"}, "--no-color", both, none},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			f := fakeSystem{env: tt.env}
			sys := f.system()
			var out, errs bytes.Buffer
			sys.isTerminal = func(stream any) bool {
				if stream == any(&out) {
					return tt.terminal.Out
				}
				return tt.terminal.Err
			}
			// One target is measured; the engine fails at the other.
			file := filepath.Join(t.TempDir(), "x.txt")
			args := append([]string{"rstprobe", "blocked.example", "broken.example", "-q", "-o", file}, strings.Fields(tt.flag)...)
			if code := run(t.Context(), args, nil, &out, &errs, sys); code != exitFailure {
				t.Fatalf("exit code %d: %s", code, &errs)
			}
			got := streams{strings.Contains(out.String(), "\x1b["), strings.Contains(errs.String(), "\x1b[")}
			if diff := cmp.Diff(tt.want, got); diff != "" {
				t.Errorf("-want +got:\n%s\n%q\n%q", diff, &out, &errs)
			}
			text, err := os.ReadFile(file)
			if err != nil || bytes.Contains(text, []byte("\x1b[")) || len(text) == 0 {
				t.Errorf("the file is coloured, or empty: %q, %v", text, err)
			}
		})
	}
}
