package report

import (
	"fmt"
	"net/netip"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/rstprobe/rstprobe/internal/diagnosis"
	"github.com/rstprobe/rstprobe/internal/flow"
	"github.com/rstprobe/rstprobe/internal/packet"
	"github.com/rstprobe/rstprobe/probe"
)

// outline is an exchange in a line, and its packets in one each.
func outline(exchanges []Exchange) []string {
	var out []string
	for _, e := range exchanges {
		out = append(out, fmt.Sprintf("%s %s %s for %v from port %d, %d packets left", e.Role, e.Kind, e.Name, e.Tests, e.LocalPort, e.Left))
	}
	return out
}

// TestExchanges: what any client does and a control beside it are shown, and
// then a sweep, if evidence cites them.
func TestExchanges(t *testing.T) {
	d := New(everything(), meta)
	want := []string{
		"control sni control.example for [1 2] from port 40000, 0 packets left",
		"test sni blocked.example for [1 2] from port 40001, 0 packets left",
		"test sni blocked.example for [1] from port 40002, 18 packets left",
	}
	if diff := cmp.Diff(want, outline(d.Exchanges)); diff != "" {
		t.Fatalf("exchanges (-want +got):\n%s", diff)
	}
	var shown []string
	for _, e := range d.exchangesOf(1) {
		shown = append(shown, e.title())
	}
	if diff := cmp.Diff([]string{
		"test: ClientHello for blocked.example", "control: ClientHello for control.example", "test: ClientHello for blocked.example, once per TTL",
	}, shown); diff != "" {
		t.Errorf("in the order of the page (-want +got):\n%s", diff)
	}

	var forged []int
	for _, p := range d.Exchanges[1].Packets {
		if p.Forged {
			forged = append(forged, p.Packet)
		}
	}
	if diff := cmp.Diff([]int{12, 14, 15, 16}, forged); diff != "" {
		t.Errorf("forged packets (-want +got):\n%s", diff)
	}

	sweep := d.Exchanges[2].Packets
	if diff := cmp.Diff([]ExchangePacket{
		{Packet: 20, AtMS: 9.2, Sent: true, TTL: 3, Flags: "P.", Seq: 1, Ack: -2, Len: 520, CopyTTL: 3},
		{Packet: 21, AtMS: 13, TTL: 62, CopyTTL: 3, ICMP: &ICMPMessage{From: router(3), Type: 11}},
		{Packet: 22, AtMS: 13.1, Sent: true, TTL: 4, Flags: "P.", Seq: 1, Ack: -3, Len: 521, CopyTTL: 4},
	}, []ExchangePacket(sweep[3:6]), cmp.Comparer(func(a, b netip.Addr) bool { return a == b })); diff != "" {
		t.Errorf("copies (-want +got):\n%s", diff)
	}
	last := sweep[len(sweep)-1]
	if len(sweep) != maxExchangePackets || last.Packet != 82 || last.Skipped != 18 {
		t.Errorf("%d packets, the last is %+v: want %d, and that which is cited behind 18 that are left out", len(sweep), last, maxExchangePackets)
	}
}

// TestExchangesChosen: which attempts are shown, where not all is as usual.
func TestExchangesChosen(t *testing.T) {
	for _, tt := range []struct {
		name   string
		change func(*diagnosis.Result)
		want   []string
	}{
		{"nothing was found", func(res *diagnosis.Result) {
			for i := range res.Tests {
				res.Tests[i].Verdict.Outcome = probe.OK
			}
		}, nil},
		{"nothing was sent", func(res *diagnosis.Result) { res.Attempts = nil }, nil},
		{"evidence without packets", func(res *diagnosis.Result) {
			res.Tests = res.Tests[:1]
			res.Tests[0].Verdict.Evidence, res.Tests[0].Verdict.Against, res.Tests[0].Location = nil, nil, nil
		}, []string{"control sni control.example for [1] from port 40000, 0 packets left", "test sni blocked.example for [1] from port 40001, 0 packets left"}},
		{"only the sweep is cited", func(res *diagnosis.Result) {
			res.Tests = res.Tests[:1]
			v := &res.Tests[0].Verdict
			v.Evidence, v.Against, res.Tests[0].Location = v.Evidence[2:], nil, nil
		}, []string{"test sni blocked.example for [1] from port 40002, 18 packets left"}},
		{"a cited control is nearer than others", func(res *diagnosis.Result) {
			res.Tests = res.Tests[:1]
			res.Tests[0].Verdict.Evidence[0].Packets = []int{5, 12}
			other := res.Attempts[0]
			other.Record.Key.Local = netip.AddrPortFrom(source, 39999)
			other.Record.Events = []flow.Event{{Kind: flow.Sent}}
			res.Attempts = slices.Insert(res.Attempts, 1, other)
		}, []string{
			"control sni control.example for [1] from port 40000, 0 packets left",
			"test sni blocked.example for [1] from port 40001, 0 packets left", "test sni blocked.example for [1] from port 40002, 18 packets left",
		}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			res := everything()
			tt.change(&res)
			if diff := cmp.Diff(tt.want, outline(newExchanges(res))); diff != "" {
				t.Errorf("exchanges (-want +got):\n%s", diff)
			}
		})
	}
}

