package flow

import "github.com/rstprobe/rstprobe/internal/packet"

// A stamped sweep sends one stimulus many times in one connection, each copy
// k made distinguishable by its sequence number, its acknowledgment number
// and its length. What comes back follows the numbers of the packet that
// drew it, so it names the copy, whatever the delay.

// QuoteStamp is the stamp of the copy among sent that an ICMP error quotes;
// 0 when the quote is about none of them. Sequence number and total length
// are in every quote (RFC 792 asks for eight octets of TCP) and together
// belong to one copy only.
func QuoteStamp(sent []Event, q packet.Quote) uint8 {
	for _, e := range sent {
		p := e.Packet
		if e.TTL == 0 || p.TCP.Seq != q.Seq || p.Src.Port() != q.Src.Port() {
			continue
		}
		if len(p.Raw) == q.TotalLen && len(p.TCP.Payload) > 0 || p.TCP.Flags.Has(packet.SYN) {
			return e.TTL
		}
	}
	return 0
}

// AnswerStamp is the stamp of the copy among sent that drew the segment s; 0
// when its numbers follow none of them. A segment sent in answer to copy k
// acknowledges the end of k, or takes its own sequence number from k's
// acknowledgment (RFC 9293 §3.10.7.4, and what injectors do alike).
func AnswerStamp(sent []Event, s packet.Segment) uint8 {
	if s.Flags.Has(packet.ACK) {
		for _, e := range sent {
			if e.TTL > 0 && s.Ack == e.Packet.TCP.Seq.Add(e.Packet.TCP.Len()) {
				return e.TTL
			}
		}
	}
	if s.Flags.Has(packet.SYN) {
		return 0 // the peer's own number, which no copy of ours set
	}
	for _, e := range sent {
		if e.TTL > 0 && e.Packet.TCP.Flags.Has(packet.ACK) && s.Seq == e.Packet.TCP.Ack {
			return e.TTL
		}
	}
	return 0
}
