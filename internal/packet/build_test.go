package packet

import (
	"bytes"
	"fmt"
	"math/rand/v2"
	"net/netip"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// TestBuildVectors: built again, a vector is the same bytes, checksums
// included.
func TestBuildVectors(t *testing.T) {
	for _, name := range []string{
		"ipv4 SYN",
		"ipv4 data with reserved bits, urgent and tos",
	} {
		t.Run(name, func(t *testing.T) {
			want := vector(name)
			got, err := Build(packetOf(name))
			if err != nil {
				t.Fatal(err)
			}
			if !bytes.Equal(got, want) {
				t.Errorf("got  %x\nwant %x", got, want)
			}
		})
	}
	t.Run("ipv6 SYN", func(t *testing.T) {
		want := append([]byte(nil), vector("ipv6 SYN")...)
		want[1], want[2], want[3] = want[1]&0xf0, 0, 0 // no flow label
		got, err := Build(packetOf("ipv6 SYN"))
		if err != nil {
			t.Fatal(err)
		}
		if !bytes.Equal(got, want) {
			t.Errorf("got  %x\nwant %x", got, want)
		}
	})
}

// randomPacket is any packet that Build takes.
func randomPacket(r *rand.Rand) Packet {
	some := func(n int) []byte {
		b := make([]byte, n)
		for i := range b {
			b[i] = byte(r.Uint32())
		}
		return b
	}
	p := Packet{
		Proto: TCP, TTL: uint8(r.Uint32()), TOS: uint8(r.Uint32()),
		TCP: Segment{
			Seq: Seq(r.Uint32()), Ack: Seq(r.Uint32()), Flags: Flags(r.Uint32()), Reserved: uint8(r.IntN(16)),
			Window: uint16(r.Uint32()), Urgent: uint16(r.Uint32()),
			Options: some(4 * r.IntN(11)), Payload: some(r.IntN(1500)),
		},
	}
	end := func(size int) netip.AddrPort {
		addr, _ := netip.AddrFromSlice(some(size))
		return netip.AddrPortFrom(addr, uint16(r.Uint32()))
	}
	if r.IntN(2) == 0 {
		p.Src, p.Dst = end(4), end(4)
		p.ID, p.HasID, p.DF = uint16(r.Uint32()), true, r.IntN(2) == 0
	} else {
		p.Src, p.Dst = end(16), end(16)
	}
	return p
}

func TestBuildRoundTrip(t *testing.T) {
	r := rand.New(rand.NewPCG(1, 2))
	for i := range 2000 {
		want := randomPacket(r)
		raw, err := Build(want)
		if err != nil {
			t.Fatal(err)
		}
		if err := verify(raw); err != nil {
			t.Fatalf("packet %d: %v\n%x", i, err, raw)
		}
		got, err := Parse(raw)
		if err != nil {
			t.Fatal(err)
		}
		want.Raw = raw
		if diff := cmp.Diff(want, got, same); diff != "" {
			t.Fatalf("packet %d (-want +got):\n%s", i, diff)
		}
	}
}

// verify checks every checksum of a datagram without extension headers,
// summing word by word as RFC 1071 defines it.
func verify(raw []byte) error {
	var h header
	if err := h.parse(raw); err != nil {
		return err
	}
	words := func(bs ...[]byte) uint64 {
		var n uint64
		for i, b := range bytes.Join(bs, nil) {
			n += uint64(b) << (8 * (1 - i%2))
		}
		return n % 0xffff // 0 iff the one's complement sum is 0xffff, for data that is not all zero
	}
	body := raw[h.off:h.end(len(raw))]
	if !h.v6 {
		if words(raw[:h.off]) != 0 {
			return fmt.Errorf("bad IPv4 header checksum %x", raw[10:12])
		}
	}
	pseudo := append(h.src.AsSlice(), h.dst.AsSlice()...)
	pseudo = append(pseudo, 0, byte(h.proto), byte(len(body)>>8), byte(len(body)))
	if h.proto == ICMP {
		pseudo = nil
	}
	if words(pseudo, body) != 0 {
		return fmt.Errorf("bad %v checksum", h.proto)
	}
	return nil
}

// TestVectorChecksums: the vectors are good, and so verify is.
func TestVectorChecksums(t *testing.T) {
	for _, v := range vectors {
		switch v.name {
		case "udp", "ipv4 length of segmentation offload": // none; over another length
			continue
		}
		if err := verify(v.raw); err != nil {
			t.Errorf("%s: %v", v.name, err)
		}
	}
	raw := append([]byte(nil), vector("ipv4 SYN")...)
	for i := range raw[1:] {
		raw[i+1] ^= 0x80
		if verify(raw) == nil {
			t.Errorf("verify takes a change of byte %d", i+1)
		}
		raw[i+1] ^= 0x80
	}
}

func TestBuildPadsOptions(t *testing.T) {
	p := packetOf("ipv4 SYN")
	p.TCP.Options = unhex("030307")
	raw, err := Build(p)
	if err != nil {
		t.Fatal(err)
	}
	got, err := Parse(raw)
	if err != nil {
		t.Fatal(err)
	}
	if want := unhex("03030700"); !bytes.Equal(got.TCP.Options, want) {
		t.Errorf("options %x, want %x", got.TCP.Options, want)
	}
	if len(p.TCP.Options) != 3 {
		t.Error("the caller's options changed")
	}
}

func TestBuildErrors(t *testing.T) {
	mapped := netip.MustParseAddrPort("[::ffff:10.9.0.1]:1")
	tests := []struct {
		name string
		in   Packet
		want string
	}{
		{"no addresses", Packet{}, "no address"},
		{"two families", Packet{Src: client4, Dst: server6}, "two families"},
		{"mapped", Packet{Src: mapped, Dst: mapped}, "IPv4-mapped"},
		{"another protocol", Packet{Src: client4, Dst: server4, Proto: UDP}, "UDP"},
		{"options", Packet{Src: client4, Dst: server4, TCP: Segment{Options: make([]byte, 41)}}, "41 bytes of options"},
		{"reserved bits", Packet{Src: client4, Dst: server4, TCP: Segment{Reserved: 16}}, "0x10"},
		{"payload", Packet{Src: client4, Dst: server4, TCP: Segment{Payload: make([]byte, 65496)}}, "at most 65535"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			raw, err := Build(tt.in)
			if err == nil {
				t.Fatalf("built %x", raw)
			}
			if got := err.Error(); !strings.HasPrefix(got, "packet: build TCP ") || !strings.Contains(got, tt.want) {
				t.Errorf("error %q does not say %q", got, tt.want)
			}
		})
	}
}

