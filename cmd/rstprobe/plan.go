package main

import (
	"context"
	"fmt"
	"strings"

	"github.com/rstprobe/rstprobe/internal/diagnosis"
	"github.com/rstprobe/rstprobe/internal/flow"
	"github.com/rstprobe/rstprobe/internal/terminal"
	"github.com/rstprobe/rstprobe/probe"
)

// plan tells, between the packets of a trace, why they are sent: the question
// of each step, and the trials that are to answer it. Its lines begin with #.
type plan struct {
	probe.Exchanger
	target probe.Target
	tell   func(line string)
	step   diagnosis.Step // that was told last
	name   string
}

// update tells a step when it begins.
func (p *plan) update(s diagnosis.Progress) {
	if s.Step == p.step && s.Name == p.name && s.Pause == 0 {
		return
	}
	p.step, p.name = s.Step, s.Name
	line := fmt.Sprintf("# %s %s", s.Step.Question(), s.Step.How())
	if s.Pause > 0 {
		line += fmt.Sprintf("; pausing for %v", s.Pause)
	}
	p.tell(line)
}

// Exchange tells the trials, those alike together, and carries them out.
func (p *plan) Exchange(ctx context.Context, trials ...probe.Trial) ([]flow.Record, error) {
	var order []string
	times := map[string]int{}
	for _, t := range trials {
		what := p.describe(t)
		if times[what]++; times[what] == 1 {
			order = append(order, what)
		}
	}
	for _, what := range order {
		p.tell(fmt.Sprintf("#   %d x %s", times[what], what))
	}
	return p.Exchanger.Exchange(ctx, trials...)
}

// stimulusText names what is said.
var stimulusText = map[probe.Kind]string{
	probe.SYN: "bare SYN", probe.ACK: "bare ACK", probe.SNI: "ClientHello", probe.Host: "HTTP request",
}

func stimulus(s probe.Stimulus) string {
	text := stimulusText[s.Kind]
	switch {
	case s.Kind == probe.SYN, s.Kind == probe.ACK:
		return text
	case s.Name == "":
		return text + " without a name"
	}
	text += fmt.Sprintf(" %q", terminal.Clean(s.Name, false))
	if s.Form != probe.Plainly {
		text += ", form " + string(s.Form)
	}
	return text
}

// describe says what sets a trial apart from a usual one.
func (p *plan) describe(t probe.Trial) string {
	parts := []string{fmt.Sprintf("%s: %s", t.Role, stimulus(t.Stimulus))}
	add := func(given bool, format string, args ...any) {
		if given {
			parts = append(parts, fmt.Sprintf(format, args...))
		}
	}
	add(t.Remote.Addr() != p.target.IP || t.Remote.Port() != p.target.Port, "to %v", t.Remote)
	switch n := len(t.TTLs); {
	case n == 1:
		add(true, "a copy with TTL %d", t.TTLs[0])
	case n > 1:
		add(true, "one copy per TTL %d to %d", t.TTLs[0], t.TTLs[n-1])
		add(t.Step > 0, "one every %v", t.Step)
	}
	add(t.TTL > 0, "with TTL %d", t.TTL)
	add(t.Ahead > 0, "%d ahead of sequence", t.Ahead)
	add(t.Twice, "each sent twice")
	add(len(t.Split) > 0, "cut into %d segments", len(t.Split)+1)
	add(t.SplitGap > 0, "%v apart", t.SplitGap)
	add(t.Unconnected, "without a handshake")
	add(t.MSS > 0, "with an MSS of %d", t.MSS)
	add(t.Profile == probe.BareSYN, "opened without TCP options")
	add(t.Reader == probe.ReadFIN, "then our FIN")
	add(t.Reader == probe.ReadStimulus, "then a %s", stimulus(t.Read))
	add(t.LocalPort > 0, "from port %d", t.LocalPort)
	return strings.Join(parts, ", ")
}
