package report

import (
	"net/netip"
	"strconv"
)

// Network is who runs the network that an address belongs to, by the
// databases of this machine.
type Network struct {
	ASN     int    `json:"asn"`      // 0: unknown
	ASOwner string `json:"as_owner"` // of the autonomous system; "": unknown
	Country string `json:"country"`  // ISO 3166-1 alpha-2; "": unknown
}

// Identity is what is known of an address besides the address.
type Identity struct {
	Name string `json:"name"` // by reverse DNS; "": unknown
	Network
}

// identify fills in what who knows of the addresses of d.
func (d *Document) identify(who func(netip.Addr) Identity) {
	if who == nil {
		return
	}
	of := func(ip netip.Addr) (i Identity) {
		if ip.IsValid() {
			i = who(ip)
		}
		return i
	}
	d.Target.Identity = of(d.Target.IP)
	for i := range d.Path.Hops {
		d.Path.Hops[i].Identity = of(d.Path.Hops[i].IP)
	}
	for l := range d.locations() {
		if l.DeviceIP != nil {
			l.Network = of(*l.DeviceIP).Network
		} else {
			l.Network = common(of(l.AfterIP).Network, of(l.AtIP).Network)
		}
	}
}

// common is what two networks have in common: what lies between routers of one
// owner is the owner's.
func common(a, b Network) Network {
	if a.ASN != b.ASN {
		a.ASN, a.ASOwner = 0, ""
	}
	if a.Country != b.Country {
		a.Country = ""
	}
	return a
}

// text names a network, as in "AS64500 Example Telecom, DE"; "" when nothing
// is known.
func (n Network) text() string {
	return join(", ", join(" ", n.number(), n.ASOwner), n.Country)
}

func (n Network) number() string {
	if n.ASN == 0 {
		return ""
	}
	return "AS" + strconv.Itoa(n.ASN)
}

// text names an address, the network last.
func (i Identity) text() string { return join(", ", i.Name, i.Network.text()) }
