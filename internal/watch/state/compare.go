package state

import "github.com/rstprobe/rstprobe/probe"

// Changed are the axes on which a later reading contradicts an earlier one;
// empty: it may be the same state. What the later one could not tell
// contradicts nothing.
func (a Axes) Changed(now Axes) []Axis { return differing(a, now) }

// Vagueness orders readings that may be of one state: the more is known, the
// smaller.
func (a Axes) Vagueness() int {
	const (
		widest  = 1 << 8  // above the width of any segment
		unnamed = 1 << 9  // above that of all segments
		unclear = 1 << 10 // above both
	)
	n := widest
	if a.Place.known() {
		n = a.Place.width()
	}
	switch a.Author {
	case probe.Undetermined, "":
		n += 2 * unnamed
	case probe.OnOrInPath:
		n += unnamed
	case probe.Server, probe.ServerSide, probe.OnPath, probe.InPath, probe.OwnSide:
	}
	if a.Trigger == probe.TriggerUnknown {
		n += 2 * unclear
	}
	return n
}
