package rawsock

import (
	"errors"
	"fmt"
	"net/netip"

	"golang.org/x/sys/unix"
)

// SourceFor is the local address that the kernel would send from to reach
// dst, by iface unless that is empty. A link-local address has its zone. It
// sends nothing: connecting a datagram socket only looks the route up.
//
// The error is [ErrNoRoute], with the kernel's errno in the chain, where
// there is no way to dst.
func SourceFor(dst netip.Addr, iface string) (netip.Addr, error) {
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
	const discard = 9 // any port but 0 does
	if err := unix.Connect(fd, sockaddr(dst, scope, discard)); err != nil {
		if noRoute(err) {
			err = fmt.Errorf("%w: %w", ErrNoRoute, err)
		}
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

// noRoute reports whether connect failed because of the routing table.
func noRoute(err error) bool {
	for _, errno := range []unix.Errno{
		unix.ENETUNREACH,   // no route, or one of type unreachable (IPv6)
		unix.EHOSTUNREACH,  // a route of type unreachable
		unix.EINVAL,        // a route of type blackhole
		unix.EADDRNOTAVAIL, // IPv6: a route, but no address to send from
	} {
		if errors.Is(err, errno) {
			return true
		}
	}
	return false
}
