package diagnosis

import (
	"fmt"
	"net/netip"
	"slices"

	"github.com/rstprobe/rstprobe/internal/flow"
	"github.com/rstprobe/rstprobe/internal/packet"
	"github.com/rstprobe/rstprobe/probe"
	"github.com/rstprobe/rstprobe/traceroute"
)

// conclude draws the overall outcome and its sentence from the tests.
func conclude(r *Result) (probe.Overall, string) {
	if len(r.Tests) == 0 {
		if r.Interrupted {
			return probe.OverallInconclusive, "Interrupted before anything was known."
		}
		return traced(r)
	}
	if r.ownTarget() {
		o, sentence := worst(r)
		return o, sentence + fmt.Sprintf(" %v is this machine: there is no path to measure.", r.Target.IP)
	}
	return worst(r)
}

// ownTarget reports whether the target is the machine that measures.
func (r *Result) ownTarget() bool { return r.Target.IP.IsLoopback() || r.Target.IP == r.Source }

// worst is the outcome of the test that a person must know of first.
func worst(r *Result) (probe.Overall, string) {
	worst, sentence := rank(r.Tests[0], r)
	for _, t := range r.Tests[1:] {
		if o, s := rank(t, r); order[o] > order[worst] {
			worst, sentence = o, s
		}
	}
	return worst, sentence
}

// traced is the outcome of a run that was to find the path only.
func traced(r *Result) (probe.Overall, string) {
	last := traceroute.Hop{}
	for _, h := range r.Path.Hops {
		if h.Addr.IsValid() {
			last = h
		}
	}
	switch {
	case r.Path.ServerTTL > 0:
		return probe.Clean, fmt.Sprintf("%s port %d answers at TTL %d.", r.Target.Host, r.Target.Port, r.Path.ServerTTL)
	case last.TTL > 0:
		return probe.OverallUnreachable, fmt.Sprintf("%s port %d does not answer; the last router heard of is hop %d (%v).", r.Target.Host, r.Target.Port, last.TTL, last.Addr)
	}
	return probe.OverallInconclusive, "Nothing was measured."
}

// order ranks outcomes: what a person must know first wins.
var order = map[probe.Overall]int{
	probe.Clean: 0, probe.ServerRefuses: 1, probe.OverallInconclusive: 2, probe.OverallUnreachable: 3, probe.Interference: 4,
}

// rank is the overall outcome of one test, and the sentence for it.
func rank(t Test, r *Result) (probe.Overall, string) {
	v := t.Verdict
	what, target := subject(t), fmt.Sprintf("%s port %d", r.Target.Host, r.Target.Port)
	switch {
	case v.Author == probe.OwnSide && v.Outcome == probe.Unreachable:
		return probe.OverallUnreachable, fmt.Sprintf("%s cannot be reached: %s.", target, reason(v))
	case v.Interferes() && (v.Confidence == probe.Proved || v.Confidence == probe.Likely):
		return probe.Interference, fmt.Sprintf("%s to %s is %s by %s%s, not by the server (%s).",
			what, target, ended(v), authors[v.Author], place(t.Location, r.Path.ServerTTL)+onPaths(t.Flows), v.Confidence)
	case v.Outcome == probe.OK:
		return probe.Clean, fmt.Sprintf("%s to %s is answered normally (%d of %d); nothing interferes.", what, target, v.Counts.TestTotal-v.Counts.TestBad, v.Counts.TestTotal)
	case v.Cause == "S16":
		sentence := fmt.Sprintf("%s limits connections: from some number on all of them fail, whatever the name.", target)
		if v.Counts.TestBad == v.Counts.TestTotal {
			return probe.OverallInconclusive, sentence + " The name could not be tested. Next: " + v.Next + "."
		}
		return probe.ServerRefuses, sentence
	case v.Outcome == probe.Refused && v.Author == probe.Server && v.Cause == "S1":
		return probe.ServerRefuses, fmt.Sprintf("%s refuses connections: the port is closed; nothing interferes on the path.", target)
	case (v.Author == probe.Server || v.Author == probe.ServerSide) && v.Outcome != probe.Unreachable && (v.Confidence == probe.Proved || v.Confidence == probe.Likely):
		return probe.ServerRefuses, fmt.Sprintf("%s to %s is %s by %s itself (%s); nothing on the path interferes.", what, target, ended(v), authors[v.Author], v.Confidence)
	case v.Outcome == probe.Unreachable || v.Outcome == probe.Drop && v.Stage == probe.StageSYN && !r.stood():
		return probe.OverallUnreachable, fmt.Sprintf("%s does not answer: %s.", target, reason(v))
	}
	sentence := fmt.Sprintf("%s to %s: %s, and the evidence does not tell who did it.", what, target, ended(v))
	if v.Next != "" {
		sentence += " Next: " + v.Next + "."
	}
	return probe.OverallInconclusive, sentence
}

