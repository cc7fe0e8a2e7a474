package twoends

import (
	"time"

	"github.com/rstprobe/rstprobe/internal/packet"
	"github.com/rstprobe/rstprobe/internal/payload"
)

// volley is how far apart packets of one outburst of a box are.
const volley = 10 * time.Millisecond

// trigger is the packet that drew a foreign one, from the capture of who sent
// it: the latest that belongs to it by its numbers, one with something to say
// before one without. Nil: none.
//
// A box takes the numbers of its packet from what it sees: from a packet of
// the other direction it takes the acknowledgment and the end, from one of the
// same direction the end or, where it keeps the packet, the beginning.
func (m *match) trigger(g *seg) *seg {
	if t := m.drew(g); t != nil {
		return t
	}
	for _, o := range m.odd { // one of a volley with numbers of its own shares the first one's
		if o != g && o.in == g.in && o.from == g.from && (g.at-o.at).Abs() <= volley {
			if t := m.drew(o); t != nil {
				return t
			}
		}
	}
	return nil
}

func (m *match) drew(g *seg) *seg {
	var best *seg
	consider := func(s *seg, is bool) {
		if !is || s.has(packet.RST) || m.clientTime(s) > m.clientTime(g)+m.clocks.slack(g.at, g.in) {
			return
		}
		if best == nil || weight(s) > weight(best) || weight(s) == weight(best) && m.clientTime(s) >= m.clientTime(best) {
			best = s
		}
	}
	for _, s := range m.ways[g.from.other()].sent {
		if s.at >= g.at {
			break // the same clock: this end's own capture has both
		}
		answers := g.has(packet.ACK) && s.len() > 0 && s.end() == g.ack
		consider(s, answers || s.has(packet.ACK) && s.ack == g.seq)
	}
	for _, s := range m.ways[g.from].sent {
		consider(s, s.len() > 0 && (s.end() == g.seq || s.seq == g.seq && s.fate == Lost))
	}
	return best
}

// weight is how much a packet has to say that somebody could object to.
func weight(s *seg) int {
	switch {
	case s.size > 0:
		return 3
	case s.has(packet.SYN | packet.ACK):
		return 2
	case s.has(packet.SYN), s.has(packet.FIN):
		return 1
	}
	return 0
}

// reached says what became of a trigger: it reached the other end, at least
// once; or it was taken out, every time; or that is not known.
func (m *match) reached(t *seg) (arrived, taken bool) {
	y := m.ways[t.from]
	if t.fate == Arrived || t.fate == Merged {
		return true, false
	}
	if t.fate != Lost {
		return false, false
	}
	again := ranges(y.got, func(g *seg) bool { return g.fate != Injected }).hold(t)
	return false, !again
}

// times is how often the first octet of a segment was sent, and how many of
// those were lost.
func (m *match) times(t *seg) (sent, lost int) {
	for _, s := range m.ways[t.from].sent {
		if s.seq == t.seq && (s.size > 0) == (t.size > 0) && s.flags&packet.SYN == t.flags&packet.SYN && s.len() > 0 {
			sent++
			if s.fate == Lost {
				lost++
			}
		}
	}
	return sent, lost
}

// asked is the name that a packet asks for; "": none.
func asked(t *seg) string {
	if t == nil {
		return ""
	}
	if name, ok := payload.ServerName(t.data); ok {
		return name
	}
	name, _ := payload.HostHeader(t.data)
	return name
}
