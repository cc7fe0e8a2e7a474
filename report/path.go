package report

import (
	"strings"
	"unicode/utf8"

	"github.com/rstprobe/rstprobe/traceroute"
)

// header names the columns of the path table.
var header = []string{"hop", "address", "ms", "control", "test"}

// gap is the space before each column; the first is the gutter of the marks.
var gap = []string{"", "  ", "  ", "  ", "  "}

// path prints one line per hop, and each box on a line of its own between the
// hops where it sits.
func (p *printer) path(d Document) {
	p.newline()
	p.wrap("", "", d.pathTitle(), "")
	marks := d.marks()
	rows := make([][]string, len(d.Path.Hops))
	widths := make([]int, len(header))
	for i, h := range d.Path.Hops {
		rows[i] = h.cells()
		for j, c := range rows[i] {
			rows[i][j] = p.clean(c)
			widths[j] = max(widths[j], utf8.RuneCountInString(rows[i][j]), len(header[j]))
		}
	}
	if len(rows) > 0 {
		p.row(" ", header, widths, "", "")
	}
	next := 0 // mark
	for i, h := range d.Path.Hops {
		for ; next < len(marks) && marks[next].after < h.TTL; next++ {
			p.mark(marks[next])
		}
		gutter, color := " ", ""
		if inside(h.TTL, marks) {
			gutter = "?"
		}
		if interferes(h.Test) {
			color = red
		}
		p.row(gutter, rows[i], widths, h.note(), color)
	}
	for ; next < len(marks); next++ {
		p.mark(marks[next])
	}
	if len(rows) > 0 {
		p.wrap("", "", legend, "")
	}
	for _, r := range d.remarks() {
		p.wrap("", "  ", r, "")
	}
}

func (p *printer) mark(m mark) { p.wrap(">>>> BOX ", "     ", m.text, red) }

// row prints the cells of a hop, the last one coloured, and as much of its
// note as the line has room for.
func (p *printer) row(gutter string, cells []string, widths []int, note, color string) {
	var b strings.Builder
	b.WriteString(gutter)
	width := len(gutter)
	for i, c := range cells {
		pad := strings.Repeat(" ", widths[i]-utf8.RuneCountInString(c))
		width += len(gap[i]) + widths[i]
		b.WriteString(gap[i])
		switch i {
		case 0, 2: // numbers
			b.WriteString(pad + c)
		case len(cells) - 1:
			b.WriteString(p.paint(color, c) + pad)
		default:
			b.WriteString(c + pad)
		}
	}
	if note = p.clean(note); note != "" {
		b.WriteString("  " + p.fit(note, columns-width-2))
	}
	p.b.WriteString(strings.TrimRight(b.String(), " ") + "\n")
}

// fit cuts s to n characters, unless the style wants it whole.
func (p *printer) fit(s string, n int) string {
	switch {
	case p.style.Verbose || utf8.RuneCountInString(s) <= n:
		return s
	case n < 8: // too little to recognise a name by
		return ""
	}
	return string([]rune(s)[:n-2]) + ".."
}

// interferes reports whether a hop's answer is nothing that a router or the
// server gives of itself.
func interferes(a traceroute.Answer) bool {
	switch a {
	case traceroute.ResetAnswer, traceroute.BothAnswers, traceroute.Injected:
		return true
	case traceroute.NotSent, traceroute.Silent, traceroute.TimeExceeded, traceroute.Unreachable, traceroute.FromServer:
	}
	return false
}