// TestExchangesBounded: many tests make no large document, and those named
// first have theirs shown.
func TestExchangesBounded(t *testing.T) {
	res := everything()
	var a scripted
	first := res.Tests[0]
	res.Tests = nil
	for i := range 3 * maxExchanges {
		a.begin(probe.Test, fmt.Sprint(i), uint16(i))
		one := first
		one.Verdict.Against, one.Location = nil, nil
		one.Verdict.Evidence = []probe.Evidence{{Packets: []int{a.next + 1}}}
		a.handshake()
		res.Tests = append(res.Tests, one)
	}
	res.Attempts = a.attempts
	got := newExchanges(res)
	if len(got) != maxExchanges {
		t.Fatalf("%d exchanges, want %d", len(got), maxExchanges)
	}
	for i, e := range got {
		if diff := cmp.Diff(List[int]{i + 1}, e.Tests); diff != "" {
			t.Errorf("exchange %d: tests (-want +got):\n%s", i, diff)
		}
	}
}

// TestForged: which packets are a box's is up to the verdict and its evidence.
func TestForged(t *testing.T) {
	const reset = packet.RST | packet.ACK
	var a scripted
	a.begin(probe.Test, "blocked.example", 40000)
	a.handshake()
	a.segment(1, false, 62, reset, 1, 1, 0)                   // 4: cited
	a.segment(2, false, 62, packet.RST, 1, 1, 0)              // 5: another of its kind
	a.segment(3, false, 58, reset, 1, 1, 0)                   // 6: the server's own
	a.segment(4, true, 62, reset, 1, 1, 0)                    // 7: ours
	a.segment(5, false, 58, packet.FIN|packet.ACK, 1, 1, 0)   // 8: cited
	a.segment(6, false, 58, packet.PSH|packet.ACK, 1, 1, 100) // 9: cited
	a.expire(7, 3)                                            // 10: cited
	events := a.attempts[0].Record.Events
	verdict := func(o probe.Outcome, author, supports probe.Author) diagnosis.Test {
		return diagnosis.Test{Verdict: probe.Verdict{
			Outcome: o, Author: author, Evidence: []probe.Evidence{{Supports: supports, Packets: []int{4, 8, 9, 10}}},
		}}
	}
	for _, tt := range []struct {
		name string
		test diagnosis.Test
		want []int
	}{
		{"reset", verdict(probe.Reset, probe.OnPath, probe.OnPath), []int{4, 5}},
		{"refused", verdict(probe.Refused, probe.OnOrInPath, probe.InPath), []int{4, 5}},
		{"fin", verdict(probe.Fin, probe.InPath, probe.InPath), []int{8}},
		{"page", verdict(probe.InjectedResponse, probe.InPath, probe.OnOrInPath), []int{9}},
		{"silence", verdict(probe.Drop, probe.InPath, probe.InPath), nil},
		{"the server did it", verdict(probe.Reset, probe.Server, probe.OnPath), nil},
		{"nobody knows", verdict(probe.Reset, probe.Undetermined, probe.OnPath), nil},
		{"cited for the server", verdict(probe.Reset, probe.OnPath, probe.Server), nil},
	} {
		t.Run(tt.name, func(t *testing.T) {
			var got []int
			for k := range events {
				if forged([]diagnosis.Test{tt.test}, events)[k] {
					got = append(got, events[k].N)
				}
			}
			if diff := cmp.Diff(tt.want, got); diff != "" {
				t.Errorf("forged (-want +got):\n%s", diff)
			}
		})
	}
}

