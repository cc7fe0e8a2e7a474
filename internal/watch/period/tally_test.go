package period

import (
	"encoding/json"
	"math"
	"math/rand/v2"
	"net/netip"
	"slices"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/rstprobe/rstprobe/internal/watch/state"
	"github.com/rstprobe/rstprobe/probe"
	"github.com/rstprobe/rstprobe/report"
)

// result is a document: "" is one that found nothing out.
func result(outcome probe.Outcome, ms float64) report.Document {
	doc := report.Document{DurationMS: ms, PacketsSent: 100, PacketsDropped: 1, Verdict: report.Verdict{Outcome: probe.Clean}}
	doc.Target.IP, doc.Target.Port = netip.MustParseAddr("192.0.2.7"), 443
	test := report.Test{Kind: sni.Kind, Name: sni.Name, Outcome: outcome, Stage: probe.StageData, Author: probe.InPath, Trigger: probe.TriggerSNI, Counts: report.Counts{ControlTotal: 2}}
	if outcome == probe.Reset {
		doc.Verdict.Outcome, test.Location = probe.Interference, &report.Location{AfterTTL: 3, AtTTL: 4, AtIP: netip.MustParseAddr("10.9.3.2")}
	}
	doc.Tests = report.List[report.Test]{test}
	return doc
}

func always(state.Question) bool { return true }

// TestTallyOf: a run by everything that is counted of it.
func TestTallyOf(t *testing.T) {
	t.Parallel()
	doc := result(probe.Reset, 1234.5)
	connected := func(at float64) *float64 { return &at }
	doc.Attempts = report.List[report.Attempt]{
		{Manner: report.Ordinary, IP: doc.Target.IP, Port: 443, StartedMS: 100, ConnectedMS: connected(30)},
		{Manner: report.Ordinary, IP: doc.Target.IP, Port: 443, StartedMS: 200, ConnectedMS: connected(25)},
		{Manner: report.Ordinary, IP: doc.Target.IP, Port: 443, StartedMS: 90}, // no answer
		{Manner: report.Limited, IP: doc.Target.IP, Port: 443, StartedMS: 90, ConnectedMS: connected(1)},
		{Manner: report.Ordinary, IP: netip.MustParseAddr("192.0.2.8"), Port: 443, StartedMS: 90, ConnectedMS: connected(1)}, // a control address
	}
	got := TallyOf(doc, Run{Ended: hour(5), Retest: true, LookupFailed: true, Told: always})
	want := Tally{
		Runs: 1, Retests: 1, Lookups: 1, Packets: 100, Dropped: 1, Verdicts: map[probe.Overall]int{probe.Interference: 1},
		Duration: SpreadOf(1234.5), Connect: SpreadOf(25),
		Questions: map[state.Question]Answers{sni: {Asked: 1, Outcomes: map[probe.Outcome]int{probe.Reset: 1}, Boxes: []Box{{blocked, hour(5), hour(5), 1}}}},
	}
	if diff := cmp.Diff(want, got, addresses); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
	got = TallyOf(doc, Run{Ended: hour(5), Trouble: true, Told: func(state.Question) bool { return false }})
	if diff := cmp.Diff(Answers{Asked: 1}, got.Questions[sni]); diff != "" || got.Trouble != 1 {
		t.Errorf("a run that tells nothing (-want +got):\n%s", diff)
	}
}

// TestTalliesAddUp: in whatever order, by way of JSON or not, and without
// changing what is added.
func TestTalliesAddUp(t *testing.T) {
	t.Parallel()
	var runs []Tally
	for i := range 40 {
		outcome := probe.OK
		if i%3 == 0 {
			outcome = probe.Reset
		}
		runs = append(runs, TallyOf(result(outcome, float64(100+i*i)), Run{Ended: hour(float64(i)), Retest: i%5 == 0, Told: always}))
	}
	before, err := json.Marshal(runs)
	if err != nil {
		t.Fatal(err)
	}
	add := func(runs []Tally) (sum Tally) {
		for _, r := range runs {
			b, err := json.Marshal(sum)
			if err != nil {
				t.Fatal(err)
			}
			var again Tally
			if err := json.Unmarshal(b, &again); err != nil {
				t.Fatal(err)
			}
			sum = again.Plus(r)
		}
		return sum
	}
	forward := add(runs)
	backward := slices.Clone(runs)
	slices.Reverse(backward)
	if diff := cmp.Diff(forward, add(backward), addresses); diff != "" {
		t.Errorf("the order matters (-forward +backward):\n%s", diff)
	}
	if diff := cmp.Diff(forward, add(runs[:20]).Plus(add(runs[20:])), addresses); diff != "" {
		t.Errorf("halves do not add up (-whole +halves):\n%s", diff)
	}
	if a := forward.Questions[sni]; forward.Runs != 40 || forward.Retests != 8 || a.Told() != 40 || len(a.Boxes) != 1 || a.Boxes[0].Runs != 14 || a.Boxes[0].Last != hour(39) {
		t.Errorf("the sum is %+v", forward)
	}
	if after, err := json.Marshal(runs); err != nil || string(after) != string(before) {
		t.Errorf("adding has changed what was added, %v", err)
	}
}

// TestBoxesOfAnHourAreBounded: noise must not fill a store.
func TestBoxesOfAnHourAreBounded(t *testing.T) {
	t.Parallel()
	var sum Answers
	for i := range 100 {
		sum = sum.plus(Answers{Asked: 1, Boxes: []Box{{at(i, i+1, ""), hour(1), hour(1), 1}}})
	}
	if sum.Asked != 100 || len(sum.Boxes) != maxBoxes {
		t.Errorf("%d boxes of %d readings", len(sum.Boxes), sum.Asked)
	}
}

// TestMedian is that of the durations, but for half a class.
func TestMedian(t *testing.T) {
	t.Parallel()
	rng := rand.New(rand.NewPCG(3, 4))
	for range 300 {
		var all []float64
		var s Spread
		for range 1 + rng.IntN(200) {
			ms := math.Round(1000*math.Exp(rng.NormFloat64()*3)) / 1000
			all, s = append(all, ms), s.plus(SpreadOf(ms))
		}
		slices.Sort(all)
		got, want := s.Summary(), all[(len(all)-1)/2]
		if got.Min != all[0] || got.Max != all[len(all)-1] || got.Median > want*1.045+0.001 || got.Median < want/1.045-0.001 {
			t.Fatalf("%+v of %d durations, want %v, %v, %v", *got, len(all), all[0], want, all[len(all)-1])
		}
	}
	for _, ms := range []float64{0, -1, 0.0004, 1e15} {
		if s := SpreadOf(ms).Summary(); s.Median < s.Min || s.Median > s.Max {
			t.Errorf("%v: %+v", ms, s)
		}
	}
}
