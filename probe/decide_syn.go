package probe

import (
	"fmt"
	"maps"
	"net/netip"
	"slices"

	"github.com/rstprobe/rstprobe/internal/flow"
	"github.com/rstprobe/rstprobe/internal/packet"
)

// SYNFindings bear on the question whether the port can be reached at all.
type SYNFindings struct {
	Tests     []Observation // bare SYNs at full TTL
	Sweep     SYNSweep      // to the port asked about
	Other     SYNSweep      // to another port of the same address; zero: not swept
	Elsewhere SYNSweep      // to the same port of the control address; zero: not swept
	FirstHop  bool          // see Findings
	Stage     Kind          // the question that this answers: SYN, or a name that was never asked since no connection stood
	Cut       bool
}

// SYNSweep sums up one sweep of bare SYNs, a copy per TTL.
type SYNSweep struct {
	Swept    bool
	AnswerAt int         // the smallest TTL that drew a SYN-ACK; 0: none
	ResetAt  int         // the smallest TTL that drew a reset; 0: none
	TTL      uint8       // the remaining TTL of the SYN-ACK, or of the reset where there was none
	Expired  map[int]int // TTL → number of a Time Exceeded packet
	Packets  []int       // resets and SYN-ACKs
	Errors   []Seen      // ICMP errors other than Time Exceeded
}

// Merge is both sweeps read together.
func (s SYNSweep) Merge(t SYNSweep) SYNSweep {
	if !s.Swept {
		return t
	}
	least := func(a, b int) int {
		if a == 0 || b > 0 && b < a {
			return b
		}
		return a
	}
	if s.AnswerAt == 0 && t.AnswerAt > 0 || s.TTL == 0 {
		s.TTL = t.TTL
	}
	s.AnswerAt, s.ResetAt = least(s.AnswerAt, t.AnswerAt), least(s.ResetAt, t.ResetAt)
	s.Packets = append(s.Packets[:len(s.Packets):len(s.Packets)], t.Packets...)
	s.Errors = append(s.Errors[:len(s.Errors):len(s.Errors)], t.Errors...)
	expired := maps.Clone(s.Expired)
	maps.Copy(expired, t.Expired)
	s.Expired = expired
	return s
}

// End is the TTL at which the address answers for itself; 0: it does not.
func (s SYNSweep) End() int {
	if s.AnswerAt > 0 {
		return s.AnswerAt
	}
	return s.ResetAt
}

// furthest is the largest TTL that drew a Time Exceeded.
func (s SYNSweep) furthest() int {
	most := 0
	for ttl := range s.Expired {
		most = max(most, ttl)
	}
	return most
}

// DecideSYN judges whether the port can be reached, and who refuses it.
func DecideSYN(f SYNFindings) Verdict {
	v := f.decide()
	for _, e := range v.Evidence {
		slices.Sort(e.Packets)
	}
	if fromSockets(f.Tests) && !f.Cut {
		return withMissing(v, untold(f.Tests))
	}
	return v
}

func (f SYNFindings) decide() Verdict {
	v := Verdict{
		Trigger: TriggerNone, Author: Undetermined, Confidence: UndeterminedDegree,
		Evidence: []Evidence{}, Against: []Evidence{},
		Counts: Counts{TestTotal: len(f.Tests)},
	}
	v.Outcome, v.Stage = most(f.Tests)
	if v.Outcome == Drop && len(f.errors()) > 0 {
		// Routers limit the rate of ICMP errors: most SYNs draw none.
		v.Outcome = Unreachable
	}
	v.Counts.TestBad = count(f.Tests, func(o Observation) bool { return o.Outcome != OK || len(o.Resets) > 0 })
	switch {
	case len(f.Tests) == 0:
		v.Outcome, v.Stage, v.Cause = Inconclusive, StageSYN, "N5"
		v.Next = "run again: nothing was asked"
	case f.answeredAndRefused():
		return f.tapped(v)
	case v.Outcome == OK:
		v.Stage = StageHandshake
		v.Author, v.Confidence = Server, Likely
		if len(f.Tests) >= 3 && v.Counts.TestBad == 0 {
			v.Confidence = Proved
		}
		if f.FirstHop {
			return answeredHere(v)
		}
	case v.Outcome == Refused && fromSockets(f.Tests) && f.Sweep.AnswerAt > 0:
		// A port that listens does not refuse: one of them was forged, or a
		// limit struck in between.
		v.Evidence = append(v.Evidence, Evidence{Rule: "refused", Supports: Undetermined, Packets: packetsOf(f.Tests),
			Detail: fmt.Sprintf("%d of %d SYNs are refused, and others answered", v.Counts.TestBad, v.Counts.TestTotal)})
		v.Trigger, v.Next = TriggerUnknown, "repeat with --repeat 10 and a lower --rate"
	case v.Outcome == Refused && untold(f.Tests):
		v.Evidence = append(v.Evidence, Evidence{Rule: "refused", Supports: Undetermined, Packets: packetsOf(f.Tests),
			Detail: fmt.Sprintf("%d of %d SYNs are refused: by a port without a listener, or by a box in its name; this system does not tell how far the resets came", v.Counts.TestBad, v.Counts.TestTotal)})
		v.Trigger, v.Next = TriggerUnknown, "compare with another port of the address, and with --control-address"
	case v.Outcome == Refused:
		return f.refused(v)
	case v.Outcome == Drop:
		return f.dropped(v)
	case v.Outcome == Unreachable:
		return f.unreachable(v)
	default:
		// It opens, and ends at once: some hosts accept and think better of it.
		v.Trigger = TriggerUnknown
		v.Next = "test with --sni or --host: what comes after the handshake is compared there with the host's genuine resets"
	}
	return v
}

