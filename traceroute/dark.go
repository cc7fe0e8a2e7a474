package traceroute

import "slices"

// tally counts the copies of one TTL.
type tally struct{ replies, misses int }

// expiries counts the Time Exceeded that one TTL drew. Copies that reached a
// server do not count: it expires nothing.
func expiries(sweeps []Sweep, ttl int) tally {
	var n tally
	for _, s := range sweeps {
		switch low := s.Lowest(); {
		case s.Replies[ttl].Expired > 0:
			n.replies++
		case !slices.Contains(s.TTLs, uint8(ttl)), low > 0 && low <= ttl: //nolint:gosec // 1 … 64
		default:
			n.misses++
		}
	}
	return n
}

// routers counts the Time Exceeded that the copies of each TTL drew: those
// that no box stops, those of the test, and the former and the answered latter
// over all routers that speak at all.
func (s Search) routers(end int) (free, test []tally, spoken tally) {
	free, test = make([]tally, end), make([]tally, end)
	harmless := slices.Concat(s.Control, s.Known)
	for ttl := 1; ttl < end; ttl++ {
		free[ttl], test[ttl] = expiries(harmless, ttl), s.tested(ttl)
		if free[ttl].replies+test[ttl].replies > 0 {
			spoken.replies += free[ttl].replies + test[ttl].replies
			spoken.misses += free[ttl].misses
		}
	}
	return free, test, spoken
}

// darkness is the likelihood of each place h = 1 … end of a box that takes the
// test copies out of the path (its logarithm at h-1): below h a router answers
// a test copy as often as a control copy, from h on never. At h = end nothing
// below the server takes anything out.
//
// How often a router answers is not known but counted, so it is integrated
// over: a router is mute, or it answers at a rate that resembles the other
// routers'. A lost answer, a router that limits its rate and one that never
// speaks therefore make the likelihood flat where a fixed threshold would
// move the answer.
func (s Search) darkness(end int) []float64 {
	free, test, spoken := s.routers(end)
	speaks := around(spoken, 4)
	router := func(n tally) float64 {
		mute := 0.0
		if n.replies > 0 {
			mute = impossible
		}
		return either(mute, speaks.log(n.replies, n.misses))
	}
	logs := make([]float64, end)
	passed := 0 // the largest TTL whose test copy went on
	for ttl := 1; ttl < end; ttl++ {
		all := tally{free[ttl].replies + test[ttl].replies, free[ttl].misses + test[ttl].misses}
		logs[ttl] = logs[ttl-1] + router(all) - router(free[ttl])
		if test[ttl].replies > 0 {
			passed = ttl
		}
	}
	for i := range passed {
		logs[i] = impossible
	}
	return logs
}

// tested counts the Time Exceeded that the test copies of one TTL drew.
func (s Search) tested(ttl int) tally {
	var n tally
	for _, t := range s.Test {
		switch {
		case t.Replies[ttl].Expired > 0:
			n.replies++
		case slices.Contains(t.TTLs, uint8(ttl)): //nolint:gosec // 1 … 64
			n.misses++
		}
	}
	return n
}
