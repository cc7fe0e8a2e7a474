package probe

import (
	"slices"
	"strings"
	"testing"
)

// TestUnhealthy: where the controls fail as well, every item is shown once,
// since it speaks for nobody, and the next step fits how they fail.
func TestUnhealthy(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		name string
		all  *script // what every trial meets
		next string
	}{
		{"lost", dropped(), "--control"},
		{"acknowledged, and not answered in time", stalled(), "--timeout"},
		{"cut at one volume", fetched(40000, 16384, quiet), "--control-address"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			v := Decide(Findings{Kind: Host, Leading: times(3, tt.all), Trailing: times(3, tt.all), Tests: times(3, tt.all), Random: times(1, tt.all)})
			for _, e := range v.Evidence {
				if slices.ContainsFunc(v.Against, func(a Evidence) bool { return a.Rule == e.Rule }) {
					t.Errorf("%s speaks for and against", e.Rule)
				}
			}
			if v.Against == nil || !strings.Contains(v.Next, tt.next) {
				t.Errorf("against %v, next %q, want %s in it", v.Against, v.Next, tt.next)
			}
		})
	}
}
