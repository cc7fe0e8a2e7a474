package middlebox

import (
	"net/netip"

	"github.com/rstprobe/rstprobe/internal/packet"
)

// SYNProxy completes the handshake in the server's place, then opens the
// connection to the server in the client's name and from then on translates
// the server's numbers: the packet filter's SYNPROXY target and the scrubbers in
// front of many servers (RFC 4987 §3.8). It is innocent. The SYN/ACK comes from
// nearer than the data; what the server does not get is answered all the same.
// It offers no option but the MSS, and holds what comes before the server has
// answered.
type SYNProxy struct {
	Addr netip.Addr // in whose place it answers; invalid: anybody's
	TTL  uint8      // initial, of its own packets; 0: 64

	flows flows[proxied]
}

// proxied is a connection of two halves.
type proxied struct {
	stage proxyStage
	shift int // from the proxy's numbers to the server's
	held  []packet.Packet
}

type proxyStage uint8

// The stages of a proxied connection; the zero stage is one that the proxy
// knows nothing of, and lets pass.
const (
	answered proxyStage = iota + 1 // the client has our SYN/ACK
	asked                          // the server has our SYN
	joined
)

// proxyMSS is the option that the proxy offers on either side (RFC 9293
// §3.7.1): the payload that fits an Ethernet frame over IPv6, and so IPv4.
var proxyMSS = []byte{2, 4, 1440 >> 8, 1440 & 0xff}

// Handle implements Box.
func (s *SYNProxy) Handle(dir Direction, p packet.Packet) Action {
	host := p.Dst.Addr()
	if dir == ToClient {
		host = p.Src.Addr()
	}
	if p.Proto != packet.TCP || s.Addr.IsValid() && host != s.Addr {
		return Action{}
	}
	f := s.flows.of(dir, p)
	switch {
	case dir == ToServer && opens(p.TCP):
		f.stage = answered
		return s.own(ToClient, dir, p, packet.Segment{
			Seq: proxyISS, Ack: end(p.TCP), Flags: packet.SYN | packet.ACK, Window: 65535, Options: proxyMSS,
		})
	case dir == ToServer:
		return s.toServer(f, p)
	}
	return s.toClient(f, p)
}

func (s *SYNProxy) toServer(f *proxied, p packet.Packet) Action {
	switch {
	case f.stage == joined:
		p = f.forServer(p)
		return Action{Instead: &p}
	case f.stage == 0 || p.TCP.Flags.Has(packet.RST):
		*f = proxied{}
		return Action{}
	case !p.TCP.Flags.Has(packet.ACK) || p.TCP.Ack != proxyISS+1:
		return Action{Drop: true}
	}
	if len(p.TCP.Payload) > 0 || p.TCP.Flags.Has(packet.FIN) {
		f.held = append(f.held, p)
	}
	if f.stage == asked {
		return Action{Drop: true}
	}
	f.stage = asked
	return s.own(ToServer, ToServer, p, packet.Segment{
		Seq: p.TCP.Seq - 1, Flags: packet.SYN, Window: p.TCP.Window, Options: proxyMSS,
	})
}

func (s *SYNProxy) toClient(f *proxied, p packet.Packet) Action {
	switch {
	case f.stage == 0:
		return Action{}
	case f.stage == asked && p.TCP.Flags.Has(packet.SYN|packet.ACK):
		f.stage, f.shift = joined, p.TCP.Seq.Sub(proxyISS)
		act := s.own(ToServer, ToClient, p, packet.Segment{
			Seq: p.TCP.Ack, Ack: end(p.TCP), Flags: packet.ACK, Window: 65535,
		})
		for _, h := range f.held {
			act.Inject = append(act.Inject, Injection{Packet: f.forServer(h), Toward: ToServer})
		}
		f.held = nil
		return act
	case f.stage == asked && p.TCP.Flags.Has(packet.RST): // nobody listens
		p.TCP.Seq = proxyISS + 1
		return Action{Instead: &p}
	case f.stage == asked:
		return Action{Drop: true}
	}
	p.TCP.Seq = p.TCP.Seq.Add(-f.shift)
	return Action{Instead: &p}
}

// forServer is a packet of the client's in the numbers that the server knows.
func (f *proxied) forServer(p packet.Packet) packet.Packet {
	if p.TCP.Flags.Has(packet.ACK) {
		p.TCP.Ack = p.TCP.Ack.Add(f.shift)
	}
	return p
}

// own takes p, which goes in dir, out and sends a packet of the proxy's.
func (s *SYNProxy) own(toward, dir Direction, p packet.Packet, seg packet.Segment) Action {
	return Action{Drop: true, Inject: []Injection{{Packet: forge(toward, dir, p, s.TTL, seg), Toward: toward}}}
}
