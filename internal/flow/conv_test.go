package flow

import (
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/rstprobe/rstprobe/internal/packet"
)

// TestReuse: which segments begin another conversation on the same addresses
// and ports.
func TestReuse(t *testing.T) {
	again := seg{flags: packet.SYN, seq: 5000, mss: 1460}
	answer := seg{server: true, flags: packet.SYN | packet.ACK, seq: 9000, ack: 5001}
	challenge := seg{server: true, flags: packet.ACK, seq: 301, ack: 114} // RFC 5961 §4
	for _, tt := range []struct {
		name string
		play []seg
		want [][]int // packet numbers of each conversation
	}{
		{"after a reset", []seg{syn, synAck, ack, reset, again, answer}, [][]int{{1, 2, 3, 4}, {5, 6}}},
		{"after FINs", []seg{syn, synAck, ack, fin, finAck, again}, [][]int{{1, 2, 3, 4, 5}, {6}}},
		{"of a port that never answered", []seg{syn, again}, [][]int{{1}, {2}}},
		{"of a closed port", []seg{syn, {server: true, flags: packet.RST | packet.ACK, ack: 101}, again}, [][]int{{1, 2}, {3}}},
		{"the same SYN again", []seg{syn, syn, synAck, syn}, [][]int{{1, 2, 3, 4}}},
		{"the same SYN after a reset", []seg{syn, reset, syn}, [][]int{{1, 2, 3}}},
		{"a SYN into an open connection, challenged", []seg{syn, synAck, ack, hello, again, challenge, again}, [][]int{{1, 2, 3, 4, 5, 6, 7}}},
		{"a SYN into an open connection, answered", []seg{syn, synAck, ack, hello, again, challenge, again, answer}, [][]int{{1, 2, 3, 4, 5, 6, 7}, {5, 8}}},
		{"a SYN/ACK to another SYN", []seg{syn, synAck, ack, again, {server: true, flags: packet.SYN | packet.ACK, seq: 9000, ack: 7}}, [][]int{{1, 2, 3, 4, 5}}},
		{"a SYN after its answer", []seg{synAck, syn, ack}, [][]int{{1, 2, 3}}},
		{"both SYNs at the same time", []seg{syn, {server: true, flags: packet.SYN, seq: 300}, {server: true, flags: packet.SYN | packet.ACK, seq: 300, ack: 101}}, [][]int{{1, 2, 3}}},
		{"from the other side", []seg{syn, synAck, ack, reset, {server: true, flags: packet.SYN, seq: 7}}, [][]int{{1, 2, 3, 4}, {5}}},
		{"one way", []seg{synAck, finAck, {server: true, flags: packet.RST, seq: 302}, answer}, [][]int{{1, 2, 3}, {4}}},
		{"a second, forged SYN/ACK", []seg{syn, {server: true, flags: packet.SYN | packet.ACK, seq: 1, ack: 101}, reset, synAck}, [][]int{{1, 2, 3, 4}}},
		{"after a SYN that was challenged", []seg{syn, synAck, ack, again, challenge, reset, {flags: packet.SYN, seq: 7000}}, [][]int{{1, 2, 3, 4, 5, 6}, {7}}},
		{"a SYN with a reset", []seg{syn, reset, {flags: packet.SYN | packet.RST, seq: 9}}, [][]int{{1, 2, 3}}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			tp := newTape(t, Config{})
			tp.play(tt.play...)
			tp.table.Flush()
			var got [][]int
			for i, c := range tp.got {
				got = append(got, numbers(c.Events))
				if n := c.Events[0].N; c.First != n {
					t.Errorf("first packet %d, want %d", c.First, n)
				}
				if last := i == len(tp.got)-1; (c.Ended == Reused) == last {
					t.Errorf("conversation %d of %d ended %v", i+1, len(tp.got), c.Ended)
				}
			}
			if diff := cmp.Diff(tt.want, got); diff != "" {
				t.Errorf("packets (-want +got):\n%s", diff)
			}
		})
	}
}

