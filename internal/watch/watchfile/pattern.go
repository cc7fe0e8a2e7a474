package watchfile

import (
	"fmt"
	"net/netip"
	"strconv"
	"strings"

	"github.com/rstprobe/rstprobe/internal/payload"
)

// Pattern is one line of the list of what /probe may probe: a name, all names
// below one, an address or a network, with one port or any.
type Pattern struct {
	Name string       // lower case, "*.example" for all names below; "": Net counts
	Net  netip.Prefix // IPv4 as such
	Port uint16       // 0: any
}

// defaultPort is that of a target, too.
const defaultPort = 443

// The widest networks that may be listed: one that covers more would make
// /probe a scanner of everybody. They are those of 10.0.0.0/8 (RFC 1918) and
// fc00::/7 (RFC 4193).
const (
	widest4 = 8
	widest6 = 7
)

// ParsePattern reads NAME, *.NAME, ADDRESS or NETWORK, and behind a colon a
// port or * for any; without one, it is that of HTTPS. Behind a colon, an
// IPv6 address or network stands in brackets.
func ParsePattern(s string) (Pattern, error) {
	host, p, err := cutPort(s)
	if err != nil {
		return Pattern{}, err
	}
	if ip, err := netip.ParseAddr(host); err == nil && ip.Zone() == "" {
		ip = ip.Unmap()
		p.Net = netip.PrefixFrom(ip, ip.BitLen())
		return p, nil
	}
	if net, err := netip.ParsePrefix(host); err == nil {
		if widest := map[bool]int{true: widest4, false: widest6}[net.Addr().Is4()]; net.Bits() < widest || net.Addr().Is4In6() {
			return Pattern{}, fmt.Errorf("%q: a network as wide as that is nobody's: write one of /%d to /32 of IPv4, /%d to /128 of IPv6", s, widest4, widest6)
		}
		p.Net = net.Masked()
		return p, nil
	}
	below, wild := strings.CutPrefix(host, "*.")
	if err := payload.CheckName(below); err != nil || strings.Contains(below, "*") {
		return Pattern{}, fmt.Errorf("%q: write shop.example, *.example, 192.0.2.7, 192.0.2.0/24 or [2001:db8::]/32, and :PORT or :* behind it", s)
	}
	p.Name = strings.ToLower(below)
	if wild {
		p.Name = "*." + p.Name
	}
	return p, nil
}

// cutPort takes the port, and then the brackets, off a pattern.
func cutPort(s string) (host string, p Pattern, err error) {
	p.Port = defaultPort
	host, port, found := s, "", false
	if inside, rest, ok := strings.Cut(strings.TrimPrefix(s, "["), "]"); ok && strings.HasPrefix(s, "[") {
		length, after, colon := strings.Cut(rest, ":")
		host, port, found = inside+length, after, colon
	} else if strings.Count(s, ":") == 1 {
		host, port, found = strings.Cut(s, ":")
	}
	if !found {
		return host, p, nil
	}
	if port == "*" {
		p.Port = 0
		return host, p, nil
	}
	n, err := strconv.ParseUint(port, 10, 16)
	if err != nil || n == 0 {
		return "", p, fmt.Errorf("%q: the port is a number from 1 to 65535, or * for any", s)
	}
	p.Port = uint16(n)
	return host, p, nil
}

// HasName reports whether the pattern lists a name, on a port.
func (p Pattern) HasName(name string, port uint16) bool {
	if p.Name == "" || p.Port != 0 && p.Port != port {
		return false
	}
	if below, ok := strings.CutPrefix(p.Name, "*"); ok {
		return strings.HasSuffix(name, below) && len(name) > len(below)
	}
	return name == p.Name
}

// HasAddr reports whether the pattern lists an address, on a port.
func (p Pattern) HasAddr(ip netip.Addr, port uint16) bool {
	return p.Net.IsValid() && (p.Port == 0 || p.Port == port) && p.Net.Contains(ip.Unmap().WithZone(""))
}
