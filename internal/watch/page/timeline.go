package page

import (
	"cmp"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/rstprobe/rstprobe/internal/watch/period"
)

// timeline is a time as the template draws it. Across, all is in percent of
// its width, so that it is as wide as the page, and its letters are not.
type timeline struct {
	Title string
	Bars  []bar
	Ticks []tick
	Moves []string // where a change was first seen
}

// bar is a time in which nothing changed.
type bar struct {
	Class     string
	X, Width  string // percent
	Y, Height int    // pixels: the worse, the higher
	Title     string
}

type tick struct{ X, Anchor, Text string }

// barHeights tell the standings apart without their colour; what is not here
// is a gap. The room is 34 pixels high.
var barHeights = map[period.Standing]int{
	period.OK: 9, period.Interference: 32, period.Failing: 24, period.Flapping: 16, period.Unknown: 4, period.Trouble: 4,
}

const (
	timelineFloor = 34 // pixels from the top
	// narrowest is how wide, in percent, an interval is at least: one pixel of
	// a phone, for what was short is not to be overlooked.
	narrowest = 0.35
	mostTicks = 5 // that a phone has room for
)

// timelineOf draws the spans of a question.
func timelineOf(q period.Question, in period.Check, zone *time.Location) timeline {
	length := in.To.Sub(in.From)
	at := func(t time.Time) float64 { return 100 * float64(t.Sub(in.From)) / float64(length) }
	var out timeline
	var said []string
	for _, s := range q.Spans {
		height := barHeights[s.Standing]
		text := fmt.Sprintf("%s, %s to %s", spanWords(s), clock(s.From, length, zone), clock(s.To, length, zone))
		if s.Standing != period.OK && s.Standing != period.Unwatched {
			said = append(said, text)
		}
		if height == 0 {
			continue
		}
		x, width := at(s.From), at(s.To)-at(s.From)
		if s.Standing != period.OK && width < narrowest {
			x, width = min(x, 100-narrowest), narrowest
		}
		b := bar{string(s.Standing), percent(x), percent(width), timelineFloor - height, height, text}
		out.Bars = append(out.Bars, b)
	}
	// Where what was short is drawn wider than it was, it covers what is beside
	// it: what is lower comes last, and is seen as well.
	slices.SortStableFunc(out.Bars, func(a, b bar) int { return cmp.Compare(b.Height, a.Height) })
	const most = 5
	if more := len(said) - most; more > 0 {
		said = append(said[:most], fmt.Sprintf("and %d more", more))
	}
	if len(said) == 0 {
		said = []string{"nothing of note"}
	}
	out.Title = fmt.Sprintf("%s from %s to %s: %s", q.Question, clock(in.From, length, zone), clock(in.To, length, zone), strings.Join(said, "; "))
	for _, c := range in.Changes {
		if c.Question == q.Question {
			out.Moves = append(out.Moves, percent(at(c.Since)))
		}
	}
	out.Ticks = ticks(in.From, in.To, zone)
	return out
}

func spanWords(s period.Span) string {
	if s.Standing == period.OK || !s.Standing.Known() {
		return s.Standing.String()
	}
	return joined(": ", s.Standing.String(), axesWords(s.Axes))
}

func percent(x float64) string { return fmt.Sprintf("%.3f%%", min(100, max(0, x))) }

// ticks are round times between two, few enough for a phone.
func ticks(from, to time.Time, zone *time.Location) []tick {
	length := to.Sub(from)
	const day = 24 * time.Hour
	step, days := time.Duration(0), 0 // between two: one of them
	for _, s := range []time.Duration{time.Minute, 5 * time.Minute, 15 * time.Minute, time.Hour, 2 * time.Hour, 6 * time.Hour, 12 * time.Hour} {
		if length/s < mostTicks {
			step = s
			break
		}
	}
	for _, d := range []int{1, 2, 7, 14, 31, 92, 183, 366, 732, 1830} {
		if days = d; step > 0 || length/(time.Duration(d)*day) < mostTicks {
			break
		}
	}
	local, last := from.In(zone), time.Time{}
	var out []tick
	for n := 0; ; n++ {
		t := round(local, n, step, days)
		if !t.Before(to) {
			return out
		}
		if t.Before(from) || !t.After(last) { // an hour that there is not is the one beside it
			continue
		}
		last = t
		anchor, x := "middle", 100*float64(t.Sub(from))/float64(length)
		switch {
		case x < 8:
			anchor = "start"
		case x > 92:
			anchor = "end"
		}
		out = append(out, tick{percent(x), anchor, tickText(t, step, days)})
	}
}

// round is the n-th round time from the beginning of a day on. Each is made
// from that, and not from the one before: days of the calendar are not always
// 24 hours long, and where an hour is missing, two of them are the same.
func round(from time.Time, n int, step time.Duration, days int) time.Time {
	year, month, date := from.Date()
	switch {
	case step >= time.Hour: // of the clock on the wall
		return time.Date(year, month, date, n*int(step/time.Hour), 0, 0, 0, from.Location())
	case step > 0:
		return time.Date(year, month, date, 0, 0, 0, 0, from.Location()).Add(time.Duration(n) * step)
	case days >= 31: // months
		return time.Date(year, month+time.Month(n*(days/30)), 1, 0, 0, 0, 0, from.Location())
	}
	return time.Date(year, month, date+n*days, 0, 0, 0, 0, from.Location())
}

func tickText(t time.Time, step time.Duration, days int) string {
	switch {
	case step > 0 && (t.Hour() != 0 || t.Minute() != 0):
		return t.Format("15:04")
	case days >= 31:
		return t.Format("Jan 2006")
	}
	return t.Format("2 Jan")
}

// clock is a time as exact as it matters in a stretch of some length.
func clock(t time.Time, length time.Duration, zone *time.Location) string {
	switch {
	case length <= 24*time.Hour:
		return t.In(zone).Format("2 Jan 15:04:05")
	case length <= 200*24*time.Hour:
		return t.In(zone).Format("2 Jan 15:04")
	}
	return t.In(zone).Format("2 Jan 2006 15:04")
}
