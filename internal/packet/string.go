package packet

import (
	"encoding/binary"
	"fmt"
	"net/netip"
	"strconv"
)

// String is the packet in one line, in the manner of tcpdump -n -S.
func (p Packet) String() string { return p.line(numbering{}) }

// Relative is String with sequence numbers counted from those that both ends
// began with: isn that of whoever sent the packet (of a quote: of whoever sent
// what it quotes), peer that of the other end. They are signed, so that a
// number a little before the first shows as what it is.
func (p Packet) Relative(isn, peer Seq) string {
	return p.line(numbering{relative: true, seq: isn, ack: peer})
}

func (p Packet) line(n numbering) string {
	b := make([]byte, 0, 256)
	b = appendEnds(b, p.Src, p.Dst, p.Proto)
	switch {
	case p.ICMP.Kind != 0:
		b = p.ICMP.append(b, n)
	case p.Proto == TCP:
		b = p.TCP.append(b, n)
	default:
		b = append(b, p.Proto.String()...)
	}
	b = append(b, ", ttl "...)
	b = strconv.AppendUint(b, uint64(p.TTL), 10)
	if p.HasID {
		b = append(b, ", id "...)
		b = strconv.AppendUint(b, uint64(p.ID), 10)
	}
	return string(b)
}

// numbering says how to write sequence numbers: as they are, or counted from
// those that the ends of the flow began with.
type numbering struct {
	relative bool
	seq, ack Seq // the initial number of the sender, and of its peer
}

// number writes v, which counts from base.
func (n numbering) number(v, base Seq) string {
	if n.relative {
		return strconv.Itoa(v.Sub(base))
	}
	return strconv.FormatUint(uint64(v), 10)
}

// String is the protocol's name, or "proto N".
func (p Proto) String() string {
	switch p {
	case ICMP:
		return "ICMP"
	case TCP:
		return "TCP"
	case UDP:
		return "UDP"
	case ICMPv6:
		return "ICMP6"
	}
	return "proto " + strconv.Itoa(int(p))
}

// String is the flags as tcpdump writes them: one letter each, "." for ACK,
// "none" without any.
func (fs Flags) String() string {
	if fs == 0 {
		return "none"
	}
	const letters = "FSRP.UEW" // from the lowest bit
	b := make([]byte, 0, len(letters))
	for i := range len(letters) {
		if fs&(1<<i) != 0 {
			b = append(b, letters[i])
		}
	}
	return string(b)
}

// appendEnds writes "IP src.port > dst.port: ".
func appendEnds(b []byte, src, dst netip.AddrPort, proto Proto) []byte {
	b = append(b, "IP"...)
	if src.Addr().Is6() {
		b = append(b, '6')
	}
	b = appendEnd(append(b, ' '), src, proto)
	b = appendEnd(append(b, " > "...), dst, proto)
	return append(b, ": "...)
}

func appendEnd(b []byte, a netip.AddrPort, proto Proto) []byte {
	b = a.Addr().AppendTo(b)
	if proto != TCP && proto != UDP {
		return b
	}
	b = append(b, '.')
	return strconv.AppendUint(b, uint64(a.Port()), 10)
}

func (s Segment) append(b []byte, n numbering) []byte {
	b = fmt.Appendf(b, "Flags [%v], seq %s", s.Flags, n.number(s.Seq, n.seq))
	if size := s.Size(); size > 0 {
		b = append(b, ':')
		b = append(b, n.number(s.Seq.Add(size), n.seq)...)
	}
	// A number in the field without the flag marks some injectors.
	if s.Flags.Has(ACK) || s.Ack != 0 {
		b = fmt.Appendf(b, ", ack %s", n.number(s.Ack, n.ack))
	}
	b = fmt.Appendf(b, ", win %d", s.Window)
	if s.Flags.Has(URG) || s.Urgent != 0 {
		b = fmt.Appendf(b, ", urg %d", s.Urgent)
	}
	if s.Reserved != 0 {
		b = fmt.Appendf(b, ", reserved %#x", s.Reserved)
	}
	if len(s.Options) > 0 {
		b = append(b, ", options ["...)
		b = appendOptions(b, s.Options, n)
		b = append(b, ']')
	}
	return fmt.Appendf(b, ", length %d", s.Size())
}

// appendOptions writes the list and how it ends, if not with its last option.
func appendOptions(b, opts []byte, n numbering) []byte {
	rest := opts
	for kind, data := range options(opts) {
		b = append(appendOption(b, kind, data, n), ',')
		rest = rest[optionLen(kind, data):]
	}
	switch {
	case len(rest) == 0:
		return b[:len(b)-1]
	case rest[0] == optEnd:
		return append(b, "eol"...)
	}
	return fmt.Appendf(b, "bad %x", rest)
}

func appendOption(b []byte, kind uint8, data []byte, n numbering) []byte {
	switch {
	case kind == optNOP:
		return append(b, "nop"...)
	case kind == optMSS && len(data) == 2:
		return fmt.Appendf(b, "mss %d", binary.BigEndian.Uint16(data))
	case kind == optWindowScale && len(data) == 1:
		return fmt.Appendf(b, "wscale %d", data[0])
	case kind == optSACKPermitted && len(data) == 0:
		return append(b, "sackOK"...)
	case kind == optTimestamps && len(data) == 8:
		return fmt.Appendf(b, "TS val %d ecr %d", binary.BigEndian.Uint32(data), binary.BigEndian.Uint32(data[4:]))
	case kind == optSACK && len(data)%8 == 0:
		b = fmt.Appendf(b, "sack %d ", len(data)/8)
		for ; len(data) > 0; data = data[8:] {
			first, end := Seq(binary.BigEndian.Uint32(data)), Seq(binary.BigEndian.Uint32(data[4:]))
			b = fmt.Appendf(b, "{%s:%s}", n.number(first, n.ack), n.number(end, n.ack))
		}
		return b
	case len(data) == 0:
		return fmt.Appendf(b, "opt-%d", kind)
	}
	return fmt.Appendf(b, "opt-%d %x", kind, data)
}

func (e ICMPError) append(b []byte, n numbering) []byte {
	switch e.Kind {
	case TimeExceeded:
		b = fmt.Appendf(b, "ICMP time exceeded, code %d", e.Code)
	case Unreachable:
		b = fmt.Appendf(b, "ICMP unreachable, code %d", e.Code)
	case PacketTooBig:
		b = fmt.Appendf(b, "ICMP packet too big, mtu %d", e.MTU)
	default:
		b = fmt.Appendf(b, "ICMP type %d, code %d", e.Type, e.Code)
	}
	b = append(b, " (quotes "...)
	b = e.Quote.append(b, n)
	return append(b, ')')
}

func (q Quote) append(b []byte, n numbering) []byte {
	b = appendEnds(b, q.Src, q.Dst, q.Proto)
	switch {
	case q.Proto != TCP:
		b = append(b, q.Proto.String()...)
	case q.Full:
		b = fmt.Appendf(b, "Flags [%v], seq %s, ack %s, win %d", q.Flags, n.number(q.Seq, n.seq), n.number(q.Ack, n.ack), q.Window)
	default:
		b = fmt.Appendf(b, "seq %s", n.number(q.Seq, n.seq))
	}
	b = fmt.Appendf(b, ", length %d of %d, ttl %d", len(q.Raw), q.TotalLen, q.TTL)
	if q.HasID {
		b = fmt.Appendf(b, ", id %d", q.ID)
	}
	return b
}
