// Package middlebox holds models of censors, firewalls and proxies. A box
// sees one packet at a time and says what happens to it and what is sent in
// someone's name. The same models run on the simulated path and, between
// real kernels, in network namespaces. Each names what it imitates.
//
// Boxes are put together: a Match says what triggers one, a Look how its
// resets look, and Flagged, AfterHandshake, OnRetransmission, Sometimes,
// OneWay and Residual say when it gets to see a packet at all. Around a
// Resetter, a Dropper, a Cut or a Rewriter they make the censors that have
// been described. NAT, SYNProxy, Marker, MSSClamp and a server's own Front are
// innocent.
package middlebox

import (
	"time"

	"github.com/rstprobe/rstprobe/internal/packet"
)

// Direction is where a packet is going.
type Direction uint8

// The directions.
const (
	ToServer Direction = iota + 1
	ToClient
)

// sees reports whether a box that acts on the packets of one direction, by
// default those to the server, acts on those of dir.
func (d Direction) sees(dir Direction) bool { return dir == d || d == 0 && dir == ToServer }

// Box is one middlebox. It may keep state per flow; a new Box is made for
// every run. Handle is called by one goroutine at a time.
type Box interface {
	Handle(dir Direction, p packet.Packet) Action
}

// Action is what a box does on seeing a packet. The zero Action lets it pass.
type Action struct {
	Drop    bool           // the packet goes no further (in-path)
	Instead *packet.Packet // goes on in the packet's place, with the TTL that it has, unless Drop; nil: the packet as it is. See Build
	Inject  []Injection
}

// Injection is one forged packet.
type Injection struct {
	Packet packet.Packet // see Build; TTL is the initial TTL at the box
	Toward Direction
	Delay  time.Duration // after the packet that triggered it
}

// Build is a packet of a box as it is on the wire: a TCP segment is crafted
// from its fields, a packet of any other protocol is its Raw.
func Build(p packet.Packet) ([]byte, error) {
	if p.Proto != packet.TCP && p.Proto != 0 {
		return p.Raw, nil
	}
	return packet.Build(p)
}
