package period

import (
	"maps"
	"net/netip"
	"slices"
	"strings"
	"time"

	"github.com/rstprobe/rstprobe/internal/watch/state"
	"github.com/rstprobe/rstprobe/probe"
	"github.com/rstprobe/rstprobe/report"
	"github.com/rstprobe/rstprobe/traceroute"
)

// Diff is how two runs differ in what they found and in the path that they
// took.
type Diff struct {
	Before   Side                  `json:"before"`
	After    Side                  `json:"after"`
	Tests    report.List[TestDiff] `json:"tests"`    // by question; what either of them asked
	Hops     report.List[HopDiff]  `json:"hops"`     // from here to the server; empty unless both are Traced
	Diverges int                   `json:"diverges"` // the first TTL, of After, whose router is another one; 0: none is, or it is not known
}

// Side is one of two runs.
type Side struct {
	Run       int64         `json:"run"`
	StartedAt time.Time     `json:"started_at"`
	Verdict   probe.Overall `json:"verdict"`
	Summary   string        `json:"summary"`
	IP        netip.Addr    `json:"ip"`         // of the target; invalid, "" in JSON: not resolved
	ServerTTL int           `json:"server_ttl"` // 0: the server never answered
	Traced    bool          `json:"traced"`     // whether there are hops to compare
}

// TestDiff is how the answers to one question differ.
type TestDiff struct {
	Question state.Question          `json:"question"`
	Before   state.Axes              `json:"before"`  // the zero value: not asked
	After    state.Axes              `json:"after"`   // likewise
	Changed  report.List[state.Axis] `json:"changed"` // the axes that contradict each other; what a run could not tell contradicts nothing
}

// HopDiff is one router of either path. Routers are matched by their
// addresses, so that one more in front does not make all others differ.
type HopDiff struct {
	Change HopChange `json:"change"`
	Before *Hop      `json:"before"` // nil, null in JSON: it came
	After  *Hop      `json:"after"`  // nil, null in JSON: it went
}

// Hop is a router as a run saw it.
type Hop struct {
	TTL    int        `json:"ttl"`
	IP     netip.Addr `json:"ip"`     // invalid, "" in JSON: silent, or the server
	Server bool       `json:"server"` // the server answers here
	Name   string     `json:"name"`   // by reverse DNS; "": none, or not asked
	RTTMS  float64    `json:"rtt_ms"` // 0: silent
}

// HopChange says what became of a router.
type HopChange string

// What may become of a router.
const (
	Same    HopChange = "same"
	Moved   HopChange = "moved"   // the same router, at another TTL
	Changed HopChange = "changed" // another router at this TTL
	Came    HopChange = "came"
	Went    HopChange = "went"
	Unclear HopChange = "unclear" // it was silent in one of the two runs
)

// Compare compares two runs by their documents.
func Compare(before, after int64, a, b report.Document) Diff {
	d := Diff{Before: sideOf(before, a), After: sideOf(after, b)}
	was, is := state.Readings(a, a.StartedAt), state.Readings(b, b.StartedAt)
	all := maps.Clone(was)
	maps.Copy(all, is)
	for _, q := range slices.SortedFunc(maps.Keys(all), byQuestion) {
		t := TestDiff{Question: q, Before: was[q].Axes, After: is[q].Axes}
		if answered(t.Before) && answered(t.After) {
			t.Changed = t.Before.Changed(t.After)
		}
		d.Tests = append(d.Tests, t)
	}
	if d.Before.Traced && d.After.Traced {
		d.Hops = align(hopsOf(a), hopsOf(b))
		d.Diverges = diverges(d.Hops)
	}
	return d
}

// answered reports whether a run could tell.
func answered(a state.Axes) bool { return a.Known() && a.Outcome != probe.Inconclusive }

