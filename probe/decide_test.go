package probe

import (
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/rstprobe/rstprobe/internal/packet"
)

// axes are a verdict without its reasons.
type axes struct {
	Outcome    Outcome
	Trigger    Trigger
	Author     Author
	Cause      Cause
	Confidence Confidence
}

func axesOf(v Verdict) axes { return axes{v.Outcome, v.Trigger, v.Author, v.Cause, v.Confidence} }

func TestDecide(t *testing.T) {
	t.Parallel()
	router := begin(false).router(3)
	// A genuine reset may carry another initial TTL than the SYN-ACK, and no
	// DF: four above is on public record.
	genuine := asking().wait(rtt).rst(0, ttl(ownTTL+4))
	everybody := func(s *script) Findings {
		return Findings{Kind: Host, Leading: times(3, s), Trailing: times(3, s), Tests: times(3, s), Random: times(1, s), NoName: times(1, s)}
	}
	for _, tt := range []struct {
		name string
		f    Findings
		want axes
	}{
		{"nothing asked", Findings{Kind: SNI, Leading: times(3, dropped())},
			axes{Inconclusive, TriggerNone, Undetermined, "N4", UndeterminedDegree}},
		{"interrupted before the first test", Findings{Kind: SNI, Leading: times(3, served()), Cut: true},
			axes{Inconclusive, TriggerNone, Undetermined, "N5", UndeterminedDegree}},
		{"all served", about(served()), axes{OK, TriggerNone, Server, "", Proved}},
		{"one served", mixed(served()), axes{OK, TriggerNone, Server, "", Likely}},
		{"served, whatever the controls do", with(about(served()), func(f *Findings) { f.Leading = times(3, unwanted()) }),
			axes{OK, TriggerNone, Server, "", Proved}},
		{"one of three failed", mixed(served(), dropped(), served()),
			axes{Inconclusive, TriggerUnknown, Undetermined, "N5", UndeterminedDegree}},
		{"one of three failed, and the sweeps meet a box", with(mixed(served(), unwanted(), served()), func(f *Findings) {
			f.Sweeps = Sweeps{ServerTTL: 7, Rounds: 3, At: 3, After: 2, Votes: 3, Hits: []int{8}, Passed: []int{9}}
		}), axes{Reset, TriggerSNI, OnPath, "M3", Likely}},
		{"each of three ends otherwise", mixed(served(), unwanted(), closed()), axes{Reset, TriggerSNI, Undetermined, "", UndeterminedDegree}},
		{"forged, and the server goes on", about(forged()), axes{Reset, TriggerSNI, OnPath, "M3", Proved}},
		{"forged, two trials", mixed(forged(), forged()), axes{Reset, TriggerSNI, OnPath, "M3", Likely}},
		{"forged, asked with a Host", with(about(forged()), func(f *Findings) { f.Kind = Host }), axes{Reset, TriggerHost, OnPath, "M3", Proved}},
		{"drawn below the server, and gone on", swept(unwanted(), func(s *Sweeps) { s.Hits, s.Passed = []int{8}, []int{9} }),
			axes{Reset, TriggerSNI, OnPath, "M3", Proved}},
		{"drawn below the server, and taken out", swept(unwanted(), func(s *Sweeps) { s.Hits, s.Control = []int{8}, []int{9} }),
			axes{Reset, TriggerSNI, InPath, "M3", Proved}},
		{"drawn below the server, routers silent", swept(unwanted(), hitsAt3), axes{Reset, TriggerSNI, OnOrInPath, "M3", Proved}},
		{"drawn by any name and by none", with(swept(unwanted(), func(s *Sweeps) { s.Hits, s.ControlHits, s.Passed = []int{8}, []int{7}, []int{9} }), func(f *Findings) {
			f.NoName = times(1, unwanted())
		}), axes{Reset, TriggerProtocol, OnPath, "M3", Proved}},
		{"drawn by something that both names have", swept(unwanted(), func(s *Sweeps) { s.Hits, s.ControlHits, s.Passed = []int{8}, []int{7}, []int{9} }),
			axes{Reset, TriggerUnknown, OnPath, "M3", Proved}},
		{"drawn below the server, controls unhealthy", with(swept(unwanted(), func(s *Sweeps) { s.Hits, s.Passed = []int{8}, []int{9} }), func(f *Findings) {
			f.Leading = times(3, dropped())
		}), axes{Reset, TriggerUnknown, OnPath, "M3", Likely}},
		{"closed below the server", swept(closed(), func(s *Sweeps) { s.Hits, s.Passed = []int{8}, []int{9} }),
			axes{Fin, TriggerSNI, OnPath, "M12", Proved}},
		{"a page in front of the page", with(about(asking().data(0, blockPage, ttl(boxTTL)).wait(rtt).data(0, page)), func(f *Findings) { f.Kind = Host }),
			axes{InjectedResponse, TriggerHost, OnPath, "M11", Proved}},
		{"lost before the server", swept(dropped(), func(s *Sweeps) { s.Control = []int{8, 9} }),
			axes{Drop, TriggerSNI, InPath, "M6", Proved}},
		{"lost, and nobody knows where", about(dropped()), axes{Drop, TriggerSNI, InPath, "M6", Possible}},
		{"acknowledged, then silence", about(stalled()), axes{Stall, TriggerSNI, OnOrInPath, "M7", Possible}},
		{"a router forbids the name", about(asking().icmp(packet.Unreachable, 13, router).silent()),
			axes{Unreachable, TriggerSNI, OnOrInPath, "N1", Proved}},
		{"a genuine reset from another distance", with(about(genuine), func(f *Findings) { f.Random = times(1, genuine); f.NoName = f.Random }),
			axes{Reset, TriggerSNI, Server, "S15", Possible}},
		{"a genuine reset from another distance, random name not asked", with(about(genuine), func(f *Findings) { f.Random = nil }),
			axes{Reset, TriggerSNI, Undetermined, "", UndeterminedDegree}},
		{"a genuine reset from another distance, of one name", about(genuine), axes{Reset, TriggerSNI, Undetermined, "", UndeterminedDegree}},
		{"three strong hints, and no proof", about(resetAfter(rtt, ttl(boxTTL), id(ourID))), axes{Reset, TriggerSNI, OnOrInPath, "M3", Likely}},
		{"a reset from the server's distance", about(unwanted()), axes{Reset, TriggerSNI, Undetermined, "", UndeterminedDegree}},
		{"unknown names reset", with(about(unwanted()), func(f *Findings) { f.Random = times(1, unwanted()) }),
			axes{Reset, TriggerSNI, Server, "S15", Likely}},
		{"unknown names turned away with an alert", with(about(alerted()), func(f *Findings) { f.Random = times(1, alerted()) }),
			axes{Alert, TriggerSNI, Server, "S15", Likely}},
		{"everybody reset after the answer (linger 0)", everybody(abort()), axes{Reset, TriggerProtocol, Server, "S8", Likely}},
		{"everybody reset", everybody(unwanted()), axes{Reset, TriggerProtocol, Server, "S7", Likely}},
		{"everybody reset on accept", everybody(acceptedAndReset()), axes{Reset, TriggerProtocol, Server, "S7", Likely}},
		{"everybody closed", everybody(closed()), axes{Fin, TriggerProtocol, Server, "S15", Likely}},
		{"everybody lost", everybody(dropped()), axes{Inconclusive, TriggerUnknown, Undetermined, "N4", UndeterminedDegree}},
		{"residual: controls fail after the first trigger", with(about(forged()), func(f *Findings) { f.Trailing = times(3, dropped()) }),
			axes{Reset, TriggerSNI, OnPath, "M3", Proved}},
		{"residual, and no proof", with(about(unwanted()), func(f *Findings) { f.Trailing = times(3, unwanted()) }),
			axes{Reset, TriggerSNI, Undetermined, "", UndeterminedDegree}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			v := Decide(tt.f)
			if diff := cmp.Diff(tt.want, axesOf(v)); diff != "" {
				t.Errorf("-want +got:\n%s\nfor it: %v\nagainst: %v", diff, v.Evidence, v.Against)
			}
			checkProof(t, v)
		})
	}
}

