package config

import (
	"errors"
	"fmt"
	"regexp"
	"strings"
	"unicode/utf8"

	"github.com/goccy/go-yaml"
	"github.com/goccy/go-yaml/token"
)

// Error is something wrong at one place of a file.
type Error struct {
	File         string
	Line, Column int    // from 1, the column in characters
	Message      string // without the place
	excerpt      string // the line and a caret below
}

// Error is the message behind its place, and below it the line.
func (e *Error) Error() string {
	return fmt.Sprintf("%s:%d:%d: %s%s", e.File, e.Line, e.Column, e.Message, e.excerpt)
}

// At is where the node begins, as FILE:LINE:COLUMN.
func (n Node) At() string {
	if n.at == nil {
		return n.file.name
	}
	return fmt.Sprintf("%s:%d:%d", n.file.name, n.at.Line, n.at.Column)
}

// Errorf is an *Error at the node.
func (n Node) Errorf(format string, args ...any) error {
	return n.file.errorAt(n.at, fmt.Sprintf(format, args...))
}

// special are the characters that mean something to YAML, and that addresses
// and patterns have as well.
const special = "*&![]{}"

// misread is an *Error for one of the library.
func (n Node) misread(err error) error {
	if e := yaml.Error(nil); errors.As(err, &e) && e.GetToken() != nil {
		at, message := e.GetToken().Position, e.GetMessage()
		twice := strings.Contains(message, "already defined") // of a key, which quotes do not mend
		if !twice && at != nil && at.Line >= 1 && at.Line <= len(n.file.lines) && strings.ContainsAny(n.file.lines[at.Line-1], special) {
			message += "; a text that has any of " + special + " in it stands in quotes"
		}
		return n.file.errorAt(at, message)
	}
	return fmt.Errorf("%s: %w", n.file.name, err)
}

func (f *file) errorAt(at *token.Position, message string) error {
	e := &Error{File: f.name, Line: 1, Column: 1, Message: message}
	if at != nil {
		// The library puts what is missing at the end in front of the file.
		e.Line, e.Column = max(at.Line, 1), max(at.Column, 1)
	}
	if e.Line <= len(f.lines) {
		e.excerpt = excerpt(f.open(e.Line), e.Column)
	}
	return e
}

// Conceal keeps the node out of the excerpts of errors, with whatever follows
// it on its line: it is a secret.
func (n Node) Conceal() {
	if n.at == nil {
		return
	}
	if n.file.secrets == nil {
		n.file.secrets = map[int]int{}
	}
	if column, ok := n.file.secrets[n.at.Line]; !ok || n.at.Column < column {
		n.file.secrets[n.at.Line] = n.at.Column
	}
}

// secret is what may be one, in a file of which nobody can tell yet what it
// says: an address may hold a password or a token, and so may what stands
// behind a name that sounds like it.
var secret = regexp.MustCompile(`https?://[^\s'",]+|(?i:auth|authorization|cookie|headers|token|secret|password|key)['"]?\s*:\s.+`)

// open is a line, without what is secret in it.
func (f *file) open(line int) string {
	text := f.lines[line-1]
	if column, ok := f.secrets[line]; ok {
		runes := []rune(text)
		return string(runes[:min(column-1, len(runes))]) + "***"
	}
	if f.parsed {
		return text
	}
	return secret.ReplaceAllStringFunc(text, func(s string) string { return strings.Repeat("*", utf8.RuneCountInString(s)) })
}

// maxExcerpt is how much of a line is shown, in characters.
const maxExcerpt = 200

// excerpt is a line of a file, indented, with a caret below a column. What
// would move the cursor is left out of the line, and so a tab is one column. Of
// a long line, it is what stands around the column.
func excerpt(line string, column int) string {
	if runes := []rune(line); len(runes) > maxExcerpt {
		from := max(0, min(column-1-maxExcerpt/2, len(runes)-maxExcerpt))
		line, column = string(runes[from:from+maxExcerpt]), column-from
	}
	clean := strings.Map(func(r rune) rune {
		switch {
		case r == '\t':
			return ' '
		case r < ' ' || r >= 0x7f && r < 0xa0:
			return -1
		}
		return r
	}, line)
	if strings.TrimSpace(clean) == "" {
		return ""
	}
	return fmt.Sprintf("\n    %s\n    %s^", clean, strings.Repeat(" ", min(column-1, len([]rune(clean)))))
}
