package report

import (
	"fmt"
	"io"
	"strings"

	"github.com/rstprobe/rstprobe/internal/terminal"
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
	p.wrap("Settings: ", "  ", d.origin(style.Verbose), "")
	if len(d.Tests) > 0 {
		p.b.WriteString("Again: " + p.clean(d.command()) + "\n") // on one line, to be copied
	}
	if _, err := io.WriteString(w, p.b.String()); err != nil {
		return fmt.Errorf("report: write text: %w", err)
	}
	return nil
}

// SGR parameters (ECMA-48 §8.3.117) with indices of xterm's 256 colours. Unlike
// the eight basic ones, which every theme changes, these have about the same
// contrast with a black as with a white background.
const (
	red    = "1;38;5;160"
	green  = "1;38;5;28"
	yellow = "1;38;5;130"
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
	p.wrap("Target: ", "  ", d.targetText(), "")
	if known := d.Target.Identity.text(); known != "" {
		p.wrap("Server: ", "  ", known, "")
	}
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
	line, width := p.paint(color, first), terminal.Width(first)
	empty := true // nothing but the indent on this line yet
	for word := range strings.FieldsSeq(p.clean(text)) {
		n := terminal.Width(word)
		if !empty && width+1+n > columns {
			p.b.WriteString(strings.TrimRight(line, " ") + "\n")
			line, width, empty = rest, terminal.Width(rest), true
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

func clean(s string, unicodeToo bool) string { return terminal.Clean(s, unicodeToo) }
