package traceroute

import (
	"slices"

	"github.com/rstprobe/rstprobe/probe"
)

// round is the copies of one connection and those that drew something.
type round struct{ sent, hits []int } // TTLs, ascending

// rounds are the test copies that tell something about a box that answers.
// A sweep that drew only what follows none of our numbers cannot be read.
func (s Search) rounds(end int) []round {
	var all []round
	for _, t := range s.Test {
		switch r := roundOf(t); {
		case t.Apart:
			all = append(all, r.apart()...)
		case len(r.hits) > 0 || len(t.Stray) == 0:
			all = append(all, r)
		}
	}
	if s.Timed != nil { // each copy on a connection of its own
		all = append(all, roundOf(*s.Timed).apart()...)
	}
	return append(all, s.full(end)...)
}

// apart makes a round of each copy.
func (r round) apart() []round {
	var all []round
	for _, ttl := range r.sent {
		one := round{sent: []int{ttl}}
		if slices.Contains(r.hits, ttl) {
			one.hits = one.sent
		}
		all = append(all, one)
	}
	return all
}

// full are the full-TTL tests as copies that reached the box wherever it
// stands: they tell how often it acts. Where none of them failed, the box
// shows in what they were told, and acted in all.
func (s Search) full(end int) []round {
	worked := func(o probe.Observation) bool { return o.Outcome == probe.OK || o.Outcome == probe.Alert }
	failed := slices.ContainsFunc(s.Full, func(o probe.Observation) bool { return !worked(o) })
	var all []round
	for _, o := range s.Full {
		r := round{sent: []int{end}}
		if !failed || !worked(o) {
			r.hits = r.sent
		}
		all = append(all, r)
	}
	return all
}

func roundOf(s Sweep) round {
	var r round
	for _, ttl := range s.TTLs {
		r.sent = append(r.sent, int(ttl))
		if len(s.Replies[int(ttl)].Drawn) > 0 {
			r.hits = append(r.hits, int(ttl))
		}
	}
	return r
}

// staircase is the likelihood of each place h = 1 … end of a box that answers
// (its logarithm at h-1). A copy that did not come as far as the box draws
// nothing, so one hit proves that the box stands at or before its TTL; a copy
// that did may get lost, or its answer may, so a miss only makes h less
// likely.
//
// Either the box answers every copy at some rate, or it answers the first one
// of a connection if nothing gets lost, at the rate delivered, and seldom a
// later one, having done with the connection; both are weighed.
func staircase(rounds []round, end int, delivered beta) []float64 {
	logs := make([]float64, end)
	for h := 1; h <= end; h++ {
		var every, first, later tally
		before := false // a copy that cannot have reached the box drew something
		for _, r := range rounds {
			answered := false
			lost := 0
			for _, ttl := range r.sent {
				hit := slices.Contains(r.hits, ttl)
				switch {
				case ttl < h:
					before = before || hit
					continue
				case answered:
					later.count(hit)
				case hit:
					first.misses += lost
					first.replies++
					answered = true
				default:
					lost++
				}
				every.count(hit)
			}
			if !answered && lost > 0 {
				first.misses++ // the one answer got lost
			}
		}
		logs[h-1] = impossible
		if !before {
			logs[h-1] = either(
				jeffreys.log(every.replies, every.misses),
				delivered.log(first.replies, first.misses)+seldom.log(later.replies, later.misses),
			)
		}
	}
	return logs
}

// echoed is the likelihood where what came copies the TTL that was left of its
// trigger (see CopiedHops): of the copies that reach the box, the nearest draw
// what ends on its own way back, so a miss tells nothing. The first hit is
// still at or behind the box, and so many routers as lie on both ways
// together are not fewer than those before it. false: nothing is copied.
func (s Search) echoed(end int) ([]float64, bool) {
	var pairs []TTLPair
	last := end
	pair := func(sent, received uint8) {
		if received == 0 {
			return // not known
		}
		pairs = append(pairs, TTLPair{Sent: sent, Received: received})
		last = min(last, int(sent)-int(received)+1)
	}
	for _, t := range s.Test {
		if low := t.Lowest(); low > 0 {
			last = min(last, low)
		}
		for ttl, r := range t.Replies {
			for _, d := range r.Drawn {
				pair(uint8(ttl), d.Packet.TTL) //nolint:gosec // 1 … 64
			}
		}
	}
	for _, o := range s.Full {
		for _, d := range o.Resets {
			if o.Stimulus != nil && o.Stimulus.Packet.TTL > 0 {
				pair(o.Stimulus.Packet.TTL, d.Packet.TTL)
			}
		}
	}
	if Slope(pairs) != CopiedTTL {
		return nil, false
	}
	logs := make([]float64, end)
	for i := max(0, last); i < end; i++ {
		logs[i] = impossible
	}
	return logs, true
}

func (n *tally) count(hit bool) {
	if hit {
		n.replies++
	} else {
		n.misses++
	}
}
