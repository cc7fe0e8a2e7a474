package probe

import (
	"fmt"
	"slices"
)

// Decide judges the question about a name. It is a pure function of the
// findings: whatever made them, the same records get the same verdict.
func Decide(f Findings) Verdict {
	v := Verdict{
		Trigger: TriggerNone, Author: Undetermined, Confidence: UndeterminedDegree,
		Evidence: []Evidence{}, Against: []Evidence{},
		Counts: Counts{
			TestBad: f.Failed(), TestTotal: len(f.Tests),
			ControlBad: len(f.controls()) - count(f.controls(), worked), ControlTotal: len(f.controls()),
		},
	}
	v.Outcome, v.Stage = f.ending()
	if len(f.Tests) == 0 {
		v.Outcome, v.Stage, v.Cause = Inconclusive, StageSYN, "N4"
		v.Next = "repeat when the controls are answered: nothing was asked with the test name"
		if f.Cut {
			v.Cause, v.Next = "N5", "run again without interrupting"
		}
		return v
	}
	forBox, forServer, families, decisive := f.evidence()
	failed := f.Failed()
	switch {
	case failed == 0 && !decisive:
		// Whatever the controls did: the test name itself works.
		v.Author, v.Confidence = Server, confidenceOfOK(f)
		if v.Outcome == Alert {
			return f.serverRefuses(v, forServer, forBox)
		}
		return v
	case decisive:
		return f.boxDid(v, forBox, forServer)
	case !enough(failed, len(f.Tests)):
		v.Outcome, v.Cause, v.Trigger = Inconclusive, "N5", TriggerUnknown
		v.Evidence = append(forBox, forServer...)
		v.Next = fmt.Sprintf("%d of %d trials failed: repeat with --repeat 10 to tell loss from a box that acts now and then", failed, len(f.Tests))
		return v
	}
	return f.undecided(v, forBox, forServer, families)
}

func confidenceOfOK(f Findings) Confidence {
	if len(f.Tests) >= 3 {
		return Proved
	}
	return Likely
}

// boxDid fills the verdict where at least one decisive item says that it was
// not the server.
func (f *Findings) boxDid(v Verdict, forBox, forServer []Evidence) Verdict {
	v.Evidence, v.Against = forBox, forServer
	v.Confidence = Proved
	if len(f.Tests) < 3 || !f.served() {
		v.Confidence = Likely
	}
	v.Author = f.placeAuthor()
	v.Trigger = f.trigger()
	switch {
	case v.Outcome != OK && v.Outcome != Alert:
	case f.Failed() > 0:
		// It acts now and then: the sweeps met it more often than the tests.
		v.Outcome, v.Stage = most(f.failures())
		v.Confidence = Likely
	default:
		// The client was served something; the decisive items say by whom.
		v.Outcome, v.Counts.TestBad = InjectedResponse, f.Differ()
	}
	if v.Outcome == Reset && v.Stage == StageHandshake {
		v.Cause = "M2"
	} else {
		v.Cause = boxCauses[v.Outcome]
	}
	for i := range v.Evidence {
		v.Evidence[i].Supports = v.Author
	}
	if v.Author == OnOrInPath {
		v.Next = "a capture at the server would tell whether the stimulus arrived there"
	}
	return v
}

// boxCauses are the causes by outcome once a box is known to have acted on
// our payload.
var boxCauses = map[Outcome]Cause{
	Reset: "M3", Fin: "M12", InjectedResponse: "M11", Drop: "M6", Stall: "M7", Unreachable: "N1", Refused: "M1",
}

// trigger is what made the difference.
func (f *Findings) trigger() Trigger {
	if answeredNearer(f) != nil {
		return TriggerAddress
	}
	if !f.served() || len(f.Sweeps.ControlHits) > 0 {
		return TriggerProtocol
	}
	if f.Kind == Host {
		return TriggerHost
	}
	return TriggerSNI
}

// placeAuthor tells a box that saw a copy from one that took the packet out,
// and one on the path from one at the server.
func (f *Findings) placeAuthor() Author {
	s := f.Sweeps
	reached := count(f.Tests, func(o Observation) bool { return f.serverGot(o) })
	switch {
	case len(s.Passed) > 0, enough(reached, len(f.Tests)):
		return OnPath
	case s.At > 0 && s.At < s.ServerTTL && len(s.Control) > 0:
		return InPath
	case s.At == 0 || s.At < s.ServerTTL:
		return OnOrInPath
	case answeredNearer(f) != nil:
		return InPath
	case f.atServersDistance():
		return ServerSide
	}
	// It acts only on packets that can reach the server, is not the server's
	// application, and answers from nearer than the server.
	if s.At == s.ServerTTL && s.ServerTTL > 0 && reached == 0 {
		return InPath
	}
	return OnOrInPath
}

