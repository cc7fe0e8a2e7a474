package page

import (
	"fmt"
	"strings"
	"time"

	"github.com/rstprobe/rstprobe/internal/watch/period"
	"github.com/rstprobe/rstprobe/probe"
)

// hours are how many a day has, as it is drawn: the one under way and those
// before.
const hours = 24

// day counts the runs of the last day by the hour; the zero value has none.
type day struct {
	last int64 // hour of Unix time of the newest of counts
	tell [hours]tally
}

// tally is what runs showed.
type tally struct{ Runs, Interfered, Bad int } // Bad: neither clean nor Interfered

// hourOf is the hour of Unix time.
func hourOf(t time.Time) int64 { return t.Unix() / 3600 }

// add counts a run that ended at a time.
func (d *day) add(ended time.Time, v probe.Overall) {
	d.put(ended, tallyOf(period.Tally{Runs: 1, Verdicts: map[probe.Overall]int{v: 1}}))
}

// tallyOf is what the store has counted.
func tallyOf(stored period.Tally) tally {
	t := tally{Runs: stored.Runs}
	for v, n := range stored.Verdicts {
		switch rankOfVerdict(v) {
		case fine:
		case interfered:
			t.Interfered += n
		default:
			t.Bad += n
		}
	}
	return t
}

// put counts the runs of an hour.
func (d *day) put(at time.Time, t tally) {
	h := hourOf(at)
	for ; d.last < h; d.last++ {
		if d.last+hours < h { // all of it is older
			*d = day{last: h - 1}
		}
		d.tell[(d.last+1)%hours] = tally{}
	}
	if h <= d.last-hours {
		return
	}
	one := &d.tell[h%hours]
	one.Runs += t.Runs
	one.Interfered += t.Interfered
	one.Bad += t.Bad
}

// at are the counts of the hour that ago hours before now; zero: none.
func (d day) at(now time.Time, ago int64) tally {
	h := hourOf(now) - ago
	if h > d.last || h <= d.last-hours {
		return tally{}
	}
	return d.tell[h%hours]
}

// The measures of the drawing of a day.
const (
	barWidth  = 5 // of an hour
	dayHeight = 20
	dayWidth  = hours * barWidth
)

// spark is a day as the template draws it: one shape for each tone.
type spark struct {
	Title           string
	Width, Height   int
	Good, Bad, Warn string // paths; "": nothing of that kind
}

// spark draws the day up to now: an hour that was well is low, one that was
// not is as high as the share of its runs that were bad, at least by half, and
// hollow where nothing interfered.
func (d day) spark(now time.Time) spark {
	s := spark{Width: dayWidth, Height: dayHeight}
	var good, bad, warn strings.Builder
	runs, troubled, interfered := 0, 0, 0
	for i := range hours {
		t := d.at(now, int64(hours-1-i))
		runs += t.Runs
		if t.Runs == 0 {
			continue
		}
		path, height := &good, 4
		if wrong := t.Interfered + t.Bad; wrong > 0 {
			height = dayHeight/2 + dayHeight/2*wrong/t.Runs
			if path = &warn; t.Interfered > 0 {
				path = &bad
				interfered++
			} else {
				troubled++
			}
		}
		fmt.Fprintf(path, "M%d %dh%dv%dh%dz", i*barWidth, dayHeight-height, barWidth-1, height, 1-barWidth)
	}
	s.Good, s.Bad, s.Warn = good.String(), bad.String(), warn.String()
	switch {
	case runs == 0:
		s.Title = "no run in the last 24 hours"
	case interfered+troubled == 0:
		s.Title = fmt.Sprintf("last 24 hours: %s, all clean", count(runs, "run", "runs"))
	default:
		s.Title = "last 24 hours: " + joined(" and ", inHours("interference", interfered), inHours("other trouble", troubled))
	}
	return s
}

func inHours(what string, n int) string {
	if n == 0 {
		return ""
	}
	return fmt.Sprintf("%s in %s", what, count(n, "hour", "hours"))
}
