package flow

import (
	"encoding/binary"
	"math/rand/v2"
	"net/netip"

	"github.com/rstprobe/rstprobe/internal/packet"
)

// pair is the two ends of a connection, whoever speaks, in a fixed order.
type pair struct {
	addr [2]addr
	port [2]uint16
	v4   bool
}

// addr is an address as IPv6 has it, IPv4 mapped.
type addr struct{ hi, lo uint64 }

func addrOf(a netip.Addr) addr {
	if a.Is4() { // mostly
		b := a.As4()
		return addr{0, 0xffff<<32 | uint64(binary.BigEndian.Uint32(b[:]))}
	}
	b := a.As16()
	return addr{binary.BigEndian.Uint64(b[:8]), binary.BigEndian.Uint64(b[8:])}
}

// pairOf is the pair of a packet, and which of its ends src is.
func pairOf(src, dst netip.AddrPort) (p pair, from uint8) {
	a, b := addrOf(src.Addr()), addrOf(dst.Addr())
	v4 := src.Addr().Is4()
	if a.hi > b.hi || a.hi == b.hi && (a.lo > b.lo || a.lo == b.lo && src.Port() > dst.Port()) {
		return pair{addr: [2]addr{b, a}, port: [2]uint16{dst.Port(), src.Port()}, v4: v4}, 1
	}
	return pair{addr: [2]addr{a, b}, port: [2]uint16{src.Port(), dst.Port()}, v4: v4}, 0
}

// Ends say whose a packet is: between which two ends, from which of them.
// Whoever reads packets ahead finds them out ahead as well.
type Ends struct {
	pair pair
	hash uint64
	from uint8 // of an ICMP error the sender of what it quotes
	some bool  // it is a TCP segment, or quotes one with its ports
}

// EndsOf are the ends of a packet as packet.Parse returned it.
func EndsOf(p *packet.Packet) (e Ends) {
	switch q := &p.ICMP.Quote; {
	case p.Proto == packet.TCP:
		e.pair, e.from = pairOf(p.Src, p.Dst)
	case p.ICMP.Kind != 0 && q.Proto == packet.TCP && (q.Src.Port() != 0 || q.Dst.Port() != 0): // else cut before its ports
		e.pair, e.from = pairOf(q.Src, q.Dst)
	default:
		return Ends{}
	}
	e.hash, e.some = e.pair.hash(), true
	return e
}

// seed is secret, so that nobody can choose ends that collide.
var seed = [2]uint64{rand.Uint64(), rand.Uint64()}

func (p *pair) hash() uint64 {
	h := mix(p.addr[0].hi^seed[0], p.addr[0].lo^seed[1])
	h = mix(p.addr[1].hi^h, p.addr[1].lo^seed[1])
	return mix(h^uint64(p.port[0])<<16^uint64(p.port[1]), seed[0])
}

// end is the end of a number.
func (p *pair) end(i uint8) netip.AddrPort {
	var b [16]byte
	binary.BigEndian.PutUint64(b[:8], p.addr[i].hi)
	binary.BigEndian.PutUint64(b[8:], p.addr[i].lo)
	a := netip.AddrFrom16(b)
	if p.v4 {
		a = a.Unmap()
	}
	return netip.AddrPortFrom(a, p.port[i])
}
