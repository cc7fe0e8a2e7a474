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
// of runs. Some then find the target silent although something answered; others
// find nothing but silence, while the outage is over when they end, or have had
// their answers before it began. That is no change, and no flapping either; a
// box that comes meanwhile is.
func TestRunsThatOutagesCut(t *testing.T) {
	t.Parallel()
	for name, cut := range map[string]struct {
		before, behind probe.Outcome // how runs end that an outage begins in, or ends in
		confirm        int           // as few as must suffice
	}{
		"something answered": {probe.Drop, probe.Drop, 3},
		"all or nothing":     {probe.OK, "", 2},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) { outages(t, cut.before, cut.behind, cut.confirm) })
		})
	}
}

func outages(t *testing.T, before, behind probe.Outcome, confirm int) {
	const (
		takes  = 3 * time.Minute
		cycle  = 28 * time.Minute
		outage = 12 * time.Minute // in each cycle
		comes  = 5 * day
	)
	start := time.Now()
	down := func(at time.Duration) bool { return at%cycle < outage }
	m := newMemory()
	shop, bank := check("shop", "a.example", 5*time.Minute), check("bank", "b.example", 5*time.Minute)
	shop.Confirm, bank.Confirm = confirm, confirm
	var cut atomic.Int64
	during(t, 10*day, watcher(t, m, func(c watchfile.Check) (time.Duration, probe.Outcome) {
		begin := time.Since(start)
		switch end := begin + takes; {
		case down(begin) && down(end):
			return takes, ""
		case down(begin):
			cut.Add(1)
			return takes, behind
		case down(end) && (before != probe.OK || c.Name != "shop" || begin < comes):
			cut.Add(1)
			return takes, before
		case c.Name == "shop" && begin >= comes:
			return takes, probe.Reset
		default:
			return takes, probe.OK
		}
	}, 2), shop, bank)
	if want := int64(10 * day / cycle); cut.Load() < want {
		t.Errorf("only %d runs were cut by %d outages", cut.Load(), want)
	}
	if len(m.changes["bank"]) > 0 || len(m.changes["shop"]) != 1 || m.changes["shop"][0].To.Outcome != probe.Reset {
		t.Errorf("changes: %v", m.changes)
	}
}

// TestSilenceBehindAnOutage: a run that began while nothing answered anywhere,
// and finds silence, says nothing of its target even if it ends when all is well
// again.
func TestSilenceBehindAnOutage(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		const begins, ends = 30 * time.Minute, 60 * time.Minute // of the outage
		start := time.Now()
		m := newMemory()
		shop, bank := check("shop", "a.example", 5*time.Minute), check("bank", "b.example", 5*time.Minute)
		shop.Confirm, bank.Confirm = 1, 1
		straddled := false
		during(t, 2*time.Hour, watcher(t, m, func(c watchfile.Check) (time.Duration, probe.Outcome) {
			begin := time.Since(start)
			if begin < begins || begin >= ends {
				return 10 * time.Second, probe.OK
			}
			if c.Name == "bank" { // waits for longer
				straddled = straddled || begin+15*time.Minute > ends
				return 15 * time.Minute, ""
			}
			return 10 * time.Second, ""
		}, 2), shop, bank)
		if !straddled || len(m.changes["shop"])+len(m.changes["bank"]) > 0 {
			t.Errorf("a run goes on behind the outage: %v; changes: %v", straddled, m.changes)
		}
	})
}
