package utcp

import (
	"testing"
	"time"

	"github.com/rstprobe/rstprobe/internal/flow"
	"github.com/rstprobe/rstprobe/internal/packet"
)

// reading is a trial with two copies and a reader, a second after them.
func reading(t *testing.T, r Reader) *harness {
	return begin(t, Config{Copies: copies(4, 5), Reader: r, Pause: time.Second, Timeout: 3 * time.Second, Linger: 100 * ms, Watch: 400 * ms})
}

var copiesSent = []string{"0s S seq 0", "50ms . seq 1 ack 1",
	"50ms P. seq 1 ack -3 len 104 ttl 4 id +4", "50ms P. seq 1 ack -4 len 105 ttl 5 id +5"}

func TestReadStimulus(t *testing.T) {
	request := Reader{Bytes: make([]byte, 80)}
	t.Run("answered", func(t *testing.T) {
		h := reading(t, request)
		h.open()
		h.at(1100 * ms)
		h.hear(packet.PSH|packet.ACK, 1, 81, "hello")
		h.at(time.Minute)
		h.wantEnd("an answer is watched", 1500*ms)
		h.wantLog("the reader follows the pause, at the number of the copies", append(copiesSent,
			"1.05s P. seq 1 ack 1 len 80", "1.1s . seq 81 ack 6", "1.5s R. seq 81 ack 6")...)
		if got := h.sent[len(h.sent)-3].TTL; got != 64 { // before our acknowledgment and our reset
			t.Errorf("the reader has TTL %d, want the system's", got)
		}
	})
	t.Run("silence", func(t *testing.T) {
		h := reading(t, request)
		h.open()
		h.at(time.Minute)
		h.wantLog("it is sent again, and silence counts from it", append(copiesSent,
			"1.05s P. seq 1 ack 1 len 80", "1.25s P. seq 1 ack 1 len 80 again", "1.65s P. seq 1 ack 1 len 80 again",
			"4.05s expired", "4.05s R. seq 1 ack 1", "4.05s R. seq 81 ack 1")...)
	})
	t.Run("acknowledged", func(t *testing.T) {
		h := reading(t, request)
		h.open()
		h.at(1100 * ms)
		h.hear(packet.ACK, 1, 81, "")
		h.at(time.Minute)
		h.wantLog("it is not sent again", append(copiesSent,
			"1.05s P. seq 1 ack 1 len 80", "4.1s expired", "4.1s R. seq 81 ack 1")...)
	})
	t.Run("reset", func(t *testing.T) {
		h := reading(t, request)
		h.open()
		h.at(1100 * ms)
		h.hear(packet.RST, 1, 0, "")
		h.at(time.Minute)
		h.wantEnd("a reset ends it after Linger", 1200*ms)
	})
	t.Run("whatever came before", func(t *testing.T) {
		h := reading(t, request)
		h.open()
		h.at(60 * ms)
		h.expire(2)
		h.hear(packet.RST, -3, 0, "")
		h.hear(packet.RST|packet.ACK, 1, 1, "")
		h.hear(packet.PSH|packet.FIN|packet.ACK, 1, 105, "blocked")
		h.at(time.Minute)
		h.wantLog("the reader is sent all the same, and acknowledges only what cannot be forged", append(copiesSent,
			"60ms . seq 1 ack 9", "1.05s P. seq 1 ack 1 len 80",
			"1.25s P. seq 1 ack 1 len 80 again", "1.65s P. seq 1 ack 1 len 80 again",
			"4.05s expired", "4.05s R. seq 1 ack 9", "4.05s R. seq 81 ack 9")...)
	})
	t.Run("alone", func(t *testing.T) {
		h := begin(t, Config{Reader: Reader{Bytes: make([]byte, 700)}, Pause: time.Second, StimulusTTL: 9})
		h.open()
		h.want("at once, in segments, at the system's TTL", ". seq 1 ack 1", "P. seq 1 ack 1 len 536", "P. seq 537 ack 1 len 164")
		if p := h.sent[len(h.sent)-1]; p.TTL != 64 {
			t.Errorf("TTL %d", p.TTL)
		}
	})
	t.Run("no connection", func(t *testing.T) {
		h := reading(t, request)
		h.leave()
		h.at(rtt)
		h.hear(packet.RST|packet.ACK, 0, 1, "")
		h.at(time.Minute)
		h.wantEnd("a refused SYN ends it", 150*ms)
		h.wantLog("there is nothing to read", "0s S seq 0")
	})
}

