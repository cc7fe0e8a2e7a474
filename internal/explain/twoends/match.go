package twoends

import (
	"bytes"
	"cmp"
	"slices"
	"time"

	"github.com/rstprobe/rstprobe/internal/packet"
)

// way is one direction of a pair: what passed the sender's own capture, and
// what passed the one at the other end.
type way struct {
	from      End
	stamped   bool // timestamps pass unchanged
	rewritten bool // sequence numbers of the server do not
	sent, got []*seg
	ttls      Span // of the sender's packets, as they arrive; High 0: not known
	crossed   Span // routers that they crossed
	sameIDs   bool // identifications pass unchanged
}

func newWay(w *twin, from End) *way {
	return &way{
		from: from, stamped: sameTSval(w.of[Client], w.of[Server]), rewritten: w.rewritten[Server],
		sent: w.of[from].of(from), got: w.of[from.other()].of(from),
	}
}

// mark is what does not change about a segment on its way. Interfaces that
// merge segments may add PSH, routers set ECN bits.
type mark struct {
	seq, ack packet.Seq
	flags    packet.Flags
	size     int
	ts       uint32
}

func (y *way) mark(g *seg) mark {
	m := mark{seq: g.seq, ack: g.ack, flags: g.flags &^ (packet.PSH | packet.ECE | packet.CWR), size: g.size}
	if y.stamped {
		m.ts = g.ts
	}
	return m
}

// byMark sorts segments by their marks.
func (y *way) byMark(list []*seg) map[mark][]*seg {
	out := make(map[mark][]*seg, len(list))
	for _, g := range list {
		m := y.mark(g)
		out[m] = append(out[m], g)
	}
	return out
}

// sure are the packets that are in each capture just once, which needs no
// clock to see. Resets are what is to be found out about; and what rewrites
// the server's numbers may be a SYN proxy, which opens the connection itself:
// there data are the better witnesses.
func (y *way) sure(do func(sent, got *seg)) {
	sent, got := y.byMark(y.sent), y.byMark(y.got)
	spoke := y.rewritten && slices.ContainsFunc(y.sent, func(g *seg) bool {
		return g.isData() && len(sent[y.mark(g)]) == 1 && len(got[y.mark(g)]) == 1
	})
	for _, g := range y.sent {
		m := y.mark(g)
		if !g.has(packet.RST) && !(g.has(packet.SYN) && spoke) && len(sent[m]) == 1 && len(got[m]) == 1 && !conflict(g, got[m][0]) {
			do(g, got[m][0])
		}
	}
}

// conflict reports whether two segments have different octets in one place.
func conflict(a, b *seg) bool {
	if b.seq.Before(a.seq) {
		a, b = b, a
	}
	skip := b.seq.Sub(a.seq)
	if skip < 0 || skip >= len(a.data) {
		return false
	}
	n := min(len(a.data)-skip, len(b.data))
	return !bytes.Equal(a.data[skip:skip+n], b.data[:n])
}

// learn takes what packets of this direction look like on arrival from those
// whose origin is beyond doubt.
func (y *way) learn() {
	same, all := 0, 0
	y.sure(func(sent, got *seg) {
		y.ttls.take(int(got.ttl))
		y.crossed.take(int(sent.ttl) - int(got.ttl))
		if sent.hasID && got.hasID && sent.id != 0 {
			all++
			if sent.id == got.id {
				same++
			}
		}
	})
	y.sameIDs = all > 0 && same == all
}

// take widens a span, which is empty if High is 0 and Low is, too.
func (s *Span) take(n int) {
	if *s == (Span{}) {
		*s = Span{n, n}
		return
	}
	s.Low, s.High = min(s.Low, n), max(s.High, n)
}

func (s Span) has(n int) bool { return s.Low <= n && n <= s.High }

// samples are the shortest gaps of this direction, second by second.
func (y *way) samples() []sample {
	var out []sample
	y.sure(func(sent, got *seg) {
		s := sample{at: sent.at}
		if y.from == Server {
			s.at = got.at
		}
		s.gap[y.from], s.has[y.from] = got.at-sent.at, true
		if n := len(out); n > 0 && (s.at-out[n-1].at).Abs() < time.Second {
			out[n-1].add(s.gap, s.has)
		} else {
			out = append(out, s)
		}
	})
	return out
}

// match finds for each packet that arrived the one that was sent.
func (y *way) match(c *clocks) {
	marks := y.byMark(y.sent)
	pass := func(fits func(sent, got *seg) bool) {
		for _, g := range y.got {
			if g.mate != nil {
				continue
			}
			// Of packets that are all alike the last that can have been this
			// one: those before it were more likely lost than late.
			list := marks[y.mark(g)]
			for _, s := range slices.Backward(list) {
				if s.mate == nil && !y.tooEarly(c, s, g) && fits(s, g) {
					y.join(s, g)
					break
				}
			}
		}
	}
	pass(func(s, g *seg) bool { return y.sameIDs && s.hasID && g.hasID && s.id != 0 && s.id == g.id })
	for _, routes := range []int{0, routes} {
		pass(func(s, g *seg) bool {
			return s.window == g.window && y.crossedAlike(s, g, routes) && !y.otherID(s, g) && !conflict(s, g)
		})
	}
	pass(func(s, g *seg) bool { return y.crossedAlike(s, g, 0) && !y.otherID(s, g) && !conflict(s, g) })
	pass(func(s, g *seg) bool {
		return !g.has(packet.RST) && (y.likeSender(g) || !y.otherID(s, g)) && !conflict(s, g)
	})
	y.regroup(c)
}