// answeredAndRefused reports whether one SYN drew both a SYN-ACK and a
// reset in most trials.
func (f SYNFindings) answeredAndRefused() bool {
	return enough(count(f.Tests, func(o Observation) bool { return o.SYNACK != nil && len(o.Resets) > 0 && !o.thoughtBetter() }), len(f.Tests))
}

// answeredHere lowers a verdict on what may not be the target at all.
func answeredHere(v Verdict) Verdict {
	v.Confidence = Possible
	v.Against = append(v.Against, Evidence{Rule: "answered-at-first-hop", Supports: OwnSide, Packets: []int{},
		Detail: "the target lies behind a router, and yet SYNs with TTL 1 are answered in its name"})
	v.Next = "run rstprobe doctor on the target, or compare with --control-address: something on this machine or at the first hop answers in its place"
	return v
}

// thoughtBetter reports whether a reset may be the host's own, which opened
// the connection and closed it at once: it follows the SYN-ACK by number, as
// late as an answer to our acknowledgment, and from as far.
func (o *Observation) thoughtBetter() bool {
	rst, open := o.Resets[0], o.SYNACK
	if o.Source == flow.Kernel && o.RTT < minLight {
		return true // when we woke up says nothing
	}
	return rst.Packet.TCP.Seq == open.Packet.TCP.Seq.Add(1) && rst.At-open.At >= o.RTT*7/10 && rst.Packet.TTL == open.Packet.TTL
}

// tapped: a listening port sends a SYN-ACK or a reset, never both, so
// somebody who saw a copy of the handshake forged the reset.
func (f SYNFindings) tapped(v Verdict) Verdict {
	v.Outcome, v.Author, v.Confidence, v.Trigger, v.Cause = Refused, OnPath, Proved, TriggerSYN, "M1"
	if fromSockets(f.Tests) {
		v.Confidence = Likely // the reset is told from the server's own by its time alone
	}
	v.Stage = StageSYN
	e := Evidence{Rule: "syn-answered-twice", Supports: OnPath, Decisive: true,
		Detail: "one SYN drew a SYN-ACK and a reset; a host sends one or the other"}
	for _, o := range f.Tests {
		if o.SYNACK == nil || len(o.Resets) == 0 {
			continue
		}
		e.Packets = append(e.Packets, o.SYNACK.N, o.Resets[0].N)
		if rst := o.Resets[0].Packet.TCP; rst.Seq == o.SYNACK.Packet.TCP.Seq.Add(1) {
			v.Outcome, v.Stage, v.Cause = Reset, StageHandshake, "M2"
		}
	}
	v.Evidence = append(v.Evidence, e)
	return v
}

