package rawsock

import (
	"net/netip"
	"testing"

	"golang.org/x/net/bpf"

	"github.com/rstprobe/rstprobe/internal/packet"
)

const (
	testFirst = 30000 // the guarded block of the filter tests
	testPorts = 40
)

func TestTCPFilter(t *testing.T) {
	for _, tt := range []struct {
		name string
		port uint16
		want bool
	}{
		{"lowest port", testFirst, true},
		{"inside", testFirst + 7, true},
		{"highest port", testFirst + testPorts - 1, true},
		{"below", testFirst - 1, false},
		{"above", testFirst + testPorts, false},
		{"port 0", 0, false},
		{"port 65535", 65535, false},
	} {
		t.Run(tt.name, func(t *testing.T) {
			both(t, func(t *testing.T, us, peer netip.Addr) {
				raw := buildSegment(t, netip.AddrPortFrom(peer, 443), netip.AddrPortFrom(us, tt.port), packet.SYN|packet.ACK)
				program := tcpFilter(us.Is6(), testFirst, testPorts)
				if got := run(t, program, filtered(raw)); got != tt.want {
					t.Errorf("accepts = %v, want %v", got, tt.want)
				}
			})
		})
	}
}

func TestTCPFilterReadsBehindIPv4Options(t *testing.T) {
	us, peer := netip.MustParseAddr("192.0.2.1"), netip.MustParseAddr("192.0.2.2")
	raw := buildSegment(t, netip.AddrPortFrom(peer, 443), netip.AddrPortFrom(us, testFirst), packet.RST)
	raw[0] = 4<<4 | 6 // one word of options: four no-operations
	raw = append(raw[:20:20], append([]byte{1, 1, 1, 1}, raw[20:]...)...)
	if !run(t, tcpFilter(false, testFirst, testPorts), raw) {
		t.Error("a segment behind IPv4 options was rejected")
	}
}

func TestTCPFilterRejectsTruncated(t *testing.T) {
	both(t, func(t *testing.T, us, peer netip.Addr) {
		raw := buildSegment(t, netip.AddrPortFrom(peer, 443), netip.AddrPortFrom(us, testFirst), packet.RST)
		packet := filtered(raw)
		const tcpHeader = 20
		portEnd := len(packet) - tcpHeader + 4
		for n := 1; n < portEnd; n++ {
			if run(t, tcpFilter(us.Is6(), testFirst, testPorts), packet[:n]) {
				t.Errorf("the first %d bytes were accepted", n)
			}
		}
	})
}

func TestICMPFilter(t *testing.T) {
	both(t, func(t *testing.T, us, router netip.Addr) {
		original := buildSegment(t, netip.AddrPortFrom(us, testFirst), netip.AddrPortFrom(router, 443), packet.SYN)
		expired, err := packet.BuildTimeExceeded(router, original, 28)
		if err != nil {
			t.Fatal(err)
		}
		unreachable, err := packet.BuildUnreachable(router, 1, original, len(original))
		if err != nil {
			t.Fatal(err)
		}
		for name, raw := range map[string][]byte{"time exceeded": expired, "unreachable": unreachable} {
			if !run(t, icmpFilter(us.Is6()), filtered(raw)) {
				t.Errorf("%s was rejected", name)
			}
		}
	})
}

func TestICMPFilterTypes(t *testing.T) {
	errors4 := map[uint8]bool{3: true, 4: true, 5: true, 11: true, 12: true}
	for kind := range 256 {
		header := make([]byte, 20+8)
		header[0], header[20] = 4<<4|5, uint8(kind)
		if got, want := run(t, icmpFilter(false), header), errors4[uint8(kind)]; got != want {
			t.Errorf("ICMP type %d: accepted = %v, want %v", kind, got, want)
		}
		if got, want := run(t, icmpFilter(true), []byte{uint8(kind), 0, 0, 0, 0, 0, 0, 0}), kind < 128; got != want {
			t.Errorf("ICMPv6 type %d: accepted = %v, want %v", kind, got, want)
		}
	}
}

func TestGuardFilter(t *testing.T) {
	both(t, func(t *testing.T, us, peer netip.Addr) {
		raw := buildSegment(t, netip.AddrPortFrom(peer, 443), netip.AddrPortFrom(us, testFirst), packet.SYN)
		if run(t, guardFilter(), raw) {
			t.Error("the guard lets a segment through to its listener")
		}
	})
}

// both runs f for both families, with our address and another's.
func both(t *testing.T, f func(t *testing.T, us, peer netip.Addr)) {
	t.Helper()
	t.Run("IPv4", func(t *testing.T) { f(t, netip.MustParseAddr("192.0.2.1"), netip.MustParseAddr("198.51.100.2")) })
	t.Run("IPv6", func(t *testing.T) { f(t, netip.MustParseAddr("2001:db8::1"), netip.MustParseAddr("2001:db8:1::2")) })
}

func buildSegment(t testing.TB, src, dst netip.AddrPort, flags packet.Flags) []byte {
	t.Helper()
	raw, err := packet.Build(packet.Packet{Src: src, Dst: dst, TTL: 64, ID: 0x1234, DF: true, TCP: packet.Segment{Seq: 1000, Flags: flags, Window: 65535}})
	if err != nil {
		t.Fatal(err)
	}
	return raw
}

// filtered is the part of a datagram that a filter on a raw socket sees.
func filtered(raw []byte) []byte {
	if raw[0]>>4 == 6 {
		return raw[40:]
	}
	return raw
}

// run reports whether program accepts the packet.
func run(t *testing.T, program []bpf.Instruction, packet []byte) bool {
	t.Helper()
	vm, err := bpf.NewVM(program)
	if err != nil {
		t.Fatal(err)
	}
	n, err := vm.Run(packet)
	if err != nil {
		t.Fatal(err)
	}
	return n > 0
}
