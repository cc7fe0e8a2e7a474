package report

import (
	"fmt"
	"slices"
	"strings"
	"unicode/utf8"

	"github.com/rstprobe/rstprobe/probe"
	"github.com/rstprobe/rstprobe/traceroute"
)

// The measures of the picture of a path, in its own units: it is as wide as a
// phone, so that its text can be read there too.
const (
	routeWidth   = 384
	controlLane  = 26  // the line of the control's copies
	testLane     = 74  // and of the test's
	ttlRight     = 118 // numbers of hops end here
	routeText    = 125 // what is said of hops begins here
	routeRight   = 380
	lineHeight   = 15
	hopGap       = 11  // between hops
	barLeft      = 190 // of the bars that are the round trips
	boxText      = 102
	boxLetters   = 34 // of a line inside a box
	hopLetters   = 34 // of a line about a hop
	longAddress  = 34 // letters from which an address is set smaller
	mostAddress  = 40 // and at most; without a zone one has 39
	silentRun    = 4  // silent hops in a row that become one line
	silentHeight = 24
	frameGap     = 5 // between a frame and the next hop
)

// routeDrawing is the path as the template for SVG takes it.
type routeDrawing struct {
	Width, Height int
	Title         string
	Lanes         []caption
	Groups        []routeGroup
	Maybes        []routeRect // segments that are several hops long
	Rails         []routeRail
	Boxes         []routeBox
	Hops          []routeHop
	Legend        []routeSign
}

type routeRect struct{ X, Y, Width, Height int }

// routeGroup are hops of one autonomous system.
type routeGroup struct {
	routeRect
	Label caption
}

// routeRail is a piece of the way of the control's or the test's copies.
type routeRail struct {
	X, Y1, Y2 int
	Lost      bool // nothing shows that they come that way
}

type routeBox struct {
	routeRect
	Lines   []caption
	Barrier routeRect
	Tap     bool // packets pass it
}

type routeHop struct {
	TTL, Address    caption
	Long            bool // the address is
	Words           []caption
	Answer          *caption // what the test drew, where that is of note
	Bar             routeRect
	Control, Tested *routeSign
}

// routeSign is how an answer is drawn: never by its colour alone.
type routeSign struct {
	Class, Path, Cross string
	Word               string // for the legend
}

// stop is a hop, or several silent ones, with its height.
type stop struct {
	from, to        Hop // the same but for silent ones
	y, height, rail int // its top, and where its signs are
}

// route draws the path: control and test side by side, down the page. nil:
// it was not traced.
func (d Document) route() *routeDrawing {
	if len(d.Path.Hops) == 0 {
		return nil
	}
	r := &routeLayout{doc: d, marks: d.marks(), drawing: &routeDrawing{Width: routeWidth, Title: d.pathTitle()}}
	for _, h := range d.Path.Hops {
		r.slowest = max(r.slowest, h.RTTMS)
		if h.Test != traceroute.NotSent {
			r.tested = true
		}
	}
	return r.draw()
}

// routeLayout lays a path out.
type routeLayout struct {
	doc     Document
	marks   []mark
	drawing *routeDrawing
	tested  bool    // test copies were sent
	slowest float64 // round trip, ms
	y       int
	stops   []stop
	used    []traceroute.Answer
}

func (r *routeLayout) draw() *routeDrawing {
	out := r.drawing
	out.Lanes = []caption{{X: controlLane, Y: 12, Anchor: "middle", Text: "control"}}
	if r.tested {
		out.Lanes = append(out.Lanes, caption{X: testLane, Y: 12, Anchor: "middle", Text: "test"})
	}
	r.y = 34
	top := r.y
	r.here()
	next, group := 0, 0
	hops := r.doc.hops()
	networks := networks(hops)
	for i := 0; i < len(hops); {
		for ; next < len(r.marks) && r.marks[next].after < hops[i].TTL; next++ {
			r.box(r.marks[next])
		}
		if n := networks[i]; n.ASN != 0 && (i == 0 || networks[i-1].ASN != n.ASN) {
			group = r.y
			r.y += 20
		}
		n := r.silent(hops[i:])
		r.stop(hops[i], hops[i+n-1])
		i += n
		if last := networks[i-1]; last.ASN != 0 && (i == len(hops) || networks[i].ASN != last.ASN) {
			r.group(group, last)
		}
	}
	for ; next < len(r.marks); next++ {
		r.box(r.marks[next])
	}
	out.Height = r.y + 4
	r.rails(top)
	r.wide()
	r.legend()
	return out
}

