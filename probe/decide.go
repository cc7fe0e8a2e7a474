package probe

import "fmt"

// Decide judges the question about a name. It is a pure function of the
// findings: whatever made them, the same records get the same verdict.
//
// One decisive item that shows in two of three of at least three tests, with
// healthy controls, proves a box. Two strong items of different families make
// one likely, unless the resets are like the host's own; one makes it
// possible. What speaks for the other side is shown as well.
//
// Records from ordinary sockets lack much of that: see Rule.Headers.
func Decide(f Findings) Verdict {
	v := f.decide()
	v.Counts = f.tally(v.Outcome)
	if f.onSockets() && !f.Cut {
		return withMissing(v, untold(f.Tests) || untold(f.Leading))
	}
	return v
}

// tally counts the trials that met what the verdict is about. Where none
// failed, a server may have refused with an alert, which is bad of any trial;
// or tests were answered, and yet not as the controls were.
func (f *Findings) tally(o Outcome) Counts {
	controls := f.controls()
	bad := func(obs []Observation) int {
		return count(obs, func(b Observation) bool { return !worked(b) || o == Alert && b.Outcome == Alert })
	}
	c := Counts{TestBad: bad(f.Tests), TestTotal: len(f.Tests), ControlBad: bad(controls), ControlTotal: len(controls)}
	if c.TestBad == 0 && o != OK && o != Inconclusive {
		c.TestBad = f.Differ()
	}
	return c
}

func (f *Findings) decide() Verdict {
	v := Verdict{
		Trigger: TriggerNone, Author: Undetermined, Confidence: UndeterminedDegree,
		Evidence: []Evidence{}, Against: []Evidence{},
		Counts: f.tally(OK),
	}
	v.Outcome, v.Stage = f.ending()
	it := f.evidence()
	failed := f.Failed()
	switch {
	case len(f.Tests) == 0:
		return f.nothingAsked(v, it)
	case it.decisive && !f.lossy():
		return f.boxDid(v, it)
	case failed == 0 && v.Outcome == Alert:
		return f.serverRefuses(v, it)
	case failed == 0:
		return f.works(v, it)
	case it.has["fails-by-count"]:
		return f.limited(v, it)
	case !enough(failed, len(f.Tests)), f.indifferent():
		return f.mixed(v, it)
	}
	return f.undecided(v, it)
}

// lossy reports whether a few tests met silence, and not much more often than
// the controls: what sweeps then miss may be lost as well.
func (f *Findings) lossy() bool {
	failed, controls := f.failures(), f.controls()
	silent := count(failed, func(o Observation) bool { return o.Outcome == Drop || o.Outcome == Stall })
	return len(failed) > 0 && silent == len(failed) && !enough(len(failed), len(f.Tests)) && f.Differ() == len(failed) &&
		fisher(len(failed), len(f.Tests), len(controls)-count(controls, worked), len(controls)) >= rare
}

// nothingAsked fills the verdict where no test was made.
func (f *Findings) nothingAsked(v Verdict, it items) Verdict {
	v.Outcome, v.Stage, v.Cause = Inconclusive, StageSYN, "N4"
	v.Next = "repeat when the controls are answered: nothing was asked with the test name"
	if f.Cut {
		v.Cause, v.Next = "N5", "run again without interrupting"
		return v
	}
	if open := f.unhealthy(v, it); open.Cause != "N4" {
		return open // the controls tell why
	}
	return v
}

