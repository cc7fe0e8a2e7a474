package packet

import (
	"fmt"
	"net/netip"

	"github.com/google/gopacket"
	"github.com/google/gopacket/layers"
)

// BuildTimeExceeded crafts what a router at from sends to the source of the
// datagram original when its TTL runs out (RFC 792 type 11 code 0, RFC 4443
// §3.3), with a TTL of 64. It quotes the first quote bytes of original, or
// all of it if it is shorter.
func BuildTimeExceeded(from netip.Addr, original []byte, quote int) ([]byte, error) {
	const inTransit = 0
	return buildError(from, original, quote,
		layers.CreateICMPv4TypeCode(layers.ICMPv4TypeTimeExceeded, inTransit),
		layers.CreateICMPv6TypeCode(layers.ICMPv6TypeTimeExceeded, inTransit))
}

// BuildUnreachable crafts a destination unreachable message (RFC 792 type 3,
// RFC 4443 §3.1) about the datagram original, as BuildTimeExceeded does. code
// is that of original's family; the next-hop MTU of RFC 1191 stays zero.
func BuildUnreachable(from netip.Addr, code uint8, original []byte, quote int) ([]byte, error) {
	return buildError(from, original, quote,
		layers.CreateICMPv4TypeCode(layers.ICMPv4TypeDestinationUnreachable, code),
		layers.CreateICMPv6TypeCode(layers.ICMPv6TypeDestinationUnreachable, code))
}

// internetControl is the precedence of ICMP errors (RFC 1812 §4.3.2.5).
const internetControl = 0xc0

func buildError(from netip.Addr, original []byte, quote int, v4 layers.ICMPv4TypeCode, v6 layers.ICMPv6TypeCode) ([]byte, error) {
	var h header
	if err := h.parse(original); err != nil {
		return nil, fmt.Errorf("packet: build ICMP error from %v: read original: %w", from, err)
	}
	if quote < 0 {
		return nil, fmt.Errorf("packet: build ICMP error from %v: quote of %d bytes", from, quote)
	}
	quoted := original[:min(quote, len(original))]

	proto := ICMP
	if h.v6 {
		proto = ICMPv6
	}
	ip, err := network(from, h.src, proto)
	if err != nil {
		return nil, fmt.Errorf("packet: build ICMP error from %v to %v: %w", from, h.src, err)
	}
	var raw []byte
	if h.v6 {
		ip.v6.TrafficClass = internetControl
		icmp := &layers.ICMPv6{TypeCode: v6}
		if err := icmp.SetNetworkLayerForChecksum(ip.layer); err != nil {
			return nil, fmt.Errorf("packet: build ICMP error from %v to %v: %w", from, h.src, err)
		}
		unused := make([]byte, 4, 4+len(quoted)) // RFC 4443 §3.1, §3.3
		raw, err = ip.serialize(icmp, append(unused, quoted...))
	} else {
		ip.v4.TOS = internetControl
		raw, err = ip.serialize(&layers.ICMPv4{TypeCode: v4}, gopacket.Payload(quoted))
	}
	if err != nil {
		return nil, fmt.Errorf("packet: build ICMP error from %v to %v: %w", from, h.src, err)
	}
	return raw, nil
}
