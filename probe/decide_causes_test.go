package probe

import (
	"math"
	"slices"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/rstprobe/rstprobe/internal/packet"
)

// TestDecideCauses holds findings of every cause that a live probe can tell,
// next to the innocent things that look alike, against the whole verdict.
func TestDecideCauses(t *testing.T) {
	t.Parallel()
	below := ReadSweep{Reader: ReadFIN, ServerTTL: 7, Rounds: 3, At: 3, After: 2, Votes: 3, Controls: 18, Packets: []int{7}}
	atServer := Sweeps{ServerTTL: 7, Rounds: 3, At: 7, After: 6, Votes: 3}
	read := func(test *script, change func(*ReadSweep)) Findings {
		return with(about(test), func(f *Findings) {
			r := below
			change(&r)
			f.Read, f.Sweeps = r, atServer
		})
	}
	as := func(*ReadSweep) {}
	everybody := func(s *script) Findings {
		return Findings{Kind: Host, Leading: times(3, s), Trailing: times(3, s), Tests: times(3, s), Random: times(1, s), NoName: times(1, s)}
	}
	whole := fetched(40000, 50000, closedShort)
	pages := func(test *script) Findings {
		return with(about(test), func(f *Findings) { f.Kind, f.Leading, f.Trailing = Host, times(3, whole), times(3, whole) })
	}
	server := func(s *script) *script { // a control address four hops nearer
		for i := range s.rec.Events {
			if p := &s.rec.Events[i].Packet; p.TTL == ownTTL {
				p.TTL = ownTTL + 4
			}
		}
		return s
	}
	rewritten := asking().wait(rtt).get(abortAt(0)).get(abortAt(1460))
	lb := ttl(91) // a load balancer that starts with 102, 11 routers away by its own count
	for _, tt := range []struct {
		name string
		f    Findings
		want axes
	}{
		{"M2: reset between handshake and stimulus, drawn below the server", swept(begin(false).syn().synack().rst(0, ttl(boxTTL)), hitsAt3),
			axes{Reset, TriggerSNI, OnOrInPath, "M2", Proved}},
		{"M3: the tap of every day", about(forged()), axes{Reset, TriggerSNI, OnPath, "M3", Proved}},
		{"M4: the server was reset in our name", read(asking().wait(rtt/4).rst(0, ttl(boxTTL)), func(r *ReadSweep) { r.ServerReset = true }),
			axes{Reset, TriggerSNI, OnOrInPath, "M4", Proved}},
		{"M5: server-like, and a copy that never reached it sets it off", read(unwanted(), as), axes{Reset, TriggerSNI, InPath, "M5", Proved}},
		{"M5: in the places of an answer's segments", with(split(rewritten, served()), func(f *Findings) { f.Sweeps = atServer }),
			axes{Reset, TriggerSNI, InPath, "M5", Proved}},
		{"M5: cut in two it is served, and nobody searched", split(unwanted(), served()), axes{Reset, TriggerSNI, OnOrInPath, "M5", Proved}},
		{"M5: the same at a host elsewhere, from as far as that", with(elsewhere(unwanted(), server(unwanted()), server(served())), func(f *Findings) { f.Sweeps = atServer }),
			axes{Reset, TriggerSNI, InPath, "M5", Proved}},
		{"the server's own packet filter: no copy before it does anything", with(read(unwanted(), func(r *ReadSweep) { r.At = 7 }), func(f *Findings) { f.Split = times(3, served()) }),
			axes{Reset, TriggerSNI, ServerSide, "S4", Proved}},
		{"M6: never acknowledged, and not searched for", about(dropped()), axes{Drop, TriggerSNI, InPath, "M6", Possible}},
		{"never acknowledged, although copies pass every router", swept(dropped(), func(s *Sweeps) { s.At, s.After = s.ServerTTL, s.ServerTTL-1 }), axes{Drop, TriggerSNI, ServerSide, "S4", Likely}},
		{"the same, now and then: those copies may have been let pass", with(swept(dropped(), func(s *Sweeps) { s.At, s.After = s.ServerTTL, s.ServerTTL-1 }), func(f *Findings) {
			f.Tests = append(times(15, dropped()), times(5, served())...)
		}), axes{Drop, TriggerSNI, InPath, "M6", Possible}},
		{"M6: and read", read(dropped(), as), axes{Drop, TriggerSNI, InPath, "M6", Proved}},
		{"a limiter that drops from the first test on", history("ccc|TCTCTC|CC"), axes{Drop, TriggerSNI, Undetermined, "", UndeterminedDegree}},
		{"M7: acknowledged, then muted", read(stalled(), as), axes{Stall, TriggerSNI, InPath, "M7", Proved}},
		{"M7: or a server that hangs on one name", about(stalled()), axes{Stall, TriggerSNI, OnOrInPath, "M7", Possible}},
		{"silent, since the server was reset in our name", read(stalled(), func(r *ReadSweep) { r.ServerReset = true }), axes{Stall, TriggerSNI, OnOrInPath, "M7", Proved}},
		{"a slow server: the controls hang as well", everybody(stalled()), axes{Inconclusive, TriggerUnknown, Undetermined, "N4", UndeterminedDegree}},
		{"M8: our acknowledgments vanish", about(deaf(2)), axes{Stall, TriggerSNI, OnOrInPath, "M8", Likely}},
		{"one of them is lost", about(deaf(1)), axes{OK, TriggerNone, Server, "", Proved}},
		{"M10: a trickle", with(about(slow(20000, 10*time.Millisecond)), func(f *Findings) { f.Trailing = times(3, slow(20000, time.Millisecond)) }),
			axes{Stall, TriggerSNI, OnOrInPath, "M10", Possible}},
		{"M10: a trickle that a copy sets off", with(about(slow(20000, 10*time.Millisecond)), func(f *Findings) { f.Trailing, f.Read = times(3, slow(20000, time.Millisecond)), below }),
			axes{Stall, TriggerSNI, InPath, "M10", Proved}},
		{"M10: held back on an uneven path, and a copy sets it off", with(about(fetched(40000, 30000, running)), func(f *Findings) {
			f.Leading, f.Trailing, f.Read = times(3, fetched(40000, 50000, closedShort)), times(3, fetched(40000, 50000, closedShort)), below
		}), axes{Stall, TriggerSNI, InPath, "M10", Proved}},
		{"a slow path: all names trickle", everybody(slow(20000, 10*time.Millisecond)), axes{OK, TriggerNone, Server, "", Proved}},
		{"M10: every second one is lost", often(dropped(), 10, 20, 20), axes{Drop, TriggerSNI, Undetermined, "M10", Possible}},
		{"random loss", with(often(dropped(), 3, 20, 20), func(f *Findings) { f.Trailing = append(f.Trailing[2:], times(2, dropped())...) }),
			axes{Inconclusive, TriggerUnknown, Undetermined, "N5", UndeterminedDegree}},
		{"M11: a page in front of the page", about(asking().data(0, blockPage, ttl(boxTTL)).wait(rtt).data(0, page)), axes{InjectedResponse, TriggerSNI, OnPath, "M11", Proved}},
		{"M16: a ServerHello like the server's, and sooner than it can", about(asking().wait(rtt/4).data(0, hello)), axes{InjectedResponse, TriggerSNI, OnOrInPath, "M16", Proved}},
		{"M12: a close that the server knows nothing of", swept(closed(), hitsAt3), axes{Fin, TriggerSNI, OnPath, "M12", Proved}},
		{"M13: controls fail after the test, and recover", history("ccc|TCTCTC|cc"), axes{Drop, TriggerHistory, OnOrInPath, "M13", Possible}},
		{"M14: cut at 16 KiB, with the test name", pages(fetched(40000, 16384, quiet)), axes{Stall, TriggerHost, OnOrInPath, "M14", Possible}},
		{"M14: by a box that a copy sets off", with(pages(fetched(40000, 16384, quiet)), func(f *Findings) { f.Read = below }), axes{Stall, TriggerHost, InPath, "M14", Proved}},
		{"M14: with any name", everybody(fetched(40000, 16384, quiet)), axes{Stall, TriggerVolume, Undetermined, "M14", Possible}},
		{"M15: TTLs are copied", with(sloped(func(n uint8) uint8 { return n - 9 }, 60, 56, 52), func(f *Findings) { f.Read, f.Sweeps = below, atServer }),
			axes{Reset, TriggerSNI, OnOrInPath, "M15", Proved}},
		{"M15: and no proof", with(sloped(func(n uint8) uint8 { return n - 9 }, 60, 56, 52), genuinely(stray())), axes{Reset, TriggerSNI, OnOrInPath, "M15", Likely}},
		{"N3: only small segments arrive", with(everybody(dropped()), func(f *Findings) { f.Small = times(3, served()) }), axes{Drop, TriggerNone, Undetermined, "N3", Likely}},
		{"N3: and nothing was asked", Findings{Kind: SNI, Leading: times(3, dropped()), Small: times(3, served())}, axes{Drop, TriggerNone, Undetermined, "N3", Likely}},
		{"S2: some connections of either name are reset as soon as they stand", with(mixed(served(), acceptedAndReset(), served()), func(f *Findings) { f.Trailing = append(times(2, served()), acceptedAndReset().observe()) }),
			axes{Reset, TriggerNone, Server, "S2", Possible}},
		{"S2: a full accept queue resets half of either", with(often(unwanted(), 14, 20, 20), func(f *Findings) { f.Trailing = append(times(10, served()), times(10, unwanted())...) }),
			axes{Reset, TriggerNone, Server, "S2", Possible}},
		{"a box that resets half of the tests", often(forged(), 10, 20, 20), axes{Reset, TriggerSNI, OnPath, "M3", Likely}},
		{"S16: connections are refused from the seventh on", with(everybody(begin(false).syn().wait(rtt).refusal()), func(f *Findings) { f.Gap = f.Tests }),
			axes{Refused, TriggerHistory, Server, "S16", Likely}},
		{"S7: reset without reading", everybody(asking().wait(rtt).get(abortAt(0))), axes{Reset, TriggerProtocol, Server, "S7", Likely}},
		{"S8: abort behind the answer", everybody(abort()), axes{Reset, TriggerProtocol, Server, "S8", Likely}},
		{"S9: data after its close", everybody(lateData(packet.Segment{Seq: theirISS.Add(2), Flags: packet.RST})), axes{Reset, TriggerProtocol, Server, "S9", Likely}},
		{"S13: cleared behind the close", everybody(served().wait(time.Millisecond).rst(len(hello)+1, lb)), axes{Reset, TriggerProtocol, Server, "S13", Likely}},
		{"S15: an error page and a reset", with(about(asking().wait(rtt).data(0, blockPage).rst(len(blockPage))), func(f *Findings) { f.Kind = Host }),
			axes{Reset, TriggerHost, Server, "S15", Possible}},
		{"S16: from the fifth on", history("ccc|ttTCTC|"), axes{Drop, TriggerHistory, Server, "S16", Likely}},
		{"S16: after one test only", history("ccc|tTCTC|cc"), axes{Drop, TriggerHistory, Undetermined, "S16", Possible}},
		{"a load balancer resets one name with a TTL of its own", about(resetAfter(rtt, lb)), axes{Reset, TriggerSNI, Undetermined, "", UndeterminedDegree}},
		{"and its genuine resets are known", with(about(resetAfter(rtt, lb)), genuinely(stray(lb))), axes{Reset, TriggerSNI, Undetermined, "", UndeterminedDegree}},
		{"a box does, and the server's genuine resets are known", with(about(resetAfter(rtt, ttl(boxTTL))), genuinely(stray())), axes{Reset, TriggerSNI, OnOrInPath, "M3", Likely}},
		{"it aborts, and the resets of the server behind it are known", with(about(asking().wait(rtt).get(abortAt(0), lb)), genuinely(stray())), axes{Reset, TriggerSNI, Undetermined, "", UndeterminedDegree}},
		{"the same, when its upstream has timed out", with(about(asking().wait(15*rtt).get(abortAt(0), lb)), genuinely(stray())), axes{Reset, TriggerSNI, Undetermined, "", UndeterminedDegree}},
		{"an abort of Linux on one name, next to its resets without a connection", with(about(asking().wait(rtt).get(abortAt(0), window(509), id(77), df)), genuinely(stray(df))),
			axes{Reset, TriggerSNI, Undetermined, "", UndeterminedDegree}},
		{"a SYN proxy in front of a server farther away, which refuses one name", with(about(resetAfter(rtt, ttl(ownTTL-6))), func(f *Findings) {
			f.Leading = times(3, asking().wait(rtt).data(0, hello, ttl(ownTTL-6)))
		}), axes{Reset, TriggerSNI, Undetermined, "", UndeterminedDegree}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			v := Decide(tt.f)
			if diff := cmp.Diff(tt.want, axesOf(v)); diff != "" {
				t.Errorf("-want +got:\n%s\nfor it: %v\nagainst: %v", diff, v.Evidence, v.Against)
			}
			checkProof(t, v)
			if v.Confidence == Possible && v.Next == "" && !tt.f.served() {
				t.Errorf("open, and no way on: %+v", v)
			}
		})
	}
}

