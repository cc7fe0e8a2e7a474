package diagnosis

import (
	"net/netip"
	"slices"

	"github.com/rstprobe/rstprobe/internal/payload"
	"github.com/rstprobe/rstprobe/probe"
	"github.com/rstprobe/rstprobe/traceroute"
)

// answer answers one question and adds it to the result.
func (s *session) answer(q Question) error {
	if q.Kind == probe.SYN {
		v := probe.DecideSYN(s.syn)
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
	t := Test{Kind: q.Kind, Name: q.Name, ControlNames: n.controls, Verdict: v}
	if v.Interferes() && s.cfg.Trace != TraceNever {
		t.Location = n.search.Locate(f.Sweeps, n.method)
		if f.Nearer > 0 && len(f.Sweeps.Hits) == 0 {
			t.Location = s.whereAnswered()
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
	method   traceroute.Method
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
// tests, and where something fails, the sweeps.
func (n *nameQuestion) ask() error {
	n.cfg.Progress(string(n.q.Kind) + ": controls")
	n.findings.Kind, n.findings.Nearer = n.q.Kind, n.syn.Nearer()
	random := payload.RandomName(len(n.q.Name), n.seed())
	for _, name := range append([]string{n.q.Name, random, ""}, n.controls...) {
		b, err := n.stimulus(n.q, name).Bytes(0)
		if err != nil {
			return err
		}
		n.length = max(n.length, len(b))
	}
	if err := n.lead(random); err != nil || n.ctx.Err() != nil {
		return err
	}
	swept := background(n.sweepControl)
	err := n.blocks()
	if e := swept(); err == nil {
		err = e
	}
	if err != nil || n.ctx.Err() != nil {
		return err
	}
	suspicious := n.findings.Differ() > 0
	if suspicious && n.cfg.Trace != TraceNever && n.serverTTL() > 0 {
		if err := n.locate(); err != nil {
			return err
		}
	}
	return nil
}

// lead sends the leading controls. The first test name is said only after
// they were answered, so that no box is poisoned yet when they are asked.
func (n *nameQuestion) lead(random string) error {
	trials := []probe.Trial{
		n.trial(n.remote, n.say(n.controls[0]), probe.Control),
		n.trial(n.remote, n.say(random), probe.Baseline),
		n.trial(n.remote, n.say(""), probe.Baseline),
	}
	for i := range trials {
		trials[i].Linger, trials[i].Watch = n.grace(), 0
	}
	recs, err := n.exchange(trials)
	n.findings.Leading = observe(recs[:1])
	n.findings.Random = observe(recs[1:2])
	n.findings.NoName = observe(recs[2:3])
	return err
}

// blocks sends control – test – control blocks. They overlap in time; on the
// wire the order within and between blocks holds.
func (n *nameQuestion) blocks() error {
	n.cfg.Progress(string(n.q.Kind) + ": " + n.q.Name)
	enough := make(chan struct{})
	var tests, controls []probe.Trial
	for i := range n.cfg.Repeat {
		tests = append(tests, n.trial(n.remote, n.say(n.q.Name), probe.Test))
		c := n.trial(n.remote, n.say(n.controls[i%len(n.controls)]), probe.Control)
		c.Enough = enough
		controls = append(controls, c)
	}
	var elsewhere []probe.Trial
	if a := n.cfg.ControlAddress; a.IsValid() {
		to := netip.AddrPortFrom(a, n.remote.Port())
		for range n.cfg.Repeat {
			elsewhere = append(elsewhere, n.trial(to, n.say(n.q.Name), probe.Test))
		}
		elsewhere = append(elsewhere, n.trial(to, n.say(n.controls[0]), probe.Control))
	}
	// The seed decides in which half of each block the control stands.
	var order []probe.Trial
	for i := range tests {
		pair := []probe.Trial{tests[i], controls[i]}
		if n.seed()%2 == 0 {
			slices.Reverse(pair)
		}
		order = append(order, pair...)
	}
	obs, err := n.exchangeBlocks(append(order, elsewhere...), len(tests)+len(elsewhere), enough)
	for i, t := range order {
		if obs[i].Sent == nil {
			continue
		}
		if t.Role == probe.Test {
			n.findings.Tests = append(n.findings.Tests, obs[i])
		} else {
			n.findings.Trailing = append(n.findings.Trailing, obs[i])
		}
	}
	for i, t := range elsewhere {
		o := obs[len(order)+i]
		switch {
		case o.Sent == nil:
		case t.Role == probe.Test:
			n.findings.Elsewhere = append(n.findings.Elsewhere, o)
		default:
			n.findings.ElsewhereControl = append(n.findings.ElsewhereControl, o)
		}
	}
	return err
}

func (n *nameQuestion) trial(to netip.AddrPort, st probe.Stimulus, role probe.Role) probe.Trial {
	return probe.Trial{
		Role: role, Remote: to, Stimulus: st, Profile: n.cfg.Profile,
		Timeout: n.timeout(), Linger: n.grace(), Watch: n.watch(),
	}
}

// sweepControl traces the path with the control stimulus.
func (n *nameQuestion) sweepControl() error {
	if n.cfg.Trace == TraceNever || n.serverTTL() < 2 || len(n.control) > 0 {
		return nil
	}
	recs, err := n.exchange([]probe.Trial{n.sweepTrial(n.say(n.controls[0]), probe.Control, n.grace())})
	n.control = append(n.control, sweeps(recs)...)
	return err
}
