package twoends_test

import (
	"math/rand/v2"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/rstprobe/rstprobe/internal/explain/twoends"
	"github.com/rstprobe/rstprobe/internal/flow"
	"github.com/rstprobe/rstprobe/internal/packet"
	"github.com/rstprobe/rstprobe/probe"
)

// both is a connection that a tap resets at both ends, behind a translator,
// with clocks apart.
func both(t *testing.T) *world {
	w := newWorld(t)
	w.nat = true
	w.clock = func(d time.Duration) time.Duration { return d + time.Hour }
	asks(w)
	toClient(w, 5, "a")
	toServer(w, 5, "b")
	return w.trip()
}

// TestTable is the table of the packets sent here, seen there, only there.
func TestTable(t *testing.T) {
	r := both(t).match()
	p := r.Pairs[0]
	type row struct {
		From   twoends.End
		Packet [2]int
		TTL    [2]uint8
		Seq    int
		Size   int
		Fate   twoends.Fate
	}
	want := []row{
		{cli, [2]int{1, 1}, [2]uint8{64, 52}, 0, 0, twoends.Arrived},
		{srv, [2]int{2, 2}, [2]uint8{52, 64}, 0, 0, twoends.Arrived},
		{cli, [2]int{3, 3}, [2]uint8{64, 52}, 1, 0, twoends.Arrived},
		{cli, [2]int{4, 4}, [2]uint8{64, 52}, 1, len(request), twoends.Arrived},
		{srv, [2]int{5, 0}, [2]uint8{59, 0}, 1, 0, twoends.Injected},
		{cli, [2]int{0, 5}, [2]uint8{0, 57}, 1 + len(request), 0, twoends.Injected},
	}
	var got []row
	for _, x := range p.Rows {
		got = append(got, row{x.From, x.Packet, x.TTL, x.Seq, x.Size, x.Fate})
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("-want +got:\n%s", diff)
	}
	counts := [2]twoends.Counts{{twoends.Arrived: 3, twoends.Injected: 1}, {twoends.Arrived: 1, twoends.Injected: 1}}
	if diff := cmp.Diff(counts, p.Sent); diff != "" {
		t.Errorf("-want +got:\n%s", diff)
	}
	if !p.Translated() || p.Keys[srv].Local.String() != "203.0.113.9:61000" || p.Offset != time.Hour {
		t.Errorf("%v, offset %v; want a translation to 203.0.113.9:61000 and an hour", p.Keys, p.Offset)
	}
	if want := [2]twoends.Span{{Low: 12, High: 12}, {Low: 12, High: 12}}; r.Hops != want {
		t.Errorf("%v routers, want %v", r.Hops, want)
	}
}

// TestEvidence has every reason with its packets in the capture that has them.
func TestEvidence(t *testing.T) {
	r := both(t).match()
	type item struct {
		Rule             probe.RuleID
		Decisive         bool
		AtClient, Server []int
	}
	var got []item
	for _, e := range r.Pairs[0].Foreign[0].Evidence {
		if e.Supports != probe.OnPath || e.Detail == "" {
			t.Errorf("%+v supports %q", e, e.Supports)
		}
		got = append(got, item{e.Rule, e.Decisive, e.Packets, e.AtServer})
	}
	want := []item{
		{"never-sent", true, []int{5}, nil},
		{"both-ends", true, []int{5}, []int{5}},
		{"same-id-at-both-ends", false, []int{5}, []int{5}},
		{"ttl-unlike-sender", false, []int{5}, nil},
		{"faster-than-path", true, []int{4, 5}, nil},
		{"trigger-arrived", true, []int{4}, []int{4}},
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("-want +got:\n%s", diff)
	}
	for _, s := range []string{r.Summary, r.Pairs[0].Foreign[0].Summary} {
		if !strings.Contains(s, "never sent by the server") || !strings.Contains(s, `"www.example"`) {
			t.Errorf("%q does not say what was found", s)
		}
	}
	if !strings.Contains(r.Chinese, "旁路") {
		t.Errorf("%q does not say on-path", r.Chinese)
	}
}

