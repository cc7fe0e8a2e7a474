package rawsock

import (
	"bufio"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"os"
	"os/exec"
	"slices"
	"syscall"
	"testing"
	"time"

	"github.com/google/nftables"
	"golang.org/x/sys/unix"

	"github.com/rstprobe/rstprobe/internal/packet"
	"github.com/rstprobe/rstprobe/internal/testenv"
	"github.com/rstprobe/rstprobe/internal/wire"
)

// A whole connection to a real kernel server: had our own kernel answered the
// SYN/ACK with a RST, the server would have forgotten it.
func TestGuardKeepsKernelSilent(t *testing.T) {
	t.Run("by filter", func(t *testing.T) { testGuard(t, func(netip.Addr, *guard) error { return nil }) })
	t.Run("by least TTL", func(t *testing.T) {
		testGuard(t, func(local netip.Addr, g *guard) error {
			for _, fd := range g.fds {
				err := unix.SetsockoptInt(fd, unix.SOL_SOCKET, unix.SO_DETACH_FILTER, 0)
				if err := errors.Join(err, takeNeighborsOnly(fd, local.Is6())); err != nil {
					return err
				}
			}
			return nil
		})
	})
}

func testGuard(t *testing.T, change func(netip.Addr, *guard) error) {
	eachFamily(t, func(t *testing.T, local netip.Addr) {
		server, remote := listen(t, local)
		c := open(t, Config{Source: local, Ports: 3})
		if err := change(local, c.guard); err != nil {
			t.Fatal(err)
		}
		sniff := newSniffer(t, local)
		us := netip.AddrPortFrom(local, c.Ports()[1])
		segment := func(s packet.Segment) []byte {
			s.Window = 65535
			raw, err := packet.Build(packet.Packet{Src: us, Dst: remote, TTL: 64, ID: 1, TCP: s})
			if err != nil {
				t.Fatal(err)
			}
			return raw
		}

		const isn = packet.Seq(1000)
		send(t, c, segment(packet.Segment{Seq: isn, Flags: packet.SYN}))
		synAck, _, _ := next(t, c, func(p packet.Packet) bool { return p.TCP.Flags.Has(packet.SYN | packet.ACK) })
		if synAck.Src != remote || synAck.Dst != us || synAck.TCP.Ack != isn.Add(1) {
			t.Fatalf("answer to the SYN: %v", synAck)
		}
		rcvNxt := synAck.TCP.Seq.Add(1)
		send(t, c,
			segment(packet.Segment{Seq: isn.Add(1), Ack: rcvNxt, Flags: packet.ACK}),
			segment(packet.Segment{Seq: isn.Add(1), Ack: rcvNxt, Flags: packet.ACK | packet.PSH, Payload: []byte("ping")}))
		answer, _, _ := next(t, c, func(p packet.Packet) bool { return p.TCP.Flags.Has(packet.RST) || p.TCP.Ack == isn.Add(5) })
		if answer.TCP.Flags.Has(packet.RST) {
			t.Fatalf("the server knows no such connection: %v", answer)
		}

		conn, err := server.Accept()
		if err != nil {
			t.Fatal(err)
		}
		defer conn.Close() //nolint:errcheck // we reset it below
		var ping [4]byte
		if _, err := conn.Read(ping[:]); err != nil || string(ping[:]) != "ping" {
			t.Fatalf("the server read %q, %v", ping, err)
		}
		if _, err := conn.Write([]byte("pong")); err != nil {
			t.Fatal(err)
		}
		pong, _, _ := next(t, c, func(p packet.Packet) bool { return len(p.TCP.Payload) > 0 })
		if got := string(pong.TCP.Payload); got != "pong" {
			t.Fatalf("the server said %q", got)
		}

		segments := sniff.seen(t)
		if len(segments) < 5 { // SYN, SYN/ACK, ACK, ping, pong
			t.Fatalf("the sniffer saw only %v", segments)
		}
		for _, p := range segments {
			if p.TCP.Flags.Has(packet.RST) {
				t.Errorf("a RST was sent: %v", p)
			}
		}
		send(t, c, segment(packet.Segment{Seq: isn.Add(5), Flags: packet.RST}))
	})
}

// The same SYN from a port outside the guard: the kernel does answer.
func TestWithoutGuardKernelResets(t *testing.T) {
	eachFamily(t, func(t *testing.T, local netip.Addr) {
		_, remote := listen(t, local)
		c := open(t, Config{Source: local, Ports: 1})
		sniff := newSniffer(t, local)
		us := netip.AddrPortFrom(local, c.Ports()[0]-1)
		send(t, c, buildSegment(t, us, remote, packet.SYN))
		var flags []packet.Flags
		for !slices.Contains(flags, packet.RST) {
			if _, err := unix.Poll([]unix.PollFd{{Fd: int32(sniff.fd), Events: unix.POLLIN}}, -1); err != nil && !errors.Is(err, unix.EINTR) {
				t.Fatal(err)
			}
			for _, p := range sniff.seen(t) {
				flags = append(flags, p.TCP.Flags)
			}
		}
		if want := []packet.Flags{packet.SYN, packet.SYN | packet.ACK, packet.RST}; !slices.Equal(flags, want) {
			t.Errorf("segments = %v, want %v", flags, want)
		}
	})
}

