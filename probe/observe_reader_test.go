package probe

import (
	"testing"
	"time"

	"github.com/rstprobe/rstprobe/internal/flow"
	"github.com/rstprobe/rstprobe/internal/packet"
	"github.com/rstprobe/rstprobe/internal/payload"
)

// triggered is a connection on which copies with TTL 2 to 4 were sent.
func triggered() *script { return begin(false).syn().synack().copies(2, 3, 4) }

// TestObserveReader: the outcome is the reader's, whatever the copies drew.
func TestObserveReader(t *testing.T) {
	t.Parallel()
	const pause = 3 * rtt
	// What may come before the reader.
	before := map[string]func() *script{
		"quiet": triggered,
		"reset": func() *script {
			return triggered().wait(rtt/2).rst(-3, ttl(boxTTL)).get(packet.Segment{
				Seq: theirISS.Add(-2), Ack: ourISS.Add(1 + len(asked) + 3), Flags: packet.RST | packet.ACK,
			}, ttl(boxTTL))
		},
		"answered": func() *script { return triggered().wait(rtt/2).data(0, blockPage, ttl(boxTTL)) },
		"forbidden": func() *script {
			return triggered().wait(rtt/2).icmp(packet.Unreachable, 13, begin(false).router(3))
		},
		"expired": func() *script {
			return triggered().wait(rtt/2).icmp(packet.TimeExceeded, 0, begin(false).router(3))
		},
	}
	read := func(s *script) *script { return s.wait(pause).ask(asked) }
	finish := func(s *script) *script { return s.wait(pause).finish() }
	for _, tt := range []struct {
		name    string
		script  func(*script) *script
		outcome Outcome
		stage   Stage
	}{
		{"read, answered", func(s *script) *script { return read(s).wait(rtt).data(0, hello) }, OK, StageResponse},
		{"read, an alert", func(s *script) *script { return read(s).wait(rtt).data(0, alertText) }, Alert, StageResponse},
		{"read, reset by a host without the connection", func(s *script) *script { return read(s).wait(rtt).rst(0) }, Reset, StageData},
		{"read, answered and reset", func(s *script) *script { return read(s).wait(rtt).data(0, hello).rst(len(hello)) }, Reset, StageResponse},
		{"read, closed", func(s *script) *script { return read(s).wait(rtt).fin(0) }, Fin, StageData},
		{"read, never acknowledged", func(s *script) *script { return read(s).wait(rtt).again().silent() }, Drop, StageData},
		{"read, acknowledged only", func(s *script) *script { return read(s).wait(rtt).ack().silent() }, Stall, StageData},
		{"read, an old acknowledgment only", func(s *script) *script {
			return read(s).wait(rtt).get(packet.Segment{Seq: theirISS.Add(1), Ack: ourISS.Add(1), Flags: packet.ACK}).silent()
		}, Drop, StageData},
		{"FIN, answered by FIN", func(s *script) *script { return finish(s).wait(rtt).fin(0) }, Fin, StageData},
		{"FIN, a farewell and FIN", func(s *script) *script { return finish(s).wait(rtt).data(0, alertText).fin(len(alertText)) }, Fin, StageResponse},
		{"FIN, reset", func(s *script) *script { return finish(s).wait(rtt).rst(0) }, Reset, StageData},
		{"FIN, never acknowledged", func(s *script) *script { return finish(s).wait(rtt).again().silent() }, Drop, StageData},
		{"FIN, acknowledged only", func(s *script) *script { return finish(s).wait(rtt).ack().silent() }, Stall, StageData},
	} {
		for name, first := range before {
			t.Run(tt.name+", "+name+" before", func(t *testing.T) {
				t.Parallel()
				o := tt.script(first()).observe()
				if o.Outcome != tt.outcome || o.Stage != tt.stage {
					t.Errorf("%v/%v, want %v/%v", o.Outcome, o.Stage, tt.outcome, tt.stage)
				}
				if o.Reader == nil || o.Reader.At != rtt+pause && o.Reader.At != rtt+rtt/2+pause {
					t.Fatalf("reader %+v", o.Reader)
				}
				if o.Stimulus == nil || o.Stimulus.Stamp != 2 {
					t.Errorf("stimulus %+v, want the first copy", o.Stimulus)
				}
			})
		}
	}
}

