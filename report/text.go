package report

import (
	"fmt"
	"io"
	"strconv"
	"strings"
	"unicode"
	"unicode/utf8"

	"github.com/rstprobe/rstprobe/probe"
)

// Style is how Text looks. The zero Style is plain ASCII.
type Style struct {
	Color   bool // ANSI colours, beside the words that say the same
	Verbose bool // whole names, intervals of the counts, what each item supports, the run
	Unicode bool // print other than ASCII letters as they are; otherwise they are escaped
}

// columns is the width of the text in characters. A single word may be
// longer, and so may the command at the end.
const columns = 80

// Text writes d as a person reads it, or pastes it into a ticket: the
// verdict, the path with the box in it, the tests with their evidence, the
// settings. Whatever came from the network is printed without its control
// characters.
func Text(w io.Writer, d Document, style Style) error {
	p := printer{style: style}
	p.verdict(d)
	p.path(d)
	for i, t := range d.Tests {
		p.newline()
		p.wrap(fmt.Sprintf("Test %d: ", i+1), "        ", t.title(), "")
		for _, f := range t.fields(style.Verbose) {
			p.field(f)
		}
		p.matrix(t.Matrix)
	}
	p.newline()
	p.wrap("Settings: ", "  ", d.settings(style.Verbose), "")
	if len(d.Tests) > 0 {
		p.b.WriteString("Again: " + p.clean(d.command()) + "\n") // on one line, to be copied
	}
	if _, err := io.WriteString(w, p.b.String()); err != nil {
		return fmt.Errorf("report: write text: %w", err)
	}
	return nil
}

// ANSI SGR parameters (ECMA-48 §8.3.117).
const (
	red    = "1;31"
	green  = "1;32"
	yellow = "1;33"
)

var overallColor = map[probe.Overall]string{
	probe.Clean:               green,
	probe.Interference:        red,
	probe.ServerRefuses:       green,
	probe.OverallUnreachable:  yellow,
	probe.OverallInconclusive: yellow,
}

// printer collects the text. Every string from outside goes through clean,
// before it is measured or coloured.
type printer struct {
	b     strings.Builder
	style Style
}

func (p *printer) newline() { p.b.WriteByte('\n') }

func (p *printer) verdict(d Document) {
	word := strings.ToUpper(string(d.Verdict.Outcome))
	p.wrap(word+": ", "  ", d.Verdict.Summary, overallColor[d.Verdict.Outcome])
	if d.Interrupted {
		p.wrap("INTERRUPTED: ", "  ", "the measurement was stopped before its end; this is what it had found.", yellow)
	}
	if warning := d.rerouted(); warning != "" {
		p.wrap("REROUTED: ", "  ", warning, yellow)
	}
	p.wrap("Target: ", "  ", d.target(), "")
}

// field prints one labelled part of a test.
func (p *printer) field(f field) {
	const indent = "              "
	label := fmt.Sprintf("  %-*s", len(indent)-2, f.label)
	for _, item := range f.items {
		p.wrap(label, indent, item, "")
		label = indent
	}
}

// wrap prints text behind first, which has the colour, and its further lines
// behind rest.
func (p *printer) wrap(first, rest, text, color string) {
	first = p.clean(first)
	line, width := p.paint(color, first), utf8.RuneCountInString(first)
	empty := true // nothing but the indent on this line yet
	for word := range strings.FieldsSeq(p.clean(text)) {
		n := utf8.RuneCountInString(word)
		if !empty && width+1+n > columns {
			p.b.WriteString(strings.TrimRight(line, " ") + "\n")
			line, width, empty = rest, utf8.RuneCountInString(rest), true
		}
		if !empty {
			line, width = line+" ", width+1
		}
		line, width, empty = line+word, width+n, false
	}
	p.b.WriteString(strings.TrimRight(line, " ") + "\n")
}

func (p *printer) paint(color, s string) string {
	if !p.style.Color || color == "" || s == "" {
		return s
	}
	return "\x1b[" + color + "m" + s + "\x1b[0m"
}

// clean makes s safe for a terminal: control and formatting characters, and
// in ASCII style all but ASCII, become visible escapes as in a Go string.
func (p *printer) clean(s string) string { return clean(s, p.style.Unicode) }

func clean(s string, unicodeToo bool) string {
	var b strings.Builder
	for _, r := range s {
		if r >= ' ' && r <= '~' || unicodeToo && unicode.IsPrint(r) {
			b.WriteRune(r)
			continue
		}
		quoted := strconv.QuoteRuneToASCII(r)
		b.WriteString(quoted[1 : len(quoted)-1])
	}
	return b.String()
}
