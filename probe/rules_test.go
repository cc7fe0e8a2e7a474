package probe

import (
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/rstprobe/rstprobe/internal/packet"
)

// ruleCase is one set of findings and whether a rule speaks about it.
type ruleCase struct {
	name  string
	f     Findings
	fires bool
}

// with is findings after one change.
func with(f Findings, change func(*Findings)) Findings {
	change(&f)
	return f
}

// mixed are findings with other tests than three equal ones.
func mixed(tests ...*script) Findings {
	f := about(served())
	f.Tests = nil
	for _, s := range tests {
		f.Tests = append(f.Tests, s.observe())
	}
	return f
}

// swept are findings with sweeps: a box drew something at TTL 3 of 7.
func swept(test *script, change func(*Sweeps)) Findings {
	f := about(test)
	f.Sweeps = Sweeps{ServerTTL: 7, Rounds: 3, At: 3, After: 2, Votes: 3}
	change(&f.Sweeps)
	return f
}

// resetAfter is a reset some time after the stimulus.
func resetAfter(d time.Duration, changes ...change) *script {
	return asking().wait(d).rst(0, changes...)
}

// acceptedAndReset is a server that resets what it accepts: its reset is on
// its way when our stimulus leaves.
func acceptedAndReset() *script {
	return asking().wait(time.Millisecond).get(packet.Segment{Seq: theirISS.Add(1), Ack: ourISS.Add(1), Flags: packet.RST | packet.ACK})
}

func hitsAt3(s *Sweeps) { s.Hits = []int{9, 8} }

