package utcp

import (
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/rstprobe/rstprobe/internal/flow"
	"github.com/rstprobe/rstprobe/internal/packet"
)

func TestSYNRetransmission(t *testing.T) {
	h := begin(t, Config{Copies: stimulus(10)})
	h.at(time.Minute)
	h.wantLog("two more SYNs, each timeout twice the one before, are events of their own",
		"0s S seq 0", "1s S seq 0 again", "3s S seq 0 again", "10s expired")
	h.wantEnd("silence", 10*time.Second)
}

func TestDataRetransmission(t *testing.T) {
	h := begin(t, Config{Copies: stimulus(1000)})
	h.open(mss(600)...)
	h.at(time.Minute)
	h.wantLog("only the oldest segment is sent again; the timeout starts at its minimum for a short path",
		"0s S seq 0", "50ms . seq 1 ack 1", "50ms P. seq 1 ack 1 len 600", "50ms P. seq 601 ack 1 len 400",
		"250ms P. seq 1 ack 1 len 600 again", "650ms P. seq 1 ack 1 len 600 again",
		"10.05s expired",
		"10.05s R. seq 1 ack 1", "10.05s R. seq 1001 ack 1")
}

func TestRTOOfALongPath(t *testing.T) {
	h := begin(t, Config{Copies: stimulus(10)})
	h.leave()
	h.at(400 * ms)
	h.hear(packet.SYN|packet.ACK, 0, 1, "")
	h.at(1200 * ms)
	h.wantLog("twice the handshake's RTT",
		"0s S seq 0", "400ms . seq 1 ack 1", "400ms P. seq 1 ack 1 len 10", "1.2s P. seq 1 ack 1 len 10 again")
}

// TestKarn: which of two SYNs a SYN-ACK answers is not known, so it measures
// nothing (RFC 6298 §3).
func TestKarn(t *testing.T) {
	h := begin(t, Config{Copies: stimulus(10), RTO: 300 * ms})
	h.at(310 * ms)
	h.hear(packet.SYN|packet.ACK, 0, 1, "")
	h.at(910 * ms)
	h.wantLog("the backed-off timeout stays",
		"0s S seq 0", "300ms S seq 0 again", "310ms . seq 1 ack 1", "310ms P. seq 1 ack 1 len 10",
		"910ms P. seq 1 ack 1 len 10 again")
}

func TestPartialAcknowledgment(t *testing.T) {
	h := begin(t, Config{Copies: stimulus(1000)})
	h.open(mss(600)...)
	h.at(2 * rtt)
	h.hear(packet.ACK, 1, 601, "")
	h.at(300 * ms)
	h.hear(packet.ACK, 1, 601, "")
	h.hear(packet.ACK, 1, 5000, "") // more than we sent
	h.want("acknowledgments ask for nothing")
	h.at(time.Second)
	h.hear(packet.ACK, 1, 1001, "")
	h.at(20 * time.Second)
	h.wantLog("what is left is sent again, until it is acknowledged",
		"0s S seq 0", "50ms . seq 1 ack 1", "50ms P. seq 1 ack 1 len 600", "50ms P. seq 601 ack 1 len 400",
		"300ms P. seq 601 ack 1 len 400 again", "700ms P. seq 601 ack 1 len 400 again",
		"11s expired", "11s R. seq 1001 ack 1")
}

func TestOrder(t *testing.T) {
	h := begin(t, Config{Copies: stimulus(10), Watch: time.Second})
	h.open()
	h.leave()
	h.hear(packet.ACK, 6, 11, "fghij")
	h.want("ahead of sequence: what is missing is asked for", ". seq 11 ack 1")
	h.hear(packet.ACK, 11, 11, "klmno")
	h.want("further ahead", ". seq 11 ack 1")
	h.hear(packet.ACK, 1, 11, "abcde")
	h.want("the gap closes", ". seq 11 ack 16")
	h.hear(packet.ACK, 1, 11, "abcde")
	h.want("a duplicate is acknowledged", ". seq 11 ack 16")
	h.hear(packet.ACK, 14, 11, "nopq")
	h.want("an overlap counts for what is new", ". seq 11 ack 18")
	h.hear(packet.FIN|packet.ACK, 18, 11, "")
	h.want("a FIN takes a number", ". seq 11 ack 19")
	h.hear(packet.FIN|packet.ACK, 18, 11, "")
	h.want("a FIN again", ". seq 11 ack 19")
	h.Close(h.now)
	h.want("the end is in sequence", "R. seq 11 ack 19")
}

