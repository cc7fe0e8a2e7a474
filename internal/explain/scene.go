package explain

import (
	"slices"
	"time"

	"github.com/rstprobe/rstprobe/internal/flow"
	"github.com/rstprobe/rstprobe/internal/packet"
	"github.com/rstprobe/rstprobe/internal/payload"
	"github.com/rstprobe/rstprobe/probe"
)

// scene is one conversation, read.
type scene struct {
	conv *flow.Conversation
	segs []seg
	icmp []flow.Event // ICMP errors that quote the conversation

	limited map[int]bool // numbers of a path tracer's copies

	syn, synack *seg          // the first of each; nil: not in the capture
	opened      *seg          // the client's first acknowledgment of the SYN/ACK
	there, here time.Duration // from SYN to SYN/ACK, and from there to the ACK; 0: not known

	draws map[int]draw // by the index of a reset, as they are asked for

	seen   [2]*probe.Observation // see saw; nil: nobody asked yet
	reader *reader
}

// reader reads one conversation after the other. Of a scene nothing is valid
// any more once the next one is read.
type reader struct {
	segs   []seg
	events []flow.Event
}

func (rd *reader) read(c *flow.Conversation) *scene {
	rd.segs = segments(rd.segs[:0], c)
	s := &scene{conv: c, segs: rd.segs, limited: limited(rd.segs), draws: map[int]draw{}, reader: rd}
	for i := range c.Events {
		if e := &c.Events[i]; e.Packet.ICMP.Kind != 0 {
			s.icmp = append(s.icmp, *e)
		}
	}
	s.handshake()
	return s
}

// saw is what came to one end of the conversation: to the client what the
// server sent.
func (s *scene) saw(by side) *probe.Observation {
	if s.seen[by] != nil {
		return s.seen[by]
	}
	rec := s.conv.Record
	if by == server {
		rec = s.mirrored(rec)
	}
	o := probe.Observe(rec)
	// To the server, the client's SYN is what the SYN/ACK is to the client:
	// the packet that its others are compared with.
	if by == server && s.syn != nil && o.SYNACK == nil {
		o.SYNACK = &probe.Seen{N: s.syn.n, At: s.syn.at, Packet: s.syn.p}
		o.RTT = s.here
	}
	s.seen[by] = &o
	return s.seen[by]
}

// mirrored is a record as its other end would have kept it, seen from here,
// without what was to expire on the way.
func (s *scene) mirrored(rec flow.Record) flow.Record {
	rd := s.reader
	rec.Key = packet.Key{Local: rec.Key.Remote, Remote: rec.Key.Local}
	rd.events = append(rd.events[:0], rec.Events...)
	if len(s.limited) > 0 {
		rd.events = slices.DeleteFunc(rd.events, func(e flow.Event) bool { return s.limited[e.N] })
	}
	for i := range rd.events {
		switch e := &rd.events[i]; {
		case e.Packet.ICMP.Kind != 0: // stays a thing received
		case e.Kind == flow.Received:
			e.Kind = flow.Sent
		case e.Kind == flow.Sent, e.Kind == flow.Retransmitted:
			e.Kind = flow.Received
		}
	}
	rec.Events = rd.events
	return rec
}

// limited finds the data that was sent to one place of the client's stream
// with three TTLs and more, as path tracers send it: to expire on the way, each
// copy with bytes of its own. That is neither what its sender's packets look
// like otherwise nor part of the conversation.
func limited(segs []seg) map[int]bool {
	const least = 3
	var usual uint8
	var copies map[packet.Seq][]*seg
	for i := range segs {
		switch g := &segs[i]; {
		case g.from != client:
		case usual == 0:
			usual = g.p.TTL
		case isData(g) && g.p.TTL != usual:
			if copies == nil {
				copies = map[packet.Seq][]*seg{}
			}
			copies[g.p.TCP.Seq] = append(copies[g.p.TCP.Seq], g)
		}
	}
	var found map[int]bool
	for _, list := range copies {
		ttls := map[uint8]bool{}
		for _, g := range list {
			ttls[g.p.TTL] = true
		}
		if len(ttls) < least {
			continue
		}
		if found == nil {
			found = map[int]bool{}
		}
		for _, g := range list {
			found[g.n] = true
		}
	}
	return found
}

