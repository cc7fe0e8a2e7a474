package main

import (
	"io/fs"
	"net/netip"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/rstprobe/rstprobe/internal/diagnosis"
	"github.com/rstprobe/rstprobe/internal/lab"
	"github.com/rstprobe/rstprobe/internal/lab/cases"
	"github.com/rstprobe/rstprobe/internal/packet"
	"github.com/rstprobe/rstprobe/probe"
)

// TestLedger: what a run notes, the next one knows; unless that is unwanted
// or the file cannot be used, which stops nobody.
func TestLedger(t *testing.T) {
	t.Parallel()
	flow := packet.Key{Local: netip.MustParseAddrPort("192.0.2.100:40000"), Remote: netip.MustParseAddrPort("192.0.2.7:443")}
	for _, tt := range []struct {
		name    string
		env     string            // XDG_STATE_HOME below the directory of the test; "": none
		line    string            // DIR is that directory
		prepare map[string]string // files, by name
		warning string            // of the first run; "": none
		known   bool              // to the second run
		files   []string          // in the end
		linux   bool              // has such a lock
	}{
		{name: "default", env: "state", line: "clean.example", known: true, files: kept("state/rstprobe/residual.json")},
		{name: "trace", env: "state", line: "trace clean.example", known: true, files: kept("state/rstprobe/residual.json")},
		{name: "no place", line: "clean.example"},
		{name: "switched off", env: "state", line: "clean.example --ledger none"},
		{name: "demo", env: "state", line: "demo -q"},
		{name: "file named", env: "state", line: "clean.example --ledger DIR/x.json", known: true, files: kept("x.json")},
		{
			name: "no ledger", line: "clean.example --ledger DIR/x.json", prepare: map[string]string{"x.json": "text"},
			warning: "set aside as", known: true, files: slices.Sorted(slices.Values(append(kept("x.json"), "x.json.corrupt"))),
		},
		{
			name: "later version", line: "clean.example --ledger DIR/x.json", prepare: map[string]string{"x.json": `{"version":2}`},
			warning: "ledger of another version", files: []string{"x.json"},
		},
		{
			name: "below a file", line: "clean.example --ledger DIR/x/y.json", prepare: map[string]string{"x": "text"},
			warning: "what earlier runs left blocked is not known", files: []string{"x"},
		},
		{
			name: "not to be written", line: "clean.example --ledger DIR/x.json", prepare: map[string]string{"x.json.lock/y": ""},
			warning: "later runs will not know", files: []string{"x.json.lock/y"}, linux: true,
		},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			if tt.linux && runtime.GOOS != "linux" {
				t.Skip("the file has no lock on this system")
			}
			dir := t.TempDir()
			for name, text := range tt.prepare {
				path := filepath.Join(dir, name)
				if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
					t.Fatal(err)
				}
				if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
					t.Fatal(err)
				}
			}
			f := fakeSystem{demos: []cases.Case{{
				Name: "reset", Topology: lab.Topology{Routers: 1}, Question: diagnosis.Question{Kind: probe.SNI, Name: "blocked.example"},
			}}}
			if tt.env != "" {
				f.env = map[string]string{"XDG_STATE_HOME": filepath.Join(dir, tt.env)}
			}
			var known []bool
			f.during = func(cfg diagnosis.Config) {
				until, _ := cfg.Ledger.Until(time.Now(), flow)
				known = append(known, !until.IsZero())
				cfg.Ledger.Trigger(time.Now(), "box", flow, time.Minute)
			}
			args := strings.Fields(strings.ReplaceAll(tt.line, "DIR", dir))
			got := f.run(t.Context(), "", args...)
			if len(f.configs) != 1 {
				t.Fatalf("nothing was measured: %s", got.stderr)
			}
			if !strings.Contains(got.stderr, tt.warning) || (tt.warning == "") != (got.stderr == "") {
				t.Errorf("standard error %q, want %q in it", got.stderr, tt.warning)
			}
			f.run(t.Context(), "", args...)
			if diff := cmp.Diff([]bool{false, tt.known}, known); diff != "" {
				t.Errorf("runs that know of the block (-want +got):\n%s", diff)
			}
			if diff := cmp.Diff(tt.files, files(t, dir)); diff != "" {
				t.Errorf("files (-want +got):\n%s", diff)
			}
		})
	}
}

// kept are the files of a ledger: its own and, where there are locks, that.
func kept(name string) []string {
	if runtime.GOOS == "linux" {
		return []string{name, name + ".lock"}
	}
	return []string{name}
}

// files lists all files below a directory.
func files(t *testing.T, dir string) []string {
	t.Helper()
	var out []string
	err := filepath.WalkDir(dir, func(path string, e fs.DirEntry, err error) error {
		if err != nil || e.IsDir() {
			return err
		}
		name, err := filepath.Rel(dir, path)
		out = append(out, filepath.ToSlash(name))
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return out
}
