package traceroute

import (
	"testing"
	"time"

	"github.com/rstprobe/rstprobe/internal/flow"
	"github.com/rstprobe/rstprobe/internal/packet"
)

// FuzzRead reads sweeps whose answers are any packets at all: nothing may
// panic, and what is placed lies on the path.
func FuzzRead(f *testing.F) {
	s := begin(false).burst(1, 6).expire(1, 2, 3).resets(3, 3, 4)
	for _, e := range s.rec.Packets(flow.Sent) {
		f.Add(e.Packet.Raw, uint8(3), false)
	}
	f.Add([]byte{69, 0, 0, 40, 0, 0, 0, 0, 58, 6, 0, 0, 198, 51, 100, 7, 192, 0, 2, 1, 1, 187, 156, 64, 0, 0, 19, 134, 0, 0, 0, 0, 80, 4, 0, 0, 0, 0, 0, 0}, uint8(6), true)
	f.Fuzz(func(t *testing.T, b []byte, last uint8, silence bool) {
		s := begin(false).burst(1, 1+int(last%6))
		for len(b) > 0 {
			n := min(len(b), 64)
			p, err := packet.Parse(b[:n])
			b = b[n:]
			if err != nil {
				continue
			}
			s.wait(time.Millisecond).event(flow.Received, p, 0)
		}
		sweep := s.read()
		all := search(harmless(), sweep, sweep)
		all.Silence = silence
		facts := all.Facts()
		if facts.After < 0 || facts.At > serverAt || facts.At > 0 && facts.After >= facts.At {
			t.Errorf("between %d and %d", facts.After, facts.At)
		}
		all.Boxes(CodedBurst)
		all.Response()
		Classes([]PortSweep{{1, sweep}, {2, harmless()}})
	})
}
