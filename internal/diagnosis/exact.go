package diagnosis

import (
	"time"

	"github.com/rstprobe/rstprobe/probe"
)

// Ordinary sockets hide two things that packets show: how far what came had
// travelled, and a reset that comes too late for a kernel to believe it.

// highest is the TTL that a test is repeated with, to tell a sender that copies
// ours (see traceroute.Slope). What such a one sends then comes with more than
// what the server sends, whatever that starts from: a server that was reset in
// our name resets us as well, and of two resets the one with more is measured.
const highest = 255

// measured has the remaining TTLs of what ends the tests measured, by
// repeating the test, with the usual TTL and with the highest.
func (n *nameQuestion) measured() error {
	if !n.sockets || n.lasting() || n.swallowed() || n.findings.Failed() == 0 {
		return nil
	}
	test := n.trial(n.remote, n.say(n.q.Name), probe.Test)
	test.ExactTTL, test.Watch = true, n.grace()
	more := test
	more.TTL = highest
	recs, err := n.exchange([]probe.Trial{test, more})
	n.findings.Exact, n.findings.Sloped = observe(recs[:1]), observe(recs[1:])
	return err
}

// unnoticed looks for a box whose resets come behind the server's answer: no
// kernel believes them there. To copies of the stimulus that just do not reach
// the server it gives the only answer.
func (n *nameQuestion) unnoticed() error {
	if !n.sockets || n.findings.Failed() > 0 || len(n.findings.Tests) == 0 || n.cfg.Trace == TraceNever {
		return nil
	}
	if err := n.distance(); err != nil || n.ctx.Err() != nil || n.serverTTL() < 2 {
		return err
	}
	last := uint8(n.serverTTL() - 1) //nolint:gosec // 1 … 63
	controls := 1
	if n.served > 0 { // then it is not sure that none is answered
		controls = n.cfg.Repeat
	}
	var trials []probe.Trial
	for i := range controls + n.cfg.Repeat {
		t := n.sweep(n.q.Name, probe.Test, n.watch())
		if i < controls {
			t = n.sweep(n.controls[0], probe.Control, n.watch())
		}
		t.TTLs, t.Linger = []uint8{last}, n.watch()
		trials = append(trials, t)
	}
	recs, err := n.exchange(trials)
	if err != nil || n.ctx.Err() != nil {
		return err
	}
	var late time.Duration
	drew := 0
	for i, sweep := range sweeps(recs) {
		drawn := sweep.Replies[int(last)].Drawn
		if i < controls && len(drawn) > 0 {
			return nil // whatever is said draws it
		}
		if len(drawn) > 0 {
			drew, late = drew+1, max(late, drawn[0].Delay)
		}
	}
	if drew > 1 {
		n.late = late
	}
	return nil
}
