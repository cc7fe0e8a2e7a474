package sweep

import (
	"fmt"
	"slices"

	"github.com/rstprobe/rstprobe/probe"
	"github.com/rstprobe/rstprobe/traceroute"
)

// sweeps are a test sweep and its control, in the shapes that the functions
// for live sweeps take.
type sweeps struct {
	tests, controls []shot
	server          int                // the smallest TTL that reaches the server; 0: none was seen to
	asked           []round            // test rounds that went all the way
	replies         []traceroute.Sweep // what asked drew below the server
	control         []traceroute.Sweep // what the control rounds drew there
	readings        traceroute.Readings
	healthy         []probe.Observation // control copies that arrived at the server, as trials at full TTL
	tested          []probe.Observation // test copies that arrived at whatever acts
	full            []probe.Observation // those of them that had the TTL to reach the server
}

func newSweeps(tests, controls []shot) *sweeps {
	c := &sweeps{tests: tests, controls: controls}
	for _, s := range slices.Concat(tests, controls) {
		if s.ttl > 0 && (c.server == 0 || s.ttl < c.server) && s.served() {
			c.server = s.ttl
		}
	}
	c.readings = traceroute.Readings{ServerTTL: c.server}
	for _, r := range rounds(controls) {
		r = r.below(c.server)
		if s := r.sweep(); quoted(s) {
			c.control = append(c.control, s)
		}
		c.readings.Control = append(c.readings.Control, r.readings()...)
	}
	for _, r := range rounds(tests) {
		low := r.below(c.server)
		switch {
		case r.whole(c.server) || len(c.asked) == 0:
			c.asked = append(c.asked, r)
			c.replies = append(c.replies, low.sweep())
			c.readings.Test = append(c.readings.Test, low.readings())
		default:
			// A run that was broken off has no vote, but what it met counts.
			n := len(c.readings.Test) - 1
			c.readings.Test[n] = append(c.readings.Test[n], low.readings()...)
		}
	}
	c.observe()
	return c
}

// observe finds what a client meets: the copies that arrived at the server, or
// would have, and those below it that drew something, which the prober may
// have taken for the end of the sweep.
func (c *sweeps) observe() {
	for _, s := range c.controls {
		if c.server > 0 && s.ttl >= c.server {
			c.healthy = append(c.healthy, s.asked())
		}
	}
	for _, s := range c.tests {
		o := s.asked()
		if c.server > 0 && s.ttl >= c.server {
			c.tested, c.full = append(c.tested, o), append(c.full, o)
			if r, ok := s.reading(); ok {
				c.readings.Full = append(c.readings.Full, r)
			}
			continue
		}
		if s.ttl > 0 && len(s.drawn()) > 0 {
			c.tested = append(c.tested, o)
		}
	}
}

// refused reports whether most connections of a sweep never stood.
func refused(all []shot) bool {
	closed := 0
	for _, s := range all {
		if s.opened().SYNACK == nil {
			closed++
		}
	}
	return 2*closed > len(all)
}

// unopened judges test connections that never stood, by their SYNs alone. A
// SYN says no name, so that whether control connections stand is chance.
func (c *sweeps) unopened(res *Result) {
	f := probe.SYNFindings{Stage: res.Kind}
	for _, s := range c.tests {
		f.Tests = append(f.Tests, s.opened())
	}
	res.Verdict = probe.DecideSYN(f)
	if refused(c.controls) {
		return
	}
	res.Verdict.Author, res.Verdict.Confidence, res.Verdict.Cause = probe.Undetermined, probe.UndeterminedDegree, "N5"
	res.Verdict.Next = "the control sweep connects and the test sweep does not, before any name is said: run both again, in turns"
}

// result judges and places.
func (c *sweeps) result() Result {
	first, other := c.tests[0], c.controls[0]
	res := Result{
		Server: first.server, Kind: first.stim.Kind, Name: first.stim.Name, Control: other.stim.Name,
		Rounds: len(c.asked), Controls: len(rounds(c.controls)), Steps: c.steps(),
		Path: traceroute.Merge(c.server, maxTTL, nil, c.control, c.replies),
	}
	if refused(c.tests) {
		c.unopened(&res)
	} else {
		c.judge(&res)
	}
	res.live()
	res.conclude()
	return res
}

