package diagnosis

import (
	"fmt"
	"net/netip"
	"slices"
	"time"

	"github.com/rstprobe/rstprobe/internal/flow"
	"github.com/rstprobe/rstprobe/internal/payload"
	"github.com/rstprobe/rstprobe/internal/residual"
	"github.com/rstprobe/rstprobe/probe"
	"github.com/rstprobe/rstprobe/traceroute"
)

// answer answers one question and adds it to the result.
func (s *session) answer(q Question) error {
	if q.Kind == probe.SYN {
		v := probe.DecideSYN(s.syn)
		if s.res.ownTarget() && v.Next != "" {
			v.Next = "look at what listens on this machine: ss -tln"
		}
		s.res.Tests = append(s.res.Tests, Test{Kind: q.Kind, ControlNames: []string{}, Verdict: v, Location: s.locateSYN(v)})
		return nil
	}
	if v := probe.DecideSYN(s.syn); v.Outcome != probe.OK && v.Outcome != probe.Inconclusive && v.Author != probe.OnPath {
		// No connection stands, so no name was ever said.
		s.res.Tests = append(s.res.Tests, Test{Kind: q.Kind, Name: q.Name, ControlNames: []string{}, Verdict: v, Location: s.locateSYN(v)})
		return nil
	}
	n := &nameQuestion{session: s, q: q, controls: s.controlNames(q.Name)}
	err := n.ask()
	f := n.findings
	f.Cut = s.ctx.Err() != nil
	v := probe.Decide(f)
	if len(f.Tests) == 0 && !n.blocked.IsZero() {
		v.Next = fmt.Sprintf("an earlier test has set off a block that is in the way until %s: run again then, or with a longer --max-wait", n.blocked.Format(time.TimeOnly))
	}
	t := Test{Kind: q.Kind, Name: q.Name, ControlNames: n.controls, Verdict: v, Residual: n.residual, Flows: n.byFlow}
	sure := v.Confidence == probe.Proved || v.Confidence == probe.Likely
	if v.Interferes() && sure && s.cfg.Trace != TraceNever {
		t.Location, t.Boxes = n.place()
	}
	if v.Interferes() && s.cfg.Characterize && err == nil && s.ctx.Err() == nil {
		if t.Matrix, err = n.characterize(); err == nil {
			err = n.howLong()
			t.Residual = n.residual
		}
	}
	s.res.Tests = append(s.res.Tests, t)
	s.test = append(s.test, n.search.Test...)
	return err
}

// controlNames are the harmless names for a test name: the user's, or one of
// the same length.
func (s *session) controlNames(test string) []string {
	if len(s.cfg.Controls) > 0 {
		return s.cfg.Controls
	}
	return []string{payload.DefaultControl(test, 0)}
}

// nameQuestion is one name under test.
type nameQuestion struct {
	*session
	q        Question
	controls []string
	length   int // of every stimulus, so that nothing but the name differs
	findings probe.Findings
	search   traceroute.Search
	readings traceroute.Readings
	method   traceroute.Method
	triggers []trigger     // failed tests, in the order of their time
	residual residual.Fact // what they leave behind
	blocked  time.Time     // an earlier block is in the way until then, longer than may be waited; zero: none is
	byFlow   []Flow
	retraced []flow.Record // the path once more; nil: not traced again yet
	shy      bool          // what acts leaves many connections alone
	whole    bool          // answers are fetched whole
	parted   bool          // the tests fail on some of several paths only
	late     time.Duration // after the stimulus, behind the server's answer, a box acts; 0: none does
	twice    bool          // the test stimulus is sent two times: the box acts on retransmissions only
}

// stimulus says a name in the manner of the question.
func (s *session) stimulus(q Question, name string) probe.Stimulus {
	return probe.Stimulus{Kind: q.Kind, Name: name, Path: s.cfg.Target.Path, Shape: s.cfg.Shape, Seed: s.seed()}
}

func (n *nameQuestion) say(name string) probe.Stimulus {
	st := n.stimulus(n.q, name)
	st.Length = n.length
	return st
}

