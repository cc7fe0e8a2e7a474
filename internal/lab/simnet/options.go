package simnet

import (
	"encoding/binary"
	"time"

	"github.com/rstprobe/rstprobe/internal/packet"
)

// TCP option kinds (IANA "TCP Option Kind Numbers").
const (
	optNOP           = 1
	optMSS           = 2 // RFC 9293 §3.7.1
	optWindowScale   = 3 // RFC 7323 §2.2
	optSACKPermitted = 4 // RFC 2018 §2
	optSACK          = 5 // RFC 2018 §3
)

// ownMSS is the largest payload that fits an Ethernet frame.
func ownMSS(c *conn) int {
	if c.local.Addr().Is4() {
		return 1460
	}
	return 1440
}

// synAckOptions answer the client's options in the order of Linux: MSS, SACK
// permitted and timestamps, window scale.
func synAckOptions(c *conn) []byte {
	b := binary.BigEndian.AppendUint16([]byte{optMSS, 4}, uint16(ownMSS(c))) //nolint:gosec // 1460 at most
	stamp := c.stamp.option()
	if c.sack {
		b = append(b, optSACKPermitted, 2)
		if stamp == nil {
			b = append(b, optNOP, optNOP)
		} else {
			stamp = stamp[2:] // in the place of its two NOPs
		}
	}
	b = append(b, stamp...)
	if c.scale {
		b = append(b, optNOP, optWindowScale, 3, windowScale)
	}
	return b
}

// sackOption is the SACK option behind two NOPs, with as many of the blocks as
// fit with used bytes of other options; nil without blocks.
func sackOption(blocks [][2]packet.Seq, used int) []byte {
	const room = 40 // bytes of options
	blocks = blocks[:min(len(blocks), (room-used-4)/8)]
	if len(blocks) == 0 {
		return nil
	}
	b := []byte{optNOP, optNOP, optSACK, byte(2 + 8*len(blocks))}
	for _, e := range blocks {
		b = binary.BigEndian.AppendUint32(b, uint32(e[0]))
		b = binary.BigEndian.AppendUint32(b, uint32(e[1]))
	}
	return b
}

// stamps are the timestamps of a connection (RFC 7323 §3); the zero value is a
// connection without.
type stamps struct {
	on     bool
	net    *Net
	start  time.Time
	base   uint32 // our clock at start, in ms
	recent uint32 // TS.Recent
}

func newStamps(s *server, syn packet.Segment) stamps {
	base := s.rng.Uint32()
	val, _, ok := syn.Timestamps()
	return stamps{on: ok, net: s.net, start: s.net.now, base: base, recent: val}
}

// option is the timestamps option of a segment that leaves now; nil without.
func (t *stamps) option() []byte {
	if !t.on {
		return nil
	}
	ms := t.net.now.Sub(t.start).Milliseconds()
	return packet.TimestampOption(t.base+uint32(ms), t.recent) //nolint:gosec // wraps by design
}

// old reports whether a segment is older than one already seen. Segments
// without the option pass, as in Linux.
func (t *stamps) old(s packet.Segment) bool {
	val, _, ok := s.Timestamps()
	return t.on && ok && packet.Seq(val).Before(packet.Seq(t.recent))
}

// update takes the timestamp of a segment at or before next, RCV.NXT (RFC 7323
// §4.3).
func (t *stamps) update(s packet.Segment, next packet.Seq) {
	if val, _, ok := s.Timestamps(); t.on && ok && !next.Before(s.Seq) {
		t.recent = val
	}
}
