package diagnosis

import (
	"slices"

	"github.com/rstprobe/rstprobe/internal/packet"
	"github.com/rstprobe/rstprobe/probe"
	"github.com/rstprobe/rstprobe/traceroute"
)

// confirm checks the burst's answer with two timed copies, on a fresh
// connection each: nothing one TTL lower, the same at this one. Beside them go
// what no copy tells: the stimulus in two segments, our FIN behind a copy, and
// the path once more.
func (n *nameQuestion) confirm() error {
	if !n.undisturbed() {
		return nil
	}
	at := n.findings.Sweeps.At
	below := at > 0 && at < n.serverTTL() && !n.bare()
	var trials []probe.Trial
	for ttl := max(1, at-1); below && ttl <= at; ttl++ {
		for range n.rounds() - n.cfg.Repeat + 1 {
			trials = append(trials, n.timedTrial(ttl, ttl))
		}
	}
	steps := len(trials)
	var splits, fins []probe.Trial
	if !n.lasting() {
		splits = n.splitTrials()
		if fins = n.finTrials(); !n.can(fins[0]) {
			fins = nil
		}
	}
	again := n.retrace()
	var control []probe.Trial
	if below && !n.lasting() && !n.poisoned() && n.unheard(at) {
		control = append(control, n.sweep(n.controls[0], probe.Control, n.listen()))
	}
	recs, err := n.exchange(slices.Concat(control, trials, splits, fins, again))
	if len(control) > 0 {
		n.search.Control = append(n.search.Control, carriedOut(n.sweeps(recs[:1]))...)
		recs = recs[1:]
	}
	if steps > 0 {
		n.hold(trigger{key: recs[0].Key})
	}
	if err != nil || n.ctx.Err() != nil {
		return err
	}
	n.findings.Split = observe(recs[steps : steps+len(splits)])
	n.readFINs(fins, recs[steps+len(splits):len(recs)-len(again)])
	n.retraced = recs[len(recs)-len(again):]
	if !below {
		return nil
	}
	step := traceroute.Sweep{Replies: map[int]traceroute.Reply{}, Timed: true}
	for _, sweep := range sweeps(recs[:steps]) {
		step.TTLs = append(step.TTLs, sweep.TTLs...)
		for ttl, r := range sweep.Replies {
			r.Drawn = append(r.Drawn, step.Replies[ttl].Drawn...)
			step.Replies[ttl] = r
		}
	}
	n.search.Timed = &step
	n.findings.Sweeps = n.search.Facts()
	if step.Lowest() == at && len(step.TTLs) == len(trials) { // neither handshake got lost
		return nil
	}
	return n.timed()
}

// unheard reports whether no control copy with this TTL or more drew a Time
// Exceeded although bare SYNs did: who acts then seems to let nothing pass.
func (n *nameQuestion) unheard(at int) bool {
	heard := func(all []traceroute.Sweep) bool {
		return slices.ContainsFunc(all, func(s traceroute.Sweep) bool {
			for ttl, r := range s.Replies {
				if ttl >= at && r.Expired > 0 {
					return true
				}
			}
			return false
		})
	}
	return !heard(n.search.Control) && heard(n.synSweep)
}

// bare reports whether the sweeps drew resets that answer our handshake rather
// than any copy: what acts on every packet would be credited to whichever copy
// was sent last.
func (n *nameQuestion) bare() bool {
	for _, t := range n.search.Test {
		if slices.ContainsFunc(t.Stray, func(s probe.Seen) bool {
			tcp := s.Packet.TCP
			return tcp.Flags.Has(packet.RST) && tcp.Seq == t.Opened
		}) {
			return true
		}
	}
	return false
}

// timed sweeps with one copy per step, each step longer than the box was
// seen to take, one connection per vote. The burst's rounds keep theirs where
// they have one: a lost copy made the two differ.
func (n *nameQuestion) timed() error {
	if !n.undisturbed() {
		return nil
	}
	var trials []probe.Trial
	for range n.rounds() {
		trials = append(trials, n.timedTrial(1, n.serverTTL()-1))
		if n.lasting() {
			break
		}
	}
	recs, err := n.exchange(trials)
	n.hold(trigger{key: recs[0].Key})
	found := n.met(carriedOut(sweeps(recs)))
	if err != nil || n.ctx.Err() != nil {
		return err
	}
	search, method := n.search, n.method
	if len(n.findings.Sweeps.Hits) == 0 {
		search.Test, search.Timed = found, nil
		if !n.sockets {
			method = traceroute.TimedSteps
		}
	} else {
		search.Test = slices.Concat(search.Test, found)
	}
	facts := search.Facts()
	if facts.At == 0 || facts.At == n.serverTTL() && n.findings.Sweeps.At != facts.At {
		return nil // the timed sweep draws nothing at all: what the burst drew stands, unconfirmed
	}
	n.method, n.search, n.findings.Sweeps = method, search, facts
	return nil
}

func (n *nameQuestion) timedTrial(first, last int) probe.Trial {
	t := n.sweep(n.q.Name, probe.Test, n.grace())
	t.TTLs = ttls(first, last)
	t.Step = n.grace() + max(n.minRTT(), n.delay())
	t.Timeout = t.Step
	return t
}

// splitTrials say the test name cut in two, for a TCP that puts it together.
func (n *nameQuestion) splitTrials() []probe.Trial {
	var trials []probe.Trial
	for range n.cfg.Repeat {
		t := n.trial(n.remote, n.say(n.q.Name), probe.Test)
		t.Watch = n.grace()
		n.cut(0)(&t, n.q.Name)
		trials = append(trials, t)
	}
	return trials
}
