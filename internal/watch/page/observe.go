package page

import (
	"time"

	"github.com/rstprobe/rstprobe/internal/watch/state"
	"github.com/rstprobe/rstprobe/internal/watch/store"
	"github.com/rstprobe/rstprobe/internal/watch/watchfile"
)

// Watched implements watch.Observer. Of checks that are new it reads the last
// day from the history.
func (p *Page) Watched(checks []watchfile.Check) {
	for _, name := range p.board.watched(checks) {
		p.remember(name)
	}
	p.hub.tell(event{Kind: "checks"})
}

// remember takes from the history what was known of a check when rstprobe
// ended.
func (p *Page) remember(check string) {
	now := p.now()
	last, err := p.history.Entries(check, 1)
	if err != nil {
		p.log.Error("the last run could not be read", "check", check, "err", err)
	}
	counted, err := p.history.Hours(check, now.Add(-hours*time.Hour), now)
	if err != nil {
		p.log.Error("the last day could not be read", "check", check, "err", err)
	}
	p.board.change(check, func(c *present) {
		for _, e := range last {
			c.last = lastRun{ended: e.Started.Add(e.Took), took: e.Took, verdict: e.Verdict, summary: e.Summary, lookup: e.Lookup}
		}
		for _, h := range counted {
			c.day.put(h.Start, tallyOf(h.Tally))
		}
	})
}

// Known implements watch.Observer.
func (p *Page) Known(check string, now state.Machines) {
	p.board.change(check, func(c *present) { c.state = now })
	p.hub.tell(event{Kind: "state", Check: check})
}

// Ran implements watch.Observer. That it ran is told with what is known then.
func (p *Page) Ran(run store.Run, _ time.Duration, _ []state.Change) {
	p.board.change(run.Check, func(c *present) { c.ran(run) })
}

// Missed implements watch.Observer.
func (p *Page) Missed(string, int) {}

// Network implements watch.Observer.
func (p *Page) Network(trouble bool) {
	p.board.mu.Lock()
	p.board.trouble = trouble
	p.board.mu.Unlock()
	p.hub.tell(event{Kind: "network"})
}

// Failed implements watch.Observer. It is told before the run is.
func (p *Page) Failed(check string, measuring bool) {
	p.board.change(check, func(c *present) {
		c.failed = "the last run could not be kept"
		if measuring {
			c.failed = "the last run could not be measured"
		}
	})
}