// often are findings in which some of many tests end otherwise.
func often(s *script, bad, tests, controls int) Findings {
	f := about(served())
	f.Tests = append(times(bad, s), times(tests-bad, served())...)
	f.Trailing = times(controls, served())
	return f
}

func TestFisher(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		bad, tests, controlBad, controls int
		want                             float64
	}{
		{3, 3, 0, 4, 1.0 / 35}, // C(7,3)
		{5, 5, 0, 6, 1.0 / 462},
		{0, 3, 0, 4, 1},
		{1, 2, 1, 2, 5.0 / 6},
		{0, 0, 0, 0, 1},
	} {
		if got := fisher(tt.bad, tt.tests, tt.controlBad, tt.controls); math.Abs(got-tt.want) > 1e-9 {
			t.Errorf("%d/%d against %d/%d: %v, want %v", tt.bad, tt.tests, tt.controlBad, tt.controls, got, tt.want)
		}
	}
}

// Every item that the handshake is judged by is in the table, with the class
// that the verdict shows.
func TestSYNRulesAreInTheTable(t *testing.T) {
	t.Parallel()
	classes := map[RuleID]Class{}
	for _, r := range Rules() {
		classes[r.ID] = r.Class
	}
	found := map[RuleID]bool{}
	for _, tt := range synCases() {
		v := DecideSYN(tt.f)
		for _, e := range slices.Concat(v.Evidence, v.Against) {
			found[e.Rule] = true
			if class, ok := classes[e.Rule]; !ok || (class == Decisive) != e.Decisive {
				t.Errorf("%s: rule %s, decisive %v, class %q", tt.name, e.Rule, e.Decisive, class)
			}
		}
	}
	for _, r := range synRules() {
		if !found[r.ID] {
			t.Errorf("no case shows rule %s", r.ID)
		}
	}
}
