package capture

import (
	"bytes"
	"encoding/binary"
	"math/rand/v2"
	"testing"
	"time"

	"github.com/rstprobe/rstprobe/internal/packet"
)

// segment is a datagram with a TCP segment of n random bytes.
func segment(v6 bool, n int) []byte {
	p, err := packet.Parse(syn4)
	if v6 {
		p, err = packet.Parse(syn6)
	}
	if err != nil {
		panic(err)
	}
	r := rand.New(rand.NewPCG(uint64(n), 1)) //nolint:gosec // test data
	p.TCP.Payload = make([]byte, n)
	for i := range p.TCP.Payload {
		p.TCP.Payload[i] = byte(r.Uint32())
	}
	p.TOS, p.DF = 0, false
	raw, err := packet.Build(p)
	if err != nil {
		panic(err)
	}
	return raw
}

// fragmentOf is the bytes from…to of what follows the IP header of a datagram
// without extension headers, as a fragment. to is at most its length.
func fragmentOf(raw []byte, from, to int) []byte {
	head := 20
	if raw[0]>>4 == 6 {
		head = 40
	}
	more := to < len(raw)-head
	body := raw[head+from : head+to]
	f := bytes.Clone(raw[:head])
	if head == 20 {
		frag := uint16(from / 8)
		if more {
			frag |= 0x2000
		}
		binary.BigEndian.PutUint16(f[ipv4Frag:], frag)
		binary.BigEndian.PutUint16(f[ipv4Length:], uint16(head+len(body)))
		return append(f, body...)
	}
	field := uint16(from)
	if more {
		field |= 1
	}
	extension := []byte{f[ipv6Next], 0, byte(field >> 8), byte(field), 0xde, 0xad, 0xbe, 0xef}
	f[ipv6Next] = 44
	binary.BigEndian.PutUint16(f[ipv6Length:], uint16(len(extension)+len(body)))
	return append(append(f, extension...), body...)
}

// split cuts a datagram into fragments of at most size bytes, a multiple of 8.
func split(raw []byte, size int) (fragments [][]byte) {
	body := len(raw) - 20
	if raw[0]>>4 == 6 {
		body = len(raw) - 40
	}
	for from := 0; from < body; from += size {
		fragments = append(fragments, fragmentOf(raw, from, min(from+size, body)))
	}
	return fragments
}

// feed adds datagrams as the reader does, a second apart.
func (f *fragments) feed(t *testing.T, datagrams ...[]byte) (whole []byte, count, lost int) {
	t.Helper()
	now := time.Unix(1000, 0)
	for i, d := range datagrams {
		if whole != nil {
			t.Errorf("whole before datagram %d", i)
		}
		if !fragmented(d) {
			t.Fatalf("datagram %d is no fragment", i)
		}
		p, ok := parseFragment(d)
		if !ok {
			t.Fatalf("datagram %d does not parse as a fragment", i)
		}
		var n int
		whole, count, n = f.add(p, now)
		lost += n
		now = now.Add(time.Second)
	}
	return whole, count, lost
}

// sameBut compares datagrams but for the checksum of an IPv4 header, which no
// longer is that of the first fragment.
func sameBut(a, b []byte) bool {
	a, b = bytes.Clone(a), bytes.Clone(b)
	if len(a) != len(b) {
		return false
	}
	if a[0]>>4 == 4 {
		a[10], a[11], b[10], b[11] = 0, 0, 0, 0
	}
	return bytes.Equal(a, b)
}

func TestFragments(t *testing.T) {
	for _, v6 := range []bool{false, true} {
		raw := segment(v6, 1000)
		five := split(raw, 208)
		if len(five) != 5 {
			t.Fatalf("%d fragments", len(five))
		}
		order := func(is ...int) (out [][]byte) {
			for _, i := range is {
				out = append(out, five[i])
			}
			return out
		}
		head := len(raw) - 1000 - 40
		forged := bytes.Clone(five[1])
		forged[len(forged)-1] ^= 0xff
		for _, tt := range []struct {
			name  string
			in    [][]byte
			count int // 0: incomplete
		}{
			{"in order", order(0, 1, 2, 3, 4), 5},
			{"backwards", order(4, 3, 2, 1, 0), 5},
			{"each twice", order(0, 0, 1, 1, 2, 2, 3, 3, 4), 9},
			{"mixed", order(3, 0, 4, 2, 1), 5},
			{"overlapping", [][]byte{five[0], fragmentOf(raw, 104, 600), fragmentOf(raw, 400, len(raw)-head)}, 3},
			{"overlapped by another", append(order(0, 1), append([][]byte{forged}, order(2, 3, 4)...)...), 6},
			{"without the first", order(1, 2, 3, 4), 0},
			{"without one", order(0, 1, 3, 4), 0},
			{"without the last", order(0, 1, 2, 3), 0},
			{"one twice instead of another", order(0, 1, 1, 3, 4), 0},
		} {
			var f fragments
			whole, count, lost := f.feed(t, tt.in...)
			if count != tt.count || lost != 0 {
				t.Errorf("%s, IPv6 %v: %d pieces, %d lost; want %d", tt.name, v6, count, lost, tt.count)
			}
			if tt.count > 0 && !sameBut(whole, raw) {
				t.Errorf("%s, IPv6 %v: put together:\n%x, want\n%x", tt.name, v6, whole, raw)
			}
			if tt.count > 0 && (len(f.open) > 0 || f.bytes != 0) {
				t.Errorf("%s: %d bytes of %d datagrams are left", tt.name, f.bytes, len(f.open))
			}
		}
	}
}

