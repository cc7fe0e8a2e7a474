package probe

import (
	"slices"

	"github.com/rstprobe/rstprobe/internal/flow"
)

// missing is how to have what records from ordinary sockets lack.
const missing = "allow raw sockets (sudo setcap cap_net_raw=p \"$(command -v rstprobe)\") and run again: they show the headers that ordinary ones hide, and what comes behind a reset"

// onSockets reports whether the trials were made on ordinary sockets, whose
// records lack most of what headers tell; see flow.Kernel.
func (f *Findings) onSockets() bool { return fromSockets(f.Tests) || fromSockets(f.Leading) }

func fromSockets(obs []Observation) bool {
	return slices.ContainsFunc(obs, func(o Observation) bool { return o.Source == flow.Kernel })
}

// withTTL are the tests of which the remaining TTL of what came is known.
func (f *Findings) withTTL() []Observation {
	if f.onSockets() {
		return f.Exact
	}
	return f.Tests
}

// withMissing adds to a verdict that leaves something open how to have what
// records from ordinary sockets lack.
func withMissing(v Verdict) Verdict {
	if v.Next != "" {
		v.Next = missing + "; otherwise: " + v.Next
	}
	return v
}
