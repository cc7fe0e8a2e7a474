package report

import (
	"fmt"
	"strings"

	"github.com/rstprobe/rstprobe/internal/diagnosis"
	"github.com/rstprobe/rstprobe/probe"
)

// Step is a question that was asked of the network, and what that took.
type Step struct {
	Step    diagnosis.Step `json:"step"`
	Kind    probe.Kind     `json:"kind"` // of the test; "": it serves all of them
	Name    string         `json:"name"` // likewise
	Trials  int            `json:"trials"`
	Packets int            `json:"packets_sent"`
	TookMS  float64        `json:"took_ms"` // 1 µs resolution
}

func newSteps(taken []diagnosis.StepTaken) List[Step] {
	out := List[Step]{}
	for _, s := range taken {
		out = append(out, Step{Step: s.Step, Kind: s.Kind, Name: s.Name, Trials: s.Trials, Packets: s.Packets, TookMS: milliseconds(s.Took)})
	}
	return out
}

// title is the question of a step.
func (s Step) title() string {
	question := s.Step.Question()
	question = strings.ToUpper(question[:1]) + question[1:]
	if s.Name == "" {
		return question
	}
	return fmt.Sprintf("%s %s: %s", s.Kind, s.Name, question)
}

// means says how a step asked, and what that took.
func (s Step) means() string {
	return join(": ", s.Step.How(), fmt.Sprintf("%s, %s, %s s",
		count(s.Trials, "trial", "trials"), count(s.Packets, "packet", "packets"), seconds(s.TookMS)))
}

// showed is what became of the question of a step; "" where that is part of
// what another one showed.
func (d Document) showed(s Step) string {
	switch s.Step {
	case diagnosis.StepPath:
		return d.showedPath()
	case diagnosis.StepOtherPort, diagnosis.StepWait:
		return ""
	}
	for _, t := range d.Tests {
		if t.Kind == s.Kind && t.Name == s.Name {
			return t.showed(s.Step)
		}
	}
	return "" // interrupted before there was an answer
}

func (d Document) showedPath() string {
	server := "the server never answered"
	switch {
	case d.Path.ServerTTL == 0:
	case d.standsIn():
		server += fmt.Sprintf("; the control address %s does, as hop %d", d.serverIP(), d.Path.ServerTTL)
	default:
		server = fmt.Sprintf("the server answers, as hop %d", d.Path.ServerTTL)
	}
	routers, heard := 0, 0
	for _, h := range d.Path.Hops {
		if h.TTL != d.Path.ServerTTL {
			routers++
			if h.IP.IsValid() {
				heard++
			}
		}
	}
	if routers > 0 {
		server += fmt.Sprintf("; %d of %s before it were heard of", heard, count(routers, "router", "routers"))
	}
	for _, t := range d.Tests {
		if t.Kind == probe.SYN && t.Outcome != probe.OK {
			server += fmt.Sprintf("; bare SYNs: %s in %s", t.Outcome, share(t.Counts.TestBad, t.Counts.TestTotal, false))
		}
	}
	return server
}

// showed is what a step showed of this test.
func (t Test) showed(step diagnosis.Step) string {
	switch step {
	case diagnosis.StepControls:
		if t.Counts.ControlTotal == 0 {
			return ""
		}
		return fmt.Sprintf("controls, these and those beside the tests: %s failed", share(t.Counts.ControlBad, t.Counts.ControlTotal, false))
	case diagnosis.StepTests, diagnosis.StepTransfers:
		s := t.fared(false)
		if t.Outcome != probe.OK {
			s += fmt.Sprintf(": %s at stage %s", t.Outcome, t.Stage)
		}
		return s
	case diagnosis.StepLocate:
		if t.Location == nil {
			return "no place was found"
		}
		return t.Location.place()
	case diagnosis.StepWays:
		if len(t.Flows) > 1 {
			return fmt.Sprintf("%d ways, compared below", len(t.Flows))
		}
	case diagnosis.StepForms:
		if len(t.Matrix) == 0 {
			return "nothing: each test is in the way of the next one"
		}
		acted := 0
		for _, v := range t.Matrix {
			if v.Acted > 0 {
				acted++
			}
		}
		return fmt.Sprintf("%d of %s trigger", acted, count(len(t.Matrix), "form", "forms"))
	case diagnosis.StepHold:
		if t.Residual != nil {
			return t.Residual.text()
		}
	case diagnosis.StepPath, diagnosis.StepOtherPort, diagnosis.StepWait:
	}
	return ""
}
