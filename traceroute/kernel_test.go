package traceroute

import (
	"net/netip"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/rstprobe/rstprobe/internal/flow"
	"github.com/rstprobe/rstprobe/internal/packet"
	"github.com/rstprobe/rstprobe/probe"
)

// socketSweep is a sweep on ordinary sockets past a box at the ingress of
// router at: every copy has a connection and the same numbers, and neither the
// routers' addresses nor any TTL is known.
func socketSweep(at int) Sweep {
	rec := flow.Record{Source: flow.Kernel, Key: packet.Key{
		Local: netip.MustParseAddrPort("192.0.2.1:40000"), Remote: netip.MustParseAddrPort("198.51.100.7:443"),
	}}
	note := func(kind flow.Kind, p packet.Packet, stamp int) {
		rec.Events = append(rec.Events, flow.Event{Kind: kind, Packet: p, N: len(rec.Events) + 1, TTL: uint8(stamp)}) //nolint:gosec // 0 … 6
	}
	ours := func(s packet.Segment) packet.Packet {
		return packet.Packet{Src: rec.Key.Local, Dst: rec.Key.Remote, Proto: packet.TCP, TCP: s}
	}
	theirs := func(s packet.Segment) packet.Packet {
		return packet.Packet{Src: rec.Key.Remote, Dst: rec.Key.Local, Proto: packet.TCP, TCP: s}
	}
	for k := 1; k <= at; k++ {
		note(flow.Sent, ours(packet.Segment{Flags: packet.SYN}), 0)
		note(flow.Received, theirs(packet.Segment{Ack: 1, Flags: packet.SYN | packet.ACK}), 0)
		note(flow.Sent, ours(packet.Segment{Seq: 1, Ack: 1, Flags: packet.PSH | packet.ACK, Payload: make([]byte, asked)}), k)
		if k < at {
			note(flow.Received, packet.Packet{Proto: packet.ICMP, ICMP: packet.ICMPError{Kind: packet.TimeExceeded}}, k)
		}
	}
	note(flow.Received, theirs(packet.Segment{Seq: 1, Flags: packet.RST}), at)
	return Read(rec)
}

// Copies on connections of their own are told apart by the connection, however
// alike they are, and place a box as stamped ones do.
func TestReadSockets(t *testing.T) {
	t.Parallel()
	s := socketSweep(3)
	hit, expired := drawn(s)
	if diff := cmp.Diff([]any{[]int{3}, []int{1, 2}, 0, true, false}, []any{hit, expired, len(s.Stray), s.Apart, s.Timed}); diff != "" {
		t.Errorf("drawn, expired, strays, apart, timed: -want +got:\n%s", diff)
	}
	if s.Replies[2].Router.IsValid() || s.Replies[2].TTL != 0 || len(s.Altered) != 0 {
		t.Errorf("more is known than was told: %+v, %+v", s.Replies[2], s.Altered)
	}
	search := search(harmless(), s, socketSweep(3), socketSweep(3))
	facts := search.Facts()
	loc := search.Locate(facts, OwnFlows)
	if loc == nil {
		t.Fatal("not located")
	}
	if diff := cmp.Diff([]int{2, 3, 3}, []int{loc.After.TTL, loc.At.TTL, loc.Votes}); diff != "" {
		t.Errorf("after, at, votes: -want +got:\n%s", diff)
	}
	if loc.Device != nil || loc.ReverseHops != 0 {
		t.Errorf("a ruler without a TTL: %+v", loc)
	}
}

// Of SYNs that were answered on several connections the one with the smallest
// TTL says how far the server is, in whatever order they came.
func TestSummarySockets(t *testing.T) {
	t.Parallel()
	rec := flow.Record{Source: flow.Kernel}
	for n, k := range []uint8{8, 7, 9} {
		rec.Events = append(rec.Events,
			flow.Event{Kind: flow.Sent, N: 2*n + 1, TTL: k, Packet: packet.Packet{TTL: k, TCP: packet.Segment{Flags: packet.SYN}}},
			flow.Event{Kind: flow.Received, N: 2*n + 2, TTL: k, Packet: packet.Packet{TCP: packet.Segment{Ack: 1, Flags: packet.SYN | packet.ACK}}})
	}
	want := probe.SYNSweep{Swept: true, AnswerAt: 7, Expired: map[int]int{}, Packets: []int{4}}
	if diff := cmp.Diff(want, Read(rec).Summary()); diff != "" {
		t.Errorf("-want +got:\n%s", diff)
	}
}
