package probe

import (
	"encoding/binary"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/rstprobe/rstprobe/internal/flow"
	"github.com/rstprobe/rstprobe/internal/packet"
	"github.com/rstprobe/rstprobe/internal/payload"
)

func TestObserveEnding(t *testing.T) {
	t.Parallel()
	server := begin(false).rec.Key.Remote.Addr()
	for _, tt := range []struct {
		name    string
		script  *script
		outcome Outcome
		stage   Stage
		cut     bool
	}{
		{"no event at all", begin(false), Drop, StageSYN, false},
		{"a SYN, interrupted", begin(false).syn().cut(), Drop, StageSYN, true},
		{"answered, interrupted", asking().wait(rtt).data(0, hello).cut(), OK, StageResponse, true},
		{"a SYN without an answer", begin(false).syn().wait(rtt).again().silent(), Drop, StageSYN, false},
		{"a SYN refused", begin(false).syn().wait(rtt).refusal(), Refused, StageSYN, false},
		{"a SYN unreachable", begin(false).syn().wait(rtt).icmp(packet.Unreachable, 1, begin(false).router(3)), Unreachable, StageSYN, false},
		{"a SYN answered", begin(false).syn().synack().silent(), OK, StageHandshake, false},
		{"a SYN answered and refused", begin(false).syn().synack().refusal(), Reset, StageHandshake, false},
		{"closed before the stimulus", begin(false).syn().synack().fin(0), Fin, StageHandshake, false},
		{"interrupted after the stimulus", cut(), Drop, StageData, true},
		{"interrupted after the acknowledgment", asking().wait(rtt).ack().cut(), Stall, StageData, true},
		{"never acknowledged", dropped(), Drop, StageData, false},
		{"acknowledged, then silence", stalled(), Stall, StageData, false},
		{"an answer", asking().wait(rtt).data(0, hello), OK, StageResponse, false},
		{"an answer and a close", served(), OK, StageResponse, false},
		{"an answer without its beginning", asking().wait(rtt).data(3, hello[3:]).fin(len(hello)).silent(), Stall, StageResponse, false},
		{"an alert", alerted(), Alert, StageResponse, false},
		{"a close", closed(), Fin, StageData, false},
		{"a close in front of the answer", asking().wait(rtt).fin(0, ttl(boxTTL)).wait(rtt).data(0, hello), Fin, StageData, false},
		{"a late copy of the close behind the answer", asking().wait(rtt).data(0, hello).fin(len(hello)).fin(len(hello)), OK, StageResponse, false},
		{"a reset", unwanted(), Reset, StageData, false},
		{"a reset in front of the answer", forged(), Reset, StageResponse, false},
		{"a reset behind the answer", asking().wait(rtt).data(0, hello).rst(len(hello)), Reset, StageResponse, false},
		{"a reset behind the close", closed().rst(1), Reset, StageData, false},
		{"a router forbids", asking().wait(rtt).icmp(packet.Unreachable, 13, begin(false).router(3)), Unreachable, StageData, false},
		{"the server forbids", asking().wait(rtt).icmp(packet.Unreachable, 3, server), Unreachable, StageData, false},
		{"a router forbids, and the server answers", asking().icmp(packet.Unreachable, 1, begin(false).router(3)).wait(rtt).data(0, hello), OK, StageResponse, false},
		{"too big, then silence", asking().icmp(packet.PacketTooBig, 4, begin(false).router(3)).again().silent(), Drop, StageData, false},
		{"expired on the way, then silence", asking().icmp(packet.TimeExceeded, 0, begin(false).router(3)).again().silent(), Drop, StageData, false},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			o := tt.script.observe()
			if o.Outcome != tt.outcome || o.Stage != tt.stage || o.Cut != tt.cut {
				t.Errorf("%v/%v cut %v, want %v/%v cut %v", o.Outcome, o.Stage, o.Cut, tt.outcome, tt.stage, tt.cut)
			}
		})
	}
}

