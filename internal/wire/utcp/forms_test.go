package utcp

import (
	"testing"
	"time"

	"github.com/rstprobe/rstprobe/internal/flow"
	"github.com/rstprobe/rstprobe/internal/packet"
)

func TestStray(t *testing.T) {
	t.Run("reset", func(t *testing.T) {
		h := begin(t, Config{Stray: true, Ack: iss.Add(77), StimulusTTL: 9})
		h.at(rtt)
		h.hear(packet.RST, 77, 0, "")
		h.at(time.Minute)
		h.wantEnd("Linger after the reset", rtt+20*ms)
		h.wantLog("one ACK, and nothing is left to close", "0s . seq 1 ack 77")
		if got := h.sent[0].TTL; got != 9 {
			t.Errorf("TTL %d, want 9", got)
		}
	})
	t.Run("silence", func(t *testing.T) {
		h := begin(t, Config{Stray: true, Ack: iss.Add(77), Timeout: time.Second})
		h.at(rtt)
		h.hear(packet.ACK, 77, 1, "") // a challenge ACK of somebody who knows better
		h.at(time.Minute)
		h.wantLog("it is not sent again", "0s . seq 1 ack 77", "1s expired")
	})
	t.Run("held back", func(t *testing.T) {
		h := begin(t, Config{Stray: true, Timeout: time.Second})
		out, _ := h.Next()
		for ; h.now.Before(start.Add(3 * time.Second)); h.now = h.now.Add(100 * ms) {
			h.Tick(h.now)
		}
		h.Sent(h.now, out, out.Packet, 1)
		h.at(time.Minute)
		h.wantEnd("silence counts from when it left", 4*time.Second)
	})
}

func TestUnconnected(t *testing.T) {
	h := begin(t, Config{Unconnected: true, Ack: iss.Add(77), Copies: stimulus(1000), Timeout: time.Second})
	h.at(rtt)
	h.hear(packet.RST, 77, 0, "")
	h.hear(packet.PSH|packet.ACK, 77, 1001, "blocked")
	h.at(time.Minute)
	h.wantLog("one segment without a handshake; nothing is answered, sent again or closed",
		"0s P. seq 1 ack 77 len 1000", "1s expired")
	if n := len(h.Record().Packets(flow.Received)); n != 2 {
		t.Errorf("%d packets recorded, want all that came", n)
	}
}

func TestUnconnectedSweep(t *testing.T) {
	h := begin(t, Config{Unconnected: true, Ack: iss.Add(1), Copies: copies(2, 3)})
	h.want("copies are stamped as on a connection",
		"P. seq 1 ack -1 len 102 ttl 2 id +2", "P. seq 1 ack -2 len 103 ttl 3 id +3")
}

func TestTwice(t *testing.T) {
	t.Run("copies", func(t *testing.T) {
		h := begin(t, Config{Twice: true, Copies: copies(1, 2)})
		h.want("the SYN is none", "S seq 0")
		h.open()
		h.want("each copy at once again, as the same copy", ". seq 1 ack 1",
			"P. seq 1 ack 0 len 101 ttl 1 id +1", "P. seq 1 ack 0 len 101 ttl 1 id +1 again",
			"P. seq 1 ack -1 len 102 ttl 2 id +2", "P. seq 1 ack -1 len 102 ttl 2 id +2 again")
		for i, stamp := range []uint8{1, 1, 2, 2} {
			h.expire(2 + i)
			heard := h.Record().Packets(flow.Received)
			quote := heard[len(heard)-1].Packet.ICMP.Quote
			if got := flow.QuoteStamp(h.Record().Packets(flow.Sent), quote); got != stamp {
				t.Errorf("quote %d is about copy %d, want %d", i, got, stamp)
			}
		}
	})
	t.Run("whole", func(t *testing.T) {
		h := begin(t, Config{Twice: true, Copies: stimulus(10), Timeout: time.Second})
		h.open()
		h.at(500 * ms)
		h.wantLog("a retransmission that was due comes besides, once",
			"0s S seq 0", "50ms . seq 1 ack 1", "50ms P. seq 1 ack 1 len 10", "50ms P. seq 1 ack 1 len 10 again",
			"250ms P. seq 1 ack 1 len 10 again")
	})
	t.Run("SYN", func(t *testing.T) {
		h := begin(t, Config{Twice: true})
		h.want("where it is the stimulus", "S seq 0", "S seq 0 again")
	})
	t.Run("SYN sweep", func(t *testing.T) {
		h := begin(t, Config{Twice: true, SYNCopies: []uint8{3}})
		h.want("likewise", "S seq -3 ttl 3 id +3", "S seq -3 ttl 3 id +3 again")
	})
}

