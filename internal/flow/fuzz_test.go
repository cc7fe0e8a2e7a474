package flow

import (
	"testing"
	"time"

	"github.com/rstprobe/rstprobe/internal/packet"
)

// FuzzTable: whatever segments come, each is in a conversation, in its sums and
// in its events or among those skipped, and no memory is lost. Four bytes of
// input make a segment.
func FuzzTable(f *testing.F) {
	f.Add([]byte{0x02, 1, 0, 0, 0x92, 1, 1, 0, 0x10, 2, 1, 0, 0x94, 2, 2, 0}, uint8(0))
	f.Add([]byte{0x02, 1, 0, 0, 0x92, 1, 1, 0, 0x10, 2, 1, 0, 0x02, 9, 0, 200, 0x92, 5, 9, 0}, uint8(1))
	f.Add([]byte{0x11, 1, 0, 255, 0x91, 1, 1, 254, 0x02, 2, 0, 128}, uint8(2))
	f.Fuzz(func(t *testing.T, in []byte, limit uint8) {
		var packets, events, skipped, replayed int
		table := NewTable(Config{
			MaxFlows: 1 + int(limit%4), MaxEvents: 8, Payload: 32, Linger: time.Second, Idle: time.Minute,
			Yield: func(c *Conversation) {
				n := c.ICMP
				for _, s := range []Side{c.Client, c.Server} {
					n += s.Packets + s.Copies
				}
				packets += n
				events += len(c.Events)
				skipped += c.Skipped
				if c.Prior.Last >= c.First {
					replayed++ // its SYN is in the one before as well
				}
				if len(c.Events)+c.Skipped != n {
					t.Errorf("%d events and %d skipped of %d packets", len(c.Events), c.Skipped, n)
				}
				var last time.Duration
				for _, e := range c.Events {
					if e.At < last || e.At > c.End {
						t.Errorf("packet %d at %v, after %v, until %v", e.N, e.At, last, c.End)
					}
					last = e.At
				}
			},
		})
		now, n := epoch, 0
		for ; len(in) >= 4; in = in[4:] {
			s := seg{server: in[0]&0x80 != 0, flags: packet.Flags(in[0] & 0x17), seq: packet.Seq(in[1]), ack: packet.Seq(in[2])}
			s.data = string(make([]byte, int(in[0]&0x60)))
			p := s.packet(uint16(in[1]))
			p.TTL = 64
			now = now.Add(time.Duration(int8(in[3])) * 100 * time.Millisecond)
			if in[2]&0x40 != 0 {
				p.Src, p.Dst = p.Dst, p.Src
			}
			raw, err := packet.Build(p)
			if err != nil {
				t.Fatal(err)
			}
			if in[2]&0x80 != 0 {
				if raw, err = packet.BuildTimeExceeded(router, raw, int(in[1])+28); err != nil {
					t.Fatal(err)
				}
			}
			parsed, err := packet.Parse(raw)
			if err != nil {
				t.Fatal(err)
			}
			n++
			table.Add(n, now, &parsed)
			if table.Len() > 1+int(limit%4) {
				t.Fatalf("%d conversations", table.Len())
			}
		}
		table.Flush()
		if packets-replayed != n || events+skipped != packets {
			t.Errorf("%d packets, %d of them twice, %d events, %d skipped; %d came", packets, replayed, events, skipped, n)
		}
		if table.Len() != 0 || table.keeper.used != 0 || table.keeper.tailed != 0 {
			t.Errorf("%d conversations, %d chunks, %d tails are left", table.Len(), table.keeper.used, table.keeper.tailed)
		}
	})
}
