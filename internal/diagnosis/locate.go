package diagnosis

import (
	"maps"
	"slices"
	"time"

	"github.com/rstprobe/rstprobe/probe"
	"github.com/rstprobe/rstprobe/traceroute"
)

// locate sweeps the path with the test stimulus: stamped bursts, one vote
// each, and beside them the stimulus ahead of sequence. A timed step confirms
// where the burst points; where a box answers but does not follow our
// numbers, timed sweeps take the burst's place.
func (n *nameQuestion) locate() error {
	n.cfg.Progress(string(n.q.Kind) + ": locating")
	n.method = traceroute.CodedBurst
	n.search = traceroute.Search{Full: n.findings.Tests, Control: n.control}
	n.search.Silence = n.swallowed()
	sweep := n.burst
	if n.search.Silence {
		n.method, sweep = traceroute.DarkZone, n.pairs
	}
	if n.serverTTL() > 1 {
		if err := sweep(); err != nil || n.ctx.Err() != nil {
			return err
		}
	}
	n.search.Path = traceroute.Merge(n.serverTTL(), n.cfg.MaxTTL, n.synSweep, n.control, n.search.Test)
	n.findings.Sweeps = n.search.Facts()
	if n.search.Silence || n.serverTTL() < 2 {
		return nil
	}
	if n.unstamped() {
		return n.timed()
	}
	return n.confirm()
}

// swallowed reports whether the tests ended in nothing but silence.
func (n *nameQuestion) swallowed() bool {
	for _, o := range n.findings.Tests {
		if len(o.Resets)+len(o.FINs)+len(o.Data)+len(o.Errors) > 0 {
			return false
		}
	}
	return true
}

// burst sends the stamped sweeps and the trials ahead of sequence at once.
func (n *nameQuestion) burst() error {
	listen := n.grace() + max(0, n.findings.ResetDelay()-n.minRTT())
	var trials []probe.Trial
	for range n.cfg.Repeat {
		trials = append(trials, n.sweepTrial(n.say(n.q.Name), probe.Test, listen))
	}
	for range n.cfg.Repeat {
		gap := n.trial(n.remote, n.say(n.q.Name), probe.Test)
		gap.Ahead, gap.Watch = 1, 0
		gap.Timeout, gap.Linger = n.minRTT()+listen, listen
		trials = append(trials, gap)
	}
	recs, err := n.exchange(trials)
	n.search.Test = carriedOut(sweeps(recs[:n.cfg.Repeat]))
	n.findings.Gap = observe(recs[n.cfg.Repeat:])
	if failed := n.cfg.Repeat - len(n.search.Test); err == nil && failed > 0 {
		// A handshake got lost, and no copy was sent: that is no vote.
		recs, err = n.exchange(trials[:failed])
		n.search.Test = append(n.search.Test, carriedOut(sweeps(recs))...)
	}
	return err
}

// icmpRefill is how long a router that limits its ICMP errors takes to be
// ready for another: Linux's icmp_ratelimit, one per second and destination
// after a burst of six.
const icmpRefill = time.Second

// pairs sends stamped sweeps of control and test side by side, in an order
// that changes from round to round. Routers limit the rate of their ICMP
// errors, so silence about a test copy means something only where it is held
// against a control copy of the same moment, and either was as likely to be
// the one that got the answer.
func (n *nameQuestion) pairs() error {
	n.search.Control = nil
	for round := range n.cfg.Repeat {
		control := n.sweepTrial(n.say(n.controls[0]), probe.Control, n.grace())
		test := n.sweepTrial(n.say(n.q.Name), probe.Test, n.grace())
		trials := []probe.Trial{control, test}
		if round%2 == 1 {
			slices.Reverse(trials)
		}
		recs, err := n.exchange(trials)
		if err != nil || n.ctx.Err() != nil {
			return err
		}
		found := 0
		for i, t := range trials {
			done := carriedOut(sweeps(recs[i : i+1]))
			found += len(done)
			if t.Role == probe.Test {
				n.search.Test = append(n.search.Test, done...)
			} else {
				n.search.Control = append(n.search.Control, done...)
			}
		}
		if found == len(trials) && !n.starved(n.search.Control[len(n.search.Control)-1]) {
			continue
		}
		select {
		case <-time.After(icmpRefill):
		case <-n.ctx.Done():
			return nil
		}
	}
	n.control = append(n.control, n.search.Control...)
	return nil
}

// starved reports whether a router that spoke to an earlier sweep kept silent
// about a control copy.
func (n *nameQuestion) starved(control traceroute.Sweep) bool {
	for _, earlier := range slices.Concat(n.synSweep, n.session.control) {
		for ttl, r := range earlier.Replies {
			if r.Expired > 0 && ttl < n.serverTTL() && control.Replies[ttl].Expired == 0 {
				return true
			}
		}
	}
	return false
}

// carriedOut are the sweeps whose copies were sent.
func carriedOut(all []traceroute.Sweep) []traceroute.Sweep {
	return slices.DeleteFunc(all, func(s traceroute.Sweep) bool { return len(s.TTLs) == 0 })
}

// unstamped reports whether the sweeps drew something that follows none of
// our copies' numbers.
func (n *nameQuestion) unstamped() bool {
	for _, t := range n.search.Test {
		if len(t.Stray) > 0 && t.Lowest() == 0 {
			return true
		}
	}
	return false
}

// confirm checks the burst's answer with two timed copies, on a fresh
// connection each: nothing one TTL lower, the same at this one.
func (n *nameQuestion) confirm() error {
	at := n.findings.Sweeps.At
	if at == 0 || at >= n.serverTTL() {
		return nil
	}
	var trials []probe.Trial
	for ttl := max(1, at-1); ttl <= at; ttl++ {
		trials = append(trials, n.timedTrial(ttl, ttl))
	}
	recs, err := n.exchange(trials)
	if err != nil || n.ctx.Err() != nil {
		return err
	}
	step := traceroute.Sweep{Replies: map[int]traceroute.Reply{}, Timed: true}
	for _, sweep := range sweeps(recs) {
		step.TTLs = append(step.TTLs, sweep.TTLs...)
		maps.Copy(step.Replies, sweep.Replies)
	}
	n.search.Timed = &step
	n.findings.Sweeps = n.search.Facts()
	if step.Lowest() == at {
		return nil
	}
	return n.timed()
}

// timed sweeps with one copy per step, each step longer than the box was
// seen to take, one connection per vote.
func (n *nameQuestion) timed() error {
	var trials []probe.Trial
	for range n.cfg.Repeat {
		trials = append(trials, n.timedTrial(1, n.serverTTL()-1))
	}
	recs, err := n.exchange(trials)
	found := carriedOut(sweeps(recs))
	if err != nil || n.ctx.Err() != nil {
		return err
	}
	search := n.search
	search.Test, search.Timed = found, nil
	facts := search.Facts()
	if facts.At == 0 || facts.At == n.serverTTL() && n.findings.Sweeps.At != facts.At {
		return nil // the timed sweep draws nothing at all: what the burst drew stands, unconfirmed
	}
	n.method, n.search, n.findings.Sweeps = traceroute.TimedSteps, search, facts
	return nil
}

func (n *nameQuestion) timedTrial(first, last int) probe.Trial {
	t := n.sweepTrial(n.say(n.q.Name), probe.Test, n.grace())
	t.TTLs = ttls(first, last)
	t.Step = n.grace() + max(n.minRTT(), n.findings.ResetDelay())
	t.Timeout = t.Step
	return t
}
