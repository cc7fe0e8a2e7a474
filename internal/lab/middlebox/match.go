package middlebox

import (
	"bytes"
	"encoding/binary"
	"net/netip"
	"strings"

	"github.com/rstprobe/rstprobe/internal/packet"
	"github.com/rstprobe/rstprobe/internal/payload"
)

// Match says whether a packet is a trigger. Some keep state: make one for each
// box.
type Match func(p packet.Packet) bool

// NameIs matches a segment that holds, by itself, a ClientHello with one of
// the names as server_name or an HTTP request with one of them as Host, in
// any case of letters. Like most on-path devices it does not reassemble: a
// name split over two segments goes unseen.
func NameIs(names ...string) Match {
	return func(p packet.Packet) bool {
		if p.Proto != packet.TCP || len(p.TCP.Payload) == 0 {
			return false
		}
		name, ok := payload.ServerName(p.TCP.Payload)
		if !ok {
			name, ok = payload.HostHeader(p.TCP.Payload)
		}
		if !ok {
			return false
		}
		for _, n := range names {
			if strings.EqualFold(n, name) {
				return true
			}
		}
		return false
	}
}

// FirstRecord shows m no more than the first TLS record of a payload: many
// devices do not put a ClientHello together that comes in several (Niere et
// al., "Transport Layer Obscurity", IEEE S&P 2025).
func FirstRecord(m Match) Match {
	const header, handshake = 5, 22 // RFC 8446 §5.1: type, version and length
	return func(p packet.Packet) bool {
		if b := p.TCP.Payload; len(b) > header && b[0] == handshake {
			p.TCP.Payload = b[:min(len(b), header+int(binary.BigEndian.Uint16(b[3:])))]
		}
		return m(p)
	}
}

// Contains matches a TCP payload that has b anywhere in it: a box that
// searches raw bytes, as the "string" match of a packet filter does, and so
// also blocks names that merely contain b. b must not be empty.
func Contains(b string) Match {
	return func(p packet.Packet) bool {
		return p.Proto == packet.TCP && bytes.Contains(p.TCP.Payload, []byte(b))
	}
}

// Any matches every TCP segment.
func Any(p packet.Packet) bool { return p.Proto == packet.TCP }

// HasData matches every TCP segment with a payload.
func HasData(p packet.Packet) bool { return p.Proto == packet.TCP && len(p.TCP.Payload) > 0 }

// SYNTo matches the first segment of a connection to an address and port: the
// zero port is any port, the zero address any address.
func SYNTo(port uint16, addr netip.Addr) Match {
	return func(p packet.Packet) bool {
		return p.Proto == packet.TCP && opens(p.TCP) &&
			(port == 0 || p.Dst.Port() == port) &&
			(!addr.IsValid() || p.Dst.Addr() == addr)
	}
}

// SYNACKFrom matches the answer to the first segment of a connection, on its way
// to the client: the zero port is any port, the zero address any address.
func SYNACKFrom(port uint16, addr netip.Addr) Match {
	return func(p packet.Packet) bool {
		return p.Proto == packet.TCP && p.TCP.Flags&(packet.SYN|packet.ACK|packet.RST) == packet.SYN|packet.ACK &&
			(port == 0 || p.Src.Port() == port) &&
			(!addr.IsValid() || p.Src.Addr() == addr)
	}
}

// opens reports whether a segment asks for a new connection.
func opens(s packet.Segment) bool {
	return s.Flags&(packet.SYN|packet.ACK|packet.RST|packet.FIN) == packet.SYN
}
