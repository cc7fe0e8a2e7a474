package doctor

import (
	"errors"
	"fmt"
	"net/netip"
	"os"
	"time"

	"golang.org/x/sys/unix"
)

const (
	// patience is how long an answer from the first router or nearer may
	// take. The kernel would send the SYN again after it.
	patience = time.Second

	// again is the same once it is known how fast the answer comes.
	again = 200 * time.Millisecond
)

// testTarget finds out whether anybody answers for a target before a packet
// to it has passed a router: by ordinary sockets, so without privilege.
func testTarget(t Target) TargetFacts {
	f := TargetFacts{Name: t.Name, Addr: t.Addr, Err: t.Err}
	if f.Err != nil {
		return f
	}
	if f.Local, f.Neighbor, f.Err = place(t.Addr.Addr()); f.Err != nil || f.Local {
		return f
	}
	var errno error
	errno, f.After, f.Err = attempt(t.Addr, 0, patience)
	f.Answered, f.Refused = answered(errno), errors.Is(errno, unix.ECONNREFUSED)
	if !f.Answered || f.Err != nil {
		return f
	}
	// The kernel drops answers below the least TTL that the socket takes, so
	// the highest one that still works says how many routers were crossed.
	for _, ttl := range []int{255, 128, 64} {
		errno, _, err := attempt(t.Addr, ttl, again)
		if err != nil {
			f.Err = err
			return f
		}
		if answered(errno) {
			f.MinTTL = ttl
			break
		}
	}
	return f
}

// answered reports whether connecting ended by a segment of a peer.
func answered(errno error) bool { return errno == nil || errors.Is(errno, unix.ECONNREFUSED) }

// attempt connects with a TTL of 1 and resets what comes of it. errno is how
// connecting ended, os.ErrDeadlineExceeded if it did not; after is how long it
// took. err means that there could be no attempt.
func attempt(to netip.AddrPort, minTTL int, wait time.Duration) (errno error, after time.Duration, err error) {
	domain, level := unix.AF_INET, unix.IPPROTO_IP
	options := [3]int{unix.IP_TTL, unix.IP_RECVERR, unix.IP_MINTTL}
	var sa unix.Sockaddr
	if ip := to.Addr(); ip.Is6() {
		domain, level = unix.AF_INET6, unix.IPPROTO_IPV6
		options = [3]int{unix.IPV6_UNICAST_HOPS, unix.IPV6_RECVERR, unix.IPV6_MINHOPCOUNT}
		scope, err := zone(ip)
		if err != nil {
			return nil, 0, err
		}
		sa = &unix.SockaddrInet6{Addr: ip.As16(), Port: int(to.Port()), ZoneId: scope}
	} else {
		sa = &unix.SockaddrInet4{Addr: ip.As4(), Port: int(to.Port())}
	}
	fd, err := unix.Socket(domain, unix.SOCK_STREAM|unix.SOCK_CLOEXEC|unix.SOCK_NONBLOCK, unix.IPPROTO_TCP)
	if err != nil {
		return nil, 0, fmt.Errorf("doctor: open a socket: %w", err)
	}
	defer unix.Close(fd) //nolint:errcheck // nothing was written
	for i, value := range []int{1, 1, minTTL} {
		if err := unix.SetsockoptInt(fd, level, options[i], value); err != nil {
			return nil, 0, fmt.Errorf("doctor: limit a socket to one hop (option %d): %w", options[i], err)
		}
	}
	// Closing resets: a FIN with this TTL would be sent again for minutes.
	if err := unix.SetsockoptLinger(fd, unix.SOL_SOCKET, unix.SO_LINGER, &unix.Linger{Onoff: 1}); err != nil {
		return nil, 0, fmt.Errorf("doctor: have a socket reset on closing: %w", err)
	}
	begun := time.Now()
	err = unix.Connect(fd, sa)
	if err == nil || errors.Is(err, unix.ECONNREFUSED) {
		return err, time.Since(begun), nil
	}
	if !errors.Is(err, unix.EINPROGRESS) {
		return nil, 0, fmt.Errorf("doctor: connect to %v: %w", to, err)
	}
	for {
		left := wait - time.Since(begun)
		if left <= 0 {
			return os.ErrDeadlineExceeded, wait, nil
		}
		timeout := unix.NsecToTimespec(left.Nanoseconds())
		n, err := unix.Ppoll([]unix.PollFd{{Fd: int32(fd), Events: unix.POLLOUT}}, &timeout, nil) //nolint:gosec // a descriptor fits
		if err != nil && !errors.Is(err, unix.EINTR) {
			return nil, 0, fmt.Errorf("doctor: wait for an answer: %w", err)
		}
		if n > 0 {
			break
		}
	}
	after = time.Since(begun)
	code, err := unix.GetsockoptInt(fd, unix.SOL_SOCKET, unix.SO_ERROR)
	if err != nil {
		return nil, 0, fmt.Errorf("doctor: ask how connecting ended: %w", err)
	}
	if code != 0 {
		errno = unix.Errno(code) //nolint:gosec // an errno is positive
	}
	return errno, after, nil
}
