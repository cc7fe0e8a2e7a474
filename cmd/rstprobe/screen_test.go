package main

import (
	"fmt"
	"strings"
	"sync"
	"unicode/utf8"
)

// screen is as much of a terminal as the progress lines need. Like most, it
// breaks its lines anew when it becomes narrower or wider.
type screen struct {
	mu    sync.Mutex
	width int
	lines [][]rune // as they were ended, whatever rows they take
	line  int      // where the cursor is
	at    int      // in that line
	sight []string // the screen after each write
	odd   []string // what it does not understand
}

func newScreen(width int) *screen { return &screen{width: width, lines: [][]rune{nil}} }

func (s *screen) columns() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.width
}

func (s *screen) resize(width int) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.width = width
}

// Write obeys b, which holds whole characters and sequences.
func (s *screen) Write(b []byte) (int, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for rest := b; len(rest) > 0; {
		if seq, ok := strings.CutPrefix(string(rest), "\x1b["); ok {
			end := strings.IndexFunc(seq, func(r rune) bool { return r >= '@' && r <= '~' })
			s.obey(seq[:end+1])
			rest = rest[len("\x1b[")+end+1:]
			continue
		}
		r, n := utf8.DecodeRune(rest)
		s.put(r)
		rest = rest[n:]
	}
	s.sight = append(s.sight, s.text())
	return len(b), nil
}

func (s *screen) put(r rune) {
	switch {
	case r == '\r':
		s.at = max(s.at-1, 0) / s.width * s.width // a full row is left with the next character only
	case r == '\n':
		s.line++
		if s.line == len(s.lines) {
			s.lines = append(s.lines, nil)
		}
		s.at = 0 // as the terminal's driver does behind a line feed (ONLCR)
	case r < ' ' || r == 0x7f:
		s.odd = append(s.odd, fmt.Sprintf("%q", r))
	default:
		for len(s.lines[s.line]) <= s.at {
			s.lines[s.line] = append(s.lines[s.line], ' ')
		}
		s.lines[s.line][s.at] = r
		s.at++
	}
}

func (s *screen) obey(seq string) {
	switch {
	case seq == "J":
		s.lines[s.line] = s.lines[s.line][:min(s.at, len(s.lines[s.line]))]
		s.lines = s.lines[:s.line+1]
	case strings.HasSuffix(seq, "A"):
		var up int
		if _, err := fmt.Sscanf(seq, "%dA", &up); err != nil {
			s.odd = append(s.odd, seq)
		}
		for range up {
			switch {
			case s.at >= s.width:
				s.at -= s.width
			case s.line > 0:
				s.line--
				s.at += (max(len(s.lines[s.line])-1, 0) / s.width) * s.width
			}
		}
	default:
		s.odd = append(s.odd, seq)
	}
}

// text is what stands on the screen, without spaces at the ends of lines.
func (s *screen) text() string {
	var out []string
	for _, line := range s.lines {
		out = append(out, strings.TrimRight(string(line), " "))
	}
	return strings.TrimRight(strings.Join(out, "\n"), "\n")
}

// now is the screen as it stands, and all that was seen on it.
func (s *screen) now() (text string, sight []string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.text(), s.sight
}
