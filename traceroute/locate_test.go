package traceroute

import (
	"net/netip"
	"slices"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"github.com/rstprobe/rstprobe/internal/packet"
	"github.com/rstprobe/rstprobe/probe"
)

// all are the routers of the emulated path.
var all = []int{1, 2, 3, 4, 5, 6}

// from are the TTLs from k on.
func from(k int) []int { return all[k-1:] }

// tap is a sweep past a box that sees a copy at TTL k and sends from router n.
func tap(k, n int) Sweep { return begin(false).burst(1, 6).expire(all...).resets(n, from(k)...).read() }

// taken is a sweep past a box that takes the copies out from TTL k on and
// sends from router n.
func taken(k, n int) Sweep {
	return begin(false).burst(1, 6).expire(all[:k-1]...).resets(n, from(k)...).read()
}

// dark is a sweep past a box that drops the copies from TTL k on, where the
// silent routers say nothing at all.
func dark(k int, silent ...int) Sweep {
	s := begin(false).burst(1, 6)
	for _, n := range all[:k-1] {
		if !slices.Contains(silent, n) {
			s.expire(n)
		}
	}
	return s.read()
}

// harmless is a control's sweep.
func harmless(silent ...int) Sweep { return dark(7, silent...) }

// search is a search with all that was swept.
func search(control Sweep, test ...Sweep) Search {
	s := Search{Control: []Sweep{control}, Test: test}
	s.Path = Merge(serverAt, 30, nil, s.Control, s.Test)
	return s
}

// ended adds three full-TTL tests that a reset with a remaining TTL ended.
func ended(s Search, ttl uint8) Search {
	o := probe.Observe(begin(false).get(packet.Segment{Seq: theirISS.Add(1), Flags: packet.RST}, ttl).rec)
	s.Full = []probe.Observation{o, o, o}
	return s
}

func silence(s Search) Search {
	s.Silence = true
	return s
}

func TestFacts(t *testing.T) {
	t.Parallel()
	counts := func(f probe.Sweeps) []int {
		return []int{f.At, f.After, f.Votes, f.Rounds, len(f.Hits), len(f.ControlHits), len(f.Passed), len(f.Control)}
	}
	idle := begin(false).burst(1, 6).get(packet.Segment{Seq: theirISS.Add(1), Ack: ourISS.Add(1), Flags: packet.RST | packet.ACK}, serverTTL).read()
	for _, tt := range []struct {
		name   string
		search Search
		want   []int // at, after, votes, rounds; hits, control hits, passed, control
	}{
		{"not swept", search(harmless()), []int{0, 0, 0, 0, 0, 0, 0, 0}},
		{"the server's distance is not known", func() Search {
			s := search(harmless(), tap(3, 3))
			s.Path.ServerTTL = 0
			return s
		}(), []int{0, 0, 0, 1, 0, 0, 0, 0}},
		{"nothing below the server", ended(search(harmless(), harmless(), harmless(), harmless()), serverTTL), []int{7, 6, 3, 3, 0, 0, 0, 0}},
		{"a tap at router 3", search(harmless(), tap(3, 3), tap(3, 3), tap(3, 3)), []int{3, 2, 3, 3, 12, 0, 12, 4}},
		{"a filter behind router 3", search(harmless(), taken(4, 3), taken(4, 3), taken(4, 3)), []int{4, 3, 3, 3, 9, 0, 0, 3}},
		{"a box at router 1", search(harmless(), taken(1, 1)), []int{1, 0, 1, 1, 6, 0, 0, 6}},
		{"a lost copy widens the segment", search(harmless(), tap(4, 3), tap(3, 3), tap(4, 3)), []int{3, 1, 3, 3, 10, 0, 12, 4}},
		{"each round lost more", search(harmless(), tap(3, 3), tap(4, 3), tap(5, 3)), []int{3, 1, 3, 3, 9, 0, 12, 4}},
		{"a round whose connection never stood", search(harmless(), tap(3, 3), begin(false).read(), tap(3, 3)), []int{3, 2, 2, 2, 8, 0, 8, 4}},
		{"any name draws it, once", search(tap(3, 3), tap(3, 3)), []int{3, 0, 1, 1, 4, 4, 4, 4}},
		{"a drop at router 3", silence(search(harmless(), dark(3), dark(3), dark(3))), []int{3, 2, 3, 3, 0, 0, 0, 4}},
		{"a drop between silent routers", silence(search(harmless(2, 3), dark(4, 2, 3), dark(4, 2, 3), dark(4, 2, 3))), []int{4, 1, 3, 3, 0, 0, 0, 3}},
		{"a drop behind a first silent router", silence(search(harmless(1), dark(2, 1), dark(2, 1), dark(2, 1))), []int{2, 0, 3, 3, 0, 0, 0, 5}},
		{"one round of a drop", silence(search(harmless(1), dark(2, 1))), []int{3, 0, 1, 1, 0, 0, 0, 4}},
		{"one sweep saw more than another", silence(search(harmless(), dark(3), dark(5))), []int{5, 4, 2, 2, 0, 0, 0, 2}},
		{"a drop at the server", silence(search(harmless(), dark(7), dark(7))), []int{7, 6, 2, 2, 0, 0, 0, 0}},
		{"routers silent to everybody", silence(search(harmless(all...), dark(7, all...))), []int{7, 0, 1, 1, 0, 0, 0, 0}},
		{"the server resets idle connections", search(harmless(), idle, idle, idle), []int{0, 0, 0, 3, 0, 0, 0, 0}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			f := tt.search.Facts()
			if diff := cmp.Diff(tt.want, counts(f)); diff != "" {
				t.Errorf("at, after, votes, rounds, hits, control hits, passed, control: -want +got:\n%s", diff)
			}
			for _, ns := range [][]int{f.Hits, f.ControlHits, f.Passed, f.Control} {
				if !slices.IsSorted(ns) {
					t.Errorf("packets %v", ns)
				}
			}
		})
	}
}

