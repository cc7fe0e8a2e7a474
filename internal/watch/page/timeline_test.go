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

// TestTimeline: what was short is still to be seen, what was worse is higher,
// and a pause is a gap.
func TestTimeline(t *testing.T) {
	from := now.Add(-400 * day_)
	at := func(d time.Duration) time.Time { return from.Add(d) }
	reset := state.Axes{Outcome: probe.Reset, Author: probe.InPath}
	q := period.Question{Question: state.Question{Kind: probe.SNI, Name: "shop.example"}, Spans: []period.Span{
		{Interval: period.Interval{From: from, To: at(100 * day_)}, Standing: period.Unwatched},
		{Interval: period.Interval{From: at(100 * day_), To: at(200 * day_)}, Standing: period.OK},
		{Interval: period.Interval{From: at(200 * day_), To: at(200*day_ + time.Minute)}, Standing: period.Interference, Axes: reset},
		{Interval: period.Interval{From: at(200*day_ + time.Minute), To: now.Add(-time.Minute)}, Standing: period.OK},
		{Interval: period.Interval{From: now.Add(-time.Minute), To: now}, Standing: period.Failing, Axes: state.Axes{Outcome: probe.Refused, Author: probe.Server}},
	}}
	line := timelineOf(q, period.Check{From: from, To: now}, time.UTC)
	var got []string
	for _, b := range line.Bars {
		got = append(got, strings.Join([]string{b.Class, b.X, b.Width}, " "))
	}
	want := []string{"ok 25.000% 25.000%", "interference 50.000% 0.350%", "ok 50.000% 50.000%", "failing 99.650% 0.350%"}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("bars (-want +got):\n%s", diff)
	}
	if h := line.Bars; h[1].Height <= h[3].Height || h[3].Height <= h[0].Height {
		t.Errorf("heights: ok %d, interference %d, failing %d", h[0].Height, h[1].Height, h[3].Height)
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
		"From 2026-01-13 15:09:26 UTC to 2026-03-14 15:09:26 UTC", "the box moved from", "first seen", "Run 717 against run", `class="timeline"`,
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
