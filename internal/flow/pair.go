package flow

import (
	"encoding/binary"
	"net/netip"
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
