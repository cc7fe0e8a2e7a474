package main

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"
	"unicode/utf8"

	"github.com/rstprobe/rstprobe/internal/payload"
	"github.com/rstprobe/rstprobe/probe"
)

// entry is one line of a list, with where it stands.
type entry struct {
	text   string
	list   string // "" for an entry that stands in no list
	line   int    // from 1
	column int    // of text, in characters, from 1
}

func (e entry) at() string { return fmt.Sprintf("%s:%d", e.list, e.line) }

// blame says where err, which is about the entry, is to be mended.
func (e entry) blame(err error) error {
	column := e.column
	if bad := (*probe.TargetError)(nil); errors.As(err, &bad) {
		column += bad.Character - 1
		err = fmt.Errorf("target %.200q: %w", bad.Target, bad.Err)
	}
	if e.list == "" {
		return err
	}
	return fmt.Errorf("%s:%d: %w", e.at(), column, err)
}

// maxLine is the longest line of a list, in bytes.
const maxLine = 4096

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
	lines, n := bufio.NewScanner(r), 0
	lines.Buffer(nil, maxLine)
	for lines.Scan() {
		text := lines.Text()
		if n++; n == 1 {
			if strings.HasPrefix(text, "\xff\xfe") || strings.HasPrefix(text, "\xfe\xff") {
				return nil, fmt.Errorf("%s is UTF-16: save it as UTF-8", name)
			}
			text = strings.TrimPrefix(text, "\ufeff") // as some editors begin a file
		}
		if i := strings.Index(" "+strings.ReplaceAll(text, "\t", " "), " #"); i >= 0 {
			text = text[:i]
		}
		whole := text
		if text = strings.TrimSpace(text); text == "" {
			continue
		}
		if len(out) == maxTargets {
			return nil, fmt.Errorf("%s lists more than the %d of one run: split it", name, maxTargets)
		}
		before, _, _ := strings.Cut(whole, text)
		out = append(out, entry{text, name, n, 1 + utf8.RuneCountInString(before)})
	}
	switch err := lines.Err(); {
	case errors.Is(err, bufio.ErrTooLong):
		return nil, fmt.Errorf("%s:%d: the line is longer than %d bytes", name, n+1, maxLine)
	case err != nil:
		return nil, fmt.Errorf("read list %s: %w", name, err)
	case len(out) == 0:
		return nil, fmt.Errorf("%s lists nothing", name)
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
				return nil, e.blame(err)
			}
			out = append(out, strings.ToLower(e.text))
		}
	}
	return out, nil
}
