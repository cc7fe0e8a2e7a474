package netlab

import (
	"errors"
	"fmt"
	"io"
	"net"
	"net/netip"
	"os"
	"runtime"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"golang.org/x/sys/unix"

	"github.com/rstprobe/rstprobe/internal/lab"
	"github.com/rstprobe/rstprobe/internal/lab/middlebox"
	"github.com/rstprobe/rstprobe/internal/packet"
	"github.com/rstprobe/rstprobe/internal/payload"
	"github.com/rstprobe/rstprobe/internal/testenv"
)

// patience bounds every wait for something that happens at once.
const patience = 10 * time.Second

const (
	blocked = "blocked.example.com"
	control = "control.example.com"
)

// families runs f as a subtest on the topology in IPv4 and in IPv6.
func families(t *testing.T, top lab.Topology, f func(*testing.T, *Net)) {
	for _, ipv6 := range []bool{false, true} {
		name := "IPv4"
		if ipv6 {
			name = "IPv6"
		}
		t.Run(name, func(t *testing.T) {
			top := top
			top.IPv6 = ipv6
			f(t, build(t, top))
		})
	}
}

func build(t testing.TB, top lab.Topology) *Net {
	t.Helper()
	testenv.Need(t, "root", "netns")
	n, err := New(top)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := n.Close(); err != nil {
			t.Error(err)
		}
	})
	return n
}

// dial connects the client to a port of the server.
func dial(n *Net, to netip.Addr, port uint16) (conn *net.TCPConn, err error) {
	err = n.Client(func() error {
		c, err := (&net.Dialer{Timeout: patience}).Dial("tcp", netip.AddrPortFrom(to, port).String())
		if err != nil {
			return err
		}
		conn = c.(*net.TCPConn)
		return conn.SetDeadline(time.Now().Add(patience))
	})
	return conn, err
}

func mustDial(t *testing.T, n *Net, port uint16) *net.TCPConn {
	t.Helper()
	c, err := dial(n, n.top.ServerAddr(), port)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = c.Close() })
	return c
}

func TestServe(t *testing.T) {
	families(t, lab.Topology{Routers: 6}, func(t *testing.T, n *Net) {
		for _, a := range []netip.Addr{n.top.ServerAddr(), n.top.ServerAddr2()} {
			c, err := dial(n, a, 443)
			if err != nil {
				t.Fatal(err)
			}
			if err := handshake(c, control); err != nil {
				t.Error(err)
			}
			if got, want := c.LocalAddr().(*net.TCPAddr).AddrPort().Addr(), n.top.Client(); got != want {
				t.Errorf("client's address is %v, want %v", got, want)
			}
			if err := c.Close(); err != nil {
				t.Error(err)
			}
		}
		c := mustDial(t, n, 80)
		say(t, c, 80, control)
		got := make([]byte, len("HTTP/1.1 200 OK"))
		if _, err := io.ReadFull(c, got); err != nil || string(got) != "HTTP/1.1 200 OK" {
			t.Errorf("HTTP answer %q, %v", got, err)
		}
	})
}

func TestHops(t *testing.T) {
	families(t, lab.Topology{Routers: 6}, func(t *testing.T, n *Net) {
		for ttl := 1; ttl <= 6; ttl++ {
			got := expire(t, n, probe{443, ttl})
			if diff := cmp.Diff([]netip.Addr{n.top.Router(ttl)}, got, sameAddr); diff != "" {
				t.Errorf("TTL %d: hop (-want +got):\n%s", ttl, diff)
			}
		}
	})
}

func TestSilentRouter(t *testing.T) {
	families(t, lab.Topology{Routers: 4, Silent: []int{2}}, func(t *testing.T, n *Net) {
		// The second probe follows the first through router 2, so its answer
		// comes after any to the first.
		got := expire(t, n, probe{443, 2}, probe{443, 3})
		if diff := cmp.Diff([]netip.Addr{{}, n.top.Router(3)}, got, sameAddr); diff != "" {
			t.Errorf("hops (-want +got):\n%s", diff)
		}
	})
}

