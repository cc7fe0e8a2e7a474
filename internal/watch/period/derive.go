package period

import (
	"cmp"
	"maps"
	"math"
	"slices"
	"time"

	"github.com/rstprobe/rstprobe/internal/watch/state"
	"github.com/rstprobe/rstprobe/probe"
	"github.com/rstprobe/rstprobe/report"
)

// Facts are what is stored of one check, about a period.
type Facts struct {
	Check   string
	From    time.Time      // inclusive
	To      time.Time      // exclusive
	Changes []Change       // in the order in which they were made sure: of each question the last before From, all within, and the next from To on
	Now     state.Machines // after the last run of all
	Coverage
	Hours []Hour // ascending, from the one that From is in to that of To
	Path  *Diff  // nil: fewer than two runs are kept
}

// Coverage says when there was something to know. The intervals of each list
// ascend and do not overlap; they may reach out of the period.
type Coverage struct {
	Ran     []Interval                    // the check was run, again and again
	Trouble []Interval                    // our own network was in trouble in its runs
	Told    map[state.Question][]Interval // its runs told something of the question
}

// Derive is what the facts say.
func (f Facts) Derive() Check {
	c := Check{
		Check: f.Check, From: f.From, To: f.To, Path: f.Path,
		Unwatched: f.clip(complement(f.Ran)), Trouble: f.clip(f.Trouble), Series: f.series(),
	}
	for _, x := range f.Changes {
		if f.covers(x.At) {
			c.Changes = append(c.Changes, x)
		}
	}
	total, boxes := f.total()
	c.Runs = f.runs(total)
	for _, q := range f.questions(total) {
		spans := f.spans(q)
		c.Questions = append(c.Questions, Question{
			Question: q, Spans: spans, Availability: availability(spans, total.Questions[q]), Boxes: fold(boxes[q]),
		})
	}
	return c
}

func (f Facts) covers(t time.Time) bool { return !t.Before(f.From) && t.Before(f.To) }

// questions are those that were asked within the period, or are now.
func (f Facts) questions(total Tally) []state.Question {
	all := map[state.Question]bool{}
	for q := range total.Questions {
		all[q] = true
	}
	for q := range f.Now {
		all[q] = true
	}
	for q, told := range f.Told {
		if len(f.clip(told)) > 0 {
			all[q] = true
		}
	}
	return slices.SortedFunc(maps.Keys(all), byQuestion)
}

// total is the sum of all hours, and all boxes of each question, which a sum
// does not have.
func (f Facts) total() (Tally, map[state.Question][]Box) {
	var t Tally
	boxes := map[state.Question][]Box{}
	for _, h := range f.Hours {
		t = t.Plus(h.Tally)
		for q, a := range h.Questions {
			for _, b := range a.Boxes {
				if !b.Last.Before(f.From) && b.First.Before(f.To) {
					boxes[q] = append(boxes[q], b)
				}
			}
		}
	}
	return t, boxes
}

func (f Facts) runs(t Tally) Runs {
	return Runs{
		CountedFrom: f.From.Truncate(time.Hour), CountedTo: f.To.Add(time.Hour - 1).Truncate(time.Hour),
		Total: t.Runs, Retests: t.Retests, Interrupted: t.Interrupted, Lookups: t.Lookups, Trouble: t.Trouble,
		Packets: t.Packets, Dropped: t.Dropped, Verdicts: sum(map[probe.Overall]int{}, t.Verdicts),
		Duration: t.Duration.Summary(), Connect: t.Connect.Summary(),
	}
}

// maxBuckets is how many stretches a period is drawn in: as many as are told
// apart on a page.
const maxBuckets = 120

