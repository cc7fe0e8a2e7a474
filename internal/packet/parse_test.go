package packet

import (
	"bytes"
	"errors"
	"net/netip"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
)

// same compares packets: addresses by value, an empty slice like none.
var same = cmp.Options{cmp.Comparer(bytes.Equal), cmpopts.EquateComparable(netip.AddrPort{})}

func TestParse(t *testing.T) {
	for _, v := range vectors {
		t.Run(v.name, func(t *testing.T) {
			got, err := Parse(v.raw)
			if err != nil {
				t.Fatal(err)
			}
			want := v.want
			want.Raw = v.raw
			if diff := cmp.Diff(want, got, same); diff != "" {
				t.Errorf("Parse (-want +got):\n%s", diff)
			}
		})
	}
}

// TestParseTruncated cuts each vector at every length. The copies have no
// spare capacity, so that reading behind the end panics.
func TestParseTruncated(t *testing.T) {
	for _, v := range vectors {
		t.Run(v.name, func(t *testing.T) {
			var h header
			if err := h.parse(v.raw); err != nil {
				t.Fatal(err)
			}
			for n := range v.raw {
				raw := append(make([]byte, 0, n), v.raw[:n]...)
				p, err := Parse(raw)
				if n < h.total && !errors.Is(err, ErrTruncated) {
					t.Errorf("%d of %d bytes: error %v, want %v", n, len(v.raw), err, ErrTruncated)
				}
				if n >= h.total && h.total > 0 && err != nil {
					t.Errorf("%d bytes of a datagram of %d: %v", n, h.total, err)
				}
				_ = p.String()
			}
		})
	}
}

// TestParseSnapshot: a capture that keeps the headers only is still readable,
// and the space that its segments take is that of the whole segments.
func TestParseSnapshot(t *testing.T) {
	raw := vector("ipv4 data with reserved bits, urgent and tos") // 52 bytes of headers, 5 of payload
	for _, tt := range []struct {
		captured int
		payload  string
		options  int
	}{
		{55, "hel", 12},
		{52, "", 12},
		{51, "", 11}, // in the options
		{40, "", 0},
	} {
		got, err := Parse(raw[:tt.captured])
		if !errors.Is(err, ErrTruncated) {
			t.Errorf("%d bytes: error %v, want %v", tt.captured, err, ErrTruncated)
		}
		s := got.TCP
		if s.Seq != 0xffffffff || string(s.Payload) != tt.payload || len(s.Options) != tt.options {
			t.Errorf("%d bytes: got seq %d, payload %q and %d bytes of options, want %q and %d",
				tt.captured, s.Seq, s.Payload, len(s.Options), tt.payload, tt.options)
		}
		if s.Size() != 5 || s.Len() != 5 || s.Missing != 5-len(tt.payload) {
			t.Errorf("%d bytes: size %d, length %d, missing %d, want 5, 5, %d",
				tt.captured, s.Size(), s.Len(), s.Missing, 5-len(tt.payload))
		}
	}
}

// TestTrim: a datagram ends where its header says, whatever was captured.
func TestTrim(t *testing.T) {
	unannounced := append([]byte(nil), vector("ipv6 SYN")...)
	unannounced[4], unannounced[5] = 0, 0
	for _, tt := range []struct {
		name            string
		raw             []byte
		size, announced int
	}{
		{"padded", vector("ipv4 link padding"), 40, 40},
		{"whole, IPv6", vector("ipv6 SYN"), 80, 80},
		{"padded, IPv6", append(append([]byte(nil), vector("ipv6 SYN")...), 0, 0), 80, 80},
		{"cut", vector("ipv4 SYN")[:30], 30, 60},
		{"segmentation offload", vector("ipv4 length of segmentation offload"), 44, 0},
		{"segmentation offload, IPv6", unannounced, 80, 0},
		{"cut in the header", vector("ipv4 SYN")[:19], 19, 0},
		{"cut in the header, IPv6", vector("ipv6 SYN")[:39], 39, 0},
		{"nothing", nil, 0, 0},
	} {
		t.Run(tt.name, func(t *testing.T) {
			got, announced := Trim(tt.raw)
			if len(got) != tt.size || announced != tt.announced {
				t.Errorf("%d bytes, %d announced; want %d, %d", len(got), announced, tt.size, tt.announced)
			}
		})
	}
}

func TestParseErrors(t *testing.T) {
	// with is a vector with one byte changed.
	with := func(name string, at int, b byte) []byte {
		raw := append([]byte(nil), vector(name)...)
		raw[at] = b
		return raw
	}
	const fragmentHeader = 40 + 8 + 24 + 8 // in "ipv6 all extension headers"
	tests := []struct {
		name string
		raw  []byte
		want error
	}{
		{"empty", nil, ErrTruncated},
		{"version 5", with("ipv4 SYN", 0, 0x55), ErrMalformed},
		{"header of four words", with("ipv4 SYN", 0, 0x44), ErrMalformed},
		{"header longer than the datagram", with("ipv4 link padding", 0, 0x4f), ErrTruncated},
		{"header longer than the total length", with("ipv4 SYN", 3, 19), ErrMalformed},
		{"total length ends in the TCP header", with("ipv4 SYN", 3, 39), ErrTruncated},
		{"data offset of four words", with("ipv4 SYN", 32, 0x40), ErrMalformed},
		{"data offset behind the end", with("ipv4 SYN", 32, 0xf0), ErrTruncated},
		{"later fragment", with("ipv4 SYN", 7, 1), ErrFragment},
		{"later fragment, IPv6", with("ipv6 all extension headers", fragmentHeader+3, 9), ErrFragment},
		{"extension header behind the end", with("ipv6 all extension headers", 41, 0xff), ErrTruncated},
		{"quote of version 0", with("icmp time exceeded, eight octets", 28, 0), ErrMalformed},
		{"quote of a later fragment", with("icmp time exceeded, eight octets", 35, 1), ErrFragment},
		{"quote of seven octets", with("icmp time exceeded, eight octets", 3, 55), ErrTruncated},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			if _, err := Parse(tt.raw); !errors.Is(err, tt.want) {
				t.Errorf("error %v, want %v", err, tt.want)
			}
		})
	}
}

// TestParseFragment: a fragment without ports still says whose it is.
func TestParseFragment(t *testing.T) {
	raw := append([]byte(nil), vector("ipv4 SYN")...)
	raw[7] = 1
	got, err := Parse(raw)
	if !errors.Is(err, ErrFragment) {
		t.Errorf("error %v, want %v", err, ErrFragment)
	}
	want := Packet{
		Src: portless(client4), Dst: portless(server4), Proto: TCP,
		TTL: 64, ID: 7, HasID: true, DF: true, Raw: raw,
	}
	if diff := cmp.Diff(want, got, same); diff != "" {
		t.Errorf("Parse (-want +got):\n%s", diff)
	}
}

func TestParseDoesNotAllocate(t *testing.T) {
	for _, v := range vectors {
		if n := testing.AllocsPerRun(100, func() { parsed, errParsed = Parse(v.raw) }); n != 0 {
			t.Errorf("%s: %v allocations", v.name, n)
		}
	}
	if n := testing.AllocsPerRun(100, func() { parsed, errParsed = Parse(nil) }); n != 0 {
		t.Errorf("error: %v allocations", n)
	}
}

// Sinks that keep the compiler from leaving calls out.
var (
	parsed    Packet
	errParsed error
)