// routes is what the length of a way may change by: packets of one connection
// may take several.
const routes = 1

// crossedAlike reports whether got, if it is sent, crossed as many routers as
// others of its direction did, or so many more or less.
func (y *way) crossedAlike(sent, got *seg, routes int) bool {
	return y.ttls == Span{} || Span{y.crossed.Low - routes, y.crossed.High + routes}.has(int(sent.ttl)-int(got.ttl))
}

// likeSender reports whether a packet arrives with a TTL that the sender's
// packets arrive with.
func (y *way) likeSender(g *seg) bool {
	return y.ttls == Span{} || Span{y.ttls.Low - routes, y.ttls.High + routes}.has(int(g.ttl))
}

// otherID reports whether the identifications of two segments tell them apart.
func (y *way) otherID(s, g *seg) bool {
	return y.sameIDs && s.hasID && g.hasID && s.id != g.id
}

// tooEarly reports whether got passed its capture before sent could have.
func (y *way) tooEarly(c *clocks, sent, got *seg) bool {
	return got.at < c.carried(sent.at, y.from)-c.slack(sent.at, y.from)
}

func (y *way) join(s, g *seg) {
	s.mate, g.mate = g, s
	s.fate = Arrived
	if conflict(s, g) {
		s.fate = Altered
	}
	g.fate = s.fate
}

// regroup finds the octets of segments that an interface merged on arrival,
// or that had yet to be cut when they were captured: by ranges of octets.
func (y *way) regroup(c *clocks) {
	for _, g := range y.got {
		if g.mate == nil && y.carries(c, g) {
			g.fate = Merged
		}
	}
	received := ranges(y.got, func(g *seg) bool { return g.fate == Merged })
	for _, s := range y.sent {
		if s.mate == nil && s.isData() && received.hold(s) {
			s.fate = Merged
		}
	}
	// What arrived in one piece and was sent in several, of which one arrived
	// by itself as well, is the same.
	for _, g := range y.got {
		if g.fate == Merged {
			g.mate = y.beginning(g)
		}
	}
}

// beginning is the segment sent that the first octet of a merged one was in.
func (y *way) beginning(g *seg) *seg {
	for _, s := range slices.Backward(y.sent) {
		if s.fate == Merged && !g.seq.Before(s.seq) && g.seq.Before(s.end()) {
			if s.mate == nil {
				s.mate = g
			}
			return s
		}
	}
	return nil
}

// carries reports whether every octet of a segment that arrived was sent
// before it, and its FIN.
func (y *way) carries(c *clocks, g *seg) bool {
	if !g.isData() || !y.likeSender(g) {
		return false
	}
	before := func(s *seg) bool { return s.isData() && !y.tooEarly(c, s, g) }
	for _, s := range y.sent {
		if before(s) && overlap(s, g) && conflict(s, g) {
			return false
		}
	}
	if !ranges(y.sent, before).hold(g) {
		return false
	}
	return !g.has(packet.FIN) || slices.ContainsFunc(y.sent, func(s *seg) bool { return s.has(packet.FIN) && s.end() == g.end() })
}

func overlap(a, b *seg) bool { return a.seq.Before(b.end()) && b.seq.Before(a.end()) }

// span is a range of octets of a stream, behind its anchor.
type span struct{ from, to int }

// spans are ranges of octets, apart from each other and in order.
type spans struct {
	anchor packet.Seq
	list   []span
}

// ranges are the octets of payload in those of the segments that are wanted.
func ranges(segs []*seg, wanted func(*seg) bool) spans {
	var out spans
	first := true
	for _, g := range segs {
		if g.size == 0 || !wanted(g) {
			continue
		}
		if first {
			out.anchor, first = g.seq, false
		}
		from := g.seq.Sub(out.anchor)
		out.list = append(out.list, span{from, from + g.size})
	}
	slices.SortFunc(out.list, func(a, b span) int { return cmp.Compare(a.from, b.from) })
	joined := out.list[:0]
	for _, s := range out.list {
		if n := len(joined); n > 0 && s.from <= joined[n-1].to {
			joined[n-1].to = max(joined[n-1].to, s.to)
		} else {
			joined = append(joined, s)
		}
	}
	out.list = joined
	return out
}

// hold reports whether all octets of a segment are among them.
func (r spans) hold(g *seg) bool {
	if g.size == 0 {
		return false
	}
	from := g.seq.Sub(r.anchor)
	return slices.ContainsFunc(r.list, func(s span) bool { return s.from <= from && from+g.size <= s.to })
}
