package sweep_test

import (
	"errors"
	"math/rand/v2"
	"net/netip"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"github.com/rstprobe/rstprobe/internal/explain/sweep"
	"github.com/rstprobe/rstprobe/internal/flow"
	"github.com/rstprobe/rstprobe/internal/packet"
	"github.com/rstprobe/rstprobe/probe"
	"github.com/rstprobe/rstprobe/traceroute"
)

func TestExplain(t *testing.T) {
	t.Parallel()
	type want struct {
		Outcome    probe.Overall
		Author     probe.Author
		Cause      probe.Cause
		Confidence probe.Confidence
		After, At  int
		Method     traceroute.Method
	}
	clean := want{Outcome: probe.Clean, Author: probe.Server, Confidence: probe.Proved}
	for _, family := range []struct {
		name string
		v6   bool
	}{{"IPv4", false}, {"IPv6", true}} {
		for _, tt := range []struct {
			name   string
			world  world
			rounds int
			want   want
		}{
			{"nothing interferes", world{server: 8}, 3, clean},
			{"a tap", world{server: 8, box: tap, at: 4}, 3,
				want{probe.Interference, probe.OnPath, "M3", probe.Proved, 3, 4, traceroute.TimedSteps}},
			{"a tap at the first router", world{server: 8, box: tap, at: 1}, 3,
				want{probe.Interference, probe.OnPath, "M3", probe.Proved, 0, 1, traceroute.TimedSteps}},
			{"a tap behind a silent router", world{server: 8, box: tap, at: 4, silent: 3}, 3,
				want{probe.Interference, probe.OnPath, "M3", probe.Proved, 3, 4, traceroute.TimedSteps}},
			{"a tap that resets both ends", world{server: 8, box: killer, at: 4}, 3,
				want{probe.Interference, probe.OnPath, "M4", probe.Proved, 3, 4, traceroute.TimedSteps}},
			{"a wall", world{server: 8, box: wall, at: 4}, 3,
				want{probe.Interference, probe.InPath, "M3", probe.Proved, 3, 4, traceroute.TimedSteps}},
			{"a wall at which the prober stops", world{server: 8, box: wall, at: 4, highest: 4}, 3,
				want{probe.Interference, probe.InPath, "M3", probe.Proved, 3, 4, traceroute.TimedSteps}},
			{"a dropper", world{server: 8, box: dropper, at: 4}, 3,
				want{probe.Interference, probe.InPath, "M6", probe.Proved, 3, 4, traceroute.TriggerRead}},
			{"a dropper behind a silent router", world{server: 8, box: dropper, at: 4, silent: 3}, 3,
				want{probe.Interference, probe.InPath, "M6", probe.Proved, 3, 4, traceroute.TriggerRead}},
			{"a dropper, and no ICMP", world{server: 8, box: dropper, at: 4, mute: true}, 3,
				want{probe.Interference, probe.InPath, "M6", probe.Proved, 3, 4, traceroute.TriggerRead}},
			{"a closed port", world{server: 8, closed: true}, 3,
				want{Outcome: probe.ServerRefuses, Author: probe.Server, Cause: "S1", Confidence: probe.Likely}},
		} {
			t.Run(family.name+"/"+tt.name, func(t *testing.T) {
				t.Parallel()
				w := tt.world
				w.v6 = family.v6
				control := w
				control.highest = 0
				res, err := sweep.Explain(w.run(badName, tt.rounds), control.run(goodName, tt.rounds))
				if err != nil {
					t.Fatal(err)
				}
				got := want{Outcome: res.Outcome, Author: res.Verdict.Author, Cause: res.Verdict.Cause, Confidence: res.Verdict.Confidence}
				if l := res.Location; l != nil {
					got.After, got.At, got.Method = l.After.TTL, l.At.TTL, l.Method
				}
				if diff := cmp.Diff(tt.want, got); diff != "" {
					t.Errorf("-want +got:\n%s\n%s\n%+v", diff, res.Summary, res.Verdict)
				}
				if res.Summary == "" || res.Chinese == "" || res.Rounds != tt.rounds || res.Controls != tt.rounds || res.Name != badName || res.Control != goodName {
					t.Errorf("%+v", res)
				}
			})
		}
	}
}

