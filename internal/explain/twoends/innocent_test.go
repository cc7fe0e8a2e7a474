package twoends_test

import (
	"fmt"
	"math/rand/v2"
	"strings"
	"testing"
	"time"

	"github.com/rstprobe/rstprobe/internal/explain/twoends"
	"github.com/rstprobe/rstprobe/internal/packet"
	"github.com/rstprobe/rstprobe/probe"
)

// troubled plays connections over a network that loses, doubles and delays,
// into captures that miss packets, and ends some by a reset of a host. Of the
// last connection a box may reset the client.
func troubled(t *testing.T, seed uint64, missed float64, box bool) *world {
	rng := rand.New(rand.NewPCG(seed, 7))
	w := newWorld(t)
	w.nat, w.noTS, w.v6 = rng.IntN(2) == 0, rng.IntN(2) == 0, rng.IntN(4) == 0
	if w.v6 {
		w.nat = false
	}
	ahead := time.Duration(rng.Int64N(int64(time.Hour)))
	w.clock = func(d time.Duration) time.Duration { return d + ahead + d/50000 }
	gone := false
	trouble := func(s *sending) {
		s.lost = rng.Float64() < 0.05
		gone = s.lost
		s.twice = rng.Float64() < 0.02
		s.delay = time.Duration(rng.ExpFloat64() * float64(2*time.Millisecond))
		s.unseen[cli] = rng.Float64() < missed
		s.unseen[srv] = rng.Float64() < missed
	}
	for k := range 12 {
		w.open()
		for i := range 3 + rng.IntN(10) {
			from := twoends.End(rng.IntN(2))
			text := strings.Repeat(fmt.Sprintf("%d.%d ", k, i), 1+rng.IntN(200))
			w.says(from, text, trouble)
			w.wait(time.Duration(rng.IntN(30)) * time.Millisecond)
			for gone {
				w.wait(200*time.Millisecond).repeats(from, text, trouble)
			}
			if rng.IntN(4) == 0 {
				w.repeats(from, text, trouble)
			}
			w.trip().acks(1-from, trouble)
		}
		switch rng.IntN(3) {
		case 0:
			w.send(srv, packet.RST|packet.ACK, "", trouble, id(0)).trip()
		case 1:
			w.send(cli, packet.RST|packet.ACK, "", trouble).trip()
		default:
			w.closes()
		}
		w.another()
	}
	if box {
		asks(w)
		toClient(w, 5, "a")
		w.trip().acks(srv).says(srv, page).trip()
		w.another()
	}
	return w.served()
}

// TestInnocent blames nobody for what networks and captures do by themselves.
func TestInnocent(t *testing.T) {
	for _, missed := range []float64{0, 0.02, 0.1} {
		for seed := range uint64(60) {
			t.Run(fmt.Sprintf("%v/%d", missed, seed), func(t *testing.T) {
				r := troubled(t, seed, missed, false).match()
				for _, p := range r.Pairs {
					for _, f := range p.Foreign {
						if f.Confidence != probe.Possible {
							t.Errorf("%s: %s", f.Confidence, f.Summary)
						}
						if missed == 0 {
							t.Errorf("the captures missed nothing, but: %s", f.Summary)
						}
					}
				}
				if r.Verdict == probe.Interference {
					t.Error(r.Summary)
				}
				if missed == 0 && r.Missed != [2]int{} {
					t.Errorf("missed %v, want nothing", r.Missed)
				}
				if want := [2]twoends.Span{{Low: routers, High: routers}, {Low: routers, High: routers}}; r.Hops != want {
					t.Errorf("%v routers, want %v", r.Hops, want)
				}
			})
		}
	}
}

// TestGuilty finds the one reset of a box among all that.
func TestGuilty(t *testing.T) {
	for seed := range uint64(60) {
		t.Run(fmt.Sprint(seed), func(t *testing.T) {
			w := troubled(t, seed, 0.01, true)
			r := w.match()
			found := false
			for _, p := range r.Pairs {
				for _, f := range p.Foreign {
					found = found || f.Packet == w.numbers["a"][cli] && f.Confidence == probe.Proved && f.Author == probe.OnPath
				}
			}
			if !found || r.Verdict != probe.Interference {
				t.Errorf("the reset was not found: %s", r.Summary)
			}
		})
	}
}
