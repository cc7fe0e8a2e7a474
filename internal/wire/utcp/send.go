package utcp

import (
	"time"

	"github.com/rstprobe/rstprobe/internal/packet"
)

// push queues one segment. A stamped one carries its TTL and IPID+stamp.
func (c *Conn) push(flags packet.Flags, seq, ack packet.Seq, data []byte, stamp uint8) {
	c.queue = append(c.queue, Out{Packet: c.segment(flags, seq, ack, data, stamp), Stamp: stamp})
}

func (c *Conn) segment(flags packet.Flags, seq, ack packet.Seq, data []byte, stamp uint8) packet.Packet {
	p := packet.Packet{
		Src: c.cfg.Local, Dst: c.cfg.Remote, Proto: packet.TCP,
		TTL: c.cfg.TTL, DF: c.cfg.Local.Addr().Is4(),
		TCP: packet.Segment{Seq: seq, Ack: ack, Flags: flags, Window: window >> windowScale, Payload: data},
	}
	if stamp > 0 {
		p.TTL = stamp
		p.ID = c.cfg.IPID + uint16(stamp)
	} else {
		// Unstamped packets count on above the largest stamp.
		p.ID = c.cfg.IPID + 256 + uint16(c.sent) //nolint:gosec // wraps on purpose
		c.sent++
	}
	p.HasID = p.DF
	switch {
	case flags.Has(packet.SYN):
		p.TCP.Window = window
		if !c.cfg.Bare {
			p.TCP.Options = packet.SYNOptions(c.ourMSS(), c.cfg.TSVal, windowScale)
		}
	case c.cfg.Bare:
		p.TCP.Window = window
	}
	if c.hasTS && !flags.Has(packet.SYN) && !flags.Has(packet.RST) {
		p.TCP.Options = packet.TimestampOption(c.cfg.TSVal+c.elapsed, c.tsEcho)
	}
	return p
}

func (c *Conn) ourMSS() uint16 {
	if c.cfg.Local.Addr().Is4() {
		return mss4
	}
	return mss6
}

// stimulate sends the stimulus, or the first of its copies.
func (c *Conn) stimulate(now time.Time) {
	c.silentAt = now.Add(c.cfg.Timeout)
	if len(c.cfg.Copies) == 0 {
		c.end(now, c.cfg.Linger)
		return
	}
	if c.unstamped() {
		c.sendWhole(now)
		return
	}
	c.stepAt = now
	c.sendCopy(now)
}

// sendWhole sends the stimulus at full TTL, in as many segments as the
// peer's MSS asks for.
func (c *Conn) sendWhole(now time.Time) {
	data := c.cfg.Copies[0].Bytes
	seq := c.sndNxt.Add(c.cfg.Ahead)
	for len(data) > 0 {
		n := min(len(data), c.maxSegment())
		c.push(packet.PSH|packet.ACK, seq, c.rcvNxt, data[:n], 0)
		seq, data = seq.Add(n), data[n:]
	}
	if c.cfg.Ahead == 0 {
		c.sndNxt = seq
		c.rtoAt = now.Add(c.rto)
	}
}

func (c *Conn) maxSegment() int {
	n := min(c.peerMSS, int(c.ourMSS()))
	if c.hasTS {
		n -= 12 // NOP NOP TS, RFC 7323 appendix A
	}
	return n
}

// sendCopy sends the copies that are due: all of a burst, one of a timed
// sweep.
func (c *Conn) sendCopy(now time.Time) {
	for c.nextCopy < len(c.cfg.Copies) {
		k := c.cfg.Copies[c.nextCopy]
		c.nextCopy++
		// The acknowledgment is TTL lower: old data acknowledged once more,
		// which every TCP accepts and every injector copies.
		ack := c.rcvNxt.Add(-int(k.TTL))
		if c.cfg.Step > 0 {
			ack = c.rcvNxt // attributed by its time: nothing about it need be odd
		}
		c.push(packet.PSH|packet.ACK, c.sndNxt, ack, k.Bytes, k.TTL)
		if c.cfg.Step > 0 {
			break
		}
	}
	c.stepAt = time.Time{}
	if c.nextCopy < len(c.cfg.Copies) {
		c.stepAt = now.Add(c.cfg.Step)
		c.silentAt = c.stepAt.Add(c.cfg.Timeout)
		return
	}
	c.silentAt = now.Add(c.cfg.Timeout)
}

// retransmit sends the oldest unacknowledged segment again and backs off
// (RFC 6298 §5.4-5.6).
func (c *Conn) retransmit(now time.Time) {
	if c.resent >= maxRetransmits {
		c.rtoAt = time.Time{}
		return
	}
	c.resent++
	c.rto *= 2
	c.rtoAt = now.Add(c.rto)
	var p packet.Packet
	if c.state == synSent {
		p = c.segment(packet.SYN, c.cfg.ISN, 0, nil, 0)
	} else {
		data := c.cfg.Copies[0].Bytes
		from := len(data) - c.sndNxt.Sub(c.sndUna)
		n := min(len(data)-from, c.maxSegment())
		p = c.segment(packet.PSH|packet.ACK, c.sndUna, c.rcvNxt, data[from:from+n], 0)
	}
	c.queue = append(c.queue, Out{Packet: p, Retransmit: true})
}
