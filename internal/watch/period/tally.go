package period

import (
	"maps"
	"math"
	"slices"
	"time"

	"github.com/rstprobe/rstprobe/internal/watch/state"
	"github.com/rstprobe/rstprobe/probe"
	"github.com/rstprobe/rstprobe/report"
)

// Hour is what the runs of a check were like that began within one hour (UTC).
type Hour struct {
	Start time.Time `json:"hour"`
	Tally
}

// Tally counts runs. The zero value is that of none. Tallies add up: that of a
// year is the sum of those of its hours. As JSON it is what the store keeps,
// and there what is zero is left out.
type Tally struct {
	Runs        int                        `json:"runs"`
	Retests     int                        `json:"retests,omitzero"`
	Interrupted int                        `json:"interrupted,omitzero"`
	Lookups     int                        `json:"lookup_failures,omitzero"`
	Trouble     int                        `json:"in_own_network_trouble,omitzero"`
	Packets     int                        `json:"packets_sent,omitzero"`
	Dropped     int                        `json:"packets_dropped,omitzero"`
	Verdicts    map[probe.Overall]int      `json:"verdicts,omitempty"`
	Duration    Spread                     `json:"duration_ms,omitzero"`
	Connect     Spread                     `json:"connect_ms,omitzero"`
	Questions   map[state.Question]Answers `json:"questions,omitempty"`
}

// Answers are what runs showed of one question.
type Answers struct {
	Asked    int                   `json:"asked"`
	Outcomes map[probe.Outcome]int `json:"outcomes,omitempty"` // of the readings that told something
	Boxes    []Box                 `json:"boxes,omitempty"`    // by first sight; at most maxBoxes
}

// maxBoxes is how many different readings of boxes a tally has for one
// question. More in one hour are noise, and must not fill a store.
const maxBoxes = 8

// Told is how many readings told something.
func (a Answers) Told() int {
	n := 0
	for _, k := range a.Outcomes {
		n += k
	}
	return n
}

// Run is what a tally needs of a run besides its document.
type Run struct {
	Ended        time.Time
	Retest       bool
	LookupFailed bool
	Trouble      bool                      // our own network was in trouble
	Told         func(state.Question) bool // whether the run told something of a question
}

// TallyOf is the tally of one run.
func TallyOf(doc report.Document, r Run) Tally {
	t := Tally{
		Runs: 1, Retests: one(r.Retest), Interrupted: one(doc.Interrupted), Lookups: one(r.LookupFailed), Trouble: one(r.Trouble),
		Packets: doc.PacketsSent, Dropped: doc.PacketsDropped, Verdicts: map[probe.Overall]int{doc.Verdict.Outcome: 1},
		Duration: SpreadOf(doc.DurationMS), Questions: map[state.Question]Answers{},
	}
	if ms, ok := Connect(doc); ok {
		t.Connect = SpreadOf(ms)
	}
	for q, reading := range state.Readings(doc, r.Ended) {
		a := Answers{Asked: 1}
		if r.Told(q) {
			a.Outcomes = map[probe.Outcome]int{reading.Axes.Outcome: 1}
			if reading.Axes.Interferes() {
				a.Boxes = []Box{{Axes: reading.Axes, First: r.Ended, Last: r.Ended, Runs: 1}}
			}
		}
		t.Questions[q] = a
	}
	return t
}

func one(b bool) int {
	if b {
		return 1
	}
	return 0
}

// Connect is how many milliseconds the fastest ordinary handshake with the
// target took in a run; false: none was made.
func Connect(doc report.Document) (ms float64, ok bool) {
	for _, a := range doc.Attempts {
		if a.ConnectedMS == nil || a.Manner != report.Ordinary || a.IP != doc.Target.IP || a.Port != doc.Target.Port {
			continue
		}
		if !ok || *a.ConnectedMS < ms {
			ms, ok = *a.ConnectedMS, true
		}
	}
	return ms, ok
}