func TestObserveStream(t *testing.T) {
	t.Parallel()
	half := len(hello) / 2
	for _, tt := range []struct {
		name   string
		script *script
		said   int
		kind   payload.ReplyKind
		data   int
	}{
		{"in order", asking().data(0, hello[:half]).data(half, hello[half:]), len(hello), payload.ServerHello, 2},
		{"out of order", asking().data(half, hello[half:]).data(0, hello[:half]), len(hello), payload.ServerHello, 2},
		{"twice", asking().data(0, hello).data(0, hello), len(hello), payload.ServerHello, 2},
		{"overlapping", asking().data(0, hello[:half+1]).data(half, hello[half:]), len(hello), payload.ServerHello, 2},
		{"a gap in front", asking().data(half, hello[half:]), 0, payload.NoReply, 1},
		{"a gap in the middle", asking().data(0, hello[:1]).data(half, hello[half:]), 1, payload.OtherReply, 2},
		{"old bytes", asking().data(-3, "old"), 0, payload.NoReply, 1},
		{"no handshake seen", begin(false).syn().data(0, hello), 0, payload.NoReply, 1},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			o := tt.script.observe()
			if o.Said != tt.said || o.Reply.Kind != tt.kind || len(o.Data) != tt.data {
				t.Errorf("said %d bytes, %v, in %d segments; want %d, %v, %d", o.Said, o.Reply, len(o.Data), tt.said, payload.Reply{Kind: tt.kind}, tt.data)
			}
		})
	}
}

func TestObserveAcknowledgment(t *testing.T) {
	t.Parallel()
	partly := asking().ask("more")
	partly.said -= len("more")
	for _, tt := range []struct {
		name   string
		script *script
		acked  bool
		by     uint8
		held   bool
	}{
		{"nothing", asking(), false, 0, false},
		{"an ACK", asking().ack(), true, ownTTL, false},
		{"the first of two", asking().ack(ttl(boxTTL)).ack(), true, boxTTL, false},
		{"with data", asking().data(0, hello), true, ownTTL, false},
		{"of the first of two segments", partly.ack(), false, 0, false},
		{"of both segments", asking().ask("more").ack(), true, ownTTL, false},
		{"a selective one", asking().sack(), false, 0, true},
		{"by a reset alone", asking().get(packet.Segment{Seq: theirISS.Add(1), Ack: ourISS.Add(1 + len(asked)), Flags: packet.RST | packet.ACK}), false, 0, false},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			o := tt.script.observe()
			if o.Acked != tt.acked || o.AckedBy != tt.by || o.Held != tt.held {
				t.Errorf("acked %v by TTL %d, held %v; want %v, %d, %v", o.Acked, o.AckedBy, o.Held, tt.acked, tt.by, tt.held)
			}
		})
	}
}

func TestObserveTimes(t *testing.T) {
	t.Parallel()
	o := asking().wait(7 * time.Millisecond).rst(0).observe()
	if o.RTT != rtt {
		t.Errorf("RTT %v, want %v", o.RTT, rtt)
	}
	if got := o.Resets[0]; got.Delay != 7*time.Millisecond || got.At != rtt+7*time.Millisecond {
		t.Errorf("the reset came %v after the stimulus, at %v", got.Delay, got.At)
	}
	// Which of two SYNs a SYN-ACK answers is not known (RFC 6298 §3).
	if o := begin(false).syn().wait(rtt).again().synack().ask(asked).observe(); o.RTT != 0 || o.Retries != 1 {
		t.Errorf("RTT %v after %d retries, want none", o.RTT, o.Retries)
	}
	refused := begin(false).syn().wait(rtt).refusal().observe()
	if refused.Resets[0].Delay != rtt {
		t.Errorf("the refusal came %v after the SYN, want %v", refused.Resets[0].Delay, rtt)
	}
}

// The two families differ in the header alone.
func TestObserveFamilies(t *testing.T) {
	t.Parallel()
	play := func(v6 bool) Observation {
		s := begin(v6).syn().synack().ask(asked).wait(rtt)
		return s.icmp(packet.TimeExceeded, 0, s.router(2)).data(0, hello).rst(len(hello)).observe()
	}
	a, b := play(false), play(true)
	if diff := cmp.Diff([]any{a.Outcome, a.Stage, a.Said, a.Reply, a.Acked, len(a.Resets), len(a.Expired)},
		[]any{b.Outcome, b.Stage, b.Said, b.Reply, b.Acked, len(b.Resets), len(b.Expired)}); diff != "" {
		t.Errorf("-IPv4 +IPv6:\n%s", diff)
	}
}

