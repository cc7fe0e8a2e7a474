package main

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"os"
	"slices"
	"strings"

	"github.com/rstprobe/rstprobe/internal/payload"
	"github.com/rstprobe/rstprobe/probe"
)

// entry is one line of a list, with where it stands.
type entry struct {
	text string
	at   string // "FILE:LINE"
}

// readList reads a list: one entry per line, comments from "#" at the start
// of a line or behind a blank, blank lines skipped. "-" is standard input,
// which is read for no other reason.
func (p *program) readList(path string) ([]entry, error) {
	name, r := path, io.Reader(nil)
	if path == "-" {
		if p.stdin == nil {
			return nil, errors.New("standard input was read already: write - once")
		}
		name, r, p.stdin = "standard input", p.stdin, nil
	} else {
		f, err := os.Open(path)
		if err != nil {
			return nil, fmt.Errorf("read list: %w", err)
		}
		defer f.Close() //nolint:errcheck // only read
		r = f
	}
	var out []entry
	lines := bufio.NewScanner(r)
	for n := 1; lines.Scan(); n++ {
		text := lines.Text()
		if n == 1 {
			text = strings.TrimPrefix(text, "\ufeff") // as some editors begin a file
		}
		if i := strings.Index(" "+strings.ReplaceAll(text, "\t", " "), " #"); i >= 0 {
			text = text[:i]
		}
		if text = strings.TrimSpace(text); text != "" {
			out = append(out, entry{text, fmt.Sprintf("%s:%d", name, n)})
		}
	}
	if err := lines.Err(); err != nil {
		return nil, fmt.Errorf("read list %s: %w", name, err)
	}
	if len(out) == 0 {
		return nil, fmt.Errorf("%s lists nothing", name)
	}
	return out, nil
}

// reserved are the commands of later versions. Taken for hosts, they would be
// looked up and probed.
var reserved = []string{"report", "watch", "doctor", "history", "serve", "agent", "config"}

// targets are those of the line, then those of the lists.
func (p *program) targets(words, lists []string) ([]probe.Target, error) {
	var out []probe.Target
	for _, w := range words {
		if w == "-" {
			return nil, usagef("- is no target: write -f - to read targets from standard input")
		}
		if slices.Contains(reserved, w) {
			return nil, usagef("the command %s is not in this version: write %s:443 if you mean a host of that name", w, w)
		}
		t, err := probe.ParseTarget(w)
		if err != nil {
			return nil, usageError{err}
		}
		out = append(out, t)
	}
	for _, l := range lists {
		entries, err := p.readList(l)
		if err != nil {
			return nil, usagef("--file: %w", err)
		}
		for _, e := range entries {
			t, err := probe.ParseTarget(e.text)
			if err != nil {
				return nil, usagef("%s: %w", e.at, err)
			}
			out = append(out, t)
		}
	}
	return out, nil
}

// names reads the names of a flag, each a name or @FILE, as lower case.
func (p *program) names(values []string) ([]string, error) {
	var out []string
	for _, v := range values {
		entries := []entry{{text: v}}
		if path, ok := strings.CutPrefix(v, "@"); ok {
			var err error
			if entries, err = p.readList(path); err != nil {
				return nil, err
			}
		}
		for _, e := range entries {
			if err := payload.CheckName(e.text); err != nil {
				if e.at != "" {
					err = fmt.Errorf("%s: %w", e.at, err)
				}
				return nil, err
			}
			out = append(out, strings.ToLower(e.text))
		}
	}
	return out, nil
}
