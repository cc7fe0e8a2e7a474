package diagnosis_test

import (
	"fmt"
	"runtime"
	"runtime/metrics"
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"github.com/rstprobe/rstprobe/internal/lab"
	"github.com/rstprobe/rstprobe/internal/lab/middlebox"
	"github.com/rstprobe/rstprobe/probe"
)

// The goals, in virtual time, which is deterministic: they hold on any
// machine or on none.
const (
	wholeGoal = 12 * rtt        // verdict and location with three votes
	voteGoal  = 7*rtt/2 + rtt/2 // one located vote: 3.5 RTT + max(0.5 RTT, 20 ms)
	// A silent box: three rounds of four round trips and a second, besides the
	// verdict: two round trips for the path, two for the controls, and the
	// tests, which wait for two retransmissions.
	silentGoal  = 3*(4*rtt+time.Second) + verdictGoal
	verdictGoal = 4*rtt + 2*rtt + time.Second + 4*rtt
	packetsGoal = 1500 // of any diagnosis of this path
)

// TestSpeed measures a path of 20 routers and 50 ms.
func TestSpeed(t *testing.T) {
	for name, box := range map[string]func() middlebox.Box{"tap": tap, "in-path": inPath} {
		for _, router := range []int{1, 10, routers} {
			t.Run(fmt.Sprintf("%s at router %d", name, router), func(t *testing.T) {
				synctest.Test(t, func(t *testing.T) {
					var votes stopwatch
					res, err := run(t.Context(), t, path(router, box), func(x probe.Exchanger) probe.Exchanger { return votes.on(x, isVote) })
					if err != nil {
						t.Fatal(err)
					}
					loc := res.Tests[0].Location
					if loc == nil || loc.At.TTL != router || loc.Votes != 3 || len(votes.took) != 3 {
						t.Fatalf("location %+v of %d votes, want hop %d by 3", loc, len(votes.took), router)
					}
					vote := slices.Max(votes.took)
					t.Logf("whole: %.1f RTT; one vote: %.1f RTT; %d packets", inRTTs(res.Duration), inRTTs(vote), res.PacketsSent)
					if res.Duration > wholeGoal {
						t.Errorf("verdict and location took %.1f RTT, the goal is %.1f", inRTTs(res.Duration), inRTTs(wholeGoal))
					}
					if vote > voteGoal {
						t.Errorf("one vote took %.1f RTT, the goal is %.1f", inRTTs(vote), inRTTs(voteGoal))
					}
				})
			})
		}
	}
}

// TestSilentSpeed measures boxes that swallow: the stimulus itself, or all
// that follows it.
func TestSilentSpeed(t *testing.T) {
	mute := func() middlebox.Box {
		return &middlebox.Flagged{Trigger: middlebox.NameIs(blocked), Box: &middlebox.Cut{Pass: 1}}
	}
	for name, box := range map[string]func() middlebox.Box{"dropper": dropper, "mute": mute} {
		for _, router := range []int{1, 10, routers} {
			t.Run(fmt.Sprintf("%s at router %d", name, router), func(t *testing.T) {
				synctest.Test(t, func(t *testing.T) {
					res, err := run(t.Context(), t, path(router, box), nil)
					if err != nil {
						t.Fatal(err)
					}
					loc := res.Tests[0].Location
					if loc == nil || loc.After.TTL != router-1 || loc.At.TTL != router {
						t.Fatalf("location %+v, want hop %d", loc, router)
					}
					t.Logf("whole: %v; %d packets", res.Duration, res.PacketsSent)
					if res.Duration > silentGoal {
						t.Errorf("verdict and location took %v, the goal is %v", res.Duration, silentGoal)
					}
					if res.PacketsSent > packetsGoal {
						t.Errorf("%d packets, the bound is %d", res.PacketsSent, packetsGoal)
					}
				})
			})
		}
	}
}

// BenchmarkLocate measures in real time what TestSpeed does in virtual time:
// whole diagnoses and their single votes, in round trips of 50 ms.
func BenchmarkLocate(b *testing.B) {
	var whole time.Duration
	var votes stopwatch
	for b.Loop() {
		res, err := run(b.Context(), b, path(routers/2, tap), func(x probe.Exchanger) probe.Exchanger { return votes.on(x, isVote) })
		if err != nil || res.Outcome != probe.Interference {
			b.Fatalf("%v, %v", res.Outcome, err)
		}
		whole += res.Duration
	}
	slices.Sort(votes.took)
	b.ReportMetric(inRTTs(whole)/float64(b.N), "RTT/whole")
	b.ReportMetric(inRTTs(votes.took[len(votes.took)/2]), "RTT/vote")
}

// BenchmarkRun measures the processor time of a diagnosis, the simulated path
// included, without any distance. Its wall time is waiting.
func BenchmarkRun(b *testing.B) {
	b.ReportAllocs()
	top := lab.Topology{Routers: routers, Boxes: path(routers/2, tap).Boxes}
	before := processorTime()
	for b.Loop() {
		if _, err := run(b.Context(), b, top, nil); err != nil {
			b.Fatal(err)
		}
	}
	b.ReportMetric(float64((processorTime()-before).Microseconds())/float64(b.N), "cpu-µs/op")
}

// processorTime is what this process's own code used so far, as the runtime
// knows it; it does the sum at the end of a collection.
func processorTime() time.Duration {
	runtime.GC()
	use := []metrics.Sample{{Name: "/cpu/classes/user:cpu-seconds"}}
	metrics.Read(use)
	return time.Duration(use[0].Value.Float64() * float64(time.Second))
}
