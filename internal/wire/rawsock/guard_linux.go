package rawsock

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"net/netip"

	"golang.org/x/sys/unix"
)

// guardTries bounds the search for a free block. With one port in ten taken
// a block of 40 is free in one try of 70, so a busy host needs many tries;
// each is a few microseconds, as it ends at the first port that is taken.
const guardTries = 1000

// guard is a block of local TCP ports that the kernel leaves to us.
//
// Each port is an ordinary listening socket whose filter accepts 0 bytes:
// the kernel's lookup finds the listener, so no RST answers a SYN/ACK to it,
// and the filter discards the segment, so the listener never speaks. The
// sockets also reserve the ports, and end with the process however it ends.
// One guarded port serves any number of peers.
//
// Some kernels want CAP_NET_ADMIN for a filter on a TCP socket. Then the
// listener takes segments with a TTL of 255 only, so none that has passed a
// router. Should a host on a link of ours start from 255, the kernel resets
// what it answers.
type guard struct {
	first uint16
	fds   []int
}

// newGuard guards n consecutive ports of source, chosen at random so that
// two runs do not meet the leftovers of each other's connections.
func newGuard(source netip.Addr, scope uint32, n int) (*guard, error) {
	for range guardTries {
		g := &guard{first: uint16(minPort + rand.IntN(maxPort-minPort+2-n))}
		err := g.open(source, scope, n)
		if err == nil {
			return g, nil
		}
		if err := g.close(); err != nil {
			return nil, err
		}
		if !errors.Is(err, unix.EADDRINUSE) {
			return nil, err
		}
	}
	return nil, fmt.Errorf("rawsock: guard %d ports of %v: %w in %d tries", n, source, ErrNoPorts, guardTries)
}

func (g *guard) open(source netip.Addr, scope uint32, n int) error {
	for i := range n {
		port := g.first + uint16(i)
		fd, err := unix.Socket(domain(source), unix.SOCK_STREAM|unix.SOCK_CLOEXEC|unix.SOCK_NONBLOCK, unix.IPPROTO_TCP)
		if err != nil {
			return fmt.Errorf("rawsock: open a guard socket: %w", err)
		}
		g.fds = append(g.fds, fd)
		if source.Is6() {
			if err := unix.SetsockoptInt(fd, unix.IPPROTO_IPV6, unix.IPV6_V6ONLY, 1); err != nil {
				return fmt.Errorf("rawsock: keep a guard socket to IPv6: %w", err)
			}
		}
		// Before bind: from then on segments may arrive.
		if err := mute(fd, source.Is6()); err != nil {
			return err
		}
		if err := unix.Bind(fd, sockaddr(source, scope, port)); err != nil {
			return fmt.Errorf("rawsock: guard %v: %w", netip.AddrPortFrom(source, port), err)
		}
		if err := unix.Listen(fd, 1); err != nil { // nothing ever gets into the backlog
			return fmt.Errorf("rawsock: guard %v: %w", netip.AddrPortFrom(source, port), err)
		}
	}
	return nil
}

// mute keeps a listening socket from answering.
func mute(fd int, is6 bool) error {
	err := attach(fd, guardFilter())
	if errors.Is(err, unix.EPERM) {
		return takeNeighborsOnly(fd, is6)
	}
	return err
}

// takeNeighborsOnly has the socket drop whatever has a TTL below 255.
func takeNeighborsOnly(fd int, is6 bool) error {
	level, option := unix.IPPROTO_IP, unix.IP_MINTTL
	if is6 {
		level, option = unix.IPPROTO_IPV6, unix.IPV6_MINHOPCOUNT
	}
	if err := unix.SetsockoptInt(fd, level, option, 255); err != nil {
		return fmt.Errorf("rawsock: set the least TTL of a guard socket: %w", err)
	}
	return nil
}

func (g *guard) close() error {
	var errs []error
	for _, fd := range g.fds {
		errs = append(errs, unix.Close(fd))
	}
	g.fds = nil
	return errors.Join(errs...)
}

func (g *guard) ports() []uint16 {
	ports := make([]uint16, len(g.fds))
	for i := range ports {
		ports[i] = g.first + uint16(i)
	}
	return ports
}