func TestObserveReaderFacts(t *testing.T) {
	t.Parallel()
	// A copy draws a reset before the reader and one after it; the answer is
	// the reader's, although copy 2 is as long as that.
	late := triggered().wait(rtt/2).rst(-4, ttl(boxTTL)).wait(rtt).ask(asked + "xx").wait(rtt / 4)
	o := late.rst(-3, ttl(boxTTL)).wait(rtt*3/4).data(0, hello).observe()
	if o.Outcome != Reset || len(o.Resets) != 2 || o.Resets[0].Stamp != 4 || o.Resets[1].Stamp != 3 {
		t.Errorf("%v with resets %+v, want that of copy 4 and a late one of copy 3", o.Outcome, o.Resets)
	}
	if d := o.Data[0]; d.Stamp != 0 || d.Delay != rtt || !o.Acked {
		t.Errorf("the answer is to copy %d, %v after it, acknowledged %v", d.Stamp, d.Delay, o.Acked)
	}
	page := triggered().wait(rtt).data(0, blockPage, ttl(boxTTL)).wait(rtt).ask(asked).wait(rtt).data(0, hello).observe()
	if page.Reply.Kind != payload.ServerHello || page.Said != len(hello) || len(page.Data) != 2 {
		t.Errorf("reply %v of %d bytes in %d segments, want the reader's alone", page.Reply, page.Said, len(page.Data))
	}
	// An acknowledgment of copy 2 is none of a reader as long as it.
	if o := triggered().get(packet.Segment{Seq: theirISS.Add(1), Ack: ourISS.Add(1 + len(asked) + 2), Flags: packet.ACK}).
		wait(rtt).ask(asked + "xx").wait(rtt).silent().observe(); o.Acked || o.Outcome != Drop {
		t.Errorf("%v, acknowledged %v, want neither by the acknowledgment of a copy", o.Outcome, o.Acked)
	}
	if o := triggered().silent().observe(); o.Reader != nil || o.Outcome != Drop {
		t.Errorf("a sweep without a reader: %v, %+v", o.Outcome, o.Reader)
	}
	if o := begin(false).syn().synack().finish().wait(rtt).fin(0).observe(); o.Reader == nil || o.Outcome != Fin {
		t.Errorf("a FIN alone: %v, %+v", o.Outcome, o.Reader)
	}
	early := triggered().wait(rtt).fin(0).wait(rtt).finish().wait(rtt).get(packet.Segment{
		Seq: theirISS.Add(2), Ack: ourISS.Add(2), Flags: packet.ACK,
	}).silent().observe()
	if early.Outcome != Fin {
		t.Errorf("the peer finished first: %v, want %v", early.Outcome, Fin)
	}
	if o := asking().wait(rtt).data(0, hello).finish().wait(rtt).fin(len(hello)).observe(); o.Reader != nil || o.Outcome != OK {
		t.Errorf("a client that closes after the answer: %v, reader %+v", o.Outcome, o.Reader)
	}
}

// TestObserveTwice: the second sending of a copy is that copy.
func TestObserveTwice(t *testing.T) {
	t.Parallel()
	s := begin(false).syn().synack()
	for k := uint8(2); k < 5; k++ {
		s.copies(k).event(flow.Retransmitted, s.copyOf(k), k)
	}
	s.wait(rtt/2).rst(-4, ttl(boxTTL))
	s.get(packet.Segment{Seq: theirISS.Add(1), Ack: ourISS.Add(1 + len(asked) + 4), Flags: packet.RST | packet.ACK}, ttl(boxTTL))
	o := s.observe()
	if o.Resets[0].Stamp != 4 || o.Resets[1].Stamp != 4 {
		t.Errorf("attributed to %d and %d, want 4", o.Resets[0].Stamp, o.Resets[1].Stamp)
	}
	if o.Stimulus.Stamp != 2 || o.Retries != 3 || o.RTT != rtt || o.Resets[0].Delay != rtt/2 {
		t.Errorf("stimulus %d, %d sent again, RTT %v, reset after %v", o.Stimulus.Stamp, o.Retries, o.RTT, o.Resets[0].Delay)
	}
}

// TestObserveUnconnected: what is said without a handshake.
func TestObserveUnconnected(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		name    string
		script  *script
		outcome Outcome
		stage   Stage
	}{
		{"reset", begin(false).ask(asked).wait(rtt).rst(0), Reset, StageData},
		{"silence", begin(false).ask(asked).silent(), Drop, StageData},
		{"a page", begin(false).ask(asked).wait(rtt).data(0, blockPage), OK, StageResponse},
		{"a stray ACK, reset", begin(false).event(flow.Sent, strayACK(), 0).wait(rtt).rst(0), Refused, StageSYN},
		{"a stray ACK, silence", begin(false).event(flow.Sent, strayACK(), 0).silent(), Drop, StageSYN},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			o := tt.script.observe()
			if o.Outcome != tt.outcome || o.Stage != tt.stage {
				t.Errorf("%v/%v, want %v/%v", o.Outcome, o.Stage, tt.outcome, tt.stage)
			}
			if tt.outcome == OK && o.Reply.Status != 403 {
				t.Errorf("reply %v, want the page", o.Reply)
			}
			for _, r := range o.Resets {
				if r.Delay != rtt {
					t.Errorf("the reset came %v after what drew it", r.Delay)
				}
			}
		})
	}
}

// strayACK is an ACK that belongs to no connection.
func strayACK() packet.Packet {
	return begin(false).ours(packet.Segment{Seq: ourISS, Ack: theirISS.Add(1), Flags: packet.ACK})
}

// A second segment may follow long after the first was acknowledged.
func TestObserveSplit(t *testing.T) {
	t.Parallel()
	half := len(asked) / 2
	s := begin(false).syn().synack().ask(asked[:half]).wait(rtt).ack().wait(10 * time.Second).ask(asked[half:])
	if o := s.wait(rtt).again().silent().observe(); o.Acked || o.Outcome != Drop {
		t.Errorf("only the first half is acknowledged: %v, acked %v", o.Outcome, o.Acked)
	}
}
