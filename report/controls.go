package report

import (
	"fmt"
	"slices"

	"github.com/rstprobe/rstprobe/internal/diagnosis"
	"github.com/rstprobe/rstprobe/probe"
)

// sureness is the confidence in a test, and the counts that it rests on.
func (t Test) sureness(verbose bool) string {
	s := fmt.Sprintf("%s; bad: test %s", t.Confidence, t.share(t.Counts.TestBad, t.Counts.TestTotal, verbose))
	if t.Counts.ControlTotal == 0 {
		return s + "; no control connections"
	}
	return s + ", control " + t.share(t.Counts.ControlBad, t.Counts.ControlTotal, verbose)
}

// bare reports whether SYNs alone answer the question: it was about them, or
// no connection stood for a name to be said on.
func (t Test) bare() bool { return t.Kind == probe.SYN || t.Stage == probe.StageSYN }

// controls says what the controls of a test are worth, or what there was in
// their place.
func (d Document) controls(t Test) string {
	c := t.Counts
	failed := t.share(c.ControlBad, c.ControlTotal, true) + " failed"
	switch {
	case c.ControlTotal == 0 && t.bare():
		return "no connections; " + d.synReference()
	case c.ControlTotal == 0:
		return "none: nothing harmless was compared with, so the name cannot be blamed"
	case t.Outcome == probe.OK:
		return failed
	case c.ControlBad == 0:
		return failed + "; what differs is due to what differs between them and the tests"
	case c.ControlBad == c.ControlTotal:
		return failed + "; so the tests cannot be held against them"
	}
	return failed + "; so a part of what the tests met may have nothing to do with them"
}

// synReference says what bare SYNs are held against.
func (d Document) synReference() string {
	address := ""
	if a := d.setting("control-address"); a != "" {
		address = "the control address " + a
	}
	port := ""
	if slices.ContainsFunc(d.Steps, func(s Step) bool { return s.Step == diagnosis.StepOtherPort }) {
		port = "another port of the same address"
	}
	if to := join(" and to ", port, address); to != "" {
		return "bare SYNs are held against those to " + to
	}
	return "bare SYNs are held against none, since all is well where they are answered, and nothing is known to compare with where they are not"
}

// comparison says how the tests were made comparable, by their kind.
func (d Document) comparison() []string {
	var out []string
	named, syns := 0, 0
	for _, t := range d.Tests {
		switch c := t.Counts; {
		case c.ControlTotal > 0 && !t.bare():
			named += c.TestTotal + c.ControlTotal
		case t.bare():
			syns = max(syns, c.TestTotal) // the same ones for all tests
		}
	}
	if named > 0 {
		out = append(out, fmt.Sprintf("%s: each test of a name was repeated in turn with controls, which differ from it in nothing but the name, so that what happens to tests alone is due to it", count(named, "connection", "connections")))
	}
	if syns > 0 {
		out = append(out, fmt.Sprintf("%s; %s", count(syns, "SYN", "SYNs"), d.synReference()))
	}
	return out
}
