// Package cases is the specification: emulated worlds, and the answer that a
// diagnosis must come to in each. The same table runs on the simulated path
// and on real kernels in network namespaces.
package cases

import (
	"fmt"
	"net/netip"
	"slices"
	"time"

	"github.com/rstprobe/rstprobe/internal/diagnosis"
	"github.com/rstprobe/rstprobe/internal/lab"
	"github.com/rstprobe/rstprobe/internal/residual"
	"github.com/rstprobe/rstprobe/probe"
)

// Blocked is the name that the boxes of the cases look for.
const Blocked = "blocked.example"

// Case is one emulated world and the question asked in it.
type Case struct {
	Name      string // unique, lower case with dashes
	Doc       string // one line: what stands where
	Topology  lab.Topology
	Question  diagnosis.Question
	Controls  []string      // nil: the default
	Repeat    int           // 0: the default
	MaxWait   time.Duration // for residual blocks
	Flows     int           // flow classes
	Simulated bool          // what a real kernel's path cannot do
	Elsewhere bool          // the server's second address is given as control address
	Address   netip.Addr    // asked instead of the server; invalid: the server
	Want      Want
}

// Want is the expected answer.
type Want struct {
	Overall   []probe.Overall // any of these
	Outcome   []probe.Outcome // any of these; nil: any at all
	Authors   []probe.Author  // any of these
	Causes    []probe.Cause   // any of these; nil: any at all
	After, At int             // the segment; At 0: not located
	Device    int             // the router that may be named; 0: it does not matter
	Within    bool            // the segment may be wider, as long as it holds this one
	Boxes     int             // how many are told apart; 0: one, or it does not matter
	Paths     int             // on how many paths the tests are compared, and fail on one; 0: it does not matter
	Scope     residual.Scope  // of what is left behind; "": it does not matter
}

// routers is the length of the emulated paths: the first, a middle and the
// last router all differ, and the server is at TTL 7.
const routers = 6

// middle is where the boxes of All stand.
const middle = 3

// Port is the port that the question of a case goes to.
func (c Case) Port() uint16 {
	if c.Question.Kind == probe.Host {
		return 80
	}
	return 443
}

// Target is the target of the case: the name where one is asked about.
func (c Case) Target() probe.Target {
	addr := c.Topology.ServerAddr()
	if c.Address.IsValid() {
		addr = c.Address
	}
	t := probe.Target{IP: addr, Port: c.Port(), Host: addr.String(), HTTP: c.Question.Kind == probe.Host}
	t.Input = netip.AddrPortFrom(addr, c.Port()).String()
	if c.Question.Name != "" {
		t.Host, t.Name = c.Question.Name, c.Question.Name
		t.Input = fmt.Sprintf("%s:%d@%v", c.Question.Name, c.Port(), addr)
	}
	return t
}

// Config is the diagnosis of the case, but for the exchanger.
func (c Case) Config() diagnosis.Config {
	cfg := diagnosis.Config{
		Target: c.Target(), Source: c.Topology.Client(),
		Questions: []diagnosis.Question{c.Question}, Controls: c.Controls, Seed: 1,
		Repeat: c.Repeat, MaxWait: c.MaxWait, Flows: c.Flows,
	}
	if c.Elsewhere {
		cfg.ControlAddress = c.Topology.ServerAddr2()
	}
	return cfg
}

// All are the cases with the box at a middle router, IPv4.
func All() []Case {
	var all []Case
	for _, m := range models() {
		all = append(all, m.at(middle, routers, false))
	}
	return slices.Concat(all, silent(), paths(false), twins(false))
}

// silent are boxes beside routers that send no ICMP, or little of it. The
// honest segment of a box that only swallows is as wide as the silence; one
// that answers is placed all the same.
func silent() []Case {
	var all []Case
	for _, m := range models() {
		if !slices.Contains([]string{"sni-reset-in-path", "sni-reset-on-path", "sni-drop"}, m.name) {
			continue
		}
		c := m.at(middle, routers, false)
		c.Name += "-silent-hops"
		c.Doc += "; routers 2 and 3 never answer"
		c.Topology.Silent = []int{middle - 1, middle}
		if m.silent {
			c.Want.After, c.Want.At = middle-2, middle+1
		}
		limited := m.at(middle, routers, false)
		limited.Name += "-limited-icmp"
		limited.Doc += "; routers limit their ICMP errors, as Linux does by default"
		limited.Topology.LimitICMP = true
		all = append(all, c, limited)
	}
	return all
}

// RealKernel reports whether a case needs what only a real kernel has.
func (c Case) RealKernel() bool { return len(c.Topology.Kernel) > 0 }

// Matrix are all models at the first, a middle and the last router, and the
// twins, for one family.
func Matrix(ipv6 bool) []Case {
	var all []Case
	for _, m := range models() {
		for _, router := range []int{1, middle, routers} {
			c := m.at(router, routers, ipv6)
			c.Name = fmt.Sprintf("%s/router-%d", c.Name, router)
			all = append(all, c)
		}
	}
	if !ipv6 {
		all = append(all, silent()...)
	}
	return slices.Concat(all, paths(ipv6), twins(ipv6))
}

// Find is the case of All with a name.
func Find(name string) (Case, bool) {
	all := All()
	i := slices.IndexFunc(all, func(c Case) bool { return c.Name == name })
	if i < 0 {
		return Case{}, false
	}
	return all[i], true
}

// rtt is the emulated round trip.
const rtt = 50 * time.Millisecond

// topology is the common world.
func topology(n int, ipv6 bool) lab.Topology {
	return lab.Topology{Routers: n, IPv6: ipv6, RTT: rtt}
}
