package probe

import (
	"math"
	"slices"

	"github.com/rstprobe/rstprobe/internal/packet"
	"github.com/rstprobe/rstprobe/internal/payload"
)

// boxCauses are the causes by outcome once a box is known to have acted on
// our payload.
var boxCauses = map[Outcome]Cause{
	Reset: "M3", Fin: "M12", InjectedResponse: "M11", Drop: "M6", Stall: "M7", Unreachable: "N1", Refused: "M1",
}

// cause says how the author of a verdict did it, as far as that shows.
func (f *Findings) cause(v Verdict, it items) Cause {
	switch {
	case v.Author == ServerSide:
		return "S4"
	case v.Outcome == Reset && v.Stage == StageHandshake:
		return "M2"
	case v.Outcome == Reset && f.onSockets() && !it.has["below-server-ttl"]:
		return "" // forged, or the server's answer rewritten: no socket tells
	case v.Outcome == Reset && it.has["ttl-copied"]:
		return "M15"
	case v.Outcome == Reset && it.has["reset-in-our-name"]:
		return "M4"
	case v.Outcome == Reset && f.rewritten(it):
		return "M5"
	case it.has["cut-at-volume"]:
		return "M14"
	case v.Outcome == Stall && (it.has["slower-than-control"] || f.heldBack()):
		return "M10"
	case v.Outcome == Stall && it.has["acks-vanish"]:
		return "M8"
	case v.Outcome == InjectedResponse && !it.has["two-answers"] && f.shaken():
		return "M16"
	}
	return boxCauses[v.Outcome]
}

// shaken reports whether the tests were answered with a ServerHello: who says
// it in the server's stead goes on with TLS himself.
func (f *Findings) shaken() bool {
	return enough(count(f.Tests, func(o Observation) bool { return o.Reply.Kind == payload.ServerHello }), len(f.Tests))
}

// trigger is what made the difference.
func (f *Findings) trigger() Trigger {
	if answeredNearer(f) != nil {
		return TriggerAddress
	}
	hits := len(f.Sweeps.ControlHits) > 0
	switch {
	case hits && f.namelessAlike():
		return TriggerProtocol
	case hits || !f.served():
		// The box may look for something that the controls have as well, or the
		// server may have failed them for reasons of its own.
		return TriggerUnknown
	case f.Kind == Host:
		return TriggerHost
	}
	return TriggerSNI
}

// namelessAlike reports whether a stimulus with no name at all meets the end of
// the tests.
func (f *Findings) namelessAlike() bool {
	outcome, _ := f.ending()
	return len(f.NoName) > 0 && count(f.NoName, func(o Observation) bool { return o.Outcome == outcome }) == len(f.NoName)
}

// acts is the smallest TTL at which the box was seen to act, by whichever
// search found it before the server, and the server's; 0: not searched.
func (f *Findings) acts() (at, server int) {
	s, r := f.Sweeps, f.Read
	if readBelowServerTTL(f) != nil && (s.At == 0 || s.At >= s.ServerTTL) {
		return r.At, r.ServerTTL
	}
	return s.At, s.ServerTTL
}

// placeAuthor tells a box that saw a copy from one that took the packet out,
// and one on the path from one at the server.
func (f *Findings) placeAuthor(o Outcome, it items) Author {
	s := f.Sweeps
	at, server := f.acts()
	reached := count(f.Tests, f.serverGot)
	switch {
	case it.has["read-below-server-ttl"] && (o == Drop || o == Stall):
		// Only who is in the path can take packets out; only who resets the
		// server in our name can make it fall silent from beside the path.
		if f.Read.ServerReset {
			return OnOrInPath
		}
		return InPath
	case o == Stall && enough(reached, len(f.Tests)):
		return OnOrInPath // it let the stimulus pass: who took the rest?
	case len(s.Passed) > 0, enough(reached, len(f.Tests)):
		return OnPath
	case f.onSockets() && (at == 0 || at >= server) && f.atServersDistance():
		return ServerSide
	case f.onSockets() && o != Drop && !it.has["answered-nearer"]:
		return OnOrInPath // no socket hears what becomes of a stimulus that was answered
	case at > 0 && at < server && f.rewritten(it):
		return InPath
	case s.At > 0 && s.At < s.ServerTTL && len(s.Control) > 0:
		return InPath
	case at == 0 || at < server:
		return OnOrInPath
	case it.has["answered-nearer"]:
		return InPath
	case f.rewritten(it):
		if it.has["rewritten-answer"] || f.apart() {
			return InPath
		}
		return OnOrInPath
	case f.atServersDistance() && !it.has["faster-than-path"]:
		return ServerSide
	case reached == 0 && count(f.failures(), listened) == f.Failed():
		// It acts only on packets that can reach the server, is not the
		// server's application, and answers from nearer than the server.
		return InPath
	}
	return OnOrInPath
}