// TestSteps: the counts that the verdict rests on, TTL by TTL.
func TestSteps(t *testing.T) {
	t.Parallel()
	w := world{server: 4, box: wall, at: 2}
	res, err := sweep.Explain(w.run(badName, 2), w.run(goodName, 1))
	if err != nil {
		t.Fatal(err)
	}
	want := []sweep.Step{
		{TTL: 0, Test: sweep.Tally{Copies: 2, Expired: 2}, Control: sweep.Tally{Copies: 1, Expired: 1}},
		{TTL: 1, Test: sweep.Tally{Copies: 2, Expired: 2}, Control: sweep.Tally{Copies: 1, Expired: 1}},
		{TTL: 2, Test: sweep.Tally{Copies: 2, Hits: 2, Drawn: 2}, Control: sweep.Tally{Copies: 1, Expired: 1}},
		{TTL: 3, Test: sweep.Tally{Copies: 2, Hits: 2, Drawn: 2}, Control: sweep.Tally{Copies: 1, Expired: 1}},
		{TTL: 4, Test: sweep.Tally{Copies: 2, Hits: 2, Drawn: 2}, Control: sweep.Tally{Copies: 1, Served: 1}},
	}
	if diff := cmp.Diff(want, res.Steps); diff != "" {
		t.Errorf("-want +got:\n%s", diff)
	}
}

// TestSwapped: where the control is the sweep that is interfered with, nothing
// can be said of the test, and the likeliest reason is named.
func TestSwapped(t *testing.T) {
	t.Parallel()
	for name, w := range map[string]world{
		"tap": {server: 8, box: tap, at: 4}, "killer": {server: 8, box: killer, at: 4}, "wall": {server: 8, box: wall, at: 4},
		"wall at which the prober stops": {server: 8, box: wall, at: 4, highest: 4},
		"dropper":                        {server: 8, box: dropper, at: 4},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			harmless := w
			harmless.highest = 0
			res, err := sweep.Explain(harmless.run(goodName, 1), w.run(badName, 1))
			if err != nil {
				t.Fatal(err)
			}
			if res.Outcome != probe.OverallInconclusive || res.ControlHit != w.at || res.Verdict.Cause != "N4" || !strings.Contains(res.Summary, "are the files swapped?") {
				t.Errorf("%s, control hit from TTL %d on: %s; want it inconclusive from %d on", res.Outcome, res.ControlHit, res.Summary, w.at)
			}
		})
	}
}

// TestSilenceAtServer: what falls silent from the server's last router on is
// no box on the path, for it may be the server's own packet filter.
func TestSilenceAtServer(t *testing.T) {
	t.Parallel()
	for at := 4; at <= 8; at++ {
		w := world{server: 8, box: dropper, at: at, highest: 20}
		res, err := sweep.Explain(w.run(badName, 1), world{server: 8}.run(goodName, 1))
		if err != nil {
			t.Fatal(err)
		}
		v := res.Verdict
		if own := at >= 7; own != (v.Author == probe.ServerSide) || own != (v.Cause == "") || own != (res.Outcome == probe.ServerRefuses) || own && res.Location != nil {
			t.Errorf("silent from TTL %d on: %s by %q, cause %q, at %v: %s; the server's own: %v", at, res.Outcome, v.Author, v.Cause, res.Location, res.Summary, own)
		}
		// explain has none of the options of a measurement.
		if strings.Contains(v.Next, "--") && !strings.Contains(v.Next, "rstprobe blocked.example:80@198.51.100.7 --host: ") {
			t.Errorf("silent from TTL %d on: next %q, want the command that has the option", at, v.Next)
		}
	}
}

