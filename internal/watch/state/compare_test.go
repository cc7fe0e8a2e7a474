package state

import (
	"testing"

	"github.com/rstprobe/rstprobe/probe"
)

// TestVagueness: of two readings that may be of one state, the one that says
// more comes first.
func TestVagueness(t *testing.T) {
	t.Parallel()
	box := func(author probe.Author, trigger probe.Trigger, after, at int) Axes {
		return Axes{Outcome: probe.Reset, Author: author, Trigger: trigger, Place: Place{AfterTTL: after, AtTTL: at}}
	}
	readings := []Axes{ // the more precise, the earlier
		box(probe.InPath, probe.TriggerSNI, 3, 4),
		box(probe.InPath, probe.TriggerSNI, 1, 9),
		box(probe.InPath, probe.TriggerSNI, 0, 0),
		box(probe.OnOrInPath, probe.TriggerSNI, 3, 4),
		box(probe.Undetermined, probe.TriggerSNI, 3, 4),
		box(probe.InPath, probe.TriggerUnknown, 3, 4),
		box(probe.Undetermined, probe.TriggerUnknown, 0, 0),
	}
	for i, a := range readings {
		if i > 0 && a.Vagueness() <= readings[i-1].Vagueness() {
			t.Errorf("%v is said to be no vaguer than %v", a, readings[i-1])
		}
		if changed := readings[0].Changed(a); len(changed) > 0 {
			t.Errorf("%v contradicts %v: %v", a, readings[0], changed)
		}
	}
}
