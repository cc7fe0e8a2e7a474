package utcp

import (
	"slices"
	"time"

	"github.com/rstprobe/rstprobe/internal/packet"
)

// line is one segment that the trial has to say.
type line struct {
	wait     time.Duration // after the line before it
	flags    packet.Flags
	seq, ack packet.Seq
	data     []byte
	ttl      uint8 // 0: the system's
	stamp    uint8 // 0: none
	stimulus bool  // is, or carries, what the trial is about
	reader   bool  // sees what the stimulus did
	held     bool  // sent again until it is acknowledged
}

// end is the sequence number after the line.
func (l line) end() packet.Seq {
	return l.seq.Add(packet.Segment{Flags: l.flags, Payload: l.data}.Len())
}

// begin says what a trial opens with.
func (c *Conn) begin(now time.Time) {
	switch {
	case len(c.cfg.SYNCopies) > 0:
		for _, ttl := range c.cfg.SYNCopies {
			c.plan = append(c.plan, line{flags: packet.SYN, seq: c.cfg.ISN.Add(-int(ttl)), ttl: ttl, stamp: ttl, stimulus: true})
		}
	case c.cfg.Stray:
		c.state, c.sndUna = adrift, c.sndNxt
		c.plan = []line{{flags: packet.ACK, seq: c.sndNxt, ack: c.cfg.Ack, ttl: c.cfg.StimulusTTL, stimulus: true}}
	case c.cfg.Unconnected:
		c.state, c.sndUna = adrift, c.sndNxt
		c.in = stream{start: c.cfg.Ack, next: c.cfg.Ack}
		c.peerMSS = int(c.cfg.mss())
		c.plan = c.script()
	default:
		syn := line{flags: packet.SYN, seq: c.cfg.ISN, held: true}
		if len(c.cfg.Copies) == 0 && c.cfg.Reader.none() {
			syn.stimulus, syn.ttl = true, c.cfg.StimulusTTL
		}
		c.plan = []line{syn}
	}
	c.proceed(now)
}

// script is what is said on a connection: the stimulus, or its copies, and
// the reader. All of it acknowledges the handshake only: what comes between
// two lines may be forged, and a server refuses an acknowledgment of what it
// has not said.
func (c *Conn) script() []line {
	var plan []line
	base := c.sndNxt.Add(c.cfg.Ahead)
	for i, k := range c.cfg.Copies {
		l := line{flags: packet.PSH | packet.ACK, seq: base, ack: c.in.next, data: k.Bytes, stimulus: true}
		if k.TTL == 0 {
			l.ttl, l.held = c.cfg.StimulusTTL, c.cfg.Ahead == 0 && !c.cfg.Unconnected
			plan = append(plan, c.cut(l)...)
			continue
		}
		l.ttl, l.stamp = k.TTL, k.TTL
		if c.cfg.Step == 0 {
			// Old data acknowledged once more, which every TCP accepts and
			// every injector copies. With a step the copy is attributed by its
			// time, and nothing about it need be odd.
			l.ack = l.ack.Add(-int(k.TTL))
		}
		if i > 0 {
			l.wait = c.cfg.Step
		}
		plan = append(plan, l)
	}
	reader := line{seq: c.sndNxt, ack: c.in.next, reader: true, held: true}
	if len(plan) > 0 {
		reader.wait = c.cfg.Pause
	}
	switch r := c.cfg.Reader; {
	case r.FIN:
		reader.flags = packet.FIN | packet.ACK
		plan = append(plan, reader)
	case len(r.Bytes) > 0:
		reader.flags, reader.data = packet.PSH|packet.ACK, r.Bytes
		plan = append(plan, c.cut(reader)...)
	}
	return plan
}

// cut makes segments of a line: as few as the peer's MSS allows, of a stimulus
// also at the offsets of Split.
func (c *Conn) cut(l line) []line {
	var offsets []int
	if l.stimulus {
		offsets = c.cfg.Split
	}
	var parts []line
	for from := 0; from < len(l.data); {
		to := min(len(l.data), from+c.maxSegment())
		for _, at := range offsets {
			if from < at && at < to {
				to = at
			}
		}
		part := l
		part.seq, part.data = l.seq.Add(from), l.data[from:to]
		if from > 0 {
			part.wait = 0
			if slices.Contains(offsets, from) {
				part.wait = c.cfg.SplitGap
			}
		}
		parts = append(parts, part)
		from = to
	}
	return parts
}

