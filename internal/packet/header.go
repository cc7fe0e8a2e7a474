package packet

import (
	"encoding/binary"
	"net/netip"
)

// Header lengths in bytes.
const (
	ipv4Len = 20 // RFC 791 §3.1, without options
	ipv6Len = 40 // RFC 8200 §3
	tcpLen  = 20 // RFC 9293 §3.1, without options
	udpLen  = 8  // RFC 768
	icmpLen = 8  // RFC 792, RFC 4443 §3: type, code, checksum and one word
)

// IPv6 extension headers that may stand before the transport header
// (RFC 8200 §4).
const (
	hopByHop    Proto = 0
	routing     Proto = 43
	fragment    Proto = 44
	destOptions Proto = 60
)

// header is what an IPv4 or IPv6 header says, behind any extension headers.
type header struct {
	src, dst netip.Addr
	proto    Proto
	ttl, tos uint8
	id       uint16
	v6, df   bool
	total    int // announced length of the datagram; 0: not announced
	off      int // where the transport header starts
}

// end is where the datagram ends in the n bytes at hand. What follows is link
// padding.
func (h *header) end(n int) int {
	if h.total == 0 {
		return n
	}
	return min(h.total, n)
}

// Trim cuts the link padding off a datagram and returns the length in bytes
// that its IP header announces, which may be more than there is; 0 where it
// announces none (segmentation offload, an RFC 2675 jumbogram) or is cut.
func Trim(raw []byte) (datagram []byte, announced int) {
	switch {
	case len(raw) >= ipv4Len && raw[0]>>4 == 4:
		announced = int(binary.BigEndian.Uint16(raw[2:]))
	case len(raw) >= ipv6Len && raw[0]>>4 == 6:
		if n := int(binary.BigEndian.Uint16(raw[4:])); n > 0 {
			announced = ipv6Len + n
		}
	}
	if announced > 0 && announced < len(raw) {
		raw = raw[:announced]
	}
	return raw, announced
}

// parse reads the header at the start of b. After errFragment every field is
// valid.
func (h *header) parse(b []byte) error {
	if len(b) == 0 {
		return errIPTruncated
	}
	switch b[0] >> 4 {
	case 4:
		return h.parseIPv4(b)
	case 6:
		return h.parseIPv6(b)
	}
	return errVersion
}

// parseIPv4 reads RFC 791 §3.1.
func (h *header) parseIPv4(b []byte) error {
	if len(b) < ipv4Len {
		return errIPTruncated
	}
	h.tos = b[1]
	h.total = int(binary.BigEndian.Uint16(b[2:]))
	h.id = binary.BigEndian.Uint16(b[4:])
	frag := binary.BigEndian.Uint16(b[6:])
	h.df = frag&0x4000 != 0
	h.ttl = b[8]
	h.proto = Proto(b[9])
	h.src = netip.AddrFrom4([4]byte(b[12:16]))
	h.dst = netip.AddrFrom4([4]byte(b[16:20]))
	h.off = int(b[0]&0x0f) * 4
	if h.off < ipv4Len {
		return errIPv4Length
	}
	if h.off > len(b) {
		return errIPTruncated
	}
	if frag&0x1fff != 0 {
		return errFragment
	}
	return nil
}

// parseIPv6 reads RFC 8200 §3 and walks the extension headers.
func (h *header) parseIPv6(b []byte) error {
	if len(b) < ipv6Len {
		return errIPTruncated
	}
	h.v6 = true
	h.tos = uint8(binary.BigEndian.Uint16(b) >> 4) //nolint:gosec // the traffic class is the middle octet
	if n := int(binary.BigEndian.Uint16(b[4:])); n != 0 {
		h.total = ipv6Len + n
	}
	h.proto = Proto(b[6])
	h.ttl = b[7]
	h.src = netip.AddrFrom16([16]byte(b[8:24]))
	h.dst = netip.AddrFrom16([16]byte(b[24:40]))
	h.off = ipv6Len
	return h.skipExtensions(b[:h.end(len(b))])
}

// skipExtensions moves off and proto past the extension headers.
func (h *header) skipExtensions(b []byte) error {
	for {
		var size int
		rest := b[h.off:]
		switch h.proto {
		case hopByHop, routing, destOptions:
			if len(rest) < 8 {
				return errExtTruncated
			}
			size = 8 + 8*int(rest[1])
		case fragment:
			size = 8
		default:
			return nil
		}
		if len(rest) < size {
			return errExtTruncated
		}
		first := h.proto != fragment || binary.BigEndian.Uint16(rest[2:])&0xfff8 == 0
		h.proto = Proto(rest[0])
		h.off += size
		if !first {
			return errFragment
		}
	}
}
