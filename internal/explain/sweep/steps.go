package sweep

import (
	"cmp"
	"slices"

	"github.com/rstprobe/rstprobe/probe"
)

// steps counts what the copies with each TTL met.
func (c *sweeps) steps() []Step {
	byTTL := map[int]*Step{}
	at := func(ttl int) *Step {
		if byTTL[ttl] == nil {
			byTTL[ttl] = &Step{TTL: ttl}
		}
		return byTTL[ttl]
	}
	for _, s := range c.tests {
		c.count(&at(s.ttl).Test, s)
	}
	for _, s := range c.controls {
		c.count(&at(s.ttl).Control, s)
	}
	out := make([]Step, 0, len(byTTL))
	for _, s := range byTTL {
		out = append(out, *s)
	}
	slices.SortFunc(out, func(a, b Step) int { return cmp.Compare(a.TTL, b.TTL) })
	return out
}

func (c *sweeps) count(n *Tally, s shot) {
	n.Copies++
	all := probe.Observe(s.rec)
	if len(all.Expired) > 0 {
		n.Expired++
	}
	if s.served() {
		n.Served++
	}
	if all.SYNACK != nil && c.hit(s) {
		n.Hits++
		if len(s.drawn()) > 0 {
			n.Drawn++
		}
	}
}

// stopped is the TTL from which on, to the end of a sweep, most test copies
// were hit; 0: none. A box goes on acting beyond where it stands, so that a hit
// with unharmed copies behind it was loss, or a stray; so may be a last one
// that merely met silence.
func stopped(steps []Step) int {
	at, run, drawn := 0, 0, 0
	for _, s := range steps {
		switch n := s.Test; {
		case n.Copies == 0:
		case 2*n.Hits > n.Copies:
			if run == 0 {
				at = s.TTL
			}
			run, drawn = run+1, drawn+n.Drawn
		default:
			at, run, drawn = 0, 0, 0
		}
	}
	if run < 2 && drawn == 0 {
		return 0
	}
	return at
}

// hit reports whether something acted on a copy.
func (c *sweeps) hit(s shot) bool {
	if c.server > 0 && s.ttl >= c.server {
		o := s.asked()
		return !o.Cut && o.Outcome != probe.OK && o.Outcome != probe.Alert
	}
	r, ok := s.reading()
	return len(s.drawn()) > 0 || ok && c.readings.Odd(r)
}
