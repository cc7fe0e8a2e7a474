package page

import (
	"bytes"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/rstprobe/rstprobe/internal/watch/period"
	"github.com/rstprobe/rstprobe/internal/watch/state"
	"github.com/rstprobe/rstprobe/probe"
)

// TestTimeline: what was short is still to be seen, what was worse is higher
// and hides nothing, and a pause is a gap.
func TestTimeline(t *testing.T) {
	from := now.Add(-400 * day_)
	at := func(d time.Duration) time.Time { return from.Add(d) }
	reset := state.Axes{Outcome: probe.Reset, Author: probe.InPath}
	q := period.Question{Question: state.Question{Kind: probe.SNI, Name: "shop.example"}, Spans: []period.Span{
		{Interval: period.Interval{From: from, To: at(100 * day_)}, Standing: period.Unwatched},
		{Interval: period.Interval{From: at(100 * day_), To: at(200 * day_)}, Standing: period.OK},
		{Interval: period.Interval{From: at(200 * day_), To: at(200*day_ + time.Minute)}, Standing: period.Interference, Axes: reset},
		{Interval: period.Interval{From: at(200*day_ + time.Minute), To: at(300 * day_)}, Standing: period.OK},
		{Interval: period.Interval{From: at(300 * day_), To: at(300*day_ + time.Minute)}, Standing: period.Trouble},
		{Interval: period.Interval{From: at(300*day_ + time.Minute), To: now.Add(-time.Minute)}, Standing: period.OK},
		{Interval: period.Interval{From: now.Add(-time.Minute), To: now}, Standing: period.Failing, Axes: state.Axes{Outcome: probe.Refused, Author: probe.Server}},
	}}
	line := timelineOf(q, period.Check{From: from, To: now}, time.UTC)
	var got []string
	for _, b := range line.Bars {
		got = append(got, strings.Join([]string{b.Class, b.X, b.Width}, " "))
	}
	want := []string{
		"interference 50.000% 0.350%", "failing 99.650% 0.350%", "ok 25.000% 25.000%", "ok 50.000% 25.000%", "ok 75.000% 25.000%", "own_network_trouble 75.000% 0.350%",
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("bars (-want +got):\n%s", diff)
	}
	for i, b := range line.Bars[1:] {
		if b.Height > line.Bars[i].Height {
			t.Errorf("%s hides %s", b.Class, line.Bars[i].Class)
		}
	}
	if !strings.Contains(line.Title, "interference: reset by a box in the path") {
		t.Errorf("title %q", line.Title)
	}
}

// TestTicks: round times, at most as many as a phone has room for, whatever the
// length, also where a day has 23 hours.
func TestTicks(t *testing.T) {
	berlin, err := time.LoadLocation("Europe/Berlin")
	if err != nil {
		t.Fatal(err)
	}
	end := time.Date(2026, 3, 30, 15, 9, 0, 0, berlin) // the clock is put forward on the 29th
	for _, tt := range []struct {
		length time.Duration
		want   []string
	}{
		{2 * time.Minute, []string{"15:07", "15:08"}},
		{time.Hour, []string{"14:15", "14:30", "14:45", "15:00"}},
		{24 * time.Hour, []string{"18:00", "30 Mar", "06:00", "12:00"}},
		{7 * day_, []string{"25 Mar", "27 Mar", "29 Mar"}},
		{30 * day_, []string{"7 Mar", "14 Mar", "21 Mar", "28 Mar"}},
		{400 * day_, []string{"May 2025", "Aug 2025", "Nov 2025", "Feb 2026"}},
	} {
		var got []string
		for _, tick := range ticks(end.Add(-tt.length), end, berlin) {
			got = append(got, tick.Text)
		}
		if diff := cmp.Diff(tt.want, got); diff != "" {
			t.Errorf("%v (-want +got):\n%s", tt.length, diff)
		}
	}
	for length := time.Minute; length < 4000*day_; length = length * 11 / 10 {
		if n := len(ticks(end.Add(-length), end, berlin)); n > mostTicks+1 {
			t.Errorf("%v has %d ticks", length, n)
		}
	}
}