// TestNumbering: numbers count from the first packet of each end, and a reset
// says nothing of where its sender began.
func TestNumbering(t *testing.T) {
	var n numbering
	for i, step := range []struct {
		byClient         bool
		flags            packet.Flags
		seq, ack         packet.Seq
		wantSeq, wantAck int
	}{
		{true, packet.SYN, 0xffffffff, 7, 0, 0},
		{false, packet.RST | packet.ACK, 5000, 0, 5000, 1},
		{false, packet.SYN | packet.ACK, 9000, 0, 0, 1},
		{true, packet.ACK, 0, 8998, 1, -2},
		{false, packet.RST, 9100, 4, 100, 0},
	} {
		seq, ack := n.of(packet.Segment{Flags: step.flags, Seq: step.seq, Ack: step.ack}, step.byClient)
		if seq != step.wantSeq || ack != step.wantAck {
			t.Errorf("packet %d: seq %d ack %d, want %d and %d", i, seq, ack, step.wantSeq, step.wantAck)
		}
	}
}

// TestExchangeLadder: a packet of a box begins where the box is, a copy with a
// small TTL ends where it dies, and notes tell what packets are cited for.
func TestExchangeLadder(t *testing.T) {
	d := New(everything(), meta)
	rungs := func(e Exchange) map[string]rung {
		out := map[string]rung{}
		for _, r := range d.ladder(e, d.Tests[0]).rungs {
			out[r.packet] = r
		}
		return out
	}
	whole, sweep := rungs(d.Exchanges[1]), rungs(d.Exchanges[2])
	for _, tt := range []struct {
		name      string
		r         rung
		from, to  float64
		mark      string
		dashed    bool
		at        time.Duration
		labelPart string
	}{
		{"ours", whole["#10"], 0, 1, "", false, 9100 * time.Microsecond, "[P.] seq 1 ack 1 len 517 TTL 64"},
		{"the server's", whole["#11"], 1, 0, "", false, 12 * time.Millisecond, "[.] seq 1 ack 518 len 0 TTL 58"},
		{"forged in hop 3 of 7", whole["#12"], 3.0 / 7, 0, forgedMark, true, 13 * time.Millisecond, "[R.] seq 1 ack 518 len 0 TTL 62"},
		{"copy with TTL 3", sweep["#20"], 0, 3.0 / 7, "", false, 9200 * time.Microsecond, "TTL 3"},
		{"router 3", sweep["#21"], 3.0 / 7, 0, routerMark, true, 13 * time.Millisecond, "time exceeded from 10.9.2.2"},
	} {
		r := tt.r
		if r.from != tt.from || r.to != tt.to || r.mark != tt.mark || r.dashed != tt.dashed || r.at != tt.at || !strings.Contains(r.label, tt.labelPart) {
			t.Errorf("%s: %+v", tt.name, r)
		}
	}
	if diff := cmp.Diff([]string{
		"packets 12, 15, 16: for: below-server-ttl", "packet 14: for: below-server-ttl, rst-ttl-differs; against: rst-ipid-zero; place: reset-hops",
	}, d.ladder(d.Exchanges[1], d.Tests[0]).notes()); diff != "" {
		t.Errorf("notes (-want +got):\n%s", diff)
	}
	unsure := d.Tests[0]
	unsure.Confidence, unsure.Location, unsure.Boxes = probe.Possible, nil, nil
	for _, r := range d.ladder(d.Exchanges[1], unsure).rungs {
		if r.packet == "#12" && (r.mark != suspectMark || r.from != middle) {
			t.Errorf("of a box that is but possible, and nowhere: %+v", r)
		}
	}
}

func TestICMPLabel(t *testing.T) {
	v4, v6 := netip.MustParseAddr("192.0.2.1"), netip.MustParseAddr("2001:db8::1")
	for _, tt := range []struct {
		kind, code uint8
		from       netip.Addr
		want       string
	}{
		{11, 0, v4, "time exceeded from 192.0.2.1"}, {3, 0, v6, "time exceeded from 2001:db8::1"},
		{3, 13, v4, "unreachable (code 13) from 192.0.2.1"}, {1, 1, v6, "unreachable (code 1) from 2001:db8::1"},
		{3, 4, v4, "packet too big from 192.0.2.1"}, {2, 0, v6, "packet too big from 2001:db8::1"},
		{12, 0, v4, "type 12 code 0 from 192.0.2.1"}, {4, 1, v6, "type 4 code 1 from 2001:db8::1"},
	} {
		if got := icmpLabel(tt.kind, tt.code, tt.from); got != tt.want {
			t.Errorf("icmpLabel(%d, %d, %s) = %q, want %q", tt.kind, tt.code, tt.from, got, tt.want)
		}
	}
}
