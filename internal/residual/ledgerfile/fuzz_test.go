package ledgerfile_test

import (
	"errors"
	"os"
	"path/filepath"
	"testing"

	"github.com/rstprobe/rstprobe/internal/residual"
	"github.com/rstprobe/rstprobe/internal/residual/ledgerfile"
)

// FuzzLoad: whatever the file holds, there is a ledger, a file that is none is
// kept under another name, and the next run has no trouble with it.
func FuzzLoad(f *testing.F) {
	f.Add([]byte(`{"version":1,"saved_at":"2026-01-02T03:04:05Z","blocks":[{"scope":"four_tuple","local":"192.0.2.1","local_port":1,` +
		`"remote":"198.51.100.7","remote_port":443,"learnt":"2026-01-02T03:04:05Z","until":"2026-01-02T03:05:05Z"}],"boxes":[]}`))
	f.Add([]byte(`{"version":2}`))
	f.Add([]byte("\x00"))
	f.Fuzz(func(t *testing.T, data []byte) {
		dir, err := os.MkdirTemp(t.TempDir(), "") // one per input
		if err != nil {
			t.Fatal(err)
		}
		path := filepath.Join(dir, "residual.json")
		write(t, path, string(data))
		l, err := ledgerfile.Load(path, start)
		if l == nil {
			t.Fatal("no ledger")
		}
		if errors.Is(err, residual.ErrVersion) {
			return
		}
		if err != nil && !errors.Is(err, ledgerfile.ErrSetAside) {
			t.Fatal(err)
		}
		if err != nil {
			if kept, err := os.ReadFile(path + ".corrupt"); err != nil || string(kept) != string(data) {
				t.Fatalf("set aside %q (%v), want %q", kept, err, data)
			}
		}
		save(t, path, l)
		load(t, path)
	})
}
