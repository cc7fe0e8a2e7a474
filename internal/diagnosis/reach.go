package diagnosis

import (
	"net/netip"
	"slices"
	"time"

	"github.com/rstprobe/rstprobe/probe"
	"github.com/rstprobe/rstprobe/traceroute"
)

// reach asks whether connections stand at all: bare SYNs, and a sweep of
// SYNs, which is cheap and exposes the path, every address block and every
// terminating proxy by itself.
func (s *session) reach() error {
	s.begin(StepPath, Question{})
	trials := make([]probe.Trial, 0, s.cfg.Repeat+1)
	for range s.synTests() {
		trials = append(trials, s.synTrial(s.remote, nil))
	}
	if s.cfg.Trace != TraceNever {
		trials = append(trials, s.synTrial(s.remote, ttls(1, s.cfg.MaxTTL)))
		trials[len(trials)-1].ExactTTL = true
	}
	recs, err := s.exchange(trials)
	s.syn.Tests = observe(recs[:s.synTests()])
	if s.cfg.Trace != TraceNever {
		s.synSweep = s.sweeps(recs[s.synTests():])
		s.syn.Sweep = summary(s.synSweep)
		if err == nil && answered(s.syn.Tests) && s.doubtful() {
			err = s.sweepAgain()
		}
		s.syn.FirstHop = s.cfg.Gateway && s.syn.Sweep.AnswerAt == 1
	}
	switch {
	case err != nil || s.ctx.Err() != nil || s.cfg.Trace == TraceNever:
		return err
	case probe.DecideSYN(s.syn).Outcome == probe.OK:
		return s.sweepElsewhere()
	}
	return s.compareSYN()
}

// compareSYN looks closer at SYNs that are refused or swallowed. Another port
// of the address, and the control address, show where the server is and what
// differs; each sweep is repeated, since nobody sends a lost copy again.
func (s *session) compareSYN() error {
	s.begin(StepOtherPort, Question{})
	all := ttls(1, s.cfg.MaxTTL)
	var trials []probe.Trial
	for i := range s.cfg.Repeat {
		if i > 0 {
			trials = append(trials, s.synTrial(s.remote, all))
		}
		trials = append(trials, s.synTrial(s.otherPort(), all))
		trials[len(trials)-1].ExactTTL = i == 0
		if a := s.cfg.ControlAddress; a.IsValid() {
			trials = append(trials, s.synTrial(netip.AddrPortFrom(a, s.remote.Port()), all))
			trials[len(trials)-1].ExactTTL = i == 0
		}
	}
	recs, err := s.exchange(trials)
	var other, elsewhere []traceroute.Sweep
	for i, t := range trials {
		found := sweeps(recs[i : i+1])
		switch t.Remote {
		case s.remote:
			s.synSweep = append(s.synSweep, found...)
		case s.otherPort():
			other = append(other, found...)
		default:
			elsewhere = append(elsewhere, found...)
		}
	}
	s.control = slices.Concat(s.control, other, elsewhere)
	s.syn.Sweep, s.syn.Other, s.syn.Elsewhere = summary(s.synSweep), summary(other), summary(elsewhere)
	return err
}

// sweepElsewhere finds out how far the control address is.
func (s *session) sweepElsewhere() error {
	if !s.cfg.ControlAddress.IsValid() {
		return nil
	}
	to, all := netip.AddrPortFrom(s.cfg.ControlAddress, s.remote.Port()), ttls(1, s.cfg.MaxTTL)
	trials := []probe.Trial{s.synTrial(to, all), s.synTrial(to, all)}
	there := len(trials)
	if s.sockets { // where a copy says less than one of a burst, more of them are needed
		trials = append(trials, s.synTrial(s.remote, all), s.synTrial(s.remote, all))
	}
	recs, err := s.exchange(trials)
	s.syn.Elsewhere = summary(sweeps(recs[:there]))
	s.synSweep = append(s.synSweep, sweeps(recs[there:])...)
	return err
}

func answered(obs []probe.Observation) bool {
	return slices.ContainsFunc(obs, func(o probe.Observation) bool { return o.SYNACK != nil })
}

// doubtful reports whether a lost packet may have made the server look
// farther away than it is, or unreachable: no copy was answered, or the one
// before the first that was drew nothing.
func (s *session) doubtful() bool {
	at := s.syn.Sweep.AnswerAt
	_, before := s.syn.Sweep.Expired[at-1]
	return at == 0 || at > 1 && !before
}

// sweepAgain repeats the sweep of SYNs, whose copies nobody sends again.
func (s *session) sweepAgain() error {
	last := s.cfg.MaxTTL
	if at := s.syn.Sweep.AnswerAt; at > 0 {
		last = at
	}
	trials := make([]probe.Trial, 2)
	for i := range trials {
		trials[i] = s.synTrial(s.remote, ttls(1, last))
	}
	recs, err := s.exchange(trials)
	s.synSweep = append(s.synSweep, sweeps(recs)...)
	s.syn.Sweep = summary(s.synSweep)
	return err
}

