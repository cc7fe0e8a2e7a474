package diagnosis

import (
	"slices"

	"github.com/rstprobe/rstprobe/probe"
)

// wide is how many tests are made where the first few do not agree: enough to
// tell a box that acts on every second connection from loss.
const wide = 20

// waver asks more often where some of the tests failed and others did not.
func (n *nameQuestion) waver() error {
	bad, all := n.findings.Failed(), len(n.findings.Tests)
	if bad == 0 || bad == all || all >= wide {
		return nil
	}
	return n.blocks(wide - all)
}

// second is how many more tests are made where the first few were all served:
// of boxes that act on every second connection, three tests miss one in eight,
// and these and the first one in two thousand.
const second = 8

// repeated looks a second time where all is well: at more connections, since
// some boxes act on a share of them only, and at the stimulus sent twice, as
// a client does whose first packet got lost, since some act on the second.
func (n *nameQuestion) repeated() error {
	if n.findings.Failed() > 0 || len(n.findings.Tests) == 0 || n.late > 0 {
		return nil
	}
	var trials []probe.Trial
	for range second {
		trials = append(trials, n.trial(n.remote, n.say(n.q.Name), probe.Test))
	}
	n.twice = true
	for range n.cfg.Repeat { // one copy of a pair may get lost
		trials = append(trials, n.trial(n.remote, n.say(n.q.Name), probe.Test))
	}
	n.twice = false
	recs, err := n.exchange(trials)
	if err != nil || n.ctx.Err() != nil {
		return err
	}
	for i, t := range trials[:second] {
		n.file(t, recs[i])
	}
	n.triggers = append(n.triggers, triggers(trials[:second], recs[:second], n.remote)...)
	if n.findings.Failed() > 0 {
		return n.waver()
	}
	if obs := observe(recs[second:]); !slices.ContainsFunc(obs, func(o probe.Observation) bool { return !worked(o) }) {
		return nil
	}
	before := n.findings
	n.twice, n.findings.Tests, n.findings.Trailing = true, nil, nil
	err = n.blocks(n.cfg.Repeat)
	if n.findings.Failed() == 0 { // it was loss
		n.twice, n.findings = false, before
	}
	return err
}

func worked(o probe.Observation) bool { return o.Outcome == probe.OK || o.Outcome == probe.Alert }
