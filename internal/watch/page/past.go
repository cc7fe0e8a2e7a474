package page

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/rstprobe/rstprobe/internal/watch/period"
	"github.com/rstprobe/rstprobe/internal/watch/state"
)

// pastView is what a check was like between two times.
type pastView struct {
	Questions []questionPast
	Changes   []changeView // the newest first
	Earlier   int          // changes that are not listed
	Boxes     []boxView
	Key       []keyView
	Runs      string
}

// Changed is how many changes there were.
func (v pastView) Changed() int { return len(v.Changes) + v.Earlier }

// questionPast is what one question was like.
type questionPast struct {
	Question  string
	Timeline  timeline
	Share     string // of the time in which it was ok; "": nothing is known
	Tone      string
	Durations string // of what is not ok
	Measure   string // what the share is of, in a sentence
}

type changeView struct {
	At, Since      moment
	Question, Text string
	Rank           rank
	Run            int64
	Linked         bool // the run can be asked for
}

// boxView is a box that was seen.
type boxView struct {
	Question, Text, Place string
	First, Last           moment
	last                  time.Time // Last, to sort by
	Runs                  int
	Still                 bool // it is there now, to all that is confirmed
}

// keyView explains a form of the timeline.
type keyView struct {
	Class     string
	Y, Height int
	Text      string
}

// maxChanges is how many changes a page lists.
const maxChanges = 50

// writer puts the past into words.
type writer struct {
	now    time.Time
	zone   *time.Location
	linked bool // there are pages of runs: it is no page to be kept
}

// moment is a time; in a page that is kept, which may be read whenever, with its
// day and year.
func (w writer) moment(t time.Time) moment {
	m := momentAt(t, w.now, w.zone)
	if m.Known && !w.linked {
		m.Short = zoned(t.In(w.zone), w.now.In(w.zone), "2 Jan 2006 15:04")
	}
	return m
}

// past is what a check was like.
func (w writer) past(c period.Check) pastView {
	var v pastView
	used := map[period.Standing]bool{}
	for _, q := range c.Questions {
		for _, s := range q.Spans {
			used[s.Standing] = true
		}
		share, tone := shareOf(q.Availability)
		v.Questions = append(v.Questions, questionPast{
			Question: q.Question.String(), Timeline: timelineOf(q, c, w.zone),
			Share: share, Tone: tone, Durations: durationsOf(q.Availability), Measure: q.Availability.Text(),
		})
		for _, b := range q.Boxes {
			v.Boxes = append(v.Boxes, w.box(q, b))
		}
	}
	for _, s := range period.Standings() {
		if height := barHeights[s]; used[s] && height > 0 {
			v.Key = append(v.Key, keyView{string(s), timelineFloor - height, height, s.String()})
		}
	}
	slices.SortStableFunc(v.Boxes, func(a, b boxView) int { return b.last.Compare(a.last) })
	for i := len(c.Changes) - 1; i >= 0 && len(v.Changes) < maxChanges; i-- {
		v.Changes = append(v.Changes, w.change(c.Changes[i].Run, c.Changes[i].Change))
	}
	v.Earlier = len(c.Changes) - len(v.Changes)
	v.Runs = c.Runs.Text()
	return v
}

func (w writer) change(run int64, c state.Change) changeView {
	r := rankOf(c.To)
	if c.Flapping {
		r = flapping
	}
	return changeView{At: w.moment(c.At), Since: w.moment(c.Since), Question: c.Question.String(), Text: changeWords(c), Rank: r, Run: run, Linked: w.linked}
}

func (w writer) box(q period.Question, b period.Box) boxView {
	return boxView{
		Question: q.Question.String(), Text: joined(" ", outcomeOf(b.Axes), blameOf(b.Axes)), Place: placeOf(b.Axes.Place),
		First: w.moment(b.First), Last: w.moment(b.Last), last: b.Last, Runs: b.Runs,
		Still: len(q.Spans) > 0 && q.Spans[len(q.Spans)-1].Standing == period.Interference && q.Spans[len(q.Spans)-1].Axes.Place == b.Axes.Place,
	}
}

// shareOf is the share of the time that was ok, and how that looks.
func shareOf(a period.Availability) (text, tone string) {
	switch {
	case a.Share == nil:
		return "", "none"
	case *a.Share == 1:
		return period.Percent(*a.Share), "good"
	case *a.Share > 0.99:
		return period.Percent(*a.Share), "warn"
	}
	return period.Percent(*a.Share), "bad"
}

// durationsOf says how long each standing lasted, but for what is well.
func durationsOf(a period.Availability) string {
	var out []string
	for _, s := range period.Standings() {
		if d := time.Duration(a.Seconds[s] * float64(time.Second)); s != period.OK && d >= time.Second {
			out = append(out, fmt.Sprintf("%s for %s", s, period.Lasting(d)))
		}
	}
	return strings.Join(out, ", ")
}
