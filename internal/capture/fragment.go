package capture

import (
	"cmp"
	"encoding/binary"
	"math"
	"net/netip"
	"slices"
	"time"

	"github.com/rstprobe/rstprobe/internal/packet"
)

// Bounds of what waits for its other fragments. Linux waits as long
// (ip_frag_time) and for as much (ipfrag_high_thresh is 4 MiB).
const (
	fragmentTime  = 30 * time.Second
	fragmentBytes = 4 << 20
	maxDatagrams  = 256 // TCP avoids fragments: more at once are a flood
	maxPieces     = 256 // of one datagram: an MTU of 296 bytes (RFC 791) makes 240 of the longest
)

// fragmentKey names the datagram that a fragment belongs to (RFC 791 §3.2, RFC
// 8200 §4.5).
type fragmentKey struct {
	src, dst netip.Addr
	id       uint32
	proto    packet.Proto
}

// piece is one fragment. Its slices alias the datagram that it was read from.
type piece struct {
	key    fragmentKey
	off    int    // of its data in the whole, in bytes
	size   int    // announced bytes of data
	more   bool   // another follows
	head   []byte // the headers that every fragment repeats
	nextAt int    // where in head the protocol of what follows stands (IPv6)
	data   []byte // as far as captured
}

// Where IPv4 and IPv6 headers have what matters here.
const (
	ipv4Min    = 20
	ipv4Length = 2
	ipv4ID     = 4
	ipv4Frag   = 6
	ipv4Proto  = 9

	ipv6Min    = 40
	ipv6Length = 4
	ipv6Next   = 6

	fragHeader = 8 // bytes of the IPv6 fragment header
)

// fragmented reports whether ip may be a fragment, at little cost.
func fragmented(ip []byte) bool {
	const moreOrOffset = 0x3fff
	switch {
	case len(ip) >= ipv4Min && ip[0]>>4 == 4:
		return binary.BigEndian.Uint16(ip[ipv4Frag:])&moreOrOffset != 0
	case len(ip) >= ipv6Min && ip[0]>>4 == 6:
		return !wanted(packet.Proto(ip[ipv6Next])) // an extension header
	}
	return false
}

// parseFragment reads a datagram that is not padded; false if it is whole.
func parseFragment(ip []byte) (piece, bool) {
	if ip[0]>>4 == 4 {
		return parseFragment4(ip)
	}
	return parseFragment6(ip)
}

func parseFragment4(ip []byte) (piece, bool) {
	const more, offset = 0x2000, 0x1fff
	frag := binary.BigEndian.Uint16(ip[ipv4Frag:])
	head := int(ip[0]&0x0f) * 4
	if head < ipv4Min || head > len(ip) {
		return piece{}, false
	}
	p := piece{
		key: fragmentKey{
			src:   netip.AddrFrom4([4]byte(ip[12:16])),
			dst:   netip.AddrFrom4([4]byte(ip[16:20])),
			id:    uint32(binary.BigEndian.Uint16(ip[ipv4ID:])),
			proto: packet.Proto(ip[ipv4Proto]),
		},
		off:  int(frag&offset) * 8,
		more: frag&more != 0,
		head: ip[:head],
		data: ip[head:],
	}
	p.size = max(int(binary.BigEndian.Uint16(ip[ipv4Length:]))-head, len(p.data))
	return p, true
}

// parseFragment6 looks for a fragment header among the extension headers.
func parseFragment6(ip []byte) (piece, bool) {
	const hopByHop, routing, fragment, destOptions = 0, 43, 44, 60
	nextAt, off := ipv6Next, ipv6Min
	for {
		rest := ip[off:]
		if len(rest) < fragHeader {
			return piece{}, false
		}
		switch ip[nextAt] {
		default:
			return piece{}, false
		case hopByHop, routing, destOptions:
			size := 8 + 8*int(rest[1])
			if size > len(rest) {
				return piece{}, false
			}
			nextAt, off = off, off+size
			continue
		case fragment:
		}
		field := binary.BigEndian.Uint16(rest[2:])
		if field&0xfff9 == 0 {
			return piece{}, false // whole all the same (RFC 6946)
		}
		p := piece{
			key: fragmentKey{
				src:   netip.AddrFrom16([16]byte(ip[8:24])),
				dst:   netip.AddrFrom16([16]byte(ip[24:40])),
				id:    binary.BigEndian.Uint32(rest[4:]),
				proto: packet.Proto(rest[0]),
			},
			off:    int(field &^ 7),
			more:   field&1 != 0,
			head:   ip[:off],
			nextAt: nextAt,
			data:   rest[fragHeader:],
		}
		p.size = max(ipv6Min+int(binary.BigEndian.Uint16(ip[ipv6Length:]))-off-fragHeader, len(p.data))
		return p, true
	}
}

