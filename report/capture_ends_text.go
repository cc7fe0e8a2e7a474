package report

import (
	"fmt"
	"slices"
	"strconv"
	"strings"

	"github.com/rstprobe/rstprobe/internal/explain/twoends"
	"github.com/rstprobe/rstprobe/probe"
)

// item is one thing that two captures together show.
type item struct {
	title   string
	summary [2]string // in English and in Chinese
	fields  []field
}

// told are the findings of a pair, but the resets that an end sent itself,
// which ownResets counts.
func (p *Pair) told() []item {
	var out []item
	for _, f := range p.Foreign {
		s := fmt.Sprintf("packet %d at the %s, %s in the name of %s that nobody sent there", f.Packet, f.At, f.Kind, f.From)
		out = append(out, f.item(s, field{"distance", []string{f.place()}}))
	}
	for _, r := range p.Resets {
		if r.Author == probe.Undetermined {
			out = append(out, r.item(fmt.Sprintf("reset in the name of the %s, %s", r.From, r.Packet.packets())))
		}
	}
	if p.Silence != nil {
		out = append(out, p.Silence.item(fmt.Sprintf("%s -> %s, fell silent", p.AtClient.Client, p.AtClient.Server)))
	}
	return out
}

// told is the finding about a conversation that is missing.
func (m *MissingFlow) told() item {
	return m.item(fmt.Sprintf("packet %d at the client, reset of %s -> %s, of which the server knows nothing", m.Packet, m.Client, m.Server))
}

// item is a finding under a title.
func (f *EndsFinding) item(title string, more ...field) item {
	fields := append(more,
		field{"author", []string{join(": ", string(f.Author), captureAuthor(f.Author))}},
		field{"cause", []string{orElse(join(": ", string(f.Cause), CauseText(f.Cause)), "none named")}},
		field{"confidence", []string{string(f.Confidence)}},
		field{"for", orNone(endsItems(f.Evidence))},
		field{"against", orNone(endsItems(f.Against))})
	if f.Next != "" {
		fields = append(fields, field{"next", []string{f.Next}})
	}
	return item{title: title, summary: [2]string{f.Summary, f.SummaryZH}, fields: fields}
}

func orElse(s, other string) string {
	if s == "" {
		return other
	}
	return s
}

func endsItems(evidence []EndsEvidence) []string {
	var out []string
	for _, e := range evidence {
		s := join(": ", string(e.Rule), e.Detail)
		if e.Decisive {
			s = "[decisive] " + s
		}
		var where []string
		if len(e.Packets) > 0 {
			where = append(where, ranges(e.Packets)+" at the client")
		}
		if len(e.AtServer) > 0 {
			where = append(where, ranges(e.AtServer)+" at the server")
		}
		if len(where) > 0 {
			s += " (packets " + strings.Join(where, ", ") + ")"
		}
		out = append(out, s)
	}
	return out
}

// place says how far from either end a packet was let loose.
func (f *Foreign) place() string {
	s := fmt.Sprintf("TTL %d", f.TTL)
	if f.GenuineTTL.High > 0 {
		s += fmt.Sprintf("; those that were sent come with %s", f.GenuineTTL)
	}
	d := f.Distance
	if d == nil {
		return s
	}
	s += fmt.Sprintf("; let loose %s hops from the client and %s from the server, of %d, if sent with TTL %s", d.FromClient, d.FromServer, d.Path, d.InitialTTL)
	if !d.Both {
		s += " (to one end only: a guess by usual values)"
	}
	return s
}

func (s Span) String() string {
	if s.Low == s.High {
		return strconv.Itoa(s.Low)
	}
	return fmt.Sprintf("%d..%d", s.Low, s.High)
}

// packets names a packet in either capture.
func (n PerEnd) packets() string {
	switch {
	case n.Server == 0:
		return fmt.Sprintf("packet %d at the client only", n.Client)
	case n.Client == 0:
		return fmt.Sprintf("packet %d at the server only", n.Server)
	}
	return fmt.Sprintf("packet %d at the client, %d at the server", n.Client, n.Server)
}

// title says how the two captures fit together.
func (e *BothEnds) title() string {
	s := fmt.Sprintf("Both ends: %s at the server has %s of this capture", e.ServerFile, count(e.Matched, "conversation", "conversations"))
	if e.Swapped {
		s = fmt.Sprintf("Both ends: %s is the capture at the client, this one that at the server; they share %s", e.ServerFile, count(e.Matched, "conversation", "conversations"))
	}
	if e.Alone.Client+e.Alone.Server > 0 {
		s += fmt.Sprintf("; %d at the client and %d at the server are in that capture alone", e.Alone.Client, e.Alone.Server)
	}
	if n := e.Omitted.Client + e.Omitted.Server; n > 0 {
		s += fmt.Sprintf("; %d were not looked at (--max-flows)", n)
	}
	if n := e.Missed; n.Client+n.Server > 0 {
		s += fmt.Sprintf("; the captures missed %d and %d packets", n.Client, n.Server)
	}
	k := e.Clock
	if !k.Known {
		return s + "; how the clocks differ is not known"
	}
	s += fmt.Sprintf("; the server's clock is %.3f ms ahead (to %.3f ms), round trip %.3f ms", k.OffsetMS, k.ErrorMS, k.RTTMS)
	if k.Steps > 0 {
		s += fmt.Sprintf(", set %d times", k.Steps)
	}
	return s
}

