package traceroute

import (
	"fmt"

	"github.com/rstprobe/rstprobe/probe"
)

// Copied places a box that gives what it sends the TTL that it saw left of
// ours. That TTL counts the routers on both ways together, and a packet drawn
// by a copy that had little left ends on its way back, so the lowest copy that
// seems to draw something lies too far. Where the routers and the server show
// that both ways are of one length, the box is half of the count away, and
// else anywhere up to that copy. nil: the pairs show no copied TTL.
func (s Search) Copied(pairs []TTLPair) *Location {
	if Slope(pairs) != CopiedTTL {
		return nil
	}
	most := pairs[0]
	lowest := s.Path.ServerTTL
	for _, p := range pairs {
		if p.Sent > most.Sent {
			most = p
		}
		lowest = min(lowest, int(p.Sent))
	}
	both := int(most.Sent) - int(most.Received)
	after, at := 0, lowest
	how := "the way back may be of another length, so it stands anywhere before the first copy that drew something"
	if half := (both + 1) / 2; s.evenWays() && half < lowest {
		after, at = half, half+1
		how = "routers and server answer over ways back as long as the ways out, so half of them lie before it"
	}
	return &Location{
		After: s.point(after), At: s.point(at), Method: CopiedTTLs, Votes: len(pairs), Rounds: len(pairs),
		ForwardHops: max(0, at-1), Evidence: []probe.Evidence{{Rule: "half-of-copied-ttl", Packets: []int{}, Detail: fmt.Sprintf(
			"what came has our own TTL, less %s on both ways together; %s", routers(both), how)}},
	}
}

// evenWays reports whether every hop that spoke, and the server, are as far
// away on the way back as on the way out.
func (s Search) evenWays() bool {
	heard := 0
	for hop := 1; hop <= s.Path.ServerTTL; hop++ {
		n, ok := s.measuredFrom(hop)
		if !ok {
			continue
		}
		if n != hop-1 {
			return false
		}
		heard++
	}
	return heard > 0 && s.crossedFrom(s.Path.ServerTTL) == s.Path.ServerTTL-1
}
