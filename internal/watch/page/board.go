package page

import (
	"cmp"
	"slices"
	"sync"
	"time"

	"github.com/rstprobe/rstprobe/internal/watch/state"
	"github.com/rstprobe/rstprobe/internal/watch/store"
	"github.com/rstprobe/rstprobe/internal/watch/watchfile"
	"github.com/rstprobe/rstprobe/probe"
)

// board is the present of all checks, which is never read from the store: to
// show it costs the same after a month as after a minute.
type board struct {
	mu      sync.RWMutex
	checks  map[string]*present
	trouble bool // of our own network
}

// present is what is known of one check.
type present struct {
	check  watchfile.Check
	state  state.Machines
	last   lastRun
	day    day
	failed string // what rstprobe could not do in the run that is told of next; "": nothing
}

// lastRun is the last run; the zero value: there was none.
type lastRun struct {
	ended   time.Time
	took    time.Duration
	verdict probe.Overall
	summary string
	lookup  string // why the name could not be resolved; "": it could
	failed  string // what rstprobe could not do; "": nothing
}

// watched takes the checks there are from now on, and returns those of which
// nothing is known yet.
func (b *board) watched(checks []watchfile.Check) (added []string) {
	b.mu.Lock()
	defer b.mu.Unlock()
	before := b.checks
	b.checks = make(map[string]*present, len(checks))
	for _, c := range checks {
		p := before[c.Name]
		if p == nil {
			p = &present{}
			added = append(added, c.Name)
		}
		p.check = c
		b.checks[c.Name] = p
	}
	return added
}

// change changes what is known of a check, if it is watched.
func (b *board) change(check string, f func(*present)) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if p := b.checks[check]; p != nil {
		f(p)
	}
}

// ran takes a run that has ended.
func (p *present) ran(r store.Run) {
	v := r.Document.Verdict
	p.last = lastRun{ended: r.Ended, took: r.Ended.Sub(r.Started), verdict: v.Outcome, summary: v.Summary, lookup: r.Lookup, failed: p.failed}
	p.failed = ""
	p.day.add(r.Ended, v.Outcome)
}

// all are copies of what is known of every check, by name, and whether our own
// network is in trouble.
func (b *board) all() ([]present, bool) {
	b.mu.RLock()
	defer b.mu.RUnlock()
	out := make([]present, 0, len(b.checks))
	for _, p := range b.checks {
		out = append(out, *p)
	}
	slices.SortFunc(out, func(a, b present) int { return cmp.Compare(a.check.Name, b.check.Name) })
	return out, b.trouble
}

// one is a copy of what is known of one check; false: it is not watched.
func (b *board) one(check string) (p present, trouble, ok bool) {
	b.mu.RLock()
	defer b.mu.RUnlock()
	if found := b.checks[check]; found != nil {
		return *found, b.trouble, true
	}
	return present{}, b.trouble, false
}

// patience is how many intervals may go by without a run before that is worth
// a word: a run may wait for a residual block, and begin late by the jitter.
const patience = 3

// late reports whether the last run is too long ago.
func (p present) late(now time.Time) bool {
	return !p.last.ended.IsZero() && now.Sub(p.last.ended) > patience*p.check.Interval+time.Minute
}

// silent is since when no run told anything of a question that runs have told
// of before; zero: they do.
func (p present) silent() time.Time {
	var since time.Time
	for _, m := range p.state {
		if last := m.LastAt; !last.IsZero() && p.last.ended.Sub(last) > patience*p.check.Interval && (since.IsZero() || last.Before(since)) {
			since = last
		}
	}
	return since
}

// rank is that of the worst of the questions, and of the runs themselves.
func (p present) rank(now time.Time) rank {
	worst := fine
	for _, q := range p.check.Questions {
		worst = min(worst, machineRank(p.state[state.Question{Kind: q.Kind, Name: q.Name}]))
	}
	if p.last.lookup != "" || p.last.failed != "" || p.late(now) || !p.silent().IsZero() {
		worst = min(worst, unmeasured)
	}
	return worst
}

// machineRank is the rank of a question.
func machineRank(m state.Machine) rank {
	r := rankOf(m.Confirmed)
	if m.Flapping {
		r = min(r, flapping)
	}
	if m.Candidate != nil {
		r = min(r, suspected)
	}
	return r
}

// since is when what is worst of a check began; zero: that is not known.
func (p present) since() time.Time {
	worst, at := ranks, time.Time{}
	for _, q := range p.check.Questions {
		m := p.state[state.Question{Kind: q.Kind, Name: q.Name}]
		if r := machineRank(m); r < worst || r == worst && m.Since.After(at) {
			worst, at = r, m.Since
		}
	}
	return at
}