func TestFactsConfirmed(t *testing.T) {
	t.Parallel()
	step := func(at int) *Sweep {
		s := begin(false).step(at-1).wait(time.Second).step(at).wait(rttPerHop).resets(3, at).read()
		return &s
	}
	for _, tt := range []struct {
		name      string
		timed     *Sweep
		confirmed bool
		after     int
	}{
		{"no step", nil, false, 3},
		{"the same TTL", step(4), true, 3},
		{"one TTL lower", step(3), false, 1}, // which only a burst can confirm
	} {
		s := search(harmless(), tap(4, 3), tap(4, 3), tap(4, 3))
		s.Timed = tt.timed
		if f := s.Facts(); f.Confirmed != tt.confirmed || f.After != tt.after {
			t.Errorf("%s: confirmed %v, after %d; want %v, %d", tt.name, f.Confirmed, f.After, tt.confirmed, tt.after)
		}
	}
}

// copied is a sweep past a box at router n that copies the TTL of what it saw.
func copied(n int) Sweep {
	s := begin(false).burst(1, 6)
	for _, k := range from(n + 3) {
		left := k - n - (n - 1) // at the box, and on the way back
		if left > 0 {
			s.get(packet.Segment{Seq: s.sent[k].TCP.Ack, Flags: packet.RST}, uint8(left)) //nolint:gosec // small
		}
	}
	return s.read()
}

// echo is a sweep past a tap at TTL n that copies the TTL of what it saw, on
// a path of which the way back is as long as the way out.
func echo(n int) Sweep {
	s := begin(false).burst(1, 6).expire(all...)
	for _, k := range from(2*n - 1) {
		if left := k - 2*(n-1); left > 0 {
			s.get(packet.Segment{Seq: s.sent[k].TCP.Ack, Flags: packet.RST}, uint8(left)) //nolint:gosec // small
		}
	}
	return s.read()
}

// echoing adds full-TTL tests with several TTLs that such a tap reset.
func echoing(s Search, n int) Search {
	for _, ttl := range []uint8{64, 60, 56} {
		s.Full = append(s.Full, probe.Observation{
			Outcome: probe.Reset, Stimulus: &probe.Seen{Packet: packet.Packet{TTL: ttl}},
			Resets: []probe.Seen{{Packet: packet.Packet{TTL: ttl - uint8(2*(n-1))}}}, //nolint:gosec // small
		})
	}
	return s
}

// fromTTL is a sweep past a tap at TTL 3 whose resets arrive with one TTL.
func fromTTL(ttl uint8) Sweep {
	s := begin(false).burst(1, 6).expire(all...)
	for _, k := range from(3) {
		s.get(packet.Segment{Seq: s.sent[k].TCP.Ack, Flags: packet.RST}, ttl)
	}
	return s.read()
}