// Plus is the sum of two tallies, which stay as they are.
func (t Tally) Plus(u Tally) Tally {
	questions := maps.Clone(t.Questions)
	for q, a := range u.Questions {
		if questions == nil {
			questions = map[state.Question]Answers{}
		}
		questions[q] = questions[q].plus(a)
	}
	return Tally{
		Runs: t.Runs + u.Runs, Retests: t.Retests + u.Retests, Interrupted: t.Interrupted + u.Interrupted, Lookups: t.Lookups + u.Lookups,
		Trouble: t.Trouble + u.Trouble, Packets: t.Packets + u.Packets, Dropped: t.Dropped + u.Dropped, Verdicts: sum(t.Verdicts, u.Verdicts),
		Duration: t.Duration.plus(u.Duration), Connect: t.Connect.plus(u.Connect), Questions: questions,
	}
}

func (a Answers) plus(b Answers) Answers {
	out := Answers{Asked: a.Asked + b.Asked, Outcomes: sum(a.Outcomes, b.Outcomes), Boxes: slices.Clone(a.Boxes)}
	for _, x := range b.Boxes {
		i := slices.IndexFunc(out.Boxes, func(y Box) bool { return x.Axes == y.Axes })
		switch {
		case i >= 0:
			out.Boxes[i] = out.Boxes[i].plus(x)
		case len(out.Boxes) < maxBoxes:
			out.Boxes = append(out.Boxes, x)
		}
	}
	return out
}

// plus is a box after it was seen at other times, too.
func (b Box) plus(c Box) Box {
	if c.First.Before(b.First) {
		b.First = c.First
	}
	if c.Last.After(b.Last) {
		b.Last = c.Last
	}
	b.Runs += c.Runs
	return b
}

// sum adds counts by key; nil is the sum of none.
func sum[K comparable](a, b map[K]int) map[K]int {
	out := maps.Clone(a)
	if out == nil && len(b) > 0 {
		out = map[K]int{}
	}
	for k, n := range b {
		out[k] += n
	}
	return out
}

// Spread is what many durations are like, in milliseconds. It is a histogram
// whose classes grow by an eighth of an octave, so that spreads add up, and
// the median of a year follows from those of its hours: it is off by half a
// class, 4.4 %, at most.
type Spread struct {
	Min  float64     `json:"min"`  // 1 µs resolution
	Max  float64     `json:"max"`  // likewise
	Bins map[int]int `json:"bins"` // how many, by class: class n begins at 2^(n/8) µs; 0 is below 1 µs, too
}

const (
	perOctave = 8              // classes
	lastBin   = 46 * perOctave // 2^46 µs are two years; no run takes as long
)

// SpreadOf is that of one duration.
func SpreadOf(ms float64) Spread {
	ms = math.Round(max(0, ms)*1000) / 1000
	bin := 0
	if us := ms * 1000; us > 1 {
		bin = min(lastBin, int(math.Floor(perOctave*math.Log2(us))))
	}
	return Spread{Min: ms, Max: ms, Bins: map[int]int{bin: 1}}
}

// IsZero reports whether it is the spread of nothing.
func (s Spread) IsZero() bool { return len(s.Bins) == 0 }

func (s Spread) plus(t Spread) Spread {
	switch {
	case s.IsZero():
		return t
	case t.IsZero():
		return s
	}
	return Spread{Min: min(s.Min, t.Min), Max: max(s.Max, t.Max), Bins: sum(s.Bins, t.Bins)}
}

// Summary is the spread in three numbers; nil: it is that of nothing.
func (s Spread) Summary() *Summary {
	if s.IsZero() {
		return nil
	}
	total := 0
	for _, n := range s.Bins {
		total += n
	}
	left, median := (total+1)/2, 0
	for _, bin := range slices.Sorted(maps.Keys(s.Bins)) {
		if left -= s.Bins[bin]; left <= 0 {
			median = bin
			break
		}
	}
	middle := math.Round(math.Exp2((float64(median)+0.5)/perOctave)) / 1000
	return &Summary{Min: s.Min, Median: min(s.Max, max(s.Min, middle)), Max: s.Max}
}
