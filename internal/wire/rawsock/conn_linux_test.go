package rawsock

import (
	"errors"
	"net"
	"net/netip"
	"os"
	"path/filepath"
	"slices"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"golang.org/x/sys/unix"

	"github.com/rstprobe/rstprobe/internal/packet"
	"github.com/rstprobe/rstprobe/internal/wire"
)

// toGuard builds a segment from port 443 of local to a guarded port of c: on
// loopback a Conn receives what it sends to itself.
func toGuard(t testing.TB, c *Conn, local netip.Addr, payload []byte) []byte {
	t.Helper()
	raw, err := packet.Build(packet.Packet{
		Src: netip.AddrPortFrom(local, 443), Dst: netip.AddrPortFrom(local, c.Ports()[0]), TTL: 61, TOS: 0x48, ID: 0xbeef,
		TCP: packet.Segment{Seq: 7, Flags: packet.ACK, Payload: payload},
	})
	if err != nil {
		t.Fatal(err)
	}
	return raw
}

// What arrives is what was sent, header included: for IPv6 that proves the
// rebuilt one.
func TestReceiveWholeDatagram(t *testing.T) {
	eachFamily(t, func(t *testing.T, local netip.Addr) {
		c := open(t, Config{Source: local, Ports: 2})
		for _, size := range []int{0, 1, 1400, 40000} {
			raw := toGuard(t, c, local, make([]byte, size))
			if local.Is6() {
				raw[1] |= 0x0a // a flow label, 0xabcde
				raw[2], raw[3] = 0xbc, 0xde
			}
			before := time.Now()
			send(t, c, raw)
			_, frame, _ := next(t, c, func(packet.Packet) bool { return true })
			after := time.Now()
			if diff := cmp.Diff(raw, frame.Raw); diff != "" {
				t.Errorf("payload of %d bytes (-want +got):\n%s", size, diff)
			}
			if frame.At.Before(before) || frame.At.After(after) {
				t.Errorf("At = %v, not between %v and %v", frame.At, before, after)
			}
			if frame.At == frame.At.Round(0) {
				t.Errorf("At = %v has no monotonic reading", frame.At)
			}
		}
	})
}

// Of what does not concern us nothing arrives, nor counts as lost: other
// ports' segments, and ICMP that is no error.
func TestReceiveOnlyOurs(t *testing.T) {
	eachFamily(t, func(t *testing.T, local netip.Addr) {
		c := open(t, Config{Source: local, Ports: 4})
		port := func(p uint16) netip.AddrPort { return netip.AddrPortFrom(local, p) }
		first, last := c.Ports()[0], c.Ports()[3]
		original := buildSegment(t, port(first), port(443), packet.SYN)
		expired, err := packet.BuildTimeExceeded(local, original, len(original))
		if err != nil {
			t.Fatal(err)
		}
		echo := slices.Clone(expired) // by its type alone; its checksum no longer matters, the filter comes first
		if local.Is6() {
			echo[40] = 129
		} else {
			echo[20] = 0
		}
		send(t, c,
			echo,
			buildSegment(t, port(443), port(first-1), packet.RST),
			buildSegment(t, port(443), port(first), packet.RST),
			buildSegment(t, port(443), port(last+1), packet.RST),
			expired,
			buildSegment(t, port(443), port(last), packet.RST),
		)
		var got []string
		for len(got) < 3 {
			p, frame, _ := next(t, c, func(packet.Packet) bool { return true })
			switch {
			case p.ICMP.Kind != 0:
				got = append(got, "time exceeded")
				if p.ICMP.Kind != packet.TimeExceeded || p.ICMP.Quote.Key() != (packet.Key{Local: port(first), Remote: port(443)}) {
					t.Errorf("ICMP error: %v", p)
				}
				if diff := cmp.Diff(expired[8:], frame.Raw[8:]); local.Is6() && diff != "" {
					t.Errorf("ICMPv6 error (-want +got):\n%s", diff)
				}
			case p.Dst == port(first):
				got = append(got, "first port")
			case p.Dst == port(last):
				got = append(got, "last port")
			default:
				t.Errorf("received %v", p)
			}
		}
		if diff := cmp.Diff([]string{"first port", "last port", "time exceeded"}, slices.Sorted(slices.Values(got))); diff != "" {
			t.Errorf("frames (-want +got):\n%s", diff)
		}
		if n, err := c.Receive(make([]wire.Frame, 8), time.Now()); err != nil {
			t.Errorf("Receive = %d, %v", n, err)
		}
		if got := c.Stats(); !local.Is6() && got.Dropped != 0 {
			t.Errorf("Stats = %+v, want nothing dropped", got)
		}
	})
}