// rewritten reports whether what came in the server's stead has all its
// marks, and some decisive item says that it is not the server's: a box turns
// the answer into a reset. The server's own packet filter looks alike, but
// acts on a stimulus that nobody answers: reading the connection after
// TTL-limited copies tells them apart.
func (f *Findings) rewritten(it items) bool {
	answered := count(f.Tests, func(o Observation) bool { return len(o.Data) > 0 }) > 0
	if !f.atServersDistance() || answered || it.has["below-server-ttl"] {
		return false
	}
	if it.has["read-below-server-ttl"] || it.has["rewritten-answer"] {
		return true
	}
	unread := f.Read.Reader == ReadNothing && !it.has["ahead-of-sequence"]
	return it.has["same-at-control-address"] && f.apart() || unread && (it.has["same-at-control-address"] || it.has["segmentation-flips"])
}

// apart reports whether the control address is a host of its own: it lies at
// another distance, and what ends the test there comes from that distance.
func (f *Findings) apart() bool {
	other := Findings{Tests: f.Elsewhere, Leading: f.ElsewhereControl}
	low, high := f.ttlRange()
	theirLow, theirHigh := other.ttlRange()
	if high == 0 || theirHigh == 0 || int(theirLow)-int(high) <= ttlSlack && int(low)-int(theirHigh) <= ttlSlack {
		return false
	}
	return other.atServersDistance()
}

// serverGot reports whether the server itself showed that the stimulus had
// arrived: it acknowledged it, or answered it, with its own TTL, and no sooner
// than it can. An acknowledgment in the answer of another is not the server's.
func (f *Findings) serverGot(o Observation) bool {
	own := func(s Seen) bool { return f.ownTTL(s.Packet.TTL) }
	s := f.tooSoon()(o)
	if o.Acked && f.ownTTL(o.AckedBy) && (s == nil || s.Packet.TCP.Flags.Has(packet.RST)) {
		return true
	}
	// It went on behind the end, or the other answer, that a box gave for it.
	_, _, two := conflicting(o.Data)
	_, _, behind := dataAfterFIN(o)
	return (len(o.Resets) > 0 || two || behind) && slices.ContainsFunc(o.Data, own)
}

// listened reports whether the server's answer to the stimulus would have been
// heard.
func listened(o Observation) bool {
	return o.Stimulus != nil && o.RTT > 0 && o.Until >= o.Stimulus.At+o.RTT
}

// atServersDistance reports whether the ending packets come from as far as
// the server's own.
func (f *Findings) atServersDistance() bool {
	ended := 0
	for _, o := range f.Tests {
		all := slices.Concat(o.Resets, o.FINs, o.Data)
		if slices.ContainsFunc(all, func(s Seen) bool { return !f.ownTTL(s.Packet.TTL) }) {
			return false
		}
		ended += len(all)
	}
	return ended > 0
}

func (f *Findings) neverAcked() bool {
	return enough(count(f.Tests, func(o Observation) bool { return o.Outcome == Drop && o.Retries > 0 }), len(f.Tests))
}

// serverRefuses fills the verdict where the server itself turned us away.
func (f *Findings) serverRefuses(v Verdict, it items) Verdict {
	v.Evidence, v.Against = it.forServer, it.forBox
	for i := range v.Against {
		v.Against[i].Supports = OnOrInPath
	}
	v.Author, v.Confidence = Server, Likely
	for family := range it.families {
		if family != FamilyDifferential || it.genuine <= it.strong {
			v.Confidence = Possible
		}
	}
	v.Trigger, v.Cause = f.trigger(), "S15"
	alike := it.has["controls-alike"]
	if v.Outcome == Refused && alike {
		// The port was open when it was asked for.
		v.Trigger, v.Cause = TriggerHistory, "S16"
		v.Next = "run again later with a lower --rate: a limit on connections lets go"
		return v
	}
	if v.Outcome == Reset && alike {
		switch {
		case it.has["answers-late-data"]:
			v.Cause = "S9"
		case v.Stage == StageResponse && f.closedFirst():
			v.Cause = "S13"
		case v.Stage == StageResponse:
			v.Cause = "S8"
		default:
			v.Cause = "S7"
		}
	}
	if alike && v.Outcome != Alert {
		v.Trigger = TriggerProtocol
		v.Next = "try --control with a name that this server is known to serve, or --control-address"
	}
	return v
}

// closedFirst reports whether the server closes before it resets.
func (f *Findings) closedFirst() bool {
	return enough(count(f.Tests, func(o Observation) bool {
		return len(o.Resets) > 0 && len(o.FINs) > 0 && o.FINs[0].before(o.Resets[0])
	}), len(f.Tests))
}

// rare is the chance below which a difference between tests and controls is
// none.
const rare = 0.01

// fisher is the one-sided chance that, of tests and controls that fail alike,
// at least bad of tests are among those that failed (Fisher's exact test).
func fisher(bad, tests, controlBad, controls int) float64 {
	all := bad + controlBad
	p := 0.0
	for k := bad; k <= min(tests, all); k++ {
		if all-k <= controls {
			p += math.Exp(logChoose(tests, k) + logChoose(controls, all-k) - logChoose(tests+controls, all))
		}
	}
	return p
}

// logChoose is the logarithm of the number of ways to choose k of n.
func logChoose(n, k int) float64 {
	a, _ := math.Lgamma(float64(n + 1))
	b, _ := math.Lgamma(float64(k + 1))
	c, _ := math.Lgamma(float64(n - k + 1))
	return a - b - c
}