// TestPrior: what a conversation knows of the one before.
func TestPrior(t *testing.T) {
	t.Run("closed", func(t *testing.T) {
		tp := newTape(t, Config{})
		tp.play(syn, synAck, ack, hello, reset)
		tp.now += 9 * time.Second
		tp.play(seg{server: true, flags: packet.SYN, seq: 7}) // the roles change
		tp.table.Flush()
		got := tp.got[1].Prior
		if got.Last != 5 || got.Gap != 9*time.Second+time.Millisecond || got.Server.End != 114 || got.Client.Resets != 1 {
			t.Errorf("prior %+v", got)
		}
		if first := tp.got[0].Prior; first != (Prior{}) {
			t.Errorf("the first has a prior, %+v", first)
		}
	})
	t.Run("half open", func(t *testing.T) {
		tp := newTape(t, Config{})
		tp.play(syn, synAck, ack)
		tp.now += time.Minute
		again := seg{flags: packet.SYN, seq: 5000}
		tp.play(again, again, seg{server: true, flags: packet.SYN | packet.ACK, seq: 9, ack: 5001})
		tp.table.Flush()
		if len(tp.got) != 2 {
			t.Fatalf("%d conversations, want 2", len(tp.got))
		}
		c := tp.got[1]
		if c.Prior.Gap != time.Minute+time.Millisecond || !c.Start.Equal(epoch.Add(time.Minute+4*time.Millisecond)) {
			t.Errorf("gap %v, start %v", c.Prior.Gap, c.Start)
		}
		if c.Client.SYNs != 1 || c.Client.ISN != 5000 {
			t.Errorf("%d SYNs, ISN %d", c.Client.SYNs, c.Client.ISN)
		}
	})
}

// TestSide: segments that an interface merged, and such as a capture cut, take
// the room that they took on the wire.
func TestSide(t *testing.T) {
	tp := newTape(t, Config{})
	tp.play(syn, synAck, ack)
	merged := seg{server: true, flags: packet.ACK, seq: 301, ack: 101, data: string(make([]byte, 4200))}.packet(9)
	raw, err := packet.Build(merged)
	if err != nil {
		t.Fatal(err)
	}
	cut, err := packet.Parse(raw[:60])
	if err == nil {
		t.Fatal("a cut datagram parses")
	}
	tp.n++
	tp.table.Add(tp.n, epoch.Add(tp.now), &cut)
	tp.play(
		seg{server: true, flags: packet.ACK, seq: 301, ack: 101, data: "again"},
		seg{server: true, flags: packet.FIN | packet.ACK, seq: 4501, ack: 101},
	)
	c := tp.only()
	want := Side{Packets: 4, Bytes: 4205, SYNs: 1, FINs: 1, ISN: 300, End: 4502, HasEnd: true, MSS: 1400, Largest: 4200}
	if diff := cmp.Diff(want, c.Server); diff != "" {
		t.Errorf("server (-want +got):\n%s", diff)
	}
	if s := c.Events[3].Packet.TCP; len(s.Payload) != 20 || s.Missing != 4180 {
		t.Errorf("%d bytes of payload and %d missing, want 20 and 4180", len(s.Payload), s.Missing)
	}
}

// TestRetransmitted: what the client sends again is marked, unless it looks
// with another TTL how far it gets; the server's packets arrive, all of them.
func TestRetransmitted(t *testing.T) {
	const kinds = "SSRSSTRRST" // Sent, Retransmitted (T), Received
	hello := seg{flags: packet.PSH | packet.ACK, seq: 101, ack: 301, data: "hello"}
	page := seg{server: true, flags: packet.PSH | packet.ACK, seq: 301, ack: 106, data: "page"}
	syn := seg{flags: packet.SYN, seq: 100}
	tp := newTape(t, Config{})
	tp.play(syn)
	near := seg{flags: packet.SYN, seq: 100}.packet(77)
	near.TTL = 3
	tp.add(near)
	tp.play(
		seg{server: true, flags: packet.SYN | packet.ACK, seq: 300, ack: 101}, seg{flags: packet.ACK, seq: 101, ack: 301},
		hello, hello, page, page,
		seg{flags: packet.FIN | packet.ACK, seq: 106, ack: 305}, seg{flags: packet.FIN | packet.ACK, seq: 106, ack: 305},
	)
	tp.table.Flush()
	got := ""
	for _, e := range tp.only().Events {
		got += map[Kind]string{Sent: "S", Retransmitted: "T", Received: "R"}[e.Kind]
	}
	if got != kinds {
		t.Errorf("kinds %s, want %s", got, kinds)
	}
}