// The frames of one Receive are in the order of their times, whichever socket
// they came by.
func TestReceiveInOrder(t *testing.T) {
	eachFamily(t, func(t *testing.T, local netip.Addr) {
		c := open(t, Config{Source: local, Ports: 1})
		us, peer := netip.AddrPortFrom(local, c.Ports()[0]), netip.AddrPortFrom(local, 443)
		expired, err := packet.BuildTimeExceeded(local, buildSegment(t, us, peer, packet.SYN), 28)
		if err != nil {
			t.Fatal(err)
		}
		reset := buildSegment(t, peer, us, packet.RST)
		send(t, c, reset, expired, reset, expired)
		var frames []wire.Frame
		for len(frames) < 8 { // each datagram and its transmit stamp
			buf := make([]wire.Frame, 8-len(frames))
			n, err := c.Receive(buf, time.Time{})
			if err != nil {
				t.Fatal(err)
			}
			if !slices.IsSortedFunc(buf[:n], func(a, b wire.Frame) int { return a.At.Compare(b.At) }) {
				t.Errorf("not in order: %v", buf[:n])
			}
			frames = append(frames, buf[:n]...)
		}
	})
}

func TestReceiveUntil(t *testing.T) {
	eachFamily(t, func(t *testing.T, local netip.Addr) {
		c := open(t, Config{Source: local, Ports: 1})
		until := time.Now().Add(5 * time.Millisecond)
		n, err := c.Receive(make([]wire.Frame, 1), until)
		if n != 0 || err != nil {
			t.Errorf("Receive = %d, %v, want nothing", n, err)
		}
		if now := time.Now(); now.Before(until) {
			t.Errorf("returned %v early", until.Sub(now))
		}
		// A time that has passed does not keep what is there from us.
		send(t, c, toGuard(t, c, local, nil))
		buf := make([]wire.Frame, 2)
		if n, err := c.Receive(buf, until); n == 0 || err != nil {
			t.Errorf("Receive with a time in the past = %d, %v", n, err)
		}
		if _, err := c.Receive(nil, until); err == nil {
			t.Error("Receive into no frames: no error")
		}
	})
}

func TestWake(t *testing.T) {
	eachFamily(t, func(t *testing.T, local netip.Addr) {
		c := open(t, Config{Source: local, Ports: 1})
		receive := func() {
			t.Helper()
			if n, err := c.Receive(make([]wire.Frame, 1), time.Time{}); n != 0 || err != nil {
				t.Fatalf("Receive = %d, %v, want only to return", n, err)
			}
		}
		c.Wake() // the next one
		c.Wake() // counts no more than once
		receive()
		if n, err := c.Receive(make([]wire.Frame, 1), time.Now()); n != 0 || err != nil {
			t.Fatalf("Receive after the wake = %d, %v", n, err)
		}
		go c.Wake() // one under way, or the next
		receive()
	})
}

func TestClose(t *testing.T) {
	eachFamily(t, func(t *testing.T, local netip.Addr) {
		c := open(t, Config{Source: local, Ports: 1})
		before := openFiles(t)
		received := make(chan error)
		go func() {
			_, err := c.Receive(make([]wire.Frame, 1), time.Time{})
			received <- err
		}()
		if err := c.Close(); err != nil {
			t.Fatal(err)
		}
		if err := <-received; !errors.Is(err, net.ErrClosed) {
			t.Errorf("Receive under way = %v, want %v", err, net.ErrClosed)
		}
		if _, err := c.Receive(make([]wire.Frame, 1), time.Time{}); !errors.Is(err, net.ErrClosed) {
			t.Errorf("Receive = %v, want %v", err, net.ErrClosed)
		}
		if _, err := c.Send([][]byte{toGuard(t, c, local, nil)}); !errors.Is(err, net.ErrClosed) {
			t.Errorf("Send = %v, want %v", err, net.ErrClosed)
		}
		c.Wake()
		if got := c.Stats(); got != (wire.Stats{}) {
			t.Errorf("Stats = %+v", got)
		}
		if err := c.Close(); err != nil {
			t.Errorf("Close again = %v", err)
		}
		if got, want := openFiles(t), before-5; got != want { // 3 raw sockets, 1 guard, 1 event descriptor
			t.Errorf("%d files are open, want %d", got, want)
		}
	})
}

