package probe

import (
	"fmt"
	"slices"
)

// ttlSlack is how far TTLs of one host's packets are seen to differ behind
// load balancers; larger natural differences exist (4 in a public capture),
// so that a deviation alone proves nothing.
const ttlSlack = 2

func ttlDiffers(f *Findings) *Evidence {
	low, high := f.ttlRange()
	return eachOf(f.withTTL(), func(o Observation) (string, []int) {
		for _, seen := range slices.Concat(o.Resets, o.FINs, o.Data) {
			if seen.Packet.TTL > 0 && f.oddTTL(seen.Packet.TTL) {
				return fmt.Sprintf("TTL %d; the server's packets arrive with %s", seen.Packet.TTL, span(low, high)), []int{seen.N}
			}
		}
		return "", nil
	})
}

func serverTTL(f *Findings) *Evidence {
	low, high := f.ttlRange()
	rtt, _ := f.minRTT()
	misfit := false // one is enough
	e := eachOf(f.withTTL(), func(o Observation) (string, []int) {
		endings := slices.Concat(o.Resets, o.FINs)
		if len(endings) == 0 {
			return "", nil
		}
		first := endings[0]
		if !f.ownTTL(first.Packet.TTL) || first.Delay < rtt*7/10 {
			misfit = true
			return "", nil
		}
		return fmt.Sprintf("TTL %s, as its sender's other packets have, a round trip or more after the stimulus", span(low, high)), []int{first.N}
	})
	if misfit {
		return nil
	}
	return e
}

func span(low, high uint8) string {
	if low == high {
		return fmt.Sprint(low)
	}
	return fmt.Sprintf("%d to %d", low, high)
}

// ttlPair is the TTL of a stimulus and that of the reset that it drew.
type ttlPair struct {
	sent, got int
	n         int // of the reset
}

// ttlPairs are those of the trials with several TTLs, and of the tests, which
// all have the system's.
func (f *Findings) ttlPairs() []ttlPair {
	var pairs []ttlPair
	for _, o := range slices.Concat(f.Sloped, f.Tests) {
		if o.Stimulus != nil && len(o.Resets) > 0 && o.Stimulus.Packet.TTL > 0 {
			pairs = append(pairs, ttlPair{int(o.Stimulus.Packet.TTL), int(o.Resets[0].Packet.TTL), o.Resets[0].N})
		}
	}
	return pairs
}

// slopeSpan is how far apart the TTLs that we send must lie, so that the
// spread of one sender is not taken for a slope.
const slopeSpan = 2*ttlSlack + 1

// ttlCopied: over TTLs that lie far enough apart, what is lost on the way
// stays the same.
func ttlCopied(f *Findings) *Evidence {
	pairs := f.ttlPairs()
	if len(pairs) < 3 {
		return nil
	}
	low, high, e := pairs[0], pairs[0], Evidence{}
	for _, p := range pairs {
		if p.sent < low.sent {
			low = p
		}
		if p.sent > high.sent {
			high = p
		}
		if lost := p.sent - p.got; lost < 0 || max(lost-(pairs[0].sent-pairs[0].got), (pairs[0].sent-pairs[0].got)-lost) > 1 {
			return nil
		}
		e.Packets = append(e.Packets, p.n)
	}
	if high.sent-low.sent < slopeSpan {
		return nil
	}
	e.Detail = fmt.Sprintf("stimuli sent with TTL %d to %d draw resets that arrive with %d to %d: always %d fewer", low.sent, high.sent, low.got, high.got, high.sent-high.got)
	return &e
}

// ttlRandom: resets to equal stimuli arrive with TTLs that no path spreads so
// far.
func ttlRandom(f *Findings) *Evidence {
	low, high := f.ttlRange()
	if high == 0 || ttlCopied(f) != nil {
		return nil
	}
	var e Evidence
	got := map[uint8]bool{}
	least, most := uint8(255), uint8(0)
	for _, o := range f.Tests {
		for _, r := range o.Resets {
			got[r.Packet.TTL] = true
			least, most = min(least, r.Packet.TTL), max(most, r.Packet.TTL)
			e.Packets = append(e.Packets, r.N)
		}
	}
	genuineLow, genuineHigh := low, high
	for _, s := range f.genuine() {
		genuineLow, genuineHigh = min(genuineLow, s.Packet.TTL), max(genuineHigh, s.Packet.TTL)
	}
	if len(got) < 3 || int(most)-int(least) <= 2*max(ttlSlack, int(genuineHigh)-int(genuineLow)) {
		return nil
	}
	e.Detail = fmt.Sprintf("%d different TTLs from %d to %d; the server's own packets arrive with %s", len(got), least, most, span(genuineLow, genuineHigh))
	return &e
}