// series are the hours, so many taken together that there are not too many.
func (f Facts) series() report.List[Bucket] {
	begin := f.From.Truncate(time.Hour)
	width := time.Hour * time.Duration(max(1, math.Ceil(f.To.Sub(begin).Hours()/maxBuckets)))
	var out report.List[Bucket]
	var t Tally
	for i, h := range f.Hours {
		t = t.Plus(h.Tally)
		n := h.Start.Sub(begin) / width
		if i+1 < len(f.Hours) && f.Hours[i+1].Start.Sub(begin)/width == n {
			continue
		}
		from := begin.Add(n * width)
		out = append(out, Bucket{
			Interval: Interval{from, from.Add(width)}, Runs: t.Runs, Verdicts: sum(map[probe.Overall]int{}, t.Verdicts),
			Duration: t.Duration.Summary(), Connect: t.Connect.Summary(),
		})
		t = Tally{}
	}
	return out
}

// stretch is a confirmed state, from a time on.
type stretch struct {
	from     time.Time // zero: from the beginning
	axes     state.Axes
	flapping bool
}

// stretches are the confirmed states of a question, ascending. A change that is
// made sure later knows better than all before it, from its first reading on.
func (f Facts) stretches(q state.Question) []stretch {
	var out []stretch
	now := f.Now[q]
	for _, c := range f.Changes {
		if c.Question != q {
			continue
		}
		out = f.until(out, q, c.Since, c.From)
		out = slices.DeleteFunc(out, func(s stretch) bool { return !s.from.IsZero() && !s.from.Before(c.Since) })
		out = append(out, stretch{c.Since, c.To, c.Flapping})
		if !c.At.Before(f.To) {
			return out // what came then is not of this period
		}
	}
	if now.Flapping || !now.Confirmed.Known() {
		return out
	}
	if len(out) == 0 {
		return []stretch{{from: now.Since, axes: now.Confirmed}}
	}
	return f.until(out, q, f.To, now.Confirmed)
}

// until adds that a state was confirmed until a time. It may be known more
// precisely than by the change that led to it. Where it contradicts that, or
// nothing was known, the question was not asked for a while and then begun
// with anew, which is no change to tell.
func (f Facts) until(out []stretch, q state.Question, end time.Time, axes state.Axes) []stretch {
	last := len(out) - 1
	switch {
	case last < 0 && axes.Known():
		return []stretch{{axes: axes}}
	case last < 0 || out[last].flapping:
	case axes.Known() && len(out[last].axes.Changed(axes)) == 0:
		out[last].axes = axes
	default:
		if i := before(f.Told[q], end); i >= 0 && f.Told[q][i].From.After(out[last].from) {
			return append(out, stretch{from: f.Told[q][i].From, axes: axes})
		}
	}
	return out
}

// spans are the states of a question, one behind the other.
func (f Facts) spans(q state.Question) report.List[Span] {
	stretches := f.stretches(q)
	cuts := []time.Time{f.From, f.To}
	for _, s := range stretches {
		cuts = append(cuts, s.from)
	}
	for _, list := range [][]Interval{f.Ran, f.Trouble, f.Told[q]} {
		for _, i := range list {
			cuts = append(cuts, i.From, i.To)
		}
	}
	cuts = slices.DeleteFunc(cuts, func(t time.Time) bool { return t.Before(f.From) || t.After(f.To) })
	slices.SortFunc(cuts, time.Time.Compare)
	var out report.List[Span]
	for i := range len(cuts) - 1 {
		if cuts[i].Equal(cuts[i+1]) {
			continue
		}
		next := f.at(q, cuts[i], stretches)
		next.Interval = Interval{cuts[i], cuts[i+1]}
		if last := len(out) - 1; last >= 0 && out[last].Standing == next.Standing && out[last].Axes == next.Axes {
			out[last].To = next.To
			continue
		}
		out = append(out, next)
	}
	return out
}

