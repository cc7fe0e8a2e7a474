package report

import (
	"fmt"

	"github.com/rstprobe/rstprobe/probe"
)

// outcomeText says what happened; behind the word itself.
var outcomeText = map[probe.Outcome]string{
	probe.OK:               "answered like the control",
	probe.Reset:            "a TCP reset ended the connection",
	probe.Fin:              "the connection was closed without an answer",
	probe.Drop:             "a packet of ours was never acknowledged",
	probe.Stall:            "acknowledged, then silence",
	probe.InjectedResponse: "another answer came than the server's own",
	probe.Alert:            "a TLS alert refused it",
	probe.Refused:          "a reset answered our SYN",
	probe.Unreachable:      "an ICMP error says that the target cannot be reached",
	probe.Inconclusive:     "too few trials, or they do not agree",
}

// slowed reports whether the tests were answered, only slower, or not to the
// end in time.
func (t Test) slowed() bool { return t.Cause == "M10" && t.Outcome == probe.Stall }

// cutOff reports whether their answers broke off.
func (t Test) cutOff() bool { return t.Cause == "M14" }

// happened says what became of the tests, more closely than the outcome alone
// where the cause tells.
func (t Test) happened() string {
	if t.Outcome == probe.OK {
		if t.Counts.ControlTotal == 0 {
			return "ok"
		}
		return "ok, like the control"
	}
	text := outcomeText[t.Outcome]
	switch {
	case t.slowed():
		text = "the answer came far more slowly than those to the controls, or was held back"
	case t.cutOff():
		text = "the answer broke off before its end"
	}
	return join(": ", fmt.Sprintf("%s at stage %s, trigger %s", t.Outcome, t.Stage, t.Trigger), text)
}

// fared says how many tests met what the verdict is about.
func (t Test) fared(verbose bool) string {
	bad := "failed"
	switch {
	case t.slowed():
		bad = "were slowed or held back"
	case t.cutOff():
		bad = "were cut off"
	case t.Outcome == probe.Alert:
		bad = "were refused with an alert"
	case t.Outcome == probe.InjectedResponse:
		bad = "were answered otherwise than the controls"
	}
	return t.share(t.Counts.TestBad, t.Counts.TestTotal, verbose) + " " + bad
}

// share is "bad of total", verbosely with its interval: that of a share of
// connections, for which a pace, or a volume, is none.
func (t Test) share(bad, total int, verbose bool) string {
	return share(bad, total, verbose && !t.slowed() && !t.cutOff())
}
