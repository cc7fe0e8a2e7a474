// Package lab describes an emulated world: a chain of routers between one
// client and one server, the boxes on it, and how the server behaves. simnet
// runs it in memory and virtual time, netlab on real kernels in network
// namespaces.
//
// Addresses are the same in both. The client is Client(), router n answers
// as Router(n) (its side toward the client), the server is at TTL Routers+1.
package lab

import (
	"net/netip"
	"time"

	"github.com/rstprobe/rstprobe/internal/lab/middlebox"
)

// Topology is an emulated world.
type Topology struct {
	Routers   int // 1 … 30
	IPv6      bool
	RTT       time.Duration // client to server and back by the Routers, shared evenly by their links; further routers lie on links as long; simnet only
	Loss      float64       // probability that a packet is lost on those links; simnet only
	Silent    []int         // routers that never send ICMP
	LimitICMP bool          // routers limit their ICMP errors as Linux does by default: a burst of six, then one a second to each destination
	Fork      *Fork         // nil: one path; simnet only
	Return    *Return       // nil: the way back is the way there; simnet only
	Boxes     []Placement
	Kernel    []KernelRule // netlab only
	Programs  []Program    // netlab only
	Server    Server
}

// Fork is a stretch with two paths, called legs: routers From+1 … To-1 are the
// first leg, as many or other ones the second. Without Change they cost the
// same, and Leg says which one a flow takes, both ways (RFC 2992). With Change
// they are one route and the one that replaces it. By a second leg of another
// length router To and all behind it, the server too, are at another TTL.
type Fork struct {
	From, To int // the routers in front of the legs and behind them: 1 ≤ From, From+1 < To ≤ Routers
	Second   int // routers on the second leg; 0: as many as on the first

	// Change is when, after the start, all packets change over from the first
	// leg to the second; 0: never.
	Change time.Duration
}

// Leg is the leg that a flow takes, 1 or 2, as a hash of its addresses and
// ports: a router that balances load by flow keeps those apart (Augustin et
// al., "Avoiding Traceroute Anomalies with Paris Traceroute", IMC 2006).
func (*Fork) Leg(client, server netip.AddrPort) int {
	const seed = 0 // of the router
	if middlebox.Lot(seed, client, server) < 0.5 {
		return 1
	}
	return 2
}

// Return is a longer way back: packets to the client cross Extra more routers
// between router Behind+1 (or the server) and router Behind (or the client).
// Those have no address: what expires there is the server's.
type Return struct {
	Behind int // 0 … Routers, not inside a Fork
	Extra  int // 1 …
}

// Placement puts a box into a router.
type Placement struct {
	Router   int                  // 1 … Routers; on the second leg From+1 …; on the way back 1 … Extra, counted from the client
	AfterTTL bool                 // the box sees packets after the router's TTL check, so it first acts at TTL Router+1
	Branch   Branch               // which of several routers that far out
	New      func() middlebox.Box // a fresh box per run
}

// Branch is a part of the path.
type Branch uint8

// The branches.
const (
	Trunk     Branch = iota // the routers 1 … Routers, first leg of a Fork included
	SecondLeg               // the second leg of the Fork
	WayBack                 // the routers of Return, which see packets to the client only
)

// KernelRule is a rule of the router's own packet filter, in its forward
// hook, so after its TTL check.
type KernelRule struct {
	Router   int
	Contains string // bytes in the packet; "" matches every packet to the port
	Port     uint16 // destination port
	Reject   bool   // reject with tcp reset; false: drop
}

// First is the smallest TTL at which the box of a placement acts: it sits
// after router First-1 and at or before router First. It means nothing on the
// way back.
func (p Placement) First() int {
	if p.AfterTTL {
		return p.Router + 1
	}
	return p.Router
}

// Client is the client's address: 10.9.0.1 or fd09::1.
func (t Topology) Client() netip.Addr { return t.link(0, 1) }

// Router is the address router n answers with: 10.9.(n-1).2 or fd09:0:0:(n-1)::2.
func (t Topology) Router(n int) netip.Addr { return t.link(n-1, 2) }

// SecondRouter is the address that the router n of the second leg of a Fork
// answers with: host part 130 on the link of Router(n).
func (t Topology) SecondRouter(n int) netip.Addr { return t.link(n-1, 130) }

// NATAddr is an address of the client's link for a middlebox.NAT: host part 200.
func (t Topology) NATAddr() netip.Addr { return t.link(0, 200) }

// ServerAddr is the server's address: 10.9.Routers.2 or fd09:0:0:Routers::2.
func (t Topology) ServerAddr() netip.Addr { return t.link(t.Routers, 2) }

// ServerAddr2 is a second address of the same server: host part 3.
func (t Topology) ServerAddr2() netip.Addr { return t.link(t.Routers, 3) }

// link is the host'th address on the link behind router n (link 0 is the
// client's).
func (t Topology) link(n int, host byte) netip.Addr {
	if t.IPv6 {
		return netip.AddrFrom16([16]byte{0: 0xfd, 1: 0x09, 7: byte(n), 15: host})
	}
	return netip.AddrFrom4([4]byte{10, 9, byte(n), host})
}