// fragments keeps the pieces of datagrams until they are complete. The zero
// value is ready.
type fragments struct {
	open  map[fragmentKey]*partial
	bytes int // kept in all
	count int // datagrams begun so far
}

// partial is a datagram of which pieces have come.
type partial struct {
	began  int       // the how manieth it was
	at     time.Time // of its first piece
	pieces []piece   // in the order they came; slices are copies
	bytes  int
	sizes  int // announced bytes, of all pieces
	last   int // where the datagram ends; 0: the last piece has not come
}

// add takes a piece at the time now. With the last missing piece of a
// datagram it returns the whole and how many pieces there were. lost counts
// the incomplete datagrams that were given up meanwhile.
func (f *fragments) add(p piece, now time.Time) (whole []byte, count, lost int) {
	d := f.open[p.key]
	if d != nil && (now.Sub(d.at).Abs() > fragmentTime || len(d.pieces) == maxPieces) {
		f.drop(p.key)
		d = nil
		lost++
	}
	if d == nil {
		if f.open == nil {
			f.open = make(map[fragmentKey]*partial)
		}
		if len(f.open) == maxDatagrams {
			f.dropOldest()
			lost++
		}
		f.count++
		d = &partial{began: f.count, at: now}
		f.open[p.key] = d
	}
	p.data = slices.Clone(p.data)
	if p.off == 0 {
		p.head = slices.Clone(p.head)
	} else {
		p.head = nil
	}
	d.pieces = append(d.pieces, p)
	d.bytes += len(p.data)
	d.sizes += p.size
	if !p.more {
		d.last = p.off + p.size
	}
	f.bytes += len(p.data)
	if whole = d.assemble(); whole != nil {
		f.drop(p.key)
		return whole, len(d.pieces), lost
	}
	for f.bytes > fragmentBytes {
		f.dropOldest()
		lost++
	}
	return nil, 0, lost
}

func (f *fragments) drop(key fragmentKey) {
	f.bytes -= f.open[key].bytes
	delete(f.open, key)
}

func (f *fragments) dropOldest() {
	var oldest fragmentKey
	first := math.MaxInt
	for key, d := range f.open {
		if d.began < first {
			oldest, first = key, d.began
		}
	}
	f.drop(oldest)
}

// assemble puts the pieces together; nil if one is missing. Of pieces that
// overlap, the one that came first counts, for that is the way of a mirror
// port that shows each twice, and hosts disagree about the rest. If a snapshot
// length cut a piece, the whole ends there and announces its true length.
func (d *partial) assemble() []byte {
	if d.last == 0 || d.sizes < d.last {
		return nil // spares the work for most pieces
	}
	sorted := slices.Clone(d.pieces)
	slices.SortStableFunc(sorted, func(a, b piece) int { return cmp.Compare(a.off, b.off) })
	var head *piece
	end, captured := 0, 0 // without a gap, announced and at hand
	for i := range sorted {
		p := &sorted[i]
		if p.off > end {
			return nil
		}
		if p.off == 0 && head == nil {
			head = p
		}
		if p.off <= captured {
			captured = max(captured, p.off+len(p.data))
		}
		end = max(end, p.off+p.size)
	}
	if head == nil || end < d.last {
		return nil
	}
	captured = min(captured, d.last)
	whole := make([]byte, len(head.head)+captured)
	copy(whole, head.head)
	for _, p := range slices.Backward(d.pieces) {
		if p.off < captured {
			copy(whole[len(head.head)+p.off:], p.data)
		}
	}
	head.announce(whole, d.last)
	return whole
}

// announce makes the header of whole that of a datagram which is no fragment
// and has size bytes behind the headers of p. One too long to say its length
// announces none, and has what is at hand.
func (p *piece) announce(whole []byte, size int) {
	if whole[0]>>4 == 4 {
		const dontFragment = 0x40
		whole[ipv4Frag] &= dontFragment
		whole[ipv4Frag+1] = 0
		binary.BigEndian.PutUint16(whole[ipv4Length:], announceable(len(p.head)+size))
		return
	}
	whole[p.nextAt] = byte(p.key.proto)
	binary.BigEndian.PutUint16(whole[ipv6Length:], announceable(len(p.head)-ipv6Min+size))
}

// announceable is n as a length field; 0 if it does not fit.
func announceable(n int) uint16 {
	if n > math.MaxUint16 {
		return 0
	}
	return uint16(n) //nolint:gosec // compared
}
