package middlebox

import (
	"encoding/binary"
	"hash/fnv"
	"net/netip"

	"github.com/rstprobe/rstprobe/internal/packet"
)

// flows keeps something of every flow. The zero flows is ready.
type flows[T any] struct{ known map[packet.Key]*T }

// of is what is kept of the flow that p belongs to, at first the zero T. A
// segment that opens a connection begins the flow anew.
func (f *flows[T]) of(dir Direction, p packet.Packet) *T {
	k := key(dir, p)
	t := f.known[k]
	if t == nil || dir == ToServer && opens(p.TCP) {
		t = new(T)
		if f.known == nil {
			f.known = make(map[packet.Key]*T)
		}
		f.known[k] = t
	}
	return t
}

// Lot draws a number from [0, 1) for a flow: the same one for the same seed
// and ends.
func Lot(seed uint64, client, server netip.AddrPort) float64 {
	h := fnv.New64a()
	b := binary.BigEndian.AppendUint64(nil, seed)
	for _, end := range []netip.AddrPort{client, server} {
		addr := end.Addr().As16()
		b = binary.BigEndian.AppendUint16(append(b, addr[:]...), end.Port())
	}
	_, _ = h.Write(b) // never fails
	return fraction(h.Sum64())
}

// fraction spreads a number that need not look random over [0, 1). Neighbours
// become strangers (the finalizer of SplitMix64; Steele et al., OOPSLA 2014).
func fraction(n uint64) float64 {
	n ^= n >> 30
	n *= 0xbf58476d1ce4e5b9
	n ^= n >> 27
	n *= 0x94d049bb133111eb
	n ^= n >> 31
	return float64(n>>11) / (1 << 53)
}
