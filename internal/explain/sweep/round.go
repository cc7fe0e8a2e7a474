package sweep

import (
	"slices"

	"github.com/rstprobe/rstprobe/internal/flow"
	"github.com/rstprobe/rstprobe/internal/packet"
	"github.com/rstprobe/rstprobe/traceroute"
)

// round is one run of a sweep: a connection per TTL, ascending.
type round []shot

// rounds deals shots out: the k-th connection with some TTL is of the k-th
// round, in whatever order they came.
func rounds(all []shot) []round {
	var out []round
	dealt := map[int]int{}
	for _, s := range all {
		k := dealt[s.ttl]
		dealt[s.ttl]++
		if k == len(out) {
			out = append(out, nil)
		}
		out[k] = append(out[k], s)
	}
	for _, r := range out {
		slices.SortStableFunc(r, func(a, b shot) int { return a.ttl - b.ttl })
	}
	return out
}

// last is the largest TTL of a round.
func (r round) last() int { return r[len(r)-1].ttl }

// whole reports whether a round went as far as a prober has a reason to: to
// the server, or to a copy that drew something. One that the capture, or the
// prober, broke off has no vote.
func (r round) whole(server int) bool {
	return r.last() >= server-1 || len(r[len(r)-1].drawn()) > 0
}

// below are the shots that could not reach the server, as far as it is known
// where that is. Those with TTL 0 are left out: they get no further than those
// with TTL 1, since routers decrement first.
func (r round) below(server int) round {
	return slices.DeleteFunc(slices.Clone(r), func(s shot) bool { return s.ttl < 1 || server > 0 && s.ttl >= server })
}

// sweep is what the copies of a round drew. Strays, which answer none of
// them, are left out: each copy has a connection of its own, so what follows
// none of its numbers is not about it.
func (r round) sweep() traceroute.Sweep {
	all := traceroute.Sweep{Timed: true, Apart: true, Replies: map[int]traceroute.Reply{}}
	var events []flow.Event
	for _, s := range r {
		one := s.drew()
		if len(one.TTLs) == 0 {
			continue
		}
		all.TTLs = append(all.TTLs, one.TTLs...)
		if reply, ok := one.Replies[s.ttl]; ok {
			all.Replies[s.ttl] = reply
		}
		events = append(events, s.rec.Events...)
	}
	all.Altered = traceroute.Altered(flow.Record{Source: flow.Capture, Events: events})
	return all
}

// readings are the readers of a round.
func (r round) readings() []traceroute.Reading {
	var all []traceroute.Reading
	for _, s := range r {
		if reading, ok := s.reading(); ok {
			all = append(all, reading)
		}
	}
	return all
}

// quoted reports whether any router answered: a capture may lack the ICMP
// errors of a whole run.
func quoted(s traceroute.Sweep) bool {
	for _, r := range s.Replies {
		if r.Expired > 0 {
			return true
		}
	}
	return false
}

// repeats counts the SYN-ACKs that came again after the copy and in front of
// the reader, while the client said nothing. A server that defers the accept
// (TCP_DEFER_ACCEPT) repeats its SYN-ACK until data comes, which in a sweep is
// never, so that where the repeats stop, the server's packets are stopped.
func (s shot) repeats() []int {
	var ns []int
	for _, e := range s.rec.Events[s.copied:s.reader] {
		if e.Kind == flow.Received && e.Packet.TCP.Flags.Has(packet.SYN|packet.ACK) {
			ns = append(ns, e.N)
		}
	}
	return ns
}
