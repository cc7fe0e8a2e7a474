package simnet

import (
	"fmt"
	"net/netip"
	"slices"
	"time"

	"github.com/rstprobe/rstprobe/internal/lab"
	"github.com/rstprobe/rstprobe/internal/lab/middlebox"
	"github.com/rstprobe/rstprobe/internal/packet"
)

// node is the client, a router or the server.
type node struct {
	number int        // of hops from the client, as Trace tells it
	addr   netip.Addr // that it sends ICMP from; invalid: it sends none
	boxes  []placed
	// The next node toward the server and toward the client, by leg: the same
	// twice but where a fork begins.
	up, down [2]*node
	limit    map[netip.Addr]allowance // of ICMP errors, by destination
}

// placed is a box at work.
type placed struct {
	box   middlebox.Box
	after bool // it sees packets after the TTL check
}

// next is the node that a packet goes to from here.
func (v *node) next(dir middlebox.Direction, leg int) *node {
	if dir == middlebox.ToServer {
		return v.up[leg]
	}
	return v.down[leg]
}

// chain links nodes one behind the other on the given legs.
func chain(legs []int, nodes ...*node) {
	for i, v := range nodes[1:] {
		for _, leg := range legs {
			nodes[i].up[leg], v.down[leg] = v, nodes[i]
		}
	}
}

var bothLegs = []int{0, 1}

// world is all nodes by where they are.
type world struct {
	trunk  []*node // client, router 1 … Routers, server
	second []*node // of the fork, from router From+1 on
	back   []*node // of the way back, from the client
}

// lay makes the nodes of a topology.
func lay(top lab.Topology) (world, error) {
	var w world
	for i := range top.Routers + 2 {
		v := &node{number: i}
		if i > 0 && i <= top.Routers && !slices.Contains(top.Silent, i) {
			v.addr = top.Router(i)
		}
		w.trunk = append(w.trunk, v)
	}
	chain(bothLegs, w.trunk...)
	if f := top.Fork; f != nil {
		if f.From < 1 || f.From+1 >= f.To || f.To > top.Routers || f.Second < 0 {
			return w, fmt.Errorf("a fork with %d routers from %d to %d of %d", f.Second, f.From, f.To, top.Routers)
		}
		n := f.Second
		if n == 0 {
			n = f.To - f.From - 1
		}
		for i := f.From + 1; i <= f.From+n; i++ {
			w.second = append(w.second, &node{number: i, addr: top.SecondRouter(i)})
		}
		chain(bothLegs, w.second...)
		from, to, first, last := w.trunk[f.From], w.trunk[f.To], w.second[0], w.second[n-1]
		chain([]int{1}, from, first)
		chain([]int{1}, last, to)
		first.down[0], last.up[0] = from, to // once on a leg, a packet leaves it at its end
	}
	if r := top.Return; r != nil {
		if f := top.Fork; r.Behind < 0 || r.Behind > top.Routers || r.Extra < 1 || f != nil && f.From <= r.Behind && r.Behind < f.To {
			return w, fmt.Errorf("a way back with %d more routers behind router %d of %d", r.Extra, r.Behind, top.Routers)
		}
		near, far := w.trunk[r.Behind], w.trunk[r.Behind+1]
		last := near
		for range r.Extra {
			v := &node{number: r.Behind, up: [2]*node{far, far}, down: [2]*node{last, last}}
			w.back = append(w.back, v)
			last = v
		}
		far.down = [2]*node{last, last}
	}
	return w, nil
}

// at is the router that a placement means.
func (w world) at(pl lab.Placement, top lab.Topology) (*node, error) {
	routers, first := w.trunk[1:top.Routers+1], 1
	switch pl.Branch {
	case lab.Trunk:
	case lab.SecondLeg:
		routers = w.second
		if top.Fork != nil {
			first = top.Fork.From + 1
		}
	case lab.WayBack:
		routers = w.back
	}
	if i := pl.Router - first; i >= 0 && i < len(routers) {
		return routers[i], nil
	}
	return nil, fmt.Errorf("a box at router %d of %d", pl.Router, len(routers))
}

// leg is which leg of the fork a packet takes, 0 or 1. An ICMP error goes with
// the flow that it is about.
func (n *Net) leg(dir middlebox.Direction, p packet.Packet) int {
	f := n.top.Fork
	switch {
	case f == nil:
		return 0
	case f.Change > 0 && n.now.Sub(n.start) >= f.Change:
		return 1
	case f.Change > 0:
		return 0
	case p.ICMP.Kind != 0:
		return f.Leg(p.ICMP.Quote.Src, p.ICMP.Quote.Dst) - 1
	case dir == middlebox.ToServer:
		return f.Leg(p.Src, p.Dst) - 1
	}
	return f.Leg(p.Dst, p.Src) - 1
}

// The limit of ICMP errors as Linux sets it: XRLIM_BURST_FACTOR of them, and
// one more each net.ipv4.icmp_ratelimit.
const (
	icmpBurst = 6
	icmpEvery = time.Second
)

// allowance is how much time of silence a destination has to its credit.
type allowance struct {
	saved time.Duration
	since time.Time
}

// allows reports whether an ICMP error to dst may be sent, and counts it.
func (v *node) allows(dst netip.Addr, now time.Time) bool {
	a, known := v.limit[dst]
	if !known {
		a.saved = icmpBurst * icmpEvery
	} else {
		a.saved = min(icmpBurst*icmpEvery, a.saved+now.Sub(a.since))
	}
	a.since = now
	ok := a.saved >= icmpEvery
	if ok {
		a.saved -= icmpEvery
	}
	if v.limit == nil {
		v.limit = make(map[netip.Addr]allowance)
	}
	v.limit[dst] = a
	return ok
}
