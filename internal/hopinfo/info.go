// Package hopinfo says what is known of an address besides the address: its
// name by reverse DNS, and its autonomous system, its owner and its country by
// database files of this machine.
//
// It asks the system's resolver and reads files. It sends nothing to anybody
// else, and it has no say in a verdict: the caller prints what it finds.
package hopinfo

import "net/netip"

// Info is what is known of an address.
type Info struct {
	// Name is what reverse DNS says, "" when it says nothing. Whoever runs the
	// address writes it, so it proves nothing. It is printable ASCII, at most
	// 253 characters.
	Name    string
	ASN     int    // of the autonomous system that announces it; 0 when unknown
	Owner   string // of that system, as the database calls it; "" when unknown
	Country string // ISO 3166-1 alpha-2, upper case; "" when unknown
}

// special are the networks that nobody owns or that have an owner in every
// place another (IANA IPv4 and IPv6 Special-Purpose Address Registries). Those
// that netip tells of itself are not among them.
var special = []netip.Prefix{
	netip.MustParsePrefix("0.0.0.0/8"),       // RFC 791 §3.2
	netip.MustParsePrefix("100.64.0.0/10"),   // RFC 6598, carrier-grade NAT
	netip.MustParsePrefix("192.0.0.0/24"),    // RFC 6890 §2.1
	netip.MustParsePrefix("192.0.2.0/24"),    // RFC 5737, documentation
	netip.MustParsePrefix("198.18.0.0/15"),   // RFC 2544, benchmarks
	netip.MustParsePrefix("198.51.100.0/24"), // RFC 5737
	netip.MustParsePrefix("203.0.113.0/24"),  // RFC 5737
	netip.MustParsePrefix("240.0.0.0/4"),     // RFC 1112 §4
	netip.MustParsePrefix("64:ff9b:1::/48"),  // RFC 8215, translation inside a network
	netip.MustParsePrefix("100::/64"),        // RFC 6666, discard
	netip.MustParsePrefix("2001:2::/48"),     // RFC 5180, benchmarks
	netip.MustParsePrefix("2001:db8::/32"),   // RFC 3849, documentation
	netip.MustParsePrefix("3fff::/20"),       // RFC 9637, documentation
	netip.MustParsePrefix("5f00::/16"),       // RFC 9602, segment routing
}

// Public reports whether an address can have an owner that a database knows:
// it is no private, link-local, documentation or other special address.
func Public(ip netip.Addr) bool {
	ip = ip.Unmap().WithZone("")
	if !ip.IsGlobalUnicast() || ip.IsPrivate() {
		return false
	}
	for _, p := range special {
		if p.Contains(ip) {
			return false
		}
	}
	return true
}