func TestGuardReservesPorts(t *testing.T) {
	eachFamily(t, func(t *testing.T, local netip.Addr) {
		c := open(t, Config{Source: local, Ports: 5})
		ports := c.Ports()
		if len(ports) != 5 || ports[0] < minPort || ports[4] > maxPort {
			t.Fatalf("ports = %v", ports)
		}
		for i, port := range ports {
			if port != ports[0]+uint16(i) {
				t.Fatalf("ports = %v, want consecutive ones", ports)
			}
			if err := tryBind(local, port); !errors.Is(err, unix.EADDRINUSE) {
				t.Errorf("bind to guarded port %d: %v, want %v", port, err, unix.EADDRINUSE)
			}
		}
		if err := c.Close(); err != nil {
			t.Fatal(err)
		}
		for _, port := range ports {
			if err := tryBind(local, port); err != nil {
				t.Errorf("bind after Close: %v", err)
			}
		}
	})
}

// With one port in a hundred taken there is no block of 100, but many of 20.
func TestGuardEndsItsSearch(t *testing.T) {
	eachFamily(t, func(t *testing.T, local netip.Addr) {
		for port := minPort; port <= maxPort; port += 100 {
			l, err := net.ListenTCP("tcp", net.TCPAddrFromAddrPort(netip.AddrPortFrom(local, uint16(port))))
			if err != nil {
				t.Fatal(err)
			}
			defer l.Close() //nolint:errcheck // a listener that nobody used
		}
		if _, err := newGuard(local, 0, 100); !errors.Is(err, ErrNoPorts) {
			t.Errorf("error = %v, want %v", err, ErrNoPorts)
		}
		g, err := newGuard(local, 0, 20)
		if err != nil {
			t.Fatalf("a block between the taken ports: %v", err)
		}
		if err := g.close(); err != nil {
			t.Error(err)
		}
	})
}

func TestGuardGoesWithTheProcess(t *testing.T) {
	eachFamily(t, func(t *testing.T, local netip.Addr) {
		cmd := exec.Command(os.Args[0])
		cmd.Env = append(os.Environ(), helperEnv+"=guard", "RAWSOCK_TEST_SOURCE="+local.String())
		cmd.Stderr = os.Stderr
		stdout, err := cmd.StdoutPipe()
		if err != nil {
			t.Fatal(err)
		}
		if err := cmd.Start(); err != nil { // in this thread's namespace
			t.Fatal(err)
		}
		var port uint16
		if _, err := fmt.Fscanln(bufio.NewReader(stdout), &port); err != nil {
			t.Fatal(err)
		}
		if err := tryBind(local, port); !errors.Is(err, unix.EADDRINUSE) {
			t.Errorf("bind while the guard lives: %v, want %v", err, unix.EADDRINUSE)
		}
		if err := cmd.Process.Kill(); err != nil {
			t.Fatal(err)
		}
		var exit *exec.ExitError
		if err := cmd.Wait(); !errors.As(err, &exit) || exit.Sys().(syscall.WaitStatus).Signal() != unix.SIGKILL {
			t.Fatalf("the helper ended with %v, want SIGKILL", err)
		}
		if err := tryBind(local, port); err != nil {
			t.Errorf("bind after SIGKILL: %v", err)
		}
		conn, err := nftables.New()
		if err != nil {
			t.Fatal(err)
		}
		tables, err := conn.ListTables()
		if err != nil {
			t.Fatal(err)
		}
		if len(tables) > 0 {
			t.Errorf("%d firewall tables were left behind", len(tables))
		}
	})
}

// holdGuard guards a port, names it and waits to be killed.
func holdGuard() error {
	local, err := netip.ParseAddr(os.Getenv("RAWSOCK_TEST_SOURCE"))
	if err != nil {
		return err
	}
	c, err := Open(Config{Source: local, Ports: 1})
	if err != nil {
		return err
	}
	fmt.Println(c.Ports()[0])
	for {
		if _, err := c.Receive(make([]wire.Frame, 1), time.Time{}); err != nil {
			return err
		}
	}
}

func TestOpenUnprivileged(t *testing.T) {
	testenv.Need(t, "root")
	cmd := exec.Command(os.Args[0])
	cmd.Env = append(os.Environ(), helperEnv+"=unprivileged")
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Errorf("%v\n%s", err, out)
	}
}

// openUnprivileged gives its privileges up and checks what Open then says.
func openUnprivileged() error {
	const nobody = 65534
	if err := syscall.Setgroups(nil); err != nil {
		return err
	}
	if err := syscall.Setresgid(nobody, nobody, nobody); err != nil {
		return err
	}
	if err := syscall.Setresuid(nobody, nobody, nobody); err != nil {
		return err
	}
	for _, local := range loopbacks {
		_, err := Open(Config{Source: local, Ports: 1})
		if !errors.Is(err, os.ErrPermission) {
			return fmt.Errorf("error = %v, want %w", err, os.ErrPermission)
		}
	}
	return nil
}

func tryBind(local netip.Addr, port uint16) error {
	fd, err := unix.Socket(domain(local), unix.SOCK_STREAM|unix.SOCK_CLOEXEC, unix.IPPROTO_TCP)
	if err != nil {
		return err
	}
	return errors.Join(unix.Bind(fd, sockaddr(local, 0, port)), unix.Close(fd))
}