// boxDid fills the verdict where at least one decisive item says that it was
// not the server.
func (f *Findings) boxDid(v Verdict, it items) Verdict {
	v.Evidence, v.Against = it.forBox, it.forServer
	v.Confidence = Proved
	if len(f.Tests) < 3 || !f.served() {
		v.Confidence = Likely
	}
	v.Trigger = f.trigger()
	switch failed := f.Failed(); {
	case failed > 0 && !enough(failed, len(f.Tests)):
		// It acts now and then.
		v.Outcome, v.Stage = most(f.failures())
		v.Confidence = Likely
	case v.Outcome != OK && v.Outcome != Alert:
	case it.has["slower-than-control"], f.heldBack():
		v.Outcome, v.Stage = Stall, StageResponse
	case f.Differ() == 0 && it.has["below-server-ttl"]:
		// The tests were over before it acted; the copies were listened to longer.
		v.Outcome, v.Stage, v.Confidence = Reset, StageResponse, Likely
	default:
		// The client was served something; the decisive items say by whom.
		v.Outcome = InjectedResponse
	}
	v.Author = f.placeAuthor(v.Outcome, it)
	v.Cause = f.cause(v, it)
	if v.Author == OnOrInPath {
		v.Next = "a capture at the server would tell whether the stimulus arrived there"
	}
	return supporting(v)
}

// supporting lets the evidence of a verdict support its author.
func supporting(v Verdict) Verdict {
	for i := range v.Evidence {
		v.Evidence[i].Supports = v.Author
	}
	return v
}

// works fills the verdict where the test name is served, whatever the
// controls did.
func (f *Findings) works(v Verdict, it items) Verdict {
	v.Author, v.Confidence = Server, Likely
	if len(f.Tests) >= 3 {
		v.Confidence = Proved
	}
	if !it.has["slower-than-control"] {
		if f.FirstHop {
			return answeredHere(v)
		}
		return v
	}
	// Sites are throttled by their own servers as well.
	v.Outcome, v.Stage, v.Author, v.Cause, v.Confidence = Stall, StageResponse, OnOrInPath, "M10", Possible
	v.Trigger, v.Evidence, v.Against = f.trigger(), it.forBox, it.forServer
	v.Next = "repeat with --repeat 10, and with --control-address and an address that serves any name: a server that limits one site does not limit it there"
	return supporting(v)
}

// mixed fills the verdict where some tests failed, and not enough.
func (f *Findings) mixed(v Verdict, it items) Verdict {
	failed, all := f.Failed(), len(f.Tests)
	v.Evidence, v.Against = it.forBox, it.forServer
	v.Next = fmt.Sprintf("%d of %d trials failed: repeat with --repeat %d to tell loss from a box that acts now and then", failed, all, min(100, max(10, 5*all)))
	switch {
	case f.habit() && count(f.Tests, func(o Observation) bool { return len(o.Resets) > 0 }) == failed:
		// It resets what it accepted, now and then, whatever is asked.
		v.Outcome, v.Stage = most(f.failures())
		v.Author, v.Cause, v.Confidence = Server, "S2", Possible
		v.Next += "; the server resets some connections of either name as soon as they stand: repeat when it is less busy"
	case fisher(failed, all, v.Counts.ControlBad, v.Counts.ControlTotal) < rare:
		v.Outcome, v.Stage = most(f.failures())
		v.Trigger, v.Cause, v.Confidence = f.trigger(), "M10", Possible
	default:
		v.Outcome, v.Cause, v.Trigger = Inconclusive, "N5", TriggerUnknown
		v.Evidence, v.Against = append(v.Evidence, v.Against...), []Evidence{}
	}
	return v
}

// indifferent reports whether either name fails now and then, and none much
// more often than the other.
func (f *Findings) indifferent() bool {
	controls := f.controls()
	bad := len(controls) - count(controls, worked)
	return f.served() && f.Failed() < len(f.Tests) && 4*bad >= len(controls) && bad < len(controls) &&
		fisher(f.Failed(), len(f.Tests), bad, len(controls)) >= rare
}

// byChance reports whether some of the tests fail, and not so much more often
// than the controls that it could not be by chance: what differs between single
// readers then may be so as well.
func (f *Findings) byChance() bool {
	controls := f.controls()
	bad := len(controls) - count(controls, worked)
	return f.Failed() > 0 && f.Failed() < len(f.Tests) && bad > 0 && fisher(f.Failed(), len(f.Tests), bad, len(controls)) >= rare
}

