package utcp

import (
	"time"

	"github.com/rstprobe/rstprobe/internal/flow"
	"github.com/rstprobe/rstprobe/internal/packet"
)

// Receive takes a packet of this flow, or an ICMP error that quotes it, that
// arrived at the given time as number n of the exported capture; now is the
// time of the call.
func (c *Conn) Receive(at, now time.Time, p packet.Packet, n int) {
	if c.state == closed || len(c.rec.Events) == 0 { // what comes before we spoke is about an earlier flow
		return
	}
	c.elapsed = uint32(now.Sub(c.synSentAt).Milliseconds()) //nolint:gosec // a millisecond clock wraps, RFC 7323 §5.4
	c.rec.Events = append(c.rec.Events, flow.Event{At: c.offset(at), Kind: flow.Received, Packet: c.brief(p), N: n})
	switch {
	case p.ICMP.Kind == packet.TimeExceeded:
		c.checkSweep(now)
	case p.ICMP.Kind != 0:
		if len(c.cfg.SYNCopies) == 0 {
			c.end(now, c.cfg.Linger)
		}
		c.checkSweep(now)
	case len(c.cfg.SYNCopies) > 0:
		c.receiveSYNSweep(now, p)
	case c.state == adrift:
		// A stimulus without a connection may draw a box's reset and later the
		// host's own; an ACK can draw only one.
		if c.cfg.Stray && p.TCP.Flags.Has(packet.RST) {
			c.end(now, c.cfg.Linger)
		}
	case p.TCP.Flags.Has(packet.RST):
		// Whether a real TCP would believe it is for the judge to say; we
		// only note it, stop repeating ourselves and go on listening.
		c.rtoAt = time.Time{}
		if c.state == synSent || !c.cfg.bursts() {
			c.end(now, c.cfg.Linger)
		}
	case c.state == synSent:
		c.receiveSYNACK(at, now, p)
	default:
		c.receiveSegment(now, p)
	}
}

// receiveSYNACK completes the handshake.
func (c *Conn) receiveSYNACK(at, now time.Time, p packet.Packet) {
	s := p.TCP
	if s.Flags == packet.ACK && s.Ack != c.cfg.ISN.Add(1) {
		// The peer may hold an earlier connection between the same ports, whose
		// reset got lost, and challenges us (RFC 5961 §4.2). Once it is gone the
		// SYN that goes again opens ours.
		c.push(packet.RST, s.Ack) // RFC 9293 §3.10.7.3
		return
	}
	if !s.Flags.Has(packet.SYN|packet.ACK) || s.Ack != c.cfg.ISN.Add(1) {
		return
	}
	c.state, c.opened = established, true
	c.in = stream{start: s.Seq.Add(1), next: s.Seq.Add(1)}
	c.heard = c.in.start
	c.sndUna = s.Ack
	if mss, ok := s.MSS(); ok && mss > 0 {
		c.peerMSS = max(minMSS, int(mss))
	}
	if val, _, ok := s.Timestamps(); ok {
		c.hasTS, c.tsEcho = true, val
	}
	c.hasSACK = s.SACKPermitted() && !c.cfg.Bare
	if c.resent == 0 { // Karn's rule, RFC 6298 §3
		c.rtt = at.Sub(c.synSentAt)
		c.rto = max(minRTO, 2*c.rtt)
	}
	c.resent, c.rtoAt = 0, time.Time{}
	if !c.cfg.Reader.SYNACK {
		c.push(packet.ACK, c.sndNxt)
	}
	if c.plan = c.script(); len(c.plan) == 0 {
		c.end(now, c.cfg.Linger)
		return
	}
	c.proceed(now)
}

// receiveSegment acknowledges what arrives in and out of order.
func (c *Conn) receiveSegment(now time.Time, p packet.Packet) {
	s := p.TCP
	if val, _, ok := s.Timestamps(); ok {
		c.tsEcho = val
	}
	if s.Flags.Has(packet.SYN) { // the SYN-ACK again: our ACK was lost, or deferred accept
		if c.cfg.Reader.SYNACK {
			c.end(now, c.cfg.Linger)
			return
		}
		c.acknowledge()
		return
	}
	if s.Flags.Has(packet.ACK) && c.sndUna.Before(s.Ack) && !c.sndNxt.Before(s.Ack) {
		c.sndUna = s.Ack
		c.resent, c.rtoAt = 0, time.Time{}
		if c.sndUna != c.sndNxt && (c.endAt.IsZero() || c.cfg.Talk != nil) {
			c.rtoAt = now.Add(c.rto)
		}
		if s.Len() == 0 {
			c.silentAt = later(c.silentAt, now.Add(c.cfg.Timeout))
		}
	}
	if c.cfg.Ahead > 0 && len(s.SACKBlocks()) > 0 {
		c.end(now, c.cfg.Linger) // the peer's TCP holds the stimulus, its application does not
	}
	if s.Flags.Has(packet.FIN) {
		c.ended = true
	}
	if c.ended && c.cfg.Reader.FIN {
		c.end(now, c.cfg.Linger) // both sides have finished
	}
	if s.Len() == 0 {
		return
	}
	c.in.take(span{s.Seq, s.Seq.Add(s.Len())})
	c.acknowledge()
	c.talk(now, s)
	if c.in.next == c.in.start { // its beginning got lost, and the peer will say it again
		c.silentAt = later(c.silentAt, now.Add(c.cfg.Timeout))
		return
	}
	c.end(now, c.cfg.Watch)
}

// receiveSYNSweep handles the answers to a sweep of bare SYNs.
func (c *Conn) receiveSYNSweep(now time.Time, p packet.Packet) {
	s := p.TCP
	if s.Flags.Has(packet.SYN | packet.ACK) {
		c.opened = true
		c.sndUna, c.sndNxt, c.in.next = s.Ack, s.Ack, s.Seq.Add(1)
		c.end(now, c.cfg.Linger)
	}
	c.checkSweep(now)
}

// checkSweep ends a sweep of SYNs once every copy was answered.
func (c *Conn) checkSweep(now time.Time) {
	if len(c.cfg.SYNCopies) == 0 || !c.endAt.IsZero() {
		return
	}
	sent := c.rec.Packets(flow.Sent)
	seen := map[uint8]bool{}
	for _, e := range c.rec.Packets(flow.Received) {
		if e.Packet.ICMP.Kind != 0 {
			seen[flow.QuoteStamp(sent, e.Packet.ICMP.Quote)] = true
		} else {
			seen[flow.AnswerStamp(sent, e.Packet.TCP)] = true
		}
	}
	for _, ttl := range c.cfg.SYNCopies {
		if !seen[ttl] {
			return
		}
	}
	c.end(now, c.cfg.Linger)
}
