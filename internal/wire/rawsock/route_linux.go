package rawsock

import (
	"errors"
	"fmt"
	"net/netip"

	"golang.org/x/sys/unix"
)

// SourceFor is the local address that the kernel would send from to reach
// dst, by iface unless that is empty; from is that address where it is chosen
// already, and otherwise invalid. A link-local address has its zone. It sends
// nothing: connecting a datagram socket only looks the route up.
//
// The error is [ErrNoRoute], with the kernel's errno in the chain, where
// there is no way to dst, and [ErrBroadcast] where dst is everybody.
func SourceFor(dst, from netip.Addr, iface string) (netip.Addr, error) {
	dst = dst.Unmap()
	if !dst.IsValid() {
		return netip.Addr{}, errors.New("rawsock: source for no destination")
	}
	scope, err := scope(dst, iface)
	if err != nil {
		return netip.Addr{}, err
	}
	if scope == 0 && dst.Is6() && dst.IsLinkLocalUnicast() {
		return netip.Addr{}, fmt.Errorf("rawsock: source for %v: a link-local address needs a zone or an interface", dst)
	}
	fd, err := unix.Socket(domain(dst), unix.SOCK_DGRAM|unix.SOCK_CLOEXEC, unix.IPPROTO_UDP)
	if err != nil {
		return netip.Addr{}, fmt.Errorf("rawsock: open a datagram socket: %w", err)
	}
	defer unix.Close(fd) //nolint:errcheck // nothing was written
	if err := bindToDevice(fd, iface); err != nil {
		return netip.Addr{}, err
	}
	if from.IsValid() { // routes may depend on it
		if err := unix.Bind(fd, sockaddr(from, scope, 0)); err != nil {
			return netip.Addr{}, fmt.Errorf("rawsock: send from %v: %w", from, err)
		}
	}
	if err := lookUp(fd, sockaddr(dst, scope, discard)); err != nil {
		return netip.Addr{}, fmt.Errorf("rawsock: source for %v: %w", dst, err)
	}
	sa, err := unix.Getsockname(fd)
	if err != nil {
		return netip.Addr{}, fmt.Errorf("rawsock: source for %v: %w", dst, err)
	}
	switch sa := sa.(type) {
	case *unix.SockaddrInet4:
		return netip.AddrFrom4(sa.Addr), nil
	case *unix.SockaddrInet6:
		addr := netip.AddrFrom16(sa.Addr)
		if addr.IsLinkLocalUnicast() {
			addr = addr.WithZone(fmt.Sprint(sa.ZoneId))
		}
		return addr, nil
	}
	return netip.Addr{}, fmt.Errorf("rawsock: source for %v: unknown kind of address %T", dst, sa)
}

// discard is a port; any but 0 does.
const discard = 9

// lookUp has the kernel find the route to an address, and says whose fault it
// is that there is none.
func lookUp(fd int, to unix.Sockaddr) error {
	err := unix.Connect(fd, to)
	// The same errno is that of a broadcast, for want of an option, and that
	// of a route of type prohibit, with or without it.
	if errors.Is(err, unix.EACCES) {
		if err := unix.SetsockoptInt(fd, unix.SOL_SOCKET, unix.SO_BROADCAST, 1); err != nil {
			return fmt.Errorf("allow broadcasts: %w", err)
		}
		if unix.Connect(fd, to) == nil {
			return ErrBroadcast
		}
	}
	if noRoute(err) {
		return fmt.Errorf("%w: %w", ErrNoRoute, err)
	}
	return err
}

// noRoute reports whether connect failed because of the routing table.
func noRoute(err error) bool {
	for _, errno := range []unix.Errno{
		unix.ENETUNREACH,   // no route, or one of type unreachable (IPv6)
		unix.EHOSTUNREACH,  // a route of type unreachable
		unix.EACCES,        // a route of type prohibit
		unix.EINVAL,        // a route of type blackhole
		unix.EADDRNOTAVAIL, // IPv6: a route, but no address to send from
	} {
		if errors.Is(err, errno) {
			return true
		}
	}
	return false
}