// limited fills the verdict where the trials fail from some number on,
// whatever is asked.
func (f *Findings) limited(v Verdict, it items) Verdict {
	v.Evidence, v.Against = it.forServer, it.forBox
	v.Outcome, v.Stage = most(f.failures())
	v.Trigger, v.Cause, v.Confidence = TriggerHistory, "S16", Possible
	good := len(f.Tests) - f.Failed()
	if good >= 2 && f.Failed() >= 2 {
		v.Author, v.Confidence = Server, Likely
	}
	v.Next = "run again later with a lower --rate, and with --repeat 10: a limit on connections strikes at the same number again, whatever the name"
	return v
}

// unhealthy fills the verdict where the controls fail as well.
func (f *Findings) unhealthy(v Verdict, it items) Verdict {
	v.Evidence, v.Against = append(it.forBox, it.forServer...), []Evidence{}
	v.Next = "the controls fail too: try --control with a name that this server is known to serve, or --control-address"
	if late := count(f.Leading, func(o Observation) bool { return o.Outcome == Stall && len(o.Data) == 0 }); enough(late, len(f.Leading)) {
		v.Next = "the controls are acknowledged and not answered in time: run again with a longer --timeout, as a slow server needs it; else try --control with a name that this server is known to serve"
	}
	low, high, cut := cutsAlike(f.Leading)
	switch {
	case it.has["small-passes"]:
		v.Outcome, v.Stage = most(f.Leading)
		v.Trigger, v.Cause, v.Confidence = TriggerNone, "N3", Likely
		v.Next = fmt.Sprintf("lower the MTU of the interface to %d and run again: if the controls are served then, a router loses large packets and its Packet Too Big is lost, too", smallMTU)
	case cut:
		v.Outcome, v.Stage = most(f.Leading)
		v.Trigger, v.Cause, v.Confidence = TriggerVolume, "M14", Possible
		v.Next = fmt.Sprintf("all answers end after %d to %d bytes: repeat with --control-address and another server on the same path", low, high)
	default:
		v.Outcome, v.Cause, v.Trigger = Inconclusive, "N4", TriggerUnknown
	}
	return v
}

// smallMTU carries segments of 536 bytes (RFC 9293 §3.7.1: 576 less 40).
const smallMTU = 576

// undecided handles failures without a decisive item.
func (f *Findings) undecided(v Verdict, it items) Verdict {
	v.Evidence, v.Against = it.forBox, it.forServer
	v.Trigger = f.trigger()
	silent := v.Outcome == Drop || v.Outcome == Stall || v.Outcome == Unreachable
	switch {
	case !f.served() && (silent || !it.has["controls-alike"] && !it.has["unknown-names-alike"]):
		return f.unhealthy(v, it)
	case f.spoiled():
		return f.afterwards(v, it)
	case v.Outcome == Drop && v.Stage == StageData && f.neverAcked():
		// TCP acknowledges whatever the application thinks of it; this was a
		// packet filter, on the path or on the server's own host.
		v.Author, v.Cause, v.Confidence = InPath, "M6", Possible
		v.Next = "repeat with --trace always: copies that end on the way tell a filter on the path from the server's own"
		if f.passesRouters() {
			v.Author, v.Cause, v.Confidence = ServerSide, "S4", Likely
			v.Next = "a capture at the server, or --control-address with another address of it, would tell the last router from the server's own packet filter"
		}
		return supporting(v)
	case it.has["answered-nearer"]:
		v.Author, v.Trigger, v.Confidence = InPath, TriggerAddress, Likely
		v.Cause = boxCauses[v.Outcome]
		v.Next = "a capture at the server would show that nothing of this arrives there"
		return supporting(v)
	case v.Outcome != Drop && v.Outcome != Unreachable && (it.has["unknown-names-alike"] || it.has["controls-alike"]),
		v.Outcome == Reset && it.has["closing-talk"] && (it.has["genuine-reset"] || it.has["server-ttl"]):
		return f.serverRefuses(v, it)
	}
	return f.weigh(v, it)
}