// checkProof: proof of interference needs a decisive item, an open verdict a
// next step.
func checkProof(t *testing.T, v Verdict) {
	t.Helper()
	decisive := false
	for _, e := range v.Evidence {
		decisive = decisive || e.Decisive
	}
	if v.Interferes() && v.Confidence == Proved && !decisive {
		t.Errorf("proved by nothing decisive: %+v", v)
	}
	if v.Confidence == UndeterminedDegree && v.Next == "" {
		t.Errorf("undetermined, and no way on: %+v", v)
	}
	if v.Counts.TestBad > v.Counts.TestTotal || v.Counts.ControlBad > v.Counts.ControlTotal {
		t.Errorf("counts %+v", v.Counts)
	}
}

// synCase is a handshake and its verdict.
type synCase struct {
	name string
	f    SYNFindings
	want axes
}

func synCases() []synCase {
	open := begin(false).syn().synack().silent()
	refused := begin(false).syn().wait(rtt).refusal()
	lost := begin(false).syn().wait(rtt).again().silent()
	both := begin(false).syn().wait(rtt / 4).refusal(ttl(boxTTL)).wait(rtt * 3 / 4).synack()
	forgedACK := begin(false).syn().synack().rst(0, ttl(boxTTL))
	server := begin(false).rec.Key.Remote.Addr()
	// Sweeps of a path whose server is at TTL 7.
	sweep := func(answer, reset int, remaining uint8, expired ...int) SYNSweep {
		s := SYNSweep{Swept: true, AnswerAt: answer, ResetAt: reset, TTL: remaining, Expired: map[int]int{}}
		for _, ttl := range expired {
			s.Expired[ttl] = 100 + ttl
		}
		if answer+reset > 0 {
			s.Packets = []int{100 + answer + reset}
		}
		return s
	}
	reference := sweep(7, 0, ownTTL, 1, 2, 3, 4, 5, 6)
	return []synCase{
		{"nothing asked", SYNFindings{}, axes{Inconclusive, TriggerNone, Undetermined, "N5", UndeterminedDegree}},
		{"open", SYNFindings{Tests: times(3, open)}, axes{OK, TriggerNone, Server, "", Proved}},
		{"open, one lost", SYNFindings{Tests: append(times(2, open), lost.observe())}, axes{OK, TriggerNone, Server, "", Likely}},
		{"answered and refused", SYNFindings{Tests: times(3, both)}, axes{Refused, TriggerSYN, OnPath, "M1", Proved}},
		{"reset behind the SYN-ACK", SYNFindings{Tests: times(3, forgedACK)}, axes{Reset, TriggerSYN, OnPath, "M2", Proved}},
		{"reset by itself once our acknowledgment is there", SYNFindings{Tests: times(3, begin(false).syn().synack().wait(rtt).rst(0))},
			axes{Reset, TriggerUnknown, Undetermined, "", UndeterminedDegree}},
		{"refused, and nothing to compare with", SYNFindings{Tests: times(3, refused)}, axes{Refused, TriggerNone, Server, "S1", Likely}},
		{"refused where the server is", SYNFindings{Tests: times(3, refused), Sweep: sweep(0, 7, ownTTL, 1, 2, 3, 4, 5, 6), Other: reference},
			axes{Refused, TriggerNone, Server, "S1", Proved}},
		{"refused from one hop nearer", SYNFindings{Tests: times(3, refused), Sweep: sweep(0, 7, ownTTL+1, 1, 2, 3, 4, 5, 6), Other: reference},
			axes{Refused, TriggerPort, ServerSide, "S4", Likely}},
		{"refused by the last router", SYNFindings{Tests: times(3, refused), Sweep: sweep(0, 6, ownTTL+1, 1, 2, 3, 4, 5), Other: reference},
			axes{Refused, TriggerPort, InPath, "M1", Likely}},
		{"refused on the way, by port", SYNFindings{Tests: times(3, refused), Sweep: sweep(0, 3, boxTTL, 1, 2), Other: reference},
			axes{Refused, TriggerPort, InPath, "M1", Proved}},
		{"refused on the way, by address", SYNFindings{Tests: times(3, refused), Sweep: sweep(0, 3, boxTTL, 1, 2), Elsewhere: reference},
			axes{Refused, TriggerAddress, InPath, "M1", Proved}},
		{"refused, although the SYN died on the way", SYNFindings{Tests: times(3, refused), Sweep: sweep(0, 3, boxTTL, 1, 2, 3, 4, 5), Other: reference},
			axes{Refused, TriggerSYN, OnPath, "M1", Proved}},
		{"lost, and nothing to compare with", SYNFindings{Tests: times(3, lost), Sweep: sweep(0, 0, 0, 1, 2)},
			axes{Drop, TriggerUnknown, Undetermined, "N2", UndeterminedDegree}},
		{"lost on the way", SYNFindings{Tests: times(3, lost), Sweep: sweep(0, 0, 0, 1, 2), Other: reference},
			axes{Drop, TriggerPort, InPath, "M9", Proved}},
		{"lost on the way, next to a silent router", SYNFindings{Tests: times(3, lost), Sweep: sweep(0, 0, 0, 1, 2), Other: sweep(7, 0, ownTTL, 1, 2, 5, 6)},
			axes{Drop, TriggerPort, InPath, "M9", Proved}},
		{"lost at the last router", SYNFindings{Tests: times(3, lost), Sweep: sweep(0, 0, 0, 1, 2, 3, 4, 5), Other: reference},
			axes{Drop, TriggerPort, InPath, "M9", Likely}},
		{"lost behind the last router", SYNFindings{Tests: times(3, lost), Sweep: sweep(0, 0, 0, 1, 2, 3, 4, 5, 6), Other: reference},
			axes{Drop, TriggerPort, Undetermined, "S4", Possible}},
		{"open at the first hop, although it lies behind a router", SYNFindings{Tests: times(3, open), Sweep: sweep(1, 0, 64), FirstHop: true},
			axes{OK, TriggerNone, Server, "", Possible}},
		{"this machine itself says unreachable", SYNFindings{Tests: times(3, begin(false).syn().icmp(packet.Unreachable, 3, begin(false).rec.Key.Local.Addr()).silent())},
			axes{Unreachable, TriggerNone, OwnSide, "N1", Likely}},
		{"a router says unreachable", SYNFindings{Tests: times(3, begin(false).syn().icmp(packet.Unreachable, 1, begin(false).router(3)).silent())},
			axes{Unreachable, TriggerNone, Undetermined, "N1", Likely}},
		{"the host says unreachable", SYNFindings{Tests: times(3, begin(false).syn().icmp(packet.Unreachable, 3, server).silent())},
			axes{Unreachable, TriggerNone, Server, "N1", Likely}},
		{"too big is not unreachable", SYNFindings{Tests: times(3, begin(false).syn().icmp(packet.PacketTooBig, 4, server).again().silent())},
			axes{Drop, TriggerUnknown, Undetermined, "N2", UndeterminedDegree}},
	}
}