// TestRules asks every rule about what it must see, what it must not see, and
// what looks alike.
func TestRules(t *testing.T) {
	t.Parallel()
	router := begin(false).router(3)
	tests := map[RuleID][]ruleCase{
		"below-server-ttl": {
			{"drawn at TTL 3 in every round", swept(forged(), hitsAt3), true},
			{"nothing drawn", swept(unwanted(), func(s *Sweeps) { s.At = 7 }), false},
			{"drawn at the server only", swept(unwanted(), func(s *Sweeps) { s.Hits, s.At = []int{8}, 7 }), false},
			{"rounds do not agree", swept(forged(), func(s *Sweeps) { s.Hits, s.Votes = []int{8}, 1 }), false},
			{"control copies draw it too", swept(forged(), func(s *Sweeps) { s.Hits, s.ControlHits = []int{8}, []int{9} }), true},
			{"not swept", about(forged()), false},
			{"a full accept queue, which resets either name now and then", with(swept(unwanted(), hitsAt3), func(f *Findings) {
				f.Trailing = append(times(2, served()), unwanted().observe())
			}), false},
			{"a box that resets either name, from nearer", with(swept(resetAfter(rtt/4, ttl(boxTTL)), hitsAt3), func(f *Findings) {
				f.Trailing = times(3, resetAfter(rtt/4, ttl(boxTTL)))
			}), true},
		},
		"lost-before-server": {
			{"only control copies go on", swept(dropped(), func(s *Sweeps) { s.Control = []int{7, 8} }), true},
			{"test copies go on", swept(dropped(), func(s *Sweeps) { s.Control, s.Passed = []int{7, 8}, []int{9} }), false},
			{"routers silent to everybody", swept(dropped(), func(*Sweeps) {}), false},
			{"one round, one silent copy: its error may have got lost", swept(dropped(), func(s *Sweeps) { s.Control, s.Rounds, s.Votes, s.At = []int{7}, 1, 1, s.ServerTTL-1 }), false},
			{"lost at the server only", swept(dropped(), func(s *Sweeps) { s.Control, s.At = []int{7}, 7 }), false},
			{"something answers", swept(forged(), func(s *Sweeps) { s.Control, s.Hits = []int{7}, []int{8} }), false},
		},
		"router-forbids": {
			{"a router forbids", about(asking().icmp(packet.Unreachable, 13, router)), true},
			{"the server forbids", about(asking().icmp(packet.Unreachable, 13, begin(false).rec.Key.Remote.Addr())), false},
			{"the router forbids controls, too", with(about(asking().icmp(packet.Unreachable, 13, router)), func(f *Findings) {
				f.Trailing = times(1, asking().icmp(packet.Unreachable, 13, router))
			}), false},
			{"too big is no ban", about(asking().icmp(packet.PacketTooBig, 4, router).wait(rtt).data(0, hello)), false},
			{"once in three", mixed(served(), served(), asking().icmp(packet.Unreachable, 13, router)), false},
			{"before the stimulus", about(begin(false).syn().icmp(packet.Unreachable, 1, router)), false},
		},
		"server-goes-on": {
			{"data behind the reset", about(forged()), true},
			{"a reset and nothing else", about(unwanted()), false},
			{"data in flight before the reset", about(asking().wait(rtt).rst(len(hello)).data(0, hello)), false},
			{"a reset behind the data", about(asking().wait(rtt).data(0, hello).rst(len(hello))), false},
			{"in flight when the stimulus, sent again, met no connection", about(asking().wait(rtt).again().rst(0).wait(time.Millisecond).data(0, hello)), false},
			{"the same, a timeout later", about(asking().wait(rtt).again().rst(0).wait(300*time.Millisecond).data(0, hello)), true},
			{"in flight when the second of two segments met no connection", about(asking().wait(time.Millisecond).ask("more").wait(rtt).rst(0).get(packet.Segment{
				Seq: theirISS.Add(1), Ack: ourISS.Add(1 + len(asked)), Flags: packet.ACK, Payload: []byte(hello),
			})), false},
			{"data beyond an abort", about(asking().wait(rtt).again().get(abortAt(0)).wait(time.Millisecond).data(0, hello)), true},
			{"an acknowledgment that the abort overtook", about(asking().wait(rtt).get(abortAt(0)).wait(time.Millisecond).ack()), false},
			{"an acknowledgment a timeout later", about(asking().wait(rtt).get(abortAt(0)).wait(300 * time.Millisecond).ack()), true},
			{"an answer to what we sent since", about(asking().wait(rtt).again().rst(0).wait(time.Millisecond).ask("more").wait(rtt).ack()), true},
			{"data from the box's distance", about(asking().rst(0, ttl(boxTTL)).data(0, hello, ttl(boxTTL))), false},
			{"once in three", mixed(forged(), served(), served()), false},
			{"every second time, of many", with(mixed(forged(), served(), forged(), served(), served()), func(f *Findings) { f.Tests = append(f.Tests, forged().observe()) }), true},
		},
		"two-answers": {
			{"a page in front of the page", about(asking().data(0, blockPage, ttl(boxTTL)).wait(rtt).data(0, page)), true},
			{"data behind a close", about(asking().fin(0, ttl(boxTTL)).wait(rtt).data(0, hello)), true},
			{"one answer", about(served()), false},
			{"the same segment twice", about(asking().data(0, page).data(0, page)), false},
			{"an overlapping retransmission", about(asking().data(0, page[:9]).data(4, page[4:]).data(0, page)), false},
			{"out of order", about(asking().data(9, page[9:]).data(0, page[:9])), false},
			{"out of order with the close", about(asking().data(9, page[9:]).fin(len(page)).data(0, page[:9])), false},
		},
		"faster-than-path": {
			{"a quarter of a round trip", about(resetAfter(rtt / 4)), true},
			{"a round trip", about(resetAfter(rtt)), false},
			{"an answer after a quarter", about(asking().wait(rtt/4).data(0, hello)), true},
			{"a close after a quarter", about(asking().wait(rtt / 4).fin(0)), true},
			{"a greeting that does not wait for the stimulus", about(asking().wait(rtt / 4).get(packet.Segment{Seq: theirISS.Add(1), Ack: ourISS.Add(1), Flags: packet.ACK, Payload: []byte(hello)})), false},
			{"controls are answered as soon", with(about(asking().wait(rtt/4).data(0, hello)), func(f *Findings) { f.Leading = times(1, asking().wait(rtt/4).data(0, hello)) }), false},
			{"a jittery path", with(about(resetAfter(rtt/2)), func(f *Findings) {
				for i := range f.Tests {
					f.Tests[i].RTT += rtt
				}
				for i := range f.Trailing {
					f.Trailing[i].RTT += rtt
				}
			}), false},
			{"a fast one that overtakes, with four round trips known", Findings{Leading: times(1, served()), Tests: times(3, resetAfter(rtt/4))}, false},
			{"a server that resets on accept", about(acceptedAndReset()), false},
			{"a bare reset, and controls that are reset as well", with(about(resetAfter(rtt/4)), func(f *Findings) {
				f.Trailing = times(3, resetAfter(rtt/4))
			}), false},
		},
		"ahead-of-sequence": {
			{"reset", with(about(unwanted()), func(f *Findings) { f.Gap = times(3, gap().rst(0, ttl(boxTTL))) }), true},
			{"reset by a bare packet of the server's distance, which may answer the handshake", with(about(unwanted()), func(f *Findings) { f.Gap = times(3, gap().rst(0)) }), false},
			{"refused", with(about(unwanted()), func(f *Findings) { f.Gap = times(3, begin(false).syn().wait(rtt).refusal()) }), false},
			{"a full accept queue, now and then", with(about(unwanted()), func(f *Findings) {
				f.Gap, f.Trailing = times(3, gap().fin(0)), append(times(2, served()), unwanted().observe())
			}), false},
			{"answered, following our numbers", with(about(closed()), func(f *Findings) { f.Gap = times(3, gap().fin(0)) }), true},
			{"held", with(about(unwanted()), func(f *Findings) { f.Gap = times(3, gap().sack()) }), false},
			{"silence", with(about(unwanted()), func(f *Findings) { f.Gap = times(3, gap().silent()) }), false},
			{"the server closes an idle connection", with(about(unwanted()), func(f *Findings) {
				f.Gap = times(3, gap().get(packet.Segment{Seq: theirISS.Add(1), Ack: ourISS.Add(1), Flags: packet.FIN | packet.ACK}))
			}), false},
			{"the server resets on accept", with(about(acceptedAndReset()), func(f *Findings) {
				f.Gap = times(3, gap().get(packet.Segment{Seq: theirISS.Add(1), Ack: ourISS.Add(1), Flags: packet.RST | packet.ACK}).rst(0))
			}), false},
			{"not asked", about(unwanted()), false},
		},
		"same-at-control-address": {
			{"the same end", elsewhere(unwanted(), unwanted(), served()), true},
			{"served there", elsewhere(unwanted(), served(), served()), false},
			{"the control fails there as well", elsewhere(unwanted(), unwanted(), unwanted()), false},
			{"a server of the same habit", with(elsewhere(unwanted(), unwanted(), served()), func(f *Findings) { f.Random = times(1, unwanted()) }), false},
			{"nothing fails", elsewhere(served(), served(), served()), false},
		},
		"answered-nearer": {
			{"nearer, and served there", with(elsewhere(unwanted(), served(), served()), nearer(4)), true},
			{"as far", elsewhere(unwanted(), served(), served()), false},
			{"nearer, and refused there as well", with(elsewhere(unwanted(), unwanted(), served()), nearer(4)), false},
			{"a nearer server that serves", with(elsewhere(served(), served(), served()), nearer(1)), false},
		},
		"hedged-sequence": {
			{"three resets, a window apart", about(asking().rst(0).rst(1460).rst(4380)), true},
			{"one reset", about(unwanted()), false},
			{"two identical duplicates", about(asking().rst(0).rst(0)), false},
			{"one beyond the close", about(asking().rst(0).rst(1)), false},
			{"an abort, and the answer to a late packet", about(asking().wait(rtt).get(abortAt(4380)).rst(0)), false},
			{"the answer to a late packet, and an abort", about(asking().wait(rtt).rst(0).get(abortAt(4380))), false},
			{"beyond what the server sent", about(asking().rst(0).data(0, string(make([]byte, 1460))).rst(1460)), false},
		},
		"never-acknowledged": {
			{"lost", about(dropped()), true},
			{"acknowledged", about(stalled()), false},
			{"controls are lost, too", with(about(dropped()), func(f *Findings) { f.Leading = times(3, dropped()) }), false},
			{"the SYN is lost", about(begin(false).syn().again().silent()), false},
		},
		"ttl-differs": {
			{"four more", about(resetAfter(rtt, ttl(ownTTL+4))), true},
			{"three fewer", about(resetAfter(rtt, ttl(ownTTL-3))), true},
			{"the server's", about(unwanted()), false},
			{"two more, as behind a load balancer", about(resetAfter(rtt, ttl(ownTTL+2))), false},
			{"within the spread of the controls", with(about(resetAfter(rtt, ttl(ownTTL+4))), func(f *Findings) {
				f.Trailing = times(3, asking().wait(rtt).data(0, hello, ttl(ownTTL+3)))
			}), false},
			{"no packet of the server seen", Findings{Tests: times(3, begin(false).syn().refusal())}, false},
			{"as in genuine resets", with(about(resetAfter(rtt, ttl(ownTTL+4))), genuinely(stray(ttl(ownTTL+4)))), false},
			{"genuine resets come from elsewhere", with(about(resetAfter(rtt, ttl(ownTTL+4))), genuinely(stray())), true},
			{"a SYN proxy answers for a server farther away", with(about(resetAfter(rtt, ttl(ownTTL+6))), func(f *Findings) {
				f.Trailing = times(3, asking().wait(rtt).data(0, hello, ttl(ownTTL+6)))
			}), false},
			{"within the spread again, as far as that", with(about(resetAfter(rtt, ttl(ownTTL+9))), func(f *Findings) {
				f.Trailing = times(3, asking().wait(rtt).data(0, hello, ttl(ownTTL+5)))
			}), false},
		},
		"id-echoed": {
			{"ours", about(resetAfter(rtt, id(ourID))), true},
			{"the next", about(resetAfter(rtt, id(ourID+1))), true},
			{"another", about(resetAfter(rtt, id(7))), false},
			{"zero", about(resetAfter(rtt, id(0))), false},
			{"IPv6 has none", about(begin(true).syn().synack().ask(asked).wait(rtt).rst(0)), false},
		},
		"window-mirrored": {
			{"ours", about(resetAfter(rtt, window(ourWin))), true},
			{"zero, as Linux sends", about(resetAfter(rtt, window(0))), false},
			{"the server's own", about(resetAfter(rtt, window(512))), false},
		},
		"name-differs": {
			{"only the test name", about(unwanted()), true},
			{"a random name, too", with(about(unwanted()), func(f *Findings) { f.Random = times(1, unwanted()) }), false},
			{"a random name was not asked", with(about(unwanted()), func(f *Findings) { f.Random = nil }), false},
			{"the controls, too", with(about(unwanted()), func(f *Findings) { f.Leading = times(3, unwanted()) }), false},
			{"one of three", mixed(unwanted(), served(), served()), false},
			{"the controls, too, since the first test", with(about(unwanted()), func(f *Findings) { f.Trailing = times(3, unwanted()) }), false},
			{"nothing fails", about(served()), false},
		},
		"answered-and-reset": {
			{"both", about(asking().wait(rtt).data(0, hello).rst(len(hello))), true},
			{"a reset alone", about(unwanted()), false},
			{"a server that answers and resets everybody (linger 0)", with(about(abort()), func(f *Findings) {
				f.Leading, f.Trailing = times(3, abort()), times(3, abort())
			}), false},
		},
		"unknown-names-alike": {
			{"a random name is reset, too", with(about(unwanted()), func(f *Findings) { f.Random = times(1, unwanted()) }), true},
			{"a random name is served", about(unwanted()), false},
			{"a random name ends otherwise", with(about(unwanted()), func(f *Findings) { f.Random = times(1, dropped()) }), false},
			{"all are served", about(served()), false},
		},
		"controls-alike": {
			{"all are reset", with(about(abort()), func(f *Findings) { f.Leading, f.Random = times(3, abort()), times(1, abort()) }), true},
			{"a random name is served", with(about(abort()), func(f *Findings) { f.Leading = times(3, abort()) }), false},
			{"controls are served", about(abort()), false},
			{"controls fail after the first test only", with(about(unwanted()), func(f *Findings) { f.Trailing = times(3, unwanted()) }), false},
			{"no controls", with(about(abort()), func(f *Findings) { f.Leading = nil }), false},
		},
		"tls-alert": {
			{"an alert", about(alerted()), true},
			{"an answer", about(served()), false},
			{"an alert and a reset", about(alerted().rst(len(alertText))), false},
			{"one of three", mixed(alerted(), served(), served()), false},
		},
		"server-ttl": {
			{"a reset from as far as the server", about(unwanted()), true},
			{"from nearer", about(resetAfter(rtt, ttl(boxTTL))), false},
			{"sooner than a round trip", about(resetAfter(rtt / 4)), false},
			{"one of three does not fit", mixed(unwanted(), unwanted(), resetAfter(rtt, ttl(boxTTL))), false},
			{"no ending packet", about(dropped()), false},
		},
	}
	for id, cases := range moreRuleCases() {
		tests[id] = append(tests[id], cases...)
	}
	for _, r := range rules {
		if r.find == nil {
			continue // asked by TestDecideSYN
		}
		t.Run(string(r.ID), func(t *testing.T) {
			t.Parallel()
			fires := 0
			for _, tt := range tests[r.ID] {
				if tt.fires {
					fires++
				}
			}
			if fires < 1 || len(tests[r.ID])-fires < 2 {
				t.Errorf("%d cases, %d of which fire; a rule needs what it must see, what it must not, and a trap", len(tests[r.ID]), fires)
			}
			for _, tt := range tests[r.ID] {
				e := r.find(&tt.f)
				if (e != nil) != tt.fires {
					t.Errorf("%s: fires %v, want %v: %+v", tt.name, e != nil, tt.fires, e)
				}
				if e != nil && e.Detail == "" {
					t.Errorf("%s: no figures", tt.name)
				}
			}
		})
	}
}

