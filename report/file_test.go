package report

import (
	"bytes"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/rstprobe/rstprobe/internal/wire/pcapio"
)

func documents(n int) []Document {
	var out []Document
	for _, ex := range examples()[:n] {
		out = append(out, New(ex.res, meta))
	}
	return out
}

// read is the only file of dir, so that leftovers are noticed.
func read(t *testing.T, dir string) string {
	t.Helper()
	entries, err := os.ReadDir(dir)
	if err != nil {
		t.Fatal(err)
	}
	if len(entries) != 1 {
		t.Fatalf("files: %v, want one", entries)
	}
	b, err := os.ReadFile(filepath.Join(dir, entries[0].Name()))
	if err != nil {
		t.Fatal(err)
	}
	return string(b)
}

func TestWriteFile(t *testing.T) {
	var lines []string
	for _, d := range documents(2) {
		b, err := d.JSON()
		if err != nil {
			t.Fatal(err)
		}
		lines = append(lines, string(b))
	}
	style := Style{Verbose: true, Unicode: true}
	texts := []string{text(t, documents(2)[0], style), text(t, documents(2)[1], style)}
	for _, test := range []struct {
		name, file string
		docs       int
		want       string
	}{
		{"json, one", "x.json", 1, lines[0] + "\n"},
		{"json, several", "x.json", 2, "[\n" + lines[0] + ",\n" + lines[1] + "\n]\n"},
		{"json, none", "x.json", 0, "[\n\n]\n"},
		{"jsonl", "x.JSONL", 2, lines[0] + "\n" + lines[1] + "\n"},
		{"text, one", "x.txt", 1, texts[0]},
		{"text, several", "x.txt", 2, texts[0] + "\n" + strings.Repeat("=", 80) + "\n\n" + texts[1]},
	} {
		t.Run(test.name, func(t *testing.T) {
			dir := t.TempDir()
			path := filepath.Join(dir, test.file)
			if err := CheckPath(path); err != nil {
				t.Fatal(err)
			}
			if err := os.WriteFile(path, []byte("older"), 0o600); err != nil {
				t.Fatal(err)
			}
			if err := WriteFile(path, documents(test.docs), nil); err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(test.want, read(t, dir)); diff != "" {
				t.Errorf("file (-want +got):\n%s", diff)
			}
		})
	}
}

func TestWriteFileMarkdown(t *testing.T) {
	dir := t.TempDir()
	if err := WriteFile(filepath.Join(dir, "x.md"), documents(2), nil); err != nil {
		t.Fatal(err)
	}
	if got := strings.Count(read(t, dir), "# rstprobe `example.com:443`"); got != 2 {
		t.Errorf("%d titles, want 2", got)
	}
}

func TestWriteFilePcapNG(t *testing.T) {
	dir := t.TempDir()
	want := []pcapio.Frame{{N: 1, At: time.Unix(1, 2).UTC(), Raw: []byte{0x45}}}
	if err := WriteFile(filepath.Join(dir, "x.pcapng"), documents(1), want); err != nil {
		t.Fatal(err)
	}
	file := read(t, dir)
	got, err := pcapio.Read(strings.NewReader(file))
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("frames (-want +got):\n%s", diff)
	}
	comment := "rstprobe example.com:443 --sni=blocked.example --host=blocked.example --control-address=10.9.6.3 --seed=4 --characterize\ninterference: A box"
	if !bytes.Contains([]byte(file), []byte(comment)) {
		t.Errorf("the file lacks the comment %q", comment)
	}
}

// TestWriteFileFails: an error leaves what was there, and nothing else.
func TestWriteFileFails(t *testing.T) {
	dir := t.TempDir()
	path := filepath.Join(dir, "x.pcapng")
	if err := os.WriteFile(path, []byte("older"), 0o600); err != nil {
		t.Fatal(err)
	}
	gap := []pcapio.Frame{{N: 2, At: time.Unix(1, 0), Raw: []byte{0x45}}}
	err := WriteFile(path, nil, gap)
	if err == nil || !strings.Contains(err.Error(), "packet 1 is missing") {
		t.Errorf("error = %v, want the missing packet", err)
	}
	if got := read(t, dir); got != "older" {
		t.Errorf("file = %q, want the older one", got)
	}
}

func TestPathErrors(t *testing.T) {
	dir := t.TempDir()
	plain := filepath.Join(dir, "plain.txt")
	if err := os.WriteFile(plain, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	if err := os.Mkdir(filepath.Join(dir, "dir.json"), 0o700); err != nil {
		t.Fatal(err)
	}
	const known = "must end in one of .html .json .jsonl .md .ooni.jsonl .pcapng .txt"
	for _, test := range []struct {
		name, path, want string
		is               error
	}{
		{"another format", "x.csv", known, nil},
		{"no extension", "result", known, nil},
		{"extension only of the directory", "x.json/result", known, nil},
		{"nothing", "", known, nil},
		{"directory is not there", filepath.Join(dir, "no", "x.json"), "x.json", fs.ErrNotExist},
		{"directory is a file", filepath.Join(plain, "x.json"), "x.json", nil},
		{"is a directory", filepath.Join(dir, "dir.json"), "dir.json", nil},
	} {
		t.Run(test.name, func(t *testing.T) {
			for what, err := range map[string]error{
				"CheckPath": CheckPath(test.path),
				"WriteFile": WriteFile(test.path, documents(1), nil),
			} {
				if err == nil || !strings.Contains(err.Error(), test.want) {
					t.Errorf("%s: %v, want an error with %q", what, err, test.want)
				}
				if test.is != nil && !errors.Is(err, test.is) {
					t.Errorf("%s: %v, want %v in its chain", what, err, test.is)
				}
			}
		})
	}
	entries, err := os.ReadDir(dir)
	if err != nil {
		t.Fatal(err)
	}
	if len(entries) != 2 {
		t.Errorf("files left: %v", entries)
	}
}
