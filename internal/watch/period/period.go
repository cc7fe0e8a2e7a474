// Package period says what a check was like between two times: its states and
// how long each lasted, how available that made it, what changed, which boxes
// were seen from when to when, and how two paths differ.
//
// It is pure: what was stored is given to it, and it opens nothing. Its types
// are what `rstprobe report --from … --to …` writes as JSON, and what pages
// draw. In JSON, an empty list is [], and a key never goes away.
package period

import (
	_ "embed" // for Schema
	"net/netip"
	"time"

	"github.com/rstprobe/rstprobe/internal/watch/state"
	"github.com/rstprobe/rstprobe/probe"
	"github.com/rstprobe/rstprobe/report"
)

// SchemaVersion is the version of the JSON. It changes only when a key changes
// its meaning or goes away, not when one is added.
const SchemaVersion = 1

// Schema is the JSON Schema (draft 2020-12) of a Report; a Diff by itself is
// its $defs/diff. It says what every key means.
//
//go:embed schema.json
var Schema string

// Report is what several checks were like between two times.
type Report struct {
	SchemaVersion int                `json:"schema_version"`
	Type          string             `json:"type"` // Type
	Version       string             `json:"rstprobe_version"`
	MadeAt        time.Time          `json:"made_at"`
	From          time.Time          `json:"from"`     // inclusive
	To            time.Time          `json:"to"`       // exclusive; not after MadeAt
	Checks        report.List[Check] `json:"checks"`   // by name
	Redacted      *int               `json:"redacted"` // how many hops are hidden; nil, null in JSON: nothing is
}

// Type is the type of a Report in JSON.
const Type = "period"

// Check is what one check was like between two times.
type Check struct {
	Check     string                `json:"check"`
	From      time.Time             `json:"from"`      // inclusive
	To        time.Time             `json:"to"`        // exclusive
	Questions report.List[Question] `json:"questions"` // by name
	Changes   report.List[Change]   `json:"changes"`   // that were sure within it, the oldest first
	Unwatched report.List[Interval] `json:"unwatched"` // when no run was made: watch did not run, or the check was not in its file
	Trouble   report.List[Interval] `json:"own_network_trouble"`
	Runs      Runs                  `json:"runs"`
	Series    report.List[Bucket]   `json:"series"` // at most maxBuckets, ascending; those without a run are left out
	Path      *Diff                 `json:"path"`   // before and after the last change, else of the first and last run; nil, null in JSON: fewer than two are kept
}

// Interval is a time from From on, and before To.
type Interval struct {
	From time.Time `json:"from"`
	To   time.Time `json:"to"`
}

// Question is what one question of a check showed.
type Question struct {
	Question     state.Question    `json:"question"` // in words: "syn", "sni shop.example"
	Spans        report.List[Span] `json:"spans"`    // one behind the other, without a hole, from Check.From to Check.To
	Availability Availability      `json:"availability"`
	Boxes        report.List[Box]  `json:"boxes"` // by first sight
}

// Span is a time in which nothing changed.
type Span struct {
	Interval
	Standing Standing   `json:"standing"`
	Axes     state.Axes `json:"axes"` // confirmed; while flapping, what was read last. The zero value unless Standing.Known()
}

// Standing says what is known of a time.
type Standing string

// The standings.
const (
	OK           Standing = "ok"           // connections are answered as they should be
	Interference Standing = "interference" // something between us and the server is to blame
	Failing      Standing = "failing"      // they are not answered as they should be, and nobody between is to blame
	Flapping     Standing = "flapping"     // it turns too often to be one of these
	Unknown      Standing = "unknown"      // there were runs, but they told nothing: controls did badly, the name did not resolve
	Trouble      Standing = "own_network_trouble"
	Unwatched    Standing = "unwatched" // there was no run
)

// Standings are all of them, the best known first.
func Standings() []Standing {
	return []Standing{OK, Interference, Failing, Flapping, Unknown, Trouble, Unwatched}
}

// Known reports whether a standing says anything about what is watched.
func (s Standing) Known() bool {
	switch s {
	case OK, Interference, Failing, Flapping:
		return true
	case Unknown, Trouble, Unwatched:
	}
	return false
}