// TestBuildLargest: the largest datagrams of both families.
func TestBuildLargest(t *testing.T) {
	for _, p := range []Packet{
		{Src: client4, Dst: server4, TCP: Segment{Payload: make([]byte, 0xffff-ipv4Len-tcpLen)}},
		{Src: client6, Dst: server6, TCP: Segment{Payload: make([]byte, 0xffff-ipv6Len-tcpLen)}},
	} {
		raw, err := Build(p)
		if err != nil {
			t.Fatal(err)
		}
		if len(raw) != 0xffff {
			t.Errorf("%d bytes, want %d", len(raw), 0xffff)
		}
		if err := verify(raw); err != nil {
			t.Error(err)
		}
	}
}

func TestSetTTL(t *testing.T) {
	for _, name := range []string{"ipv4 SYN", "ipv4 options", "ipv6 SYN"} {
		raw := append([]byte(nil), vector(name)...)
		for ttl := range 256 {
			SetTTL(raw, uint8(ttl))
			if err := verify(raw); err != nil {
				t.Fatalf("%s, ttl %d: %v", name, ttl, err)
			}
			p, err := Parse(raw)
			if err != nil {
				t.Fatal(err)
			}
			if int(p.TTL) != ttl {
				t.Fatalf("%s: ttl %d, want %d", name, p.TTL, ttl)
			}
		}
		SetTTL(raw, 64)
		if !bytes.Equal(raw, vector(name)) {
			t.Errorf("%s: not the same bytes after a change and back", name)
		}
	}
	for _, b := range [][]byte{nil, {0x45}, vector("ipv4 SYN")[:19], vector("ipv6 SYN")[:39], make([]byte, 60)} {
		was := append([]byte(nil), b...)
		if SetTTL(b, 9); !bytes.Equal(b, was) {
			t.Errorf("changed %x to %x", was, b)
		}
	}
}
