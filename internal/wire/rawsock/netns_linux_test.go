package rawsock

import (
	"fmt"
	"net"
	"net/netip"
	"os"
	"runtime"
	"testing"
	"time"

	"github.com/vishvananda/netlink"
	"golang.org/x/net/bpf"
	"golang.org/x/sys/unix"

	"github.com/rstprobe/rstprobe/internal/packet"
	"github.com/rstprobe/rstprobe/internal/testenv"
	"github.com/rstprobe/rstprobe/internal/wire"
)

// loopbacks are the addresses of the private namespace, by test name.
var loopbacks = map[string]netip.Addr{
	"IPv4": netip.AddrFrom4([4]byte{127, 0, 0, 1}),
	"IPv6": netip.IPv6Loopback(),
}

// eachFamily runs f for each loopback address, each in a fresh namespace.
func eachFamily(t *testing.T, f func(t *testing.T, local netip.Addr)) {
	t.Helper()
	for name, local := range loopbacks {
		t.Run(name, func(t *testing.T) {
			enterNamespace(t)
			f(t, local)
		})
	}
}

// enterNamespace moves the calling goroutine, for the rest of its life, to a
// fresh network namespace in which only the loopback interface is up. The
// thread stays locked, so the runtime ends it and the namespace with it.
//
// It also keeps the thread to one processor: what it sends over loopback is
// then received in the order in which it was sent, answers included, so that
// "nothing came before this" is proof.
func enterNamespace(t testing.TB) {
	t.Helper()
	testenv.Need(t, "netns", "raw")
	runtime.LockOSThread()
	if err := unix.Unshare(unix.CLONE_NEWNET); err != nil {
		t.Fatal(err)
	}
	lo, err := netlink.LinkByName("lo")
	if err != nil {
		t.Fatal(err)
	}
	if err := netlink.LinkSetUp(lo); err != nil {
		t.Fatal(err)
	}
	var all, one unix.CPUSet
	if err := unix.SchedGetaffinity(0, &all); err != nil {
		t.Fatal(err)
	}
	cpu := 0
	for !all.IsSet(cpu) {
		cpu++
	}
	one.Set(cpu)
	if err := unix.SchedSetaffinity(0, &one); err != nil {
		t.Fatal(err)
	}
}

func open(t testing.TB, cfg Config) *Conn {
	t.Helper()
	c, err := Open(cfg)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := c.Close(); err != nil {
			t.Error(err)
		}
	})
	return c
}

func send(t testing.TB, c *Conn, raws ...[]byte) {
	t.Helper()
	if n, err := c.Send(raws); n != len(raws) || err != nil {
		t.Fatalf("Send of %d datagrams = %d, %v", len(raws), n, err)
	}
}

// next receives until a datagram is there that match wants, and returns it
// with the transmit stamps that came before.
func next(t testing.TB, c *Conn, match func(packet.Packet) bool) (packet.Packet, wire.Frame, []wire.Frame) {
	t.Helper()
	var stamps []wire.Frame
	var buf [1]wire.Frame
	for {
		n, err := c.Receive(buf[:], time.Time{})
		if err != nil {
			t.Fatal(err)
		}
		if n == 0 {
			continue
		}
		frame := buf[0]
		if frame.Raw == nil {
			stamps = append(stamps, frame)
			continue
		}
		p, err := packet.Parse(frame.Raw)
		if err != nil {
			t.Fatalf("parse % x: %v", frame.Raw, err)
		}
		if match(p) {
			return p, frame, stamps
		}
	}
}

// stampsOf receives the transmit stamps that are there, which must be n: on
// loopback each is when Send returns.
func stampsOf(t testing.TB, c *Conn, n int) []wire.Frame {
	t.Helper()
	var stamps []wire.Frame
	buf := make([]wire.Frame, 2*batchSize)
	for got := 1; got > 0; {
		var err error
		if got, err = c.Receive(buf, time.Now()); err != nil {
			t.Fatal(err)
		}
		for _, frame := range buf[:got] {
			if frame.Raw == nil {
				stamps = append(stamps, frame)
			}
		}
	}
	if len(stamps) != n {
		t.Errorf("%d transmit stamps, want %d", len(stamps), n)
	}
	return stamps
}

// sniffer sees every TCP segment to local, whoever it is for.
type sniffer struct {
	*receiver
	in *inbox
}

func newSniffer(t *testing.T, local netip.Addr) *sniffer {
	t.Helper()
	r, err := newReceiver(local, 0, unix.IPPROTO_TCP, []bpf.Instruction{accept})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := unix.Close(r.fd); err != nil {
			t.Error(err)
		}
	})
	return &sniffer{receiver: r, in: newInbox()}
}

// seen is all that came since the last call.
func (s *sniffer) seen(t *testing.T) []packet.Packet {
	t.Helper()
	var all []packet.Packet
	for {
		var frames [batchSize]wire.Frame
		n, err := s.read(s.in, frames[:])
		if err != nil {
			t.Fatal(err)
		}
		if n == 0 {
			return all
		}
		for _, frame := range frames[:n] {
			p, err := packet.Parse(frame.Raw)
			if err != nil {
				t.Fatal(err)
			}
			all = append(all, p)
		}
	}
}

// listen starts an ordinary kernel listener.
func listen(t testing.TB, local netip.Addr) (*net.TCPListener, netip.AddrPort) {
	t.Helper()
	l, err := net.ListenTCP("tcp", net.TCPAddrFromAddrPort(netip.AddrPortFrom(local, 0)))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := l.Close(); err != nil {
			t.Error(err)
		}
	})
	return l, l.Addr().(*net.TCPAddr).AddrPort()
}

// helpers are what the test binary does instead of testing when it runs
// itself again, by the value of helperEnv.
var helpers = map[string]func() error{
	"guard":        holdGuard,
	"unprivileged": openUnprivileged,
}

const helperEnv = "RAWSOCK_TEST_HELPER"

func TestMain(m *testing.M) {
	if helper, ok := helpers[os.Getenv(helperEnv)]; ok {
		if err := helper(); err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		}
		os.Exit(0)
	}
	os.Exit(m.Run())
}
