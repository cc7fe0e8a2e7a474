package traceroute

import "math"

// credible is the posterior mass that a segment has to hold.
const credible = 0.99

// beta is a Beta distribution: what is known about a rate before the packets
// are counted.
type beta struct{ hits, misses float64 }

// jeffreys knows nothing beforehand (H. Jeffreys, "An Invariant Form for the
// Prior Probability in Estimation Problems", 1946).
var jeffreys = beta{0.5, 0.5}

// seldom is a rate that is small, one in ten, without much being known of it.
var seldom = beta{0.5, 4.5}

// around is a rate that resembles the one counted, as much as weight copies
// would show; before any are counted one packet in ten is lost.
func around(counted tally, weight float64) beta {
	rate := float64(counted.replies+9) / float64(counted.replies+counted.misses+10)
	return beta{weight * rate, weight * (1 - rate)}
}

// log is the logarithm of the probability that so many attempts succeed and
// fail in one given order, over all rates.
func (b beta) log(hits, misses int) float64 {
	return logBeta(b.hits+float64(hits), b.misses+float64(misses)) - logBeta(b.hits, b.misses)
}

func logBeta(a, b float64) float64 {
	x, _ := math.Lgamma(a)
	y, _ := math.Lgamma(b)
	z, _ := math.Lgamma(a + b)
	return x + y - z
}

// either is the logarithm of the mean of two probabilities: either
// explanation is as good as the other beforehand.
func either(a, b float64) float64 {
	most := max(a, b)
	if math.IsInf(most, -1) {
		return most
	}
	return most + math.Log((math.Exp(a-most)+math.Exp(b-most))/2)
}

var impossible = math.Inf(-1)

// place is the smallest run of TTLs that holds the credible mass: after < h
// ≤ at for the TTL h from which on the box acts. logs[h-1] is the
// logarithm of the likelihood of h; all h are as probable beforehand. Of runs
// of one size the most probable is taken. mass is 0 where nothing is possible.
func place(logs []float64) (after, at int, mass float64) {
	most := impossible
	for _, l := range logs {
		most = max(most, l)
	}
	if math.IsInf(most, -1) {
		return 0, len(logs), 0
	}
	// sums[h] is the mass of 1 … h.
	sums := make([]float64, len(logs)+1)
	for i, l := range logs {
		sums[i+1] = sums[i] + math.Exp(l-most)
	}
	all := sums[len(logs)]
	for size := 1; size <= len(logs); size++ {
		for first := 0; first+size <= len(logs); first++ {
			if m := (sums[first+size] - sums[first]) / all; m > mass {
				after, at, mass = first, first+size, m
			}
		}
		if mass >= credible {
			break
		}
	}
	return after, at, min(mass, 1)
}
