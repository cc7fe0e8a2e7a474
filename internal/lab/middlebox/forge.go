package middlebox

import "github.com/rstprobe/rstprobe/internal/packet"

// defaultTTL is the initial TTL of a forged packet that sets none, that of
// most systems boxes are built on (RFC 1700, "IP TIME TO LIVE").
const defaultTTL = 64

// IDLaw gives the IPv4 identification of a forged packet. The nil law gives
// zero. IPv6 has none.
type IDLaw func(trigger packet.Packet) uint16

// EchoID copies the identification of the trigger.
func EchoID(trigger packet.Packet) uint16 { return trigger.ID }

// FixedID gives every forged packet the same identification; 242 was the mark
// of Airtel's boxes in India (Yadav et al., "Where The Light Gets In", IMC
// 2018).
func FixedID(id uint16) IDLaw { return func(packet.Packet) uint16 { return id } }

// forge is a packet in the name of one end of the trigger's connection, toward
// the other.
func forge(toward, dir Direction, trigger packet.Packet, ttl uint8, s packet.Segment) packet.Packet {
	p := packet.Packet{Src: trigger.Src, Dst: trigger.Dst, Proto: packet.TCP, TTL: ttl, TCP: s}
	if toward != dir {
		p.Src, p.Dst = p.Dst, p.Src
	}
	if p.TTL == 0 {
		p.TTL = defaultTTL
	}
	p.HasID = p.Src.Addr().Is4()
	return p
}

// reset is the RST that answers a segment whose sender expects seq next and
// has sent up to ack (RFC 9293 §3.10.7.1): bare or with ACK, as asked.
func reset(seq, ack packet.Seq, withACK bool) packet.Segment {
	s := packet.Segment{Seq: seq, Flags: packet.RST}
	if withACK {
		s.Flags |= packet.ACK
		s.Ack = ack
	}
	return s
}

// end is the sequence number that follows the segment.
func end(s packet.Segment) packet.Seq { return s.Seq.Add(s.Len()) }
