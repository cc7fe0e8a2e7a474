package explain

import (
	"net/netip"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
	"github.com/rstprobe/rstprobe/internal/flow"
	"github.com/rstprobe/rstprobe/internal/packet"
)

// spoken is a conversation in which the client, and in answer the server,
// speak so many times, until one of them ends it.
func spoken(port uint16, times int, end packet.Flags) *flow.Conversation {
	ends := [2]netip.AddrPort{netip.AddrPortFrom(netip.MustParseAddr("192.0.2.1"), port), netip.MustParseAddrPort("198.51.100.7:80")}
	seqs := [2]packet.Seq{1000, 5000}
	c := &flow.Conversation{Record: flow.Record{Key: packet.Key{Local: ends[client], Remote: ends[server]}, Source: flow.Capture}}
	send := func(from side, f packet.Flags, text string) {
		n := len(c.Events) + 1
		p := packet.Packet{Src: ends[from], Dst: ends[from.other()], Proto: packet.TCP, TTL: 64 - 10*uint8(from), ID: port + uint16(n), HasID: true}
		p.TCP = packet.Segment{Seq: seqs[from], Ack: seqs[from.other()], Flags: f, Payload: []byte(text)}
		seqs[from] = seqs[from].Add(p.TCP.Len())
		kind := flow.Sent
		if from == server {
			kind = flow.Received
		}
		c.Events = append(c.Events, flow.Event{At: time.Duration(n) * 10 * time.Millisecond, Kind: kind, Packet: p, N: n})
	}
	send(client, packet.SYN, "")
	send(server, packet.SYN|packet.ACK, "")
	send(client, packet.ACK, "")
	for range times {
		send(client, packet.PSH|packet.ACK, "GET / HTTP/1.1\r\nHost: www.example\r\n\r\n")
		send(server, packet.PSH|packet.ACK, "HTTP/1.1 204 No Content\r\n\r\n")
	}
	send(server, end|packet.ACK, "")
	if end == packet.FIN {
		send(client, end|packet.ACK, "")
		send(server, packet.ACK, "")
	}
	return c
}

// TestReaderKeepsNothing: a conversation reads the same whatever was read
// before it, and what was learned of one stays when others are read.
func TestReaderKeepsNothing(t *testing.T) {
	all := []*flow.Conversation{
		spoken(1, 20, packet.FIN), spoken(2, 1, packet.RST), spoken(3, 3, packet.FIN), spoken(4, 0, packet.RST), spoken(5, 30, packet.RST),
	}
	opts := cmp.Options{
		cmpopts.EquateComparable(netip.Addr{}, netip.AddrPort{}), cmp.AllowUnexported(attempt{}, seg{}),
	}
	var shared reader
	known, alone := newFacts(), newFacts()
	for round := range 2 {
		for _, c := range all {
			got, want := shared.read(c), new(reader).read(c)
			known.learn(got)
			alone.learn(want)
			for _, of := range []side{client, server} {
				if diff := cmp.Diff(want.saw(of), got.saw(of), opts); diff != "" {
					t.Fatalf("round %d, port %d: what came to the %v (-want +got):\n%s", round, c.Key.Local.Port(), of, diff)
				}
			}
			if diff := cmp.Diff(want.segs, got.segs, opts); diff != "" {
				t.Fatalf("round %d, port %d: segments (-want +got):\n%s", round, c.Key.Local.Port(), diff)
			}
			if diff := cmp.Diff(summary(want), summary(got), opts); diff != "" {
				t.Fatalf("round %d, port %d: summary (-want +got):\n%s", round, c.Key.Local.Port(), diff)
			}
		}
	}
	for host, h := range alone.hosts {
		if len(h.healthy) == 0 {
			t.Errorf("nothing was learned of %v", host)
		}
		if diff := cmp.Diff(h.healthy, known.hosts[host].healthy, opts); diff != "" {
			t.Errorf("learned of %v (-want +got):\n%s", host, diff)
		}
	}
}