// Availability says for how long connections were answered as they should be.
// Only time counts of which the state is known: neither a pause of watch nor
// trouble of our own network is an outage of what is watched. Flapping is known
// not to be fine. Runs are counted by whole hours, as in Runs.
type Availability struct {
	Share   *float64              `json:"share"`    // OK of all that is known, 0 … 1; nil, null in JSON: nothing is
	KnownS  float64               `json:"known_s"`  // seconds whose state is known
	Seconds map[Standing]float64  `json:"seconds"`  // of every standing, 0 included; together the whole period
	Told    int                   `json:"told"`     // runs, re-tests included, that told something
	Fine    int                   `json:"fine"`     // of those, in which connections were answered as they should be
	ByRuns  *float64              `json:"by_runs"`  // Fine of Told, 0 … 1; nil, null in JSON: none told anything
	Asked   int                   `json:"asked"`    // runs that asked the question
	Results map[probe.Outcome]int `json:"outcomes"` // of those that told something
}

// Change is a change and the run that made it sure. In JSON its from and to
// are states, not times.
type Change struct {
	Run int64 `json:"run"` // it may have been deleted since
	state.Change
}

// Box is something between us and the server that acted.
type Box struct {
	Axes  state.Axes `json:"axes"`          // the most precise of the readings that agree with each other
	First time.Time  `json:"first_seen_at"` // within the hours (UTC) that the period touches
	Last  time.Time  `json:"last_seen_at"`  // likewise
	Runs  int        `json:"runs"`          // in which it was seen, likewise
}

// Runs are what the runs of a check were like. They are counted by whole hours
// (UTC), so that those of an hour that only began before From count, too.
type Runs struct {
	CountedFrom time.Time             `json:"counted_from"` // a whole hour
	CountedTo   time.Time             `json:"counted_to"`   // likewise, exclusive
	Total       int                   `json:"total"`
	Retests     int                   `json:"retests"`                // of them
	Interrupted int                   `json:"interrupted"`            // of them, since watch was stopped
	Lookups     int                   `json:"lookup_failures"`        // of them, in which the name did not resolve
	Trouble     int                   `json:"in_own_network_trouble"` // of them
	Packets     int                   `json:"packets_sent"`
	Dropped     int                   `json:"packets_dropped"` // by our own kernel
	Verdicts    map[probe.Overall]int `json:"verdicts"`
	Duration    *Summary              `json:"duration_ms"` // nil, null in JSON: no run
	Connect     *Summary              `json:"connect_ms"`  // of the fastest handshake with the target in each run; nil, null in JSON: none was made
}

// Bucket is one of the stretches of equal length that a period is cut into, to
// be drawn.
type Bucket struct {
	Interval
	Runs     int                   `json:"runs"`
	Verdicts map[probe.Overall]int `json:"verdicts"`
	Duration *Summary              `json:"duration_ms"` // as in Runs
	Connect  *Summary              `json:"connect_ms"`  // likewise
}

// Summary is what many durations are like, in milliseconds.
type Summary struct {
	Min    float64 `json:"min"`
	Median float64 `json:"median"` // off by 5 % at most; see Spread
	Max    float64 `json:"max"`
}

// Known is a document with the routers that a report names, and their
// distances: what a report.Redactor must know of it. The names of checks were
// chosen by the user and are shown.
func (r Report) Known() report.Document {
	var d report.Document
	router := func(ttl int, ip netip.Addr) {
		if ip.IsValid() {
			d.Path.Hops = append(d.Path.Hops, report.Hop{TTL: ttl, IP: ip})
		}
	}
	place := func(a state.Axes) { router(a.Place.AtTTL, a.Place.AtIP) }
	for _, c := range r.Checks {
		d.Target.Input += " " + c.Check
		for _, q := range c.Questions {
			for _, s := range q.Spans {
				place(s.Axes)
			}
			for _, b := range q.Boxes {
				place(b.Axes)
			}
		}
		for _, x := range c.Changes {
			place(x.From)
			place(x.To)
		}
	}
	return d
}