// serverGot reports whether the server itself showed that the stimulus had
// arrived: it acknowledged it, or answered it, with its own TTL.
func (f *Findings) serverGot(o Observation) bool {
	low, high := f.ttlRange()
	own := func(s Seen) bool { return s.Packet.TTL >= low && s.Packet.TTL <= high }
	if o.Acked && o.AckedBy >= low && o.AckedBy <= high {
		return true
	}
	// It went on behind the end, or the other answer, that a box gave for it.
	_, _, two := conflicting(o.Data)
	_, _, behind := dataAfterFIN(o)
	return (len(o.Resets) > 0 || two || behind) && slices.ContainsFunc(o.Data, own)
}

// atServersDistance reports whether the ending packets come from as far as
// the server's own.
func (f *Findings) atServersDistance() bool {
	low, high := f.ttlRange()
	for _, o := range f.Tests {
		for _, seen := range append(append([]Seen{}, o.Resets...), o.FINs...) {
			if seen.Packet.TTL < low || seen.Packet.TTL > high {
				return false
			}
		}
		for _, d := range o.Data {
			if d.Packet.TTL < low || d.Packet.TTL > high {
				return false
			}
		}
	}
	return count(f.Tests, func(o Observation) bool { return len(o.Resets)+len(o.FINs)+len(o.Data) > 0 }) > 0
}

// undecided handles failures without a decisive item.
func (f *Findings) undecided(v Verdict, forBox, forServer []Evidence, families map[string]bool) Verdict {
	if v.Outcome == Drop && v.Stage == StageData && f.served() && f.neverAcked() {
		// TCP acknowledges whatever the application thinks of it; this was a
		// packet filter, at the last link or on the server's own host.
		v.Evidence, v.Against = forBox, forServer
		v.Author, v.Trigger, v.Cause, v.Confidence = InPath, f.trigger(), "M6", Likely
		v.Next = "a capture at the server, or --control-address with another address of it, would tell the last router from the server's own packet filter"
		for i := range v.Evidence {
			v.Evidence[i].Supports = v.Author
		}
		return v
	}
	if families[famPlace] {
		v.Evidence, v.Against = forBox, forServer
		v.Author, v.Trigger, v.Confidence = InPath, TriggerAddress, Likely
		v.Cause = boxCauses[v.Outcome]
		v.Next = "a capture at the server would show that nothing of this arrives there"
		for i := range v.Evidence {
			v.Evidence[i].Supports = v.Author
		}
		return v
	}
	if len(forServer) > 0 && (hasRule(forServer, "unknown-names-alike") || hasRule(forServer, "controls-alike")) && v.Outcome != Drop && v.Outcome != Unreachable {
		return f.serverRefuses(v, forServer, forBox)
	}
	v.Trigger = f.trigger()
	if !f.served() {
		v.Evidence = append(forBox, forServer...)
		v.Outcome, v.Cause, v.Trigger = Inconclusive, "N4", TriggerUnknown
		v.Next = "the controls fail too: try --control with a name that this server is known to serve, or --control-address"
		return v
	}
	v.Evidence, v.Against = forBox, forServer
	// The resets of a load balancer, too, come from another distance, and it
	// may refuse one name: TTL and name need a third reason beside them.
	strong := families[famTTL] && families[famName] && !hasRule(forServer, "server-ttl") &&
		(families[famTime] || families[famHeader])
	if strong {
		v.Author, v.Confidence, v.Cause = OnOrInPath, Likely, boxCauses[v.Outcome]
		for i := range v.Evidence {
			v.Evidence[i].Supports = v.Author
		}
	} else {
		v.Author, v.Confidence = Undetermined, UndeterminedDegree
		for i := range v.Evidence {
			v.Evidence[i].Supports = OnOrInPath
		}
	}
	v.Next = "repeat with --control-address and an address that serves any name: if the name fails there too, it is not this server"
	return v
}

func (f *Findings) neverAcked() bool {
	return enough(count(f.Tests, func(o Observation) bool { return o.Outcome == Drop && o.Retries > 0 }), len(f.Tests))
}

func hasRule(es []Evidence, id RuleID) bool {
	for _, e := range es {
		if e.Rule == id {
			return true
		}
	}
	return false
}

// serverRefuses fills the verdict where the server itself turned us away.
func (f *Findings) serverRefuses(v Verdict, forServer, forBox []Evidence) Verdict {
	v.Evidence, v.Against = forServer, forBox
	for i := range v.Against {
		v.Against[i].Supports = OnOrInPath
	}
	v.Author, v.Confidence = Server, Likely
	if len(forBox) > 0 {
		v.Confidence = Possible
	}
	v.Trigger = f.trigger()
	alike := hasRule(forServer, "controls-alike")
	switch {
	case v.Outcome == Alert || !alike:
		v.Cause = "S15"
	case v.Stage == StageResponse:
		v.Cause = "S8"
	case v.Outcome == Reset:
		v.Cause = "S7"
	default:
		v.Cause = "S15"
	}
	if alike && v.Outcome != Alert {
		v.Trigger = TriggerProtocol
		v.Next = "try --control with a name that this server is known to serve, or --control-address"
	}
	return v
}