// stood reports whether any connection to the target came to stand.
func (r *Result) stood() bool {
	return slices.ContainsFunc(r.Attempts, func(a Attempt) bool {
		return a.Record.Key.Remote == netip.AddrPortFrom(r.Target.IP, r.Target.Port) && slices.ContainsFunc(a.Record.Events, func(e flow.Event) bool {
			return e.Kind == flow.Received && e.Packet.ICMP.Kind == 0 && e.Packet.TCP.Flags.Has(packet.SYN|packet.ACK)
		})
	})
}

func reason(v probe.Verdict) string {
	if len(v.Evidence) > 0 {
		return v.Evidence[0].Detail
	}
	return "no packet came back"
}

// subject names what was sent.
func subject(t Test) string {
	switch t.Kind {
	case probe.SNI:
		return fmt.Sprintf("TLS with server name %q", t.Name)
	case probe.Host:
		return fmt.Sprintf("HTTP with Host %q", t.Name)
	case probe.SYN:
	}
	return "A connection"
}

// ended says what became of the tests, more closely where the cause tells.
func ended(v probe.Verdict) string {
	switch v.Cause {
	case "M10":
		if v.Outcome != probe.Stall {
			return "now and then " + done[v.Outcome]
		}
		return "throttled"
	case "M13":
		return "blocked for what was said before"
	case "M14":
		return "cut off in the middle of the answer"
	}
	return done[v.Outcome]
}

// done puts an outcome into a participle.
var done = map[probe.Outcome]string{
	probe.OK: "answered", probe.Reset: "reset", probe.Fin: "closed without an answer", probe.Drop: "dropped", probe.Stall: "left without an answer",
	probe.InjectedResponse: "answered with a forged response", probe.Alert: "refused with a TLS alert", probe.Refused: "refused with a reset",
	probe.Unreachable: "reported unreachable", probe.Inconclusive: "not measurable",
}

var authors = map[probe.Author]string{
	probe.Server: "the server", probe.ServerSide: "gear at the server's side", probe.OnPath: "a box beside the path that sees a copy",
	probe.InPath: "a box in the path", probe.OnOrInPath: "a box on the path", probe.OwnSide: "gear on our own side", probe.Undetermined: "somebody",
}

// place says where, in words.
func place(l *traceroute.Location, serverTTL int) string {
	if l == nil {
		return ""
	}
	if l.Device != nil {
		return " at " + end(*l.Device, serverTTL)
	}
	return " between " + end(l.After, serverTTL) + " and " + end(l.At, serverTTL)
}

// onPaths says on how many of several paths, unless on all of them.
func onPaths(flows []Flow) string {
	bad := 0
	for _, f := range flows {
		if f.Verdict.Interferes() {
			bad++
		}
	}
	if bad == 0 || bad == len(flows) {
		return ""
	}
	return fmt.Sprintf(" on %d of %d equal paths", bad, len(flows))
}

func end(p traceroute.Point, serverTTL int) string {
	switch {
	case p.TTL == 0:
		return "this machine"
	case p.TTL == serverTTL:
		return "the server"
	case p.Addr.IsValid():
		return fmt.Sprintf("hop %d (%v)", p.TTL, p.Addr)
	}
	return fmt.Sprintf("hop %d", p.TTL)
}
