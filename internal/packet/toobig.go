package packet

import (
	"fmt"
	"math"
	"net/netip"

	"github.com/google/gopacket/layers"
)

// BuildTooBig crafts what a router at from sends about the datagram original
// when it does not fit the next link, of mtu bytes (1 … 65535): ICMP
// fragmentation needed (RFC 1191 §4) or ICMPv6 packet too big (RFC 4443 §3.2).
// It quotes as BuildTimeExceeded does.
func BuildTooBig(from netip.Addr, mtu int, original []byte, quote int) ([]byte, error) {
	if mtu < 1 || mtu > math.MaxUint16 {
		return nil, fmt.Errorf("packet: build ICMP error from %v: MTU of %d bytes", from, mtu)
	}
	raw, err := buildError(from, original, quote,
		layers.CreateICMPv4TypeCode(layers.ICMPv4TypeDestinationUnreachable, layers.ICMPv4CodeFragmentationNeeded),
		layers.CreateICMPv6TypeCode(layers.ICMPv6TypePacketTooBig, 0))
	if err != nil {
		return nil, err
	}
	// Both families have the MTU in the lower half of the second word, which
	// is zero so far.
	const at, checksum = 6, 2
	size := ipv4Len
	if from.Is6() {
		size = ipv6Len
	}
	replace(raw[size:], at, checksum, uint16(mtu))
	return raw, nil
}
