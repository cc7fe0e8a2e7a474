package period

import (
	"math/rand/v2"
	"net/netip"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"github.com/rstprobe/rstprobe/internal/watch/state"
	"github.com/rstprobe/rstprobe/probe"
)

var (
	midnight  = time.Date(2026, 1, 2, 0, 0, 0, 0, time.UTC)
	sni       = state.Question{Kind: probe.SNI, Name: "shop.example"}
	fine      = state.Axes{Outcome: probe.OK, Trigger: probe.TriggerNone, Author: probe.Server}
	blocked   = at(3, 4, "10.9.3.2")
	refused   = state.Axes{Outcome: probe.Refused, Trigger: probe.TriggerPort, Author: probe.Server}
	addresses = cmpopts.EquateComparable(netip.Addr{})
)

// at is a box on a segment.
func at(after, at int, ip string) state.Axes {
	a := state.Axes{Outcome: probe.Reset, Trigger: probe.TriggerSNI, Author: probe.InPath, Place: state.Place{AfterTTL: after, AtTTL: at}}
	if ip != "" {
		a.Place.AtIP = netip.MustParseAddr(ip)
	}
	return a
}

// hour is a time on the day that the tests are about.
func hour(h float64) time.Time { return midnight.Add(time.Duration(h * float64(time.Hour))) }

func from(a, b float64) Interval { return Interval{hour(a), hour(b)} }

// became is a change that was seen at an hour and sure six minutes later.
func became(h float64, before, after state.Axes) Change {
	c := state.Change{Question: sni, Since: hour(h), At: hour(h + 0.1), Axes: before.Changed(after), From: before, To: after}
	return Change{Run: int64(10 * h), Change: c}
}

// flapped is a change into flapping, sure half an hour after it was seen.
func flapped(h float64, before, lately state.Axes) Change {
	return Change{Change: state.Change{Question: sni, Since: hour(h), At: hour(h + 0.5), Axes: []state.Axis{state.Stability}, From: before, To: lately, Flapping: true}}
}

func settled(h float64, before, after state.Axes) Change {
	return Change{Change: state.Change{Question: sni, Since: hour(h), At: hour(h + 0.5), Axes: append([]state.Axis{state.Stability}, before.Changed(after)...), From: before, To: after}}
}

// watched is coverage without a hole by intervals.
func watched(intervals ...Interval) Coverage {
	return Coverage{Ran: intervals, Told: map[state.Question][]Interval{sni: intervals}}
}

func now(confirmed state.Axes, since float64) state.Machines {
	return state.Machines{sni: {Confirmed: confirmed, Since: hour(since)}}
}

