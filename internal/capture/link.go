package capture

import (
	"encoding/binary"

	"github.com/rstprobe/rstprobe/internal/wire/pcapio"
)

// content says what was found behind the link layer of a packet.
type content uint8

const (
	datagramIP content = iota // an IPv4 or IPv6 datagram
	other                     // something else
	short                     // the packet ends before it says
	foreign                   // the link type is not known
)

// EtherTypes (IANA "IEEE 802 Numbers").
const (
	etherIPv4  = 0x0800
	etherVLAN  = 0x8100 // IEEE 802.1Q
	etherIPv6  = 0x86dd
	etherMPLS  = 0x8847
	etherMPLSM = 0x8848
	etherPPPoE = 0x8864 // session stage; discovery has no datagrams
	etherQinQ  = 0x88a8 // IEEE 802.1ad
	etherQ1    = 0x9100 // tags of switches older than 802.1ad
	etherQ2    = 0x9200

	etherMaxLength = 1500 // at most: the field is a length (IEEE 802.3 §3.2.6)
)

// maxTags is how many tags and labels are taken off one packet. Networks stack
// two or three; more is a forgery or a loop.
const maxTags = 16

// known reports whether packets of a link type can be read.
func known(link pcapio.LinkType) bool {
	_, what := datagram(link, nil)
	return what != foreign
}

// datagram takes the link layer off a packet.
func datagram(link pcapio.LinkType, b []byte) ([]byte, content) {
	switch link {
	case pcapio.LinkEthernet:
		return behindEtherType(b, 12, 14)
	case pcapio.LinkLinuxSLL:
		return behindEtherType(b, 14, 16)
	case pcapio.LinkLinuxSLL2:
		return behindEtherType(b, 0, 20)
	case pcapio.LinkRaw, pcapio.LinkRawBSD, pcapio.LinkRawOpen, pcapio.LinkIPv4, pcapio.LinkIPv6:
		return version(b)
	case pcapio.LinkNull, pcapio.LinkLoop:
		return loopback(b)
	case pcapio.LinkPPP, pcapio.LinkPPPHDLC:
		return ppp(b)
	case pcapio.LinkPPPoE:
		return pppoe(b)
	}
	return nil, foreign
}

// behindEtherType takes off a header of the given size that has its EtherType
// at the given place.
func behindEtherType(b []byte, at, size int) ([]byte, content) {
	if len(b) < size {
		return nil, short
	}
	return tagged(binary.BigEndian.Uint16(b[at:]), b[size:])
}

// tagged takes off what may stand between an EtherType and a datagram.
func tagged(etherType uint16, b []byte) ([]byte, content) {
	for range maxTags {
		skip := 4
		switch etherType {
		case etherIPv4, etherIPv6:
			return version(b)
		case etherVLAN, etherQinQ, etherQ1, etherQ2:
		case etherMPLS, etherMPLSM:
			return mpls(b)
		case etherPPPoE:
			return pppoe(b)
		default:
			// A length: behind LLC there may be SNAP with an EtherType
			// (RFC 1042).
			skip = 8
			if etherType > etherMaxLength || len(b) < skip || [6]byte(b) != [6]byte{0xaa, 0xaa, 3, 0, 0, 0} {
				return nil, other
			}
		}
		if len(b) < skip {
			return nil, short
		}
		etherType, b = binary.BigEndian.Uint16(b[skip-2:]), b[skip:]
	}
	return nil, other
}

// mpls takes off a label stack (RFC 3032 §2.1). It does not say what is below
// it; a datagram shows its version, and a control word has a zero there (RFC
// 4928 §3).
func mpls(b []byte) ([]byte, content) {
	for range maxTags {
		if len(b) < 4 {
			return nil, short
		}
		last := b[2]&1 != 0
		b = b[4:]
		if last {
			return version(b)
		}
	}
	return nil, other
}

// pppoe takes off a session header (RFC 2516 §4).
func pppoe(b []byte) ([]byte, content) {
	const header, session = 6, 0
	if len(b) < header {
		return nil, short
	}
	if b[1] != session {
		return nil, other
	}
	return ppp(b[header:])
}

// ppp takes off the protocol field, which may have lost its leading zero (RFC
// 1661 §2), behind HDLC address and control where they were not left out (RFC
// 1662 §3.1).
func ppp(b []byte) ([]byte, content) {
	const ipv4, ipv6 = 0x21, 0x57
	if len(b) >= 2 && b[0] == 0xff && b[1] == 3 {
		b = b[2:]
	}
	if len(b) > 0 && b[0] == 0 {
		b = b[1:]
	}
	switch {
	case len(b) == 0:
		return nil, short
	case b[0] == ipv4, b[0] == ipv6:
		return version(b[1:])
	}
	return nil, other
}

// loopback takes off an address family of either byte order, since captures
// travel. The families of IPv6 are those of the various systems.
func loopback(b []byte) ([]byte, content) {
	if len(b) < 4 {
		return nil, short
	}
	family := binary.BigEndian.Uint32(b)
	if family >= 1<<16 {
		family = binary.LittleEndian.Uint32(b)
	}
	switch family {
	case 2, 10, 24, 28, 30: // IPv4; IPv6 of Linux, NetBSD and OpenBSD, FreeBSD, Darwin
		return version(b[4:])
	}
	return nil, other
}

// version looks whether a datagram can begin here.
func version(b []byte) ([]byte, content) {
	if len(b) == 0 {
		return nil, short
	}
	if v := b[0] >> 4; v != 4 && v != 6 {
		return nil, other
	}
	return b, datagramIP
}
