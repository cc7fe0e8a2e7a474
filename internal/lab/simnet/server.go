package simnet

import (
	"bytes"
	"maps"
	"math/rand/v2"
	"net/netip"
	"slices"

	"github.com/rstprobe/rstprobe/internal/packet"
)

// server is the host at the end of the path: TLS on port 443 and HTTP on 80 of
// both its addresses. It looks like Linux: TTL 64, DF, identification 0 as
// long as there is no connection and counting within one.
type server struct {
	net   *Net
	rng   *rand.Rand
	conns map[packet.Key]*conn // by the client's view
	dead  bool                 // the process is gone
}

func newServer(n *Net, rng *rand.Rand) *server {
	s := &server{net: n, rng: rng, conns: make(map[packet.Key]*conn)}
	if d := n.top.Server.Dies; d > 0 {
		n.after(d, s.die)
	}
	return s
}

// die ends all connections, in the order of their ports, and listens no more.
func (s *server) die() {
	s.dead = true
	conns := slices.SortedFunc(maps.Values(s.conns), func(a, b *conn) int {
		return a.remote.Compare(b.remote)
	})
	for _, c := range conns {
		c.abort()
	}
}

// receive takes a datagram off the last link.
func (s *server) receive(p packet.Packet) {
	if p.Proto != packet.TCP || !intact(p) {
		return
	}
	k := p.FromUs()
	c := s.conns[k]
	if c != nil && c.gone && p.TCP.Flags.Has(packet.SYN) && c.in.next.Before(p.TCP.Seq) {
		c.end() // RFC 9293 §3.10.7.4, SYN in TIME-WAIT: a new incarnation
		c = nil
	}
	switch {
	case c != nil:
		c.receive(p)
	case p.TCP.Flags.Has(packet.RST):
	case s.listens(p.Dst) && p.TCP.Flags&(packet.SYN|packet.ACK|packet.FIN) == packet.SYN:
		s.conns[k] = accept(s, p)
	default:
		s.refuse(p)
	}
}

func (s *server) listens(at netip.AddrPort) bool {
	port := at.Port()
	return !s.dead && (port == portTLS || port == portHTTP) && !slices.Contains(s.net.top.Server.Closed, port)
}

// refuse is the reset that answers a segment of no connection (RFC 9293
// §3.10.7.1), without options and window, as the kernel sends it.
func (s *server) refuse(p packet.Packet) {
	seg := packet.Segment{Flags: packet.RST | packet.ACK, Ack: p.TCP.Seq.Add(p.TCP.Len())}
	if p.TCP.Flags.Has(packet.ACK) {
		seg = packet.Segment{Flags: packet.RST, Seq: p.TCP.Ack}
	}
	s.send(p.Dst, p.Src, 0, seg)
}

// send sends one segment.
func (s *server) send(src, dst netip.AddrPort, id uint16, seg packet.Segment) {
	const ttl = 64 // Linux net.ipv4.ip_default_ttl
	v4 := src.Addr().Is4()
	s.net.reply(packet.Packet{
		Src: src, Dst: dst, Proto: packet.TCP, TTL: ttl,
		ID: id, HasID: v4, DF: v4, TCP: seg,
	})
}

// intact reports whether the TCP header and payload of p are what Build makes
// of them: the checksum is right and the header ends where it says.
func intact(p packet.Packet) bool {
	raw, err := packet.Build(p)
	if err != nil {
		return false // its addresses or options cannot have come by a real path
	}
	const header = 20
	n := header + len(p.TCP.Options) + len(p.TCP.Payload)
	return n <= len(p.Raw) && n <= len(raw) && bytes.Equal(raw[len(raw)-n:], p.Raw[len(p.Raw)-n:])
}