// refused: a reset is all that comes back. A closed port looks like that, and
// so does a box that answers for it.
func (f SYNFindings) refused(v Verdict) Verdict {
	v.Author, v.Cause, v.Confidence, v.Trigger = Server, "S1", Likely, TriggerNone
	s := f.Sweep
	beyond := beyondReset(s)
	reference, what, trigger := f.reference()
	end := reference.End()
	switch {
	case s.Swept && len(beyond) > 0:
		v.Author, v.Confidence, v.Trigger, v.Cause = OnPath, Proved, TriggerSYN, "M1"
		v.Evidence = append(v.Evidence, Evidence{Rule: "expired-and-reset", Supports: OnPath, Decisive: true, Packets: append(beyond, s.Packets...),
			Detail: fmt.Sprintf("SYNs with TTL %d and above drew a reset although a router reports that the same SYNs died there", s.ResetAt)})
		return v
	case s.Swept && s.ResetAt > 0 && end > 0 && s.ResetAt < end:
		v.Author, v.Confidence, v.Trigger, v.Cause = InPath, Proved, trigger, "M1"
		if fromSockets(f.Tests) {
			v.Author = OnOrInPath // no socket hears what becomes of a SYN that was refused
		}
		if s.ResetAt == end-1 {
			// The gear of the server's own edge stands there as well.
			v.Confidence = Likely
			v.Next = "ask the server's operator whether the last router refuses this port"
		}
		v.Evidence = append(v.Evidence, Evidence{Rule: "refused-before-server", Supports: InPath, Decisive: true, Packets: s.Packets,
			Detail: fmt.Sprintf("the reset is drawn from TTL %d on; %s answers at TTL %d", s.ResetAt, what, end)})
		return v
	case s.Swept && s.ResetAt > 0 && end == s.ResetAt && s.TTL > 0 && reference.TTL > 0 && hops(s.TTL) < hops(reference.TTL):
		v.Author, v.Confidence, v.Trigger, v.Cause = ServerSide, Likely, trigger, "S4"
		v.Evidence = append(v.Evidence, Evidence{Rule: "reset-from-nearer", Supports: ServerSide, Packets: s.Packets,
			Detail: fmt.Sprintf("drawn at the server's distance (TTL %d) but sent %d hop nearer than %s answers from", s.ResetAt, hops(reference.TTL)-hops(s.TTL), what)})
		v.Next = "the last router or the server's own firewall refuses the port: ask its operator"
		return v
	case end > 0 && end == s.ResetAt && (s.TTL == 0 || reference.TTL == 0):
		v.Evidence = append(v.Evidence, Evidence{Rule: "refused-at-server", Supports: Server, Packets: s.Packets,
			Detail: fmt.Sprintf("the reset is drawn at TTL %d, where %s answers too", s.ResetAt, what)})
		return v
	case end > 0 && end == s.ResetAt:
		v.Evidence = append(v.Evidence, Evidence{Rule: "refused-at-server", Supports: Server, Packets: s.Packets,
			Detail: fmt.Sprintf("the reset is drawn at TTL %d, where %s answers too, and from as far", s.ResetAt, what)})
		v.Confidence = Proved
		return v
	}
	v.Evidence = append(v.Evidence, Evidence{Rule: "refused", Supports: Server, Packets: packetsOf(f.Tests),
		Detail: "every SYN is answered by a reset, as a host without a listener does"})
	v.Next = "nothing else of this address answers: repeat with --control-address to tell a closed port from a box that answers for it"
	return v
}

// beyondReset are Time Exceeded packets about copies that drew a reset too.
func beyondReset(s SYNSweep) []int {
	var ns []int
	for ttl, n := range s.Expired {
		if s.ResetAt > 0 && ttl >= s.ResetAt {
			ns = append(ns, n)
		}
	}
	return ns
}

// reference is the sweep that shows how far the server is, and what differs
// from it.
func (f SYNFindings) reference() (s SYNSweep, what string, differs Trigger) {
	if f.Other.AnswerAt > 0 {
		return f.Other, "another port of the same address", TriggerPort
	}
	if f.Elsewhere.AnswerAt > 0 {
		return f.Elsewhere, "the control address", TriggerAddress
	}
	return SYNSweep{}, "", TriggerUnknown
}

// Nearer is by how many hops the port is answered nearer than at the control
// address; 0: it is not, or that is not known. Where both are one server's
// addresses, something on the way answers in its place.
func (f SYNFindings) Nearer() int {
	if f.Sweep.AnswerAt == 0 || f.Elsewhere.AnswerAt == 0 {
		return 0
	}
	return max(0, f.Elsewhere.AnswerAt-f.Sweep.AnswerAt)
}

// dropped: nothing comes back.
func (f SYNFindings) dropped(v Verdict) Verdict {
	v.Cause, v.Trigger = "N2", TriggerUnknown
	reference, what, trigger := f.reference()
	end, last := reference.End(), f.Sweep.furthest()
	switch {
	case !f.Sweep.Swept || end == 0:
		v.Evidence = append(v.Evidence, Evidence{Rule: "silence", Supports: Undetermined, Packets: packetsOf(f.Tests),
			Detail: fmt.Sprintf("no answer to %d SYNs, each sent again; the last router heard of is at TTL %d", len(f.Tests), last)})
		v.Next = "repeat with --control-address and an address that is known to be up: it tells a host that is down from an address block"
		return v
	case f.darkBefore(reference) > 0:
		at := f.darkBefore(reference)
		v.Author, v.Confidence, v.Trigger, v.Cause = InPath, Proved, trigger, "M9"
		if at >= end-1 {
			v.Confidence = Likely
		}
		v.Evidence = append(v.Evidence, Evidence{Rule: "syn-lost-before-server", Supports: InPath, Decisive: true, Packets: values(reference.Expired),
			Detail: fmt.Sprintf("SYNs draw no Time Exceeded from TTL %d on; to %s they do, and it answers at TTL %d", at, what, end)})
		return v
	}
	// The server's own filter, mostly; but nothing that we send shows what
	// becomes of a SYN-ACK on its way back, nor at this machine's own filter.
	v.Confidence, v.Trigger, v.Cause = Possible, trigger, "S4"
	v.Evidence = append(v.Evidence, Evidence{Rule: "syn-lost-at-server", Supports: ServerSide, Packets: values(f.Sweep.Expired),
		Detail: fmt.Sprintf("SYNs pass every router up to TTL %d, and nothing comes back; %s answers at TTL %d", last, what, end)})
	v.Next = "a packet filter on the server drops this port, or its SYN-ACKs get lost on the way back: a capture at the server tells; rstprobe doctor looks for a filter on this machine"
	return v
}

