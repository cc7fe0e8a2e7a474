package main

import (
	"bytes"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// TestOutputOverInput: a file that is read is never written over, by whatever
// name, for a capture cannot be taken again.
func TestOutputOverInput(t *testing.T) {
	t.Parallel()
	for _, line := range []string{
		"explain a.pcapng -o a.pcapng",
		"explain a.pcapng -o link.pcapng",
		"explain b.pcap --server a.pcapng -o a.pcapng",
		"explain b.pcap --control a.pcapng -o hard.pcapng",
		"explain b.pcap --sockets list.txt -o list.txt",
		"explain b.pcap --reset-reasons list.txt --json -o new.json -o list.txt",
		"report result.json -o result.json",
		"report b.pcap result.json -o ./result.json",
		"-f list.txt -o list.txt",
	} {
		t.Run(line, func(t *testing.T) {
			t.Parallel()
			dir := t.TempDir()
			content := record(t).refused().bytes()
			for _, name := range []string{"a.pcapng", "b.pcap", "list.txt", "result.json"} {
				if err := os.WriteFile(filepath.Join(dir, name), content, 0o600); err != nil {
					t.Fatal(err)
				}
			}
			if err := os.Symlink("a.pcapng", filepath.Join(dir, "link.pcapng")); err != nil {
				t.Fatal(err)
			}
			if err := os.Link(filepath.Join(dir, "a.pcapng"), filepath.Join(dir, "hard.pcapng")); err != nil {
				t.Fatal(err)
			}
			words := strings.Fields(line)
			for i, w := range words {
				if strings.Contains(w, ".") {
					words[i] = dir + "/" + w
				}
			}
			got := new(fakeSystem).run(t.Context(), "", words...)
			if got.code != exitUsage || got.stdout != "" || !strings.Contains(got.stderr, "which is read: write another name") {
				t.Errorf("exit code %d, standard error %q; want %d and the name", got.code, got.stderr, exitUsage)
			}
			for _, name := range []string{"a.pcapng", "b.pcap", "list.txt", "result.json"} {
				if b, err := os.ReadFile(filepath.Join(dir, name)); err != nil || !bytes.Equal(b, content) {
					t.Errorf("%s was written: %v", name, err)
				}
			}
		})
	}
}
