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
	RTT       time.Duration // client to server and back, shared evenly by the links; simnet only
	Loss      float64       // probability that a link loses a packet, spread over the path; simnet only
	Silent    []int         // routers that never send ICMP
	LimitICMP bool          // routers limit their ICMP errors as Linux does by default: a burst of six, then one a second to each destination; netlab only
	Boxes     []Placement
	Kernel    []KernelRule // netlab only
	Server    Server
}

// Placement puts a box into a router.
type Placement struct {
	Router   int                  // 1 … Routers
	AfterTTL bool                 // the box sees packets after the router's TTL check, so it first acts at TTL Router+1
	New      func() middlebox.Box // a fresh box per run
}

// KernelRule is a rule of the router's own packet filter, in its forward
// hook, so after its TTL check.
type KernelRule struct {
	Router   int
	Contains string // bytes in the packet; "" matches every packet to the port
	Port     uint16 // destination port
	Reject   bool   // reject with tcp reset; false: drop
}

// First is the smallest TTL at which the box of a placement acts: it sits
// after router First-1 and at or before router First.
func (p Placement) First() int {
	if p.AfterTTL {
		return p.Router + 1
	}
	return p.Router
}

// Policy is what a server does with a name that it does not know.
type Policy uint8

// The policies.
const (
	Serve        Policy = iota // answer every name
	PolicyReset                // abortive close (linger 0) once it has read the request
	PolicyAlert                // TLS alert unrecognized_name, then FIN (HTTP: 421, then FIN)
	PolicyFIN                  // FIN without an answer
	PolicyUnread               // close without reading the request, so that the kernel resets (RFC 2525 §2.17)
	PolicySilent               // accept and never answer
)

// Server is how the server behaves. TLS on 443, HTTP on 80.
type Server struct {
	Names     []string      // the names it knows; names under control.example, example.com and example.org are known only if listed
	Unknown   Policy        // for other names, no name included
	Always    Policy        // for every name, known or not; Serve: as above
	Closed    []uint16      // ports of 443 and 80 on which nothing listens
	AbortEnd  bool          // ends every connection with an RST right after its answer instead of waiting (linger 0)
	IdleReset time.Duration // resets a connection idle that long; 0: never
}

// Known reports whether the server knows the name. An empty list knows all.
func (s Server) Known(name string) bool {
	if len(s.Names) == 0 {
		return true
	}
	for _, n := range s.Names {
		if n == name {
			return true
		}
	}
	return false
}

// Client is the client's address: 10.9.0.1 or fd09::1.
func (t Topology) Client() netip.Addr { return t.link(0, 1) }

// Router is the address router n answers with: 10.9.(n-1).2 or fd09:0:0:(n-1)::2.
func (t Topology) Router(n int) netip.Addr { return t.link(n-1, 2) }

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
