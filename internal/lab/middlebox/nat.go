package middlebox

import (
	"encoding/binary"
	"net/netip"
	"slices"

	"github.com/rstprobe/rstprobe/internal/packet"
)

// NAT gives the client's connections another address and port (RFC 2663 §4.1.2),
// and ports one after the other. It is innocent. In an ICMP error about a
// connection it restores the client's address and port in the quote too (RFC
// 5508 §4.2, and as Linux does), with the checksums of the quoted headers; the
// TTL and all that other routers have changed stay.
//
// It must stand where routers behind it know no way to Addr but through it: in
// network namespaces that is behind router 1's TTL check or farther on, with
// an address of the client's link.
type NAT struct {
	Addr netip.Addr // the new address, of the client's family

	LeaveQuotes bool // quotes keep the new address and port, as cheap home routers leave them

	// Leak are packets of the client's that it takes for invalid and passes
	// with the old address. The server then resets a connection that it does
	// not know: the leak of Linux's connection tracking that kubernetes issue
	// 74839 describes. nil: none.
	Leak Match

	outside map[netip.AddrPort]netip.AddrPort // by the client's end
	inside  map[netip.AddrPort]netip.AddrPort
}

// firstNATPort is where the new ports begin.
const firstNATPort = 20000

// Handle implements Box.
func (n *NAT) Handle(dir Direction, p packet.Packet) Action {
	switch {
	case dir == ToServer && p.Proto == packet.TCP && (n.Leak == nil || !n.Leak(p)):
		p.Src = n.outsideOf(p.Src)
		return Action{Instead: &p}
	case dir == ToClient && p.Proto == packet.TCP:
		if client, ok := n.inside[p.Dst]; ok {
			p.Dst = client
			return Action{Instead: &p}
		}
	case dir == ToClient && p.ICMP.Kind != 0:
		if client, ok := n.inside[p.ICMP.Quote.Src]; ok {
			q := n.restore(p, client)
			return Action{Instead: &q}
		}
	}
	return Action{}
}

// outsideOf is the outside end of a client's, which it makes if there is none yet.
func (n *NAT) outsideOf(client netip.AddrPort) netip.AddrPort {
	out, ok := n.outside[client]
	if !ok {
		if n.outside == nil {
			n.outside = make(map[netip.AddrPort]netip.AddrPort)
			n.inside = make(map[netip.AddrPort]netip.AddrPort)
		}
		out = netip.AddrPortFrom(n.Addr, firstNATPort+uint16(len(n.outside))) //nolint:gosec // a run has fewer ports
		n.outside[client], n.inside[out] = out, client
	}
	return out
}

// restore is an ICMP error on its way into the inside.
func (n *NAT) restore(p packet.Packet, client netip.AddrPort) packet.Packet {
	raw := slices.Clone(p.Raw)
	outer := headerOf(raw)
	copy(raw[outer.dst:], client.Addr().AsSlice())
	if !n.LeaveQuotes {
		restoreQuote(raw[outer.size+icmpHeader:], client)
	}
	outer.check(raw)
	return parse(raw)
}

// restoreQuote puts the client's end back into a quoted segment.
func restoreQuote(quote []byte, client netip.AddrPort) {
	h := headerOf(quote)
	was := sum(quote[h.src:h.dst])
	copy(quote[h.src:h.dst], client.Addr().AsSlice())
	segment := quote[h.size:]
	was += sum(segment[:2])
	binary.BigEndian.PutUint16(segment, client.Port())
	if at := 16; len(segment) >= at+2 { // the TCP checksum, RFC 1624 §3
		c := uint32(^binary.BigEndian.Uint16(segment[at:]))
		c += sum(quote[h.src:h.dst]) + sum(segment[:2])
		c += uint32(^fold(was))
		binary.BigEndian.PutUint16(segment[at:], ^fold(c))
	}
	if h.src == 12 { // the checksum of the IPv4 header
		binary.BigEndian.PutUint16(quote[10:], 0)
		binary.BigEndian.PutUint16(quote[10:], ^fold(sum(quote[:h.size])))
	}
}

// icmpHeader is the length of an ICMP error's header (RFC 792, RFC 4443 §3).
const icmpHeader = 8

// header is where the fields of an IP header are.
type header struct{ src, dst, size int }

// headerOf finds them in IPv4 (RFC 791 §3.1) or IPv6 without extensions (RFC
// 8200 §3).
func headerOf(b []byte) header {
	if b[0]>>4 == 4 {
		return header{src: 12, dst: 16, size: int(b[0]&0x0f) * 4}
	}
	return header{src: 8, dst: 24, size: 40}
}

// check corrects the checksums of an ICMP datagram.
func (h header) check(raw []byte) {
	body := raw[h.size:]
	binary.BigEndian.PutUint16(body[2:], 0)
	s := sum(body)
	if h.src == 12 {
		binary.BigEndian.PutUint16(raw[10:], 0)
		binary.BigEndian.PutUint16(raw[10:], ^fold(sum(raw[:h.size])))
	} else { // the pseudo header, RFC 8200 §8.1
		s += sum(raw[h.src:h.size]) + uint32(len(body)) + uint32(packet.ICMPv6) //nolint:gosec // one datagram
	}
	binary.BigEndian.PutUint16(body[2:], ^fold(s))
}

// sum adds up the words of b (RFC 1071 §1); b is at most one datagram.
func sum(b []byte) (n uint32) {
	for ; len(b) >= 2; b = b[2:] {
		n += uint32(binary.BigEndian.Uint16(b))
	}
	if len(b) == 1 {
		n += uint32(b[0]) << 8
	}
	return n
}

// fold adds the carries back in.
func fold(n uint32) uint16 {
	for n>>16 != 0 {
		n = n>>16 + n&0xffff
	}
	return uint16(n) //nolint:gosec // the carries are in
}
