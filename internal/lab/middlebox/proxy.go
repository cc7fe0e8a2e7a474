package middlebox

import (
	"net/netip"

	"github.com/rstprobe/rstprobe/internal/packet"
)

// Rejecter completes handshakes in the place of a server and resets the
// connection on the first data, whatever it is. Nothing reaches the server.
// It imitates a transparent proxy, or the SYN proxy of a firewall, whose
// policy forbids the destination: the peer's packets are all of one kind, so
// nothing in them is odd, and only the distance gives it away.
type Rejecter struct {
	Addr netip.Addr // in whose place it answers
	TTL  uint8      // initial; 0: 64
}

// proxyISS is where the proxy's sequence numbers start.
const proxyISS packet.Seq = 0x52535450

// Handle implements Box.
func (r *Rejecter) Handle(dir Direction, p packet.Packet) Action {
	if dir != ToServer || p.Proto != packet.TCP || p.Dst.Addr() != r.Addr {
		return Action{}
	}
	answer := func(s packet.Segment) Action {
		return Action{Drop: true, Inject: []Injection{{Packet: forge(ToClient, ToServer, p, r.TTL, s), Toward: ToClient}}}
	}
	switch s := p.TCP; {
	case s.Flags.Has(packet.RST):
	case s.Flags.Has(packet.SYN):
		return answer(packet.Segment{Seq: proxyISS, Ack: end(s), Flags: packet.SYN | packet.ACK, Window: 65535})
	case len(s.Payload) > 0:
		return answer(reset(proxyISS+1, end(s), true))
	}
	return Action{Drop: true}
}
