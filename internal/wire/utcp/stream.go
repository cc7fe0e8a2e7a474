package utcp

import (
	"bytes"
	"encoding/binary"
	"slices"

	"github.com/rstprobe/rstprobe/internal/packet"
)

// stream is how far the peer's stream came (RCV of RFC 9293 §3.3.1). It holds
// no bytes: they are in the record.
type stream struct {
	start packet.Seq // of its first byte
	next  packet.Seq // all before it came
	held  []span     // what came ahead of it, apart from each other, the one that grew last first
}

// span is a part [from, to) of the stream.
type span struct{ from, to packet.Seq }

// take notes that a part of the stream came. What lies beyond the window was
// never asked for and is not kept.
func (s *stream) take(p span) {
	if p.to.Sub(s.next) > window {
		return
	}
	// One piece of it and all that it touches.
	s.held = slices.DeleteFunc(s.held, func(h span) bool {
		apart := p.to.Before(h.from) || h.to.Before(p.from)
		if !apart {
			p.from, p.to = earliest(p.from, h.from), latest(p.to, h.to)
		}
		return !apart
	})
	switch {
	case !s.next.Before(p.to): // nothing new
	case s.next.Before(p.from):
		s.held = slices.Insert(s.held, 0, p)
	default:
		s.next = p.to
	}
	if len(s.held) == 0 {
		s.held = nil
	}
}

func earliest(a, b packet.Seq) packet.Seq {
	if b.Before(a) {
		return b
	}
	return a
}

func latest(a, b packet.Seq) packet.Seq {
	if a.Before(b) {
		return b
	}
	return a
}

// sack is the option that acknowledges what is held (RFC 2018 §3), behind two
// NOPs, as far as it fits beside used bytes of other options.
func (s *stream) sack(used int) []byte {
	const (
		room        = 40 // bytes of options in a TCP header
		nop, kind   = 1, 5
		head, block = 4, 8 // bytes
	)
	held := s.held[:min(len(s.held), (room-used-head)/block)]
	if len(held) == 0 {
		return nil
	}
	b := []byte{nop, nop, kind, byte(2 + block*len(held))}
	for _, h := range held {
		b = binary.BigEndian.AppendUint32(b, uint32(h.from))
		b = binary.BigEndian.AppendUint32(b, uint32(h.to))
	}
	return b
}

// keep is how much of the peer's stream a record holds, from its start: 16
// KiB, one TLS record or the head of an HTTP answer, which is all that
// anything reads of it.
const keep = 16 << 10

// blank stands for payload that is not kept. One IP datagram cannot carry
// more.
var blank [1 << 16]byte

// brief is a packet of the peer as the record keeps it. Of a segment that
// begins keep bytes into the stream, or later, those are the headers: Raw ends
// with them, and Payload is as long as it was but all zero. So a record takes
// a bounded number of bytes per packet, and the length of what was said stays
// right.
func (c *Conn) brief(p packet.Packet) packet.Packet {
	n := len(p.TCP.Payload)
	if n == 0 || c.state == synSent || p.TCP.Seq.Sub(c.in.start) < keep {
		return p
	}
	head := len(p.Raw) - n
	if head >= 0 {
		p.Raw = bytes.Clone(p.Raw[:head])
	}
	p.TCP.Options = bytes.Clone(p.TCP.Options)
	p.TCP.Payload = blank[:n:n]
	return p
}
