package diagnosis

import (
	"slices"
	"time"

	"github.com/rstprobe/rstprobe/probe"
)

// smallMSS is the segment size that every path carries (RFC 9293 §3.7.1).
const smallMSS = 536

// small asks the leading control again in small segments, both ways, where it
// met silence: a path that loses large packets only is no censor. Large ones go
// beside them, so that an outage that is over by now is not taken for that, nor
// for a server that serves nobody.
func (n *nameQuestion) small() error {
	for _, o := range n.findings.Leading {
		if o.Outcome != probe.Drop && o.Outcome != probe.Stall {
			return nil
		}
	}
	var trials []probe.Trial
	for range n.cfg.Repeat {
		t := n.trial(n.remote, n.stimulus(n.q, n.controls[0]), probe.Control)
		t.MSS = smallMSS
		trials = append(trials, t, n.trial(n.remote, n.say(n.controls[0]), probe.Control))
	}
	recs, err := n.exchange(trials)
	for i, t := range trials {
		to := &n.findings.Leading
		if t.MSS == smallMSS {
			to = &n.findings.Small
		}
		*to = append(*to, observe(recs[i:i+1])...)
	}
	return err
}

// Transfers are watched for this long: enough for 64 KiB at 20 kB/s, a rate
// below which nobody calls a page served.
const transferTime = 3 * time.Second

// large is the announced length from which on an answer is worth fetching
// whole: volume cuts have been seen from 16 KiB on.
const large = 16 << 10

// transfer fetches the answer whole where it is large enough for a cut by
// volume or for a throttle to show, control and test side by side.
func (n *nameQuestion) transfer() error {
	if n.findings.Failed() > 0 || len(n.findings.Tests) == 0 {
		return nil
	}
	if announced, err := n.announced(); err != nil || n.ctx.Err() != nil || !announced {
		return err
	}
	n.begin(StepTransfers)
	var trials []probe.Trial
	for i := range 2 * n.cfg.Repeat {
		t := n.trial(n.remote, n.say(n.q.Name), probe.Test)
		if i%2 == 1 {
			t = n.trial(n.remote, n.say(n.controls[0]), probe.Control)
		}
		trials = append(trials, n.fetching(t))
	}
	recs, err := n.exchange(trials)
	if err != nil || n.ctx.Err() != nil {
		return err
	}
	n.whole, n.findings.Tests, n.findings.Trailing = true, nil, nil
	for i, t := range trials {
		n.file(t, recs[i])
	}
	return nil
}

// fetching has a trial watch an answer to its end. Behind a ClientHello that is
// a page of the site under test, whatever name the ClientHello has: nobody on
// the path can read which, so that nothing but the server name differs.
func (n *nameQuestion) fetching(t probe.Trial) probe.Trial {
	t.Watch = transferTime
	if n.q.Kind == probe.SNI {
		t.Fetch = n.q.Name
	}
	return t
}

// announced reports whether the answers are large. Inside TLS nobody has asked
// for any yet, so one is fetched.
func (n *nameQuestion) announced() (bool, error) {
	answers := slices.Concat(n.findings.Leading, n.findings.Trailing, n.findings.Tests)
	if n.q.Kind == probe.SNI {
		var trials []probe.Trial
		for range n.cfg.Repeat { // one may be slow for loss
			ask := n.fetching(n.trial(n.remote, n.say(n.controls[0]), probe.Control))
			ask.Watch = n.watch() // not every service speaks HTTP inside
			trials = append(trials, ask)
		}
		recs, err := n.exchange(trials)
		if err != nil || n.ctx.Err() != nil {
			return false, err
		}
		answers = observe(recs)
	}
	return slices.ContainsFunc(answers, func(o probe.Observation) bool { return o.Reply.Total >= large }), nil
}

// heldUp reports whether answers to the test name, fetched whole, did not come
// to their end in the time in which those to the controls did.
func (n *nameQuestion) heldUp() bool {
	short := func(o probe.Observation) bool { return o.Said < o.Reply.Total }
	return n.whole && slices.ContainsFunc(n.findings.Tests, short) && !slices.ContainsFunc(n.findings.Trailing, short)
}