// shownRows are the rows that are near what did not simply arrive.
func (p *Pair) shownRows() []Row {
	var out []Row
	for i, r := range p.Rows {
		if p.shown(i) {
			out = append(out, r)
		}
	}
	return out
}

// shown reports whether a row is near one that did not simply arrive: at
// most two before or behind it.
func (p *Pair) shown(i int) bool {
	const around = 2
	near := p.Rows[max(0, i-around):min(len(p.Rows), i+around+1)]
	return slices.ContainsFunc(near, func(o Row) bool { return o.Fate != twoends.Arrived })
}

// rowHeader names the columns of the table of packets.
var rowHeader = []string{"from", "client", "ms", "server", "ms", "flags", "seq", "bytes", "fate"}

func (r Row) cells() []string {
	number := func(n int, ms float64) (string, string) {
		if n == 0 {
			return "-", "-"
		}
		return strconv.Itoa(n), strconv.FormatFloat(ms, 'f', 1, 64)
	}
	client, clientMS := number(r.Packet.Client, r.AtClient)
	server, serverMS := number(r.Packet.Server, r.AtServer)
	fate := string(r.Fate)
	if r.Fate == twoends.Injected {
		fate = "NOT SENT by the " + r.From
	}
	return []string{r.From, client, clientMS, server, serverMS, r.Flags, strconv.Itoa(r.Seq), strconv.Itoa(r.PayloadLen), fate}
}

// bothEnds prints what the two captures show together.
func (p *printer) bothEnds(c *Capture, chinese bool) {
	e := c.BothEnds
	p.newline()
	p.wrap("", "  ", e.title(), "")
	if s := c.ownResets(); s != "" {
		p.wrap("", "  ", s, "")
	}
	for i := range e.Pairs {
		pair := &e.Pairs[i]
		for _, one := range pair.told() {
			p.item(one, chinese)
		}
		if rows := pair.shownRows(); len(rows) > 0 {
			p.newline()
			p.rows(rows)
		}
	}
	for i := range e.Missing {
		p.item(e.Missing[i].told(), chinese)
	}
}

func (p *printer) item(one item, chinese bool) {
	p.newline()
	p.wrap("* ", "  ", one.title, "")
	p.sentence("  what        ", "              ", one.summary[language(chinese)], "")
	for _, f := range one.fields {
		p.field(f)
	}
}

// language is the index of a summary.
func language(chinese bool) int {
	if chinese {
		return 1
	}
	return 0
}

// rows prints the table of packets.
func (p *printer) rows(rows []Row) {
	table := [][]string{rowHeader}
	for _, r := range rows {
		table = append(table, r.cells())
	}
	widths := make([]int, len(rowHeader))
	for _, line := range table {
		for i, c := range line {
			widths[i] = max(widths[i], len(c))
		}
	}
	for n, line := range table {
		var b strings.Builder
		for i, c := range line {
			fmt.Fprintf(&b, "  %-*s", widths[i], c)
		}
		color := ""
		if n > 0 && rows[n-1].Fate == twoends.Injected {
			color = red
		}
		p.b.WriteString(p.paint(color, strings.TrimRight(b.String(), " ")) + "\n")
	}
}

func markdownEnds(b *strings.Builder, c *Capture, chinese bool) {
	e := c.BothEnds
	fmt.Fprintf(b, "## %s\n", escape(e.title()))
	if s := c.ownResets(); s != "" {
		fmt.Fprintf(b, "\n%s\n", escape(s))
	}
	tell := func(one item) {
		fmt.Fprintf(b, "\n### %s\n\n%s\n\n", escape(one.title), escape(one.summary[language(chinese)]))
		for _, f := range one.fields {
			markdownField(b, f)
		}
	}
	for i := range e.Pairs {
		pair := &e.Pairs[i]
		for _, one := range pair.told() {
			tell(one)
		}
		b.WriteString("\n| " + strings.Join(rowHeader, " | ") + " |\n|" + strings.Repeat("---|", len(rowHeader)) + "\n")
		for _, r := range pair.Rows {
			for _, c := range r.cells() {
				b.WriteString("| " + escape(c) + " ")
			}
			b.WriteString("|\n")
		}
	}
	for i := range e.Missing {
		tell(e.Missing[i].told())
	}
}
