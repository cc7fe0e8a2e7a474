package report

import (
	"cmp"
	"fmt"
	"io"
	"strings"

	"github.com/rstprobe/rstprobe/probe"
)

// Explain writes how the verdict of d came about: what was asked and what that
// showed, the rules that spoke for and against, how the place was found, what
// would change the verdict. It reads what d says and judges nothing anew.
func Explain(w io.Writer, d Document, style Style) error {
	e := explanation{printer: printer{style: style}, told: map[probe.RuleID]bool{}}
	e.wrap("WHY "+strings.ToUpper(string(d.Verdict.Outcome))+": ", "  ", d.Verdict.Summary, overallColor[d.Verdict.Outcome])
	e.steps(d)
	for i, t := range d.Tests {
		e.newline()
		e.wrap(fmt.Sprintf("Test %d: ", i+1), "        ", t.title(), "")
		e.test(d, t)
	}
	if len(e.told) > 0 {
		e.newline()
		e.wrap("", "", "rstprobe explain-rule NAME says more of a rule: its weight, its family, where it is written down.", "")
	}
	if _, err := io.WriteString(w, e.b.String()); err != nil {
		return fmt.Errorf("report: write explanation: %w", err)
	}
	return nil
}

// explanation collects the text.
type explanation struct {
	printer
	told map[probe.RuleID]bool // rules that were explained already
}

// say prints text in the form of a list item, or what belongs to one, as deep
// as level.
func (e *explanation) say(level int, label, text string) {
	indent := strings.Repeat("  ", level)
	e.wrap(indent+label, indent+"  ", text, "")
}

func (e *explanation) steps(d Document) {
	if len(d.Steps) == 0 { // nothing was asked, or by a version that did not write it down
		return
	}
	e.newline()
	e.say(0, "", "What was asked, in this order:")
	for i, s := range d.Steps {
		e.say(1, fmt.Sprintf("%d. ", i+1), s.title())
		e.say(2, "", s.means())
		if showed := d.showed(s); showed != "" {
			e.say(2, "-> ", showed)
		}
	}
}

// sureText says what a degree of confidence takes.
var sureText = map[probe.Confidence]string{
	probe.Proved:             "what decides it was seen in at least two of three of at least three trials",
	probe.Likely:             "strong signs of different kinds agree; or what decides was seen, with too few trials or controls for a proof",
	probe.Possible:           "one strong sign, which by itself may have another reason",
	probe.UndeterminedDegree: "the signs do not suffice, or contradict each other",
}

// sure is the confidence, and what it rests on.
func (t Test) sure() string {
	if t.Outcome == probe.OK {
		return fmt.Sprintf("%s, of %s", t.Confidence, count(t.Counts.TestTotal, "test", "tests"))
	}
	s := join(": ", string(t.Confidence), sureText[t.Confidence])
	if t.Confidence == probe.Proved && t.Counts.ControlTotal > 0 {
		s += ", and the controls were healthy"
	}
	return s
}

func (e *explanation) test(d Document, t Test) {
	e.say(1, "Conclusion: ", t.conclusion())
	e.say(1, "Sure: ", t.sure())
	e.say(1, "Tests: ", t.fared(true))
	e.say(1, "Controls: ", d.controls(t))
	if t.Outcome != probe.OK || len(t.Evidence)+len(t.Against) > 0 {
		e.evidence("Speaks for it:", t.Evidence)
		e.evidence("Speaks against it:", t.Against)
	}
	if t.Location != nil {
		e.location(t, d.Path)
	}
	e.say(1, "", "What would change it:")
	for _, s := range t.doubts() {
		e.say(2, "- ", s)
	}
	e.say(1, "Next: ", cmp.Or(t.Next, "nothing is open"))
}

// conclusion is the verdict in words.
func (t Test) conclusion() string {
	if t.Outcome == probe.OK {
		return t.happened()
	}
	return join("; ",
		t.happened(),
		join(": ", "by "+string(t.Author), authorText[t.Author]),
		join(": ", string(t.Cause), CauseText(t.Cause)))
}