func TestForeignAddress(t *testing.T) {
	families(t, lab.Topology{Routers: 3}, func(t *testing.T, n *Net) {
		// Host unreachable (RFC 792) and no route (RFC 4443 §3.1).
		to, want := netip.MustParseAddr("192.0.2.1"), syscall.EHOSTUNREACH
		if n.top.IPv6 {
			to, want = netip.MustParseAddr("2001:db8::1"), syscall.ENETUNREACH
		}
		if _, err := dial(n, to, 443); !errors.Is(err, want) {
			t.Errorf("got %v, want %v", err, want)
		}
	})
}

// resetter forges an RST in the server's name for every request with a name.
func resetter(drop bool) func() middlebox.Box {
	return func() middlebox.Box {
		return &middlebox.Resetter{
			Match: func(p packet.Packet) bool {
				name, _ := payload.ServerName(p.TCP.Payload)
				return name == blocked
			},
			Client: true, Server: true, Follow: true, Drop: drop,
		}
	}
}

func TestLinkBox(t *testing.T) {
	for _, after := range []bool{false, true} {
		t.Run(fmt.Sprintf("after=%v", after), func(t *testing.T) {
			top := lab.Topology{Routers: 4, Boxes: []lab.Placement{{Router: 3, AfterTTL: after, New: resetter(true)}}}
			families(t, top, func(t *testing.T, n *Net) {
				atServer := awaitReset(t, n.nodes[5], near)
				testResets(t, n)
				if got, want := atServer().TTL, uint8(64-1); got != want {
					t.Errorf("TTL of the reset to the server is %d, want %d", got, want)
				}
			})
		})
	}
}

func TestKernelReject(t *testing.T) {
	top := lab.Topology{Routers: 4, Kernel: []lab.KernelRule{{Router: 3, Contains: blocked, Port: 443, Reject: true}}}
	families(t, top, testResets)
}

// testResets expects that router 3, or the box at it, resets one name only,
// and that the reset arrives with the TTL of one that router 3 made.
func testResets(t *testing.T, n *Net) {
	reset := awaitReset(t, n.nodes[0], far)
	c := mustDial(t, n, 443)
	say(t, c, 443, blocked)
	if _, err := c.Read(make([]byte, 1)); !errors.Is(err, syscall.ECONNRESET) {
		t.Errorf("blocked name: got %v, want a reset", err)
	}
	if got, want := reset().TTL, uint8(64-2); got != want {
		t.Errorf("TTL of the reset is %d, want %d", got, want)
	}
	if err := handshake(mustDial(t, n, 443), control); err != nil {
		t.Errorf("other name: %v", err)
	}
}

func TestKernelDrop(t *testing.T) {
	families(t, lab.Topology{Routers: 2, Kernel: []lab.KernelRule{{Router: 1, Port: 80}}}, func(t *testing.T, n *Net) {
		got := expire(t, n, probe{80, 2}, probe{443, 2})
		if diff := cmp.Diff([]netip.Addr{{}, n.top.Router(2)}, got, sameAddr); diff != "" {
			t.Errorf("hop 2 for ports 80 and 443 (-want +got):\n%s", diff)
		}
	})
}

// late injects resets on seeing a SYN, each with its delay, in ms, as its
// window.
type late struct{ delays []int }

func (l late) Handle(dir middlebox.Direction, p packet.Packet) middlebox.Action {
	var act middlebox.Action
	if dir == middlebox.ToServer && p.Proto == packet.TCP && p.TCP.Flags.Has(packet.SYN) {
		act.Drop = true
		for _, ms := range l.delays {
			act.Inject = append(act.Inject, middlebox.Injection{
				Toward: middlebox.ToClient,
				Delay:  time.Duration(ms) * time.Millisecond,
				Packet: packet.Packet{
					Src: p.Dst, Dst: p.Src, Proto: packet.TCP, TTL: maxTTL, HasID: p.HasID,
					TCP: packet.Segment{Flags: packet.RST, Window: uint16(ms)}, //nolint:gosec // small
				},
			})
		}
	}
	return act
}

