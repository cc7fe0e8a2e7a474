package packet

import "encoding/binary"

// sum is the one's complement sum of the 16-bit words of b, an odd last octet
// padded with zero (RFC 1071). It is 0xffff over data with a good checksum.
func sum(b []byte) uint16 {
	var n uint32
	for ; len(b) >= 2; b = b[2:] {
		n += uint32(binary.BigEndian.Uint16(b))
	}
	if len(b) == 1 {
		n += uint32(b[0]) << 8
	}
	return fold(n)
}

// fold adds the carries back in (RFC 1071 §1).
func fold(n uint32) uint16 {
	n = n>>16 + n&0xffff
	n += n >> 16
	return uint16(n) //nolint:gosec // the carries are in
}

// replace stores the word v at b[at:] and corrects the checksum at b[check:],
// which covers it (RFC 1624 §3, equation 3).
func replace(b []byte, at, check int, v uint16) {
	old := binary.BigEndian.Uint16(b[at:])
	was := binary.BigEndian.Uint16(b[check:])
	binary.BigEndian.PutUint16(b[at:], v)
	binary.BigEndian.PutUint16(b[check:], ^fold(uint32(^was)+uint32(^old)+uint32(v)))
}

// SetTTL sets the time to live or hop limit of the datagram raw in place and
// corrects the IPv4 header checksum. Bytes that are no whole IP header are
// left alone.
func SetTTL(raw []byte, ttl uint8) {
	switch {
	case len(raw) >= ipv4Len && raw[0]>>4 == 4:
		replace(raw, 8, 10, uint16(ttl)<<8|uint16(raw[9]))
	case len(raw) >= ipv6Len && raw[0]>>4 == 6:
		raw[7] = ttl
	}
}
