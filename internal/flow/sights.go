package flow

import (
	"encoding/binary"
	"math/bits"
	"time"

	"github.com/rstprobe/rstprobe/internal/packet"
)

// A mirror port, a capture on several interfaces or on both sides of a router
// shows packets more than once. Copies come at once; whoever sends the same
// twice waits for an answer first, and gives it another IP ID.
const (
	copyTime = 5 * time.Millisecond
	copySpan = 4 // among how many packets of a conversation a copy is looked for
	copyHops = 1 // what the TTLs of copies may differ by: one router between two mirror ports
)

// sights are the last packets of a conversation that were no copies.
type sights struct {
	look [copySpan]uint64 // a hash of what copies have in common
	at   [copySpan]int64  // ns, by the clock of the table
	n    [copySpan]uint32 // number, modulo 2^32
	ttl  [copySpan]uint8
	next uint8 // where the next goes
}

// copyOf is the number of the packet that packet n is another sight of; 0 if
// it is new. mirrored says that the conversation has copies for sure.
func (s *sights) copyOf(n int, now int64, look uint64, p *packet.Packet, mirrored bool) int {
	// A host may well send bare segments that are all alike at once: a reset
	// to each of several packets, duplicate acknowledgments. Without an IP ID
	// to tell them apart they are copies only where there are others.
	if t := &p.TCP; mirrored || p.ID != 0 || t.Flags&(packet.SYN|packet.FIN) != 0 || len(t.Payload) > 0 {
		for i := range s.look {
			if s.look[i] == look && abs(now-s.at[i]) <= int64(copyTime) && abs(int64(p.TTL)-int64(s.ttl[i])) <= copyHops {
				return n - int(uint32(n)-s.n[i]) //nolint:gosec // modulo 2^32 on purpose
			}
		}
	}
	i := s.next
	s.look[i], s.at[i], s.n[i], s.ttl[i] = look, now, uint32(n), p.TTL //nolint:gosec // modulo 2^32 on purpose
	s.next = (i + 1) % copySpan
	return 0
}

// lookOf hashes what two sights of one segment have in common, and others of
// its sender have not: its IP ID and its whole TCP header, whose checksum
// speaks for most of the payload. raw is the datagram, of which head bytes are
// headers.
func lookOf(from uint8, p *packet.Packet, raw []byte, head int) uint64 {
	s := &p.TCP
	var sum uint16
	if at := head - len(s.Options) - 4; at >= 0 && at+2 <= len(raw) { // where the fixed header has it
		sum = binary.BigEndian.Uint16(raw[at:])
	}
	h := mix(uint64(s.Seq)<<32|uint64(s.Ack), uint64(p.ID)<<48|uint64(sum)<<32|uint64(s.Window)<<16|uint64(s.Flags)<<8|uint64(from))
	h = mix(h, uint64(len(s.Payload)+s.Missing)) //nolint:gosec // not negative
	if n := len(s.Payload); n >= 8 {
		// Where the sender's interface was yet to compute the checksum, it
		// speaks for nothing.
		h = mix(h^binary.BigEndian.Uint64(s.Payload), binary.BigEndian.Uint64(s.Payload[n-8:]))
	}
	return h
}

// lookOfError is the same of an ICMP error.
func lookOfError(p *packet.Packet) uint64 {
	e := &p.ICMP
	return mix(uint64(e.Quote.Seq)<<32|uint64(e.Quote.ID)<<16|uint64(e.Type)<<8|uint64(e.Code), uint64(p.ID))
}

// mix hashes two words, as wyhash does; it is never 0 but by a rare chance.
func mix(a, b uint64) uint64 {
	hi, lo := bits.Mul64(a^0xa0761d6478bd642f, b^0xe7037ed1a0b428db)
	return hi ^ lo
}

func abs(n int64) int64 { return max(n, -n) }