// handshake finds the three packets that open a connection, and what passed
// between them. Where a SYN or SYN/ACK was sent more than once it is not
// known which of them was answered (Karn's rule).
func (s *scene) handshake() {
	syns, synacks := 0, 0
	for i := range s.segs {
		g := &s.segs[i]
		switch {
		case g.has(packet.SYN|packet.ACK) && g.from == server:
			synacks++
			if s.synack == nil {
				s.synack = g
			}
		case g.has(packet.SYN) && g.from == client:
			syns++
			if s.syn == nil {
				s.syn = g
			}
		case s.opened == nil && s.synack != nil && g.from == client && g.has(packet.ACK) && !g.has(packet.RST) &&
			g.p.TCP.Ack == s.synack.end:
			s.opened = g
		}
	}
	if s.syn != nil && s.synack != nil && syns == 1 {
		s.there = s.synack.at - s.syn.at
	}
	if s.opened != nil && synacks == 1 {
		s.here = s.opened.at - s.synack.at
	}
}

// rtt is the time from a packet of one side, as it passes the capture point,
// to the other's answer; 0: not known.
func (s *scene) rtt(of side) time.Duration {
	if of == client {
		return s.there
	}
	return s.here
}

// resets are the resets of the conversation, in order.
func (s *scene) resets() []*seg {
	var out []*seg
	for i := range s.segs {
		if s.segs[i].has(packet.RST) {
			out = append(out, &s.segs[i])
		}
	}
	return out
}

// last is the last segment of a side before index i that has a property; nil:
// none.
func (s *scene) last(of side, i int, is func(*seg) bool) *seg {
	for i--; i >= 0; i-- {
		if g := &s.segs[i]; g.from == of && is(g) {
			return g
		}
	}
	return nil
}

// first is the first segment of a side from index i on that has a property.
func (s *scene) first(of side, i int, is func(*seg) bool) *seg {
	for ; i < len(s.segs); i++ {
		if g := &s.segs[i]; g.from == of && is(g) {
			return g
		}
	}
	return nil
}

// count is how many segments of a side before index i have a property.
func (s *scene) count(of side, i int, is func(*seg) bool) int {
	n := 0
	for j := range s.segs[:i] {
		if g := &s.segs[j]; g.from == of && is(g) {
			n++
		}
	}
	return n
}

func isData(g *seg) bool { return g.data() > 0 && !g.keepalive && !g.has(packet.RST) }
func isFIN(g *seg) bool  { return g.has(packet.FIN) && !g.has(packet.RST) && !g.has(packet.SYN) }
func isRST(g *seg) bool  { return g.has(packet.RST) }
func isSYN(g *seg) bool  { return g.has(packet.SYN) && !g.has(packet.RST) }
func any1(*seg) bool     { return true }
func alive(g *seg) bool  { return !g.has(packet.RST) }

// bytes is how much of a side's stream passed before index i: the span of
// sequence numbers of its data.
func (s *scene) bytes(of side, i int) int {
	var low, high packet.Seq
	n := 0
	for j := range s.segs[:i] {
		g := &s.segs[j]
		if g.from != of || !isData(g) {
			continue
		}
		if n == 0 || g.p.TCP.Seq.Before(low) {
			low = g.p.TCP.Seq
		}
		if n == 0 || high.Before(g.end) {
			high = g.end
		}
		n++
	}
	if n == 0 {
		return 0
	}
	return high.Sub(low)
}

// next is the sequence number behind all that a side had sent before index i;
// false: nothing of it was seen.
func (s *scene) next(of side, i int) (packet.Seq, bool) {
	var next packet.Seq
	known := false
	for j := range s.segs[:i] {
		if g := &s.segs[j]; g.from == of && alive(g) && (!known || next.Before(g.end)) {
			next, known = g.end, true
		}
	}
	return next, known
}

// acked is the highest acknowledgment of a side before index i.
func (s *scene) acked(by side, i int) (packet.Seq, bool) {
	var ack packet.Seq
	known := false
	for j := range s.segs[:i] {
		if g := &s.segs[j]; g.from == by && alive(g) && g.has(packet.ACK) && (!known || ack.Before(g.p.TCP.Ack)) {
			ack, known = g.p.TCP.Ack, true
		}
	}
	return ack, known
}

// asked is what the client wants: the kind of name in its first data, and the
// name.
func asked(b []byte) (probe.Trigger, string) {
	if name, ok := payload.ServerName(b); ok {
		return probe.TriggerSNI, name
	}
	if name, ok := payload.HostHeader(b); ok {
		return probe.TriggerHost, name
	}
	return probe.TriggerUnknown, ""
}