// judge decides and places.
func (c *sweeps) judge(res *Result) {
	f := probe.Findings{Kind: res.Kind, Leading: c.healthy, Tests: c.tested}
	search := traceroute.Search{Path: res.Path, Control: c.control, Test: c.replies, Full: c.full, Silence: silent(c.tested)}
	f.Sweeps = search.Facts()
	if len(c.readings.Control) > 0 {
		c.readings.Reader = probe.ReadFIN
		f.Read = c.readings.Facts()
	}
	res.Verdict = probe.Decide(f)
	at := stopped(res.Steps)
	switch {
	case c.server == 0:
		res.Verdict.Next = "no copy of either sweep arrived at the server: sweep on until the server answers the control"
	case res.Verdict.Outcome == probe.OK && at == 0:
		c.controlHit(res)
	case search.Silence && !res.interferes() && at >= c.server-1:
		c.atServer(&res.Verdict, at)
	}
	if res.interferes() {
		res.Location, res.Boxes = c.place(search, f)
		c.likeliest(res.Location, res.Path)
	}
	if search.Silence {
		c.cite(res)
	}
}

// controlHit judges a test that goes well beside a control that does not. What
// is usual is then told by the test.
func (c *sweeps) controlHit(res *Result) {
	if res.ControlHit = stopped(newSweeps(c.controls, c.tests).steps()); res.ControlHit == 0 {
		return
	}
	v := &res.Verdict
	v.Outcome, v.Author, v.Cause, v.Trigger, v.Confidence = probe.Inconclusive, probe.Undetermined, "N4", probe.TriggerUnknown, probe.UndeterminedDegree
	v.Next = "the control is interfered with: are the files swapped? If not, sweep with another control name"
}

// atServer judges silence that begins at the last router before the server, or
// at the server itself: whoever keeps silent there is gear of the server's own,
// or its host, and a single Time Exceeded that is missing does not make a box.
func (c *sweeps) atServer(v *probe.Verdict, at int) {
	v.Author, v.Cause = probe.ServerSide, ""
	for i := range v.Evidence {
		v.Evidence[i].Supports = v.Author
	}
	v.Next = fmt.Sprintf("a capture at the server tells its own packet filter from gear in front of it: nothing is missing before TTL %d, and the server is at TTL %d", at, c.server)
}

// cite gives evidence of silence, which has no packet of its own in the test
// capture, the copies that nothing answers.
func (c *sweeps) cite(res *Result) {
	var copies []int
	for _, s := range c.tests {
		if c.hit(s) {
			copies = append(copies, s.rec.Events[s.copied].N)
		}
	}
	slices.Sort(copies)
	lists := [][]probe.Evidence{res.Verdict.Evidence, res.Verdict.Against}
	if res.Location != nil {
		lists = append(lists, res.Location.Evidence)
	}
	for _, list := range lists {
		for i := range list {
			if list[i].Rule != "wide-segment" {
				list[i].Packets = slices.Concat(list[i].Packets, copies)
			}
		}
	}
}

// maxTTL is the largest TTL there is (RFC 791 §3.1).
const maxTTL = 255

// silent reports whether tests ended in nothing but silence.
func silent(tests []probe.Observation) bool {
	return len(tests) > 0 && !slices.ContainsFunc(tests, func(o probe.Observation) bool {
		return len(o.Resets)+len(o.FINs)+len(o.Data)+len(o.Errors) > 0
	})
}

// place is where the box stands: by what copies drew below the server, by the
// fate of the packets behind them and by where Time Exceeded stop, and at last
// by the way back.
func (c *sweeps) place(s traceroute.Search, f probe.Findings) (*traceroute.Location, []traceroute.Box) {
	below := f.Sweeps.At > 0 && f.Sweeps.At < c.server
	if l := s.Copied(c.pairs()); l != nil {
		return l, nil
	}
	if below && len(f.Sweeps.Hits) > 0 {
		return s.Place(f.Sweeps, traceroute.TimedSteps)
	}
	var dark *traceroute.Location
	if below {
		dark = s.Locate(f.Sweeps, traceroute.DarkZone)
	}
	if l := both(c.readings.Locate(s, f.Read), dark); l != nil {
		if e, ok := c.repeating(l.At.TTL); ok {
			l.Evidence = append(l.Evidence, e)
		}
		return l, nil
	}
	if l := s.Response(); l != nil {
		return l, nil
	}
	return s.Locate(f.Sweeps, traceroute.TimedSteps), nil
}

