package explain

import (
	"net/netip"

	"github.com/rstprobe/rstprobe/internal/packet"
)

// unreachableFor names what an ICMP Destination Unreachable means (RFC 792,
// RFC 1812 §5.2.7.1, RFC 4443 §3.1).
func unreachableFor(e packet.ICMPError, v4 bool) string {
	switch {
	case v4 && e.Code == 3, !v4 && e.Code == 4:
		return "port"
	case v4 && (e.Code == 9 || e.Code == 10 || e.Code == 13), !v4 && (e.Code == 1 || e.Code == 5):
		return "admin"
	case v4 && e.Code == 1, !v4 && e.Code == 3:
		return "host"
	}
	return "route"
}

// portless is an address with its port left out.
func portless(a netip.AddrPort) netip.AddrPort { return netip.AddrPortFrom(a.Addr(), 0) }
