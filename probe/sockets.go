package probe

import (
	"slices"

	"github.com/rstprobe/rstprobe/internal/flow"
)

// missing is how to have what records from ordinary sockets lack.
const missing = "allow raw sockets (sudo setcap cap_net_raw=p \"$(command -v rstprobe)\") and run again: they show the headers that ordinary ones hide, and what comes behind a reset"

// onLinux is the same for systems whose sockets tell even less.
const onLinux = "measure from a Linux machine on the same network, with raw sockets if it may: there packets show how far they have travelled, what was acknowledged, and what comes behind a reset"

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

// untold reports whether not even what was acknowledged is known.
func untold(obs []Observation) bool {
	return slices.ContainsFunc(obs, func(o Observation) bool { return o.Untold })
}

// withMissing adds to a verdict that leaves something open how to have what
// records from ordinary sockets lack; deaf says that they are untold.
func withMissing(v Verdict, deaf bool) Verdict {
	how := missing
	if deaf {
		how = onLinux
	}
	if v.Next != "" {
		v.Next = how + "; otherwise: " + v.Next
	}
	return v
}