// networks are those of hops; of silent ones that of both neighbours, where
// they have the same.
func networks(hops []Hop) []Network {
	out := make([]Network, len(hops))
	last := -1 // hop that is not silent
	for i, h := range hops {
		if !h.IP.IsValid() {
			continue
		}
		out[i] = h.Network
		if last >= 0 && out[last].ASN == h.ASN {
			for k := last + 1; k < i; k++ {
				out[k] = h.Network
			}
		}
		last = i
	}
	return out
}

// here draws this machine, where all begins.
func (r *routeLayout) here() {
	h := routeHop{Words: []caption{{X: routeText, Y: r.y + 4, Text: "this machine"}}}
	if ip := r.doc.SourceIP; ip.IsValid() {
		r.y += lineHeight
		h.Words = append(h.Words, caption{X: routeText, Y: r.y + 4, Text: cut(clean(ip.String(), true), hopLetters+8)})
	}
	r.drawing.Hops = append(r.drawing.Hops, h)
	r.y += hopGap + 5
}

// silent is how many hops from the first on become one line: 1, but for many
// silent ones of which there is nothing else to say.
func (r *routeLayout) silent(hops []Hop) int {
	mute := func(h Hop) bool {
		return !h.IP.IsValid() && h.Name == "" && h.ASN == 0 && !interferes(h.Test) && h.Control == hops[0].Control && h.Test == hops[0].Test
	}
	n := 0
	for n < len(hops) && mute(hops[n]) {
		n++
		if slices.ContainsFunc(r.marks, func(m mark) bool { return m.after == hops[n-1].TTL || m.at == hops[n-1].TTL+1 }) {
			break
		}
	}
	if n < silentRun {
		return 1
	}
	return n
}

// server names who answers at the end.
func (r *routeLayout) server() string {
	if r.doc.standsIn() {
		return "control address"
	}
	return "server"
}

// stop draws a hop, or several silent ones.
func (r *routeLayout) stop(from, to Hop) {
	s := stop{from: from, to: to, y: r.y}
	h := routeHop{
		TTL:     caption{X: ttlRight, Y: r.y + 15, Anchor: "end", Text: fmt.Sprint(from.TTL)},
		Control: r.sign(from.Control, controlLane, r.y+11),
		Tested:  r.sign(from.Test, testLane, r.y+11),
	}
	s.rail = r.y + 11
	line := r.y + 15
	say := func(text string) {
		line += lineHeight
		h.Words = append(h.Words, caption{X: routeText, Y: line, Text: text})
	}
	switch {
	case from.TTL != to.TTL:
		h.TTL.Text = ""
		h.Words = []caption{{X: routeText, Y: line, Text: fmt.Sprintf("%d to %d: silent", from.TTL, to.TTL)}}
	case !from.IP.IsValid() && from.Control != traceroute.FromServer:
		h.Words = []caption{{X: routeText, Y: line, Text: "silent"}}
	default:
		address := cut(clean(from.cells()[1], true), mostAddress)
		h.Address = caption{X: routeText, Y: line, Text: address}
		h.Long = utf8.RuneCountInString(address) > longAddress
		if from.Control == traceroute.FromServer {
			say("the " + r.server())
		}
		if name := clean(from.Name, true); name != "" {
			say(cut(name, hopLetters))
		}
		if from.RTTMS > 0 {
			say(from.cells()[2] + " ms")
			h.Bar = routeRect{barLeft, line - 7, max(2, int(float64(routeRight-barLeft)*from.RTTMS/r.slowest)), 5}
		}
	}
	if word := signWords[from.Test]; interferes(from.Test) || from.Test == traceroute.Unreachable {
		line += lineHeight
		h.Answer = &caption{X: routeText, Y: line, Text: "test: " + word}
	}
	r.drawing.Hops = append(r.drawing.Hops, h)
	s.height = max(silentHeight, line-r.y+hopGap)
	r.y += s.height
	r.stops = append(r.stops, s)
}

