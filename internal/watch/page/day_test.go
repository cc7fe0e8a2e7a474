package page

import (
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/rstprobe/rstprobe/internal/watch/period"
	"github.com/rstprobe/rstprobe/probe"
)

// TestDay: hours that went by are forgotten, whether runs came every hour or
// after a long pause, and however late a roll-up is read.
func TestDay(t *testing.T) {
	ended := func(ago time.Duration) time.Time { return now.Add(-ago) }
	clean, reset, down := tally{Runs: 1}, tally{Runs: 1, Interfered: 1}, tally{Runs: 1, Bad: 1}
	for _, tt := range []struct {
		name string
		fill func(*day)
		want map[int64]tally // by hours ago; others are empty
	}{
		{"nothing", func(*day) {}, nil},
		{"one of each", func(d *day) {
			d.add(ended(25*time.Hour), probe.Interference)
			d.add(ended(23*time.Hour), probe.Clean)
			d.add(ended(2*time.Hour), probe.Interference)
			d.add(ended(0), probe.ServerRefuses)
		}, map[int64]tally{23: clean, 2: reset, 0: down}},
		{"after a pause", func(d *day) {
			d.add(ended(500*time.Hour), probe.Interference)
			d.add(ended(26*time.Hour), probe.Interference)
			d.add(ended(time.Hour), probe.Clean)
		}, map[int64]tally{1: clean}},
		{"out of order", func(d *day) {
			d.add(ended(time.Hour), probe.Clean)
			d.add(ended(3*time.Hour), probe.Interference)
			d.add(ended(30*time.Hour), probe.Interference)
		}, map[int64]tally{1: clean, 3: reset}},
		{"from a roll-up", func(d *day) {
			d.put(ended(time.Hour), tallyOf(period.Tally{Runs: 5, Verdicts: map[probe.Overall]int{probe.Clean: 2, probe.Interference: 1, probe.OverallInconclusive: 2}}))
			d.add(ended(time.Hour), probe.Clean)
		}, map[int64]tally{1: {Runs: 6, Interfered: 1, Bad: 2}}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			var d day
			tt.fill(&d)
			got := map[int64]tally{}
			for ago := range int64(2 * hours) {
				if one := d.at(now, ago); one != (tally{}) {
					got[ago] = one
				}
			}
			if tt.want == nil {
				tt.want = map[int64]tally{}
			}
			if diff := cmp.Diff(tt.want, got); diff != "" {
				t.Errorf("(-want +got):\n%s", diff)
			}
			if got := d.at(now.Add(1000*time.Hour), 0); got != (tally{}) {
				t.Errorf("much later there is still %v", got)
			}
		})
	}
}

// TestSpark: the drawing says in words what it shows, and has a form for each
// kind of hour.
func TestSpark(t *testing.T) {
	var d day
	if s := d.spark(now); s.Title != "no run in the last 24 hours" || s.Good+s.Bad+s.Warn != "" {
		t.Errorf("of nothing: %+v", s)
	}
	d.add(now.Add(-2*time.Hour), probe.Clean)
	if s := d.spark(now); s.Title != "last 24 hours: 1 run, all clean" || s.Good != "M105 16h4v4h-4z" || s.Bad+s.Warn != "" {
		t.Errorf("clean: %+v", s)
	}
	d.add(now.Add(-time.Hour), probe.Interference)
	d.add(now.Add(-time.Hour), probe.Clean)
	d.add(now, probe.OverallUnreachable)
	if s := d.spark(now); s.Title != "last 24 hours: interference in 1 hour and other trouble in 1 hour" || s.Bad != "M110 5h4v15h-4z" || s.Warn != "M115 0h4v20h-4z" {
		t.Errorf("mixed: %+v", s)
	}
}
