package report

import (
	"cmp"
	"fmt"
	"net/netip"
	"slices"
	"strconv"
	"strings"

	"github.com/rstprobe/rstprobe/internal/explain"
	"github.com/rstprobe/rstprobe/probe"
)

// finding is one reset, or one conversation that broke off, with those that
// are told along with it because there are too many alike.
type finding struct {
	flow  *CaptureFlow
	reset *CaptureReset // nil: the conversation broke off
	*Judgement
	alike []finding
}

// fewAlike is how many findings of one kind are told one by one.
const fewAlike = 2

// findings are all that c lists, the most important first, and those that
// need no attention apart.
func (c *Capture) findings() (out, harmless []finding) {
	for i := range c.Flows {
		f := &c.Flows[i]
		for k := range f.Resets {
			r := &f.Resets[k]
			out = append(out, finding{flow: f, reset: r, Judgement: &r.Judgement})
		}
		if f.Ending != nil {
			out = append(out, finding{flow: f, Judgement: f.Ending})
		}
	}
	slices.SortStableFunc(out, func(a, b finding) int {
		return cmp.Or(cmp.Compare(a.weight(), b.weight()), -cmp.Compare(degree(a.Confidence), degree(b.Confidence)))
	})
	at := slices.IndexFunc(out, finding.harmless)
	if at < 0 {
		return out, nil
	}
	return out[:at], out[at:]
}

// The weights of findings, the most important first.
const (
	byBox = iota
	suspected
	byServer
	unreached
	byClient
	unexplained // it broke off, and nothing says why
	needsNothing
)

// weight is how much a finding matters to whoever asks what is wrong.
func (f finding) weight() int {
	likely := degree(f.Confidence) >= degree(probe.Likely)
	box := blamesBox(f.Author)
	switch {
	case box && likely:
		return byBox
	case box, f.Cause == "" && f.reset != nil, strings.HasPrefix(string(f.Cause), "M"):
		return suspected
	case f.Cause == "":
		return unexplained
	case likely && slices.Contains(harmlessCauses, f.Cause):
		return needsNothing
	case f.Author == probe.Server, f.Author == probe.ServerSide:
		return byServer
	case strings.HasPrefix(string(f.Cause), "N"):
		return unreached
	}
	return byClient
}

// harmlessCauses are those by which nobody lost anything: what was asked for
// had come, or nothing was asked, or another reset had said it all.
var harmlessCauses = []probe.Cause{"S8", "S13", "S19", "S20", "C2", "C3", "C4"}

func (f finding) harmless() bool { return f.weight() == needsNothing }

// degree orders the degrees of confidence.
func degree(c probe.Confidence) int {
	return slices.Index([]probe.Confidence{probe.UndeterminedDegree, probe.Possible, probe.Likely, probe.Proved}, c)
}

// grouped tells findings of one kind together where there are more than a
// few, in the place of the first.
func grouped(all []finding) []finding {
	type kind struct {
		pattern    string
		author     probe.Author
		confidence probe.Confidence
		reset      bool
	}
	of := func(f finding) kind { return kind{f.Pattern, f.Author, f.Confidence, f.reset != nil} }
	times := map[kind]int{}
	for _, f := range all {
		times[of(f)]++
	}
	var out []finding
	first := map[kind]int{} // index in out, plus 1
	for _, f := range all {
		k := of(f)
		switch {
		case times[k] <= fewAlike:
			out = append(out, f)
		case first[k] == 0:
			out = append(out, f)
			first[k] = len(out)
		default:
			head := &out[first[k]-1]
			head.alike = append(head.alike, f)
		}
	}
	return out
}

// counted says how many findings there are of each cause, the commonest
// first.
func counted(all []finding) []string {
	type row struct {
		what string
		n    int
	}
	var rows []row
	for _, f := range all {
		what := f.kind()
		i := slices.IndexFunc(rows, func(r row) bool { return r.what == what })
		if i < 0 {
			i = len(rows)
			rows = append(rows, row{what: what})
		}
		rows[i].n++
	}
	slices.SortStableFunc(rows, func(a, b row) int { return cmp.Compare(b.n, a.n) })
	var out []string
	for _, r := range rows {
		out = append(out, fmt.Sprintf("%dx %s", r.n, r.what))
	}
	return out
}

// kind is the cause in words, without how sure it is.
func (f finding) kind() string {
	if f.Cause == "" {
		if f.reset == nil {
			return "broken off, unexplained"
		}
		return "unexplained"
	}
	return join(": ", string(f.Cause), cmp.Or(patternTitles[f.Pattern], CauseText(f.Cause)))
}

// patternTitles say in plain words what happened, by the rows of the table of
// causes.
var patternTitles = func() map[string]string {
	m := map[string]string{}
	for _, c := range explain.Causes() {
		m[c.Pattern] = c.Title
	}
	return m
}()

