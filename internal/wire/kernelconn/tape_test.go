package kernelconn

import (
	"fmt"
	"net/netip"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/rstprobe/rstprobe/internal/flow"
	"github.com/rstprobe/rstprobe/internal/packet"
	"github.com/rstprobe/rstprobe/probe"
)

// recorder is a tape, and a clock that moves on a millisecond with each note.
type recorder struct {
	tape
	now time.Time
}

func record(stamp uint8) *recorder {
	start := time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)
	return &recorder{now: start, tape: tape{start: start, stamp: stamp, key: packet.Key{
		Local: netip.MustParseAddrPort("192.0.2.1:40000"), Remote: netip.MustParseAddrPort("198.51.100.7:443"),
	}}}
}

func (r *recorder) tick() time.Time {
	r.now = r.now.Add(time.Millisecond)
	return r.now
}

// lines are the events: what, when, with which stamp.
func (r *recorder) lines() []string {
	var out []string
	for _, e := range r.events {
		s := e.Packet.TCP
		line := fmt.Sprintf("%v %v %d:%d:%d %s", e.Kind, e.At, s.Seq, s.Ack, s.Size(), s.Flags)
		if e.Packet.ICMP.Kind != 0 {
			line = fmt.Sprintf("%v %v ICMP %d", e.Kind, e.At, e.Packet.ICMP.Kind)
		}
		if e.TTL > 0 {
			line += fmt.Sprintf(" of copy %d", e.TTL)
		}
		out = append(out, line)
	}
	return out
}

// A connection that is answered and closed: both streams have one number for
// each byte, and SYN and FIN take one.
func TestTapeStream(t *testing.T) {
	t.Parallel()
	r := record(0)
	r.syn(r.tick(), 64, false)
	r.open(r.tick())
	r.say(r.tick(), 64, []byte("hello"))
	r.acked = 5
	r.answer(r.tick(), []byte("well"))
	r.answer(r.tick(), []byte("come"))
	r.fin(r.tick())
	want := []string{
		"1 1ms 0:0:0 S", "3 2ms 0:1:0 S.", "1 3ms 1:1:5 P.", "3 4ms 1:6:4 P.", "3 5ms 5:6:4 P.", "3 6ms 9:6:0 F.",
	}
	if diff := cmp.Diff(want, r.lines()); diff != "" {
		t.Errorf("-want +got:\n%s", diff)
	}
	o := probe.Observe(flow.Record{Source: flow.Kernel, Events: r.events})
	if o.Outcome != probe.OK || !o.Acked || o.Said != 8 || o.RTT != time.Millisecond {
		t.Errorf("observed %s, acknowledged %v, %d bytes, round trip %v", o.Outcome, o.Acked, o.Said, o.RTT)
	}
}

// Resets are told apart by when they come.
func TestTapeReset(t *testing.T) {
	t.Parallel()
	refused := record(0)
	refused.syn(refused.tick(), 64, true)
	refused.reset(refused.tick())
	late := record(0)
	late.syn(late.tick(), 64, false)
	late.open(late.tick())
	late.say(late.tick(), 64, []byte("hello"))
	late.answer(late.tick(), []byte("well"))
	late.reset(late.tick())
	for _, tt := range []struct {
		name    string
		tape    *recorder
		last    string
		outcome probe.Outcome
		stage   probe.Stage
	}{
		{"to a SYN", refused, "3 2ms 0:1:0 R.", probe.Refused, probe.StageSYN},
		{"behind an answer", late, "3 5ms 5:0:0 R", probe.Reset, probe.StageResponse},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			lines := tt.tape.lines()
			if got := lines[len(lines)-1]; got != tt.last {
				t.Errorf("%s, want %s", got, tt.last)
			}
			o := probe.Observe(flow.Record{Source: flow.Kernel, Events: tt.tape.events})
			if o.Outcome != tt.outcome || o.Stage != tt.stage {
				t.Errorf("%s at %s, want %s at %s", o.Outcome, o.Stage, tt.outcome, tt.stage)
			}
		})
	}
}

// What a copy draws is the copy's, and what came before it left is not.
func TestTapeCopy(t *testing.T) {
	t.Parallel()
	r := record(3)
	r.syn(r.tick(), 64, false)
	r.open(r.tick())
	r.say(r.tick(), 3, []byte("hello"))
	r.again(r.tick(), 1)
	r.icmp(r.tick(), netip.Addr{}, 0, packet.ICMPError{Kind: packet.TimeExceeded})
	r.reset(r.tick())
	want := []string{
		"1 1ms 0:0:0 S", "3 2ms 0:1:0 S.", "1 3ms 1:1:5 P. of copy 3", "2 4ms 1:1:5 P.", "3 5ms ICMP 1 of copy 3", "3 6ms 1:0:0 R of copy 3",
	}
	if diff := cmp.Diff(want, r.lines()); diff != "" {
		t.Errorf("-want +got:\n%s", diff)
	}
}

// A record keeps the beginning of a long answer, and the length of the rest.
func TestTapeKeeps(t *testing.T) {
	t.Parallel()
	r := record(0)
	r.open(r.tick())
	buffer := make([]byte, 32<<10)
	for i := range 3 {
		buffer[0] = byte('a' + i)
		r.answer(r.tick(), buffer)
	}
	first := r.events[1].Packet.TCP.Payload
	if len(first) != keep || first[0] != 'a' {
		t.Errorf("%d bytes kept, the first of them %q", len(first), first[0])
	}
	o := probe.Observe(flow.Record{Source: flow.Kernel, Events: r.events})
	if want := 3 * len(buffer); o.Said != want {
		t.Errorf("%d bytes said, want %d", o.Said, want)
	}
}