// TestTicksWhereTheClockIsChanged: they go on, in their order, also in an hour
// that there is not, or is twice, east and west of Greenwich and at midnight.
func TestTicksWhereTheClockIsChanged(t *testing.T) {
	for _, tt := range []struct {
		zone   string
		end    time.Time // UTC
		length time.Duration
		want   []string
	}{
		{"America/New_York", time.Date(2026, 3, 8, 9, 30, 0, 0, time.UTC), 4 * time.Hour, []string{"01:00", "03:00", "04:00", "05:00"}},
		{"America/New_York", time.Date(2026, 11, 1, 8, 30, 0, 0, time.UTC), 4 * time.Hour, []string{"01:00", "02:00", "03:00"}},
		{"Europe/Berlin", time.Date(2026, 3, 29, 3, 30, 0, 0, time.UTC), 4 * time.Hour, []string{"01:00", "03:00", "04:00", "05:00"}},
		{"America/Havana", time.Date(2026, 3, 8, 18, 30, 0, 0, time.UTC), 24 * time.Hour, []string{"18:00", "23:00", "06:00", "12:00"}},
		{"Australia/Lord_Howe", time.Date(2026, 10, 3, 17, 45, 0, 0, time.UTC), 4 * time.Hour, []string{"01:00", "02:30", "03:00", "04:00"}},
	} {
		zone, err := time.LoadLocation(tt.zone)
		if err != nil {
			t.Fatal(err)
		}
		var got []string
		for _, tick := range ticks(tt.end.Add(-tt.length), tt.end, zone) {
			got = append(got, tick.Text)
		}
		if diff := cmp.Diff(tt.want, got); diff != "" {
			t.Errorf("%s %v (-want +got):\n%s", tt.zone, tt.end.In(zone), diff)
		}
	}
}

// TestMoments: as much of a time as tells it from now.
func TestMoments(t *testing.T) {
	for _, tt := range []struct {
		at         time.Time
		short, ago string
	}{
		{time.Time{}, "", ""},
		{now, "15:09:26", "less than 1 s ago"},
		{now.Add(-59 * time.Second), "15:08:27", "59 s ago"},
		{now.Add(-100 * time.Second), "15:07:46", "1 min ago"},
		{now.Add(-26*time.Hour - 100*time.Second), "13 Mar 13:07", "1 d 2 h ago"},
		{now.Add(-1000 * time.Hour), "31 Jan 23:09", "41 d ago"},
		{now.Add(-400 * day_), "7 Feb 2025", "400 d ago"},
		{now.Add(time.Minute), "15:10:26", ""}, // the clock was set back
	} {
		if got := momentAt(tt.at, now, time.UTC); got.Short != tt.short || got.Ago != tt.ago {
			t.Errorf("%v is %q, %q; want %q, %q", tt.at, got.Short, got.Ago, tt.short, tt.ago)
		}
	}
}

// TestMomentsToBeKept: a page that is kept says of which day and year a time is,
// and every page which zone it is in, if that is not the one at its foot.
func TestMomentsToBeKept(t *testing.T) {
	berlin, err := time.LoadLocation("Europe/Berlin")
	if err != nil {
		t.Fatal(err)
	}
	winter := time.Date(2026, 11, 22, 14, 0, 0, 0, time.UTC)
	summer := time.Date(2026, 9, 1, 14, 0, 0, 0, time.UTC)
	kept, live := writer{now: winter, zone: berlin}, writer{now: winter, zone: berlin, linked: true}
	for _, tt := range []struct{ got, want string }{
		{kept.moment(winter).Short, "22 Nov 2026 15:00"}, {kept.moment(summer).Short, "1 Sep 2026 16:00 CEST"}, {kept.moment(time.Time{}).Short, ""},
		{live.moment(winter).Short, "15:00:00"}, {live.moment(summer).Short, "1 Sep 16:00 CEST"},
	} {
		if tt.got != tt.want {
			t.Errorf("%q, want %q", tt.got, tt.want)
		}
	}
}