// TestFragmentsCut: a snapshot length cuts every fragment. What is at hand is
// the beginning of the first, and the length is that of the whole.
func TestFragmentsCut(t *testing.T) {
	for _, v6 := range []bool{false, true} {
		raw := segment(v6, 1000)
		var in [][]byte
		for _, f := range split(raw, 400) {
			in = append(in, f[:100])
		}
		var f fragments
		whole, _, _ := f.feed(t, in...)
		p, err := packet.Parse(whole)
		want := packet.Segment{}
		if full, err := packet.Parse(raw); err == nil {
			want = full.TCP
		}
		if err == nil || p.TCP.Size() != 1000 || p.TCP.Missing == 0 || p.TCP.Seq != want.Seq ||
			!bytes.HasPrefix(want.Payload, p.TCP.Payload) || len(p.TCP.Payload) == 0 {
			t.Errorf("IPv6 %v: %v, %d bytes at hand, %d missing, %v", v6, p, len(p.TCP.Payload), p.TCP.Missing, err)
		}
	}
}

// TestFragmentsBounds: a flood of fragments costs so much and no more, and the
// oldest go first.
func TestFragmentsBounds(t *testing.T) {
	raw := segment(false, 1000)
	numbered := func(id int, f []byte) []byte {
		f = bytes.Clone(f)
		binary.BigEndian.PutUint16(f[ipv4ID:], uint16(id))
		return f
	}
	parts := split(raw, 512)
	t.Run("datagrams", func(t *testing.T) {
		var f fragments
		lost := 0
		for id := range 3 * maxDatagrams {
			p, _ := parseFragment(numbered(id, parts[0]))
			_, _, n := f.add(p, time.Unix(0, 0))
			lost += n
		}
		if len(f.open) != maxDatagrams || lost != 2*maxDatagrams {
			t.Errorf("%d open, %d lost", len(f.open), lost)
		}
		for _, id := range []int{2 * maxDatagrams, 3*maxDatagrams - 1, 2*maxDatagrams - 1, 0} {
			want := id >= 2*maxDatagrams
			var whole []byte
			for _, part := range parts[1:] {
				p, _ := parseFragment(numbered(id, part))
				whole, _, _ = f.add(p, time.Unix(1, 0))
			}
			if (whole != nil) != want {
				t.Errorf("datagram %d completed: %v", id, whole != nil)
			}
		}
	})
	t.Run("bytes", func(t *testing.T) {
		var f fragments
		big := split(segment(false, 65000), 60000)[0]
		lost := 0
		for id := range 200 {
			p, _ := parseFragment(numbered(id, big))
			_, _, n := f.add(p, time.Unix(0, 0))
			lost += n
			if f.bytes > fragmentBytes {
				t.Fatalf("%d bytes", f.bytes)
			}
		}
		if lost != 200-len(f.open) || lost == 0 {
			t.Errorf("%d lost, %d open", lost, len(f.open))
		}
	})
	t.Run("pieces", func(t *testing.T) {
		var f fragments
		lost := 0
		p, _ := parseFragment(parts[0])
		for range 3 * maxPieces {
			_, _, n := f.add(p, time.Unix(0, 0))
			lost += n
		}
		if lost != 2 || f.bytes > maxPieces*len(parts[0]) {
			t.Errorf("%d lost, %d bytes", lost, f.bytes)
		}
	})
	t.Run("time", func(t *testing.T) {
		var f fragments
		first, _ := parseFragment(parts[0])
		f.add(first, time.Unix(0, 0))
		for _, part := range parts[1:] {
			p, _ := parseFragment(part)
			if whole, _, _ := f.add(p, time.Unix(60, 0)); whole != nil {
				t.Error("put together a minute later")
			}
		}
	})
}

// TestNoFragment: what only looks like one.
func TestNoFragment(t *testing.T) {
	atomic := fragmentOf(syn6, 0, len(syn6)-40) // RFC 6946
	if _, ok := parseFragment(atomic); ok {
		t.Error("an atomic fragment is taken for one of several")
	}
	for n := range atomic {
		cut := atomic[:n:n]
		if fragmented(cut) {
			if p, ok := parseFragment(cut); ok {
				t.Errorf("%d bytes: %+v", n, p)
			}
		}
	}
	for _, raw := range [][]byte{syn4, syn6, nil, {0x45}, {0x60}} {
		if fragmented(raw) {
			t.Errorf("%x is taken for a fragment", raw)
		}
	}
	long := bytes.Clone(split(segment(false, 100), 48)[0])
	long[0] = 0x4f // a header of 60 bytes
	if p, ok := parseFragment(long[:50]); ok {
		t.Errorf("a header behind the end: %+v", p)
	}
	// An offset near the end: longer than any datagram may be.
	far := bytes.Clone(split(segment(false, 1000), 512)[1])
	binary.BigEndian.PutUint16(far[ipv4Frag:], 0x1fff)
	var f fragments
	p, _ := parseFragment(far)
	if whole, _, _ := f.add(p, time.Unix(0, 0)); whole != nil {
		t.Errorf("%d bytes were put together", len(whole))
	}
}
