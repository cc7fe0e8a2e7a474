package explain

import (
	"slices"
	"time"

	"github.com/rstprobe/rstprobe/internal/flow"
	"github.com/rstprobe/rstprobe/internal/packet"
)

// side is one of the two ends of a conversation.
type side uint8

const (
	client side = iota // who sent the SYN
	server
)

func (s side) other() side { return 1 - s }

func (s side) String() string {
	if s == client {
		return "client"
	}
	return "server"
}

// seg is one TCP segment of a conversation, by its sender.
type seg struct {
	i         int // index among the conversation's segments
	n         int // number of the packet in the capture
	at        time.Duration
	from      side
	p         packet.Packet
	end       packet.Seq // behind its last octet
	again     bool       // nothing in it that its sender had not sent before
	keepalive bool       // one octet before what its sender would send next (RFC 9293 §3.8.4)
	copies    []int      // numbers of copies of the same packet in the capture
}

func (g *seg) has(f packet.Flags) bool { return g.p.TCP.Flags.Has(f) }

// plain reports whether a segment does nothing but acknowledge.
func (g *seg) plain() bool {
	return g.p.TCP.Len() == 0 && g.has(packet.ACK) && !g.has(packet.RST)
}

func (g *seg) data() int { return g.p.TCP.Size() }

// Mirror ports show a packet before and after a router, switches and
// virtual links show it twice. Copies come within copyWithin of each other;
// a router in between takes one off the TTL each.
const (
	copyWithin = time.Millisecond
	copyHops   = 2
)

// copyOf reports whether two segments are one packet captured twice. One
// without an identification has no number of its own, so that its TTL must be
// the same.
func (g *seg) copyOf(o *seg) bool {
	a, b := g.p, o.p
	if g.from != o.from || g.at-o.at > copyWithin || a.ID != b.ID || a.TCP.Seq != b.TCP.Seq || a.TCP.Ack != b.TCP.Ack ||
		a.TCP.Flags != b.TCP.Flags || a.TCP.Window != b.TCP.Window || a.TCP.Size() != b.TCP.Size() {
		return false
	}
	hops := int(b.TTL) - int(a.TTL)
	return hops == 0 || a.HasID && a.ID != 0 && hops >= -copyHops && hops <= copyHops
}

// segments appends the TCP segments of a record in order to out, each packet
// once, and marks those that repeat.
func segments(out []seg, rec *flow.Record) []seg {
	out = slices.Grow(out, len(rec.Events))
	var next [2]packet.Seq // behind all that a side has sent
	var known [2]bool
	for i := range rec.Events {
		e := &rec.Events[i]
		if e.Kind == flow.Expired || e.Packet.ICMP.Kind != 0 {
			continue
		}
		g := seg{i: len(out), n: e.N, at: e.At, from: client, p: e.Packet}
		if e.Kind == flow.Received {
			g.from = server
		}
		s := g.p.TCP
		g.end = s.Seq.Add(s.Len())
		if first := original(out, &g); first != nil {
			first.copies = append(first.copies, g.n)
			continue
		}
		if !s.Flags.Has(packet.RST) {
			from := g.from
			if known[from] {
				g.again = s.Len() > 0 && !next[from].Before(g.end)
				g.keepalive = s.Len() <= 1 && g.plainACK() && s.Seq == next[from].Add(-1)
			}
			if !known[from] || next[from].Before(g.end) {
				next[from], known[from] = g.end, true
			}
		}
		out = append(out, g)
	}
	return out
}

func (g *seg) plainACK() bool {
	return g.has(packet.ACK) && g.p.TCP.Flags&(packet.SYN|packet.FIN|packet.RST) == 0
}

// original finds the segment that g is a copy of; nil: none.
func original(segs []seg, g *seg) *seg {
	for i := len(segs) - 1; i >= 0 && g.at-segs[i].at <= copyWithin; i-- {
		if g.copyOf(&segs[i]) {
			return &segs[i]
		}
	}
	return nil
}
