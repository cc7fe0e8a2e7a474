package flow

import (
	"slices"
	"testing"
	"time"

	"github.com/rstprobe/rstprobe/internal/packet"
)

func TestCopies(t *testing.T) {
	with := func(s seg, id uint16, change ...func(*packet.Packet)) packet.Packet {
		p := s.packet(id)
		for _, c := range change {
			c(&p)
		}
		return p
	}
	ttl := func(n uint8) func(*packet.Packet) { return func(p *packet.Packet) { p.TTL = n } }
	for _, tt := range []struct {
		name     string
		play     []packet.Packet
		gap      time.Duration
		want     []int // Event.Copy of each
		mirrored bool
	}{
		{
			"a mirror port", []packet.Packet{with(syn, 1), with(syn, 1), with(synAck, 0), with(synAck, 0)},
			20 * time.Microsecond, []int{0, 1, 0, 3}, true,
		},
		{
			"thrice, in bursts", []packet.Packet{with(hello, 1), with(ack, 2), with(hello, 1), with(ack, 2), with(hello, 1)},
			time.Millisecond, []int{0, 0, 1, 2, 1}, true,
		},
		{"both sides of a router", []packet.Packet{with(hello, 1), with(hello, 1, ttl(63))}, time.Millisecond, []int{0, 1}, true},
		{"two hops apart", []packet.Packet{with(hello, 1), with(hello, 1, ttl(62))}, time.Millisecond, []int{0, 0}, false},
		{"too late", []packet.Packet{with(hello, 1), with(hello, 1)}, 6 * time.Millisecond, []int{0, 0}, false},
		{"sent again", []packet.Packet{with(hello, 1), with(hello, 2)}, time.Millisecond, []int{0, 0}, false},
		{"other data", []packet.Packet{with(hello, 1), with(seg{flags: hello.flags, seq: 101, ack: 301, data: "HELLO, SERVER"}, 1)}, time.Millisecond, []int{0, 0}, false},
		{"a burst of equal resets", []packet.Packet{with(reset, 7), with(reset, 7), with(reset, 7)}, 90 * time.Microsecond, []int{0, 1, 1}, false},
		{"a burst of resets with other TTLs", []packet.Packet{with(reset, 7), with(reset, 7, ttl(60)), with(reset, 7, ttl(63))}, 90 * time.Microsecond, []int{0, 0, 0}, false},
		{"resets without an ID", []packet.Packet{with(reset, 0), with(reset, 0)}, 90 * time.Microsecond, []int{0, 0}, false},
		{
			"resets without an ID at a mirror port", []packet.Packet{with(syn, 1), with(syn, 1), with(reset, 0), with(reset, 0)},
			90 * time.Microsecond, []int{0, 1, 0, 3}, true,
		},
		{"duplicate acknowledgments without an ID", []packet.Packet{with(ack, 0), with(ack, 0)}, 90 * time.Microsecond, []int{0, 0}, false},
	} {
		t.Run(tt.name, func(t *testing.T) {
			tp := newTape(t, Config{})
			for _, p := range tt.play {
				tp.add(p)
				tp.now += tt.gap
			}
			c := tp.only()
			var got []int
			copies := 0
			for _, e := range c.Events {
				got = append(got, e.Copy)
				if e.Copy > 0 {
					copies++
				}
			}
			if !slices.Equal(got, tt.want) || c.Mirrored != tt.mirrored {
				t.Errorf("copies of %v, mirrored %v; want %v, %v", got, c.Mirrored, tt.want, tt.mirrored)
			}
			if c.Client.Copies+c.Server.Copies != copies || c.Client.Packets+c.Server.Packets != len(tt.play)-copies {
				t.Errorf("sums %+v, %+v do not go with %d copies of %d", c.Client, c.Server, copies, len(tt.play))
			}
		})
	}
}

// TestCopiesOfErrors: mirror ports show ICMP errors twice as well.
func TestCopiesOfErrors(t *testing.T) {
	quoted, err := packet.Build(syn.packet(1))
	if err != nil {
		t.Fatal(err)
	}
	raw, err := packet.BuildTimeExceeded(router, quoted, 28)
	if err != nil {
		t.Fatal(err)
	}
	raw[4], raw[5] = 0x12, 0x34 // the checksum is not looked at
	tp := newTape(t, Config{})
	tp.addRaw(raw)
	tp.addRaw(raw)
	if c := tp.only(); c.Events[1].Copy != 1 {
		t.Errorf("copy of %d, want 1", c.Events[1].Copy)
	}
}
