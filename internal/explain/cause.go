package explain

import (
	"fmt"
	"slices"

	"github.com/rstprobe/rstprobe/probe"
)

// Cause is one row of the table of causes: a pattern, what it means, and what
// to look at.
type Cause struct {
	Code    probe.Cause
	Pattern string           // names the row: several patterns may have one code
	Title   string           // what happened, in plain words
	Story   string           // how it comes to that, as one would tell a customer
	Look    string           // the packets to look at, and what they must show
	Twin    string           // what looks alike and is something else, and how it is kept out
	Author  probe.Author     // who ends the connection
	Ceiling probe.Confidence // the most that one capture at one place can show
	Next    string           // what to capture or run next
	English string           // the finding in one sentence, with the arguments of Finding.Args
	Chinese string           // the same in Chinese

	find func(*matter) *Finding
}

// Finding is what a row found in one conversation.
type Finding struct {
	Confidence probe.Confidence // before the row's ceiling
	Author     probe.Author     // "": the row's
	Packets    []int
	Args       []any // figures, in the order of the row's sentences
	Against    []probe.Evidence
	Decisive   bool // it can hardly be anything else
}

// Causes are all rows, in the order in which they are tried: where two are
// equally sure, the earlier one is the more special.
func Causes() []Cause { return slices.Clone(causes) }

var causes = slices.Concat(ownCauses(), artefactCauses(), closeCauses(), boxCauses(), serverCauses(), silenceCauses())

// rank orders the degrees of confidence.
func rank(c probe.Confidence) int {
	return slices.Index([]probe.Confidence{probe.UndeterminedDegree, probe.Possible, probe.Likely, probe.Proved}, c)
}

func lower(a, b probe.Confidence) probe.Confidence {
	if rank(a) < rank(b) {
		return a
	}
	return b
}

func higher(a, b probe.Confidence) probe.Confidence {
	if rank(a) > rank(b) {
		return a
	}
	return b
}

// judge tries all rows and takes the surest.
func (x *matter) judge() (Judgement, bool) {
	var best *Cause
	var found *Finding
	for i := range causes {
		c := &causes[i]
		f := c.find(x)
		if f == nil {
			continue
		}
		f.Confidence = lower(f.Confidence, c.Ceiling)
		if best == nil || f.Decisive && !found.Decisive || f.Decisive == found.Decisive && rank(f.Confidence) > rank(found.Confidence) {
			best, found = c, f
		}
	}
	if best == nil {
		return x.unexplained(), false
	}
	return x.judgement(best, found), true
}

// judgement words a finding.
func (x *matter) judgement(c *Cause, f *Finding) Judgement {
	slices.Sort(f.Packets)
	own := probe.Evidence{
		Rule: probe.RuleID(c.Pattern), Supports: c.Author, Decisive: f.Decisive, Packets: slices.Compact(f.Packets),
		Detail: fmt.Sprintf(c.English, f.Args...),
	}
	j := Judgement{
		Author: c.Author, Cause: c.Code, Pattern: c.Pattern, Confidence: f.Confidence, Next: c.Next,
		Summary: own.Detail, Chinese: fmt.Sprintf(c.Chinese, inChinese(f.Args)...),
		Evidence: []probe.Evidence{own}, Against: append([]probe.Evidence{}, f.Against...),
	}
	if f.Author != "" {
		j.Author = f.Author
	}
	pro, con := x.why.forHost, x.why.forBox
	switch {
	case blamesBox(j.Author):
		pro, con = con, pro
	case j.Author == probe.Undetermined:
		pro, con = slices.Concat(con, pro), nil
	}
	for _, e := range pro {
		e.Supports = j.Author
		j.Evidence = append(j.Evidence, e)
	}
	j.Against = append(j.Against, con...)
	if decisive(j.Against) {
		j.Confidence = lower(j.Confidence, probe.Likely) // proof leaves nothing that speaks against it
	}
	return j
}

// words are a part of a sentence that differs by language.
type words struct{ english, chinese string }

func (w words) String() string { return w.english }

// inChinese are the arguments of a sentence with the words among them
// translated; figures, addresses and names stay.
func inChinese(args []any) []any {
	out := slices.Clone(args)
	for i, a := range out {
		switch a := a.(type) {
		case words:
			out[i] = a.chinese
		case side:
			out[i] = map[side]string{client: "客户端", server: "服务器"}[a]
		}
	}
	return out
}

// unexplained is the judgement where no row fits.
func (x *matter) unexplained() Judgement {
	j := Judgement{
		Author: probe.Undetermined, Confidence: probe.UndeterminedDegree, Evidence: []probe.Evidence{}, Against: []probe.Evidence{},
		Next: "capture at the other end as well: a packet that is there and was not sent here, or the other way round, decides",
	}
	j.Evidence = append(j.Evidence, x.why.forBox...)
	j.Against = append(j.Against, x.why.forHost...)
	switch {
	case x.r != nil:
		j.Summary = fmt.Sprintf("packet %d: nothing in the capture says why this reset was sent", x.r.n)
		j.Chinese = fmt.Sprintf("第 %d 号 RST:抓包中没有任何迹象说明其原因", x.r.n)
	case x.brokenOff():
		j.Summary = "it broke off, and nothing in the capture says why"
		j.Chinese = "会话中断,抓包中没有任何迹象说明其原因"
	default:
		j.Next = "" // nothing to explain
	}
	return j
}

// blamesBox reports whether an author is a box between the ends.
func blamesBox(a probe.Author) bool {
	return a == probe.OnPath || a == probe.InPath || a == probe.OnOrInPath
}

// numbers are the packet numbers of segments; nil ones are left out.
func numbers(list ...*seg) []int {
	var out []int
	for _, g := range list {
		if g != nil {
			out = append(out, g.n)
		}
	}
	return out
}