func TestResets(t *testing.T) {
	h := begin(t, Config{Copies: stimulus(10), Linger: 500 * ms})
	h.open()
	h.at(2 * rtt)
	h.hear(packet.RST, 1, 0, "")
	h.want("a reset is not answered")
	h.at(200 * ms)
	h.hear(packet.PSH|packet.ACK, 1, 11, "served")
	h.want("it goes on listening after a reset and acknowledges what it hears", ". seq 11 ack 7")
	h.hear(packet.RST, 7, 0, "")
	h.at(time.Minute)
	h.wantEnd("Linger counts from the first reset", 2*rtt+500*ms)
	h.wantLog("it does not repeat itself after a reset",
		"0s S seq 0", "50ms . seq 1 ack 1", "50ms P. seq 1 ack 1 len 10", "200ms . seq 11 ack 7", "600ms R. seq 11 ack 7")
	if n := len(h.Record().Packets(flow.Received)); n != 4 {
		t.Errorf("%d packets recorded, want the SYN-ACK, both resets and the answer", n)
	}
}

func TestNothingAgainAfterReset(t *testing.T) {
	h := begin(t, Config{Copies: stimulus(1000), Linger: 5 * time.Second})
	h.open(mss(600)...)
	h.at(2 * rtt)
	h.hear(packet.RST, 1, 0, "")
	h.hear(packet.ACK, 1, 601, "")
	h.at(4 * time.Second)
	h.wantLog("a partial acknowledgment after a reset asks for nothing",
		"0s S seq 0", "50ms . seq 1 ack 1", "50ms P. seq 1 ack 1 len 600", "50ms P. seq 601 ack 1 len 400")
}

func TestRefusedSYN(t *testing.T) {
	h := begin(t, Config{Copies: stimulus(10)})
	h.leave()
	h.at(rtt)
	h.hear(packet.RST|packet.ACK, 0, 1, "")
	h.at(time.Minute)
	h.wantEnd("refusal", rtt+20*ms)
	h.wantLog("there is nothing to close", "0s S seq 0")
}

func TestUnreachable(t *testing.T) {
	h := begin(t, Config{Copies: stimulus(10)})
	h.leave()
	h.at(rtt)
	raw, err := packet.BuildUnreachable(h.cfg.Remote.Addr(), 1, h.sent[0].Raw, 28)
	if err != nil {
		t.Fatal(err)
	}
	p, err := packet.Parse(raw)
	if err != nil {
		t.Fatal(err)
	}
	h.receive(p)
	h.at(time.Minute)
	h.wantEnd("an ICMP error ends the trial", rtt+20*ms)
}

func TestWatch(t *testing.T) {
	answered := func(t *testing.T) *harness {
		h := begin(t, Config{Copies: stimulus(10), Linger: 20 * ms, Watch: 500 * ms})
		h.open()
		h.at(100 * ms)
		h.hear(packet.PSH|packet.ACK, 1, 11, "hello")
		return h
	}
	t.Run("an answer is watched", func(t *testing.T) {
		h := answered(t)
		h.at(200 * ms)
		h.hear(packet.PSH|packet.ACK, 6, 11, "more") // does not prolong it
		h.at(time.Minute)
		h.wantEnd("watch", 600*ms)
	})
	t.Run("an answer without its beginning is waited for", func(t *testing.T) {
		h := begin(t, Config{Copies: stimulus(10), Timeout: time.Second, Linger: 20 * ms, Watch: 500 * ms})
		h.open()
		h.at(100 * ms)
		h.hear(packet.PSH|packet.ACK, 6, 11, "more")
		h.at(time.Second) // the peer has sent it again
		h.hear(packet.PSH|packet.ACK, 1, 11, "hello")
		h.at(time.Minute)
		h.wantEnd("watch", 1500*ms)
	})
	t.Run("and not for ever", func(t *testing.T) {
		h := begin(t, Config{Copies: stimulus(10), Timeout: time.Second, Watch: 500 * ms})
		h.open()
		h.at(100 * ms)
		h.hear(packet.PSH|packet.ACK, 6, 11, "more")
		h.at(time.Minute)
		h.wantEnd("silence", 1100*ms)
	})
	t.Run("a late reset shortens it to Linger", func(t *testing.T) {
		h := answered(t)
		h.at(400 * ms)
		h.hear(packet.RST, 6, 0, "")
		h.at(time.Minute)
		h.wantEnd("late reset", 420*ms)
	})
	t.Run("a reset at its end does not prolong it", func(t *testing.T) {
		h := answered(t)
		h.at(590 * ms)
		h.hear(packet.RST, 6, 0, "")
		h.at(time.Minute)
		h.wantEnd("later reset", 600*ms)
	})
	t.Run("Enough ends it", func(t *testing.T) {
		h := answered(t)
		h.at(300 * ms)
		h.Enough(h.now)
		h.wantLog("closed at once", "0s S seq 0", "50ms . seq 1 ack 1", "50ms P. seq 1 ack 1 len 10", "100ms . seq 11 ack 6")
		h.want("and the peer told", "R. seq 11 ack 6")
		h.wantEnd("enough", 300*ms)
		h.Enough(h.now)
		h.want("once")
	})
	t.Run("Enough before the answer leaves Linger", func(t *testing.T) {
		h := begin(t, Config{Copies: stimulus(10), Linger: 20 * ms, Watch: 500 * ms})
		h.open()
		h.at(60 * ms)
		h.Enough(h.now)
		h.at(100 * ms)
		h.hear(packet.PSH|packet.ACK, 1, 11, "hello")
		h.at(time.Minute)
		h.wantEnd("enough", 120*ms)
	})
}

