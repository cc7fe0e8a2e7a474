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

// copyWithin is the time between packets that one thing sent at once.
const copyWithin = time.Millisecond

// segments appends the TCP segments of a conversation in order to out, each
// packet once, and marks those that repeat. Copies are told by package flow; a
// reset that comes twice where nothing else does was sent twice.
func segments(out []seg, c *flow.Conversation) []seg {
	out = slices.Grow(out, len(c.Events))
	var next [2]packet.Seq // behind all that a side has sent
	var known [2]bool
	for i := range c.Events {
		e := &c.Events[i]
		if e.Kind == flow.Expired || e.Packet.ICMP.Kind != 0 {
			continue
		}
		if c.Mirrored && e.Copy > 0 {
			if first := numbered(out, e.Copy); first != nil {
				first.copies = append(first.copies, e.N)
				continue
			}
		}
		g := seg{i: len(out), n: e.N, at: e.At, from: client, p: e.Packet}
		if e.Kind == flow.Received {
			g.from = server
		}
		s := g.p.TCP
		g.end = s.Seq.Add(s.Len())
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

// numbered finds a segment by its number, which is one of the last; nil: it
// was not kept.
func numbered(segs []seg, n int) *seg {
	for i := len(segs) - 1; i >= 0; i-- {
		if segs[i].n == n {
			return &segs[i]
		}
	}
	return nil
}
