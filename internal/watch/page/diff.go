package page

import (
	"fmt"
	"slices"
	"strings"

	"github.com/rstprobe/rstprobe/internal/watch/period"
	"github.com/rstprobe/rstprobe/internal/watch/state"
	"github.com/rstprobe/rstprobe/report"
)

// diffView is how two runs differ.
type diffView struct {
	Before, After sideView
	Summary       []string // sentences
	Tests         []diffRow
	Hops          []diffRow
}

type sideView struct {
	Run     int64
	At      moment
	Verdict string
	Rank    rank
	Text    string
}

// diffRow is a question or a hop in both runs.
type diffRow struct {
	What, Before, After, Remark string
	Differs                     bool
}

var hopWords = map[period.HopChange]string{
	period.Moved: "the same router, at another hop", period.Changed: "another router", period.Came: "came", period.Went: "went",
	period.Unclear: "silent in one of them",
}

// diff puts into words how two runs differ.
func (w writer) diff(d period.Diff) diffView {
	v := diffView{Before: w.side(d.Before), After: w.side(d.After)}
	for _, t := range d.Tests {
		row := diffRow{What: t.Question.String(), Before: asked(t.Before), After: asked(t.After), Differs: len(t.Changed) > 0}
		var axes []string
		for _, a := range t.Changed {
			axes = append(axes, string(a))
		}
		row.Remark = joined(", ", axes...)
		v.Tests = append(v.Tests, row)
	}
	other := 0 // routers
	for _, h := range d.Hops {
		row := diffRow{Before: hopOf(h.Before), After: hopOf(h.After), Remark: hopWords[h.Change]}
		row.Differs = slices.Contains([]period.HopChange{period.Changed, period.Came, period.Went}, h.Change)
		if row.Differs {
			other++
		}
		switch {
		case h.Before != nil && h.After != nil && h.Before.TTL != h.After.TTL:
			row.What = fmt.Sprintf("%d → %d", h.Before.TTL, h.After.TTL)
		case h.After != nil:
			row.What = fmt.Sprint(h.After.TTL)
		default:
			row.What = fmt.Sprint(h.Before.TTL)
		}
		v.Hops = append(v.Hops, row)
	}
	v.Summary = []string{answersWords(d), pathWords(d, other)}
	return v
}

// answersWords says whose answers differ.
func answersWords(d period.Diff) string {
	var differ []string
	for _, t := range d.Tests {
		if len(t.Changed) > 0 {
			differ = append(differ, t.Question.String())
		}
	}
	if len(differ) == 0 {
		return "No answer contradicts the other run."
	}
	return "The answers differ for " + strings.Join(differ, ", ") + "."
}

// pathWords says where paths part that differ in a number of routers.
func pathWords(d period.Diff, routers int) string {
	switch {
	case !d.Before.Traced || !d.After.Traced:
		return "The paths cannot be compared: not both were traced."
	case routers > 0:
		return fmt.Sprintf("The paths part at hop %d: %s.", d.Diverges, count(routers, "router differs", "routers differ"))
	}
	return "Both took the same path, as far as routers answered."
}

func (w writer) side(s period.Side) sideView {
	return sideView{s.Run, w.moment(s.StartedAt), verdictWords[s.Verdict], rankOfVerdict(s.Verdict), report.Clean(s.Summary)}
}

func asked(a state.Axes) string {
	if !a.Known() {
		return "not asked"
	}
	return axesWords(a)
}

func hopOf(h *period.Hop) string {
	if h == nil {
		return "–"
	}
	name := "silent"
	switch {
	case h.Server && h.IP.IsValid():
		name = "server " + h.IP.String()
	case h.Server:
		name = "server"
	case h.IP.IsValid():
		name = h.IP.String()
	}
	if h.Name != "" {
		name += " " + report.Clean(h.Name)
	}
	if h.RTTMS > 0 {
		name += fmt.Sprintf(", %.3g ms", h.RTTMS)
	}
	return name
}

// testsOf are the answers of a run.
func testsOf(d report.Document) []testView {
	var out []testView
	readings := state.Readings(d, d.StartedAt)
	for _, t := range d.Tests {
		q := state.Question{Kind: t.Kind, Name: t.Name}
		a := readings[q].Axes
		if !a.Known() { // it was interrupted
			continue
		}
		out = append(out, testView{q.String(), joined(" ", outcomeOf(a), blameOf(a)), placeOf(a.Place), rankOf(a)})
	}
	return out
}
