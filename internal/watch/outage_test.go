package watch

import (
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/rstprobe/rstprobe/internal/watch/watchfile"
	"github.com/rstprobe/rstprobe/probe"
)

// TestRunsThatOutagesCut: our own network fails again and again, in the middle
// of runs, which then find the target silent although something answered.
// That is no change, and no flapping either; a box that comes meanwhile is.
func TestRunsThatOutagesCut(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		const (
			takes  = 3 * time.Minute
			cycle  = 28 * time.Minute
			outage = 12 * time.Minute // in each cycle
			comes  = 5 * day
		)
		start := time.Now()
		down := func(at time.Duration) bool { return at%cycle < outage }
		m := newMemory()
		var cut atomic.Int64
		during(t, 10*day, watcher(t, m, func(c watchfile.Check) (time.Duration, probe.Outcome) {
			begin := time.Since(start)
			switch end := begin + takes; {
			case down(begin) && down(end):
				return takes, ""
			case down(begin) || down(end):
				cut.Add(1)
				return takes, probe.Drop
			case c.Name == "shop" && begin >= comes:
				return takes, probe.Reset
			default:
				return takes, probe.OK
			}
		}, 2), check("shop", "a.example", 5*time.Minute), check("bank", "b.example", 5*time.Minute))
		if want := int64(10 * day / cycle); cut.Load() < want {
			t.Errorf("only %d runs were cut by %d outages", cut.Load(), want)
		}
		if len(m.changes["bank"]) > 0 || len(m.changes["shop"]) != 1 || m.changes["shop"][0].To.Outcome != probe.Reset {
			t.Errorf("changes: %v", m.changes)
		}
	})
}