// Differs reports whether anything contradicts: an answer or a router.
func (d Diff) Differs() bool {
	return d.Before.Verdict != d.After.Verdict || d.Diverges > 0 ||
		slices.ContainsFunc(d.Tests, func(t TestDiff) bool { return len(t.Changed) > 0 })
}

func byQuestion(a, b state.Question) int { return strings.Compare(a.String(), b.String()) }

func sideOf(run int64, d report.Document) Side {
	return Side{
		Run: run, StartedAt: d.StartedAt, Verdict: d.Verdict.Outcome, Summary: d.Verdict.Summary, IP: d.Target.IP,
		ServerTTL: d.Path.ServerTTL, Traced: len(d.Path.Hops) > 0,
	}
}

// hopsOf are the hops up to the server; those behind it are none.
func hopsOf(d report.Document) []Hop {
	var out []Hop
	for _, h := range d.Path.Hops {
		hop := Hop{TTL: h.TTL, IP: h.IP, Name: h.Name, RTTMS: h.RTTMS, Server: h.Control == traceroute.FromServer || h.TTL == d.Path.ServerTTL}
		out = append(out, hop)
		if hop.Server {
			break
		}
	}
	return out
}

// same reports whether two hops are the same router. Silent ones are known to
// be nobody.
func (h Hop) same(g Hop) bool {
	return h.Server && g.Server || !h.Server && !g.Server && h.IP.IsValid() && h.IP == g.IP
}

// silent reports whether it is not known who is there.
func (h Hop) silent() bool { return !h.Server && !h.IP.IsValid() }

// align matches as many routers as it can, in order (longest common
// subsequence), and pairs what lies between two matches by its TTL.
func align(a, b []Hop) []HopDiff {
	common := make([][]int, len(a)+1) // common[i][j]: matches in a[i:], b[j:]
	for i := range common {
		common[i] = make([]int, len(b)+1)
	}
	for i := len(a) - 1; i >= 0; i-- {
		for j := len(b) - 1; j >= 0; j-- {
			common[i][j] = max(common[i+1][j], common[i][j+1])
			if a[i].same(b[j]) {
				common[i][j] = max(common[i][j], 1+common[i+1][j+1])
			}
		}
	}
	var out []HopDiff
	i, j := 0, 0
	for from, until := 0, 0; i < len(a) || j < len(b); from, until = i, j {
		for i < len(a) && j < len(b) && !(a[i].same(b[j]) && common[i][j] == 1+common[i+1][j+1]) {
			if common[i+1][j] >= common[i][j+1] {
				i++
			} else {
				j++
			}
		}
		if i == len(a) || j == len(b) {
			return append(out, between(a[from:], b[until:])...)
		}
		out = append(out, between(a[from:i], b[until:j])...)
		change := Same
		if a[i].TTL != b[j].TTL {
			change = Moved
		}
		out = append(out, HopDiff{change, &a[i], &b[j]})
		i, j = i+1, j+1
	}
	return out
}

// between pairs hops none of which match. As many as both paths have take each
// other's place; silence takes nobody's.
func between(a, b []Hop) []HopDiff {
	var out []HopDiff
	both := min(len(a), len(b))
	for i := range both {
		change := Changed
		if a[i].silent() || b[i].silent() {
			change = Unclear
		}
		if a[i].silent() && b[i].silent() && a[i].TTL == b[i].TTL {
			change = Same
		}
		out = append(out, HopDiff{change, &a[i], &b[i]})
	}
	for i := range a[both:] {
		out = append(out, HopDiff{Went, &a[both+i], nil})
	}
	for i := range b[both:] {
		out = append(out, HopDiff{Came, nil, &b[both+i]})
	}
	return out
}

// diverges is the TTL, in the second path, of the first router that differs.
func diverges(hops []HopDiff) int {
	for _, h := range hops {
		switch h.Change {
		case Changed, Came:
			return h.After.TTL
		case Went:
			return h.Before.TTL
		case Same, Moved, Unclear:
		}
	}
	return 0
}
