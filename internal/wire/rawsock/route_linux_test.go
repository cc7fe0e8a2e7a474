package rawsock

import (
	"errors"
	"net"
	"net/netip"
	"strconv"
	"testing"

	"github.com/vishvananda/netlink"
	"golang.org/x/sys/unix"
)

func TestSourceFor(t *testing.T) {
	enterNamespace(t)
	veth := &netlink.Veth{LinkAttrs: netlink.LinkAttrs{Name: "a0"}, PeerName: "b0"}
	if err := netlink.LinkAdd(veth); err != nil {
		t.Fatal(err)
	}
	for _, addr := range []string{"192.0.2.1/24", "2001:db8::1/64", "fe80::1/64"} {
		a, err := netlink.ParseAddr(addr)
		if err != nil {
			t.Fatal(err)
		}
		a.Flags = unix.IFA_F_NODAD
		if err := netlink.AddrAdd(veth, a); err != nil {
			t.Fatal(err)
		}
	}
	link, err := netlink.LinkByName("a0")
	if err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{"a0", "b0"} {
		if err := netlink.LinkSetUp(&netlink.Dummy{LinkAttrs: netlink.LinkAttrs{Name: name}}); err != nil {
			t.Fatal(err)
		}
	}
	for dst, kind := range map[string]int{"198.51.100.1/32": unix.RTN_UNREACHABLE, "198.51.100.2/32": unix.RTN_BLACKHOLE, "198.51.100.3/32": unix.RTN_PROHIBIT} {
		_, ipNet, err := net.ParseCIDR(dst)
		if err != nil {
			t.Fatal(err)
		}
		if err := netlink.RouteAdd(&netlink.Route{Dst: ipNet, Type: kind}); err != nil {
			t.Fatal(err)
		}
	}
	index := link.Attrs().Index
	linkLocal := netip.MustParseAddr("fe80::1").WithZone(strconv.Itoa(index))
	for _, tt := range []struct {
		name, dst, iface string
		from             netip.Addr
		want             netip.Addr
		err              error // of an invalid want
	}{
		{"loopback", "127.0.0.1", "", netip.Addr{}, netip.MustParseAddr("127.0.0.1"), nil},
		{"IPv6 loopback", "::1", "", netip.Addr{}, netip.MustParseAddr("::1"), nil},
		{"neighbour", "192.0.2.9", "", netip.Addr{}, netip.MustParseAddr("192.0.2.1"), nil},
		{"mapped neighbour", "::ffff:192.0.2.9", "", netip.Addr{}, netip.MustParseAddr("192.0.2.1"), nil},
		{"IPv6 neighbour", "2001:db8::9", "", netip.Addr{}, netip.MustParseAddr("2001:db8::1"), nil},
		{"by its interface", "192.0.2.9", "a0", netip.Addr{}, netip.MustParseAddr("192.0.2.1"), nil},
		{"link-local by zone", "fe80::9%a0", "", netip.Addr{}, linkLocal, nil},
		{"link-local by interface", "fe80::9", "a0", netip.Addr{}, linkLocal, nil},
		{"no route", "203.0.113.1", "", netip.Addr{}, netip.Addr{}, unix.ENETUNREACH},
		{"no IPv6 route", "2001:db8:1::1", "", netip.Addr{}, netip.Addr{}, unix.ENETUNREACH},
		{"unreachable route", "198.51.100.1", "", netip.Addr{}, netip.Addr{}, unix.EHOSTUNREACH},
		{"blackhole route", "198.51.100.2", "", netip.Addr{}, netip.Addr{}, unix.EINVAL},
		{"prohibit route", "198.51.100.3", "", netip.Addr{}, netip.Addr{}, unix.EACCES},
		{"neighbour from an address", "192.0.2.9", "", netip.MustParseAddr("192.0.2.1"), netip.MustParseAddr("192.0.2.1"), nil},
		{"no route from an address", "203.0.113.1", "", netip.MustParseAddr("192.0.2.1"), netip.Addr{}, unix.ENETUNREACH},
	} {
		// No subtest: that would run on a thread outside the namespace.
		got, err := SourceFor(netip.MustParseAddr(tt.dst), tt.from, tt.iface)
		if got != tt.want || (err == nil) != tt.want.IsValid() {
			t.Errorf("%s: source = %v (%v), want %v", tt.name, got, err, tt.want)
		}
		if tt.err != nil && (!errors.Is(err, ErrNoRoute) || !errors.Is(err, tt.err)) {
			t.Errorf("%s: error = %v, want %v and %v", tt.name, err, ErrNoRoute, tt.err)
		}
	}
	for _, dst := range []netip.Addr{{}, netip.MustParseAddr("fe80::9")} {
		if _, err := SourceFor(dst, netip.Addr{}, ""); err == nil || errors.Is(err, ErrNoRoute) {
			t.Errorf("source for %v: error = %v, want one about the address", dst, err)
		}
	}
	if _, err := SourceFor(netip.MustParseAddr("192.0.2.255"), netip.Addr{}, ""); !errors.Is(err, ErrBroadcast) {
		t.Errorf("source for a broadcast address: error = %v, want %v", err, ErrBroadcast)
	}
	if _, err := SourceFor(netip.MustParseAddr("192.0.2.9"), netip.Addr{}, "none0"); !errors.Is(err, unix.ENODEV) {
		t.Errorf("source by no such interface: error = %v, want %v", err, unix.ENODEV)
	}
}
