package exporter

import (
	"cmp"
	"fmt"
	"net/netip"
	"slices"
	"strings"

	"github.com/rstprobe/rstprobe/internal/watch/watchfile"
	"github.com/rstprobe/rstprobe/probe"
)

// Settings are what a watch file says of /probe. They may change between
// requests.
type Settings struct {
	Modules map[string]watchfile.Module
	Allow   []watchfile.Pattern
	Checks  []watchfile.Check // their targets may be probed, too
}

// denied is why something may not be probed.
type denied string

func (d denied) Error() string { return string(d) }

const howToAllow = "list it in the watch file under probe: allow, or watch it by a check"

// permit refuses a target that is listed nowhere, and a name to be said to it.
// What it returns refuses the addresses that the name of the target has.
func (s Settings) permit(t probe.Target, hostname string) (admit func(netip.Addr) error, err error) {
	unlisted := denied(fmt.Sprintf("hostname %s may not be said to port %d: %s", hostname, t.Port, howToAllow))
	watched := false
	for _, c := range s.Checks {
		if c.Target.Host != t.Host || c.Target.Port != t.Port || c.Target.IP != t.IP || pathOf(c.Target) != pathOf(t) {
			continue
		}
		watched = true
		if hostname == "" || slices.Contains(namesOf(c), hostname) || s.lists(hostname, t.Port) {
			return func(netip.Addr) error { return nil }, nil // the check goes there as well
		}
	}
	if watched {
		return nil, unlisted
	}
	if t.Name != "" && !s.lists(t.Name, t.Port) {
		return nil, denied(fmt.Sprintf("%s port %d may not be probed: %s", t.Name, t.Port, howToAllow))
	}
	if t.IP.IsValid() && !s.listsAddr(t.IP, t.Port) {
		return nil, denied(fmt.Sprintf("%s port %d may not be probed: %s", t.IP, t.Port, howToAllow))
	}
	if pathOf(t) != "/" {
		return nil, denied(fmt.Sprintf("the path %q may not be asked for: leave it out, or watch %s by a check", t.Path, t.Input))
	}
	if hostname != "" && !s.lists(hostname, t.Port) {
		return nil, unlisted
	}
	return func(ip netip.Addr) error {
		if public(ip) || s.listsAddr(ip, t.Port) {
			return nil
		}
		return denied(fmt.Sprintf("%s is %s, which is no address of the public Internet: list the address or its network under probe: allow", t.Name, ip))
	}, nil
}

// pathOf is what is asked for in an HTTP request: without a path, the root.
func pathOf(t probe.Target) string { return cmp.Or(t.Path, "/") }

func (s Settings) lists(name string, port uint16) bool {
	return slices.ContainsFunc(s.Allow, func(p watchfile.Pattern) bool { return p.HasName(name, port) })
}

func (s Settings) listsAddr(ip netip.Addr, port uint16) bool {
	return slices.ContainsFunc(s.Allow, func(p watchfile.Pattern) bool { return p.HasAddr(ip, port) })
}

// namesOf are the names that a check says anyway.
func namesOf(c watchfile.Check) []string {
	names := append([]string{c.Target.Name}, c.Controls...)
	for _, q := range c.Questions {
		names = append(names, strings.ToLower(q.Name))
	}
	return names
}

// special are the networks whose addresses are no host's of the public
// Internet, besides those that package netip knows (IANA IPv4 and IPv6
// Special-Purpose Address Registries, RFC 6890).
var special = []netip.Prefix{
	netip.MustParsePrefix("0.0.0.0/8"),      // this network, RFC 791
	netip.MustParsePrefix("100.64.0.0/10"),  // shared by customers of an access provider, RFC 6598
	netip.MustParsePrefix("192.0.0.0/24"),   // protocol assignments, RFC 6890
	netip.MustParsePrefix("198.18.0.0/15"),  // benchmarks, RFC 2544
	netip.MustParsePrefix("240.0.0.0/4"),    // reserved, RFC 1112
	netip.MustParsePrefix("64:ff9b:1::/48"), // translation inside of a network, RFC 8215
	netip.MustParsePrefix("fec0::/10"),      // site-local, RFC 3879
}

// Of these, an IPv4 address follows the prefix: where a translator stands,
// they lead to it.
var embedding = map[netip.Prefix]int{ // the first byte of it
	netip.MustParsePrefix("64:ff9b::/96"): 12, // RFC 6052
	netip.MustParsePrefix("2002::/16"):    2,  // RFC 3056
	netip.MustParsePrefix("::/96"):        12, // RFC 4291 §2.5.5.1
}

// public reports whether an address may be that of a host of the public
// Internet. A name that somebody else may point anywhere is not to reach the
// inside of our own network.
func public(ip netip.Addr) bool {
	ip = ip.Unmap().WithZone("")
	for prefix, at := range embedding {
		if prefix.Contains(ip) {
			b := ip.As16()
			return public(netip.AddrFrom4([4]byte(b[at : at+4])))
		}
	}
	return ip.IsGlobalUnicast() && !ip.IsPrivate() &&
		!slices.ContainsFunc(special, func(p netip.Prefix) bool { return p.Contains(ip) })
}