func TestStimulusTTL(t *testing.T) {
	h := begin(t, Config{StimulusTTL: 9, Copies: stimulus(10)})
	h.open()
	h.at(300 * ms)
	h.hear(packet.PSH|packet.ACK, 1, 11, "x")
	h.at(time.Second)
	var got []uint8
	for _, p := range h.sent {
		got = append(got, p.TTL)
	}
	// SYN, ACK, stimulus, stimulus again, ACK, RST.
	if want := []uint8{64, 64, 9, 9, 64, 64}; string(got) != string(want) {
		t.Errorf("TTLs %v, want %v", got, want)
	}
	h = begin(t, Config{StimulusTTL: 9})
	h.leave()
	if got := h.sent[0].TTL; got != 9 {
		t.Errorf("a SYN that is the stimulus has TTL %d, want 9", got)
	}
}

func TestSplitInto(t *testing.T) {
	t.Run("at once", func(t *testing.T) {
		h := begin(t, Config{Copies: stimulus(1000), Split: []int{0, 100, 700, 1000, 2000}})
		h.open(mss(500)...)
		h.want("at the offsets within, and at the peer's MSS", ". seq 1 ack 1",
			"P. seq 1 ack 1 len 100", "P. seq 101 ack 1 len 500", "P. seq 601 ack 1 len 100", "P. seq 701 ack 1 len 300")
	})
	t.Run("with a gap", func(t *testing.T) {
		h := begin(t, Config{Copies: stimulus(300), Split: []int{100, 200}, SplitGap: 150 * ms, Timeout: time.Second})
		h.open()
		h.at(100 * ms)
		h.hear(packet.ACK, 1, 101, "")
		h.at(time.Minute)
		h.wantLog("what is lost is sent again as it was cut", "0s S seq 0", "50ms . seq 1 ack 1",
			"50ms P. seq 1 ack 1 len 100", "200ms P. seq 101 ack 1 len 100", "350ms P. seq 201 ack 1 len 100",
			"550ms P. seq 101 ack 1 len 100 again", "950ms P. seq 101 ack 1 len 100 again",
			"1.35s expired", "1.35s R. seq 101 ack 1", "1.35s R. seq 301 ack 1")
	})
	t.Run("reset in the gap", func(t *testing.T) {
		h := begin(t, Config{Copies: stimulus(300), Split: []int{100}, SplitGap: 150 * ms})
		h.open()
		h.at(100 * ms)
		h.hear(packet.RST, 1, 0, "")
		h.at(time.Minute)
		h.wantLog("no client goes on", "0s S seq 0", "50ms . seq 1 ack 1", "50ms P. seq 1 ack 1 len 100",
			"120ms R. seq 1 ack 1", "120ms R. seq 101 ack 1")
	})
}

func TestOwnMSS(t *testing.T) {
	for _, test := range []struct {
		mss  uint16
		said int
		want []string
	}{
		{536, 536, []string{"P. seq 1 ack 1 len 536", "P. seq 537 ack 1 len 64"}},
		{1, minMSS, nil},
	} {
		h := begin(t, Config{Copies: stimulus(600), MSS: test.mss})
		h.leave()
		if got, _ := h.sent[0].TCP.MSS(); int(got) != test.said {
			t.Errorf("%d: announced %d, want %d", test.mss, got, test.said)
		}
		h.open(mss(1460)...)
		if test.want != nil {
			h.want("and kept to", append([]string{". seq 1 ack 1"}, test.want...)...)
		}
	}
}
