package main

import (
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/rstprobe/rstprobe/internal/wire/rawsock"
)

// Where raw sockets are not allowed, ordinary ones are used and it is said;
// where they were asked for, they are not replaced.
func TestModes(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		name, line string
		openErr    error
		code       int
		mode       string // in the JSON; "": nothing was measured
		says       string // on standard error; "": nothing
	}{
		{"auto, allowed", "clean.example", nil, 0, "raw", ""},
		{"auto, denied", "clean.example", errDenied, 0, "kernel", "ordinary sockets are used, which show less (--mode kernel), since raw sockets need CAP_NET_RAW (operation not permitted): run as root, or once:\n  sudo setcap cap_net_raw=p /"},
		{"auto, few files", "clean.example", fmt.Errorf("%w: 40", rawsock.ErrFiles), 0, "kernel", "since too few files may be open: 40"},
		{"raw, few files", "clean.example --mode raw", fmt.Errorf("%w: 40", rawsock.ErrFiles), 1, "", "too few files may be open: 40"},
		{"auto, broken for another reason", "clean.example", errBroken, 1, "", "wire broke"},
		{"raw, denied", "clean.example --mode raw", errDenied, 3, "", "CAP_NET_RAW"},
		{"kernel, although raw is allowed", "clean.example --mode kernel", nil, 0, "kernel", ""},
		{"auto, denied, with SYN options of its own", "clean.example --syn-options none", errDenied, 2, "", "--syn-options none needs raw sockets"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			f := fakeSystem{openErr: tt.openErr}
			got := f.run(t.Context(), "", append(strings.Fields(tt.line), "--json")...)
			if got.code != tt.code {
				t.Fatalf("exit code %d, want %d: %s", got.code, tt.code, got.stderr)
			}
			if !strings.Contains(got.stderr, tt.says) || tt.says == "" && got.stderr != "" {
				t.Errorf("standard error: %q, want %q", got.stderr, tt.says)
			}
			var doc struct{ Mode string }
			if err := json.Unmarshal([]byte(got.stdout), &doc); tt.mode != "" && err != nil {
				t.Fatal(err)
			}
			if doc.Mode != tt.mode {
				t.Errorf("mode %q, want %q", doc.Mode, tt.mode)
			}
		})
	}
}

// A capture file of ordinary sockets is said to hold nothing.
func TestKernelModeHasNoPackets(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "x.pcapng")
	f := fakeSystem{}
	got := f.run(t.Context(), "", "clean.example", "--mode", "kernel", "-o", path)
	if got.code != 0 || !strings.Contains(got.stderr, "x.pcapng will hold no packets: ordinary sockets show none") {
		t.Errorf("exit code %d, standard error %q", got.code, got.stderr)
	}
	if _, err := os.Stat(path); err != nil {
		t.Error(err)
	}
}
