package middlebox_test

import (
	"bytes"
	"net/netip"
	"testing"

	"github.com/rstprobe/rstprobe/internal/lab/middlebox"
	"github.com/rstprobe/rstprobe/internal/packet"
)

// forged are the packets that a resetter of both ends forges about bad.
func forged(p packet.Packet, looks ...middlebox.Look) []packet.Packet {
	r := &middlebox.Resetter{Match: middlebox.Any, Client: true, Server: true, Follow: true, Count: 3, Looks: looks}
	var out []packet.Packet
	for _, inj := range r.Handle(middlebox.ToServer, p).Inject {
		out = append(out, inj.Packet)
	}
	return out
}

func TestLooks(t *testing.T) {
	for _, p := range forged(bad, middlebox.MirrorWindow, middlebox.Reserved(5), middlebox.Carrying(middlebox.TenBytes)) {
		if s := p.TCP; s.Window != 502 || s.Reserved != 5 || !bytes.Equal(s.Payload, []byte{1, 2, 3, 4, 5, 6, 7, 8, 9, 0}) {
			t.Errorf("window %d, reserved %d, payload %x", s.Window, s.Reserved, s.Payload)
		}
	}
	for _, p := range forged(bad) {
		if s := p.TCP; s.Window != 0 || s.Reserved != 0 || s.Payload != nil {
			t.Errorf("without a look: %+v", s)
		}
	}
}

func TestRandomTTL(t *testing.T) {
	seen := make(map[uint8]bool)
	look, same := middlebox.RandomTTL(1, 200, 203), middlebox.RandomTTL(1, 200, 203)
	for range 20 {
		a, b := forged(bad, look), forged(bad, same)
		for i := range a {
			if a[i].TTL != b[i].TTL {
				t.Fatalf("one seed gives %d and %d", a[i].TTL, b[i].TTL)
			}
			seen[a[i].TTL] = true
		}
	}
	if len(seen) != 4 || !seen[200] || !seen[203] {
		t.Errorf("TTLs %v, want 200 to 203", seen)
	}
}

// TestFamilyOfCaptures: resets of a public capture (archive.org asked at
// 222.138.4.221 from 141.212.123.145), by TTL and window.
func TestFamilyOfCaptures(t *testing.T) {
	want := map[uint16]uint16{1503: 47371, 1541: 45780, 1549: 46733, 1558: 45935, 1576: 45711, 1596: 45859}
	p := bad
	p.Src = netip.MustParseAddrPort("141.212.123.145:40000")
	p.Dst = netip.MustParseAddrPort("222.138.4.221:443")
	look := middlebox.Family(1)
	found := 0
	for range 500 {
		for _, f := range forged(p, look) {
			if id, ok := want[f.TCP.Window]; ok {
				found++
				if f.ID != id {
					t.Errorf("window %d: identification %d, want %d", f.TCP.Window, f.ID, id)
				}
			}
		}
	}
	if found == 0 {
		t.Error("no window of the captures came up")
	}
}

func TestFamilyIsEqualPerTrigger(t *testing.T) {
	look := middlebox.Family(1)
	ttls := make(map[uint8]bool)
	for range 20 {
		f := forged(bad, look)
		for i, p := range f {
			if first := f[i/3*3]; p.TTL != first.TTL || p.ID != first.ID || p.TCP.Window != first.TCP.Window {
				t.Errorf("reset %d is %v, the first %v", i, p, first)
			}
			if p.TCP.Window-uint16(p.TTL) != f[0].TCP.Window-uint16(f[0].TTL) {
				t.Errorf("window %d does not follow the TTL %d", p.TCP.Window, p.TTL)
			}
		}
		ttls[f[0].TTL] = true
	}
	if len(ttls) < 10 {
		t.Errorf("only %d TTLs in 20 triggers", len(ttls))
	}
	six := bad
	six.Src, six.Dst = netip.MustParseAddrPort("[2001:db8::1]:1"), netip.MustParseAddrPort("[2001:db8::2]:443")
	if f := forged(six, look)[0]; f.ID != 0 || f.TCP.Window == 0 {
		t.Errorf("IPv6: identification %d, window %d", f.ID, f.TCP.Window)
	}
}