// TestPackets: all packets that are cited are of the test capture, whichever
// capture was taken first.
func TestPackets(t *testing.T) {
	t.Parallel()
	w := world{server: 8, box: wall, at: 4}
	test, control := w.run(badName, 3), w.run(goodName, 3)
	for _, later := range []bool{false, true} {
		if later {
			for i := range control {
				control[i].Start = control[i].Start.AddDate(0, 0, 1)
			}
		}
		res, err := sweep.Explain(test, control)
		if err != nil {
			t.Fatal(err)
		}
		resets := map[int]bool{}
		for _, c := range test {
			for _, e := range c.Events {
				resets[e.N] = e.Packet.TCP.Flags.Has(packet.RST)
			}
		}
		e := res.Verdict.Evidence[0]
		if e.Rule != "below-server-ttl" || len(e.Packets) != 4*3 {
			t.Fatalf("evidence %+v, want the resets below the server", e)
		}
		for _, n := range e.Packets {
			if !resets[n] {
				t.Errorf("packet %d is cited and is no reset of the test capture", n)
			}
		}
	}
}

// TestLoss: what gets lost, also in a burst, is no box.
func TestLoss(t *testing.T) {
	t.Parallel()
	for seed := range uint64(100) {
		w := world{server: 9, lost: 0.1, rand: rand.New(rand.NewPCG(seed, 1))} //nolint:gosec // reproducible
		res, err := sweep.Explain(w.run(badName, 2), w.run(goodName, 2))
		if err != nil {
			t.Fatal(err)
		}
		if res.Outcome == probe.Interference || res.Location != nil {
			t.Errorf("seed %d: %s", seed, res.Summary)
		}
	}
}

// TestBoxUnderLoss: the segment still holds the box.
func TestBoxUnderLoss(t *testing.T) {
	t.Parallel()
	for _, b := range []box{tap, wall, dropper} {
		missed := 0
		for seed := range uint64(50) {
			w := world{server: 9, box: b, at: 5, lost: 0.05, rand: rand.New(rand.NewPCG(seed, 2))} //nolint:gosec // reproducible
			res, err := sweep.Explain(w.run(badName, 3), w.run(goodName, 3))
			if err != nil {
				t.Fatal(err)
			}
			if res.Location == nil {
				missed++
				continue
			}
			if l := res.Location; l.After.TTL >= 5 || l.At.TTL < 5 {
				t.Errorf("box %d, seed %d: %s", b, seed, res.Summary)
			}
		}
		if missed > 2 {
			t.Errorf("box %d: not placed for %d of 50 seeds", b, missed)
		}
	}
}

// TestBrokenOff: a run that the capture cuts off says what it met and has no
// vote.
func TestBrokenOff(t *testing.T) {
	t.Parallel()
	w := world{server: 8, box: dropper, at: 4}
	short := w
	short.highest = 2
	test := slices.Concat(w.run(badName, 1), later(short.run(badName, 1)))
	res, err := sweep.Explain(test, w.run(goodName, 2))
	if err != nil {
		t.Fatal(err)
	}
	if l := res.Location; res.Rounds != 1 || l == nil || l.Votes != 1 || l.Rounds != 1 || l.After.TTL >= 4 || l.At.TTL < 4 {
		t.Errorf("%d rounds, %+v, want one vote for a segment that holds TTL 4", res.Rounds, l)
	}
}

// later moves conversations behind those of a first run.
func later(all []flow.Conversation) []flow.Conversation {
	for i := range all {
		all[i].Start = all[i].Start.AddDate(0, 0, 1)
		for k := range all[i].Events {
			all[i].Events[k].N += 10000
		}
	}
	return all
}

// TestStrays: whatever else is in the captures, the test name in the control
// capture among it, changes nothing.
func TestStrays(t *testing.T) {
	t.Parallel()
	w := world{server: 8, box: tap, at: 4}
	want, err := sweep.Explain(w.run(badName, 3), w.run(goodName, 3))
	if err != nil {
		t.Fatal(err)
	}
	other := world{server: 5, v6: true}
	got, err := sweep.Explain(
		slices.Concat(w.run(badName, 3), later(other.run(badName, 1)), []flow.Conversation{{}}),
		slices.Concat(w.run(goodName, 3), later(w.run(badName, 1))))
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(want, got, compare...); diff != "" {
		t.Errorf("-want +got:\n%s", diff)
	}
	if got.Ignored != 6+9 {
		t.Errorf("%d connections ignored, want 15", got.Ignored)
	}
}

// compare is for two results of the same sweeps.
var compare = []cmp.Option{
	cmpopts.IgnoreFields(sweep.Result{}, "Ignored"), cmpopts.EquateComparable(netip.Addr{}, netip.AddrPort{}), cmpopts.EquateEmpty(),
}

