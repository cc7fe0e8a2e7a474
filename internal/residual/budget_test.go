package residual_test

import (
	"context"
	"testing"
	"testing/synctest"
	"time"

	"github.com/rstprobe/rstprobe/internal/residual"
)

func TestBudget(t *testing.T) {
	const s = time.Second
	for _, tt := range []struct {
		name   string
		max    time.Duration
		cancel time.Duration // after the start; 0: never
		waits  []time.Duration
		want   []bool
		spent  time.Duration
	}{
		{"within", 10 * s, 0, []time.Duration{3 * s, 7 * s}, []bool{true, true}, 10 * s},
		{"more than is left", 10 * s, 0, []time.Duration{8 * s, 3 * s, s}, []bool{true, false, false}, 10 * s},
		{"nothing to wait for", 0, 0, []time.Duration{0, -s}, []bool{true, true}, 0},
		{"no budget", 0, 0, []time.Duration{s}, []bool{false}, 0},
		{"interrupted", 10 * s, 2 * s, []time.Duration{5 * s, s, 0}, []bool{false, false, false}, 2 * s},
	} {
		t.Run(tt.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				ctx, cancel := context.WithCancel(t.Context())
				defer cancel()
				if tt.cancel > 0 {
					defer time.AfterFunc(tt.cancel, cancel).Stop()
				}
				b := residual.Budget{Max: tt.max}
				begun := time.Now()
				for i, d := range tt.waits {
					if got := b.Wait(ctx, d); got != tt.want[i] {
						t.Errorf("wait %d of %v: %v, want %v", i, d, got, tt.want[i])
					}
				}
				if b.Spent != tt.spent || time.Since(begun) != tt.spent || b.Left() != tt.max-tt.spent {
					t.Errorf("spent %v in %v, left %v; want %v of %v", b.Spent, time.Since(begun), b.Left(), tt.spent, tt.max)
				}
			})
		})
	}
}
