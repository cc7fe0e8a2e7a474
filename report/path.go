package report

import (
	"fmt"
	"net/netip"
	"slices"
	"strings"

	"github.com/rstprobe/rstprobe/internal/terminal"
	"github.com/rstprobe/rstprobe/traceroute"
)

// header names the columns of the path table.
var header = []string{"hop", "address", "ms", "control", "test"}

// gap is the space before each column; the first is the gutter of the marks.
var gap = []string{"", "  ", "  ", "  ", "  "}

// strokes are the characters that a path is drawn with.
type strokes struct {
	answers map[traceroute.Answer]string // one column each
	box     string                       // before the text of a place
	network string                       // on both sides of a network's name
}

var (
	asciiStrokes = strokes{
		answers: map[traceroute.Answer]string{
			traceroute.Silent: ".", traceroute.TimeExceeded: "o", traceroute.FromServer: "@", traceroute.Unreachable: "!",
			traceroute.ResetAnswer: "X", traceroute.BothAnswers: "X", traceroute.Injected: "X",
		},
		box: ">>>> ", network: "--",
	}
	unicodeStrokes = strokes{
		answers: map[traceroute.Answer]string{
			traceroute.Silent: "◌", traceroute.TimeExceeded: "●", traceroute.FromServer: "■", traceroute.Unreachable: "!",
			traceroute.ResetAnswer: "✗", traceroute.BothAnswers: "✗", traceroute.Injected: "✗",
		},
		box: "━━━▶ ", network: "──",
	}
)

func (p *printer) strokes() strokes {
	if p.style.Unicode {
		return unicodeStrokes
	}
	return asciiStrokes
}

// path draws the way of control and test side by side: one line per hop, a
// line wherever another network begins, and each box on a line of its own
// between the hops where it sits.
func (p *printer) path(d Document) {
	p.newline()
	p.wrap("", "", d.pathTitle(), "")
	rows := d.pathRows()
	widths := make([]int, len(header))
	for i := range rows {
		for j, c := range rows[i].cells {
			c = p.clean(c)
			if a, ok := rows[i].answer(j); ok && p.strokes().answers[a] != "" {
				c = p.strokes().answers[a] + " " + c
			}
			rows[i].cells[j] = c
			widths[j] = max(widths[j], terminal.Width(c), len(header[j]))
		}
	}
	if len(rows) > 0 {
		p.row(pathRow{cells: header}, widths)
	}
	network := "" // that the line before belongs to
	d.eachRow(rows, p.mark, func(r pathRow) {
		if r.known && r.network != network {
			p.network(r.network)
			network = r.network
		}
		p.row(r, widths)
	})
	if len(rows) > 0 {
		p.wrap("", "  ", legend, "")
	}
	for _, r := range d.remarks() {
		p.wrap("", "  ", r, "")
	}
}

func (p *printer) mark(m mark) {
	first := p.strokes().box + "BOX "
	p.wrap(first, strings.Repeat(" ", terminal.Width(p.strokes().box)), m.text, red)
}

// network heads the hops of one network.
func (p *printer) network(name string) {
	if name == "" {
		name = "network unknown"
	}
	const indent = "      "
	side := p.strokes().network
	p.b.WriteString(p.line(indent+side+" "+p.fit(p.clean(name), columns-len(indent)-2*terminal.Width(side)-2)+" "+side) + "\n")
}

// pathRow is one line of the table: a hop, or a run of silent ones.
type pathRow struct {
	first         int // TTL
	gutter        string
	cells         []string
	control, test traceroute.Answer
	name          string // of the router, or what else tells who it is
	known         bool   // the router has an address, so that its network may be known
	network       string // "": unknown
}

// answer is the answer that a cell shows; false for the other cells.
func (r pathRow) answer(cell int) (traceroute.Answer, bool) {
	switch cell {
	case 3:
		return r.control, true
	case 4:
		return r.test, true
	}
	return "", false
}