// nearer puts what completes the handshake n hops nearer than the control
// address.
func nearer(n int) func(*Findings) { return func(f *Findings) { f.Nearer = n } }

// gap is a connection with the stimulus one byte ahead of sequence.
func gap() *script {
	s := begin(false).syn().synack()
	s.said = 1
	return s.ask(asked).wait(rtt)
}

// abort is a server that answers and aborts (linger 0).
func abort() *script {
	return asking().wait(rtt).data(0, page).get(packet.Segment{
		Seq: theirISS.Add(1 + len(page)), Ack: ourISS.Add(1 + len(asked)), Flags: packet.RST | packet.ACK,
	})
}

// elsewhere are findings with a control address.
func elsewhere(test, there, controlThere *script) Findings {
	return with(about(test), func(f *Findings) {
		f.Elsewhere, f.ElsewhereControl = times(3, there), times(1, controlThere)
	})
}

// The items of a verdict name their packets once, in ascending order, and no
// rule twice.
func TestEvidence(t *testing.T) {
	t.Parallel()
	f := swept(asking().wait(rtt/4).rst(0, ttl(boxTTL), id(ourID), window(ourWin)).rst(1460, ttl(boxTTL)).wait(rtt).data(0, hello), func(s *Sweeps) {
		s.Hits = []int{31, 30, 31}
	})
	it := f.evidence()
	if !it.decisive || len(it.forServer) != 0 || it.genuine != 0 {
		t.Errorf("decisive %v, for the server %v", it.decisive, it.forServer)
	}
	for _, family := range []Family{FamilyPath, FamilyStream, FamilyTiming, FamilyTTL, FamilyHeader, FamilyID, FamilyCount, FamilyDifferential} {
		if !it.families[family] {
			t.Errorf("no item of family %q", family)
		}
	}
	seen := map[RuleID]bool{}
	for _, e := range it.forBox {
		if seen[e.Rule] || e.Packets == nil || !slices.IsSorted(e.Packets) || len(slices.Compact(slices.Clone(e.Packets))) != len(e.Packets) {
			t.Errorf("not in order: %+v", e)
		}
		seen[e.Rule] = true
	}
}

