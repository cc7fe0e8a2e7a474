package explain

import (
	"fmt"

	"github.com/rstprobe/rstprobe/probe"
)

// edges: at most one in so many conversations that seem broken off, or whose
// beginning or other direction is missing, is taken for an effect of where the
// capture begins and ends.
const edges = 10

// heap counts judgements of one kind and keeps the first.
type heap struct {
	n     int
	first *Judgement
}

func (h *heap) add(j *Judgement) {
	if h.n++; h.first == nil {
		h.first = j
	}
}

// times is how often, in words.
func (h *heap) times() string {
	if h.n == 1 {
		return "once"
	}
	return fmt.Sprintf("%d times", h.n)
}

// heaps sort all judgements of a report by what they mean for the verdict.
type heaps struct {
	box, suspected, host, away, missed, rest heap

	open      int // conversations that broke off unexplained
	unreached int // conversations that nobody answered
}

func sorted(flows []Flow) *heaps {
	var h heaps
	for i := range flows {
		f := &flows[i]
		for k := range f.Resets {
			h.add(&f.Resets[k].Judgement)
		}
		if away[f.Ending.Cause] {
			h.unreached++
		}
		switch {
		case f.Ending.Cause != "":
			h.add(&f.Ending)
		case len(f.Resets) == 0:
			h.open++
		}
	}
	return &h
}

// away are the causes by which nobody is reached.
var away = map[probe.Cause]bool{"N1": true, "N2": true, "M9": true}

// missing are the rows by which the capture lacks what matters, harmless those
// of unknown authors that leave nothing open.
var (
	missing  = map[string]bool{"one-way-capture": true, "begins-too-late": true}
	harmless = map[string]bool{"loss": true, "captured-twice": true}
)

func (h *heaps) add(j *Judgement) {
	switch {
	case j.byBox():
		h.box.add(j)
	case away[j.Cause]:
		h.away.add(j)
	case missing[j.Pattern]:
		h.missed.add(j)
	case blamesBox(j.Author), j.Author == probe.Undetermined && !harmless[j.Pattern]:
		h.suspected.add(j)
	case j.Author == probe.Server, j.Author == probe.ServerSide:
		h.host.add(j)
	default:
		h.rest.add(j)
	}
}

// verdict sums up. Interference needs a box that is likely at least; a
// suspicion makes a capture inconclusive, and so does what broke off where the
// capture itself does.
func (e *Explainer) verdict(rep Report) Verdict {
	h := sorted(rep.Flows)
	switch {
	case rep.Conversations == 0:
		return Verdict{
			Outcome: probe.OverallInconclusive,
			Summary: "There is no TCP conversation to explain.",
			Chinese: "没有可供分析的 TCP 会话。",
		}
	case h.box.n > 0:
		return h.box.verdict(probe.Interference, "A box between the ends interferes", "中间设备存在干预")
	case h.suspected.n > 0:
		return h.suspected.verdict(probe.OverallInconclusive, "What ended a conversation is not settled", "尚无定论")
	case h.host.n > 0:
		return h.host.verdict(probe.ServerRefuses, "The server, or its own gear, ends conversations itself", "服务器或其前端设备自行终止会话")
	case h.open*edges > rep.Conversations, e.cut && h.open > 0:
		return Verdict{
			Outcome: probe.OverallInconclusive,
			Summary: fmt.Sprintf("%d of %d conversations broke off, and nothing in the capture says why.", h.open, rep.Conversations),
			Chinese: fmt.Sprintf("%d 个会话中有 %d 个中断,抓包中没有任何迹象说明原因。", rep.Conversations, h.open),
		}
	case h.missed.n*edges > rep.Conversations:
		return h.missed.verdict(probe.OverallInconclusive, "The capture lacks what would tell", "抓包不完整,无法判断")
	case h.unreached > 0 && e.answered == 0:
		return h.away.verdict(probe.OverallUnreachable, "Nobody is reached", "无法到达对端")
	case h.unreached > e.answered:
		return h.away.verdict(probe.OverallUnreachable, "Hardly anybody is reached", "大多无法到达对端")
	case h.unreached*edges > h.unreached+e.answered:
		return h.away.verdict(probe.OverallInconclusive, "Some are reached and others are not", "部分对端无法到达")
	case h.rest.n > 0:
		return Verdict{
			Outcome: probe.Clean,
			Summary: fmt.Sprintf("Nothing between the ends interferes; the first: %s.", h.rest.first.Summary),
			Chinese: fmt.Sprintf("中间网络无干预;首个:%s。", h.rest.first.Chinese),
		}
	}
	return Verdict{
		Outcome: probe.Clean,
		Summary: fmt.Sprintf("None of %d conversations was reset; %d broke off.", rep.Conversations, h.open),
		Chinese: fmt.Sprintf("%d 个会话均未被重置,%d 个中断。", rep.Conversations, h.open),
	}
}

func (h *heap) verdict(o probe.Overall, summary, chinese string) Verdict {
	return Verdict{
		Outcome: o,
		Summary: fmt.Sprintf("%s (%s); the first: %s.", summary, h.times(), h.first.Summary),
		Chinese: fmt.Sprintf("%s(%d 处);首个:%s。", chinese, h.n, h.first.Chinese),
	}
}