func TestLocate(t *testing.T) {
	t.Parallel()
	three := func(s Sweep) Search { return search(harmless(), s, s, s) }
	for _, tt := range []struct {
		name          string
		search        Search
		after, at     int // at 0: not located
		device        int // 0: none named
		forward, back int
		evidence      probe.RuleID
	}{
		{"a tap at router 3", three(tap(3, 3)), 2, 3, 3, 3, 3, "two-rulers"},
		{"a filter behind router 3's TTL check", three(taken(4, 3)), 3, 4, 3, 3, 3, "two-rulers"},
		{"a box at router 1, or a filter of this machine", three(taken(1, 1)), 0, 1, 0, 0, 1, "no-router-crossed"},
		{"a filter behind router 1", three(taken(2, 1)), 1, 2, 1, 1, 1, "two-rulers"},
		{"a filter behind the last router", ended(three(harmless()), ttlFrom(6)), 6, 7, 6, 6, 6, "two-rulers"},
		{"the server", ended(three(harmless()), serverTTL), 6, 7, 0, 6, 7, ""},
		{"resets with another initial TTL", three(fromTTL(128 - 2)), 2, 3, 3, 3, 3, "two-rulers"},
		{"resets from farther away than the segment", three(fromTTL(64 - 9)), 2, 3, 0, 2, 6, "rulers-disagree"}, // 60 is nearer than 64
		{"resets from much farther away", three(fromTTL(64 - 12)), 2, 3, 0, 2, 13, "rulers-disagree"},
		{"resets with an initial TTL of 100", three(fromTTL(100 - 2)), 2, 3, 3, 3, 3, "two-rulers"},
		{"a copied TTL", three(copied(1)), 0, 1, 0, 0, 0, ""},
		{"a copied TTL beside the path", three(echo(2)), 0, 3, 0, 2, 0, "wide-segment"},
		{"a copied TTL, from the full-TTL tests", echoing(three(harmless()), 2), 0, 3, 0, 2, 0, "wide-segment"},
		{"random TTLs", search(harmless(), fromTTL(60), fromTTL(200), fromTTL(77)), 2, 3, 0, 2, 0, ""},
		{"a lost copy", search(harmless(), tap(4, 3), tap(4, 3), tap(3, 3)), 1, 3, 0, 2, 3, "wide-segment"},
		{"each round lost more", search(harmless(), tap(3, 3), tap(4, 3), tap(5, 3)), 1, 3, 0, 2, 3, "wide-segment"},
		{"one round of three", search(harmless(), tap(3, 3), harmless(), harmless()), 0, 0, 0, 0, 0, ""},
		{"a drop", silence(three(dark(3))), 2, 3, 0, 2, 0, ""},
		{"a drop between silent routers", silence(search(harmless(2, 3), dark(4, 2, 3), dark(4, 2, 3), dark(4, 2, 3))), 1, 4, 0, 3, 0, "wide-segment"},
		{"not swept", search(harmless()), 0, 0, 0, 0, 0, ""},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			l := tt.search.Locate(tt.search.Facts(), CodedBurst)
			if l == nil {
				if tt.at != 0 {
					t.Errorf("not located, want between %d and %d", tt.after, tt.at)
				}
				return
			}
			device := 0
			if l.Device != nil {
				device = l.Device.TTL
			}
			var rule probe.RuleID
			for _, e := range l.Evidence {
				rule = e.Rule
			}
			if diff := cmp.Diff([]any{tt.after, tt.at, tt.device, tt.forward, tt.back, tt.evidence},
				[]any{l.After.TTL, l.At.TTL, device, l.ForwardHops, l.ReverseHops, rule}); diff != "" {
				t.Errorf("after, at, device, forward, reverse, evidence: -want +got:\n%s", diff)
			}
		})
	}
}

// A router whose errors arrive with another initial TTL than the box's
// packets is the same distance away.
func TestLocateReadsRouters(t *testing.T) {
	t.Parallel()
	s := begin(false).burst(1, 6).expire(all...).resets(3, from(4)...)
	for i, e := range s.rec.Events {
		if e.Packet.ICMP.Kind == packet.TimeExceeded {
			s.rec.Events[i].Packet.TTL += 255 - 64
		}
	}
	one := search(harmless(), s.read(), s.read(), s.read())
	l := one.Locate(one.Facts(), CodedBurst)
	if l == nil || l.Device == nil || l.Device.TTL != 3 || l.Device.Addr != s.router(3) {
		t.Errorf("located %+v, want router 3", l)
	}
}

