package traceroute

import (
	"fmt"
	"slices"

	"github.com/rstprobe/rstprobe/probe"
)

// Search is what is needed to place a box.
type Search struct {
	Path    Path                // with ServerTTL
	Control []Sweep             // with the control stimulus, TTLs below ServerTTL
	Known   []Sweep             // earlier harmless sweeps: nothing but how often each router speaks
	Test    []Sweep             // with the test stimulus, likewise; one vote each
	Timed   *Sweep              // the confirming timed steps, each on a connection of its own; nil: none
	Silence bool                // the test stimulus itself is lost: what ends it draws nothing
	Full    []probe.Observation // the full-TTL tests: what they drew comes from the box, too
}

// Facts sums the sweeps up for the judge. At and After enclose the smallest
// segment that holds the box with a posterior probability of at least 0.99,
// whatever single copies or answers got lost; see Search.likelihood.
func (s Search) Facts() probe.Sweeps {
	// A sweep whose connection never stood sent no copy and has no vote.
	s.Test = slices.DeleteFunc(slices.Clone(s.Test), func(t Sweep) bool { return len(t.TTLs) == 0 })
	f := probe.Sweeps{ServerTTL: s.Path.ServerTTL, Rounds: len(s.Test)}
	if f.Rounds == 0 || f.ServerTTL == 0 {
		return f
	}
	idle, lowest := s.vote(&f)
	if f.Votes > 0 {
		f.After, f.At, _ = place(s.likelihood(idle == f.Votes))
	}
	if s.Timed != nil {
		f.Confirmed = f.At > 0 && f.At == s.Timed.Lowest() && slices.Contains(lowest, f.At)
	}
	beyond := func(ttl int) bool { return f.At > 0 && ttl >= f.At }
	for _, t := range s.Test {
		for ttl, r := range t.Replies {
			if beyond(ttl) && r.Expired > 0 {
				f.Passed = append(f.Passed, r.Expired)
			}
		}
	}
	for _, c := range s.Control {
		for ttl, r := range c.Replies {
			if beyond(ttl) && r.Expired > 0 {
				f.Control = append(f.Control, r.Expired)
			}
			for _, d := range r.Drawn {
				f.ControlHits = append(f.ControlHits, d.N)
			}
		}
	}
	for _, ns := range [][]int{f.Hits, f.ControlHits, f.Passed, f.Control} {
		slices.Sort(ns)
	}
	return f
}

// vote counts the rounds: those that drew something below the server are for
// a box there, and where none did, those that drew nothing at all are for the
// server's distance. idle is how many of the votes drew nothing; lowest are
// the smallest TTLs that drew something. In a dark zone no round decides by
// itself, so all of them have their vote.
func (s Search) vote(f *probe.Sweeps) (idle int, lowest []int) {
	for _, t := range s.Test {
		at := t.Lowest()
		switch {
		case at > 0:
			lowest = append(lowest, at)
		case s.Silence || len(t.Stray) == 0:
			idle++
		}
		for _, r := range t.Replies {
			for _, d := range r.Drawn {
				f.Hits = append(f.Hits, d.N)
			}
		}
	}
	f.Votes = len(lowest)
	if len(lowest) == 0 || s.Silence {
		f.Votes += idle
	}
	return idle, lowest
}

// likelihood is the likelihood of each TTL h = 1 … ServerTTL from which on
// the box acts (its logarithm at h-1). Where it answers, the answers tell,
// and with them the dark zone behind it, if it takes packets out as well as
// answering; a box beside the path leaves none. Where the stimulus is lost
// the dark zone alone tells; ServerTTL stands for "nothing below the server".
func (s Search) likelihood(idle bool) []float64 {
	end := s.Path.ServerTTL
	dark := s.darkness(end)
	if s.Silence && idle {
		return dark
	}
	_, _, spoken := s.routers(end)
	logs, copied := s.echoed(end)
	if !copied {
		logs = staircase(s.rounds(end), end, around(spoken, 20))
	}
	if idle {
		return logs // nothing below the server acts, so nothing takes out
	}
	for i := range logs {
		logs[i] += either(dark[i], dark[end-1])
	}
	return logs
}

// Locate places the box of which the facts tell; nil when they do not: at
// least two rounds have to agree that there is one, where more than one was
// carried out.
func (s Search) Locate(f probe.Sweeps, method Method) *Location {
	if f.At == 0 || f.Votes < min(2, f.Rounds) {
		return nil
	}
	loc := &Location{
		After: s.point(f.After), At: s.point(f.At), Method: method,
		Votes: f.Votes, Rounds: f.Rounds, ForwardHops: f.At - 1,
	}
	if f.At-f.After > 1 {
		loc.Evidence = append(loc.Evidence, probe.Evidence{
			Rule: "wide-segment", Packets: []int{},
			Detail: fmt.Sprintf("silent routers and lost packets leave %d hops possible", f.At-f.After),
		})
	}
	s.measureReverse(loc, f)
	return loc
}

func (s Search) point(ttl int) Point {
	p := Point{TTL: ttl}
	if ttl >= 1 && ttl <= len(s.Path.Hops) {
		p.Addr = s.Path.Hops[ttl-1].Addr
	}
	return p
}