// The rules themselves are documented, named once, and weigh what their class
// says.
func TestRuleTable(t *testing.T) {
	t.Parallel()
	seen := map[RuleID]bool{}
	kebab := regexp.MustCompile(`^[a-z]+(-[a-z]+)*$`)
	for _, r := range Rules() {
		if seen[r.ID] || !kebab.MatchString(string(r.ID)) {
			t.Errorf("rule %q: named twice, or not in kebab case", r.ID)
		}
		seen[r.ID] = true
		for what, text := range map[string]string{"family": string(r.Family), "doc": r.Doc, "looks": r.Looks, "why": r.Why, "trap": r.Trap, "source": r.Source} {
			if text == "" || strings.TrimSpace(text) != text {
				t.Errorf("rule %s: %s %q", r.ID, what, text)
			}
		}
		if strings.HasSuffix(r.Doc, ".") || !strings.HasSuffix(r.Looks, ".") || !strings.HasSuffix(r.Why, ".") || !strings.HasSuffix(r.Trap, ".") || !strings.HasSuffix(r.Source, ".") {
			t.Errorf("rule %s: the short sentence has no full stop, the others have one", r.ID)
		}
		switch r.Class {
		case Decisive:
			if r.Weight != decisiveWeight {
				t.Errorf("rule %s weighs %d", r.ID, r.Weight)
			}
		case Strong, Genuine:
			if r.Weight < weakWeight || r.Weight >= decisiveWeight/2 {
				t.Errorf("rule %s weighs %d", r.ID, r.Weight)
			}
		case Weak:
			if r.Weight != weakWeight {
				t.Errorf("rule %s weighs %d", r.ID, r.Weight)
			}
		case Placing:
			if r.Weight != 0 || r.find != nil {
				t.Errorf("rule %s says where, and weighs %d", r.ID, r.Weight)
			}
		default:
			t.Errorf("rule %s: class %q", r.ID, r.Class)
		}
	}
}