// TestSpans: the states of one day, from midnight to midnight.
func TestSpans(t *testing.T) {
	t.Parallel()
	span := func(a, b float64, s Standing, axes state.Axes) Span { return Span{from(a, b), s, axes} }
	none := state.Axes{}
	for _, tt := range []struct {
		name  string
		facts Facts
		want  []Span
	}{
		{"nothing was watched", Facts{}, []Span{span(0, 24, Unwatched, none)}},
		{"well from the first, which is no change", Facts{Coverage: watched(from(6, 24)), Now: now(fine, 6)}, []Span{
			span(0, 6, Unwatched, none), span(6, 24, OK, fine),
		}},
		{"a box comes and goes", Facts{Coverage: watched(from(-9, 30)), Now: now(fine, 12), Changes: []Change{became(6, fine, blocked), became(12, blocked, fine)}}, []Span{
			span(0, 6, OK, fine), span(6, 12, Interference, blocked), span(12, 24, OK, fine),
		}},
		{"the last change before the day counts", Facts{Coverage: watched(from(-9, 30)), Now: now(refused, -5), Changes: []Change{became(-5, fine, refused)}}, []Span{
			span(0, 24, Failing, refused),
		}},
		{"the next change after the day tells what was before", Facts{Coverage: watched(from(-9, 40)), Now: now(blocked, 30), Changes: []Change{became(30, fine, blocked)}}, []Span{
			span(0, 24, OK, fine),
		}},
		{"seen within the day and sure after it", Facts{Coverage: watched(from(-9, 40)), Now: now(fine, 30), Changes: []Change{became(23.95, fine, blocked)}}, []Span{
			span(0, 23.95, OK, fine), span(23.95, 24, Interference, blocked),
		}},
		{"watch did not run: what was is not known, though nothing changed", Facts{Coverage: watched(from(-9, 6), from(10, 24)), Now: now(blocked, -5), Changes: []Change{became(-5, fine, blocked)}}, []Span{
			span(0, 6, Interference, blocked), span(6, 10, Unwatched, none), span(10, 24, Interference, blocked),
		}},
		{"runs that tell nothing", Facts{Coverage: Coverage{Ran: []Interval{from(0, 24)}, Told: map[state.Question][]Interval{sni: {from(0, 3), from(5, 24)}}}, Now: now(fine, 0)}, []Span{
			span(0, 3, OK, fine), span(3, 5, Unknown, none), span(5, 24, OK, fine),
		}},
		{"trouble of our own network is no outage, and wins over what is told", Facts{Coverage: Coverage{
			Ran: []Interval{from(0, 24)}, Trouble: []Interval{from(4, 5)}, Told: map[state.Question][]Interval{sni: {from(0, 24)}},
		}, Now: now(blocked, 0)}, []Span{
			span(0, 4, Interference, blocked), span(4, 5, Trouble, none), span(5, 24, Interference, blocked),
		}},
		{"flapping begins before changes that were believed meanwhile", Facts{Coverage: watched(from(0, 24)), Now: now(fine, 0), Changes: []Change{
			became(7, fine, blocked), became(7.2, blocked, fine), flapped(6.9, fine, blocked), settled(9, fine, fine),
		}}, []Span{
			span(0, 6.9, OK, fine), span(6.9, 9, Flapping, blocked), span(9, 24, OK, fine),
		}},
		{"a place that became known better, by the next change and by the present", Facts{Coverage: watched(from(0, 24)), Now: now(at(6, 7, ""), 12), Changes: []Change{
			became(6, fine, at(1, 4, "")), became(12, at(3, 4, ""), at(5, 8, "")),
		}}, []Span{
			span(0, 6, OK, fine), span(6, 12, Interference, at(3, 4, "")), span(12, 24, Interference, at(6, 7, "")),
		}},
		{"a question that was left out for a while begins anew, which is no change", Facts{Coverage: watched(from(0, 6), from(12, 24)), Now: now(fine, 12), Changes: []Change{
			became(3, fine, blocked),
		}}, []Span{
			span(0, 3, OK, fine), span(3, 6, Interference, blocked), span(6, 12, Unwatched, none), span(12, 24, OK, fine),
		}},
		{"and changes then", Facts{Coverage: watched(from(0, 6), from(12, 24)), Now: now(blocked, 18), Changes: []Change{
			became(3, fine, blocked), became(18, fine, blocked),
		}}, []Span{
			span(0, 3, OK, fine), span(3, 6, Interference, blocked), span(6, 12, Unwatched, none), span(12, 18, OK, fine), span(18, 24, Interference, blocked),
		}},
		{"bad from the first is told once it is sure", Facts{Coverage: watched(from(2, 24)), Now: now(blocked, 2), Changes: []Change{became(2, state.Axes{}, blocked)}}, []Span{
			span(0, 2, Unwatched, none), span(2, 24, Interference, blocked),
		}},
		{"not sure yet", Facts{Coverage: watched(from(2, 24)), Now: state.Machines{sni: {}}}, []Span{
			span(0, 2, Unwatched, none), span(2, 24, Unknown, none),
		}},
	} {
		f := tt.facts
		f.From, f.To = hour(0), hour(24)
		got := f.spans(sni)
		if diff := cmp.Diff(tt.want, []Span(got), addresses); diff != "" {
			t.Errorf("%s (-want +got):\n%s", tt.name, diff)
		}
	}
}

// TestAvailability: only what is known counts, and flapping is not fine.
func TestAvailability(t *testing.T) {
	t.Parallel()
	f := Facts{
		From: hour(0), To: hour(24), Now: now(fine, 16),
		Coverage: Coverage{Ran: []Interval{from(0, 20)}, Trouble: []Interval{from(18, 19)}, Told: map[state.Question][]Interval{sni: {from(0, 17.5), from(19, 20)}}},
		Changes:  []Change{became(8, fine, blocked), became(12, blocked, refused), flapped(14, refused, fine), settled(16, refused, fine)},
		Hours: []Hour{{hour(0), Tally{Runs: 7, Questions: map[state.Question]Answers{sni: {
			Asked: 6, Outcomes: map[probe.Outcome]int{probe.OK: 3, probe.Reset: 1},
		}}}}},
	}
	got := f.Derive().Questions[0].Availability
	share, byRuns := 10.5/18.5, 0.75
	want := Availability{
		Share: &share, KnownS: 18.5 * 3600, ByRuns: &byRuns, Told: 4, Fine: 3, Asked: 6, Results: map[probe.Outcome]int{probe.OK: 3, probe.Reset: 1},
		Seconds: map[Standing]float64{OK: 10.5 * 3600, Interference: 4 * 3600, Failing: 2 * 3600, Flapping: 2 * 3600, Unknown: 0.5 * 3600, Trouble: 3600, Unwatched: 4 * 3600},
	}
	if diff := cmp.Diff(want, got, cmpopts.EquateApprox(1e-12, 0)); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
	if empty := (Facts{From: hour(0), To: hour(1), Now: now(fine, 0)}).Derive().Questions[0].Availability; empty.Share != nil || empty.ByRuns != nil {
		t.Errorf("of nothing, %v of the time and %v of the runs are fine", empty.Share, empty.ByRuns)
	}
}

