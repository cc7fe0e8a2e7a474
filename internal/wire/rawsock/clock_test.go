package rawsock

import (
	"testing"
	"time"
)

func TestMonotonic(t *testing.T) {
	now := time.Now()
	wall := now.Round(0) // the realtime clock alone, as the kernel stamps
	floor := now.Add(-10 * time.Millisecond)
	for _, tt := range []struct {
		name   string
		kernel time.Time
		want   time.Duration // before now
	}{
		{"just stamped", wall, 0},
		{"a while ago", wall.Add(-3 * time.Millisecond), 3 * time.Millisecond},
		{"as old as can be", wall.Add(-10 * time.Millisecond), 10 * time.Millisecond},
		{"clock stepped back an hour since", wall.Add(time.Hour), 0},
		{"clock stepped forward an hour since", wall.Add(-time.Hour), 10 * time.Millisecond},
	} {
		t.Run(tt.name, func(t *testing.T) {
			got := monotonic(tt.kernel, now, floor)
			if age := now.Sub(got); age != tt.want {
				t.Errorf("%v before now, want %v", age, tt.want)
			}
			if got == got.Round(0) {
				t.Error("no monotonic reading")
			}
		})
	}
}
