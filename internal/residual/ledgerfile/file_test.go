package ledgerfile_test

import (
	"bytes"
	"errors"
	"io/fs"
	"net/netip"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/rstprobe/rstprobe/internal/packet"
	"github.com/rstprobe/rstprobe/internal/residual"
	"github.com/rstprobe/rstprobe/internal/residual/ledgerfile"
)

var start = time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)

// port is the flow from a local port of ours.
func port(n int) packet.Key {
	return packet.Key{
		Local:  netip.AddrPortFrom(netip.MustParseAddr("192.0.2.1"), uint16(n)),
		Remote: netip.MustParseAddrPort("198.51.100.7:443"),
	}
}

// blocking is a ledger in which the flows from some ports are blocked for a
// minute.
func blocking(ports ...int) *residual.Ledger {
	var l residual.Ledger
	for _, n := range ports {
		l.Add(start, residual.FourTuple, port(n), start.Add(time.Minute))
	}
	return &l
}

// blocked lists the ports, below 1000, from which flows are blocked.
func blocked(l *residual.Ledger) []int {
	var out []int
	for n := range 1000 {
		if until, _ := l.Until(start, port(n)); !until.IsZero() {
			out = append(out, n)
		}
	}
	return out
}

func save(t *testing.T, path string, l *residual.Ledger) {
	t.Helper()
	if err := ledgerfile.Save(path, l, start); err != nil {
		t.Fatal(err)
	}
}

func load(t *testing.T, path string) *residual.Ledger {
	t.Helper()
	l, err := ledgerfile.Load(path, start)
	if err != nil {
		t.Fatal(err)
	}
	return l
}

func write(t *testing.T, path, data string) {
	t.Helper()
	if err := os.WriteFile(path, []byte(data), 0o600); err != nil {
		t.Fatal(err)
	}
}

// names lists a directory but for the lock.
func names(t *testing.T, dir string) []string {
	t.Helper()
	entries, err := os.ReadDir(dir)
	if err != nil {
		t.Fatal(err)
	}
	out := []string{}
	for _, e := range entries {
		if !strings.HasSuffix(e.Name(), ".lock") {
			out = append(out, e.Name())
		}
	}
	return out
}

func TestSaveAndLoad(t *testing.T) {
	path := filepath.Join(t.TempDir(), "a", "b", "residual.json")
	if diff := cmp.Diff([]int(nil), blocked(load(t, path))); diff != "" {
		t.Errorf("without a file (-want +got):\n%s", diff)
	}
	if _, err := os.Stat(filepath.Dir(path)); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("loading made a directory: %v", err)
	}
	save(t, path, blocking(1, 2))
	other := blocking(2, 3)
	save(t, path, other)
	want := []int{1, 2, 3}
	if diff := cmp.Diff(want, blocked(load(t, path))); diff != "" {
		t.Errorf("file (-want +got):\n%s", diff)
	}
	if diff := cmp.Diff(want, blocked(other)); diff != "" {
		t.Errorf("ledger that was saved last (-want +got):\n%s", diff)
	}
	if diff := cmp.Diff([]string{"residual.json"}, names(t, filepath.Dir(path))); diff != "" {
		t.Errorf("files (-want +got):\n%s", diff)
	}
	for name, want := range map[string]fs.FileMode{path: 0o600, filepath.Dir(path): 0o700, filepath.Dir(filepath.Dir(path)): 0o700} {
		info, err := os.Stat(name)
		if err != nil {
			t.Fatal(err)
		}
		// Windows knows no such modes.
		if got := info.Mode().Perm(); got != want && os.PathSeparator == '/' {
			t.Errorf("%s has mode %v, want %v", name, got, want)
		}
	}
}

// TestRelease: what one process found free does not come back from the file.
func TestRelease(t *testing.T) {
	path := filepath.Join(t.TempDir(), "residual.json")
	save(t, path, blocking(1, 2))
	l := load(t, path)
	l.Free(start.Add(time.Second), port(1))
	save(t, path, l)
	if diff := cmp.Diff([]int{2}, blocked(load(t, path))); diff != "" {
		t.Errorf("-want +got:\n%s", diff)
	}
}

func TestOldBlocksLeaveTheFile(t *testing.T) {
	path := filepath.Join(t.TempDir(), "residual.json")
	save(t, path, blocking(1))
	if err := ledgerfile.Save(path, &residual.Ledger{}, start.Add(time.Hour)); err != nil {
		t.Fatal(err)
	}
	data, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if bytes.Contains(data, []byte("192.0.2.1")) {
		t.Errorf("an address is still there:\n%s", data)
	}
}