// TestSpansLeaveNoHole, whatever the facts: they follow each other from one end
// of the period to the other, and no two neighbours are the same.
func TestSpansLeaveNoHole(t *testing.T) {
	t.Parallel()
	rng := rand.New(rand.NewPCG(1, 2))
	intervals := func() (out []Interval) {
		h := rng.Float64()*10 - 5
		for range rng.IntN(6) {
			end := h + rng.Float64()*8
			out = append(out, from(h, end))
			h = end + rng.Float64()*4
		}
		return out
	}
	states := []state.Axes{{}, fine, blocked, refused, at(5, 9, ""), at(3, 9, "")}
	some := func() state.Axes { return states[rng.IntN(len(states))] }
	for n := range 2000 {
		f := Facts{
			From: hour(rng.Float64() * 5), To: hour(10 + rng.Float64()*14), Now: now(some(), rng.Float64()*20),
			Coverage: Coverage{Ran: intervals(), Trouble: intervals(), Told: map[state.Question][]Interval{sni: intervals()}},
		}
		for h := -5.0; h < 30; h += 0.01 + rng.Float64()*10 {
			if rng.IntN(4) == 0 {
				f.Changes = append(f.Changes, flapped(h-rng.Float64(), some(), some()))
			} else {
				f.Changes = append(f.Changes, became(h, some(), some()))
			}
		}
		c := f.Derive()
		spans, total := c.Questions[0].Spans, 0.0
		for i, s := range spans {
			switch {
			case !s.From.Before(s.To), i == 0 && s.From != f.From, i > 0 && s.From != spans[i-1].To, i == len(spans)-1 && s.To != f.To:
				t.Fatalf("%d: span %d from %v to %v of %v to %v", n, i, s.From, s.To, f.From, f.To)
			case i > 0 && s.Standing == spans[i-1].Standing && s.Axes == spans[i-1].Axes:
				t.Fatalf("%d: spans %d and %d are the same: %+v", n, i-1, i, s)
			case s.Standing.Known() != s.Axes.Known():
				t.Fatalf("%d: %v with the axes %v", n, s.Standing, s.Axes)
			}
		}
		for _, d := range c.Questions[0].Availability.Seconds {
			total += d
		}
		if want := f.To.Sub(f.From).Seconds(); total < want-1e-3 || total > want+1e-3 {
			t.Fatalf("%d: the spans take %v s of %v s", n, total, want)
		}
	}
}

// TestBoxes: readings that may be of one box are one, and first and last sight
// are those of the period.
func TestBoxes(t *testing.T) {
	t.Parallel()
	seen := func(a state.Axes, first, last float64, runs int) Box { return Box{a, hour(first), hour(last), runs} }
	silent := at(0, 0, "")
	vague := at(2, 5, "")
	vague.Author = probe.OnOrInPath
	elsewhere, dropping := at(5, 6, "10.9.5.2"), blocked
	dropping.Outcome = probe.Drop
	f := Facts{From: hour(1), To: hour(5), Hours: []Hour{
		{hour(1), Tally{Questions: map[state.Question]Answers{sni: {Boxes: []Box{seen(vague, 1.1, 1.2, 2)}}}}},
		{hour(2), Tally{Questions: map[state.Question]Answers{sni: {Boxes: []Box{seen(elsewhere, 2.1, 2.2, 2), seen(dropping, 2.3, 2.3, 1)}}}}},
		{hour(4), Tally{Questions: map[state.Question]Answers{sni: {Boxes: []Box{seen(blocked, 4.1, 4.9, 9), seen(silent, 4.3, 4.3, 1)}}}}},
		{hour(5), Tally{Questions: map[state.Question]Answers{sni: {Boxes: []Box{seen(blocked, 5.1, 5.9, 9)}}}}},
	}}
	want := []Box{seen(blocked, 1.1, 4.9, 12), seen(elsewhere, 2.1, 2.2, 2), seen(dropping, 2.3, 2.3, 1)}
	if diff := cmp.Diff(want, []Box(f.Derive().Questions[0].Boxes), addresses); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}

// TestSeries: hours are taken together so that there are not too many, and
// nothing is lost.
func TestSeries(t *testing.T) {
	t.Parallel()
	for _, days := range []int{1, 7, 30, 400} {
		f := Facts{From: hour(0.5), To: hour(float64(24 * days))}
		for i := range 24 * days {
			if i%24 != 7 { // one hour each day has no run
				f.Hours = append(f.Hours, Hour{hour(float64(i)), Tally{Runs: 12, Duration: SpreadOf(float64(i))}})
			}
		}
		runs, last := 0, time.Time{}
		series := f.Derive().Series
		for _, b := range series {
			if runs += b.Runs; b.From.Before(last) || b.Runs == 0 || b.Duration == nil {
				t.Fatalf("%d days: bucket %+v", days, b)
			}
			last = b.To
		}
		if want := 12 * 23 * days; runs != want || len(series) > maxBuckets || days > 5 && len(series) < maxBuckets/2 {
			t.Errorf("%d days: %d runs in %d buckets, want %d", days, runs, len(series), want)
		}
	}
}
