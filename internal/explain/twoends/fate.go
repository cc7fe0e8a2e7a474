package twoends

import (
	"cmp"
	"slices"
	"time"

	"github.com/rstprobe/rstprobe/internal/packet"
	"github.com/rstprobe/rstprobe/probe"
)

// window is when a capture ran, by its own clock, as far as its packets show,
// and followed a conversation.
type window struct{ from, to time.Duration }

func (w window) has(t time.Duration) bool { return w.from <= t && t <= w.to }

// match is a pair while it is worked on.
type match struct {
	*twin
	clocks *clocks
	ran    [2]window
	ways   [2]*way
	missed [2]int // packets that passed the capture at an end and are not in it
	odd    []*seg // packets that arrived, were not sent by their own capture, and were not missed by it for sure
}

// settle decides what became of each packet.
func (m *match) settle() {
	for _, y := range m.ways {
		for _, s := range y.sent {
			if s.fate == "" {
				s.fate = m.after(y, s)
			}
			if s.fate == Uncaptured {
				m.missed[y.from.other()]++
			}
		}
		for _, g := range y.got {
			if g.fate == "" {
				g.fate = m.before(y, g)
			}
			switch g.fate {
			case Uncaptured:
				m.missed[y.from]++
			case Injected:
				m.odd = append(m.odd, g)
			}
		}
	}
	slices.SortStableFunc(m.odd, func(a, b *seg) int { return cmp.Compare(m.clientTime(a), m.clientTime(b)) })
}

// after is what became of a packet that was sent and is not in the other
// capture.
func (m *match) after(y *way, s *seg) Fate {
	far := m.of[y.from.other()]
	switch {
	case !m.ran[y.from.other()].has(m.clocks.carried(s.at, y.from)):
		return Outside
	case !far.whole(s):
		return Unkept
	case m.received(y, s):
		return Uncaptured
	}
	return Lost
}

// received reports whether the other end acknowledged what its capture never
// showed arriving: an acknowledgment covers only what came (RFC 9293 §3.4).
func (m *match) received(y *way, s *seg) bool {
	if s.len() == 0 || s.has(packet.RST) {
		return false
	}
	real := func(g *seg) bool { return g.fate != Injected }
	if s.size > 0 && ranges(y.got, real).hold(s) {
		return false // by another packet
	}
	if s.size == 0 && slices.ContainsFunc(y.got, func(g *seg) bool { return real(g) && g.len() > 0 && g.end() == s.end() }) {
		return false
	}
	return slices.ContainsFunc(m.ways[y.from.other()].sent, func(a *seg) bool {
		return a.has(packet.ACK) && !a.has(packet.RST) && !a.ack.Before(s.end())
	})
}

// before is where a packet comes from that arrived, and that the capture at
// the end in whose name it is does not have.
func (m *match) before(y *way, g *seg) Fate {
	switch {
	case m.twice(y, g):
		return Doubled
	case !m.of[y.from].whole(g):
		return Unkept
	case m.spokeOver(y, g):
		return Uncaptured
	case !m.ran[y.from].has(m.clocks.left(g.at, y.from)) && y.likeSender(g) && !m.contradicted(y, g):
		return Outside
	case g.bare() && y.likeSender(g) && !m.breaksIDs(y, g):
		return Uncaptured // what would be gained by forging it?
	case m.fillsIDs(y, g) && y.likeSender(g) && !m.contradicted(y, g):
		return Uncaptured
	}
	return Injected
}

// twice reports whether the same packet arrived before.
func (m *match) twice(y *way, g *seg) bool {
	return slices.ContainsFunc(y.got, func(o *seg) bool {
		return o != g && (o.fate == Arrived || o.fate == Merged) && y.mark(o) == y.mark(g) && o.id == g.id && o.ttl == g.ttl && !conflict(o, g)
	})
}

// spokeOver reports whether the sender went on behind octets that its own
// capture never shows it sending: then the capture missed them.
func (m *match) spokeOver(y *way, g *seg) bool {
	if g.len() == 0 || g.has(packet.RST) {
		return false
	}
	if g.has(packet.SYN) {
		return len(m.of[y.from].isn[y.from]) == 0 && slices.ContainsFunc(y.sent, func(s *seg) bool { return s.seq == g.end() && !s.has(packet.RST) })
	}
	if ranges(y.sent, func(s *seg) bool { return !s.has(packet.RST) }).hold(g) {
		return false
	}
	over := false
	for _, s := range y.sent {
		switch {
		case s.has(packet.RST):
		case overlap(s, g) && (g.size == 0 || conflict(s, g)):
			return false // there is something else in its place
		case !s.seq.Before(g.end()):
			over = true
		}
	}
	return over
}

// contradicted reports whether the sender went on as if it had not sent a
// reset or FIN: with anything but resets after the one, with data after the
// other. That it was captured at the sender leaves no doubt about the order.
func (m *match) contradicted(y *way, g *seg) bool { return m.wentOn(y, g) != nil }

// wentOn is the packet by which the sender contradicts g; nil: none.
func (m *match) wentOn(y *way, g *seg) *seg {
	sent := m.clocks.left(g.at, y.from)
	for _, s := range y.sent {
		switch {
		case s.at <= sent || s.has(packet.RST) || s.has(packet.SYN):
		case g.has(packet.RST), g.has(packet.FIN) && g.end().Before(s.end()):
			return s
		}
	}
	return nil
}

// law is how the sender chooses identifications, from those of its packets
// that its own capture has.
func (y *way) law() probe.IDLaw {
	var ids []uint16
	for _, s := range y.sent {
		if s.hasID && !s.has(packet.SYN) && !s.has(packet.RST) {
			ids = append(ids, s.id)
		}
	}
	return probe.LawOfIDs(ids, nil)
}

// around are the packets that the sender sent next before and after g, as far
// as clocks tell.
func (m *match) around(y *way, g *seg) (before, after *seg) {
	sent := m.clocks.left(g.at, y.from)
	for _, s := range y.sent {
		switch {
		case s.has(packet.SYN) || s.has(packet.RST):
		case s.at <= sent:
			before = s
		case after == nil:
			after = s
		}
	}
	return before, after
}

// fillsIDs reports whether the identification of g is one that a counting
// sender left out just then.
func (m *match) fillsIDs(y *way, g *seg) bool {
	if !g.hasID || !y.sameIDs || y.law().Kind != probe.IDCounter {
		return false
	}
	before, after := m.around(y, g)
	if before == nil {
		return false
	}
	const next = 8 // packets to others in between
	step := g.id - before.id
	if after == nil {
		return step > 0 && step <= next
	}
	return step > 0 && step < after.id-before.id
}

// breaksIDs reports whether the identification of g is not one that its
// sender would have chosen. Resets and SYN/ACKs of Linux have 0 whatever the
// others have.
func (m *match) breaksIDs(y *way, g *seg) bool {
	if !g.hasID || !y.sameIDs || g.id == 0 {
		return false
	}
	law := y.law()
	before, _ := m.around(y, g)
	switch law.Kind {
	case probe.IDZero:
		return true
	case probe.IDConstant:
		return before != nil && g.id != before.id
	case probe.IDCounter:
		const busy = 1024 // packets to others in between, as many as LawOfIDs allows
		return before != nil && g.id-before.id > busy && before.id-g.id > busy
	}
	return false
}

// clientTime is the time of a segment by the clock of the client's capture.
func (m *match) clientTime(g *seg) time.Duration {
	if g.in == Client {
		return g.at
	}
	s := m.clocks.at(g.at, Server)
	return g.at - s.offset() - m.clocks.gained(g.at-s.offset())
}
