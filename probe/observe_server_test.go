package probe

import (
	"strings"
	"testing"
	"time"

	"github.com/rstprobe/rstprobe/internal/packet"
)

func TestObserveDuplicateResets(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		name   string
		script *script
		want   int
	}{
		{"one", unwanted(), 1},
		{"a copy at once", unwanted().wait(100 * time.Microsecond).rst(0), 1},
		{"a copy later", unwanted().wait(time.Millisecond).rst(0), 2},
		{"another identification", unwanted().rst(0, id(7)), 2},
		{"another TTL", unwanted().rst(0, ttl(boxTTL)), 2},
		{"another number", unwanted().rst(1), 2},
		{"another window", unwanted().rst(0, window(1)), 2},
		{"an abort", unwanted().get(abortAt(0)), 2},
	} {
		if got := len(tt.script.observe().Resets); got != tt.want {
			t.Errorf("%s: %d resets, want %d", tt.name, got, tt.want)
		}
	}
}

func TestObserveAnswerCutShort(t *testing.T) {
	t.Parallel()
	whole := fetched(20000, 30000, quiet).observe()
	for _, tt := range []struct {
		name    string
		script  *script
		short   int
		outcome Outcome
	}{
		{"whole", fetched(20000, 30000, quiet), 0, OK},
		{"whole, and closed", fetched(20000, 30000, closedShort), 0, OK},
		{"silence after 16 KiB", fetched(20000, 16384, quiet), whole.Said - 16384, Stall},
		{"closed after 16 KiB", fetched(20000, 16384, closedShort), whole.Said - 16384, Fin},
		{"reset after 16 KiB", fetched(20000, 16384, resetShort), whole.Said - 16384, Reset},
		{"still coming", fetched(20000, 16384, running), whole.Said - 16384, OK},
		{"a close, and a segment before it missing", fetched(20000, 16384, func(s *script) *script { return s.fin(20060) }), whole.Said - 16384, OK},
		{"no length announced", asking().wait(rtt).data(0, page).wait(2 * time.Second), 0, OK},
	} {
		o := tt.script.observe()
		if o.Short != tt.short || o.Outcome != tt.outcome {
			t.Errorf("%s: %d bytes short, %v; want %d, %v", tt.name, o.Short, o.Outcome, tt.short, tt.outcome)
		}
	}
}

func TestObserveRepetitions(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		name   string
		script *script
		want   int
	}{
		{"none", served(), 0},
		{"twice, although acknowledged", deaf(2), 2},
		{"a copy that the network made", deaf(0).data(0, hello), 0},
		{"we acknowledged another answer", deaf(2).data(0, strings.Repeat("x", 2*len(hello))), 0},
		{"we acknowledged a close", deaf(2).fin(-1, ttl(boxTTL)), 0},
		{"before our acknowledgment can have arrived", asking().wait(rtt).data(0, hello).wait(300*time.Millisecond).data(0, hello), 0},
	} {
		if got := tt.script.observe().Repeated; got != tt.want {
			t.Errorf("%s: %d, want %d", tt.name, got, tt.want)
		}
	}
}

func TestObserveRate(t *testing.T) {
	t.Parallel()
	o := slow(14600, 10*time.Millisecond).observe()
	if got, want := o.Rate(), 14600/0.09; got < want*0.999 || got > want*1.001 { // ten segments, nine gaps
		t.Errorf("%.0f bytes per second, want %.0f", got, want)
	}
	for name, s := range map[string]*script{"nothing": stalled(), "little": slow(4000, time.Millisecond), "all at once": slow(14600, 0)} {
		o := s.observe()
		if got := o.Rate(); got != 0 {
			t.Errorf("%s: %.0f, want none", name, got)
		}
	}
}

func TestObserveAcknowledgments(t *testing.T) {
	t.Parallel()
	o := asking().wait(rtt).ack().data(0, hello).ack().rst(0).get(packet.Segment{Seq: theirISS.Add(1), Ack: ourISS.Add(1), Flags: packet.FIN | packet.ACK}).observe()
	if len(o.Acks) != 2 || len(o.Data) != 1 || len(o.Resets) != 1 || len(o.FINs) != 1 {
		t.Errorf("%d acknowledgments, %d segments of data, %d resets, %d closes", len(o.Acks), len(o.Data), len(o.Resets), len(o.FINs))
	}
}
