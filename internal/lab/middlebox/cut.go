package middlebox

import (
	"time"

	"github.com/rstprobe/rstprobe/internal/packet"
)

// Cut kills every flow that it sees after some packets, both ways and without
// a word. Inside Flagged it lets Pass packets through after the trigger, as the
// Russian TSPU does under SNI-II, with five to eight (Xue et al., IMC 2022).
type Cut struct {
	Pass int // packets of either direction that still pass; 0: none

	passed flows[int]
}

// Handle implements Box.
func (c *Cut) Handle(dir Direction, p packet.Packet) Action {
	if p.Proto != packet.TCP {
		return Action{}
	}
	n := c.passed.of(dir, p)
	*n++
	return Action{Drop: *n > c.Pass}
}

// VolumeCut kills a flow, both ways and without a word, once the server has
// sent so much on it: what Russian networks do since 2025 to connections with
// foreign hosting providers, after some 16 KiB, whatever is in them.
type VolumeCut struct {
	After int // bytes of payload to the client, retransmitted ones included; what goes beyond is dropped already

	sent flows[int]
}

// Handle implements Box.
func (c *VolumeCut) Handle(dir Direction, p packet.Packet) Action {
	if p.Proto != packet.TCP {
		return Action{}
	}
	n := c.sent.of(dir, p)
	if dir == ToClient && *n <= c.After {
		*n += len(p.TCP.Payload)
	}
	return Action{Drop: *n > c.After}
}

// Policer holds every flow that it sees to a rate and drops the excess: a token
// bucket, which is what throttled Twitter to 130 … 150 kbit/s in 2021 (Xue et
// al., "Throttling Twitter", IMC 2021).
type Policer struct {
	Rate  int       // bytes of IP a second
	Burst int       // bytes of IP that pass at once
	On    Direction // that it limits; 0: both, together

	buckets flows[bucket]
}

type bucket struct {
	level  float64 // bytes
	filled time.Time
}

// Handle implements Box.
func (l *Policer) Handle(dir Direction, p packet.Packet) Action {
	if p.Proto != packet.TCP || l.On != 0 && l.On != dir {
		return Action{}
	}
	b, now, size := l.buckets.of(dir, p), time.Now(), float64(len(p.Raw))
	if b.filled.IsZero() {
		b.level = float64(l.Burst)
	} else {
		b.level = min(float64(l.Burst), b.level+now.Sub(b.filled).Seconds()*float64(l.Rate))
	}
	b.filled = now
	if b.level < size {
		return Action{Drop: true}
	}
	b.level -= size
	return Action{}
}
