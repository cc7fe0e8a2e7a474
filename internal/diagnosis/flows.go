package diagnosis

import (
	"net/netip"
	"slices"

	"github.com/rstprobe/rstprobe/internal/flow"
	"github.com/rstprobe/rstprobe/probe"
	"github.com/rstprobe/rstprobe/traceroute"
)

// classPorts is from how many source ports the path is traced where several
// paths are seen, asked for or suspected: of two equal paths, all sixteen take
// the same one once in 32768 times.
const classPorts = 16

// mostClasses is in how many classes the tests are compared. Equal paths are
// seldom more than four; by packet, there are as many as ports.
const mostClasses = 4

// sweeps reads sweeps and remembers the source port of each: routers that
// balance load choose the path by it.
func (s *session) sweeps(recs []flow.Record) []traceroute.Sweep {
	for _, rec := range recs {
		if len(rec.Events) > 0 {
			s.ports = append(s.ports, traceroute.PortSweep{Port: rec.Key.Local.Port(), Sweep: traceroute.Read(rec)})
		}
	}
	return sweeps(recs)
}

// choosePath settles on one of several paths before the box is searched for,
// where sweeps from several ports did not agree on the routers, where the
// tests did not agree, or where more than one path is asked for.
func (n *nameQuestion) choosePath() error {
	s := n.session
	if s.classes != nil || s.serverTTL() < 2 || s.cfg.Flows < 2 && len(traceroute.Classes(s.ports)) < 2 && !n.uneven() {
		return nil
	}
	return n.classify()
}

// nowhere reports whether nothing of what makes the tests fail was seen this
// side of the server, on what may be one of several paths.
func (n *nameQuestion) nowhere() bool {
	return n.classes == nil && n.serverTTL() > 1 && !n.seen()
}

// classify finds the flow classes. From then on sweeps keep to the ports of
// one class, and where the tests fail on some paths only, so do the tests.
func (n *nameQuestion) classify() error {
	s := n.session
	if n.lasting() || !n.undisturbed() {
		return nil
	}
	n.begin(StepWays)
	var trials []probe.Trial
	for range classPorts {
		// Another path may be some hops longer.
		trials = append(trials, s.synTrial(s.remote, ttls(1, min(s.serverTTL()+4, s.cfg.MaxTTL))))
		trials[len(trials)-1].OnePort = true
	}
	recs, err := s.exchange(trials)
	s.ports = nil
	s.sweeps(recs)
	s.classed, s.classes = s.ports, traceroute.Classes(s.ports)
	if err != nil || s.ctx.Err() != nil || len(s.classes) < 2 {
		return err
	}
	class, err := n.affected()
	if err != nil || s.ctx.Err() != nil {
		return err
	}
	if err := n.use(class); err != nil || s.ctx.Err() != nil || !n.parted {
		return err
	}
	before := n.findings
	err = n.keepTo()
	if err == nil && 2*n.findings.Failed() < len(n.findings.Tests) { // it is not the way out alone that matters
		n.findings, n.parted = before, false
	}
	return err
}

// uneven reports whether so many tests failed, and so many did not, that a box
// on one of several paths may be the reason.
func (n *nameQuestion) uneven() bool {
	bad, all := n.findings.Failed(), len(n.findings.Tests)
	return bad >= 2 && bad < all && 2*mostClasses*bad >= all
}

// affected is the flow class in which the most tests fail: a box may stand on
// one of the paths. Of classes alike it is the largest.
func (n *nameQuestion) affected() (int, error) {
	s := n.session
	classes := min(len(s.classes), mostClasses)
	var trials []probe.Trial
	for s.class = range classes {
		for range s.cfg.Repeat {
			t := s.pinned(n.trial(s.remote, n.say(n.q.Name), probe.Test))
			t.Watch = s.grace()
			trials = append(trials, t)
		}
	}
	recs, err := s.exchange(trials)
	most, best, least := 0, 0, s.cfg.Repeat
	for class := range classes {
		bad := 0
		for _, o := range observe(recs[class*s.cfg.Repeat : (class+1)*s.cfg.Repeat]) {
			if !worked(o) {
				bad++
			}
		}
		least = min(least, bad)
		if bad > most {
			most, best = bad, class
		}
	}
	n.parted = most == s.cfg.Repeat && least == 0
	return best, err
}

// keepTo makes the tests again, with controls beside them, in the class in
// use. Those made before went on all paths.
func (n *nameQuestion) keepTo() error {
	var trials []probe.Trial
	for range n.cfg.Repeat {
		trials = append(trials, n.pinned(n.trial(n.remote, n.say(n.q.Name), probe.Test)), n.pinned(n.trial(n.remote, n.say(n.controls[0]), probe.Control)))
	}
	recs, err := n.exchange(trials)
	if err != nil || n.ctx.Err() != nil {
		return err
	}
	n.findings.Tests, n.findings.Trailing = nil, nil
	for i, t := range trials {
		n.file(t, recs[i])
	}
	n.triggers = triggers(trials, recs, n.remote)
	return nil
}

