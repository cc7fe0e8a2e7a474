package packet

import (
	"encoding/binary"
	"math"
	"net/netip"
)

// The first octets of a transport header that RFC 792 makes a router quote:
// ports and, for TCP, the sequence number.
const minQuote = 8

// ParseQuote reads the datagram that an ICMP error quotes. Eight octets behind
// its IP header are enough, and of other protocols than TCP and UDP none. Raw
// and Options alias b; bytes behind the datagram's own length are cut.
//
// Routers rewrite what they quote: TTL, TOS and TotalLen are as quoted, not as
// sent. The error wraps ErrTruncated, ErrFragment or ErrMalformed.
func ParseQuote(b []byte) (Quote, error) {
	var q Quote
	err := q.parse(b)
	return q, err
}

func (q *Quote) parse(b []byte) error {
	var h header
	err := h.parse(b)
	q.Src = netip.AddrPortFrom(h.src, 0)
	q.Dst = netip.AddrPortFrom(h.dst, 0)
	q.Proto = h.proto
	q.TTL, q.TOS = h.ttl, h.tos
	q.ID, q.HasID = h.id, h.src.Is4()
	q.TotalLen = h.total
	q.Raw = b
	if err != nil {
		return err
	}
	// Some stacks quote a length field of their own making (host byte order,
	// header subtracted). One too short for a transport header cuts nothing.
	if h.total >= h.off+minQuote {
		q.Raw = b[:h.end(len(b))]
	}
	if h.proto != TCP && h.proto != UDP {
		return nil
	}
	body := q.Raw[h.off:]
	if len(body) < minQuote {
		return errQuoteTruncated
	}
	q.Src = netip.AddrPortFrom(h.src, binary.BigEndian.Uint16(body))
	q.Dst = netip.AddrPortFrom(h.dst, binary.BigEndian.Uint16(body[2:]))
	if h.proto != TCP {
		return nil
	}
	q.Seq = Seq(binary.BigEndian.Uint32(body[4:]))
	if q.Full = len(body) >= tcpLen; !q.Full {
		return nil
	}
	// A cut or odd header is no error here: the quote is what is left of it.
	var s Segment
	_ = s.parse(body, len(body))
	q.Ack, q.Flags, q.Window, q.Options = s.Ack, s.Flags, s.Window, s.Options
	return nil
}

// parse reads an ICMP (RFC 792) or ICMPv6 (RFC 4443) message. Messages that
// are no errors leave e zero.
func (e *ICMPError) parse(b []byte, v6 bool) error {
	if len(b) < icmpLen {
		return errICMPTruncated
	}
	kind := icmpKind(b[0], b[1], v6)
	if kind == 0 {
		return nil
	}
	e.Kind, e.Type, e.Code = kind, b[0], b[1]
	if kind == PacketTooBig {
		if v6 {
			e.MTU = int(min(binary.BigEndian.Uint32(b[4:]), math.MaxInt32))
		} else {
			e.MTU = int(binary.BigEndian.Uint16(b[6:])) // RFC 1191 §4; 0 from routers older than it
		}
	}
	return e.Quote.parse(cutExtensions(b, v6))
}

// icmpKind tells what an ICMP message means; 0 for one that is no error.
func icmpKind(typ, code uint8, v6 bool) ICMPKind {
	if v6 {
		switch {
		case typ == 1:
			return Unreachable
		case typ == 2:
			return PacketTooBig
		case typ == 3:
			return TimeExceeded
		case typ > 0 && typ < 128: // RFC 4443 §2.1: the high bit marks informational messages
			return OtherICMPError
		}
		return 0
	}
	switch typ {
	case 3:
		if code == 4 {
			return PacketTooBig
		}
		return Unreachable
	case 11:
		return TimeExceeded
	case 4, 5, 12: // source quench, redirect, parameter problem
		return OtherICMPError
	}
	return 0
}

// Where the extension structure stands in a message that does not say
// (RFC 4884 §5.1), and how long its header is (§7).
const (
	legacyExtension    = 128
	extensionHeaderLen = 4
)

// cutExtensions returns the quoted datagram of the ICMP error b, without the
// extension structure that may follow it (RFC 4884).
func cutExtensions(b []byte, v6 bool) []byte {
	body := b[icmpLen:]
	n := 0 // length of the quote, if the message tells
	switch {
	case v6 && (b[0] == 1 || b[0] == 3):
		n = int(b[4]) * 8
	case !v6 && (b[0] == 3 || b[0] == 11 || b[0] == 12):
		n = int(b[5]) * 4
	}
	if n > 0 && n <= len(body) {
		return body[:n]
	}
	// Routers older than RFC 4884 append it unannounced (§5.5). Only a
	// structure with a good checksum is told from more of the quote.
	if len(body) >= legacyExtension+extensionHeaderLen {
		ext := body[legacyExtension:]
		if ext[0]>>4 == 2 && binary.BigEndian.Uint16(ext[2:]) != 0 && sum(ext) == 0xffff {
			return body[:legacyExtension]
		}
	}
	return body
}