func TestDelayedInjections(t *testing.T) {
	place := lab.Placement{Router: 2, AfterTTL: true, New: func() middlebox.Box { return late{[]int{30, 0, 20, 10}} }}
	families(t, lab.Topology{Routers: 2, Boxes: []lab.Placement{place}}, func(t *testing.T, n *Net) {
		reset := awaitReset(t, n.nodes[0], far)
		err := n.Client(func() error {
			fd, err := attempt(n.top.ServerAddr(), probe{443, 64})
			return errors.Join(err, unix.Close(fd))
		})
		if err != nil {
			t.Fatal(err)
		}
		var got []uint16
		for range 4 {
			p := reset()
			got = append(got, p.TCP.Window)
			if p.TTL != maxTTL-2 { // 255 cannot be raised for router 2
				t.Errorf("TTL of a reset is %d, want %d", p.TTL, maxTTL-2)
			}
		}
		if diff := cmp.Diff([]uint16{0, 10, 20, 30}, got); diff != "" {
			t.Errorf("order (-want +got):\n%s", diff)
		}
	})
}

// mark appends to a log the order in which boxes see packets.
type mark struct {
	name string
	log  *[]string
}

func (m mark) Handle(dir middlebox.Direction, p packet.Packet) middlebox.Action {
	if p.Proto == packet.TCP && p.TCP.Flags.Has(packet.SYN) {
		*m.log = append(*m.log, fmt.Sprint(m.name, " ", dir, " ttl ", p.TTL))
	}
	return middlebox.Action{}
}

func TestBoxOrder(t *testing.T) {
	var log []string
	place := func(name string, router int, after bool) lab.Placement {
		return lab.Placement{Router: router, AfterTTL: after, New: func() middlebox.Box { return mark{name, &log} }}
	}
	n := build(t, lab.Topology{Routers: 3, Boxes: []lab.Placement{
		place("before 3, first", 3, false), place("after 2", 2, true), place("before 3, second", 3, false),
	}})
	mustDial(t, n, 443)
	if err := n.Close(); err != nil { // after which the log is ours
		t.Fatal(err)
	}
	want := []string{
		"after 2 1 ttl 62", "before 3, first 1 ttl 62", "before 3, second 1 ttl 62",
		"before 3, first 2 ttl 63", "before 3, second 2 ttl 63", "after 2 2 ttl 63",
	}
	if diff := cmp.Diff(want, log); diff != "" {
		t.Errorf("order (-want +got):\n%s", diff)
	}
}

func TestValidate(t *testing.T) {
	for _, tt := range []struct {
		top  lab.Topology
		want string
	}{
		{lab.Topology{}, "0 routers"},
		{lab.Topology{Routers: 31}, "31 routers"},
		{lab.Topology{Routers: 1, Silent: []int{2}}, "no router 2"},
		{lab.Topology{Routers: 1, Kernel: []lab.KernelRule{{Router: 0}}}, "no router 0"},
		{lab.Topology{Routers: 1, Kernel: []lab.KernelRule{{Router: 1, Contains: strings.Repeat("x", 129)}}}, "129 bytes"},
		{lab.Topology{Routers: 1, Boxes: []lab.Placement{{Router: 1}}}, "no constructor"},
		{lab.Topology{Routers: 4, Fork: &lab.Fork{From: 1, To: 3}}, "simnet only"},
		{lab.Topology{Routers: 4, Return: &lab.Return{Extra: 1}}, "simnet only"},
		{lab.Topology{Routers: 4, Server: lab.Server{GiveUp: 1}}, "simnet only"},
		{lab.Topology{Routers: 4, Boxes: []lab.Placement{{Router: 3, Branch: lab.SecondLeg, New: resetter(false)}}}, "router 3 is on a branch"},
		{lab.Topology{Routers: 1, Boxes: []lab.Placement{{Router: 3, New: resetter(false)}}}, "no router 3"},
	} {
		if _, err := New(tt.top); err == nil || !strings.Contains(err.Error(), tt.want) {
			t.Errorf("New(%+v): %v, want an error with %q", tt.top, err, tt.want)
		}
	}
}

