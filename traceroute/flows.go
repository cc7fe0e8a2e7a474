package traceroute

import (
	"cmp"
	"net/netip"
	"slices"
)

// PortSweep is a sweep of SYNs from one source port. Routers that balance load
// choose the way by the ports (RFC 2992), so another port may be another path.
type PortSweep struct {
	Port  uint16
	Sweep Sweep
}

// Class is the source ports whose packets take the same way.
type Class struct {
	Ports     []uint16     // ascending
	Routers   []netip.Addr // by TTL-1; invalid: no port of the class heard of it
	ServerTTL int          // the smallest TTL at which the destination answered; 0: it never did
}

// Classes sorts source ports by the routers that their sweeps heard of. A
// missing answer says nothing, so it never keeps two ports apart; a port that
// in the end fits several classes is in none of them, since nobody knows which
// way it takes. The largest class is first; of two as large, that of the lower
// port.
func Classes(sweeps []PortSweep) []Class {
	all := make([]Class, 0, len(sweeps))
	for _, s := range sweeps {
		all = append(all, classOf(s))
	}
	// Those that heard most go first: they leave the least to guess.
	slices.SortStableFunc(all, func(a, b Class) int {
		return cmp.Or(cmp.Compare(b.known(), a.known()), cmp.Compare(a.Ports[0], b.Ports[0]))
	})
	var classes []Class
	for _, c := range all {
		best, shared := -1, -1
		for i, into := range classes {
			if n := into.shares(c); len(into.differs(c)) == 0 && n > shared {
				best, shared = i, n
			}
		}
		if best < 0 {
			classes = append(classes, c)
			continue
		}
		classes[best].take(c)
	}
	for i := range classes {
		classes[i].Ports = nil
	}
	for _, c := range all {
		fits := -1
		for i, into := range classes {
			if len(into.differs(c)) > 0 {
				continue
			}
			if fits >= 0 {
				fits = -1
				break
			}
			fits = i
		}
		if fits >= 0 {
			classes[fits].Ports = append(classes[fits].Ports, c.Ports...)
		}
	}
	for i := range classes {
		slices.Sort(classes[i].Ports)
	}
	classes = slices.DeleteFunc(classes, func(c Class) bool { return len(c.Ports) == 0 })
	slices.SortStableFunc(classes, func(a, b Class) int {
		return cmp.Or(cmp.Compare(len(b.Ports), len(a.Ports)), cmp.Compare(a.Ports[0], b.Ports[0]))
	})
	return classes
}

func classOf(s PortSweep) Class {
	c := Class{Ports: []uint16{s.Port}, ServerTTL: s.Sweep.Summary().AnswerAt}
	for ttl, r := range s.Sweep.Replies {
		if ttl > 0 && r.Expired > 0 {
			c.Routers = append(c.Routers, make([]netip.Addr, max(0, ttl-len(c.Routers)))...)
			c.Routers[ttl-1] = r.Router
		}
	}
	return c
}

func (c Class) router(ttl int) netip.Addr {
	if ttl > len(c.Routers) {
		return netip.Addr{}
	}
	return c.Routers[ttl-1]
}

func (c Class) known() int {
	n := 0
	for _, r := range c.Routers {
		if r.IsValid() {
			n++
		}
	}
	return n
}

// shares is how many routers two classes both know.
func (c Class) shares(d Class) int {
	n := 0
	for ttl := 1; ttl <= len(c.Routers); ttl++ {
		if r := c.router(ttl); r.IsValid() && r == d.router(ttl) {
			n++
		}
	}
	return n
}

// differs are the TTLs at which two ways part out, ascending: other routers,
// or a router for one where the other had come to the destination.
func (c Class) differs(d Class) []int {
	var ttls []int
	for ttl := 1; ttl <= max(len(c.Routers), len(d.Routers)); ttl++ {
		a, b := c.router(ttl), d.router(ttl)
		switch {
		case a.IsValid() && b.IsValid() && a != b,
			a.IsValid() && d.ServerTTL > 0 && ttl >= d.ServerTTL,
			b.IsValid() && c.ServerTTL > 0 && ttl >= c.ServerTTL:
			ttls = append(ttls, ttl)
		}
	}
	return ttls
}

func (c *Class) take(d Class) {
	c.Routers = append(c.Routers, make([]netip.Addr, max(0, len(d.Routers)-len(c.Routers)))...)
	for i, r := range d.Routers {
		if !c.Routers[i].IsValid() {
			c.Routers[i] = r
		}
	}
	if c.ServerTTL == 0 || d.ServerTTL > 0 && d.ServerTTL < c.ServerTTL {
		c.ServerTTL = d.ServerTTL
	}
}

// Disagreement are the TTLs at which any two classes part out, ascending.
func Disagreement(classes []Class) []int {
	var ttls []int
	for i, c := range classes {
		for _, d := range classes[i+1:] {
			ttls = append(ttls, c.differs(d)...)
		}
	}
	slices.Sort(ttls)
	return slices.Compact(ttls)
}

// Changed compares two sweeps of SYNs from the same port, at different times:
// the TTLs at which other routers answered, and whether the route changed in
// between, which takes two of them or another distance of the destination. One
// alone may be a router with several addresses.
func Changed(before, after Sweep) (ttls []int, changed bool) {
	a, b := classOf(PortSweep{Sweep: before}), classOf(PortSweep{Sweep: after})
	ttls = a.differs(b)
	moved := slices.ContainsFunc(ttls, func(ttl int) bool {
		return a.ServerTTL > 0 && ttl >= a.ServerTTL || b.ServerTTL > 0 && ttl >= b.ServerTTL
	})
	return ttls, len(ttls) >= 2 || moved
}