func TestDecideSYN(t *testing.T) {
	t.Parallel()
	for _, tt := range synCases() {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			v := DecideSYN(tt.f)
			if diff := cmp.Diff(tt.want, axesOf(v)); diff != "" {
				t.Errorf("-want +got:\n%s\nfor it: %v", diff, v.Evidence)
			}
			checkProof(t, v)
		})
	}
}

func TestSYNSweepMerge(t *testing.T) {
	t.Parallel()
	a := SYNSweep{Swept: true, Expired: map[int]int{1: 11}, ResetAt: 5, TTL: 60, Packets: []int{5}}
	b := SYNSweep{Swept: true, Expired: map[int]int{1: 21, 2: 22}, AnswerAt: 7, TTL: 58, Packets: []int{7}}
	want := SYNSweep{Swept: true, Expired: map[int]int{1: 21, 2: 22}, AnswerAt: 7, ResetAt: 5, TTL: 58, Packets: []int{5, 7}}
	if diff := cmp.Diff(want, a.Merge(b)); diff != "" {
		t.Errorf("-want +got:\n%s", diff)
	}
	if diff := cmp.Diff(a, SYNSweep{}.Merge(a)); diff != "" {
		t.Errorf("with nothing: -want +got:\n%s", diff)
	}
	if want.End() != 7 || a.End() != 5 {
		t.Errorf("ends %d and %d, want 7 and 5", want.End(), a.End())
	}
}
