package diagnosis

import (
	"fmt"
	"net/netip"
	"slices"
	"time"

	"github.com/rstprobe/rstprobe/internal/flow"
	"github.com/rstprobe/rstprobe/internal/packet"
	"github.com/rstprobe/rstprobe/internal/residual"
	"github.com/rstprobe/rstprobe/probe"
)

// trigger is a test that met its end, and when it said the name.
type trigger struct {
	key packet.Key
	at  time.Time
	o   probe.Observation
}

// triggers are the failed tests among the trials, in the order of their time.
func triggers(trials []probe.Trial, recs []flow.Record, remote netip.AddrPort) []trigger {
	var all []trigger
	for i, t := range trials {
		o := probe.Observe(recs[i])
		if t.Role == probe.Test && t.Remote == remote && o.Stimulus != nil && !worked(o) && !unfinished(o) {
			all = append(all, trigger{recs[i].Key, recs[i].Start.Add(o.Stimulus.At), o})
		}
	}
	slices.SortFunc(all, func(a, b trigger) int { return a.at.Compare(b.at) })
	return all
}

// family tells boxes of different make apart, by what their endings look like
// and where they come from.
func (n *nameQuestion) family(o probe.Observation) string {
	end := fmt.Sprintf("%s %s to %v", n.q.Kind, o.Outcome, n.remote.Addr())
	for _, s := range slices.Concat(o.Resets, o.FINs) {
		return fmt.Sprintf("%s, TTL %d flags %v", end, s.Packet.TTL, s.Packet.TCP.Flags)
	}
	return end
}

// undisturbed waits until nothing that the ledger knows of is in the way of a
// new connection to the target; false: that takes longer than may be waited.
func (n *nameQuestion) undisturbed() bool {
	until, _ := n.ledger.Until(time.Now(), packet.Key{Local: netip.AddrPortFrom(n.cfg.Source, 0), Remote: n.remote})
	left := time.Until(until)
	if left <= 0 {
		return true
	}
	if left <= n.budget.Left() {
		defer n.pause(StepWait, n.q, left)()
	}
	if left > n.budget.Left() || !n.budget.Wait(n.ctx, left) {
		n.blocked = until
		return false
	}
	return true
}

// poisoned reports whether the controls between the tests failed although
// those before them did not: what the first test set off is in the way of
// whatever follows.
func (n *nameQuestion) poisoned() bool {
	bad, before := 0, 0
	for _, o := range n.findings.Trailing {
		if !worked(o) && !servedFirst(o) {
			bad++
		}
	}
	for _, o := range n.findings.Leading {
		if worked(o) {
			before++
		}
	}
	return before > 0 && before == len(n.findings.Leading) && 3*bad >= 2*len(n.findings.Trailing) && bad > 0 && len(n.triggers) > 0
}

// servedFirst reports whether the answer came before the reset: the server may
// end its connections like that, and a block does not let it answer.
func servedFirst(o probe.Observation) bool {
	return len(o.Data) > 0 && (len(o.Resets) == 0 || o.Data[0].At < o.Resets[0].At)
}

// leftBehind finds out what failed tests leave behind. Where the controls
// failed as well, the block is measured. As many harmless connections then
// tell it from a server that limits their number. Of the tests only the first
// counts, and others are made one at a time.
func (n *nameQuestion) leftBehind() error {
	if !n.poisoned() {
		return nil
	}
	n.control = nil // swept beside the tests, so it met the same
	first := n.triggers[0]
	family := n.family(first.o)
	fact, known := n.ledger.Known(time.Now(), family)
	if !known {
		var err error
		if fact, err = n.measure(first); err != nil || n.ctx.Err() != nil {
			return err
		}
	}
	n.residual = fact
	n.hold(n.triggers[len(n.triggers)-1])
	if !n.undisturbed() {
		n.findings.Tests = []probe.Observation{first.o}
		return nil
	}
	if err := n.alone(); err != nil || n.ctx.Err() != nil {
		return err
	}
	if n.findings.TooMany() {
		n.residual, n.control = residual.Fact{}, nil
		return nil
	}
	n.ledger.Learn(time.Now(), family, fact)
	n.findings.Tests = []probe.Observation{first.o}
	return n.oneByOne()
}

// hold notes that a test has set the block off.
func (n *nameQuestion) hold(t trigger) {
	if n.residual.Scope == residual.Unknown || n.residual.Scope == residual.None {
		return
	}
	now := time.Now()
	n.ledger.Add(now, n.residual.Scope, t.key, now.Add(n.residual.Hold()))
}

// sameFlow asks harmlessly from the ports of two failed tests, to see whether
// those flows alone are blocked now: of one, the server may not have heard that
// it is over. Where other flows are blocked as well, they would tell nothing.
func (n *nameQuestion) sameFlow() []probe.Trial {
	if len(n.triggers) == 0 || n.lasting() || n.poisoned() {
		return nil
	}
	var trials []probe.Trial
	for _, failed := range n.triggers[:min(2, len(n.triggers))] {
		t := n.trial(n.remote, n.say(n.controls[0]), probe.Control)
		t.LocalPort, t.Watch = failed.key.Local.Port(), n.grace()
		trials = append(trials, t)
	}
	return trials
}

// sawFlow takes the answers to sameFlow.
func (n *nameQuestion) sawFlow(recs []flow.Record) {
	obs := observe(recs)
	if len(obs) == 0 || len(obs) < len(recs) || slices.ContainsFunc(obs, worked) {
		return
	}
	n.residual = residual.Fact{Scope: residual.FourTuple, Min: time.Since(n.triggers[0].at)}
	for _, t := range n.triggers {
		n.hold(t)
	}
}

