package utcp

import (
	"testing"
	"time"

	"github.com/rstprobe/rstprobe/internal/packet"
)

func TestStampedBurst(t *testing.T) {
	h := begin(t, Config{Copies: copies(1, 3), Timeout: 75 * ms})
	h.open()
	h.want("each copy acknowledges its TTL less, is its TTL longer and carries its TTL in its ID",
		". seq 1 ack 1",
		"P. seq 1 ack 0 len 101 ttl 1 id +1",
		"P. seq 1 ack -1 len 102 ttl 2 id +2",
		"P. seq 1 ack -2 len 103 ttl 3 id +3")
	h.at(60 * ms)
	h.expire(2)
	h.hear(packet.RST, 0, 0, "")
	h.hear(packet.ACK, 1, 1, "")
	h.at(time.Minute)
	h.wantEnd("neither resets nor routers end a burst: the other copies are on their way", 125*ms)
	h.wantLog("nothing of it is sent again; the peer stands where the handshake left it",
		"0s S seq 0", "50ms . seq 1 ack 1",
		"50ms P. seq 1 ack 0 len 101 ttl 1 id +1", "50ms P. seq 1 ack -1 len 102 ttl 2 id +2", "50ms P. seq 1 ack -2 len 103 ttl 3 id +3",
		"125ms expired", "125ms R. seq 1 ack 1")
}

func TestUnstampedIDs(t *testing.T) {
	h := begin(t, Config{Copies: copies(1, 2)})
	h.open()
	h.leave()
	ids := map[uint16]bool{}
	for _, p := range h.sent {
		if ids[p.ID] {
			t.Errorf("ID %d twice", p.ID)
		}
		ids[p.ID] = true
	}
}

func TestTimedSweep(t *testing.T) {
	same := func() []Copy {
		var out []Copy
		for ttl := range uint8(4) {
			out = append(out, Copy{TTL: ttl + 1, Bytes: make([]byte, 100)})
		}
		return out
	}
	t.Run("to its end", func(t *testing.T) {
		h := begin(t, Config{Copies: same(), Step: 100 * ms, Timeout: 200 * ms})
		h.open()
		h.at(time.Minute)
		h.wantLog("one copy per step, alike but for its TTL; silence counts from the last",
			"0s S seq 0", "50ms . seq 1 ack 1",
			"50ms P. seq 1 ack 1 len 100 ttl 1 id +1", "150ms P. seq 1 ack 1 len 100 ttl 2 id +2",
			"250ms P. seq 1 ack 1 len 100 ttl 3 id +3", "350ms P. seq 1 ack 1 len 100 ttl 4 id +4",
			"550ms expired", "550ms R. seq 1 ack 1")
	})
	t.Run("to the first reset", func(t *testing.T) {
		h := begin(t, Config{Copies: same(), Step: 100 * ms, Timeout: 200 * ms})
		h.open()
		h.at(180 * ms)
		h.expire(3)
		h.hear(packet.RST, 1, 0, "")
		h.at(time.Minute)
		h.wantLog("no copy after the reset",
			"0s S seq 0", "50ms . seq 1 ack 1",
			"50ms P. seq 1 ack 1 len 100 ttl 1 id +1", "150ms P. seq 1 ack 1 len 100 ttl 2 id +2",
			"200ms R. seq 1 ack 1")
	})
	t.Run("held back", func(t *testing.T) {
		h := begin(t, Config{Copies: same()[:2], Step: 100 * ms, Timeout: 200 * ms})
		h.open()
		ack, _ := h.Next()
		first, _ := h.Next()
		for ; h.now.Before(start.Add(time.Second)); h.now = h.now.Add(10 * ms) {
			h.Tick(h.now)
		}
		h.Sent(h.now, ack, ack.Packet, 2)
		h.Sent(h.now, first, first.Packet, 3)
		h.at(time.Minute)
		h.wantLog("a step counts from when the copy before left",
			"0s S seq 0", "1s . seq 1 ack 1", "1s P. seq 1 ack 1 len 100 ttl 1 id +1",
			"1.1s P. seq 1 ack 1 len 100 ttl 2 id +2", "1.3s expired", "1.3s R. seq 1 ack 1")
	})
}

func TestSYNSweep(t *testing.T) {
	sweep := func(t *testing.T, n int) *harness {
		var ttls []uint8
		for ttl := range n {
			ttls = append(ttls, uint8(ttl+1))
		}
		return begin(t, Config{SYNCopies: ttls, Timeout: time.Second})
	}
	t.Run("copies", func(t *testing.T) {
		h := sweep(t, 3)
		h.want("a SYN per TTL, its number the TTL lower",
			"S seq -1 ttl 1 id +1", "S seq -2 ttl 2 id +2", "S seq -3 ttl 3 id +3")
	})
	t.Run("all answered", func(t *testing.T) {
		h := sweep(t, 3)
		h.leave()
		h.at(30 * ms)
		h.expire(1)
		h.expire(0)
		h.expire(0)
		h.at(40 * ms)
		h.hear(packet.RST|packet.ACK, 0, -2, "")
		h.at(time.Minute)
		h.wantEnd("every copy was answered", 60*ms)
	})
	t.Run("one missing", func(t *testing.T) {
		h := sweep(t, 3)
		h.leave()
		h.at(30 * ms)
		h.expire(0)
		h.expire(2)
		h.at(time.Minute)
		h.wantEnd("the silent one is waited for", time.Second)
	})
	t.Run("the server", func(t *testing.T) {
		h := sweep(t, 3)
		h.leave()
		h.at(30 * ms)
		h.hear(packet.SYN|packet.ACK, 0, -2, "")
		h.at(time.Minute)
		h.wantEnd("the server's answer ends the sweep", 50*ms)
		h.wantLog("what it holds is closed where it stands",
			"0s S seq -1 ttl 1 id +1", "0s S seq -2 ttl 2 id +2", "0s S seq -3 ttl 3 id +3", "50ms R. seq -2 ack 1")
	})
}
