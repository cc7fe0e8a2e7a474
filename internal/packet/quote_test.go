package packet

import (
	"encoding/binary"
	"errors"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// extension is an RFC 4884 extension structure that holds one MPLS label
// (RFC 4950).
var extension = unhex("2000edf3 00080101 0001f101")

func TestParseQuote(t *testing.T) {
	cut := fullQuote4
	cut.Options, cut.Raw = quotedSYN4[40:44], quotedSYN4[:44]
	odd := append([]byte(nil), quotedSYN4...)
	odd[2], odd[3] = 0, 20 // a total length in the way of old BSDs
	tests := []struct {
		name string
		in   []byte
		want Quote
	}{
		{"whole", quotedSYN4, fullQuote4},
		{"whole, IPv6", quotedSYN6, fullQuote6},
		{"padded", append(append([]byte(nil), quotedSYN4...), make([]byte, 68)...), fullQuote4},
		{"options cut", quotedSYN4[:44], cut},
		{"nineteen octets", quotedSYN4[:39], Quote{
			Src: client4, Dst: server4, Proto: TCP, TTL: 1, ID: 7, HasID: true, TotalLen: 60, Seq: 1,
			Raw: quotedSYN4[:39],
		}},
		{"odd total length", odd, Quote{
			Src: client4, Dst: server4, Proto: TCP, TTL: 1, ID: 7, HasID: true, TotalLen: 20,
			Seq: 1, Flags: SYN, Window: 64240, Options: quotedSYN4[40:], Full: true, Raw: odd,
		}},
		{"udp", vector("udp"), Quote{
			Src: packetOf("udp").Src, Dst: packetOf("udp").Dst, Proto: UDP, TTL: 64, HasID: true, TotalLen: 28,
			Raw: vector("udp"),
		}},
		{"icmp", vector("icmp echo"), Quote{
			Src: portless(client4), Dst: portless(server4), Proto: ICMP, TTL: 64, HasID: true, TotalLen: 32,
			Raw: vector("icmp echo"),
		}},
		{"extension headers", vector("ipv6 all extension headers"), Quote{
			Src: client6, Dst: server6, Proto: TCP, TTL: 64, TotalLen: 40 + 69,
			Seq: 1, Ack: 2, Flags: ACK, Window: 3, Full: true, Raw: vector("ipv6 all extension headers"),
		}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			got, err := ParseQuote(tt.in)
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(tt.want, got, same); diff != "" {
				t.Errorf("ParseQuote (-want +got):\n%s", diff)
			}
		})
	}
}

// TestParseQuoteTruncated: eight octets of the transport header are the least.
func TestParseQuoteTruncated(t *testing.T) {
	for _, whole := range []struct {
		raw []byte
		ip  int
	}{{quotedSYN4, ipv4Len}, {quotedSYN6, ipv6Len}} {
		for n := range whole.raw {
			b := append(make([]byte, 0, n), whole.raw[:n]...)
			q, err := ParseQuote(b)
			switch {
			case n < whole.ip+minQuote && !errors.Is(err, ErrTruncated):
				t.Errorf("%d bytes: error %v, want %v", n, err, ErrTruncated)
			case n >= whole.ip+minQuote && err != nil:
				t.Errorf("%d bytes: %v", n, err)
			}
			if full := n >= whole.ip+tcpLen; q.Full != full {
				t.Errorf("%d bytes: Full is %v", n, q.Full)
			}
		}
	}
}

func TestICMPKinds(t *testing.T) {
	tests := []struct {
		name      string
		typ, code uint8
		v6        bool
		want      ICMPKind
	}{
		{"echo reply", 0, 0, false, 0},
		{"host unreachable", 3, 1, false, Unreachable},
		{"fragmentation needed", 3, 4, false, PacketTooBig},
		{"administratively prohibited", 3, 13, false, Unreachable},
		{"source quench", 4, 0, false, OtherICMPError},
		{"redirect", 5, 1, false, OtherICMPError},
		{"reassembly time exceeded", 11, 1, false, TimeExceeded},
		{"parameter problem", 12, 0, false, OtherICMPError},
		{"timestamp", 13, 0, false, 0},
		{"reserved, IPv6", 0, 0, true, 0},
		{"port unreachable, IPv6", 1, 4, true, Unreachable},
		{"packet too big, IPv6", 2, 0, true, PacketTooBig},
		{"hop limit exceeded, IPv6", 3, 0, true, TimeExceeded},
		{"parameter problem, IPv6", 4, 1, true, OtherICMPError},
		{"unknown error, IPv6", 127, 0, true, OtherICMPError},
		{"echo request, IPv6", 128, 0, true, 0},
		{"redirect, IPv6", 137, 0, true, 0},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			if got := icmpKind(tt.typ, tt.code, tt.v6); got != tt.want {
				t.Errorf("got %d, want %d", got, tt.want)
			}
		})
	}
}

// TestExtensions: the structure behind a quote never counts as quoted.
func TestExtensions(t *testing.T) {
	original, err := Build(Packet{
		Src: client4, Dst: server4, TTL: 1,
		TCP: Segment{Flags: ACK, Payload: []byte(strings.Repeat("A", 300))},
	})
	if err != nil {
		t.Fatal(err)
	}
	original6, err := Build(Packet{
		Src: client6, Dst: server6, TTL: 1,
		TCP: Segment{Flags: ACK, Payload: []byte(strings.Repeat("A", 300))},
	})
	if err != nil {
		t.Fatal(err)
	}
	bad := append([]byte(nil), extension...)
	bad[2] ^= 1

	tests := []struct {
		name   string
		typ    uint8
		v6     bool
		words  uint8 // the length attribute, in words of 4 or 8 octets
		quoted int
		behind []byte
		want   int // length of the quote's Raw
	}{
		{"announced", 11, false, 32, 128, extension, 128},
		{"announced longer", 3, false, 40, 160, extension, 160},
		{"announced, IPv6", 3, true, 16, 128, extension, 128},
		{"announced beyond the end", 11, false, 200, 128, nil, 128},
		{"unannounced", 11, false, 0, 128, extension, 128},
		{"unannounced, bad checksum", 11, false, 0, 128, bad, 128 + len(bad)},
		{"none", 11, false, 0, 300, nil, 300},
		{"no length attribute in a redirect", 5, false, 32, 160, nil, 160},
		{"no length attribute in packet too big", 2, true, 4, 160, nil, 160},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			msg := make([]byte, icmpLen)
			msg[0] = tt.typ
			from := original
			if tt.v6 {
				msg[4] = tt.words
				from = original6
			} else {
				msg[5] = tt.words
			}
			msg = append(append(msg, from[:tt.quoted]...), tt.behind...)
			var e ICMPError
			if err := e.parse(msg, tt.v6); err != nil {
				t.Fatal(err)
			}
			if got := len(e.Quote.Raw); got != tt.want {
				t.Errorf("%d bytes quoted, want %d", got, tt.want)
			}
		})
	}
}

// TestMTU: the field is as wide as its family makes it.
func TestMTU(t *testing.T) {
	raw := append([]byte(nil), vector("icmpv6 packet too big")...)
	binary.BigEndian.PutUint32(raw[ipv6Len+4:], 1<<32-1)
	p, err := Parse(raw)
	if err != nil {
		t.Fatal(err)
	}
	if want := 1<<31 - 1; p.ICMP.MTU != want {
		t.Errorf("MTU %d, want %d", p.ICMP.MTU, want)
	}
}
