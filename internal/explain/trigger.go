package explain

import (
	"time"

	"github.com/rstprobe/rstprobe/internal/packet"
)

// link says by which of its numbers a reset belongs to a packet.
type link string

// The links. A closed TCP answers a segment with ACK by a bare reset at the
// number that it acknowledges, and one without by a reset that acknowledges
// all of it (RFC 9293 §3.10.7.1); a box has the same numbers to go by, and
// those of the packets that it saw pass in the reset's own direction.
const (
	noLink  link = ""
	bySYN   link = "answers the SYN"
	byACK   link = "takes its number from the acknowledgment"
	byEnd   link = "acknowledges the end of it"
	byOwn   link = "follows the numbers of a packet in its own direction"
	byState link = "continues the sender's own numbers"
)

// draw is the packet that drew a reset.
type draw struct {
	by   *seg // nil: none
	link link
	wait time.Duration // from it to the reset
}

// burst is how far apart the resets of one volley are: injectors space them
// by 50 to 200 microseconds, and later ones have numbers of their own.
const burst = 10 * time.Millisecond

// fasterThanPath is the share of a round trip that no answer of the far end
// can undercut, jitter allowed for.
func fasterThanPath(wait, rtt time.Duration) bool { return rtt > 0 && wait < rtt*7/10 }

// drawn finds the packet that drew a reset: seed of every other judgement
// about it.
func (s *scene) drawn(r *seg) draw {
	if d, ok := s.draws[r.i]; ok {
		return d
	}
	d := s.find(r)
	s.draws[r.i] = d
	return d
}

func (s *scene) find(r *seg) draw {
	d := s.algebra(r)
	if d.by == nil {
		// One of a volley with numbers of its own shares the first one's.
		for i := r.i - 1; i >= 0 && r.at-s.segs[i].at < burst; i-- {
			if e := &s.segs[i]; e.has(packet.RST) && e.from == r.from {
				d = s.drawn(e)
				break // it has looked at those before it
			}
		}
	}
	if d.by != nil {
		d.wait = r.at - d.by.at
	}
	return d
}

func (s *scene) algebra(r *seg) draw {
	peer := r.from.other()
	if r.has(packet.ACK) {
		if d := s.acknowledges(r); d.by != nil {
			return d
		}
	}
	t := s.last(peer, r.i, func(g *seg) bool { return alive(g) && g.has(packet.ACK) && g.p.TCP.Ack == r.p.TCP.Seq })
	if t == nil {
		return s.own(r, draw{})
	}
	// The ACK that ends the handshake says nothing that anybody could object
	// to; a reset that comes faster than an answer to it could is about the
	// SYN/ACK before it.
	if t == s.opened && (fasterThanPath(r.at-t.at, s.there) || r.at-t.at < besideHost && s.there > besideHost) {
		return draw{by: s.synack, link: byOwn}
	}
	if r.has(packet.ACK) {
		return draw{by: t, link: byState}
	}
	return draw{by: t, link: byACK}
}

// acknowledges finds the packet whose end a reset with ACK acknowledges.
func (s *scene) acknowledges(r *seg) draw {
	peer := r.from.other()
	both := s.last(peer, r.i, func(g *seg) bool {
		return alive(g) && g.end == r.p.TCP.Ack && g.has(packet.ACK) && g.p.TCP.Ack == r.p.TCP.Seq
	})
	if both != nil && !s.spoke(r.from, r.i) {
		return draw{by: both, link: byEnd} // of a host that knows nothing of a connection
	}
	t := s.last(peer, r.i, func(g *seg) bool {
		return alive(g) && g.end == r.p.TCP.Ack && (g.p.TCP.Len() > 0 || !g.has(packet.ACK))
	})
	switch {
	case t == nil && both != nil:
		return draw{by: both, link: byState}
	case t == nil:
		return draw{}
	case isSYN(t) && r.from == server && !s.spoke(server, r.i):
		return draw{by: t, link: bySYN}
	case isSYN(t) && r.from == server:
		return s.own(r, draw{by: t, link: byState})
	case s.answered(r, t):
		return draw{by: t, link: byState}
	}
	return draw{by: t, link: byEnd}
}

// own looks for a packet in the reset's own direction that it continues.
func (s *scene) own(r *seg, otherwise draw) draw {
	t := s.last(r.from, r.i, func(g *seg) bool { return alive(g) && g.p.TCP.Len() > 0 && g.end == r.p.TCP.Seq })
	if t == nil {
		return otherwise
	}
	return draw{by: t, link: byOwn}
}

// spoke reports whether a side had sent anything but resets before index i.
func (s *scene) spoke(of side, i int) bool { return s.last(of, i, alive) != nil }

// answered reports whether the reset's sender had dealt with t before: it
// acknowledged t on its own, so that t did not draw the reset itself.
func (s *scene) answered(r, t *seg) bool {
	for j := t.i + 1; j < r.i; j++ {
		g := &s.segs[j]
		if g.from == r.from && alive(g) && g.has(packet.ACK) && !g.p.TCP.Ack.Before(t.end) && r.at-g.at > burst {
			return true
		}
	}
	return false
}
