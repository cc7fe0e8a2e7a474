package report

import (
	"fmt"
	"time"
)

// The measures of a drawing, in its own units (pixels at full size).
const (
	svgWidth  = 700
	svgLeft   = 190 // the client's line
	svgRight  = 660 // the server's
	svgTop    = 64  // the first packet; above are the names of the ends
	svgBottom = 18
	minGap    = 30  // between packets, so that labels do not touch
	skipGap   = 24  // more, where packets are left out
	timeSpan  = 300 // shared out among the packets by the time between them
	headSize  = 7   // of an arrow, and half a cross
	raise     = 5   // of a label above its arrow
)

// drawing is a ladder as the template for SVG takes it.
type drawing struct {
	Width, Height  int
	Title          string
	Client, Server string
	Lines          []line
	Arrows         []arrow
	Skips          []caption
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
		Width: svgWidth, Client: l.client.String(), Server: l.server.String(),
		Title: fmt.Sprintf("Packets between client %s and server %s", l.client, l.server),
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
		for ; i+1 < len(l.rungs); i++ {
			from, to := l.rungs[i].at, l.rungs[i+1].at
			if till < to {
				return leave[i] + int(float64(till-from)/float64(to-from)*float64(leave[i+1]-leave[i]))
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
		Label:  caption{X: (at(r.from) + at(r.to)) / 2, Y: leave - raise, Anchor: "middle", Text: r.label},
		Packet: caption{X: 4, Y: leave + 4, Anchor: "start", Text: r.packet},
		Time:   caption{X: svgLeft - 14, Y: leave + 4, Anchor: "end", Text: ms(r.at) + " ms"},
		NoteX:  svgRight + 22, NoteY: leave,
	}
	switch {
	case r.mark == routerMark:
		a.Class = "notice"
	case r.dashed:
		a.Class = "foreign"
	}
	if a.Y1 != a.Y2 { // slanting arrows cross: each label stays where its packet leaves
		if a.Label.X, a.Label.Anchor = a.X1+headSize, "start"; a.X2 < a.X1 {
			a.Label.X, a.Label.Anchor = a.X1-headSize, "end"
		}
	} else if r.dashed { // room for a word more than half an arrow has
		a.Label.X = (svgLeft + svgRight) / 2
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
		if end.place == middle {
			const h = headSize / 2
			a.Cross = fmt.Sprintf("M%d %d l%d %d m0 %d l%d %d", end.x-h, end.y-h, 2*h, 2*h, -2*h, -2*h, 2*h)
		}
	}
	return a
}
