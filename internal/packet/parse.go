package packet

import (
	"encoding/binary"
	"net/netip"
)

// Parse reads one datagram that starts with its IP header. Bytes behind the
// length that the IP header announces are link padding: they stay in Raw and
// belong to nothing else. An announced length of zero (segmentation offload,
// an RFC 2675 jumbogram) means all of raw.
//
// Raw, Options, Payload and the quote's slices alias raw. Parse does not
// allocate, and does not verify checksums: a segment that its receiver must
// drop is evidence too, and captures made on the sending host hold checksums
// that the interface had yet to fill in.
//
// The error wraps ErrTruncated, ErrFragment or ErrMalformed. What was read
// before it is set all the same; a datagram that only lost its tail, as in a
// capture with a snapshot length, is complete but for the end of Payload, and
// Missing says how much of it, by the length that the IP header announces.
func Parse(raw []byte) (Packet, error) {
	var p Packet
	err := p.Read(raw)
	return p, err
}

// Read makes p what Parse returns, for millions of packets without a copy.
func (p *Packet) Read(raw []byte) error {
	*p = Packet{Raw: raw}
	return p.parse(raw)
}

func (p *Packet) parse(raw []byte) error {
	var h header
	err := h.parse(raw)
	p.Src = netip.AddrPortFrom(h.src, 0)
	p.Dst = netip.AddrPortFrom(h.dst, 0)
	p.Proto = h.proto
	p.TTL, p.TOS = h.ttl, h.tos
	p.ID, p.HasID, p.DF = h.id, h.src.Is4(), h.df
	if err != nil {
		return err
	}
	end := h.end(len(raw))
	if end < h.off {
		return errIPv4Total
	}
	body := raw[h.off:end]

	switch {
	case h.proto == TCP:
		if len(body) < tcpLen {
			return errTCPTruncated
		}
		p.setPorts(h, body)
		err = p.TCP.parse(body, max(h.total-h.off, len(body)))
	case h.proto == UDP:
		if len(body) < udpLen {
			return errUDPTruncated
		}
		p.setPorts(h, body)
	case h.proto == ICMP && !h.v6, h.proto == ICMPv6 && h.v6:
		err = p.ICMP.parse(body, h.v6)
	}
	if err == nil && h.total > len(raw) {
		err = errTail
	}
	return err
}

// setPorts takes the ports from a TCP or UDP header.
func (p *Packet) setPorts(h header, body []byte) {
	p.Src = netip.AddrPortFrom(h.src, binary.BigEndian.Uint16(body))
	p.Dst = netip.AddrPortFrom(h.dst, binary.BigEndian.Uint16(body[2:]))
}

// parse reads RFC 9293 §3.1 from at least tcpLen bytes, but for the ports. b
// is what is at hand of a segment of size bytes.
func (s *Segment) parse(b []byte, size int) error {
	s.Seq = Seq(binary.BigEndian.Uint32(b[4:]))
	s.Ack = Seq(binary.BigEndian.Uint32(b[8:]))
	s.Reserved = b[12] & 0x0f
	s.Flags = Flags(b[13])
	s.Window = binary.BigEndian.Uint16(b[14:])
	s.Urgent = binary.BigEndian.Uint16(b[18:])
	off := int(b[12]>>4) * 4
	if off < tcpLen {
		return errTCPOffset
	}
	if off > len(b) {
		s.Options = b[tcpLen:]
		s.Missing = max(size-off, 0)
		return errTCPTruncated
	}
	s.Options, s.Payload = b[tcpLen:off], b[off:]
	s.Missing = size - len(b)
	return nil
}
