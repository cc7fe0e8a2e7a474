package middlebox

import (
	"bytes"
	"net/netip"
	"strings"

	"github.com/rstprobe/rstprobe/internal/packet"
	"github.com/rstprobe/rstprobe/internal/payload"
)

// Match says whether a packet on its way to the server is a trigger.
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

// SYNTo matches the first segment of a connection to an address and port: the
// zero port is any port, the zero address any address.
func SYNTo(port uint16, addr netip.Addr) Match {
	return func(p packet.Packet) bool {
		return p.Proto == packet.TCP && opens(p.TCP) &&
			(port == 0 || p.Dst.Port() == port) &&
			(!addr.IsValid() || p.Dst.Addr() == addr)
	}
}

// opens reports whether a segment asks for a new connection.
func opens(s packet.Segment) bool {
	return s.Flags&(packet.SYN|packet.ACK|packet.RST|packet.FIN) == packet.SYN
}
