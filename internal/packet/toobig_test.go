package packet

import (
	"net/netip"
	"testing"
)

func TestBuildTooBig(t *testing.T) {
	for _, tt := range []struct {
		name     string
		from     string
		typ      uint8
		code     uint8
		original string
	}{
		{"IPv4", "192.0.2.77", 3, 4, "ipv4 SYN"},   // RFC 1191 §4
		{"IPv6", "2001:db8::77", 2, 0, "ipv6 SYN"}, // RFC 4443 §3.2
	} {
		t.Run(tt.name, func(t *testing.T) {
			from, original := netip.MustParseAddr(tt.from), vector(tt.original)
			raw, err := BuildTooBig(from, 1300, original, 1000)
			if err != nil {
				t.Fatal(err)
			}
			if err := verify(raw); err != nil {
				t.Error(err)
			}
			p, err := Parse(raw)
			if err != nil {
				t.Fatal(err)
			}
			e := p.ICMP
			if e.Kind != PacketTooBig || e.Type != tt.typ || e.Code != tt.code || e.MTU != 1300 || p.Src.Addr() != from {
				t.Errorf("got %+v from %v", e, p.Src)
			}
			if want := packetOf(tt.original); e.Quote.Key() != want.FromUs() {
				t.Errorf("quotes %v, want %v", e.Quote.Key(), want.FromUs())
			}
			for _, mtu := range []int{-1, 0, 1 << 16} {
				if _, err := BuildTooBig(from, mtu, original, 1000); err == nil {
					t.Errorf("built one for an MTU of %d", mtu)
				}
			}
		})
	}
}
