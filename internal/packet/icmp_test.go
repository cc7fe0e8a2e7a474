package packet

import (
	"errors"
	"net/netip"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

func TestBuildICMPErrors(t *testing.T) {
	head4 := Packet{Src: router4, Dst: portless(client4), Proto: ICMP, TTL: 64, TOS: 0xc0, HasID: true}
	head6 := Packet{Src: router6, Dst: portless(client6), Proto: ICMPv6, TTL: 64, TOS: 0xc0}
	short := fullQuote4
	short.Full, short.Flags, short.Window, short.Options, short.Raw = false, 0, 0, nil, quotedSYN4[:28]
	with := func(p Packet, e ICMPError) Packet { p.ICMP = e; return p }

	exceeded := func(from netip.Addr, original []byte, quote int) ([]byte, error) {
		return BuildTimeExceeded(from, original, quote)
	}
	unreachable := func(code uint8) func(netip.Addr, []byte, int) ([]byte, error) {
		return func(from netip.Addr, original []byte, quote int) ([]byte, error) {
			return BuildUnreachable(from, code, original, quote)
		}
	}
	tests := []struct {
		name     string
		build    func(netip.Addr, []byte, int) ([]byte, error)
		original []byte
		quote    int
		want     Packet
	}{
		{"time exceeded, eight octets", exceeded, quotedSYN4, 28, with(head4, ICMPError{Kind: TimeExceeded, Type: 11, Quote: short})},
		{"time exceeded, whole", exceeded, quotedSYN4, 1000, with(head4, ICMPError{Kind: TimeExceeded, Type: 11, Quote: fullQuote4})},
		{"time exceeded, IPv6", exceeded, quotedSYN6, 1000, with(head6, ICMPError{Kind: TimeExceeded, Type: 3, Quote: fullQuote6})},
		{"prohibited", unreachable(13), quotedSYN4, 60, with(head4, ICMPError{Kind: Unreachable, Type: 3, Code: 13, Quote: fullQuote4})},
		{"fragmentation needed", unreachable(4), quotedSYN4, 60, with(head4, ICMPError{Kind: PacketTooBig, Type: 3, Code: 4, Quote: fullQuote4})},
		{"prohibited, IPv6", unreachable(1), quotedSYN6, 80, with(head6, ICMPError{Kind: Unreachable, Type: 1, Code: 1, Quote: fullQuote6})},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			raw, err := tt.build(tt.want.Src.Addr(), tt.original, tt.quote)
			if err != nil {
				t.Fatal(err)
			}
			if err := verify(raw); err != nil {
				t.Error(err)
			}
			got, err := Parse(raw)
			if err != nil {
				t.Fatal(err)
			}
			want := tt.want
			want.Raw = raw
			if diff := cmp.Diff(want, got, same); diff != "" {
				t.Errorf("(-want +got):\n%s", diff)
			}
		})
	}
}

func TestBuildICMPErrorsRefuse(t *testing.T) {
	tests := []struct {
		name     string
		from     netip.Addr
		original []byte
		quote    int
		want     string
	}{
		{"no original", router4.Addr(), nil, 28, "truncated"},
		{"another family", router6.Addr(), quotedSYN4, 28, "two families"},
		{"no router", netip.Addr{}, quotedSYN4, 28, "no address"},
		{"negative quote", router4.Addr(), quotedSYN4, -1, "-1 bytes"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			_, err := BuildTimeExceeded(tt.from, tt.original, tt.quote)
			if err == nil || !strings.Contains(err.Error(), tt.want) {
				t.Errorf("error %v does not say %q", err, tt.want)
			}
			if tt.original == nil && !errors.Is(err, ErrTruncated) {
				t.Errorf("error %v, want %v", err, ErrTruncated)
			}
		})
	}
}
