package netlab

import (
	"encoding/binary"
	"errors"
	"net/netip"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/vishvananda/netns"
	"golang.org/x/sys/unix"

	"github.com/rstprobe/rstprobe/internal/packet"
)

var sameAddr = cmp.Comparer(func(a, b netip.Addr) bool { return a == b })

// probe is an ordinary connection attempt to the server with a TTL.
type probe struct {
	port uint16
	ttl  int
}

// expire makes the attempts in order, waits for an ICMP error about the last,
// and returns who sent an error about each, the zero Addr for nobody.
func expire(t *testing.T, n *Net, probes ...probe) []netip.Addr {
	t.Helper()
	out := make([]netip.Addr, len(probes))
	err := n.Client(func() error {
		var fds []int
		for _, p := range probes {
			fd, err := attempt(n.top.ServerAddr(), p)
			if err != nil {
				return err
			}
			defer unix.Close(fd) //nolint:errcheck // a socket without data
			fds = append(fds, fd)
		}
		last := []unix.PollFd{{Fd: int32(fds[len(fds)-1])}} //nolint:gosec // a descriptor
		if _, err := unix.Poll(last, int(patience.Milliseconds())); err != nil {
			return err
		}
		for i, fd := range fds {
			var err error
			if out[i], err = offender(fd); err != nil {
				return err
			}
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	return out
}

func attempt(to netip.Addr, p probe) (int, error) {
	family, level, ttl, recvErr := unix.AF_INET, unix.IPPROTO_IP, unix.IP_TTL, unix.IP_RECVERR
	var server unix.Sockaddr = &unix.SockaddrInet4{Port: int(p.port), Addr: addr4(to)}
	if to.Is6() {
		family, level, ttl, recvErr = unix.AF_INET6, unix.IPPROTO_IPV6, unix.IPV6_UNICAST_HOPS, unix.IPV6_RECVERR
		server = &unix.SockaddrInet6{Port: int(p.port), Addr: to.As16()}
	}
	fd, err := unix.Socket(family, unix.SOCK_STREAM|unix.SOCK_NONBLOCK|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		return -1, err
	}
	err = errors.Join(unix.SetsockoptInt(fd, level, ttl, p.ttl), unix.SetsockoptInt(fd, level, recvErr, 1))
	// The error may come before connect returns.
	if e := unix.Connect(fd, server); !errors.Is(e, unix.EINPROGRESS) && !errors.Is(e, unix.EHOSTUNREACH) {
		err = errors.Join(err, e)
	}
	return fd, err
}

func addr4(a netip.Addr) [4]byte {
	if a.Is4() {
		return a.As4()
	}
	return [4]byte{}
}

// offender is the sender of the ICMP error in the socket's error queue: the
// address behind struct sock_extended_err (ip(7)).
func offender(fd int) (netip.Addr, error) {
	b, oob := make([]byte, 2048), make([]byte, 512)
	_, oobn, _, _, err := unix.Recvmsg(fd, b, oob, unix.MSG_ERRQUEUE|unix.MSG_DONTWAIT)
	if errors.Is(err, unix.EAGAIN) {
		return netip.Addr{}, nil
	}
	if err != nil {
		return netip.Addr{}, err
	}
	messages, err := unix.ParseSocketControlMessage(oob[:oobn])
	if err != nil {
		return netip.Addr{}, err
	}
	const extendedErr = 16
	for _, m := range messages {
		if len(m.Data) < extendedErr+8 {
			continue
		}
		from := m.Data[extendedErr:]
		switch binary.NativeEndian.Uint16(from) {
		case unix.AF_INET:
			return netip.AddrFrom4([4]byte(from[4:8])), nil
		case unix.AF_INET6:
			return netip.AddrFrom16([16]byte(from[8:24])), nil
		}
	}
	return netip.Addr{}, nil
}

// awaitReset watches what arrives at an interface of a node; the function
// that it returns waits for the next RST.
func awaitReset(t *testing.T, node netns.NsHandle, name string) func() packet.Packet {
	t.Helper()
	return await(t, node, name, func(s packet.Segment) bool { return s.Flags.Has(packet.RST) })
}

// await watches what arrives at an interface of a node; the function that it
// returns waits for the next segment that is wanted.
func await(t *testing.T, node netns.NsHandle, name string, wanted func(packet.Segment) bool) func() packet.Packet {
	t.Helper()
	fd := -1
	err := inside(node, func() (err error) {
		if fd, err = frameSocket(name); err != nil {
			return err
		}
		timeout := unix.NsecToTimeval(patience.Nanoseconds())
		return unix.SetsockoptTimeval(fd, unix.SOL_SOCKET, unix.SO_RCVTIMEO, &timeout)
	})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = unix.Close(fd) })
	return func() packet.Packet {
		t.Helper()
		frame := make([]byte, maxFrame)
		for {
			length, err := unix.Read(fd, frame)
			if errors.Is(err, unix.EINTR) {
				continue
			}
			if err != nil {
				t.Fatalf("wait for a segment: %v", err)
			}
			if p, ok := datagram(frame[:length]); ok && p.Proto == packet.TCP && wanted(p.TCP) {
				return p
			}
		}
	}
}
