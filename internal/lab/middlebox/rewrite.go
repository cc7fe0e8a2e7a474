package middlebox

import (
	"bytes"
	"encoding/binary"

	"github.com/rstprobe/rstprobe/internal/packet"
)

// Rewriter turns all that the server sends into RST+ACK on its way: the payload
// is cut off and the flags are changed, while TTL, identification, window,
// numbers and options stay the server's. Inside Flagged it is the Russian
// TSPU's SNI-I (Xue et al., IMC 2022). Resets pass.
type Rewriter struct{}

// Handle implements Box.
func (Rewriter) Handle(dir Direction, p packet.Packet) Action {
	if dir != ToClient || p.Proto != packet.TCP || p.TCP.Flags.Has(packet.RST) {
		return Action{}
	}
	p.TCP.Flags = packet.RST | packet.ACK
	p.TCP.Payload = nil
	return Action{Instead: &p}
}

// Marker sets the type of service or traffic class of what the client sends,
// as networks do at their edge (RFC 2475 §2.3.3): innocent, and seen in the
// quotes of the routers behind it.
type Marker struct{ TOS uint8 }

// Handle implements Box.
func (m Marker) Handle(dir Direction, p packet.Packet) Action {
	if dir != ToServer || p.Proto != packet.TCP || p.TOS == m.TOS {
		return Action{}
	}
	p.TOS = m.TOS
	return Action{Instead: &p}
}

// MSSClamp lowers the maximum segment size option of segments with SYN, both
// ways, as routers in front of a tunnel do (the packet filter's "tcp option
// maxseg size set"): innocent, and seen in quotes.
type MSSClamp struct{ Max uint16 } // bytes

// Handle implements Box.
func (c MSSClamp) Handle(_ Direction, p packet.Packet) Action {
	if p.Proto != packet.TCP || !p.TCP.Flags.Has(packet.SYN) {
		return Action{}
	}
	mss, ok := p.TCP.MSS()
	if !ok || mss <= c.Max {
		return Action{}
	}
	// The option's kind, length and value (RFC 9293 §3.7.1). An option before
	// it that has the same bytes is none that a SYN carries.
	at := bytes.Index(p.TCP.Options, binary.BigEndian.AppendUint16([]byte{2, 4}, mss))
	p.TCP.Options = bytes.Clone(p.TCP.Options)
	binary.BigEndian.PutUint16(p.TCP.Options[at+2:], c.Max)
	return Action{Instead: &p}
}