// synTests is how many bare SYNs are sent.
func (s *session) synTests() int { return s.cfg.Repeat }

// otherPort is the web port that the target is not.
func (s *session) otherPort() netip.AddrPort {
	if s.remote.Port() == 443 {
		return netip.AddrPortFrom(s.remote.Addr(), 80)
	}
	return netip.AddrPortFrom(s.remote.Addr(), 443)
}

func (s *session) synTrial(remote netip.AddrPort, ttls []uint8) probe.Trial {
	t := probe.Trial{
		Role: probe.Test, Remote: remote, Stimulus: probe.Stimulus{Kind: probe.SYN}, Profile: s.cfg.Profile, TTLs: ttls,
		Timeout: s.synTimeout(), Linger: 20 * time.Millisecond,
	}
	if ttls != nil {
		t.Timeout = time.Second
		t.Role = probe.Baseline
	}
	return t
}

// summary reads sweeps of SYNs to one address and port together.
func summary(sweeps []traceroute.Sweep) probe.SYNSweep {
	var all probe.SYNSweep
	for _, sweep := range sweeps {
		all = all.Merge(sweep.Summary())
	}
	return all
}

// serverTTL is the smallest TTL at which the server answers; 0: not known.
func (s *session) serverTTL() int {
	if s.class < len(s.classes) && s.classes[s.class].ServerTTL > 0 {
		return s.classes[s.class].ServerTTL
	}
	if s.syn.Sweep.AnswerAt > 0 {
		return s.syn.Sweep.AnswerAt
	}
	if s.syn.Other.End() > 0 {
		return s.syn.Other.End()
	}
	if s.syn.Elsewhere.End() > 0 {
		return s.syn.Elsewhere.End()
	}
	if s.served > 0 {
		return s.served
	}
	return s.syn.Sweep.ResetAt
}

// serverAddr is who answers at serverTTL: the control address, where nothing of
// the target's does.
func (s *session) serverAddr() netip.Addr {
	switch f := s.syn; {
	case s.serverTTL() == 0:
		return netip.Addr{}
	case f.Sweep.AnswerAt == 0 && f.Other.End() == 0 && f.Elsewhere.End() > 0:
		return s.cfg.ControlAddress
	}
	return s.remote.Addr()
}

// path is what all sweeps together show of it. Where no name was swept since
// bare SYNs failed, they are what was tested.
func (s *session) path() traceroute.Path {
	syn, control, test := s.synSweep, s.control, s.test
	if len(test) == 0 && probe.DecideSYN(s.syn).Outcome != probe.OK {
		syn, control, test = nil, s.harmless(), s.synSweep
	}
	p := traceroute.Merge(s.serverTTL(), s.cfg.MaxTTL, syn, control, test)
	p.Server = s.serverAddr()
	return p
}

// harmless are the control sweeps that came to an answer; if none did, all of
// them. The others may have met the same box.
func (s *session) harmless() []traceroute.Sweep {
	answered := slices.DeleteFunc(slices.Clone(s.control), func(c traceroute.Sweep) bool { return c.Lowest() == 0 })
	if len(answered) == 0 {
		return s.control
	}
	return answered
}

// sweepTrial is one stamped burst over all TTLs that cannot reach the server.
func (s *session) sweepTrial(st probe.Stimulus, role probe.Role, listen time.Duration) probe.Trial {
	return probe.Trial{
		Role: role, Remote: s.remote, Stimulus: st, Profile: s.cfg.Profile, TTLs: ttls(1, min(s.serverTTL()-1, s.cfg.MaxTTL)),
		Timeout: s.minRTT() + listen, Linger: s.grace(),
	}
}

// locateSYN places what refuses or swallows SYNs.
func (s *session) locateSYN(v probe.Verdict) *traceroute.Location {
	if !v.Interferes() || len(s.synSweep) == 0 {
		return nil
	}
	if v.Outcome == probe.Reset { // drawn by the handshake, which no TTL limits
		return nil
	}
	// A sweep that never came to an answer may have met the same box.
	harmless := slices.DeleteFunc(slices.Clone(s.control), func(c traceroute.Sweep) bool { return c.Lowest() == 0 })
	search := traceroute.Search{
		Path:    traceroute.Merge(s.serverTTL(), s.cfg.MaxTTL, s.synSweep, s.control, nil),
		Control: harmless, Test: s.synSweep, Silence: v.Outcome == probe.Drop,
	}
	if search.Path.ServerTTL == 0 || search.Path.ServerTTL == s.syn.Sweep.ResetAt {
		search.Path.ServerTTL = s.cfg.MaxTTL + 1
	}
	return search.Locate(search.Facts(), traceroute.SYNSweep)
}

// whereAnswered is the place of what completes the handshakes.
func (s *session) whereAnswered() *traceroute.Location {
	search := traceroute.Search{Path: traceroute.Merge(s.cfg.MaxTTL+1, s.cfg.MaxTTL, s.synSweep, s.control, nil), Test: s.synSweep}
	return search.Locate(search.Facts(), traceroute.SYNSweep)
}