// TestAnyOrder: the order of conversations does not matter.
func TestAnyOrder(t *testing.T) {
	t.Parallel()
	w := world{server: 8, box: wall, at: 4}
	test, control := w.run(badName, 3), w.run(goodName, 3)
	want, err := sweep.Explain(test, control)
	if err != nil {
		t.Fatal(err)
	}
	r := rand.New(rand.NewPCG(1, 2)) //nolint:gosec // reproducible
	for range 20 {
		for _, all := range [][]flow.Conversation{test, control} {
			r.Shuffle(len(all), func(i, k int) { all[i], all[k] = all[k], all[i] })
		}
		got, err := sweep.Explain(test, control)
		if err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(want, got, compare...); diff != "" {
			t.Fatalf("-want +got:\n%s", diff)
		}
	}
}

// TestTornCaptures: packets missing, twice or in disorder do no harm, and make
// no box.
func TestTornCaptures(t *testing.T) {
	t.Parallel()
	r := rand.New(rand.NewPCG(3, 4)) //nolint:gosec // reproducible
	tear := func(all []flow.Conversation, much float64) []flow.Conversation {
		for i := range all {
			c := &all[i]
			c.Ended, c.Mirrored = flow.Ended(r.IntN(7)), r.IntN(2) == 0 //nolint:gosec // small
			c.Events = slices.DeleteFunc(c.Events, func(flow.Event) bool { return r.Float64() < much })
			for k := range c.Events {
				if r.Float64() < much {
					c.Events = append(c.Events, c.Events[k])
				}
				if r.Float64() < much {
					c.Events[k].Packet.TCP.Payload = nil
				}
			}
			if r.Float64() < much {
				r.Shuffle(len(c.Events), func(i, k int) { c.Events[i], c.Events[k] = c.Events[k], c.Events[i] })
			}
		}
		return all
	}
	explained := 0
	for range 300 {
		b := box(r.IntN(5))
		w := world{server: 1 + r.IntN(9), box: b, at: 1 + r.IntN(6)}
		much := r.Float64()
		res, err := sweep.Explain(tear(w.run(badName, 1+r.IntN(3)), much), tear(w.run(goodName, 1+r.IntN(3)), much))
		if err != nil && !errors.Is(err, sweep.ErrNoSweep) {
			t.Fatal(err)
		}
		if err == nil {
			explained++
		}
		if b == nothing && res.Outcome == probe.Interference {
			t.Errorf("torn by %.2f: %s\n%+v", much, res.Summary, res.Verdict)
		}
	}
	if explained == 0 {
		t.Error("nothing was explained")
	}
}

func TestNoSweep(t *testing.T) {
	t.Parallel()
	w := world{server: 8}
	flat := func() []flow.Conversation { // payloads as far as the handshakes
		all := w.run(badName, 1)
		for i := range all {
			for k := range all[i].Events {
				if e := &all[i].Events[k]; e.Kind == flow.Sent {
					e.Packet.TTL = fullTTL
				}
			}
		}
		return all
	}
	elsewhere := world{server: 8, v6: true}
	for _, tt := range []struct {
		name          string
		test, control []flow.Conversation
		says          []string
	}{
		{"nothing", nil, nil, []string{"test capture", "of 0 conversations"}},
		{"an ordinary capture", flat(), w.run(goodName, 1), []string{"test capture", "of 9 conversations 9 carry a payload, with 0 such TTLs"}},
		{"no control", w.run(badName, 1), flat(), []string{"control capture", "198.51.100.7:80", badName}},
		{"a control with the same name", w.run(badName, 1), w.run(badName, 1), []string{"control capture", "another name than \"" + badName}},
		{"a control to another server", w.run(badName, 1), elsewhere.run(goodName, 1), []string{"control capture", "198.51.100.7:80"}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			_, err := sweep.Explain(tt.test, tt.control)
			if !errors.Is(err, sweep.ErrNoSweep) {
				t.Fatalf("error %v, want ErrNoSweep", err)
			}
			for _, s := range tt.says {
				if !strings.Contains(err.Error(), s) {
					t.Errorf("error %q does not say %q", err, s)
				}
			}
		})
	}
}