// FuzzObserve: no sequence of events, however absurd, makes Observe panic or
// contradict itself.
func FuzzObserve(f *testing.F) {
	f.Add([]byte{})
	f.Add([]byte{2, 0x12, 0, 0, 0, 0}) // a SYN-ACK to nothing
	f.Add([]byte{0, 2, 0, 0, 0, 0, 2, 0x12, 0, 1, 0, 60, 0, 0x18, 1, 1, 5, 3, 2, 4, 1, 1, 0, 60})
	f.Add([]byte{0, 2, 0, 0, 0, 0, 2, 4, 0, 0, 0, 0x82, 3, 0, 0, 0, 0, 0})
	f.Add([]byte{0, 2, 0, 0, 0, 0, 2, 0x12, 0, 1, 0, 60, 0, 0x18, 1, 1, 5, 0, 2, 0x18, 1, 6, 9, 60, 2, 0x11, 10, 6, 0, 60})
	f.Fuzz(func(t *testing.T, b []byte) {
		rec := recordOf(b[:min(len(b), 600)])
		o := Observe(rec)
		if o.Outcome == "" || o.Stage == "" {
			t.Errorf("no outcome: %+v", o)
		}
		received := len(rec.Packets(flow.Received))
		if n := len(o.Resets) + len(o.Errors) + len(o.Expired); n > received {
			t.Errorf("%d resets and errors out of %d packets", n, received)
		}
		if reset := o.Outcome == Reset || o.Outcome == Refused; reset && len(o.Resets) == 0 || !reset && len(o.Resets) > 0 && o.Reader == nil {
			t.Errorf("%v with %d resets", o.Outcome, len(o.Resets))
		}
		if o.Said > 0 && o.SYNACK == nil && o.Stimulus == nil {
			t.Error("a stream without a beginning")
		}
		obs := []Observation{o, o, o}
		Decide(Findings{Kind: SNI, Leading: obs, Tests: obs, Trailing: obs, Random: obs, Gap: obs, Elsewhere: obs})
		Decide(Findings{Kind: Host, Leading: times(3, served()), Tests: obs})
		DecideSYN(SYNFindings{Tests: obs})
	})
}

// recordOf makes a record of six bytes an event: kind, flags, sequence number,
// acknowledgment number, payload length, and stamp or ICMP kind.
func recordOf(b []byte) flow.Record {
	s := begin(false)
	for ; len(b) >= 6; b = b[6:] {
		kind := flow.Kind(b[0]%4 + 1)
		p := s.ours(packet.Segment{
			Seq: packet.Seq(b[2]), Ack: packet.Seq(b[3]), Flags: packet.Flags(b[1]),
			Payload: make([]byte, b[4]%16),
		})
		var stamp uint8
		switch kind {
		case flow.Sent, flow.Retransmitted:
			stamp = b[5] % 8
		case flow.Received:
			p.Src, p.Dst, p.TTL = p.Dst, p.Src, b[5]
			copy(p.TCP.Payload, hello)
			if icmp := b[5]; icmp >= 0x80 {
				p.ICMP = packet.ICMPError{Kind: packet.ICMPKind(icmp%4 + 1), Quote: packet.Quote{Src: p.Dst, Dst: p.Src, Seq: packet.Seq(b[2])}}
			}
			if b[1]&1 == 0 {
				p.TCP.Options = binary.BigEndian.AppendUint64([]byte{5, 10}, uint64(b[2]))
			}
		case flow.Expired:
			p = packet.Packet{}
		}
		s.wait(time.Duration(b[4])*time.Millisecond).event(kind, p, stamp)
	}
	return s.rec
}

// TestObserveMissing: bytes that a capture does not hold were said all the
// same; a second capture of a packet says nothing new.
func TestObserveMissing(t *testing.T) {
	t.Parallel()
	const head = "HTTP/1.1 200 OK\r\nContent-Length: 900\r\n\r\n"
	missing := func(n int) func(*packet.Packet) { return func(p *packet.Packet) { p.TCP.Missing = n } }
	s := asking().wait(rtt).data(0, head, missing(500)).data(len(head)+500, "", missing(400))
	s.data(len(head)+500, "", missing(400))
	s.rec.Events[len(s.rec.Events)-1].Copy = s.n - 1
	o := s.silent().observe()
	if o.Said != len(head)+900 || o.Short != 0 || len(o.Data) != 2 || o.Outcome != OK || o.Reply.Status != 200 {
		t.Errorf("%d bytes, %d short, in %d segments: %v, status %d; want %d, 0, in 2: ok, 200",
			o.Said, o.Short, len(o.Data), o.Outcome, o.Reply.Status, len(head)+900)
	}
}
