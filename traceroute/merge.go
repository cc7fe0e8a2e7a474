package traceroute

import (
	"slices"

	"github.com/rstprobe/rstprobe/internal/packet"
)

// Merge builds the path from sweeps: who answers at which TTL, for control
// and test.
func Merge(serverTTL, maxTTL int, syn []Sweep, control, test []Sweep) Path {
	p := Path{ServerTTL: serverTTL, Hops: []Hop{}}
	last := serverTTL
	if last == 0 {
		for _, s := range slices.Concat(syn, control, test) {
			for ttl, r := range s.Replies {
				if r.Expired > 0 {
					last = max(last, ttl)
				}
			}
		}
	}
	last = min(last, maxTTL)
	for ttl := 1; ttl <= last; ttl++ {
		h := Hop{TTL: ttl}
		for _, s := range slices.Concat(syn, control, test) {
			r := s.Replies[ttl]
			if r.Router.IsValid() && !h.Addr.IsValid() {
				h.Addr = r.Router
			}
			if r.Expired > 0 && r.Router == h.Addr && (h.RTT == 0 || r.RTT < h.RTT) {
				h.RTT = r.RTT
			}
		}
		h.Control = answerAt(ttl, control)
		if h.Control == NotSent {
			h.Control = answerAt(ttl, syn)
		}
		h.Test = answerAt(ttl, test)
		n := expiries(slices.Concat(syn, control), ttl)
		h.Sent, h.Answered = n.replies+n.misses, n.replies
		h.Altered = alteredAt(ttl, slices.Concat(syn, control, test))
		p.Hops = append(p.Hops, h)
	}
	return p
}

// answerAt sums up what the copies with one TTL drew.
func answerAt(ttl int, sweeps []Sweep) Answer {
	answer := NotSent
	var expired, drawn bool
	for _, s := range sweeps {
		if !slices.Contains(s.TTLs, uint8(ttl)) { //nolint:gosec // 1 … 64
			continue
		}
		answer = Silent
		r := s.Replies[ttl]
		expired = expired || r.Expired > 0
		for _, d := range r.Drawn {
			drawn = true
			switch tcp := d.Packet.TCP; {
			case d.Packet.ICMP.Kind != 0:
				answer = Unreachable
			case len(tcp.Payload) > 0 || tcp.Flags.Has(packet.FIN):
				answer = Injected
			case tcp.Flags.Has(packet.SYN):
				answer = FromServer
			default:
				answer = ResetAnswer
			}
			if answer != ResetAnswer {
				return answer
			}
		}
	}
	switch {
	case drawn && expired:
		return BothAnswers
	case drawn:
		return ResetAnswer
	case expired:
		return TimeExceeded
	}
	return answer
}
