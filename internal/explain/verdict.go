package explain

import (
	"fmt"

	"github.com/rstprobe/rstprobe/probe"
)

// edges: at most one in so many conversations that seem broken off is taken
// for an effect of where the capture begins and ends.
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
	box, suspected, host, away, rest heap
	open                             int // conversations that broke off unexplained
	resets                           int
}

func sorted(flows []Flow) *heaps {
	var h heaps
	for i := range flows {
		f := &flows[i]
		for k := range f.Resets {
			h.add(&f.Resets[k].Judgement)
		}
		h.resets += len(f.Resets)
		switch {
		case f.Ending.Cause != "":
			h.add(&f.Ending)
		case len(f.Resets) == 0:
			h.open++
		}
	}
	return &h
}

func (h *heaps) add(j *Judgement) {
	switch {
	case j.byBox():
		h.box.add(j)
	case blamesBox(j.Author), j.Author == probe.Undetermined && j.Cause == "":
		h.suspected.add(j)
	case j.Cause == "N1", j.Cause == "N2", j.Cause == "M9":
		h.away.add(j)
	case j.Author == probe.Server, j.Author == probe.ServerSide:
		h.host.add(j)
	default:
		h.rest.add(j)
	}
}

// verdict sums up. Interference needs a box that is likely at least; a
// suspicion makes a capture inconclusive.
func verdict(rep Report) Verdict {
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
	case h.open*edges > rep.Conversations:
		return Verdict{
			Outcome: probe.OverallInconclusive,
			Summary: fmt.Sprintf("%d of %d conversations broke off, and nothing in the capture says why.", h.open, rep.Conversations),
			Chinese: fmt.Sprintf("%d 个会话中有 %d 个中断,抓包中没有任何迹象说明原因。", rep.Conversations, h.open),
		}
	case h.away.n > 0 && h.resets == 0:
		return h.away.verdict(probe.OverallUnreachable, "Nobody is reached", "无法到达对端")
	case h.rest.n > 0:
		return h.rest.verdict(probe.Clean, "Nothing between the ends interferes", "中间网络无干预")
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
