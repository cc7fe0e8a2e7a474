package watchfile

import (
	"net/netip"
	"strings"
	"testing"
)

func TestPattern(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		pattern, host string
		port          uint16
		want          bool
	}{
		{"shop.example", "shop.example", 443, true},
		{"Shop.example", "shop.example", 443, true},
		{"shop.example", "shop.example", 80, false},
		{"shop.example", "www.shop.example", 443, false},
		{"shop.example:80", "shop.example", 80, true},
		{"shop.example:*", "shop.example", 7, true},
		{"*.example", "shop.example", 443, true},
		{"*.example", "a.b.example", 443, true},
		{"*.example", "example", 443, false},
		{"*.example", "badexample", 443, false},
		{"*.example", ".example", 443, false},
		{"*.example:80", "shop.example", 443, false},
		{"192.0.2.7", "192.0.2.7", 443, true},
		{"192.0.2.7", "192.0.2.8", 443, false},
		{"192.0.2.7:8443", "192.0.2.7", 8443, true},
		{"192.0.2.9/24", "192.0.2.7", 443, true},
		{"192.0.2.0/24:*", "192.0.2.7", 22, true},
		{"192.0.2.0/24", "::ffff:192.0.2.7", 443, true},
		{"192.0.2.0/24", "192.0.3.7", 443, false},
		{"2001:db8::7", "2001:db8::7", 443, true},
		{"2001:db8::/32", "2001:db8::7", 443, true},
		{"[2001:db8::]/32:993", "2001:db8::7", 993, true},
		{"[2001:db8::7]:993", "2001:db8::7", 993, true},
		{"[2001:db8::7]", "2001:db8::7", 443, true},
		{"fe80::/10", "fe80::1%eth0", 443, true},
		{"::ffff:192.0.2.7", "192.0.2.7", 443, true},
	} {
		p, err := ParsePattern(tt.pattern)
		if err != nil {
			t.Error(err)
			continue
		}
		got := p.HasName(tt.host, tt.port)
		if ip, err := netip.ParseAddr(tt.host); err == nil {
			got = p.HasAddr(ip, tt.port)
		}
		if got != tt.want {
			t.Errorf("%s has %s port %d: %v", tt.pattern, tt.host, tt.port, got)
		}
	}
	for _, bad := range []string{
		"", "*", "*.", "*.*.example", "a.*.example", "shop.example:", "shop.example:0", "shop.example:65536", "shop.example:https", "https://shop.example", "a b",
		"0.0.0.0/0", "::/0", "10.0.0.0/7", "2000::/3", "192.0.2.0/33", "::ffff:0.0.0.0/96", "[2001:db8::7", "[2001:db8::7]x", "fe80::1%eth0", "shop.example/24",
	} {
		if p, err := ParsePattern(bad); err == nil || !strings.Contains(err.Error(), `"`+bad) {
			t.Errorf("%q: %+v, %v", bad, p, err)
		}
	}
}