// TestTook: a run that takes a moment takes more than none.
func TestTook(t *testing.T) {
	for took, want := range map[time.Duration]string{640 * time.Microsecond: "0.6 ms", 99 * time.Millisecond: "99.0 ms", 800 * time.Millisecond: "0.8 s", 61 * time.Second: "1 min 1 s"} {
		if got := tookWords(took); got != want {
			t.Errorf("%v is %q, want %q", took, got, want)
		}
	}
}

// periodOf is what all checks of a world were like for some time.
func (w *world) periodOf(length time.Duration) period.Report {
	w.Helper()
	r := period.Report{SchemaVersion: 1, Type: period.Type, Version: "1.2.3", MadeAt: now, From: now.Add(-length), To: now}
	for _, name := range []string{"shop", "bank", hostileName, "wave"} {
		c, err := w.store.Period(name, r.From, r.To, nil)
		if err != nil {
			w.Fatal(err)
		}
		r.Checks = append(r.Checks, c)
	}
	return r
}

// TestPeriod: one file with everything in it.
func TestPeriod(t *testing.T) {
	w := shown(t)
	var out bytes.Buffer
	if err := Period(&out, w.periodOf(60*day_), time.UTC); err != nil {
		t.Fatal(err)
	}
	page := out.String()
	for _, part := range []string{
		"From 2026-01-13 15:09:26 UTC to 2026-03-14 15:09:26 UTC", "the box moved from", "first seen", " that are known; by runs ", "Run 717 against run", `class="timeline"`,
		`<script type="application/json" id="report">{"schema_version":1,"type":"period"`, "<style>:root", escaped(hostileName),
	} {
		if !strings.Contains(page, part) {
			t.Errorf("the page lacks %q", part)
		}
	}
	for _, bad := range []string{"<script>", "<link", ` src=`, `href="/`, "@import", "url("} {
		if strings.Contains(page, bad) {
			t.Errorf("the page has %s", bad)
		}
	}
	out.Reset()
	if err := Period(&out, period.Report{MadeAt: now, From: now.Add(-day_), To: now}, nil); err != nil || !strings.Contains(out.String(), "Nothing was watched.") {
		t.Errorf("of nothing: %v\n%s", err, out.String())
	}
}

// TestManyChanges: those that a page has no room for are counted.
func TestManyChanges(t *testing.T) {
	c := period.Check{Check: "shop", From: now.Add(-day_), To: now}
	for i := range 3 * maxChanges {
		c.Changes = append(c.Changes, period.Change{Run: int64(i + 1)})
	}
	v := writer{now: now, zone: time.UTC}.past(c)
	if len(v.Changes) != maxChanges || v.Changes[0].Run != 3*maxChanges || v.Changed() != 3*maxChanges {
		t.Errorf("%d of %d changes, the first of run %d", len(v.Changes), v.Changed(), v.Changes[0].Run)
	}
	var out bytes.Buffer
	if err := Period(&out, period.Report{MadeAt: now, From: c.From, To: now, Checks: []period.Check{c}}, nil); err != nil {
		t.Fatal(err)
	}
	if !strings.Contains(out.String(), "100 before these are left out here.") {
		t.Error("the page does not say that there were more")
	}
}

// TestBoxesWhereTheClockIsPutBack: which was seen last is no matter of the
// clock on the wall.
func TestBoxesWhereTheClockIsPutBack(t *testing.T) {
	berlin, err := time.LoadLocation("Europe/Berlin")
	if err != nil {
		t.Fatal(err)
	}
	summer := time.Date(2026, 10, 25, 0, 50, 0, 0, time.UTC) // 02:50, and a quarter of an hour later it is 02:05
	winter := summer.Add(15 * time.Minute)
	box := func(last time.Time, runs int) period.Box { return period.Box{First: summer, Last: last, Runs: runs} }
	c := period.Check{From: summer, To: winter, Questions: []period.Question{{Boxes: []period.Box{box(summer, 1), box(winter, 2)}}}}
	if v := (writer{now: now, zone: berlin}).past(c); v.Boxes[0].Runs != 2 {
		t.Errorf("the box that was seen last is not the first: %+v", v.Boxes)
	}
}
