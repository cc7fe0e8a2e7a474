package report

import (
	"cmp"
	"fmt"
	"net/netip"
	"slices"
	"strconv"

	"github.com/rstprobe/rstprobe/internal/diagnosis"
	"github.com/rstprobe/rstprobe/probe"
)

// Flow is what a test met on one of several paths to the server. Routers
// choose the path by the ports.
type Flow struct {
	Ports      List[uint16]     `json:"ports"`   // ascending
	Routers    List[netip.Addr] `json:"routers"` // by TTL-1; invalid, "" in JSON: silent
	Outcome    probe.Outcome    `json:"outcome"`
	Author     probe.Author     `json:"author"`
	Cause      probe.Cause      `json:"cause"` // "": none
	Confidence probe.Confidence `json:"confidence"`
	Counts     Counts           `json:"counts"`
	Location   *Location        `json:"location"` // nil, null in JSON: not located
}

func newFlows(flows []diagnosis.Flow) List[Flow] {
	out := List[Flow]{}
	for _, f := range flows {
		v := f.Verdict
		out = append(out, Flow{
			Ports:      append(List[uint16]{}, f.Ports...),
			Routers:    append(List[netip.Addr]{}, f.Routers...),
			Outcome:    cmp.Or(v.Outcome, probe.Inconclusive),
			Author:     cmp.Or(v.Author, probe.Undetermined),
			Cause:      v.Cause,
			Confidence: cmp.Or(v.Confidence, probe.UndeterminedDegree),
			Counts:     Counts(v.Counts),
			Location:   newLocation(f.Location),
		})
	}
	return out
}

// flowItems says what the test met on each path, one item each.
func flowItems(flows []Flow, verbose bool) []string {
	all := 0
	for _, f := range flows {
		all += len(f.Ports)
	}
	var out []string
	for i, f := range flows {
		s := "on " + count(all, "source port", "source ports")
		if len(flows) > 1 {
			s = fmt.Sprintf("on %d of %d source ports", len(f.Ports), all)
		}
		if verbose {
			var ports []int
			for _, p := range f.Ports {
				ports = append(ports, int(p))
			}
			s += " (" + ranges(ports) + ")"
		}
		if i > 0 {
			s += " the path is another" + f.apart(flows[0])
		}
		out = append(out, s+": "+f.text(verbose))
	}
	if divided(flows) {
		out = append(out, "the paths disagree: the test fails on some of them only, so other source ports or addresses may meet another end")
	}
	return out
}

// text is the verdict on one path.
func (f Flow) text(verbose bool) string {
	counts := fmt.Sprintf("bad: test %s, control %s", share(f.Counts.TestBad, f.Counts.TestTotal, verbose),
		share(f.Counts.ControlBad, f.Counts.ControlTotal, verbose))
	switch f.Outcome {
	case probe.OK:
		return "ok, like the control; " + counts
	case probe.Inconclusive:
		return "inconclusive; " + counts
	}
	s := fmt.Sprintf("%s by %s, %s", f.Outcome, f.Author, join(", ", string(f.Cause), string(f.Confidence)))
	if f.Location != nil {
		s += ", " + f.Location.place()
	}
	return s + "; " + counts
}

// apart names the routers that this path has and the other has not.
func (f Flow) apart(other Flow) string {
	var hops []string
	for i := range min(len(f.Routers), len(other.Routers)) {
		if a, b := f.Routers[i], other.Routers[i]; a.IsValid() && b.IsValid() && a != b {
			hops = append(hops, fmt.Sprintf("hop %d is %s", i+1, a))
		}
	}
	switch n := len(hops); {
	case n == 0 && len(f.Routers) != len(other.Routers):
		return fmt.Sprintf(" (%d routers, not %d)", len(f.Routers), len(other.Routers))
	case n == 0:
		return ""
	case n > 2:
		hops = append(hops[:2], strconv.Itoa(n-2)+" more")
	}
	return " (" + join(", ", hops...) + ")"
}

// divided reports whether the test fails on some paths only.
func divided(flows []Flow) bool {
	fails := func(f Flow) bool { return f.Outcome != probe.OK && f.Outcome != probe.Inconclusive }
	works := func(f Flow) bool { return f.Outcome == probe.OK }
	return slices.ContainsFunc(flows, fails) && slices.ContainsFunc(flows, works)
}
