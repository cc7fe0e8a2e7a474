package traceroute

import (
	"math"
	"math/rand/v2"
	"testing"

	"github.com/rstprobe/rstprobe/internal/packet"
	"github.com/rstprobe/rstprobe/probe"
)

func TestPlace(t *testing.T) {
	t.Parallel()
	log := func(likelihood ...float64) []float64 {
		for i, l := range likelihood {
			likelihood[i] = math.Log(l)
		}
		return likelihood
	}
	for _, tt := range []struct {
		name      string
		logs      []float64
		after, at int
		certain   bool
	}{
		{"one place", log(0, 0, 1, 0), 2, 3, true},
		{"the first", log(1, 0, 0), 0, 1, true},
		{"nearly one", log(0.001, 1, 0.001), 1, 2, true},
		{"as good as two", log(0, 0.5, 1, 0), 1, 3, true},
		{"two far apart, and all between", log(1, 0, 0, 1), 0, 4, true},
		{"nothing known", log(1, 1, 1), 0, 3, true},
		{"of two runs the more probable", log(0.005, 1, 0.1), 1, 3, true},
		{"very unlikely, all of it", []float64{-5000, -4000, -5000}, 1, 2, true},
		{"nothing possible", log(0, 0), 0, 2, false},
		{"no place at all", nil, 0, 0, false},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			after, at, mass := place(tt.logs)
			if after != tt.after || at != tt.at || (mass >= credible) != tt.certain || mass > 1 {
				t.Errorf("between %d and %d with %v, want %d and %d", after, at, mass, tt.after, tt.at)
			}
		})
	}
}

func TestBeta(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		beta         beta
		hits, misses int
		want         float64
	}{
		{jeffreys, 0, 0, 1},
		{jeffreys, 1, 0, 0.5},
		{jeffreys, 2, 0, 3. / 8}, // B(5/2, 1/2) / B(1/2, 1/2)
		{beta{1, 1}, 1, 1, 1. / 6},
		{beta{9, 1}, 0, 1, 0.1},
	} {
		if got := math.Exp(tt.beta.log(tt.hits, tt.misses)); math.Abs(got-tt.want) > 1e-12 {
			t.Errorf("%v: %d hits and %d misses have %v, want %v", tt.beta, tt.hits, tt.misses, got, tt.want)
		}
	}
	if got := either(impossible, impossible); !math.IsInf(got, -1) {
		t.Errorf("either of two impossible ones is %v", got)
	}
	if got := either(0, impossible); math.Abs(got-math.Log(0.5)) > 1e-12 {
		t.Errorf("either of a certain and an impossible one is %v", got)
	}
}

// lossy is a sweep past a box that acts from TTL at on, where a copy or what
// it draws gets lost at a rate. at 7: no box.
type lossy struct {
	rng    *rand.Rand
	loss   float64
	chance float64 // that the box acts on a copy
	limit  int     // Time Exceeded of router 3 per sweep are cut to that share of four; 0: none are
}

func (l lossy) lost() bool { return l.rng.Float64() < l.loss }

func (l lossy) sweep(at int, answers, takes bool) Sweep {
	s := begin(false).burst(1, 6)
	for k := 1; k <= 6; k++ {
		if l.lost() {
			continue
		}
		acts := k >= at && l.rng.Float64() < l.chance
		if acts && answers && !l.lost() {
			s.get(packet.Segment{Seq: s.sent[k].TCP.Ack, Flags: packet.RST}, ttlFrom(at))
		}
		if k == 3 && l.limit > 0 && l.rng.IntN(4) >= l.limit {
			continue
		}
		if !(acts && takes) && !l.lost() {
			s.expire(k)
		}
	}
	return s.read()
}

// Losses, limited routers and boxes that act half of the time put the segment
// beside the box no more than twice as often as the credible mass allows, and
// where little is lost it is one hop wide mostly.
func TestLossOnlyWidens(t *testing.T) {
	t.Parallel()
	const seeds = 240
	for _, tt := range []struct {
		name           string
		world          lossy
		answers, takes bool
		narrow         int // segments of one hop, at least
	}{
		{"a drop, nothing lost", lossy{chance: 1}, false, true, seeds},
		{"a drop", lossy{loss: 0.05, chance: 1}, false, true, seeds / 2},
		{"a drop, much lost", lossy{loss: 0.2, chance: 1}, false, true, 0},
		{"a drop and a router that limits its rate", lossy{loss: 0.02, chance: 1, limit: 2}, false, true, seeds / 2},
		{"a tap, nothing lost", lossy{chance: 1}, true, false, seeds},
		{"a tap", lossy{loss: 0.05, chance: 1}, true, false, seeds / 2},
		{"a tap, much lost", lossy{loss: 0.2, chance: 1}, true, false, 0},
		{"a tap that acts on every other copy", lossy{loss: 0.02, chance: 0.5}, true, false, 0},
		{"a filter", lossy{loss: 0.05, chance: 1}, true, true, seeds / 2},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			wrong, narrow := 0, 0
			for seed := range uint64(seeds) {
				world := tt.world
				world.rng = rand.New(rand.NewPCG(seed, 7)) //nolint:gosec // reproducible
				at := 1 + int(seed%6)
				s := Search{Silence: !tt.answers}
				for range 3 {
					s.Control = append(s.Control, world.sweep(7, false, false))
					s.Test = append(s.Test, world.sweep(at, tt.answers, tt.takes))
				}
				s.Known = []Sweep{world.sweep(7, false, false), world.sweep(7, false, false)}
				for range 3 {
					o := probe.Observation{Outcome: probe.OK}
					if !world.lost() && world.rng.Float64() < world.chance && !world.lost() {
						o.Outcome = probe.Reset
					}
					s.Full = append(s.Full, o)
				}
				s.Path = Merge(serverAt, 30, nil, s.Control, s.Test)
				f := s.Facts()
				l := s.Locate(f, CodedBurst)
				switch {
				case l == nil:
				case f.After >= at || f.At < at:
					wrong++
				case f.At-f.After == 1:
					narrow++
				}
			}
			if wrong > seeds/50 || narrow < tt.narrow {
				t.Errorf("%d of %d segments miss the box, %d are one hop wide, want at most %d and at least %d", wrong, seeds, narrow, seeds/50, tt.narrow)
			}
		})
	}
}