// ask carries the trials out: leading controls, the blocks of controls and
// tests, and where something fails, what tells who did it and where.
func (n *nameQuestion) ask() error {
	n.begin(StepControls)
	n.findings.Kind, n.findings.Nearer, n.findings.FirstHop = n.q.Kind, n.syn.Nearer(), n.syn.FirstHop
	random := payload.RandomName(len(n.q.Name), n.seed())
	for _, name := range append([]string{n.q.Name, random, ""}, n.controls...) {
		b, err := n.stimulus(n.q, name).Bytes(0)
		if err != nil {
			return err
		}
		n.length = max(n.length, len(b))
	}
	if !n.undisturbed() {
		return nil
	}
	for _, step := range []func() error{
		func() error { return n.lead(random) }, n.small, func() error { return n.blocks(n.cfg.Repeat) },
		n.leftBehind, n.waver, n.unnoticed, n.repeated, n.transfer, n.measured, n.locate, n.settled, n.flows,
	} {
		if err := step(); err != nil || n.ctx.Err() != nil {
			return err
		}
	}
	return nil
}

// strays are the ACKs that belong to no connection; three show whether the
// host's genuine resets keep to one TTL.
const strays = 3

// lead sends the leading controls. The first test name is said only after
// they were answered, so that no box is poisoned yet when they are asked.
// Beside them, once per target, the host's genuine resets are called for.
func (n *nameQuestion) lead(random string) error {
	trials := []probe.Trial{
		n.trial(n.remote, n.say(n.controls[0]), probe.Control),
		n.trial(n.remote, n.say(random), probe.Baseline),
		n.trial(n.remote, n.say(""), probe.Baseline),
	}
	for i := range trials {
		trials[i].Linger, trials[i].Watch = n.grace(), 0
	}
	if n.stray == nil {
		for range strays {
			trials = append(trials, probe.Trial{
				Role: probe.Baseline, Remote: n.remote, Stimulus: probe.Stimulus{Kind: probe.ACK},
				Timeout: n.minRTT() + n.grace(), Linger: time.Millisecond,
			})
		}
	}
	recs, err := n.exchange(trials)
	n.findings.Leading = observe(recs[:1])
	n.findings.Random = observe(recs[1:2])
	n.findings.NoName = observe(recs[2:3])
	n.stray = append(n.stray, observe(recs[3:])...)
	n.findings.Stray = n.stray
	return err
}

// blocks sends control – test – control blocks, and the control sweep beside
// them. They overlap in time; on the wire the order within and between blocks
// holds.
func (n *nameQuestion) blocks(count int) error {
	n.begin(StepTests)
	// The seed decides in which half of each block the control stands.
	var order []probe.Trial
	for i := range count {
		control := n.trial(n.remote, n.say(n.controls[i%len(n.controls)]), probe.Control)
		control.Beside = true
		pair := []probe.Trial{n.trial(n.remote, n.say(n.q.Name), probe.Test), control}
		if n.seed()%2 == 0 {
			slices.Reverse(pair)
		}
		order = append(order, pair...)
	}
	if a := n.cfg.ControlAddress; a.IsValid() && len(n.findings.Elsewhere) == 0 {
		to := netip.AddrPortFrom(a, n.remote.Port())
		for range count {
			order = append(order, n.trial(to, n.say(n.q.Name), probe.Test))
		}
		order = append(order, n.trial(to, n.say(n.controls[0]), probe.Control))
	}
	if n.cfg.Trace != TraceNever && n.serverTTL() > 1 && len(n.control) == 0 {
		sweep := n.sweepTrial(n.say(n.controls[0]), probe.Control, n.grace())
		sweep.Beside = true
		order = append(order, sweep)
	}
	recs, err := n.exchange(order)
	for i, t := range order {
		n.file(t, recs[i])
	}
	n.triggers = append(n.triggers, triggers(order, recs, n.remote)...)
	return err
}

// file puts the record of a block's trial where the findings want it.
func (n *nameQuestion) file(t probe.Trial, rec flow.Record) {
	if len(t.TTLs) > 0 {
		n.control = append(n.control, n.sweeps([]flow.Record{rec})...)
		return
	}
	o := probe.Observe(rec)
	// An answer counts once it was watched for a late reset.
	if o.Sent == nil || unfinished(o) || o.Cut && t.Role == probe.Test && (o.Outcome == probe.OK || o.Outcome == probe.Alert) {
		return
	}
	f := &n.findings
	list := &f.Tests
	switch elsewhere := t.Remote != n.remote; {
	case elsewhere && t.Role == probe.Test:
		list = &f.Elsewhere
	case elsewhere:
		list = &f.ElsewhereControl
	case t.Role == probe.Control:
		list = &f.Trailing
	}
	*list = append(*list, o)
}

func (n *nameQuestion) trial(to netip.AddrPort, st probe.Stimulus, role probe.Role) probe.Trial {
	return probe.Trial{
		Role: role, Remote: to, Stimulus: st, Profile: n.cfg.Profile, Twice: n.twice,
		Timeout: n.timeout(), Linger: n.grace(), Watch: n.watch(),
	}
}