func TestMerge(t *testing.T) {
	t.Parallel()
	syn := raw(false).syns(1, 8)
	syn.wait(rttPerHop).expire(1, 2).get(packet.Segment{Seq: theirISS, Ack: syn.sent[7].TCP.Seq.Add(1), Flags: packet.SYN | packet.ACK}, serverTTL)
	box := begin(false).burst(1, 6).wait(rttPerHop/2).expire(1, 2, 3).resets(3, 3, 4)
	control := harmless(2, 5)
	got := Merge(serverAt, 30, []Sweep{syn.read()}, []Sweep{control}, []Sweep{box.read()})
	hop := func(ttl int, addr bool, control, test Answer, sent, answered int) Hop {
		h := Hop{TTL: ttl, Control: control, Test: test, Sent: sent, Answered: answered}
		if addr {
			h.Addr = box.router(ttl)
		}
		return h
	}
	want := Path{ServerTTL: serverAt, Hops: []Hop{
		hop(1, true, TimeExceeded, TimeExceeded, 2, 2),
		hop(2, true, Silent, TimeExceeded, 2, 1),
		hop(3, true, TimeExceeded, BothAnswers, 2, 1),
		hop(4, true, TimeExceeded, ResetAnswer, 2, 1),
		hop(5, false, Silent, Silent, 2, 0),
		hop(6, true, TimeExceeded, Silent, 2, 1),
		hop(7, false, FromServer, NotSent, 0, 0), // no copy of a name goes there
	}}
	opts := cmp.Options{cmpopts.IgnoreFields(Hop{}, "RTT"), cmpopts.EquateComparable(netip.Addr{})}
	if diff := cmp.Diff(want, got, opts); diff != "" {
		t.Errorf("-want +got:\n%s", diff)
	}
	if rtt := got.Hops[1].RTT; rtt != rttPerHop/2 {
		t.Errorf("RTT of hop 2 is %v, want the smaller, %v", rtt, rttPerHop/2)
	}
}

// Where the server never answers, the path is as long as routers speak, and
// never longer than allowed.
func TestMergeWithoutServer(t *testing.T) {
	t.Parallel()
	lost := raw(true).syns(1, 9).expire(1, 2, 5).read()
	for most, want := range map[int]int{30: 5, 4: 4} {
		if p := Merge(0, most, []Sweep{lost}, nil, nil); len(p.Hops) != want || p.ServerTTL != 0 {
			t.Errorf("at most %d: %d hops, want %d", most, len(p.Hops), want)
		}
	}
	if p := Merge(0, 30, nil, nil, nil); p.Hops == nil || len(p.Hops) != 0 {
		t.Errorf("nothing swept: %+v", p)
	}
}

func TestMergeAnswers(t *testing.T) {
	t.Parallel()
	follow := func(flags packet.Flags, data string) Sweep {
		s := begin(false).burst(1, 1)
		end := s.sent[1].TCP.Seq.Add(s.sent[1].TCP.Len())
		return s.get(packet.Segment{Seq: theirISS.Add(1), Ack: end, Flags: flags | packet.ACK, Payload: []byte(data)}, ttlFrom(1)).read()
	}
	for want, s := range map[Answer]Sweep{
		Injected:    follow(packet.PSH, "blocked"),
		Unreachable: begin(false).burst(1, 1).icmp(1, packet.Unreachable).read(),
		ResetAnswer: follow(packet.RST, ""),
		Silent:      begin(false).burst(1, 1).read(),
	} {
		if got := Merge(1, 30, nil, nil, []Sweep{s}).Hops[0].Test; got != want {
			t.Errorf("%q, want %q", got, want)
		}
	}
	if got := Merge(1, 30, nil, nil, []Sweep{follow(packet.FIN, "")}).Hops[0].Test; got != Injected {
		t.Errorf("a close is %q, want %q", got, Injected)
	}
}

// Copies on connections of their own: a box that was done with one connection
// after its first answer answers the next.
func TestFactsApart(t *testing.T) {
	t.Parallel()
	width := func(apart bool) (after, at int) {
		one, other := tap(3, 3), tap(3, 3)
		one.Apart, other.Apart = apart, apart
		f := search(harmless(), one, other).Facts()
		return f.After, f.At
	}
	after, at := width(true)
	wide, end := width(false)
	if at != 3 || end != 3 || after < wide || after != 2 {
		t.Errorf("between %d and %d, on one connection between %d and %d", after, at, wide, end)
	}
}
