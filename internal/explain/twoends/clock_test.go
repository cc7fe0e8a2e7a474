package twoends_test

import (
	"math"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/rstprobe/rstprobe/internal/explain/twoends"
)

func TestClock(t *testing.T) {
	const hour = time.Hour
	tests := []struct {
		name  string
		clock func(time.Duration) time.Duration
		drift float64
		steps int
		want  time.Duration // of the offset
	}{
		{name: "the same", clock: func(d time.Duration) time.Duration { return d }},
		{name: "ahead", clock: func(d time.Duration) time.Duration { return d + hour }, want: hour},
		{name: "behind", clock: func(d time.Duration) time.Duration { return d - 37*time.Millisecond }, want: -37 * time.Millisecond},
		{
			name:  "fast",
			clock: func(d time.Duration) time.Duration { return d + d/10000 + hour }, drift: 100, want: hour,
		},
		{
			name:  "slow",
			clock: func(d time.Duration) time.Duration { return d - d/20000 }, drift: -50,
		},
		{
			name: "set forward",
			clock: func(d time.Duration) time.Duration {
				if d > 3*time.Minute {
					d += 2 * time.Second
				}
				return d
			},
			steps: 1,
		},
		{
			name: "set twice",
			clock: func(d time.Duration) time.Duration {
				switch {
				case d > 8*time.Minute:
					d += 500 * time.Millisecond
				case d > 3*time.Minute:
					d += 2 * time.Second
				}
				return d + hour
			},
			steps: 2, want: hour,
		},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			w := newWorld(t)
			w.clock = tt.clock
			for range 80 {
				w.served().another()
			}
			asks(w)
			toClient(w, 5, "a")
			w.trip().says(srv, page).trip()
			r := w.match()
			if diff := cmp.Diff("foreign a reset at client by on_path after request: M3 proved\ninterference", w.tell(r)); diff != "" {
				t.Errorf("-want +got:\n%s", diff)
			}
			c := r.Clock
			if !c.Known || c.Steps != tt.steps || math.Abs(c.Drift-tt.drift) > 2 {
				t.Errorf("%+v; want drift %v, %d steps", c, tt.drift, tt.steps)
			}
			if off := (c.Offset - tt.want).Abs(); off > c.Error || c.Error > oneWay+time.Millisecond {
				t.Errorf("%+v; want offset %v", c, tt.want)
			}
		})
	}
}

// TestClockOfOneDirection has nothing that came back.
func TestClockOfOneDirection(t *testing.T) {
	w := newWorld(t)
	w.send(cli, 2, "").wait(time.Second).send(cli, 2, "").trip()
	r := w.match()
	if r.Clock.Known || len(r.Pairs) != 1 {
		t.Errorf("%+v; want one pair and no clock", r)
	}
	if diff := cmp.Diff(twoends.ByOneISN, r.Pairs[0].By); diff != "" {
		t.Errorf("-want +got:\n%s", diff)
	}
}