// Open that fails half-way leaves no descriptor behind.
func TestOpenFails(t *testing.T) {
	enterNamespace(t)
	local := loopbacks["IPv4"]
	for _, tt := range []struct {
		name string
		cfg  Config
		want error // nil: any
	}{
		{"no source", Config{Ports: 1}, nil},
		{"source of no host", Config{Source: netip.IPv4Unspecified(), Ports: 1}, nil},
		{"no ports", Config{Source: local}, nil},
		{"too many ports", Config{Source: local, Ports: MaxPorts + 1}, nil},
		{"not our address", Config{Source: netip.MustParseAddr("192.0.2.1"), Ports: 1}, unix.EADDRNOTAVAIL},
		{"not our IPv6 address", Config{Source: netip.MustParseAddr("2001:db8::1"), Ports: 1}, unix.EADDRNOTAVAIL},
		{"no such interface", Config{Source: local, Interface: "none0", Ports: 1}, unix.ENODEV},
		{"no such zone", Config{Source: netip.MustParseAddr("fe80::1%none0"), Ports: 1}, nil},
	} {
		t.Run(tt.name, func(t *testing.T) {
			enterNamespace(t)
			before := openFiles(t)
			_, err := Open(tt.cfg)
			if err == nil || tt.want != nil && !errors.Is(err, tt.want) {
				t.Errorf("error = %v, want %v", err, tt.want)
			}
			if got := openFiles(t); got != before {
				t.Errorf("%d files are open, %d were before", got, before)
			}
		})
	}
}

func TestOpenMappedSource(t *testing.T) {
	enterNamespace(t)
	local := loopbacks["IPv4"]
	c := open(t, Config{Source: netip.AddrFrom16(local.As16()), Interface: "lo", Ports: 1})
	raw := toGuard(t, c, local, nil)
	send(t, c, raw)
	_, frame, _ := next(t, c, func(packet.Packet) bool { return true })
	if diff := cmp.Diff(raw, frame.Raw); diff != "" {
		t.Errorf("frame (-want +got):\n%s", diff)
	}
}

// Every datagram that was sent was either received or counted.
func TestDropped(t *testing.T) {
	eachFamily(t, func(t *testing.T, local netip.Addr) {
		c := open(t, Config{Source: local, Ports: 1})
		const sent = 1000 // of 40 KB: several times the queue
		raw := toGuard(t, c, local, make([]byte, 40000))
		send(t, c, slices.Repeat([][]byte{raw}, sent)...)

		// The last one through shows that all have gone their way.
		marker := buildSegment(t, netip.AddrPortFrom(local, 443), netip.AddrPortFrom(local, c.Ports()[0]), packet.RST)
		received := 0
		for seen := false; !seen; {
			send(t, c, marker)
			buf := make([]wire.Frame, 3*batchSize)
			for n := 1; n > 0 && !seen; {
				var err error
				if n, err = c.Receive(buf, time.Now()); err != nil {
					t.Fatal(err)
				}
				for _, frame := range buf[:n] {
					switch {
					case len(frame.Raw) == len(raw):
						received++
					case len(frame.Raw) == len(marker):
						seen = true
					}
				}
			}
		}
		dropped := c.Stats().Dropped
		if dropped == 0 || received == 0 {
			t.Fatalf("received %d and dropped %d: the queue did not overflow", received, dropped)
		}
		if received+dropped < sent || received+dropped > sent+1 { // the first marker may have met the full queue
			t.Errorf("received %d + dropped %d, want %d", received, dropped, sent)
		}
		if err := c.Close(); err != nil {
			t.Fatal(err)
		}
		if got := c.Stats().Dropped; got != dropped {
			t.Errorf("dropped after Close = %d, want %d", got, dropped)
		}
	})
}

// openFiles counts the descriptors of the process.
func openFiles(t *testing.T) int {
	t.Helper()
	files, err := filepath.Glob("/proc/self/fd/*")
	if err != nil {
		t.Fatal(err)
	}
	if len(files) == 0 {
		t.Fatal(os.ErrNotExist)
	}
	return len(files)
}
