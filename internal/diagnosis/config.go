package diagnosis

import (
	"net/netip"
	"time"

	"github.com/rstprobe/rstprobe/internal/payload"
	"github.com/rstprobe/rstprobe/internal/residual"
	"github.com/rstprobe/rstprobe/probe"
)

// TraceMode says when the path is searched for a box.
type TraceMode string

// The trace modes.
const (
	TraceAuto   TraceMode = "auto"   // when something interferes
	TraceAlways TraceMode = "always" // the path is traced in any case
	TraceNever  TraceMode = "never"
)

// Question is one test that was asked for.
type Question struct {
	Kind probe.Kind
	Name string // "" for a SYN
}

// Config is one diagnosis. The zero value of a field means its default.
type Config struct {
	Exchanger      probe.Exchanger  // required
	Target         probe.Target     // required, resolved
	Source         netip.Addr       // our address, for the result
	Questions      []Question       // required
	Controls       []string         // harmless names; default: DefaultControl of the test name
	ControlAddress netip.Addr       // an address known to be good that shares the path; invalid: none
	Trace          TraceMode        // default TraceAuto
	MaxTTL         int              // 1 … 64, default 30
	Repeat         int              // tests per question, and votes per location; default 3
	Shape          payload.Shape    // default payload.Plain
	Profile        probe.Profile    // of our SYNs
	Timeout        time.Duration    // longest wait for a silent answer; default max(4 RTT, 1 s)
	Flows          int              // flow classes in which a finding is repeated: 1 … 16, default 1
	Characterize   bool             // find out which exact thing triggers
	Gateway        bool             // the way to the target begins with a router
	MaxWait        time.Duration    // longest wait for residual blocks to end, all waits together; 0: nothing is waited for
	Ledger         *residual.Ledger // of what must be left alone until when; nil: one of this run alone
	Seed           uint64           // of the order of trials and of random names
	Progress       func(Progress)   // told what is being tried, whenever that changes; nil: nobody
}