// howLong measures a block of the same flow alone. No trial waits for it, since
// each has a flow of its own, so it is measured only where everything is to be
// known.
func (n *nameQuestion) howLong() error {
	if n.residual.Scope != residual.FourTuple || n.budget.Left() == 0 || len(n.triggers) == 0 {
		return nil
	}
	first := n.triggers[0]
	if fact, known := n.ledger.Known(time.Now(), n.family(first.o)); known {
		n.residual = fact
		return nil
	}
	fact, err := n.measure(first)
	if err == nil && n.ctx.Err() == nil && fact.Scope != residual.Unknown {
		n.residual = fact
		n.ledger.Learn(time.Now(), n.family(first.o), fact)
	}
	return err
}

// measure polls with harmless connections until it is known what the block
// covers and how long it lasts, or the time that may be spent is over.
func (n *nameQuestion) measure(first trigger) (residual.Fact, error) {
	plan := residual.Plan{Ways: []residual.Scope{residual.FourTuple, residual.ThreeTuple}, MaxWait: n.budget.Left()}
	if n.syn.Other.AnswerAt > 0 {
		plan.Ways = append(plan.Ways, residual.AnyPort)
	}
	if n.cfg.ControlAddress.IsValid() {
		plan.Ways = append(plan.Ways, residual.AnyAddress)
	}
	// A block of one flow runs since its own test. A wider one may have been
	// prolonged by those that followed.
	start := first.at
	if n.residual.Scope != residual.FourTuple {
		start = n.triggers[len(n.triggers)-1].at
	}
	var answers []residual.Answer
	for {
		step := plan.Next(answers)
		if step.Done {
			return step.Fact, nil
		}
		if step.Trigger {
			trial := n.trial(n.remote, n.say(n.q.Name), probe.Test)
			if n.residual.Scope == residual.FourTuple {
				trial.LocalPort = first.key.Local.Port()
			}
			recs, err := n.exchange([]probe.Trial{trial})
			if err != nil || n.ctx.Err() != nil {
				return residual.Fact{}, err
			}
			start = time.Now()
			n.triggers = append(n.triggers, triggers([]probe.Trial{trial}, recs, n.remote)...)
		}
		n.pause(StepHold, n.q, time.Until(start.Add(step.At)))
		if !n.budget.Wait(n.ctx, time.Until(start.Add(step.At))) {
			return residual.Fact{}, nil
		}
		got, err := n.poll(step, start, first)
		if err != nil || n.ctx.Err() != nil {
			return residual.Fact{}, err
		}
		answers = append(answers, got...)
	}
}

// poll asks harmlessly in every way that a step wants.
func (n *nameQuestion) poll(step residual.Step, start time.Time, first trigger) ([]residual.Answer, error) {
	trials := make([]probe.Trial, len(step.Ways))
	for i, way := range step.Ways {
		to := n.remote
		switch way {
		case residual.AnyPort:
			to = n.otherPort()
		case residual.AnyAddress:
			to = netip.AddrPortFrom(n.cfg.ControlAddress, n.remote.Port())
		case residual.Unknown, residual.None, residual.FourTuple, residual.ThreeTuple:
		}
		trials[i] = n.trial(to, n.say(n.controls[0]), probe.Control)
		trials[i].Watch = n.grace()
		if way == residual.FourTuple {
			trials[i].LocalPort = first.key.Local.Port()
		}
	}
	recs, err := n.exchange(trials)
	var answers []residual.Answer
	for i, rec := range recs {
		if o := probe.Observe(rec); o.Sent != nil && !unfinished(o) {
			answers = append(answers, residual.Answer{Run: step.Run, At: rec.Start.Sub(start), Way: step.Ways[i], Blocked: !worked(o)})
		}
	}
	return answers, err
}

// alone makes as many connections as there were before, none of them with the
// test name: a server that limits their number turns them away all the same.
// Beside them goes the control sweep, in place of the one that met the block.
func (n *nameQuestion) alone() error {
	var trials []probe.Trial
	for range len(n.findings.Leading) + len(n.findings.Trailing) + len(n.triggers) + 2 {
		t := n.trial(n.remote, n.say(n.controls[0]), probe.Control)
		t.Watch = n.grace()
		trials = append(trials, t)
	}
	count := len(trials)
	if n.cfg.Trace != TraceNever && n.serverTTL() > 1 {
		trials = append(trials, n.sweepTrial(n.say(n.controls[0]), probe.Control, n.grace()))
	}
	recs, err := n.exchange(trials)
	n.control = carriedOut(n.sweeps(recs[count:]))
	n.findings.Alone = observe(recs[:count])
	n.findings.Later = n.findings.Alone
	return err
}

// oneByOne makes the tests that still lack, each after the block that the one
// before set off.
func (n *nameQuestion) oneByOne() error {
	for tries := 0; len(n.findings.Tests) < n.cfg.Repeat && tries < 2*n.cfg.Repeat && n.undisturbed(); tries++ {
		trials := []probe.Trial{n.trial(n.remote, n.say(n.controls[0]), probe.Control)}
		recs, err := n.exchange(trials)
		if err != nil || n.ctx.Err() != nil {
			return err
		}
		control := observe(recs)
		n.findings.Later = append(n.findings.Later, control...)
		if len(control) == 0 || !worked(control[0]) {
			continue // no test counts behind a control that failed
		}
		trials = []probe.Trial{n.trial(n.remote, n.say(n.q.Name), probe.Test)}
		recs, err = n.exchange(trials)
		if err != nil || n.ctx.Err() != nil {
			return err
		}
		obs := observe(recs)
		if len(obs) == 0 {
			return nil
		}
		n.findings.Tests = append(n.findings.Tests, obs...)
		for _, t := range triggers(trials, recs, n.remote) {
			n.hold(t)
		}
	}
	return nil
}