// darkBefore is the smallest TTL from which on SYNs to the reference draw
// Time Exceeded and ours do not; 0: none.
func (f SYNFindings) darkBefore(reference SYNSweep) int {
	at := 0
	for ttl := reference.End() - 1; ttl > 0; ttl-- {
		_, theirs := reference.Expired[ttl]
		_, ours := f.Sweep.Expired[ttl]
		if ours {
			break
		}
		if theirs {
			at = ttl
		}
	}
	return at
}

// errors are the ICMP errors that forbade our SYNs.
func (f SYNFindings) errors() []Seen {
	all := slices.Clone(f.Sweep.Errors)
	for _, o := range slices.Backward(f.Tests) {
		all = slices.Concat(o.Errors, all)
	}
	return slices.DeleteFunc(all, func(s Seen) bool { return !forbids(s) })
}

// unreachable: a router or the host says so itself.
func (f SYNFindings) unreachable(v Verdict) Verdict {
	v.Cause, v.Confidence, v.Author = "N1", Likely, Undetermined
	errors := f.errors()
	own := netip.Addr{}
	for _, o := range f.Tests {
		if len(o.Sent) > 0 {
			own = o.Sent[0].Packet.Src.Addr()
		}
	}
	e := Evidence{Rule: "icmp-unreachable", Supports: Undetermined, Packets: []int{},
		Detail: fmt.Sprintf("%v says: %s", errors[0].From(), UnreachableText(errors[0].Packet.ICMP, errors[0].From().Is4()))}
	for _, icmp := range errors {
		e.Packets = append(e.Packets, icmp.N)
		switch icmp.From() {
		case icmp.Packet.ICMP.Quote.Dst.Addr():
			v.Author, e.Supports = Server, Server
		case own:
			v.Author, e.Supports = OwnSide, OwnSide
		}
	}
	slices.Sort(e.Packets)
	switch v.Author {
	case Undetermined:
		v.Next = "the router named above reports it: ask its operator"
	case OwnSide:
		e.Detail += "; that is this machine"
		v.Next = "a filter of this machine refuses it: look at sudo nft list ruleset, or run rstprobe doctor"
	}
	v.Evidence = append(v.Evidence, e)
	return v
}

// UnreachableText puts an ICMP Destination Unreachable code into words (RFC
// 792, RFC 1812 §5.2.7.1, RFC 4443 §3.1).
func UnreachableText(e packet.ICMPError, v4 bool) string {
	v4Codes := map[uint8]string{0: "network unreachable", 1: "host unreachable", 2: "protocol unreachable", 3: "port unreachable", 9: "network administratively prohibited", 10: "host administratively prohibited", 13: "communication administratively prohibited"}
	v6Codes := map[uint8]string{0: "no route to destination", 1: "communication administratively prohibited", 3: "address unreachable", 4: "port unreachable", 5: "source address failed policy", 6: "reject route"}
	codes := v6Codes
	if v4 {
		codes = v4Codes
	}
	if text, ok := codes[e.Code]; ok && e.Kind == packet.Unreachable {
		return text
	}
	return fmt.Sprintf("ICMP type %d code %d", e.Type, e.Code)
}

// hops is how many routers a packet crossed, from its remaining TTL and the
// next usual initial TTL.
func hops(ttl uint8) int { return InitialTTL(ttl) - int(ttl) }

// InitialTTL is the usual initial TTL at or above a remaining one: 32 (old
// systems), 64 (Linux, BSD), 128 (Windows), 255 (routers, Solaris).
func InitialTTL(ttl uint8) int {
	for _, t := range []int{32, 64, 128} {
		if int(ttl) <= t {
			return t
		}
	}
	return 255
}

func packetsOf(obs []Observation) []int {
	ns := []int{}
	for _, o := range obs {
		for _, s := range o.Resets {
			ns = append(ns, s.N)
		}
	}
	return ns
}

func values(m map[int]int) []int {
	ns := []int{}
	for _, n := range m {
		ns = append(ns, n)
	}
	return ns
}
