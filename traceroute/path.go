// Package traceroute places a box on a path: TTL-limited trials in, the
// answers hop by hop and the segment on which control and test part out.
//
// Convention: a packet sent with TTL n can be seen on the wire into router n
// and dies there. A box that acts at TTL n and not at n-1 sits between router
// n-1, after its TTL check, and the ingress of router n.
package traceroute

import (
	"net/netip"
	"time"

	"github.com/rstprobe/rstprobe/probe"
)

// Answer is what one TTL drew.
type Answer string

// The answers.
const (
	NotSent      Answer = ""
	Silent       Answer = "silent"
	TimeExceeded Answer = "time_exceeded"
	ResetAnswer  Answer = "reset"
	BothAnswers  Answer = "reset_and_time_exceeded"
	Injected     Answer = "injected_response"
	Unreachable  Answer = "unreachable"
	FromServer   Answer = "server" // the destination itself: SYN-ACK, acknowledgment, data
)

// Hop is one router, or the silence where one should be.
type Hop struct {
	TTL     int
	Addr    netip.Addr    // invalid: silent
	RTT     time.Duration // smallest; 0 when silent
	Control Answer
	Test    Answer

	// Sent counts the harmless copies with this TTL and Answered the Time
	// Exceeded about them: less than all is loss or a limited rate (RFC 1812
	// §4.3.2.8, RFC 4443 §2.4).
	Sent, Answered int
	Altered        []Alteration // what the quotes of this hop are the first to show changed
}

// Path is what lies between us and the server.
type Path struct {
	ServerTTL int        // the smallest TTL at which the server answers; 0: it never did
	Server    netip.Addr // who answers there: the target, or in its stead the control address; invalid: not known
	Hops      []Hop      // ascending by TTL, 1 … ServerTTL (or as far as was probed)
}

// Method names a localiser.
type Method string

// The localisers.
const (
	CodedBurst Method = "coded_burst"        // one connection, one stamped copy per TTL
	TimedSteps Method = "timed_ascending"    // one connection, one copy per step
	OwnFlows   Method = "connection_per_ttl" // a connection per TTL, as ordinary sockets have it
	DarkZone   Method = "icmp_dark_zone"     // where the test copies stop drawing Time Exceeded and the control copies go on
	SYNSweep   Method = "syn_sweep"          // bare SYNs
	CopiedTTLs Method = "ttl_copy"           // half of the routers that a copied TTL counts, there and back
	// TriggerRead: a TTL-limited copy, then a harmless packet whose fate tells.
	TriggerRead Method = "trigger_then_read"
	// ResponseDirection: what it sent tells how far it is on the way back; no
	// TTL-limited copy reaches what only the server's answer sets off.
	ResponseDirection Method = "response_direction"
)

// Point is a router on the path.
type Point struct {
	TTL  int        // 0: ourselves
	Addr netip.Addr // invalid when silent
}

// Location is the segment on which a box sits.
type Location struct {
	After, At   Point  // after the TTL check of After … ingress of At
	Device      *Point // nil unless a second, independent ruler names the router
	Method      Method
	Votes       int // rounds that gave this segment
	Rounds      int
	ForwardHops int // hops from us to the box, as probed: At.TTL-1 … 0 when unknown
	ReverseHops int // hops from the box to us, from the reset's remaining TTL; 0 when unknown
	Evidence    []probe.Evidence
}