// hops are those of the path; the server says who it is by answering.
func (d Document) hops() []Hop {
	hops := slices.Clone([]Hop(d.Path.Hops))
	for i := range hops {
		h := &hops[i]
		if h.TTL != d.Path.ServerTTL || h.IP.IsValid() {
			continue
		}
		if h.IP = d.serverIP(); h.IP == d.Target.IP {
			h.Identity = d.Target.Identity
		}
	}
	return hops
}

// serverIP is who answers at the server's TTL; results of versions that did not
// keep it have the target there.
func (d Document) serverIP() netip.Addr {
	if d.Path.ServerIP.IsValid() {
		return d.Path.ServerIP
	}
	return d.Target.IP
}

// standsIn reports whether it is the control address, and no address of the
// target's, that answered.
func (d Document) standsIn() bool { return d.Target.IP.IsValid() && d.serverIP() != d.Target.IP }

// eachRow goes along the path: the boxes and the rows, nearest first.
func (d Document) eachRow(rows []pathRow, box func(mark), row func(pathRow)) {
	marks := d.marks()
	for _, r := range rows {
		for ; len(marks) > 0 && marks[0].after < r.first; marks = marks[1:] {
			box(marks[0])
		}
		row(r)
	}
	for _, m := range marks {
		box(m)
	}
}

// pathRows are the hops as lines.
func (d Document) pathRows() []pathRow {
	marks := d.marks()
	var rows []pathRow
	hops := d.hops()
	for len(hops) > 0 {
		n := silentHops(hops, marks)
		h := hops[0]
		r := pathRow{first: h.TTL, cells: h.cells(), control: h.Control, test: h.Test, name: h.Name}
		if h.TTL == d.Path.ServerTTL && d.standsIn() {
			r.name = join(" ", "(control address)", h.Name)
		}
		r.known, r.network = h.IP.IsValid(), h.Network.text()
		if inside(h.TTL, marks) {
			r.gutter = "?"
		}
		if n > 1 {
			r.cells[0], r.cells[1] = "..", fmt.Sprintf("* hops %d-%d", h.TTL, hops[n-1].TTL)
		}
		rows, hops = append(rows, r), hops[n:]
	}
	return rows
}

// silentHops is how many of the hops make one row: those alike at the
// beginning, where there are many of them and no box sits between, else one.
func silentHops(hops []Hop, marks []mark) int {
	first := hops[0]
	n := slices.IndexFunc(hops, func(h Hop) bool {
		behindBox := slices.ContainsFunc(marks, func(m mark) bool { return first.TTL <= m.after && m.after < h.TTL })
		return h.IP.IsValid() || h.Control != first.Control || h.Test != first.Test ||
			behindBox || inside(h.TTL, marks) != inside(first.TTL, marks)
	})
	if n < 0 {
		n = len(hops)
	}
	if n < silentRun {
		return 1
	}
	return n
}

// row prints the cells of a line, the last one coloured, and as much of its
// name as there is room for.
func (p *printer) row(r pathRow, widths []int) {
	var b strings.Builder
	fmt.Fprintf(&b, "%-1s", r.gutter)
	width := 1
	for i, c := range r.cells {
		pad := strings.Repeat(" ", widths[i]-terminal.Width(c))
		width += len(gap[i]) + widths[i]
		b.WriteString(gap[i])
		switch {
		case i == 0, i == 2: // numbers
			b.WriteString(pad + c)
		case i == len(r.cells)-1 && interferes(r.test):
			b.WriteString(p.paint(red, c) + pad)
		default:
			b.WriteString(c + pad)
		}
	}
	if name := p.clean(r.name); name != "" {
		b.WriteString("  " + p.fit(name, columns-width-2))
	}
	p.b.WriteString(p.line(b.String()) + "\n")
}

// line is s without spaces at its end.
func (p *printer) line(s string) string { return strings.TrimRight(s, " ") }

// fit cuts s to n columns, unless the style wants it whole.
func (p *printer) fit(s string, n int) string {
	switch {
	case p.style.Verbose || terminal.Width(s) <= n:
		return s
	case n < 8: // too little to recognise a name by
		return ""
	}
	return terminal.Fit(s, n)
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