// at is what is known of a time.
func (f Facts) at(q state.Question, t time.Time, stretches []stretch) Span {
	switch {
	case !within(f.Ran, t):
		return Span{Standing: Unwatched}
	case within(f.Trouble, t):
		return Span{Standing: Trouble}
	case !within(f.Told[q], t):
		return Span{Standing: Unknown}
	}
	i, exact := slices.BinarySearchFunc(stretches, t, func(s stretch, t time.Time) int { return s.from.Compare(t) })
	if !exact {
		i--
	}
	if i < 0 || !stretches[i].axes.Known() {
		return Span{Standing: Unknown}
	}
	s := stretches[i]
	standing := Failing
	switch {
	case s.flapping:
		standing = Flapping
	case s.axes.Fine():
		standing = OK
	case s.axes.Interferes():
		standing = Interference
	}
	return Span{Standing: standing, Axes: s.axes}
}

// availability adds spans and runs up.
func availability(spans []Span, a Answers) Availability {
	out := Availability{
		Seconds: map[Standing]float64{}, Told: a.Told(), Fine: a.Outcomes[probe.OK], Asked: a.Asked,
		Results: sum(map[probe.Outcome]int{}, a.Outcomes),
	}
	times := map[Standing]time.Duration{}
	var known time.Duration
	for _, s := range spans {
		d := s.To.Sub(s.From)
		times[s.Standing] += d
		if s.Standing.Known() {
			known += d
		}
	}
	for _, s := range Standings() {
		out.Seconds[s] = times[s].Seconds()
	}
	out.KnownS = known.Seconds()
	out.Share, out.ByRuns = share(times[OK], known), share(out.Fine, out.Told)
	return out
}

// share is part of whole; nil: there is no whole.
func share[N int | time.Duration](part, whole N) *float64 {
	if whole == 0 {
		return nil
	}
	s := float64(part) / float64(whole)
	return &s
}

// fold takes readings together that may be of one box, the most precise first,
// and sorts by first sight. One that may be of several is of the one that was
// seen at a time nearest to it.
func fold(readings []Box) report.List[Box] {
	slices.SortStableFunc(readings, func(a, b Box) int { return cmp.Compare(a.Axes.Vagueness(), b.Axes.Vagueness()) })
	var out report.List[Box]
	for _, r := range readings {
		nearest := -1
		for i, b := range out {
			if len(b.Axes.Changed(r.Axes)) == 0 && (nearest < 0 || b.apart(r) < out[nearest].apart(r)) {
				nearest = i
			}
		}
		if nearest < 0 {
			out = append(out, r)
			continue
		}
		out[nearest] = out[nearest].plus(r)
	}
	slices.SortStableFunc(out, func(a, b Box) int { return a.First.Compare(b.First) })
	return out
}

// apart is how much time lies between the sights of two boxes; 0: they overlap.
func (b Box) apart(c Box) time.Duration {
	return max(0, c.First.Sub(b.Last), b.First.Sub(c.Last))
}

// clip is what of intervals is within the period.
func (f Facts) clip(list []Interval) report.List[Interval] {
	var out report.List[Interval]
	for _, i := range list {
		if i.From.Before(f.From) {
			i.From = f.From
		}
		if i.To.After(f.To) {
			i.To = f.To
		}
		if i.From.Before(i.To) {
			out = append(out, i)
		}
	}
	return out
}

// The ends of all time, as far as a period can reach.
var (
	dawn = time.Unix(0, 0).UTC()
	dusk = time.Unix(1<<40, 0).UTC() // year 36812
)

// complement is what lies between intervals.
func complement(list []Interval) []Interval {
	out, from := []Interval{}, dawn
	for _, i := range list {
		out = append(out, Interval{from, i.From})
		from = i.To
	}
	return append(out, Interval{from, dusk})
}

// before is the last interval that begins before a time; -1: none does.
func before(list []Interval, t time.Time) int {
	i, _ := slices.BinarySearchFunc(list, t, func(i Interval, t time.Time) int { return i.From.Compare(t) })
	return i - 1
}

// within reports whether an interval holds a time.
func within(list []Interval, t time.Time) bool {
	i, exact := slices.BinarySearchFunc(list, t, func(i Interval, t time.Time) int { return i.From.Compare(t) })
	if !exact {
		i--
	}
	return i >= 0 && t.Before(list[i].To)
}