// title names a finding.
func (f finding) title() string {
	s := fmt.Sprintf("%s -> %s, broken off", f.flow.Client, f.flow.Server)
	if f.reset != nil {
		s = fmt.Sprintf("packet %d, reset from %s to %s", f.reset.Packet, f.reset.From, f.reset.Toward)
	}
	if n := len(f.alike); n > 0 {
		s += fmt.Sprintf(", and %d alike", n)
	}
	return s
}

// sentence is what happened, with the packets to look at.
func (f finding) sentence(chinese bool) string {
	s := f.Summary
	if chinese {
		s = f.SummaryZH
	}
	if own := f.own(); own != nil && len(own.Packets) > 0 {
		s += " (" + packetList(own.Packets) + ")"
	}
	return s
}

// own is the evidence that is the summary itself; nil: there is none.
func (f finding) own() *Evidence {
	if len(f.Evidence) > 0 && f.Evidence[0].Detail == f.Summary {
		return &f.Evidence[0]
	}
	return nil
}

// fields is what to say about a finding, for any kind of text, but what
// happened, which may be in another language.
func (f finding) fields() []field {
	out := []field{{"connection", []string{f.connection()}}}
	if r := f.reset; r != nil {
		out = append(out, field{"drawn by", []string{r.drawn()}}, field{"distance", []string{r.distance()}})
	}
	evidence := f.Evidence
	if f.own() != nil {
		evidence = evidence[1:]
	}
	out = append(out,
		field{"author", []string{join(": ", string(f.Author), captureAuthor(f.Author))}},
		field{"cause", []string{f.kind()}},
		field{"confidence", []string{string(f.Confidence)}})
	if len(evidence) > 0 {
		out = append(out, field{"for", evidenceItems(evidence, false)})
	}
	out = append(out, field{"against", orNone(evidenceItems(f.Against, false))})
	if f.flow.Artefact != "" {
		out = append(out, field{"mind", []string{f.flow.Artefact}})
	}
	if len(f.alike) > 0 {
		out = append(out, field{"alike", []string{f.others()}})
	}
	if f.Next != "" {
		out = append(out, field{"next", []string{f.Next}})
	}
	return out
}

// captureAuthor says who did it. In other people's traffic our own side is
// the client's.
func captureAuthor(a probe.Author) string {
	if a == probe.OwnSide {
		return "the client's side"
	}
	return authorText[a]
}

// connection describes the conversation.
func (f finding) connection() string {
	s := fmt.Sprintf("%s -> %s", f.flow.Client, f.flow.Server)
	if f.flow.Guessed {
		s += " (no SYN captured: which is the client is a guess)"
	}
	if f.flow.Trigger != probe.TriggerNone {
		s += ", trigger " + join(" ", string(f.flow.Trigger), f.flow.Name)
	}
	for _, toward := range []struct {
		end  string
		mark explain.Signature
	}{{"client", f.flow.Signature.TowardClient}, {"server", f.flow.Signature.TowardServer}} {
		if toward.mark != explain.NoSignature {
			s += fmt.Sprintf("; toward the %s: %s", toward.end, toward.mark)
		}
	}
	return s
}

// drawn says which packet drew a reset.
func (r *CaptureReset) drawn() string {
	if r.TriggerPacket == 0 {
		return "no packet that is in the capture"
	}
	s := fmt.Sprintf("packet %d, %s ms before", r.TriggerPacket, strconv.FormatFloat(r.WaitMS, 'f', -1, 64))
	if r.Link != "" {
		s += "; the reset " + r.Link
	}
	return s
}

// distance says from how far a reset seems to come.
func (r *CaptureReset) distance() string {
	s := fmt.Sprintf("TTL %d, %s away if it began with a usual one", r.TTL, count(r.Hops, "hop", "hops"))
	switch {
	case r.SenderTTL == 0:
		return s + "; no other packet of its sender to compare with"
	case r.SenderTTL == r.TTL:
		return s + ", like the sender's other packets"
	}
	return fmt.Sprintf("%s; the sender's other packets TTL %d, %s", s, r.SenderTTL, count(r.SenderHops, "hop", "hops"))
}

// others names those that are alike: the packets, or else the connections.
func (f finding) others() string {
	const most = 12
	var names []string
	servers := map[netip.AddrPort]bool{f.flow.Server: true}
	flows := map[*CaptureFlow]bool{f.flow: true}
	for _, o := range f.alike {
		servers[o.flow.Server], flows[o.flow] = true, true
		switch {
		case len(names) >= most:
		case o.reset != nil:
			names = append(names, strconv.Itoa(o.reset.Packet))
		default:
			names = append(names, fmt.Sprintf("%s -> %s", o.flow.Client, o.flow.Server))
		}
	}
	s := ""
	if f.reset != nil {
		s = plural(len(f.alike), "packet ", "packets ")
	}
	s += strings.Join(names, ", ")
	if more := len(f.alike) - len(names); more > 0 {
		s += fmt.Sprintf(" and %d more", more)
	}
	return fmt.Sprintf("%s; %s with %s in all", s, count(len(flows), "conversation", "conversations"), count(len(servers), "server", "servers"))
}
