package report

import (
	"fmt"
	"io"
	"strconv"
	"strings"
	"unicode"

	"github.com/rstprobe/rstprobe/internal/explain"
)

// CaptureStyle is how the text about a capture looks.
type CaptureStyle struct {
	Style
	Chinese bool // summary sentences in Chinese; needs Style.Unicode
	All     bool // every finding by itself, harmless ones too
}

// CaptureText writes c as a person reads it: the verdict, what was read, and
// one paragraph per reset or broken-off conversation, the most important
// first. Whatever came from the network is printed without its control
// characters.
func CaptureText(w io.Writer, c Capture, style CaptureStyle) error {
	p := printer{style: style.Style}
	word := strings.ToUpper(string(c.Verdict.Outcome))
	p.sentence(word+": ", "  ", c.Verdict.in(style.Chinese), overallColor[c.Verdict.Outcome])
	for _, n := range c.notes() {
		p.wrap(n.label+": ", "  ", n.items[0], noteColor[n.label])
	}
	if c.Sweep != nil {
		p.sweep(c.Sweep)
	}
	if c.BothEnds != nil {
		p.bothEnds(&c, style.Chinese)
	}
	told, quiet := c.told(style.All)
	for i, f := range told {
		p.newline()
		number := fmt.Sprintf("%d. ", i+1)
		p.wrap(number, strings.Repeat(" ", len(number)), f.title(), "")
		p.sentence("  what        ", "              ", f.sentence(style.Chinese), "")
		for _, one := range f.fields() {
			p.field(one)
		}
	}
	if quiet != "" {
		p.newline()
		p.wrap("Harmless: ", "  ", quiet, "")
	}
	if _, err := io.WriteString(w, p.b.String()); err != nil {
		return fmt.Errorf("report: write text: %w", err)
	}
	return nil
}

// told are the findings to write about, and what to say of the others.
func (c *Capture) told(all bool) (told []finding, quiet string) {
	told, harmless := c.findings()
	switch {
	case all:
		return append(told, harmless...), ""
	case len(harmless) == 0:
		return grouped(told), ""
	}
	return grouped(told), strings.Join(counted(harmless), "; ") + "; --only all shows them"
}

func (v CaptureVerdict) in(chinese bool) string {
	if chinese {
		return v.SummaryZH
	}
	return v.Summary
}

// Labels of notes that warn.
const (
	noteDamaged     = "DAMAGED"
	noteInterrupted = "INTERRUPTED"
	noteOmitted     = "OMITTED"
)

var noteColor = map[string]string{noteDamaged: yellow, noteInterrupted: yellow, noteOmitted: yellow}

// notes is what to say about the capture as a whole, one item each.
func (c *Capture) notes() []field {
	out := []field{{"Capture", []string{c.what()}}}
	note := func(label, format string, args ...any) {
		out = append(out, field{label, []string{fmt.Sprintf(format, args...)}})
	}
	told, harmless := c.findings()
	if all := append(told, harmless...); len(all) > 0 {
		note("Found", "%s", strings.Join(counted(all), "; "))
	}
	if d := c.Damage; d != nil {
		note(noteDamaged, "the file cannot be read from byte %d on, before packet %d: %s; all before it is explained.", d.Offset, d.Packet, d.Reason)
	}
	if c.Interrupted {
		note(noteInterrupted, "reading was stopped before the end of the file; this is about what was read until then.")
	}
	if c.Omitted > 0 {
		note(noteOmitted, "%s with something to explain beyond --max-flows.", count(c.Omitted, "more conversation", "more conversations"))
	}
	return out
}

// what describes the file.
func (c *Capture) what() string {
	place := "taken at the " + string(c.Position)
	switch c.Position {
	case explain.AtClient, explain.AtServer:
	case explain.InTheMiddle:
		place = "taken in the middle of the path"
	case explain.UnknownPosition:
		place = "taken at an unknown place"
	}
	s := fmt.Sprintf("%s, %s, %s", c.File, place, count(c.Packets, "packet", "packets"))
	if c.Unreadable > 0 {
		s += fmt.Sprintf(", %d unreadable", c.Unreadable)
	}
	if c.Truncated > 0 {
		s += fmt.Sprintf(", %d cut short", c.Truncated)
	}
	if c.Dropped > 0 {
		s += fmt.Sprintf(", %d LOST by the capturing host", c.Dropped)
	}
	s += ", " + count(c.Conversations, "conversation", "conversations") + fmt.Sprintf(", %d to explain", len(c.Flows))
	if c.Listed == ListResets {
		s += " (resets only)"
	}
	if c.StartedAt != nil {
		s += fmt.Sprintf("; %s s from %s", strconv.FormatFloat(c.DurationMS/1000, 'f', 3, 64), c.StartedAt.Format("2006-01-02T15:04:05.000Z07:00"))
	}
	return s
}

// sentence prints text that may be Chinese, whose letters are two columns
// wide and have no spaces between them.
func (p *printer) sentence(first, rest, text, color string) {
	if strings.IndexFunc(text, wide) < 0 {
		p.wrap(first, rest, text, color)
		return
	}
	var line strings.Builder
	width := 0
	begin := func(indent, painted string) {
		line.Reset()
		line.WriteString(painted)
		width = len(indent)
	}
	begin(first, p.paint(color, first))
	for _, piece := range pieces(p.clean(text)) {
		if width+columnsOf(strings.TrimRight(piece, " ")) > columns && width > len(rest) {
			p.b.WriteString(strings.TrimRight(line.String(), " ") + "\n")
			begin(rest, rest)
		}
		line.WriteString(piece)
		width += columnsOf(piece)
	}
	p.b.WriteString(strings.TrimRight(line.String(), " ") + "\n")
}

// wide reports whether a terminal gives a letter two columns (UAX #11, the
// ranges that Chinese text uses).
func wide(r rune) bool {
	const fullStops, fullForms, halfForms = 0x3000, 0xff01, 0xff60
	return unicode.Is(unicode.Han, r) || r >= fullStops && r < fullStops+0x40 || r >= fullForms && r <= halfForms
}

func columnsOf(s string) int {
	n := 0
	for _, r := range s {
		if n++; wide(r) {
			n++
		}
	}
	return n
}

// pieces cuts text where a line may be broken: behind spaces, and between
// wide letters, but not before a mark of punctuation.
func pieces(text string) []string {
	var out []string
	start := 0
	var before rune
	for i, r := range text {
		cut := before == ' ' && r != ' ' || (wide(r) || wide(before)) && !unicode.IsPunct(r) && r != ' '
		if i > start && cut {
			out = append(out, text[start:i])
			start = i
		}
		before = r
	}
	return append(out, text[start:])
}
