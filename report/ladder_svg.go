package report

import (
	"fmt"
	"net/netip"
	"time"
)

// The measures of a drawing, in its own units: it is as wide as a phone, so
// that its text can be read there too.
const (
	svgWidth  = 400
	svgLeft   = 66  // the client's line; left of it are numbers and times
	svgRight  = 380 // the server's
	svgTop    = 66  // the first packet; above are the names of the ends
	svgBottom = 18
	minGap    = 32  // between packets, so that labels do not touch
	skipGap   = 24  // more, where packets are left out
	timeSpan  = 300 // shared out among the packets by the time between them
	headSize  = 7   // of an arrow, and half a cross
	raise     = 6   // of a label above its arrow
	labelBand = 18  // above an arrow, where its label is
)

// How many letters a label has room for between the lines of the ends: at the
// usual size, and at a small one.
const (
	labelRoom = 44
	smallRoom = 55
)

// drawing is a ladder as the template for SVG takes it.
type drawing struct {
	Width, Height int
	Title         string
	Ends          []caption
	Lines         []line
	Arrows        []arrow
	Skips         []caption
}

// line is an upright one: an end, or the path between two captures.
type line struct {
	X, Top, Bottom int
	Path           bool
}

// caption is text that stands on a point.
type caption struct {
	X, Y   int
	Anchor string // start, middle or end of it is at X
	Size   string // small or tiny, where it is long; "": as usual
	Text   string
}

// arrow is one packet.
type arrow struct {
	Class          string // genuine, foreign or notice
	X1, Y1, X2, Y2 int
	Head           string // the path of its head
	Cross          string // the path of the cross where it begins or ends on the way; "": none
	Mark           string // why it is foreign, in a word; "": it is not
	Label          caption
	Packet, Time   caption
	Note           int // of the list below; 0: none
	NoteX, NoteY   int
}

// svg lays a ladder out: time runs down, to scale but for a least distance
// between packets.
func (l *ladder) svg() drawing {
	d := drawing{
		Width: svgWidth, Title: fmt.Sprintf("Packets between client %s and server %s", endName(l.client), endName(l.server)),
		Ends: []caption{
			{X: 0, Y: 14, Anchor: "start", Text: "client " + endName(l.client)},
			{X: svgWidth, Y: 32, Anchor: "end", Text: "server " + endName(l.server)},
		},
	}
	heights, height := l.heights()
	bottom := svgTop
	for i := range l.rungs {
		r := &l.rungs[i]
		if r.skipped > 0 {
			d.Skips = append(d.Skips, caption{
				X: (svgLeft + svgRight) / 2, Y: heights[i] - minGap + raise, Anchor: "middle", Text: "... " + count(r.skipped, "packet", "packets") + " not shown ...",
			})
		}
		a := r.svg(heights[i], height(i))
		d.Arrows = append(d.Arrows, a)
		bottom = max(bottom, a.Y2)
	}
	d.Height = bottom + svgBottom
	for i := range l.places {
		x := svgLeft + (svgRight-svgLeft)*i/(l.places-1)
		d.Lines = append(d.Lines, line{X: x, Top: svgTop - 24, Bottom: d.Height - 4, Path: i > 0 && i < l.places-1})
	}
	return d
}

// endName is an end; of one without a known address its port.
func endName(a netip.AddrPort) string {
	if !a.Addr().IsValid() {
		return fmt.Sprintf("port %d", a.Port())
	}
	return a.String()
}

// heights are where packets leave, from the top, and a function for where the
// i-th arrives: by the axis of time that the former make.
func (l *ladder) heights() (leave []int, arrive func(i int) int) {
	total := time.Duration(1)
	if n := len(l.rungs); n > 0 {
		total += l.rungs[n-1].at - l.rungs[0].at
	}
	scaled := func(d time.Duration) int { return int(float64(d) / float64(total) * timeSpan) }
	y := svgTop
	for i, r := range l.rungs {
		if i > 0 {
			y += max(minGap, scaled(r.at-l.rungs[i-1].at))
		}
		if r.skipped > 0 {
			y += skipGap
		}
		leave = append(leave, y)
	}
	return leave, func(i int) int {
		till := l.rungs[i].till
		if till <= l.rungs[i].at { // nothing is known of its way, which another at the same time must not seem to tell
			return leave[i]
		}
		for ; i+1 < len(l.rungs); i++ {
			from, to := l.rungs[i].at, l.rungs[i+1].at
			if till < to {
				// Not through the label of what leaves next, be that a bit too early.
				y := leave[i] + int(float64(till-from)/float64(to-from)*float64(leave[i+1]-leave[i]))
				return min(y, leave[i+1]-labelBand)
			}
		}
		return leave[i] + min(2*minGap, scaled(till-l.rungs[i].at))
	}
}

// svg is the arrow of a rung between two heights.
func (r *rung) svg(leave, arrive int) arrow {
	at := func(place float64) int { return svgLeft + int(place*(svgRight-svgLeft)) }
	a := arrow{
		Class: "genuine", X1: at(r.from), Y1: leave, X2: at(r.to), Y2: arrive, Mark: r.mark, Note: r.note,
		Label:  caption{X: (svgLeft + svgRight) / 2, Y: leave - raise, Anchor: "middle", Size: r.size(), Text: r.label},
		Packet: caption{X: 2, Y: leave - 2, Anchor: "start", Text: r.packet},
		Time:   caption{X: 2, Y: leave + 10, Anchor: "start", Text: since(r.at)},
		NoteX:  svgRight + 10, NoteY: leave,
	}
	switch {
	case r.mark == routerMark:
		a.Class = "notice"
	case r.dashed:
		a.Class = "foreign"
	}
	if a.Y1 != a.Y2 && !r.dashed { // slanting arrows cross: each label stays where its packet leaves
		if a.Label.X, a.Label.Anchor = a.X1+headSize, "start"; a.X2 < a.X1 {
			a.Label.X, a.Label.Anchor = a.X1-headSize, "end"
		}
	}
	back := headSize
	if a.X2 > a.X1 {
		back = -headSize
	}
	a.Head = fmt.Sprintf("M%d %d l%d %d l0 %d Z", a.X2, a.Y2, back, -headSize/2, headSize/2*2)
	for _, end := range []struct {
		place float64
		x, y  int
	}{{r.from, a.X1, a.Y1}, {r.to, a.X2, a.Y2}} {
		if r.dashed && end.place > clientPlace && end.place < serverPlace {
			const h = headSize / 2
			a.Cross = fmt.Sprintf("M%d %d l%d %d m0 %d l%d %d", end.x-h, end.y-h, 2*h, 2*h, -2*h, -2*h, 2*h)
		}
	}
	return a
}

// size is that of the label: small where it is long.
func (r *rung) size() string {
	switch n := len(r.mark) + 1 + len(r.label); {
	case n <= labelRoom:
		return ""
	case n <= smallRoom:
		return "small"
	}
	return "tiny"
}

// since is a time for the margin: to the microsecond while that is short.
func since(d time.Duration) string {
	switch {
	case d < time.Second:
		return ms(d) + " ms"
	case d < 1000*time.Second:
		return fmt.Sprintf("%.3f s", d.Seconds())
	}
	return fmt.Sprintf("%.0f s", d.Seconds())
}
