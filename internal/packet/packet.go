// Package packet holds one IP datagram as a value: what a TCP segment or an
// ICMP error said, with the bytes it was read from.
//
// It parses by hand, because a prober must read what a general decoder
// refuses (ICMP quotes of eight TCP bytes, fragments, reserved bits), and
// crafts with gopacket/layers. It is the only importer of gopacket/layers.
package packet

import (
	"net/netip"
)

// Proto is an IP protocol number (IANA "Assigned Internet Protocol Numbers").
type Proto uint8

// The protocols that the prober reads.
const (
	ICMP   Proto = 1
	TCP    Proto = 6
	UDP    Proto = 17
	ICMPv6 Proto = 58
)

// Packet is one IPv4 or IPv6 datagram.
type Packet struct {
	Src, Dst netip.AddrPort // ports are valid iff Proto is TCP or UDP, else 0
	Proto    Proto          // the payload's protocol, behind IPv6 extension headers
	TTL      uint8          // IPv4 time to live, IPv6 hop limit
	TOS      uint8          // IPv4 type of service, IPv6 traffic class
	ID       uint16         // IPv4 identification, valid iff HasID
	HasID    bool           // true for IPv4
	DF       bool           // IPv4 "don't fragment"; always false for IPv6
	TCP      Segment        // valid iff Proto == TCP
	ICMP     ICMPError      // valid iff ICMP.Kind != 0
	Raw      []byte         // the datagram as seen on the wire, from its IP header; never rewritten
}

// Segment is a TCP segment (RFC 9293 §3.1).
type Segment struct {
	Seq, Ack Seq
	Flags    Flags
	Reserved uint8 // the reserved bits (0..15), fingerprint material
	Window   uint16
	Urgent   uint16
	Options  []byte // the raw option bytes, padding included
	Payload  []byte
	Missing  int // bytes of payload after Payload that were sent and are not at hand: not captured, or not kept
}

// Size is how many bytes of payload were sent, at hand or not.
func (s Segment) Size() int { return len(s.Payload) + s.Missing }

// Len is the sequence space the segment takes: payload plus one for SYN and
// one for FIN (SEG.LEN of RFC 9293 §3.3.1).
func (s Segment) Len() int {
	n := s.Size()
	if s.Flags.Has(SYN) {
		n++
	}
	if s.Flags.Has(FIN) {
		n++
	}
	return n
}

// Flags are the TCP control bits (RFC 9293 §3.1), low byte only.
type Flags uint8

// The control bits.
const (
	FIN Flags = 1 << iota
	SYN
	RST
	PSH
	ACK
	URG
	ECE
	CWR
)

// Has reports whether every bit of f is set.
func (fs Flags) Has(f Flags) bool { return fs&f == f }

// Seq is a TCP sequence number; it compares modulo 2^32 (RFC 9293 §3.4).
type Seq uint32

// Add moves n octets on (or back, when n is negative).
func (s Seq) Add(n int) Seq { return s + Seq(int32(n)) } //nolint:gosec // modular on purpose

// Sub is the signed distance s−t, in [−2^31, 2^31).
func (s Seq) Sub(t Seq) int { return int(int32(s - t)) }

// Before reports whether s lies before t.
func (s Seq) Before(t Seq) bool { return s.Sub(t) < 0 }

// Key names one flow from our side.
type Key struct{ Local, Remote netip.AddrPort }

// FromUs is the key of a packet that we sent.
func (p Packet) FromUs() Key { return Key{Local: p.Src, Remote: p.Dst} }

// ToUs is the key of a packet that we received.
func (p Packet) ToUs() Key { return Key{Local: p.Dst, Remote: p.Src} }

// ICMPKind is the meaning of an ICMP or ICMPv6 error, the same for both
// families (RFC 792, RFC 4443).
type ICMPKind uint8

// The kinds of error the prober tells apart.
const (
	TimeExceeded   ICMPKind = iota + 1 // RFC 792 type 11, RFC 4443 type 3; code 0: TTL ran out in transit
	Unreachable                        // type 3, ICMPv6 type 1
	PacketTooBig                       // type 3 code 4, ICMPv6 type 2
	OtherICMPError                     // any other error that quotes a datagram
)

// ICMPError is an ICMP message that quotes the datagram it is about.
type ICMPError struct {
	Kind  ICMPKind // 0: this packet is no ICMP error
	Type  uint8    // as on the wire
	Code  uint8    // as on the wire
	MTU   int      // valid iff Kind == PacketTooBig
	Quote Quote
}

// Quote is what an ICMP error repeats of our datagram. RFC 792 asks for the
// IP header and eight octets only, so later TCP fields may be missing.
type Quote struct {
	Src, Dst netip.AddrPort // ports valid iff Proto is TCP or UDP
	Proto    Proto
	TTL      uint8 // as the quoting router saw it
	TOS      uint8
	ID       uint16 // valid iff HasID
	HasID    bool
	TotalLen int // length field of the quoted IP header (IPv6: payload length + 40)
	Seq      Seq // valid iff Proto == TCP
	Ack      Seq // valid iff Full
	Flags    Flags
	Window   uint16
	Options  []byte // as far as quoted; valid iff Full
	Full     bool   // at least the whole fixed TCP header is quoted
	Raw      []byte // the quoted bytes
}

// Key is the flow of the quoted datagram, which we sent.
func (q Quote) Key() Key { return Key{Local: q.Src, Remote: q.Dst} }