// likeliest begins the segment at the last router that spoke and whose copy
// drew nothing, before the box acted. A captured sweep is mostly a single run, in which a copy that drew
// nothing may have got lost: how far back the box may stand all the same is
// said in the evidence.
func (c *sweeps) likeliest(l *traceroute.Location, path traceroute.Path) {
	if l == nil || l.Method == traceroute.ResponseDirection || l.Method == traceroute.CopiedTTLs {
		return
	}
	passed := map[int]bool{}
	for _, s := range c.tests {
		passed[s.ttl] = passed[s.ttl] || !c.hit(s)
	}
	for ttl := l.At.TTL - 1; ttl > l.After.TTL; ttl-- {
		if ttl > len(path.Hops) || !path.Hops[ttl-1].Addr.IsValid() || !passed[ttl] {
			continue
		}
		for i, e := range l.Evidence {
			if e.Rule == "wide-segment" {
				l.Evidence[i].Detail = fmt.Sprintf("the likeliest place; with lost copies in mind it may begin behind hop %d, which more runs would settle", l.After.TTL)
			}
		}
		l.After = traceroute.Point{TTL: ttl, Addr: path.Hops[ttl-1].Addr}
		return
	}
}

// both is the segment that two localisers agree on, in the name of the one
// that said when the box begins to act: a reader behind a copy and the Time
// Exceeded about it are different packets, lost independently of each other.
// Where they disagree, the first stands. Either may be nil.
func both(a, b *traceroute.Location) *traceroute.Location {
	switch {
	case a == nil:
		return b
	case b == nil || a.After.TTL >= b.At.TTL || b.After.TTL >= a.At.TTL:
		return a
	case b.At.TTL < a.At.TTL:
		a, b = b, a
	}
	if b.After.TTL > a.After.TTL {
		a.After = b.After
	}
	a.Evidence = slices.DeleteFunc(slices.Concat(a.Evidence, b.Evidence), func(e probe.Evidence) bool {
		return e.Rule == "wide-segment" && a.At.TTL-a.After.TTL == 1
	})
	return a
}

// pairs are the TTLs of copies and those of what they drew.
func (c *sweeps) pairs() []traceroute.TTLPair {
	var pairs []traceroute.TTLPair
	for _, sweep := range c.replies {
		for ttl, r := range sweep.Replies {
			for _, d := range r.Drawn {
				pairs = append(pairs, traceroute.TTLPair{Sent: uint8(ttl), Received: d.Packet.TTL}) //nolint:gosec // from a uint8
			}
		}
	}
	return pairs
}

// repeating is the reader that the server is itself: it repeats its SYN-ACK
// below a TTL and no longer from it on, while after control copies it goes on.
func (c *sweeps) repeating(at int) (probe.Evidence, bool) {
	e := probe.Evidence{Rule: "reader-fate", Packets: []int{}}
	var below, beyond, control [2]int // copies, and those behind which the SYN-ACK came again
	add := func(n *[2]int, ns []int) {
		n[0]++
		if len(ns) > 0 {
			n[1]++
		}
	}
	for _, s := range c.controls {
		if s.ttl < c.server {
			add(&control, s.repeats())
		}
	}
	for _, s := range c.tests {
		switch ns := s.repeats(); {
		case s.rec.Cut:
		case s.ttl < at:
			add(&below, ns)
			e.Packets = append(e.Packets, ns...)
		default:
			add(&beyond, ns)
		}
	}
	// As with other readers: nine of ten control copies fare alike.
	if 10*control[1] < 9*control[0] || 10*below[1] < 9*below[0] || beyond[0] == 0 || 10*beyond[1] > beyond[0] {
		return e, false
	}
	e.Detail = fmt.Sprintf("the server repeats its SYN-ACK until data comes, after %d of %d copies below TTL %d and %d of %d control copies, and after %d of %d from there on: its packets are stopped, too",
		below[1], below[0], at, control[1], control[0], beyond[1], beyond[0])
	return e, true
}
