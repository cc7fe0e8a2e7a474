package packet

import (
	"encoding/binary"
	"net/netip"
	"slices"
)

// Where checksums stand in their headers.
const (
	ipv4Check = 10
	tcpCheck  = 16
	udpCheck  = 6
	icmpCheck = 2
)

// Edit is a copy of the datagram raw with other addresses: swap is asked for
// each address in the IP header, and in that of the datagram which an ICMP
// error quotes, and must answer in its family. What has no fixed meaning is
// for said to change, without making it longer or shorter: options, payload,
// what follows a quote, and all of what is no IP header.
//
// The checksums of the IPv4 header, of TCP, UDP and ICMP are corrected by the
// difference (RFC 1624), so one that was wrong stays so, and that of a segment
// of which the end is not at hand is as good as it was.
func Edit(raw []byte, swap func(netip.Addr) netip.Addr, said func([]byte)) []byte {
	out := slices.Clone(raw)
	editor{swap, said}.edit(raw, out)
	return out
}

type editor struct {
	swap func(netip.Addr) netip.Addr
	said func([]byte)
}

// edit changes is, which is a copy of the datagram was.
func (e editor) edit(was, is []byte) {
	var h header
	err := h.parse(was)
	at, size := 12, 4 // of the addresses; RFC 791 §3.1
	fixed := ipv4Len
	if h.v6 {
		at, size, fixed = 8, 16, ipv6Len // RFC 8200 §3
	}
	if !h.src.IsValid() {
		e.said(is)
		return
	}
	copy(is[at:], e.swap(h.src).AsSlice())
	copy(is[at+size:], e.swap(h.dst).AsSlice())
	off := min(max(h.off, fixed), len(is))
	e.said(is[fixed:off])
	if !h.v6 {
		correct(was[:off], is[:off], ipv4Check, 0, 0)
	}
	end := h.end(len(was))
	if err != nil || end < off {
		e.said(is[off:])
		return
	}
	// The part of the pseudo-header that changes (RFC 9293 §3.1, RFC 8200 §8.1).
	before, after := sum(was[at:at+2*size]), sum(is[at:at+2*size])
	body, edited := was[off:end], is[off:end]
	switch {
	case h.proto == TCP:
		e.said(edited[min(tcpLen, len(body)):])
		correct(body, edited, tcpCheck, before, after)
	case h.proto == UDP:
		e.said(edited[min(udpLen, len(body)):])
		if len(body) >= udpLen && binary.BigEndian.Uint16(body[udpCheck:]) != 0 { // 0: none was made (RFC 768)
			correct(body, edited, udpCheck, before, after)
		}
	case h.proto == ICMP && !h.v6, h.proto == ICMPv6 && h.v6:
		e.editICMP(body, edited, h.v6)
		if !h.v6 {
			before, after = 0, 0 // RFC 792 has no pseudo-header
		}
		correct(body, edited, icmpCheck, before, after)
	default:
		e.said(edited)
	}
	e.said(is[end:]) // padding
}

// editICMP changes what an ICMP message quotes, if it is an error, and what
// follows.
func (e editor) editICMP(was, is []byte, v6 bool) {
	if len(was) < icmpLen || icmpKind(was[0], was[1], v6) == 0 {
		e.said(is[min(icmpLen, len(is)):])
		return
	}
	quote := icmpLen + len(cutExtensions(was, v6))
	e.edit(was[icmpLen:quote], is[icmpLen:quote])
	e.said(is[quote:])
}

// correct makes the checksum at is[at:], which covers is and what has the sum
// after, as good as it was over was and before; not at hand, it is left out.
func correct(was, is []byte, at int, before, after uint16) {
	if len(was) < at+2 {
		return
	}
	check := binary.BigEndian.Uint16(was[at:])
	from := fold(uint32(sum(was)) + uint32(before))
	to := fold(uint32(sum(is)) + uint32(after)) // with the same checksum in it, which so counts for nothing
	if from != to {
		check = ^fold(uint32(^check) + uint32(^from) + uint32(to))
	}
	binary.BigEndian.PutUint16(is[at:], check)
}