// TestCorrupt: the file is kept under another name, said so, and the next
// run starts afresh.
func TestCorrupt(t *testing.T) {
	for _, tt := range []struct{ name, data string }{
		{"empty", ""},
		{"torn", `{"version":1,"saved_at":"2026-01-02T03:04:05Z","blo`},
		{"another file", "127.0.0.1 localhost\n"},
		{"huge", strings.Repeat(" ", 5<<20)},
	} {
		t.Run(tt.name, func(t *testing.T) {
			path := filepath.Join(t.TempDir(), "residual.json")
			check := func(err error) {
				t.Helper()
				if !errors.Is(err, ledgerfile.ErrSetAside) || !errors.Is(err, residual.ErrCorrupt) || !strings.Contains(err.Error(), path+".corrupt") {
					t.Errorf("error %v: want %v, with the new name", err, ledgerfile.ErrSetAside)
				}
				got, err := os.ReadFile(path + ".corrupt")
				if err != nil {
					t.Fatal(err)
				}
				if string(got) != tt.data {
					t.Errorf("set aside: %d bytes %.80q, want %d", len(got), got, len(tt.data))
				}
			}
			write(t, path, tt.data)
			l, err := ledgerfile.Load(path, start)
			check(err)
			l.Add(start, residual.FourTuple, port(1), start.Add(time.Minute)) // can be used
			if diff := cmp.Diff([]int{1}, blocked(l)); diff != "" {
				t.Errorf("-want +got:\n%s", diff)
			}
			load(t, path)

			write(t, path, tt.data)
			check(ledgerfile.Save(path, l, start))
			if diff := cmp.Diff([]int{1}, blocked(load(t, path))); diff != "" {
				t.Errorf("saved nevertheless (-want +got):\n%s", diff)
			}
		})
	}
}

// TestRefused: what is not ours is left as it is, and a ledger can be had
// nevertheless.
func TestRefused(t *testing.T) {
	const later = `{"version":99,"blocks":{}}`
	for _, tt := range []struct {
		name string
		make func(t *testing.T, path string)
		want error
	}{
		{"later version", func(t *testing.T, path string) { write(t, path, later) }, residual.ErrVersion},
		{"directory", func(t *testing.T, path string) {
			if err := os.Mkdir(path, 0o700); err != nil {
				t.Fatal(err)
			}
		}, ledgerfile.ErrNotRegular},
		{"device", func(t *testing.T, path string) {
			if err := os.Symlink(os.DevNull, path); err != nil {
				t.Skipf("no symbolic links here: %v", err)
			}
		}, ledgerfile.ErrNotRegular},
		{"not ours to read", func(t *testing.T, path string) {
			write(t, path, later)
			if err := os.Chmod(path, 0); err != nil {
				t.Fatal(err)
			}
			if f, err := os.Open(path); err == nil {
				f.Close()
				t.Skip("this user may read everything")
			}
		}, fs.ErrPermission},
	} {
		t.Run(tt.name, func(t *testing.T) {
			dir := t.TempDir()
			path := filepath.Join(dir, "residual.json")
			tt.make(t, path)
			before, err := os.Lstat(path)
			if err != nil {
				t.Fatal(err)
			}
			l, err := ledgerfile.Load(path, start)
			if !errors.Is(err, tt.want) || l == nil {
				t.Errorf("load: %v, %v; want a ledger and %v", l, err, tt.want)
			}
			if err := ledgerfile.Save(path, blocking(1), start); !errors.Is(err, tt.want) {
				t.Errorf("save: %v, want %v", err, tt.want)
			}
			after, err := os.Lstat(path)
			if err != nil || !os.SameFile(before, after) {
				t.Errorf("the file was replaced (%v)", err)
			}
			if diff := cmp.Diff([]string{"residual.json"}, names(t, dir)); diff != "" {
				t.Errorf("files (-want +got):\n%s", diff)
			}
		})
	}
}

// TestKilledWriters: what killed processes leave over disturbs nobody, and
// goes in the end.
func TestKilledWriters(t *testing.T) {
	dir := t.TempDir()
	path := filepath.Join(dir, "residual.json")
	save(t, path, blocking(1))
	write(t, path+".tmp-1", `{"version":1,"blo`)
	write(t, path+".tmp-2", "")
	write(t, path+".tmp-mine", "")
	for age, name := range map[time.Duration]string{2 * time.Hour: ".tmp-1", 30 * time.Minute: ".tmp-2", -time.Hour: ".tmp-mine"} {
		if err := os.Chtimes(path+name, start.Add(-age), start.Add(-age)); err != nil {
			t.Fatal(err)
		}
	}
	save(t, path, blocking(2))
	if diff := cmp.Diff([]int{1, 2}, blocked(load(t, path))); diff != "" {
		t.Errorf("-want +got:\n%s", diff)
	}
	want := []string{"residual.json", "residual.json.tmp-2", "residual.json.tmp-mine"}
	if diff := cmp.Diff(want, names(t, dir)); diff != "" {
		t.Errorf("files (-want +got):\n%s", diff)
	}
}

// TestGoroutines: of many writers at once none loses what another wrote, and
// no reader sees anything but a whole ledger.
func TestGoroutines(t *testing.T) {
	path := filepath.Join(t.TempDir(), "residual.json")
	save(t, path, blocking(500))
	var all sync.WaitGroup
	want := []int{500}
	for i := range 4 {
		for j := range 5 {
			want = append(want, 1+i*5+j)
		}
		all.Go(func() {
			for j := range 5 {
				if err := ledgerfile.Save(path, blocking(1+i*5+j), start); err != nil {
					t.Error(err)
				}
				if l, err := ledgerfile.Load(path, start); err != nil || !slices.Contains(blocked(l), 500) {
					t.Errorf("read %v, %v", blocked(l), err)
				}
			}
		})
	}
	all.Wait()
	slices.Sort(want)
	if diff := cmp.Diff(want, blocked(load(t, path))); diff != "" {
		t.Errorf("-want +got:\n%s", diff)
	}
}