func (c *Conn) maxSegment() int {
	n := min(c.peerMSS, int(c.cfg.mss()))
	if c.hasTS {
		n -= 12 // NOP NOP TS, RFC 7323 appendix A
	}
	return n
}

// willRead reports whether a reader is still to be sent.
func (c *Conn) willRead() bool { return len(c.plan) > 0 && c.plan[len(c.plan)-1].reader }

// proceed says the next line of the plan and all that have not to wait for
// another.
func (c *Conn) proceed(now time.Time) {
	for first := true; len(c.plan) > 0 && (first || c.plan[0].wait == 0); first = false {
		c.say(c.plan[0], now)
		c.plan = c.plan[1:]
	}
	c.stepAt, c.silentAt = time.Time{}, now.Add(c.cfg.Timeout)
	if len(c.plan) > 0 {
		c.stepAt = now.Add(c.plan[0].wait)
		c.silentAt = c.stepAt.Add(c.cfg.Timeout)
	}
}

// say queues a line, twice where the stimulus is to be. The second sending of
// a stamped copy carries the identification of the first: it is the same copy.
func (c *Conn) say(l line, now time.Time) {
	c.queue = append(c.queue, Out{Packet: c.segment(l), Stamp: l.stamp})
	if l.stimulus && c.cfg.Twice {
		c.queue = append(c.queue, Out{Packet: c.segment(l), Stamp: l.stamp, Retransmit: true})
	}
	if !l.held {
		return
	}
	c.flight = append(c.flight, l)
	c.sndNxt = l.end()
	if c.rtoAt.IsZero() {
		c.rtoAt = now.Add(c.rto)
	}
}

// retransmit sends the oldest unacknowledged segment again, as it was cut, and
// backs off (RFC 6298 §5.4-5.6).
func (c *Conn) retransmit(now time.Time) {
	c.flight = slices.DeleteFunc(c.flight, func(l line) bool { return !c.sndUna.Before(l.end()) })
	if c.resent >= maxRetransmits || len(c.flight) == 0 {
		c.rtoAt = time.Time{}
		return
	}
	c.resent++
	c.rto *= 2
	c.rtoAt = now.Add(c.rto)
	c.queue = append(c.queue, Out{Packet: c.segment(c.flight[0]), Retransmit: true})
}

// push queues a segment that is no line: it says where we stand.
func (c *Conn) push(flags packet.Flags, seq packet.Seq) {
	c.queue = append(c.queue, Out{Packet: c.segment(line{flags: flags, seq: seq, ack: c.in.next})})
}

// acknowledge says how far the peer's stream came, and what came ahead. Of
// two acknowledgments that wait to be taken the later says it all.
func (c *Conn) acknowledge() {
	if n := len(c.queue); n > 0 && c.in.held == nil && c.queue[n-1].Packet.TCP.Flags == packet.ACK && c.state == established {
		c.queue = c.queue[:n-1]
	}
	c.push(packet.ACK, c.sndNxt)
	if !c.hasSACK {
		return
	}
	s := &c.queue[len(c.queue)-1].Packet.TCP
	s.Options = append(s.Options, c.in.sack(len(s.Options))...)
}

// segment is a line as a packet. A stamped one carries IPID+stamp.
func (c *Conn) segment(l line) packet.Packet {
	p := packet.Packet{
		Src: c.cfg.Local, Dst: c.cfg.Remote, Proto: packet.TCP,
		TTL: c.cfg.TTL, DF: c.cfg.Local.Addr().Is4(),
		TCP: packet.Segment{Seq: l.seq, Ack: l.ack, Flags: l.flags, Window: window >> windowScale, Payload: l.data},
	}
	if l.ttl > 0 {
		p.TTL = l.ttl
	}
	if l.stamp > 0 {
		p.ID = c.cfg.IPID + uint16(l.stamp)
	} else {
		// Unstamped packets count on above the largest stamp.
		p.ID = c.cfg.IPID + 256 + uint16(c.sent) //nolint:gosec // wraps on purpose
		c.sent++
	}
	p.HasID = p.DF
	switch {
	case l.flags.Has(packet.SYN):
		p.TCP.Window = window
		if !c.cfg.Bare {
			p.TCP.Options = packet.SYNOptions(c.cfg.mss(), c.cfg.TSVal, windowScale)
		}
	case c.cfg.Bare:
		p.TCP.Window = window
	}
	if c.hasTS && !l.flags.Has(packet.SYN) && !l.flags.Has(packet.RST) {
		p.TCP.Options = packet.TimestampOption(c.cfg.TSVal+c.elapsed, c.tsEcho)
	}
	return p
}
