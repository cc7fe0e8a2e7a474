package twoends

import (
	"fmt"

	"github.com/rstprobe/rstprobe/probe"
)

// findings counts them in words.
func findings(n int) string {
	if n == 1 {
		return "1 finding"
	}
	return fmt.Sprintf("%d findings", n)
}

// sum sums a result up.
func (r *Result) sum() {
	var box, maybe, host *Judgement
	boxes, hosts := 0, 0
	blame := func(j *Judgement) {
		switch {
		case j.Confidence == probe.Proved, j.Confidence == probe.Likely:
			if boxes++; box == nil {
				box = j
			}
		case maybe == nil:
			maybe = j
		}
	}
	for i := range r.Pairs {
		p := &r.Pairs[i]
		for k := range p.Foreign {
			if f := &p.Foreign[k]; f.Kind.ends() {
				blame(&f.Judgement)
			}
		}
		if p.Silence != nil {
			blame(p.Silence)
		}
		for k := range p.Resets {
			switch j := &p.Resets[k].Judgement; {
			case j.Author == probe.Undetermined:
				blame(j)
			case j.Cause != "S20" && !p.Resets[k].Closed && (j.Author == probe.Server || j.Author == probe.ServerSide):
				if hosts++; host == nil {
					host = j
				}
			}
		}
	}
	for i := range r.Missing {
		blame(&r.Missing[i].Judgement)
	}
	lost := 0
	for i := range r.Pairs {
		lost += r.Pairs[i].Sent[Client][Lost] + r.Pairs[i].Sent[Server][Lost]
	}
	set := func(o probe.Overall, summary, chinese string) { r.Verdict, r.Summary, r.Chinese = o, summary, chinese }
	switch {
	case boxes > 0:
		set(probe.Interference,
			fmt.Sprintf("Something between the ends interferes (%s); the first: %s.", findings(boxes), box.Summary),
			fmt.Sprintf("两端之间存在干预(%d 处);首个:%s。", boxes, box.Chinese))
	case maybe != nil:
		set(probe.OverallInconclusive,
			fmt.Sprintf("The two captures do not settle it: %s.", maybe.Summary),
			fmt.Sprintf("两份抓包尚不足以定论:%s。", maybe.Chinese))
	case hosts > 0:
		set(probe.ServerRefuses,
			fmt.Sprintf("Every reset was sent by an end itself (%d by the server); the first: %s.", hosts, host.Summary),
			fmt.Sprintf("所有 RST 均由端点自己发出(服务器 %d 个);首个:%s。", hosts, host.Chinese))
	case len(r.Pairs) == 0:
		set(probe.OverallInconclusive,
			"The two captures have no conversation in common.",
			"两份抓包没有共同的会话。")
	default:
		set(probe.Clean,
			fmt.Sprintf("In %d conversations that both captures hold, every packet that arrived was sent by the other end; %d were lost on the way.", len(r.Pairs), lost),
			fmt.Sprintf("两份抓包共有 %d 个会话,到达的每个包都由对端发出;途中丢失 %d 个。", len(r.Pairs), lost))
	}
}