// TestConsequence is the second reset of the documented case: it answers the
// ACK that came after the first had ended the connection.
func TestConsequence(t *testing.T) {
	w := newWorld(t)
	w.send(cli, packet.SYN, "").trip().send(srv, packet.SYN|packet.ACK, "").wait(oneWay / 2)
	toServer(w, 3, "b")
	w.wait(oneWay/2+time.Millisecond).acks(cli, name("ack")).trip()
	w.send(srv, packet.RST, "", name("second"), ack(0), id(0)).trip()
	r := w.match()
	got := r.Pairs[0].Resets
	if len(got) != 1 || got[0].Cause != "S20" || got[0].Drawn != w.numbers["ack"] || got[0].Packet != w.numbers["second"] {
		t.Fatalf("%+v; want one reset drawn by %v", got, w.numbers["ack"])
	}
	if detail := got[0].Evidence[1].Detail; !strings.Contains(detail, "31ms after it sent") || !strings.Contains(detail, "a round trip takes 30ms") {
		t.Errorf("%q does not compare with the round trip", detail)
	}
}

// TestOnceMayBeAMiss has resets that look like the sender's own in every way.
// One may have been missed by the sender's capture; three may not, and neither
// may one where a capture of hundreds of packets missed nothing else.
func TestOnceMayBeAMiss(t *testing.T) {
	play := func(w *world) {
		w.open().says(cli, request).trip().acks(srv).trip()
		toClient(w, 0, "", ttl(64-routers), id(0))
		w.wait(time.Second).another()
	}
	tests := []struct {
		name            string
		healthy, resets int
		want            probe.Confidence
		words           string
	}{
		{"once", 1, 1, probe.Possible, "or that capture missed it"},
		{"once, in a large capture", 50, 1, probe.Likely, "never sent"},
		{"three times", 1, 3, probe.Proved, "never sent"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			w := newWorld(t)
			for range tt.resets {
				play(w)
			}
			for range tt.healthy {
				w.served().another()
			}
			f := w.match().Pairs[0].Foreign
			if len(f) != 1 || f[0].Confidence != tt.want || !strings.Contains(f[0].Summary, tt.words) || f[0].Author != probe.OnPath {
				t.Errorf("%+v; want one, %s", f, tt.want)
			}
		})
	}
}

// TestSwapped gives the captures in the wrong order.
func TestSwapped(t *testing.T) {
	w := both(t)
	right := w.match()
	wrong := twoends.Match(w.conversations(srv), w.conversations(cli))
	if !wrong.Swapped || right.Swapped {
		t.Errorf("swapped: %v and %v, want true and false", wrong.Swapped, right.Swapped)
	}
	wrong.Swapped = false
	if diff := cmp.Diff(right.Summary, wrong.Summary); diff != "" {
		t.Errorf("-want +got:\n%s", diff)
	}
	if diff := cmp.Diff(w.tell(right), w.tell(wrong)); diff != "" {
		t.Errorf("-want +got:\n%s", diff)
	}
}

// TestIPv6 has no identifications.
func TestIPv6(t *testing.T) {
	w := newWorld(t)
	w.v6 = true
	asks(w, lost)
	toClient(w, 5, "a")
	w.wait(time.Second).repeats(cli, request, lost).wait(time.Second).another().served()
	want := "foreign a reset at client by in_path after request: M3 proved\ninterference"
	if diff := cmp.Diff(want, w.tell(w.match())); diff != "" {
		t.Errorf("-want +got:\n%s", diff)
	}
}

// TestManyPackets has a connection of which most packets are not kept. What is
// missing then may not be taken for something that nobody sent.
func TestManyPackets(t *testing.T) {
	w := newWorld(t)
	w.open()
	for i := range 400 {
		w.says(cli, request)
		if i%3 == 0 { // else the ends keep the same packets
			w.acks(cli, missedAt(srv))
		}
		w.trip().says(srv, page).trip().acks(cli)
	}
	w.says(cli, request, name("request")).wait(oneWay / 2)
	toClient(w, 5, "a")
	w.trip().says(srv, page).trip()
	r := w.match()
	var resets int
	for _, f := range r.Pairs[0].Foreign {
		if f.Kind != twoends.ResetPacket {
			t.Errorf("%+v is not foreign", f)
		}
		resets++
	}
	if resets != 1 || r.Pairs[0].Foreign[0].Confidence != probe.Proved {
		t.Errorf("%d resets, want 1: %+v", resets, r.Pairs[0].Foreign)
	}
}

