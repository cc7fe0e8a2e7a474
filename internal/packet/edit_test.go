package packet

import (
	"bytes"
	"encoding/binary"
	"net/netip"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// checksums are those of a datagram and of one that it quotes, as their
// receiver would find them; the quoted segment must be whole.
func checksums(t *testing.T, raw []byte) map[string]bool {
	t.Helper()
	good := map[string]bool{}
	var look func(at string, b []byte)
	look = func(at string, b []byte) {
		var h header
		if err := h.parse(b); err != nil {
			t.Fatal(err)
		}
		pseudo := uint32(h.proto) + uint32(len(b)-h.off)
		if h.v6 {
			pseudo += uint32(sum(b[8:40]))
		} else {
			pseudo += uint32(sum(b[12:20]))
			good[at+"ip"] = sum(b[:h.off]) == 0xffff
		}
		if h.proto == ICMP {
			pseudo = 0
		}
		good[at+h.proto.String()] = fold(pseudo+uint32(sum(b[h.off:]))) == 0xffff
		if h.proto == ICMP || h.proto == ICMPv6 {
			look(at+"quoted ", b[h.off+icmpLen:])
		}
	}
	look("", raw)
	return good
}

// swapped is raw with an address replaced by another, wherever its bytes are.
func swapped(raw []byte, from, to netip.Addr) []byte {
	return Edit(raw,
		func(a netip.Addr) netip.Addr {
			if a == from {
				return to
			}
			return a
		},
		func(b []byte) { copy(b, bytes.ReplaceAll(b, from.AsSlice(), to.AsSlice())) })
}

func TestEditKeepsChecksums(t *testing.T) {
	for _, family := range []struct {
		name                    string
		client, server, by, hop netip.Addr
	}{
		{"ipv4", netip.MustParseAddr("10.9.0.1"), netip.MustParseAddr("10.9.6.2"), netip.MustParseAddr("192.0.2.254"), netip.MustParseAddr("10.9.0.2")},
		{"ipv6", netip.MustParseAddr("fd09::1"), netip.MustParseAddr("fd09::6:2"), netip.MustParseAddr("2001:db8::fe"), netip.MustParseAddr("fd09::2")},
	} {
		segment, err := Build(Packet{
			Src: netip.AddrPortFrom(family.client, 40000), Dst: netip.AddrPortFrom(family.server, 443), TTL: 3, ID: 77,
			// The address is in the payload, too, at an odd offset.
			TCP: Segment{Seq: 1, Ack: 2, Flags: PSH | ACK, Window: 500, Payload: append([]byte("odd"), family.client.AsSlice()...)},
		})
		if err != nil {
			t.Fatal(err)
		}
		expired, err := BuildTimeExceeded(family.hop, segment, len(segment))
		if err != nil {
			t.Fatal(err)
		}
		for name, raw := range map[string][]byte{"segment": segment, "error": expired} {
			t.Run(family.name+" "+name, func(t *testing.T) {
				before := bytes.Clone(raw)
				got := swapped(raw, family.client, family.by)
				if !bytes.Equal(raw, before) {
					t.Error("the datagram itself was changed")
				}
				if bytes.Contains(got, family.client.AsSlice()) || len(got) != len(raw) {
					t.Errorf("edited: %x", got)
				}
				for what, good := range checksums(t, got) {
					if !good {
						t.Errorf("checksum of %s is bad: %x", what, got)
					}
				}
				if diff := cmp.Diff(raw, swapped(got, family.by, family.client)); diff != "" {
					t.Errorf("there and back (-want +got):\n%s", diff)
				}
			})
		}
	}
}

// TestEditKeepsDamage: what was wrong stays wrong, and a checksum over more
// than is at hand stays that of the whole.
func TestEditKeepsDamage(t *testing.T) {
	client, server, by := netip.MustParseAddr("10.9.0.1"), netip.MustParseAddr("10.9.6.2"), netip.MustParseAddr("192.0.2.254")
	whole, err := Build(Packet{
		Src: netip.AddrPortFrom(client, 40000), Dst: netip.AddrPortFrom(server, 443), TTL: 64,
		TCP: Segment{Flags: ACK, Payload: bytes.Repeat([]byte("said"), 50)},
	})
	if err != nil {
		t.Fatal(err)
	}
	check := func(b []byte) uint16 { return binary.BigEndian.Uint16(b[ipv4Len+tcpCheck:]) }
	edited := swapped(whole, client, by)
	if got, want := check(swapped(whole[:60], client, by)), check(edited); got != want {
		t.Errorf("checksum of a segment that was cut: %#x, want that of the whole, %#x", got, want)
	}
	bad := bytes.Clone(whole)
	bad[ipv4Len+tcpCheck] ^= 0x40
	back := swapped(swapped(bad, client, by), by, client)
	if diff := cmp.Diff(bad, back); diff != "" {
		t.Errorf("bad checksum, there and back (-want +got):\n%s", diff)
	}
	if checksums(t, swapped(bad, client, by))["TCP"] {
		t.Error("a bad checksum was made good")
	}
}

// FuzzEdit: whatever the bytes, an edit that changes nothing changes nothing,
// and none changes the length.
func FuzzEdit(f *testing.F) {
	for _, v := range vectors {
		f.Add(v.raw, uint8(12), uint8(0xff))
	}
	f.Fuzz(func(t *testing.T, raw []byte, at, flip uint8) {
		same := func(a netip.Addr) netip.Addr { return a }
		if got := Edit(raw, same, func([]byte) {}); !bytes.Equal(raw, got) {
			t.Errorf("nothing edited: %x, want %x", got, raw)
		}
		next := func(a netip.Addr) netip.Addr {
			if n := a.Next(); n.IsValid() {
				return n
			}
			return a
		}
		got := Edit(raw, next, func(b []byte) {
			if int(at) < len(b) {
				b[at] ^= flip
			}
		})
		if len(got) != len(raw) {
			t.Errorf("%d bytes of %d", len(got), len(raw))
		}
		if p, err := Parse(raw); err == nil {
			q, err := Parse(Edit(raw, next, func([]byte) {}))
			if err != nil || q.Src.Addr() != next(p.Src.Addr()) || q.TCP.Flags != p.TCP.Flags || q.ICMP.Kind != p.ICMP.Kind {
				t.Errorf("%v became %v (%v)", p, q, err)
			}
		}
	})
}
