// Package middlebox holds models of censors, firewalls and proxies. A box
// sees one packet at a time and says what happens to it and what is sent in
// someone's name. The same models run on the simulated path and, between
// real kernels, in network namespaces. Each names what it imitates.
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

// Box is one middlebox. It may keep state per flow; a new Box is made for
// every run. Handle is called by one goroutine at a time.
type Box interface {
	Handle(dir Direction, p packet.Packet) Action
}

// Action is what a box does on seeing a packet. The zero Action lets it pass.
type Action struct {
	Drop   bool // the packet goes no further (in-path)
	Inject []Injection
}

// Injection is one forged packet.
type Injection struct {
	Packet packet.Packet // to be built; TTL is the initial TTL at the box
	Toward Direction
	Delay  time.Duration // after the packet that triggered it
}
