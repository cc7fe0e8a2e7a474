package probe

import "net/netip"

// Target is what the user named.
type Target struct {
	Input string     // as typed
	Host  string     // the name, or the address where no name was given
	Name  string     // the DNS name, lower case; "" where only an address was given
	IP    netip.Addr // invalid until resolved
	Port  uint16
	Path  string // of a URL; "" where none was given
	HTTP  bool   // an http:// URL
	HTTPS bool   // an https:// URL
}