// weigh fills the verdict from the strong items.
func (f *Findings) weigh(v Verdict, it items) Verdict {
	v.Author = OnOrInPath
	switch {
	case f.likely(v.Outcome, it):
		v.Confidence, v.Cause = Likely, f.cause(v, it)
		v = supporting(v)
	case f.possible(v.Outcome, it):
		v.Confidence, v.Cause = Possible, f.cause(v, it)
		v = supporting(v)
	default:
		v = supporting(v)
		v.Author, v.Confidence = Undetermined, UndeterminedDegree
	}
	v.Next = f.next(v.Outcome)
	return v
}

// likely reports whether the strong items make a box likely: two that no one
// innocent thing explains together.
func (f *Findings) likely(o Outcome, it items) bool {
	if it.has["server-ttl"] || it.has["genuine-reset"] {
		return false
	}
	need := 2
	if !f.comparable(o) {
		need = 3 // a load balancer that refuses one name has a TTL of its own, too
	}
	for family := range it.families {
		if !it.innocent(family) {
			return len(it.families) >= need
		}
	}
	return false
}

// innocent reports whether what a family shows goes well with a server that
// minds one name: a broken page is cut short under its name alone, and a rate
// limiter that happens to strike at the first test swallows it and what
// follows, and lets go again.
func (it items) innocent(family Family) bool {
	switch family {
	case FamilyDifferential, FamilyResidual:
		return true
	case FamilyStream:
		return !it.has["answered-and-reset"]
	case FamilySilence:
		return it.families[FamilyResidual]
	}
	return false
}

// possible reports whether the strong items outweigh what speaks for the
// server. An odd TTL, with or without the name, is what a load balancer
// shows, too.
func (f *Findings) possible(o Outcome, it items) bool {
	others := len(it.families)
	if it.families[FamilyTTL] && !f.comparable(o) {
		others--
		if it.families[FamilyDifferential] {
			others--
		}
	}
	return others > 0 && it.strong > it.genuine
}

// comparable reports whether the ending packets can be held against genuine
// ones. Silence needs none.
func (f *Findings) comparable(o Outcome) bool {
	switch o {
	case Reset:
		return f.calibrated()
	case Drop, Stall, Unreachable:
		return true
	case OK, Fin, InjectedResponse, Alert, Refused, Inconclusive:
	}
	return false
}

// spoiled reports whether controls that were served at first fail beside the
// tests.
func (f *Findings) spoiled() bool {
	return f.served() && len(f.Trailing) > 0 && 2*count(f.Trailing, worked) < len(f.Trailing)
}

// afterwards fills the verdict where the controls fail, too, once the test
// name was sent: something remembers.
func (f *Findings) afterwards(v Verdict, it items) Verdict {
	v = supporting(v)
	v.Next = "the controls failed beside the tests: wait for some minutes, then repeat with --repeat 10 and another --seed; a limit on connections strikes after the same number, a block after the name"
	if !it.has["fails-after-test"] {
		return v
	}
	v.Author, v.Trigger, v.Cause, v.Confidence = OnOrInPath, TriggerHistory, "M13", Possible
	if f.likely(v.Outcome, it) {
		v.Confidence = Likely
	}
	return supporting(v)
}

// next names the experiment that would settle an open verdict.
func (f *Findings) next(o Outcome) string {
	switch {
	case len(f.Elsewhere) == 0:
		return "repeat with --control-address and an address that serves any name: if the name fails there too, it is not this server"
	case o == Stall && f.Read.Reader == ReadNothing:
		return "repeat with --trace always: a harmless packet behind TTL-limited copies tells a server that hangs from a box that mutes"
	}
	return "a capture at the server would tell: it shows what arrives there, and what the server sends"
}