func TestReadFIN(t *testing.T) {
	t.Run("answered", func(t *testing.T) {
		h := reading(t, Reader{FIN: true})
		h.open()
		h.at(1100 * ms)
		h.hear(packet.FIN|packet.ACK, 1, 2, "")
		h.at(time.Minute)
		h.wantEnd("both have finished: Linger", 1200*ms)
		h.wantLog("our FIN takes a number", append(copiesSent, "1.05s F. seq 1 ack 1", "1.1s . seq 2 ack 2", "1.2s R. seq 2 ack 2")...)
	})
	t.Run("silence", func(t *testing.T) {
		h := reading(t, Reader{FIN: true})
		h.open()
		h.at(time.Minute)
		h.wantLog("it is sent again like data", append(copiesSent,
			"1.05s F. seq 1 ack 1", "1.25s F. seq 1 ack 1 again", "1.65s F. seq 1 ack 1 again",
			"4.05s expired", "4.05s R. seq 1 ack 1", "4.05s R. seq 2 ack 1")...)
	})
	t.Run("the peer was first", func(t *testing.T) {
		h := reading(t, Reader{FIN: true})
		h.open()
		h.at(500 * ms)
		h.hear(packet.FIN|packet.ACK, 1, 1, "")
		h.at(1100 * ms)
		h.hear(packet.ACK, 2, 2, "")
		h.at(time.Minute)
		h.wantEnd("our FIN is sent, and its acknowledgment is the end", 1200*ms)
	})
	t.Run("reset", func(t *testing.T) {
		h := reading(t, Reader{FIN: true})
		h.open()
		h.at(1100 * ms)
		h.hear(packet.RST, 1, 0, "")
		h.at(time.Minute)
		h.wantEnd("Linger", 1200*ms)
		if n := len(h.Record().Packets(flow.Retransmitted)); n != 0 {
			t.Errorf("%d packets sent again after the reset", n)
		}
	})
}

func TestReadSYNACK(t *testing.T) {
	t.Run("repeated", func(t *testing.T) {
		h := begin(t, Config{Copies: copies(4, 5), Reader: Reader{SYNACK: true}, Timeout: 3 * time.Second, Linger: 100 * ms})
		h.open()
		h.at(1050 * ms)
		h.hear(packet.SYN|packet.ACK, 0, 1, "")
		h.at(time.Minute)
		h.wantEnd("a SYN-ACK that comes again is the answer", 1150*ms)
		h.wantLog("nothing at the system's TTL but our reset", "0s S seq 0", copiesSent[2], copiesSent[3], "1.15s R. seq 1 ack 1")
	})
	t.Run("silence", func(t *testing.T) {
		h := begin(t, Config{Copies: copies(4, 5), Reader: Reader{SYNACK: true}, Timeout: 3 * time.Second, Linger: 100 * ms})
		h.open()
		h.at(time.Minute)
		h.wantLog("the half-open connection is taken back", "0s S seq 0", copiesSent[2], copiesSent[3], "3.05s expired", "3.05s R. seq 1 ack 1")
	})
}

// TestPauseHeldBack: the pause counts from when the last copy left.
func TestPauseHeldBack(t *testing.T) {
	h := begin(t, Config{Copies: copies(4, 4), Reader: Reader{FIN: true}, Pause: 300 * ms, Timeout: time.Second})
	h.open()
	ack, _ := h.Next()
	first, _ := h.Next()
	for ; h.now.Before(start.Add(5 * time.Second)); h.now = h.now.Add(10 * ms) {
		h.Tick(h.now)
	}
	h.Sent(h.now, ack, ack.Packet, 2)
	h.Sent(h.now, first, first.Packet, 3)
	h.at(5400 * ms)
	h.wantLog("held back", "0s S seq 0", "5s . seq 1 ack 1", "5s P. seq 1 ack -3 len 104 ttl 4 id +4", "5.3s F. seq 1 ack 1")
}
