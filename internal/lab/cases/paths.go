package cases

import (
	"time"

	"github.com/rstprobe/rstprobe/internal/lab"
	"github.com/rstprobe/rstprobe/internal/lab/middlebox"
	"github.com/rstprobe/rstprobe/probe"
)

// paths are boxes on paths that are no plain chain, and several on one path.
func paths(ipv6 bool) []Case {
	build := func(name, doc string, change func(*Case)) Case {
		c := Case{Name: name, Doc: doc, Topology: topology(routers, ipv6), Question: sni,
			Want: Want{Overall: []probe.Overall{probe.Interference}, Outcome: reset, Authors: onPath, After: middle - 1, At: middle}}
		change(&c)
		if c.Want.Device == 0 && !c.Want.Within {
			c.Want.Device = c.Want.At // all of them act before the TTL check
		}
		return c
	}
	put := func(c *Case, p lab.Placement, box func() middlebox.Box) {
		p.New = box
		c.Topology.Boxes = append(c.Topology.Boxes, p)
	}
	tapper := func() middlebox.Box { return fresh(tap) }
	return []Case{
		build("two-taps", "a tap at router 2 and another, of other make, at router 5", func(c *Case) {
			put(c, lab.Placement{Router: 2}, tapper)
			put(c, lab.Placement{Router: 5}, func() middlebox.Box {
				return fresh(middlebox.Resetter{Client: true, Follow: true, TTL: 255, Window: 4242, DF: true})
			})
			c.Want.After, c.Want.At, c.Want.Boxes = 1, 2, 2
		}),
		build("tap-before-wall", "a tap at router 2, and a filter at router 4 that rejects", func(c *Case) {
			put(c, lab.Placement{Router: 2}, tapper)
			put(c, lab.Placement{Router: 4}, func() middlebox.Box { return fresh(wall) })
			c.Want.After, c.Want.At, c.Want.Boxes = 1, 2, 2
			c.Want.Authors = []probe.Author{probe.OnPath, probe.InPath}
		}),
		build("tap-on-answer", "a tap resets the client when the server's page says the name", func(c *Case) {
			c.Question = host
			put(c, lab.Placement{Router: middle}, func() middlebox.Box {
				return &middlebox.Resetter{Match: middlebox.Contains("hello from " + Blocked), On: middlebox.ToClient, Client: true, Follow: true, ACK: true}
			})
			c.Want.Authors = []probe.Author{probe.OnPath, probe.OnOrInPath}
			c.Want.Within = true
		}),
		build("tap-on-way-back", "a tap on routers that only the way back crosses", func(c *Case) {
			c.Question, c.Simulated = host, true
			c.Topology.Return = &lab.Return{Behind: 2, Extra: 2}
			put(c, lab.Placement{Router: 1, Branch: lab.WayBack}, func() middlebox.Box {
				return &middlebox.Resetter{Match: middlebox.Contains("hello from " + Blocked), On: middlebox.ToClient, Client: true, Follow: true, ACK: true}
			})
			c.Want.Authors = []probe.Author{probe.OnPath, probe.OnOrInPath}
			c.Want.After, c.Want.At, c.Want.Within = 2, 3, true
		}),
		build("tap-with-long-way-back", "a tap where the way back is two routers longer", func(c *Case) {
			c.Simulated = true
			c.Topology.Return = &lab.Return{Behind: 2, Extra: 2}
			put(c, lab.Placement{Router: middle}, tapper)
		}),
		build("tap-behind-translator", "a tap behind an address translator", func(c *Case) {
			put(c, lab.Placement{Router: 1, AfterTTL: true}, func() middlebox.Box { return &middlebox.NAT{Addr: c.Topology.NATAddr()} })
			put(c, lab.Placement{Router: middle}, tapper)
		}),
		build("tap-on-both-legs", "equal paths, a tap where they have joined again", func(c *Case) {
			c.Simulated = true
			c.Topology.Fork = &lab.Fork{From: 1, To: 4}
			put(c, lab.Placement{Router: 5}, tapper)
			c.Want.After, c.Want.At = 4, 5
		}),
		build("tap-on-one-leg", "equal paths, a tap on one of them", func(c *Case) {
			c.Simulated = true
			c.Topology.Fork = &lab.Fork{From: 1, To: 4}
			put(c, lab.Placement{Router: middle}, tapper)
			c.Want.Paths = 2
		}),
		build("drop-on-one-leg", "equal paths, a box on one of them that drops the packet with the name", func(c *Case) {
			c.Simulated = true
			c.Topology.Fork = &lab.Fork{From: 1, To: 4}
			put(c, lab.Placement{Router: middle}, func() middlebox.Box { return &middlebox.Dropper{Match: middlebox.NameIs(Blocked)} })
			c.Want.Outcome, c.Want.Authors, c.Want.Causes, c.Want.Paths = drop, inPath, []probe.Cause{"M6"}, 2
		}),
		build("synack-lost", "a box drops the SYN-ACKs of a port, so that nothing of what we send shows where", func(c *Case) {
			c.Question = syn
			put(c, lab.Placement{Router: middle}, func() middlebox.Box {
				return &middlebox.Dropper{Match: middlebox.SYNACKFrom(443, noAddr), On: middlebox.ToClient}
			})
			c.Want = Want{Overall: []probe.Overall{probe.OverallUnreachable}, Outcome: drop, Authors: []probe.Author{probe.Undetermined}}
		}),
		build("tap-while-route-changes", "a tap behind a route that becomes longer meanwhile", func(c *Case) {
			c.Simulated = true
			c.Topology.Fork = &lab.Fork{From: 1, To: 3, Second: 3, Change: 320 * time.Millisecond}
			put(c, lab.Placement{Router: 5}, tapper)
			c.Want.After, c.Want.At = 6, 7
		}),
	}
}
