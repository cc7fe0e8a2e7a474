// Package diagnosis asks all the questions about one target and puts the
// answers together: path, verdict per test, place of the box.
package diagnosis

import (
	"net/netip"
	"time"

	"github.com/rstprobe/rstprobe/internal/flow"
	"github.com/rstprobe/rstprobe/internal/residual"
	"github.com/rstprobe/rstprobe/probe"
	"github.com/rstprobe/rstprobe/traceroute"
)

// Result is everything found out about one target. It is valid at any
// moment: an interrupted diagnosis returns what it has.
type Result struct {
	Target      probe.Target
	Lookup      *Lookup // of its name; nil: none was needed
	Started     time.Time
	Duration    time.Duration
	Source      netip.Addr
	Outcome     probe.Overall
	Summary     string // one sentence a person can act on
	Tests       []Test
	Path        traceroute.Path
	Waited      time.Duration // of Duration, for residual blocks to end
	Rerouted    []int         // TTLs at which the route changed during the measurement
	Interrupted bool
	PacketsSent int
	PacketsLost int         // dropped by our own kernel
	Steps       []StepTaken // what was asked, in the order in which it was first asked
	Attempts    []Attempt   // everything that was carried out, in the order in which it was started
}

// Attempt is one trial and what was seen of it.
type Attempt struct {
	Question int // that it was made for, and so the test, from 1; 0: for all of them
	Trial    probe.Trial
	Record   flow.Record
}

// Test is the answer to one question.
type Test struct {
	Kind         probe.Kind
	Name         string   // "" for a SYN
	ControlNames []string // as sent
	Verdict      probe.Verdict
	Location     *traceroute.Location // nil unless located
	Boxes        []traceroute.Box     // all of them, where there are several; the nearest is the one at Location
	Residual     residual.Fact        // what failed tests leave behind; zero: nothing was seen of it
	Flows        []Flow               // by flow class; nil: not asked for, one path, or a test blocks the next one
	Matrix       []Variant            // what exactly triggers; nil: not asked for, or a test blocks the next one
}