// TestPairing has each way in which two conversations can be found to be one.
func TestPairing(t *testing.T) {
	tests := []struct {
		name string
		set  func(*world)
		want twoends.By
	}{
		{"plain", func(*world) {}, twoends.ByNumbers},
		{"one SYN lost", func(w *world) { w.window[srv] = [2]time.Duration{1020 * time.Millisecond, time.Hour} }, twoends.ByPackets},
		{"SYN/ACK only", func(w *world) { w.window[cli] = [2]time.Duration{1010 * time.Millisecond, time.Hour} }, twoends.ByOneISN},
		{"rewritten and translated", func(w *world) { w.nat, w.random, w.rewriteBoth = true, 99, true }, twoends.ByTSval},
		{"rewritten", func(w *world) { w.random, w.rewriteBoth = 99, true }, twoends.ByAddress},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			w := newWorld(t)
			tt.set(w)
			w.served()
			r := w.match()
			if len(r.Pairs) != 1 || r.Pairs[0].By != tt.want || r.Verdict != probe.Clean {
				t.Errorf("%+v; want one clean pair by %q", r, tt.want)
			}
		})
	}
}

// TestStrangers have nothing to do with each other.
func TestStrangers(t *testing.T) {
	a, b := newWorld(t), newWorld(t)
	b.port, b.isn = 50000, [2]packet.Seq{1, 2}
	a.noTS, b.noTS = true, true
	a.served()
	b.served()
	r := twoends.Match(a.conversations(cli), b.conversations(srv))
	if len(r.Pairs) != 0 || r.Alone != [2]int{1, 1} || r.Verdict != probe.OverallInconclusive {
		t.Errorf("%+v; want no pair", r)
	}
	if r := twoends.Match(nil, nil); r.Verdict != probe.OverallInconclusive {
		t.Errorf("%+v; want nothing", r)
	}
}

// TestLimit keeps no more conversations than it was told to.
func TestLimit(t *testing.T) {
	w := newWorld(t)
	for range 5 {
		w.served().another()
	}
	m := twoends.New(3)
	for _, e := range []twoends.End{cli, srv} {
		for _, c := range w.conversations(e) {
			m.Add(e, c)
		}
	}
	r := m.Finish()
	if len(r.Pairs) != 3 || r.Omitted != [2]int{2, 2} || r.Verdict != probe.Clean {
		t.Errorf("%+v; want 3 pairs and 2 omitted", r)
	}
}

// FuzzMatch loses, doubles, moves and mutilates packets of either capture.
// Whatever is left, there is a result, and it names packets that there are.
func FuzzMatch(f *testing.F) {
	f.Add(uint64(1), uint8(0))
	f.Add(uint64(2), uint8(40))
	f.Add(uint64(3), uint8(255))
	f.Fuzz(func(t *testing.T, seed uint64, harm uint8) {
		rng := rand.New(rand.NewPCG(seed, 1))
		w := newWorld(t)
		asks(w)
		toClient(w, 5, "a")
		toServer(w, 5, "b")
		w.trip().says(srv, page).trip().another().served()
		for e := range w.shots {
			list := w.shots[e]
			for i := range list {
				if uint8(rng.Uint32()) >= harm {
					continue
				}
				s, p := &list[i], &list[i].p
				switch rng.IntN(6) {
				case 0:
					s.at = s.at.Add(time.Duration(rng.Int64N(int64(time.Hour))) - time.Hour/2)
				case 1:
					p.TCP.Seq = packet.Seq(rng.Uint32())
				case 2:
					p.TCP.Flags = packet.Flags(rng.Uint32())
				case 3:
					p.TTL, p.ID = uint8(rng.Uint32()), uint16(rng.Uint32())
				case 4:
					p.TCP.Missing = rng.IntN(1 << 16)
				case 5:
					list[i] = list[rng.IntN(len(list))]
				}
			}
		}
		captures := [2][]flow.Conversation{w.conversations(cli), w.conversations(srv)}
		r := twoends.Match(captures[cli], captures[srv])
		if r.Verdict == "" || r.Summary == "" {
			t.Fatalf("no verdict: %+v", r)
		}
		for _, p := range r.Pairs {
			for _, x := range p.Foreign {
				at := x.At
				if r.Swapped {
					at = 1 - at
				}
				if x.Packet < 1 || x.Packet > len(w.shots[at]) {
					t.Errorf("there is no packet %d: %s", x.Packet, x.Summary)
				}
			}
		}
	})
}

// BenchmarkFinish compares captures with ten thousand conversations each.
func BenchmarkFinish(b *testing.B) {
	w := newWorld(b)
	for range 10000 {
		w.served().another()
	}
	captures := [2][]flow.Conversation{w.conversations(cli), w.conversations(srv)}
	b.ResetTimer()
	for b.Loop() {
		if r := twoends.Match(captures[cli], captures[srv]); len(r.Pairs) != 10000 {
			b.Fatalf("%d pairs", len(r.Pairs))
		}
	}
}