// evidence prints items, each with what its rule looks at and why.
func (e *explanation) evidence(title string, items []Evidence) {
	if len(items) == 0 {
		e.say(1, "", title+" nothing")
		return
	}
	e.say(1, "", title)
	for i, text := range evidenceItems(items, e.style.Verbose) {
		e.say(2, "- ", text)
		e.rule(items[i].Rule)
	}
}

// rule explains a rule, the first time that it occurs.
func (e *explanation) rule(id probe.RuleID) {
	if e.told[id] {
		e.say(3, "", "(explained above)")
		return
	}
	for _, r := range probe.Rules() {
		if r.ID != id {
			continue
		}
		e.told[id] = true
		for _, part := range []struct{ label, text string }{
			{"means: ", r.Doc}, {"looks at: ", r.Looks}, {"convinces: ", r.Why}, {"looks alike: ", r.Trap},
		} {
			if part.text != "" {
				e.say(3, part.label, part.text)
			}
		}
	}
}

// location says how a place was found: the readings at its two ends, and both
// rulers.
func (e *explanation) location(t Test, path Path) {
	l := *t.Location
	e.say(1, "Place: ", l.place())
	e.say(2, "- ", "method: "+l.how())
	for _, h := range path.Hops {
		if h.TTL == l.AfterTTL || h.TTL == l.AtTTL {
			e.say(2, "- ", fmt.Sprintf("readings at %s: control %s, test %s", hopText(h.TTL, h.IP), answer(h.Control), answer(h.Test)))
		}
	}
	first := fmt.Sprintf("first ruler, by TTLs on the way out: it acts on packets sent to end at hop %d", l.AtTTL)
	if l.AfterTTL > 0 {
		first += fmt.Sprintf(", and not yet on those for hop %d", l.AfterTTL)
	}
	e.say(2, "- ", first)
	switch {
	case l.ReverseHops == 0:
		e.say(2, "- ", "second ruler, by TTLs on the way back: no reading, so no router is named")
	case l.DeviceTTL != nil:
		e.say(2, "- ", fmt.Sprintf("second ruler, by TTLs on the way back: %s; both point at %s, which is therefore named",
			count(l.ReverseHops, "hop", "hops"), hopText(*l.DeviceTTL, *l.DeviceIP)))
	default:
		e.say(2, "- ", fmt.Sprintf("second ruler, by TTLs on the way back: %s; that points at no router that the first one allows, so none is named",
			count(l.ReverseHops, "hop", "hops")))
	}
	for i, text := range evidenceItems(t.placeEvidence(), e.style.Verbose) {
		e.say(2, "- ", text)
		e.rule(l.Evidence[i].Rule)
	}
}

// doubts are what would lead to another verdict, by its kind.
func (t Test) doubts() []string {
	var out []string
	if t.Outcome == probe.OK {
		return []string{"tests that fail while their controls do well: what acts on a few connections only takes more of them (--repeat) to be met"}
	}
	switch t.Author {
	case probe.Server, probe.ServerSide:
		out = append(out, "the same end at another server on the path (--control-address), which would not be the doing of this one",
			"an answer of the real server that arrives although the connection was ended in its name")
	case probe.OnPath, probe.InPath, probe.OnOrInPath:
		out = append(out, "a capture at the server that shows it sending these packets itself")
		if t.Counts.ControlTotal > 0 {
			out = append(out, "a control that fails in the same way: the name would not be what triggers")
		}
	case probe.OwnSide:
		out = append(out, "the same end from another machine on this network")
	case probe.Undetermined:
		out = append(out, "a packet that decides: one that the server cannot have sent, or only the server can")
	}
	switch t.Confidence {
	case probe.Likely, probe.Possible:
		out = append(out, "an item of evidence that decides by itself would prove it, or refute it")
	case probe.UndeterminedDegree, probe.Proved:
	}
	if len(t.Against) > 0 {
		out = append(out, "more of what speaks against it, in every trial")
	}
	return out
}
