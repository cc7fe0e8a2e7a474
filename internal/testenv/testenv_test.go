package testenv

import (
	"os"
	"path/filepath"
	"testing"
)

func TestRequired(t *testing.T) {
	for _, tt := range []struct {
		name, list, need string
		want             bool
	}{
		{"nothing is required by default", "", "raw", false},
		{"named alone", "raw", "raw", true},
		{"named among others", "root,raw,netns", "raw", true},
		{"blanks around commas", "root, raw", "raw", true},
		{"all", "all", "raw", true},
		{"a longer word is another need", "rawest", "raw", false},
	} {
		t.Run(tt.name, func(t *testing.T) {
			if got := required(tt.list, tt.need); got != tt.want {
				t.Errorf("required(%q, %q) = %v, want %v", tt.list, tt.need, got, tt.want)
			}
		})
	}
}

func TestCheckProgram(t *testing.T) {
	dir := t.TempDir()
	t.Setenv("PATH", dir)
	if err := check("rstprobe-tool"); err == nil {
		t.Error("check of a program that is not there: no error")
	}
	if err := os.WriteFile(filepath.Join(dir, "rstprobe-tool"), []byte("#!/bin/sh\n"), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := check("rstprobe-tool"); err != nil {
		t.Errorf("check of a program in the PATH: %v", err)
	}
}

func TestNeedSkips(t *testing.T) {
	t.Setenv("PATH", t.TempDir())
	t.Setenv(requireEnv, "")
	var skipped bool
	t.Run("skipped", func(t *testing.T) {
		defer func() { skipped = t.Skipped() }()
		Need(t, "no-such-program")
		t.Error("Need returned without the program")
	})
	if !skipped {
		t.Error("the test did not skip")
	}
}
