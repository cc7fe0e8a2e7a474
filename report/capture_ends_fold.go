package report

import (
	"fmt"
	"slices"
	"strings"

	"github.com/rstprobe/rstprobe/probe"
)

// resets are those of c by their packet number and by those of their copies.
func (c *Capture) resets() map[int]finding {
	all := map[int]finding{}
	for i := range c.Flows {
		f := &c.Flows[i]
		for k := range f.Resets {
			r := &f.Resets[k]
			for _, n := range append(slices.Clone(r.Copies), r.Packet) {
				all[n] = finding{flow: f, reset: r, Judgement: &r.Judgement}
			}
		}
	}
	return all
}

// settle gives the resets of c what both captures show of them, which is more
// than one of them can. c's flows must be its own.
func (c *Capture) settle() {
	e, resets := c.BothEnds, c.resets()
	settle := func(n int, f *EndsFinding) {
		if r, ok := resets[n]; ok && n > 0 {
			r.settle(f, e.Swapped)
		}
	}
	for i := range e.Pairs {
		p := &e.Pairs[i]
		for k := range p.Foreign {
			if f := &p.Foreign[k]; (f.At == "server") == e.Swapped {
				settle(f.Packet, &f.EndsFinding)
			}
		}
		for k := range p.Resets {
			f := &p.Resets[k]
			settle(e.mine(f.Packet), &f.EndsFinding)
			// Its capture alone was just asked: what it says to do next holds.
			if r, ok := resets[e.mine(f.Packet)]; ok && r.Author == f.Author && r.Cause != "" {
				f.Next = r.Next
			}
		}
	}
	for i := range e.Missing {
		if !e.Swapped {
			settle(e.Missing[i].Packet, &e.Missing[i].EndsFinding)
		}
	}
}

// mine is the number of a packet in the file that was explained.
func (e *BothEnds) mine(n PerEnd) int {
	if e.Swapped {
		return n.Server
	}
	return n.Client
}

// settle makes j, by one capture, the judgement f, by both, unless that is
// less sure. What one capture had against the author now speaks for it.
func (j *Judgement) settle(f *EndsFinding, swapped bool) {
	if f.Author == probe.Undetermined || degree(f.Confidence) < degree(j.Confidence) {
		return
	}
	pro, con := inFile(f.Evidence, swapped), inFile(f.Against, swapped)
	if f.Author == j.Author && f.Cause == "" && j.Cause != "" {
		// Both captures say who, one says why as well, and is only as sure.
		j.Evidence, j.Against = append(j.Evidence, pro...), append(j.Against, con...)
		return
	}
	if f.Author == j.Author || blamesBox(f.Author) && blamesBox(j.Author) {
		pro, con = append(pro, j.Evidence...), append(con, j.Against...)
	} else {
		pro, con = append(pro, j.Against...), append(con, j.Evidence...)
	}
	if j.Cause != f.Cause {
		j.Pattern = ""
	}
	for i := range pro {
		pro[i].Supports = f.Author
	}
	j.Author, j.Cause, j.Confidence, j.Summary, j.SummaryZH, j.Next = f.Author, f.Cause, f.Confidence, f.Summary, f.SummaryZH, f.Next
	j.Evidence, j.Against = pro, con
}

// inFile is evidence with the packets of the file that was explained.
func inFile(items []EndsEvidence, swapped bool) List[Evidence] {
	out := List[Evidence]{}
	for _, one := range items {
		item := one.Evidence
		if swapped {
			item.Packets = one.AtServer
		}
		item.Packets = slices.Clone(item.Packets)
		out = append(out, item)
	}
	return out
}

// blamesBox reports whether an author is a box between the ends.
func blamesBox(a probe.Author) bool {
	return a == probe.OnPath || a == probe.InPath || a == probe.OnOrInPath
}

// ownResets says how many resets the ends sent themselves, and why; "": none.
// One by one they are told where c is explained.
func (c *Capture) ownResets() string {
	resets := c.resets()
	var out []string
	for _, end := range []string{"server", "client"} {
		var known []finding
		n := 0
		for _, p := range c.BothEnds.Pairs {
			for _, r := range p.Resets {
				if r.From != end || r.Author == probe.Undetermined {
					continue
				}
				n++
				if f, ok := resets[c.BothEnds.mine(r.Packet)]; ok {
					known = append(known, f)
				}
			}
		}
		if n == 0 {
			continue
		}
		causes := counted(known)
		if more := n - len(known); more > 0 {
			causes = append(causes, fmt.Sprintf("%dx not in %s, so that only the other capture says why", more, c.File))
		}
		out = append(out, fmt.Sprintf("%d by the %s (%s)", n, end, strings.Join(causes, ", ")))
	}
	if len(out) == 0 {
		return ""
	}
	return "Resets that an end sent itself: " + strings.Join(out, "; ")
}
