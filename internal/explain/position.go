package explain

import (
	"net/netip"
	"time"

	"github.com/rstprobe/rstprobe/internal/packet"
)

// Position is where on the path a capture was taken.
type Position string

// The positions.
const (
	AtClient        Position = "client"
	AtServer        Position = "server"
	InTheMiddle     Position = "middle"
	UnknownPosition Position = "unknown"
)

// initialTTLs are what hosts send packets with: 64 Linux and BSD, 128
// Windows, 255 routers and older Unix, 32 and 60 small devices. Load
// balancers use others.
var initialTTLs = []uint8{32, 60, 64, 128, 255}

// initialTTL is the smallest usual initial TTL that a remaining one can stem
// from. 60 is told from 64 by nothing: only a packet that has just it is
// taken to have been sent with it.
func initialTTL(remaining uint8) uint8 {
	for _, t := range initialTTLs {
		if remaining == t || remaining < t && t != 60 {
			return t
		}
	}
	return 255
}

// hops is how many routers a packet seems to have crossed.
func hops(remaining uint8) int { return int(initialTTL(remaining) - remaining) }

// besideHost is a handshake gap that only a host's own stack keeps to: a far
// end answers later.
const besideHost = time.Millisecond

// position judges one conversation: a packet that no router has touched was
// captured where it was sent. Gaps decide only where both ends are as near as
// that, because applications and slow clients answer late too.
func (s *scene) position() Position {
	near, far := s.untouched(client), s.untouched(server)
	heard := s.packets(client) > 0 && s.packets(server) > 0
	switch {
	case near && far, near && s.contradicted():
		return s.byGaps()
	case near:
		return AtClient
	case far:
		return AtServer
	case heard:
		return InTheMiddle
	}
	return UnknownPosition
}

// place is where a conversation was captured. The packets of a path tracer
// leave with TTLs of their own, as if they came from far away: what else their
// host sent tells.
func (f *facts) place(s *scene) Position {
	at := s.position()
	switch {
	case at != InTheMiddle:
		return at
	case f.untouched(s.addr(client).Addr()):
		return AtClient
	case f.untouched(s.addr(server).Addr()):
		return AtServer
	}
	return at
}

// untouched reports whether a host's packets were captured where it sent them.
func (f *facts) untouched(host netip.Addr) bool {
	h := f.hosts[host]
	return h != nil && h.high > 0 && hops(h.high) == 0
}

// sentHere reports whether the capture was taken where a side sends its
// packets: no box on the path can have sent them in its name.
func (x *matter) sentHere(of side) bool {
	return of == client && x.position == AtClient || of == server && x.position == AtServer
}

// contradicted reports whether the server answers faster than anything that
// is not the server could, while the client is far by time.
func (s *scene) contradicted() bool {
	return s.there > 0 && s.there < besideHost && s.here > 20*s.there && s.packets(server) > 0 && hops(s.synack.p.TTL) <= 1
}

func (s *scene) byGaps() Position {
	switch {
	case s.there == 0 || s.opened == nil:
		return UnknownPosition
	case s.there > besideHost && s.there > 5*s.here:
		return AtClient
	case s.here > besideHost && s.here > 5*s.there:
		return AtServer
	}
	return UnknownPosition
}

// untouched reports whether a side's own packets still have an initial TTL.
// Resets may be somebody else's.
func (s *scene) untouched(of side) bool {
	high := uint8(0)
	for i := range s.segs {
		if g := &s.segs[i]; g.from == of && !g.has(packet.RST) {
			high = max(high, g.p.TTL)
		}
	}
	return high > 0 && hops(high) == 0
}

func (s *scene) packets(of side) int { return s.count(of, len(s.segs), alive) }

// votes counts what the conversations say about the position.
type votes map[Position]int

// winner is what more than half of the conversations that know say.
func (v votes) winner() Position {
	all := v[AtClient] + v[AtServer] + v[InTheMiddle]
	for _, p := range []Position{AtClient, AtServer, InTheMiddle} {
		if 2*v[p] > all {
			return p
		}
	}
	return UnknownPosition
}
