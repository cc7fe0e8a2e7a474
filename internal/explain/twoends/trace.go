package twoends

import (
	"cmp"
	"slices"
	"time"

	"github.com/rstprobe/rstprobe/internal/flow"
	"github.com/rstprobe/rstprobe/internal/packet"
)

// seg is one segment in one capture, as little of it as matching needs.
type seg struct {
	n      int
	at     time.Duration // since 1970, by the clock of its capture
	from   End           // in whose name it is
	in     End           // the capture that it is in
	flags  packet.Flags
	ttl    uint8
	hasID  bool
	hasTS  bool
	id     uint16
	seq    packet.Seq // as the client's capture has it: see trace.shift
	ack    packet.Seq
	ts     uint32
	window uint16
	size   int
	data   []byte // of the payload, what is at hand
	copies []int  // numbers of copies of the same packet in the capture

	mate *seg // the same packet in the other capture; nil: none, or not one
	fate Fate
}

func (g *seg) has(f packet.Flags) bool { return g.flags.Has(f) }

// end is behind the last octet of g.
func (g *seg) end() packet.Seq { return g.seq.Add(g.len()) }

func (g *seg) len() int {
	n := g.size
	if g.has(packet.SYN) {
		n++
	}
	if g.has(packet.FIN) {
		n++
	}
	return n
}

// bare reports whether a segment does nothing but acknowledge.
func (g *seg) bare() bool {
	return g.size == 0 && g.flags&(packet.SYN|packet.FIN|packet.RST) == 0
}

// isData reports whether a segment carries new octets of the stream.
func (g *seg) isData() bool { return g.size > 0 && !g.has(packet.RST) }

// trace is one conversation in one capture.
type trace struct {
	key         packet.Key
	segs        []*seg // by time, copies of a mirror port left out
	first       int
	start, over time.Duration // first packet; until when the capture ran for sure
	guessed     bool
	open        bool // it goes on to the end of its capture
	skipped     bool // packets are missing in segs that the capture has
	specials    [2]specials
	isn         [2][]packet.Seq // all that were seen in a SYN, in order
	syn         *seg
}

// specials are how many SYNs, FINs and resets of an end a capture has.
type specials struct{ syns, fins, resets int }

// traceOf is a conversation in little space.
func traceOf(c *flow.Conversation, in End) *trace {
	t := &trace{
		key: c.Key, first: c.First, guessed: c.Guessed, skipped: c.Skipped > 0,
		open: c.Ended == flow.Flushed || c.Ended == 0,
		specials: [2]specials{
			{c.Client.SYNs, c.Client.FINs, c.Client.Resets},
			{c.Server.SYNs, c.Server.FINs, c.Server.Resets},
		},
	}
	began := time.Duration(c.Start.UnixNano())
	t.start, t.over = began, began+c.End
	byNumber := map[int]*seg{}
	for i := range c.Events {
		e := &c.Events[i]
		if e.Kind == flow.Expired || e.Packet.Proto != packet.TCP {
			continue
		}
		if g := byNumber[e.Copy]; g != nil && e.Copy > 0 {
			g.copies = append(g.copies, e.N)
			continue
		}
		g := segOf(e, began)
		g.in = in
		byNumber[g.n] = g
		t.segs = append(t.segs, g)
	}
	slices.SortStableFunc(t.segs, func(a, b *seg) int { return cmp.Compare(a.at, b.at) })
	t.learn()
	return t
}

func segOf(e *flow.Event, began time.Duration) *seg {
	p := &e.Packet
	s := &p.TCP
	g := &seg{
		n: e.N, at: began + e.At, flags: s.Flags, ttl: p.TTL, hasID: p.HasID, id: p.ID,
		seq: s.Seq, ack: s.Ack, window: s.Window, size: s.Size(), data: s.Payload,
	}
	if e.Kind == flow.Received {
		g.from = Server
	}
	g.ts, _, g.hasTS = s.Timestamps()
	return g
}

// learn takes what the packets that open the connection tell.
func (t *trace) learn() {
	t.isn, t.syn = [2][]packet.Seq{}, nil
	for _, g := range t.segs {
		t.over = max(t.over, g.at)
		if !g.has(packet.SYN) || g.has(packet.RST) || g.has(packet.ACK) != (g.from == Server) {
			continue
		}
		if !slices.Contains(t.isn[g.from], g.seq) {
			t.isn[g.from] = append(t.isn[g.from], g.seq)
		}
		if t.syn == nil && g.from == Client {
			t.syn = g
		}
	}
	if len(t.segs) > 0 {
		t.start = min(t.start, t.segs[0].at)
	}
}

// turn exchanges client and server, where they were guessed wrong.
func (t *trace) turn() {
	t.key.Local, t.key.Remote = t.key.Remote, t.key.Local
	t.specials[Client], t.specials[Server] = t.specials[Server], t.specials[Client]
	for _, g := range t.segs {
		g.from = g.from.other()
	}
	t.learn()
}

// shift moves the numbers of both ends, so that they are those of the other
// capture.
func (t *trace) shift(by [2]int) {
	for _, g := range t.segs {
		g.seq = g.seq.Add(by[g.from])
		if g.has(packet.ACK) {
			g.ack = g.ack.Add(by[g.from.other()])
		}
	}
}

// of are the segments in the name of an end.
func (t *trace) of(e End) []*seg {
	var out []*seg
	for _, g := range t.segs {
		if g.from == e {
			out = append(out, g)
		}
	}
	return out
}

// whole reports whether t would hold a segment like g in the name of the same
// end if its capture has it: all packets were kept, or all of this kind.
func (t *trace) whole(g *seg) bool {
	if !t.skipped {
		return true
	}
	var kept specials
	for _, o := range t.segs {
		if o.from != g.from {
			continue
		}
		switch {
		case o.has(packet.RST):
			kept.resets++
		case o.has(packet.SYN):
			kept.syns++
		case o.has(packet.FIN):
			kept.fins++
		}
	}
	all := t.specials[g.from]
	switch {
	case g.has(packet.RST):
		return kept.resets >= all.resets
	case g.has(packet.SYN):
		return kept.syns >= all.syns
	case g.has(packet.FIN):
		return kept.fins >= all.fins
	}
	return false
}