// box draws a box between hops.
func (r *routeLayout) box(m mark) {
	b := routeBox{Tap: m.author != string(probe.InPath) && r.doc.passes(m)}
	say := func(size string, words ...string) {
		for _, w := range words {
			size := size
			if utf8.RuneCountInString(w) > boxLetters { // an address, which cannot be parted
				size, w = size+" long", cut(w, mostAddress+2)
			}
			b.Lines = append(b.Lines, caption{X: boxText, Y: r.y + 17 + len(b.Lines)*lineHeight, Size: size, Text: w})
		}
	}
	say("place", wrapped("BOX "+m.place, boxLetters)...)
	if m.wide {
		say("", "anywhere inside the dashed frame")
	}
	say("", wrapped(m.who, boxLetters)...)
	b.routeRect = routeRect{4, r.y, routeRight - 4, len(b.Lines)*lineHeight + 12}
	middle := r.y + b.Height/2
	b.Barrier = routeRect{testLane - 16, middle - 5, 32, 10}
	if b.Tap {
		b.Barrier = routeRect{testLane - 7, middle - 7, 14, 14}
	}
	r.drawing.Boxes = append(r.drawing.Boxes, b)
	r.y += b.Height + 10
}

// group frames the hops of an autonomous system from y on.
func (r *routeLayout) group(y int, n Network) {
	r.drawing.Groups = append(r.drawing.Groups, routeGroup{
		routeRect{ttlRight - 28, y, routeWidth - ttlRight + 28, r.y - y - 4},
		caption{X: routeText, Y: y + 15, Text: cut(clean(n.text(), true), hopLetters)},
	})
	r.y += 4
}

// wide frames the hops of which one has a box.
func (r *routeLayout) wide() {
	for i, m := range r.marks {
		if !m.wide {
			continue
		}
		box := r.drawing.Boxes[i]
		bottom := box.Y + box.Height
		for _, s := range r.stops {
			if s.to.TTL < m.at {
				bottom = max(bottom, s.y+s.height-frameGap)
			}
		}
		r.drawing.Maybes = append(r.drawing.Maybes, routeRect{box.X, box.Y, box.Width, bottom - box.Y})
	}
}

// rails draws how far the copies come.
func (r *routeLayout) rails(top int) {
	rail := func(x int, answer func(Hop) traceroute.Answer) {
		reach, end := top, top
		for _, s := range r.stops {
			a := answer(s.to)
			if a == traceroute.NotSent {
				continue
			}
			end = s.rail
			if arrives(a) {
				reach = s.rail
			}
		}
		for i, m := range r.marks { // what a box answered had come as far as it
			if x == testLane && r.doc.boxAnswers(m) {
				reach = max(reach, r.drawing.Boxes[i].Barrier.Y)
			}
		}
		if reach > top {
			r.drawing.Rails = append(r.drawing.Rails, routeRail{X: x, Y1: top, Y2: reach})
		}
		if end > reach {
			r.drawing.Rails = append(r.drawing.Rails, routeRail{X: x, Y1: reach, Y2: end, Lost: true})
		}
	}
	rail(controlLane, func(h Hop) traceroute.Answer { return h.Control })
	if r.tested {
		rail(testLane, func(h Hop) traceroute.Answer { return h.Test })
	}
}

// passes reports whether test copies came to a hop behind a place.
func (d Document) passes(m mark) bool {
	return slices.ContainsFunc(d.Path.Hops, func(h Hop) bool { return h.TTL >= m.at && arrives(h.Test) })
}

// boxAnswers reports whether test copies beyond a place were answered by
// something else than routers.
func (d Document) boxAnswers(m mark) bool {
	return slices.ContainsFunc(d.Path.Hops, func(h Hop) bool { return h.TTL > m.after && interferes(h.Test) })
}

// arrives reports whether an answer shows that a copy came to the hop.
func arrives(a traceroute.Answer) bool {
	switch a {
	case traceroute.TimeExceeded, traceroute.BothAnswers, traceroute.Unreachable, traceroute.FromServer:
		return true
	case traceroute.NotSent, traceroute.Silent, traceroute.ResetAnswer, traceroute.Injected:
	}
	return false
}

// wrapped is text in lines of at most n letters, as far as its words allow.
func wrapped(text string, n int) []string {
	var out []string
	for _, word := range strings.Fields(clean(text, true)) {
		if last := len(out) - 1; last >= 0 && utf8.RuneCountInString(out[last])+1+utf8.RuneCountInString(word) <= n {
			out[last] += " " + word
		} else {
			out = append(out, word)
		}
	}
	return out
}

// cut is s, or its first n letters with a mark.
func cut(s string, n int) string {
	if utf8.RuneCountInString(s) <= n {
		return s
	}
	return string([]rune(s)[:n-1]) + "…"
}