// TestAhead leaves a gap that only a TCP can tell of.
func TestAhead(t *testing.T) {
	h := begin(t, Config{Copies: stimulus(10), Ahead: 1})
	h.open()
	h.want("the stimulus stands one byte ahead", ". seq 1 ack 1", "P. seq 2 ack 1 len 10")
	h.at(2 * rtt)
	h.hear(packet.ACK, 1, 1, "", 1, 1, 5, 10, 0xff, 0xff, 0xff, 0xf2, 0xff, 0xff, 0xff, 0xfc)
	h.at(time.Minute)
	h.wantEnd("a selective acknowledgment ends it", 2*rtt+20*ms)
	h.wantLog("nothing is sent again; the end is where the peer stands",
		"0s S seq 0", "50ms . seq 1 ack 1", "50ms P. seq 2 ack 1 len 10", "120ms R. seq 1 ack 1")
}

func TestAheadInSilence(t *testing.T) {
	h := begin(t, Config{Copies: stimulus(10), Ahead: 1, Timeout: time.Second})
	h.open()
	h.at(time.Minute)
	h.wantLog("silence", "0s S seq 0", "50ms . seq 1 ack 1", "50ms P. seq 2 ack 1 len 10", "1.05s expired", "1.05s R. seq 1 ack 1")
}

func TestAfterClose(t *testing.T) {
	h := begin(t, Config{Copies: stimulus(10)})
	h.open()
	h.Close(h.now)
	h.want("what was queued is not said any more; the peer is reset where it may stand", "R. seq 1 ack 1", "R. seq 11 ack 1")
	events := len(h.Record().Events)
	h.hear(packet.PSH|packet.ACK, 1, 11, "late")
	h.Tick(h.now.Add(time.Minute))
	h.Enough(h.now)
	h.Close(h.now)
	h.want("nothing after the end")
	if n := len(h.Record().Events); n != events || !h.Done() {
		t.Errorf("%d events after the end, done %v; want %d and done", n, h.Done(), events)
	}
}

// TestQueued holds packets back, as an engine does that must keep a rate: no
// timer counts before they left.
func TestQueued(t *testing.T) {
	h := begin(t, Config{Copies: stimulus(10), Timeout: time.Second})
	syn, _ := h.Next()
	for h.now = start; h.now.Before(start.Add(5 * time.Second)); h.now = h.now.Add(100 * ms) {
		h.Tick(h.now)
	}
	h.want("nothing is sent again that was not sent")
	h.Sent(h.now, syn, syn.Packet, 1)
	h.at(5*time.Second + 30*ms)
	h.hear(packet.SYN|packet.ACK, 0, 1, "")
	if h.rtt != 30*ms {
		t.Errorf("RTT is %v, want 30ms, from when the SYN left", h.rtt)
	}
	h.at(time.Minute)
	h.wantLog("silence counts from the stimulus",
		"5s S seq 0", "5.03s . seq 1 ack 1", "5.03s P. seq 1 ack 1 len 10",
		"5.23s P. seq 1 ack 1 len 10 again", "5.63s P. seq 1 ack 1 len 10 again",
		"6.03s expired", "6.03s R. seq 1 ack 1", "6.03s R. seq 11 ack 1")
}

// TestStamped moves events to the kernel's times; the record stays in order.
func TestStamped(t *testing.T) {
	h := begin(t, Config{Copies: stimulus(10)})
	h.leave()
	h.Stamped(1, start.Add(5*ms+1500*time.Nanosecond))
	h.open()
	if h.rtt != 45*ms-1500*time.Nanosecond {
		t.Errorf("RTT is %v, want it from the kernel's times", h.rtt)
	}
	h.leave()
	// Arrived before our ACK left, read after.
	h.Receive(start.Add(49*ms), h.now, packet.Packet{TCP: packet.Segment{Flags: packet.RST}}, 9)
	h.Stamped(99, start) // nobody's
	var got []int
	for _, e := range h.Record().Events {
		got = append(got, e.N)
	}
	if d := cmp.Diff([]int{1, 9, 2, 3, 4}, got); d != "" {
		t.Errorf("order of events (-want +got):\n%s", d)
	}
	if at := h.Record().Events[0].At; at != 5001*time.Microsecond {
		t.Errorf("the SYN is at %v, want whole microseconds", at)
	}
}

func TestBeforeWeSpoke(t *testing.T) {
	h := begin(t, Config{})
	h.hear(packet.SYN|packet.ACK, 0, 1, "")
	h.want("what arrives first is about an earlier flow", "S seq 0")
	if n := len(h.Record().Packets(flow.Received)); n != 0 {
		t.Errorf("%d packets recorded, want none", n)
	}
}
