package period

import (
	"testing"
	"time"

	"github.com/rstprobe/rstprobe/internal/watch/state"
)

// TestWords: durations and shares at their edges.
func TestWords(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct{ got, want string }{
		{Lasting(0), "less than 1 s"}, {Lasting(999 * time.Millisecond), "less than 1 s"}, {Lasting(time.Second), "1 s"},
		{Lasting(90 * time.Second), "1 min 30 s"}, {Lasting(time.Hour - time.Millisecond), "1 h"},
		{Lasting(24*time.Hour - time.Second), "1 d"}, {Lasting(49 * time.Hour), "2 d 1 h"}, {Lasting(400 * 24 * time.Hour), "400 d"},
		{Percent(1), "100 %"}, {Percent(0.999999), "99.99 %"}, {Percent(0.99985), "99.98 %"}, {Percent(0.5), "50 %"}, {Percent(0), "0 %"}, {Percent(1e-7), "less than 0.01 %"}, {Percent(0.0001), "0.01 %"},
		{milliseconds(0.004), "0.004 ms"}, {milliseconds(1.2345), "1.23 ms"}, {milliseconds(12.345), "12.3 ms"}, {milliseconds(123456.7), "123457 ms"},
	} {
		if tt.got != tt.want {
			t.Errorf("%s, want %s", tt.got, tt.want)
		}
	}
}

// TestCells: as many as are asked for, each with what matters most of it.
func TestCells(t *testing.T) {
	t.Parallel()
	q := Question{Question: sni, Spans: []Span{
		{from(0, 10), OK, fine}, {from(10, 10.01), Interference, blocked}, {from(10.01, 12), OK, fine}, {from(12, 18), Unwatched, state.Axes{}},
		{from(18, 23), OK, fine}, {from(23, 24), Flapping, blocked},
	}}
	for n, want := range map[int]string{1: "X", 4: ".X-~", 24: "..........X.------.....~"} {
		if got := q.line(n); got != want {
			t.Errorf("in %d cells: %s, want %s", n, got, want)
		}
	}
	for n := 1; n < 300; n++ {
		for i, c := range q.Cells(n) {
			if c == "" {
				t.Fatalf("cell %d of %d is empty", i, n)
			}
		}
	}
	if got := (Question{}).line(3); got != "---" {
		t.Errorf("of nothing: %s", got)
	}
}