// use keeps to one flow class, and traces it with the control.
func (n *nameQuestion) use(class int) error {
	s := n.session
	s.class, s.synSweep, s.control = class, nil, nil
	for _, p := range s.classed {
		if slices.Contains(s.classes[class].Ports, p.Port) {
			s.synSweep = append(s.synSweep, p.Sweep)
		}
	}
	if s.serverTTL() < 2 {
		return nil
	}
	recs, err := s.exchange([]probe.Trial{s.pinned(s.sweepTrial(n.say(n.controls[0]), probe.Control, s.grace()))})
	s.control = sweeps(recs)
	return err
}

// pinned keeps a trial to the chosen flow class, if there is one.
func (s *session) pinned(t probe.Trial) probe.Trial {
	if len(s.classes) > 1 {
		ports := s.classes[s.class].Ports
		t.LocalPort = ports[s.pins%len(ports)]
		s.pins++
	}
	return t
}

// Flow is what the tests met in one flow class: on one of several paths.
type Flow struct {
	Ports    []uint16     // source ports that take it, ascending
	Routers  []netip.Addr // by TTL-1; invalid: silent
	Verdict  probe.Verdict
	Location *traceroute.Location // nil: not located
}

// flows repeats the finding in as many flow classes as were asked for, or in
// all of them where the tests fail in some only, and goes back to the class in
// use. Where a test is in the way of the next one, no class could be told from
// another in any bearable time.
func (n *nameQuestion) flows() error {
	s := n.session
	wanted := s.cfg.Flows
	if n.parted {
		wanted = max(wanted, mostClasses)
	}
	if n.lasting() || wanted < 2 || n.findings.Differ() == 0 {
		return nil
	}
	class, syn, control := s.class, s.synSweep, s.control
	defer func() { s.class, s.synSweep, s.control = class, syn, control }()
	for class := range min(wanted, len(s.classes)) {
		other := &nameQuestion{session: s, q: n.q, controls: n.controls, length: n.length, twice: n.twice, residual: n.residual, findings: n.findings}
		if err := n.use(class); err != nil || s.ctx.Err() != nil {
			return err
		}
		f := &other.findings
		f.Tests, f.Trailing, f.Sweeps, f.Read = nil, nil, probe.Sweeps{}, probe.ReadSweep{}
		f.Gap, f.Split, f.Sloped = nil, nil, nil // met on another path
		err := other.keepTo()
		if err == nil && s.ctx.Err() == nil {
			err = other.locate()
		}
		flow := Flow{Ports: s.classes[class].Ports, Routers: s.classes[class].Routers, Verdict: probe.Decide(*f)}
		if flow.Verdict.Interferes() {
			flow.Location, _ = other.place()
		}
		n.byFlow = append(n.byFlow, flow)
		if err != nil || s.ctx.Err() != nil {
			return err
		}
	}
	return nil
}

// traced is the first port of which the path is known; -1: there is none.
func (s *session) traced() int {
	return slices.IndexFunc(s.ports, func(p traceroute.PortSweep) bool { return p.Sweep.Summary().AnswerAt > 0 })
}

// retrace traces the path once more from a port of which it is known.
func (s *session) retrace() []probe.Trial {
	i := s.traced()
	if i < 0 || s.cfg.Trace == TraceNever {
		return nil
	}
	t := s.synTrial(s.remote, ttls(1, s.cfg.MaxTTL))
	t.LocalPort = s.ports[i].Port
	return []probe.Trial{t}
}

// settled compares the path with what it was. A route that changed meanwhile
// makes the place doubtful, so it is searched for again, once.
func (n *nameQuestion) settled() error {
	s := n.session
	i := s.traced()
	if n.findings.Differ() == 0 || i < 0 {
		return nil
	}
	if n.retraced == nil {
		recs, err := s.exchange(s.retrace())
		if n.retraced = recs; err != nil || s.ctx.Err() != nil {
			return err
		}
	}
	recs := n.retraced
	after := sweeps(recs)
	if len(after) == 0 {
		return nil
	}
	changed, moved := traceroute.Changed(s.ports[i].Sweep, after[0])
	if !moved {
		return nil
	}
	s.res.Rerouted = changed
	s.ports, s.classes, s.synSweep, s.control = nil, nil, nil, nil
	s.synSweep = s.sweeps(recs)
	s.syn.Sweep = summary(s.synSweep)
	if s.doubtful() {
		if err := s.sweepAgain(); err != nil || s.ctx.Err() != nil {
			return err
		}
	}
	if s.serverTTL() < 2 {
		return n.locate()
	}
	recs, err := s.exchange([]probe.Trial{s.sweepTrial(n.say(n.controls[0]), probe.Control, s.grace())})
	if s.control = s.sweeps(recs); err != nil || s.ctx.Err() != nil {
		return err
	}
	return n.locate()
}
