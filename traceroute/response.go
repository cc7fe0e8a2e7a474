package traceroute

import (
	"fmt"
	"slices"

	"github.com/rstprobe/rstprobe/probe"
)

// Response places a box that only the server's answer sets off: full-TTL tests
// drew what the server did not send, and no copy that ends below the server
// drew anything. All that is known is how far its packets came, so they are
// held against the routers' ICMP errors, which take the way back as well. The
// way back may be another than the way out, so the segment is on both sides of
// the router that fits, wider where no router at that distance spoke, and no
// device is ever named. nil: nothing to measure, as far as the server, or as
// far as the last router: a box behind its TTL check is out of the copies'
// reach, too, and needs no answer to see the stimulus.
func (s Search) Response() *Location {
	end := s.Path.ServerTTL
	ttl, packets, rounds := s.forged()
	if end < 2 || len(packets) == 0 || slices.ContainsFunc(s.Test, func(t Sweep) bool { return t.Lowest() > 0 }) {
		return nil
	}
	far := s.crossedFrom(end)
	crossed, ok := nearer(ttl, far)
	if !ok || crossed == s.crossedFrom(end-1) {
		return nil
	}
	after, at := 0, end
	for hop := 1; hop < end; hop++ {
		n, ok := s.measuredFrom(hop)
		if !ok {
			continue
		}
		if n < crossed {
			after = hop
		}
		if n > crossed && at == end {
			at = hop
		}
	}
	if after >= at {
		after, at = 0, end // ways back that grow shorter with the distance tell nothing
	}
	loc := &Location{
		After: s.point(after), At: s.point(at), Method: ResponseDirection,
		Votes: len(packets), Rounds: rounds, ReverseHops: crossed + 1,
	}
	loc.Evidence = append(loc.Evidence, probe.Evidence{Rule: "way-back", Packets: packets, Detail: fmt.Sprintf(
		"what it sent crossed %s on the way back, the server's packets %d; no copy that ended before the server drew it, so the place is read from the way back alone, which need not be the way out", routers(crossed), far)})
	return loc
}

// nearer is how many routers a packet crossed that came from this side of the
// server, far routers away: by the commonest initial TTL that allows it.
func nearer(ttl uint8, far int) (int, bool) {
	for _, first := range initialTTLs {
		if n := first - int(ttl); n >= 0 && n < far {
			return n, true
		}
	}
	return 0, false
}

// forged is the one TTL with which what ended the full-TTL tests arrived, if
// it is not the server's, the first such packet of each test, and how many
// tests there were.
func (s Search) forged() (ttl uint8, packets []int, tests int) {
	for _, o := range s.Full {
		if o.SYNACK == nil || o.SYNACK.Packet.TTL == 0 {
			continue
		}
		tests++
		for _, d := range slices.Concat(o.Resets, o.FINs, o.Data) {
			if d.Packet.TTL == o.SYNACK.Packet.TTL || d.Packet.TTL == 0 {
				continue
			}
			if len(packets) > 0 && d.Packet.TTL != ttl {
				return 0, nil, tests
			}
			ttl, packets = d.Packet.TTL, append(packets, d.N)
			break
		}
	}
	return ttl, packets, tests
}
