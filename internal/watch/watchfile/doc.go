// Package watchfile reads the file that says what rstprobe watch does: which
// checks there are, how often each runs, what it takes to believe a change,
// and how long results are kept. docs/watch.md describes every key.
//
// Whatever is wrong in a file is shown in place, by line and column. Nothing
// is resolved, opened or sent.
package watchfile

import (
	"net/netip"
	"time"

	"github.com/rstprobe/rstprobe/internal/diagnosis"
	"github.com/rstprobe/rstprobe/internal/watch/alert"
	"github.com/rstprobe/rstprobe/probe"
)

// File is what a file says, with the defaults filled in.
type File struct {
	Listen      netip.AddrPort // of the HTTP server
	HTTP        HTTP
	Store       string // path of the database
	Concurrency int    // runs at a time: 1 … MaxConcurrency
	Retention   Retention
	Checks      []Check // in the order of the file; at least one
	ExternalURL string  // at which people reach the pages; "": not known
	Alerts      []alert.Receiver
}

// Retention bounds what is kept.
type Retention struct {
	Age     time.Duration // runs that are older go
	Rollups time.Duration // roll-ups that are older go
	Bytes   int64         // the oldest runs and roll-ups go until the database is no larger
}

// Check is one thing that is watched.
type Check struct {
	Name           string // unique in the file
	Target         probe.Target
	Questions      []diagnosis.Question // at least one
	Controls       []string             // empty: chosen for each test name
	ControlAddress netip.Addr           // invalid: none
	Interval       time.Duration        // from the beginning of a run to that of the next one
	Jitter         float64              // the random delay of each run, at most this share of Interval: 0 … MaxJitter
	Confirm        int                  // how many re-tests must agree before a change counts; 0: none is made
	Of             int                  // of at most how many re-tests; at least Confirm
	Retest         []time.Duration      // before each re-test; the last one is for all later ones, too. Never empty
	Labels         map[string]string    // of rstprobe_check_info; nil: none
}

// Tests are the questions as a check asks them.
type Tests struct {
	SYN       bool
	SNI, Host Names
}

// Names are the values of sni or host.
type Names struct {
	Own   bool // the target's own name
	Off   bool // not even by default
	Names []string
}

// Ask turns the tests of a check into questions, as the command line does. Its
// error says what is wrong with them.
type Ask func(t Tests, target probe.Target, controls []string) ([]diagnosis.Question, error)

// Defaults.
const (
	DefaultListen      = "127.0.0.1:9315"
	DefaultStore       = "rstprobe.db"
	DefaultConcurrency = 4                    // runs wait more than they send
	DefaultAge         = 30 * 24 * time.Hour  // a month, to compare with the one before
	DefaultRollups     = 400 * 24 * time.Hour // a year, to compare with the one before
	DefaultBytes       = 1 << 30              // about 300,000 runs of 3 KB
	DefaultInterval    = 5 * time.Minute
	DefaultJitter      = 0.2 // a strict period is a fingerprint
	DefaultConfirm     = 3
)

// defaultRetest spreads the re-tests: over a lost packet, over a route that
// settles, and over what a test leaves blocked for a while.
var defaultRetest = []time.Duration{3 * time.Second, 30 * time.Second, 200 * time.Second}

// Limits.
const (
	MaxChecks      = 1000
	MaxConcurrency = 64 // each run guards 256 local ports
	MaxName        = 100
	MaxJitter      = 0.5 // a run may not drift into the slot of the next one
	MaxConfirm     = 10
	MinInterval    = time.Second
	MaxInterval    = 7 * 24 * time.Hour
	minRetest      = 100 * time.Millisecond
	maxRetest      = time.Hour
	minAge         = time.Hour
	maxAge         = 10 * 365 * 24 * time.Hour
	minBytes       = 1 << 20 // an empty database and a few runs
	maxBytes       = 1 << 40
	maxLabels      = 10
)