func TestCloseFreesEverything(t *testing.T) {
	testenv.Need(t, "root", "netns")
	top := lab.Topology{Routers: 3, Silent: []int{1}, Boxes: []lab.Placement{{Router: 2, New: resetter(false)}}}
	cycle := func() {
		n, err := New(top)
		if err != nil {
			t.Fatal(err)
		}
		c, err := dial(n, top.ServerAddr(), 443)
		if err != nil {
			t.Fatal(err)
		}
		if err := c.Close(); err != nil {
			t.Error(err)
		}
		for range 2 {
			if err := n.Close(); err != nil {
				t.Error(err)
			}
		}
		if err := n.Client(func() error { return nil }); !errors.Is(err, net.ErrClosed) {
			t.Errorf("Client after Close: %v, want %v", err, net.ErrClosed)
		}
	}
	cycle() // the runtime's own descriptors are open now
	fds, goroutines := descriptors(t), runtime.NumGoroutine()
	home, err := os.Readlink("/proc/self/ns/net")
	if err != nil {
		t.Fatal(err)
	}
	cycle()
	if diff := cmp.Diff(fds, descriptors(t)); diff != "" {
		t.Errorf("descriptors (-want +got):\n%s", diff)
	}
	if got := runtime.NumGoroutine(); got > goroutines {
		t.Errorf("%d goroutines, want %d", got, goroutines)
	}
	if got, err := os.Readlink("/proc/self/ns/net"); err != nil || got != home {
		t.Errorf("network namespace %s, %v, want %s", got, err, home)
	}
}

// TestNewFailsHalfway runs out of descriptors at every point of New in turn.
func TestNewFailsHalfway(t *testing.T) {
	testenv.Need(t, "root", "netns")
	top := lab.Topology{Routers: 1, Boxes: []lab.Placement{{Router: 1, New: resetter(false)}}}
	first, err := New(top) // opens what the runtime keeps
	if err != nil {
		t.Fatal(err)
	}
	if err := first.Close(); err != nil {
		t.Fatal(err)
	}
	before := descriptors(t)
	var old syscall.Rlimit
	if err := syscall.Getrlimit(syscall.RLIMIT_NOFILE, &old); err != nil {
		t.Fatal(err)
	}
	built := false
	for extra := uint64(0); extra < 64 && !built; extra++ {
		limit := syscall.Rlimit{Cur: uint64(len(before)) + extra, Max: old.Max}
		if err := syscall.Setrlimit(syscall.RLIMIT_NOFILE, &limit); err != nil {
			t.Fatal(err)
		}
		n, err := New(top)
		if back := syscall.Setrlimit(syscall.RLIMIT_NOFILE, &old); back != nil {
			t.Fatal(back)
		}
		if err == nil {
			err = n.Close() // the server may have run out later
		}
		built = err == nil
		if !built && !errors.Is(err, syscall.EMFILE) {
			t.Errorf("with %d more descriptors: %v, want %v", extra, err, syscall.EMFILE)
		}
		if diff := cmp.Diff(before, descriptors(t)); diff != "" {
			t.Fatalf("with %d more descriptors (-want +got):\n%s", extra, diff)
		}
	}
	if !built {
		t.Error("New never succeeded")
	}
}

// descriptors are the open files of the process by kind, without the one that
// lists them.
func descriptors(t *testing.T) []string {
	t.Helper()
	entries, err := os.ReadDir("/proc/self/fd")
	if err != nil {
		t.Fatal(err)
	}
	var out []string
	for _, e := range entries {
		if link, err := os.Readlink("/proc/self/fd/" + e.Name()); err == nil {
			out = append(out, e.Name()+" "+link)
		}
	}
	return out
}

func BenchmarkNew(b *testing.B) {
	testenv.Need(b, "root", "netns")
	for b.Loop() {
		n, err := New(lab.Topology{Routers: 6})
		if err != nil {
			b.Fatal(err)
		}
		b.StopTimer()
		if err := n.Close(); err != nil {
			b.Fatal(err)
		}
		b.StartTimer()
	}
}
