//go:build !portable

package kernelconn

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"os"
	"strconv"
	"syscall"
	"time"
	"unsafe"

	"golang.org/x/sys/unix"

	"github.com/rstprobe/rstprobe/internal/packet"
	"github.com/rstprobe/rstprobe/probe"
)

// hasFloor and tellsAcks say what this system's sockets can do; see the portable ones.
const hasFloor, tellsAcks = true, true

// supported reports whether this system can carry out a trial that ordinary
// sockets can.
func supported(probe.Trial) bool { return true }

// openable is how many sockets may be open at a time: half of what the process
// may open.
func openable() int {
	var limit unix.Rlimit
	if err := unix.Getrlimit(unix.RLIMIT_NOFILE, &limit); err != nil {
		return sockets
	}
	return int(min(limit.Cur/2, sockets)) //nolint:gosec // at most sockets
}

// socket is a TCP socket that never blocks.
type socket struct {
	file  *os.File
	raw   syscall.RawConn
	v6    bool
	peer  unix.Sockaddr
	local netip.AddrPort
	ttl   uint8 // that the system gives our segments
}

// newSocket is a socket bound to a local address, with a port of the system's
// choice if that is 0.
func newSocket(local, remote netip.AddrPort, iface string) (*socket, error) {
	s := &socket{v6: remote.Addr().Is6()}
	domain := unix.AF_INET
	if s.v6 {
		domain = unix.AF_INET6
	}
	fd, err := unix.Socket(domain, unix.SOCK_STREAM|unix.SOCK_NONBLOCK|unix.SOCK_CLOEXEC, unix.IPPROTO_TCP)
	if err != nil {
		return nil, fmt.Errorf("kernelconn: open a socket: %w", err)
	}
	s.file = os.NewFile(uintptr(fd), "tcp") // a non-blocking descriptor, so the runtime polls it
	if err := s.prepare(fd, local, remote, iface); err != nil {
		return nil, errors.Join(err, s.file.Close())
	}
	return s, nil
}

func (s *socket) prepare(fd int, local, remote netip.AddrPort, iface string) (err error) {
	if s.raw, err = s.file.SyscallConn(); err != nil {
		return fmt.Errorf("kernelconn: %w", err)
	}
	if iface != "" {
		if err := unix.BindToDevice(fd, iface); err != nil {
			return fmt.Errorf("kernelconn: leave by interface %s: %w", iface, err)
		}
	}
	if local.Port() != 0 {
		// A port of ours is used again after it was given back.
		if err := unix.SetsockoptInt(fd, unix.SOL_SOCKET, unix.SO_REUSEADDR, 1); err != nil {
			return fmt.Errorf("kernelconn: use port %d again: %w", local.Port(), err)
		}
	}
	from, err := sockaddr(local, iface)
	if err != nil {
		return err
	}
	if s.peer, err = sockaddr(remote, iface); err != nil {
		return err
	}
	if err := unix.Bind(fd, from); err != nil {
		return fmt.Errorf("kernelconn: bind to %v: %w", local, err)
	}
	bound, err := unix.Getsockname(fd)
	if err != nil {
		return fmt.Errorf("kernelconn: find our port: %w", err)
	}
	s.local = netip.AddrPortFrom(local.Addr(), portOf(bound))
	ttl, err := unix.GetsockoptInt(fd, s.level(), pick(s.v6, unix.IPV6_UNICAST_HOPS, unix.IP_TTL))
	if err != nil {
		return fmt.Errorf("kernelconn: read the TTL: %w", err)
	}
	s.ttl = uint8(ttl) //nolint:gosec // 1 … 255
	// Segments leave as they are given to us, and ICMP errors are told at once
	// and in full rather than when the kernel gives the connection up.
	return errors.Join(
		option(fd, unix.IPPROTO_TCP, unix.TCP_NODELAY, 1),
		option(fd, s.level(), pick(s.v6, unix.IPV6_RECVERR, unix.IP_RECVERR), 1),
		option(fd, s.level(), pick(s.v6, unix.IPV6_RECVHOPLIMIT, unix.IP_RECVTTL), 1),
	)
}

func (s *socket) level() int { return pick(s.v6, unix.IPPROTO_IPV6, unix.IPPROTO_IP) }

func pick(v6 bool, six, four int) int {
	if v6 {
		return six
	}
	return four
}

func option(fd, level, name, value int) error {
	if err := unix.SetsockoptInt(fd, level, name, value); err != nil {
		return fmt.Errorf("kernelconn: set socket option %d of level %d to %d: %w", name, level, value, err)
	}
	return nil
}

// set sets an option of the open socket.
func (s *socket) set(level, name, value int) error {
	var err error
	if failed := s.raw.Control(func(fd uintptr) { err = option(int(fd), level, name, value) }); failed != nil {
		return fmt.Errorf("kernelconn: %w", failed)
	}
	return err
}

// systemTTL gives the choice back to the system.
const systemTTL = -1

// setTTL limits the TTL of what is sent from now on.
func (s *socket) setTTL(ttl int) error {
	return s.set(s.level(), pick(s.v6, unix.IPV6_UNICAST_HOPS, unix.IP_TTL), ttl)
}

// setFloor makes the socket deaf to packets that arrive with less remaining
// TTL; 0 hears all (ip(7) IP_MINTTL, RFC 5082).
func (s *socket) setFloor(ttl int) error {
	return s.set(s.level(), pick(s.v6, unix.IPV6_MINHOPCOUNT, unix.IP_MINTTL), ttl)
}

// setMSS announces an MSS and keeps to it.
func (s *socket) setMSS(mss uint16) error { return s.set(unix.IPPROTO_TCP, unix.TCP_MAXSEG, int(mss)) }

// abort closes the connection with a reset that goes all the way. A close
// would leave the copy that expired to be sent again, with a FIN behind it,
// and our port in TIME_WAIT.
func (s *socket) abort() error {
	err := s.setTTL(systemTTL)
	failed := s.raw.Control(func(fd uintptr) {
		err = errors.Join(err, unix.SetsockoptLinger(int(fd), unix.SOL_SOCKET, unix.SO_LINGER, &unix.Linger{Onoff: 1}))
	})
	return errors.Join(err, failed, s.file.Close())
}

// close closes a socket that has sent nothing.
func (s *socket) close() error {
	if err := s.file.Close(); err != nil {
		return fmt.Errorf("kernelconn: %w", err)
	}
	return nil
}

// distantPast makes every wait end.
var distantPast = time.Unix(1, 0)

// await calls ready whenever the socket may have become readable, or writable
// where wait is that of writers, and once before, until it says so, or until a
// time, which is errTimeout. An ended context is its error. Every error of the
// socket wakes both.
func (s *socket) await(ctx context.Context, until time.Time, wait func(func(fd uintptr) bool) error, ready func(fd int) bool) error {
	if err := s.file.SetDeadline(until); err != nil {
		return fmt.Errorf("kernelconn: %w", err)
	}
	stop := context.AfterFunc(ctx, func() { _ = s.file.SetDeadline(distantPast) })
	defer stop()
	err := wait(func(fd uintptr) bool { return ready(int(fd)) })
	switch {
	case err == nil:
		return nil
	case ctx.Err() != nil:
		return ctx.Err()
	case errors.Is(err, os.ErrDeadlineExceeded):
		return errTimeout
	}
	return fmt.Errorf("kernelconn: %w", err)
}

// connect opens the connection and calls left when the SYN has left. how is
// why it could not be opened: see told.
func (s *socket) connect(ctx context.Context, until time.Time, left func()) (how, err error) {
	err = s.await(ctx, until, s.raw.Write, func(fd int) bool {
		how = unix.Connect(fd, s.peer)
		left()
		// An ICMP error that comes while the kernel is still sending does not
		// end the attempt, but stands in the queue all the same.
		if e, ok := nextError(fd); ok {
			how = e
			return true
		}
		switch how { //nolint:errorlint // an errno
		case unix.EINPROGRESS, unix.EALREADY, unix.EINTR:
			return false
		case unix.EISCONN:
			how = nil
		}
		return true
	})
	return told(how), err
}

// write gives the kernel a segment. It takes more of a fresh connection at
// once than any stimulus has (tcp_wmem). how is why it takes no more: see
// toldStanding.
func (s *socket) write(b []byte, limited bool) (n int, how error) {
	control := s.raw.Control(func(fd uintptr) { n, how = unix.SendmsgN(int(fd), b, nil, nil, unix.MSG_NOSIGNAL) })
	return max(n, 0), errors.Join(control, toldStanding(how, limited, s.v6))
}

// read waits for data, the end of the stream (0 bytes), or how the connection
// failed: see toldStanding. Behind its end there is only the latter.
func (s *socket) read(ctx context.Context, until time.Time, buffer []byte, ended, limited bool) (n int, how, err error) {
	err = s.await(ctx, until, s.raw.Read, func(fd int) bool {
		if ended { // which is all that reading gives
			var code int
			if code, how = unix.GetsockoptInt(fd, unix.SOL_SOCKET, unix.SO_ERROR); how == nil && code != 0 {
				how = unix.Errno(code) //nolint:gosec // an errno
			}
			return how != nil
		}
		n, how = unix.Read(fd, buffer)
		return how != unix.EAGAIN && how != unix.EINTR //nolint:errorlint // an errno
	})
	return n, toldStanding(how, limited, s.v6), err
}

// info asks the kernel what it knows of the connection (TCP_INFO, tcp(7)).
func (s *socket) info() (info, error) {
	var i *unix.TCPInfo
	var err error
	failed := s.raw.Control(func(fd uintptr) { i, err = unix.GetsockoptTCPInfo(int(fd), unix.IPPROTO_TCP, unix.TCP_INFO) })
	if err = errors.Join(failed, err); err != nil {
		return info{}, fmt.Errorf("kernelconn: read TCP_INFO: %w", err)
	}
	return info{
		resent:   int(i.Total_retrans),
		held:     i.Retrans == 0,               // unlike Total_retrans it counts what the packet filter of this machine let out
		acked:    max(0, int(i.Bytes_acked)-1), //nolint:gosec // far from overflow. The SYN counts as one (RFC 4898 tcpEStatsAppHCThruOctetsAcked)
		sinceAck: time.Duration(i.Last_ack_recv) * time.Millisecond,
		rto:      time.Duration(i.Rto) * time.Microsecond,
	}, nil
}

// nextError takes an ICMP error out of the socket's error queue. There is none
// about a connection that stands: the kernel keeps those to itself.
func nextError(fd int) (e icmpError, ok bool) {
	quote, control := make([]byte, 256), make([]byte, 512) // as much of either as anybody sends
	_, n, _, _, err := unix.Recvmsg(fd, quote, control, unix.MSG_ERRQUEUE)
	if err != nil {
		return e, false
	}
	messages, err := unix.ParseSocketControlMessage(control[:n])
	if err != nil {
		return e, false
	}
	for _, m := range messages {
		switch {
		case isTTL(m):
			e.ttl = uint8(*(*int32)(unsafe.Pointer(&m.Data[0]))) //nolint:gosec // an int of the kernel's, 0 … 255
		case isError(m):
			e.from, e.icmp, ok = readError(m.Data)
		}
	}
	return e, ok
}

func isTTL(m unix.SocketControlMessage) bool {
	return len(m.Data) >= 4 && (m.Header.Level == unix.IPPROTO_IP && m.Header.Type == unix.IP_TTL ||
		m.Header.Level == unix.IPPROTO_IPV6 && m.Header.Type == unix.IPV6_HOPLIMIT)
}

func isError(m unix.SocketControlMessage) bool {
	return m.Header.Level == unix.IPPROTO_IP && m.Header.Type == unix.IP_RECVERR ||
		m.Header.Level == unix.IPPROTO_IPV6 && m.Header.Type == unix.IPV6_RECVERR
}

// readError reads a struct sock_extended_err and the address of who sent the
// error behind it (ip(7) IP_RECVERR).
func readError(b []byte) (from netip.Addr, e packet.ICMPError, ok bool) {
	var ee unix.SockExtendedErr
	const size = int(unsafe.Sizeof(ee))
	if len(b) < size {
		return from, e, false
	}
	ee = *(*unix.SockExtendedErr)(unsafe.Pointer(&b[0])) //nolint:gosec // long enough, and the kernel's own layout
	v6 := ee.Origin == unix.SO_EE_ORIGIN_ICMP6
	if !v6 && ee.Origin != unix.SO_EE_ORIGIN_ICMP {
		return from, e, false
	}
	const v4At, v6At = 4, 8 // of the address in a sockaddr
	switch offender := b[size:]; {
	case v6 && len(offender) >= v6At+16:
		from = netip.AddrFrom16([16]byte(offender[v6At : v6At+16]))
	case !v6 && len(offender) >= v4At+4:
		from = netip.AddrFrom4([4]byte(offender[v4At : v4At+4]))
	}
	e = packet.ICMPError{Kind: kindOf(ee.Type, ee.Code, v6), Type: ee.Type, Code: ee.Code}
	if e.Kind == packet.PacketTooBig {
		e.MTU = int(ee.Info)
	}
	return from, e, true
}

// kindOf is the meaning of an ICMP type and code (RFC 792, RFC 1191, RFC 4443).
func kindOf(icmpType, code uint8, v6 bool) packet.ICMPKind {
	if v6 {
		switch icmpType {
		case 1:
			return packet.Unreachable
		case 2:
			return packet.PacketTooBig
		case 3:
			return packet.TimeExceeded
		}
		return packet.OtherICMPError
	}
	switch {
	case icmpType == 3 && code == 4:
		return packet.PacketTooBig
	case icmpType == 3:
		return packet.Unreachable
	case icmpType == 11:
		return packet.TimeExceeded
	}
	return packet.OtherICMPError
}

func sockaddr(a netip.AddrPort, iface string) (unix.Sockaddr, error) {
	if a.Addr().Is4() {
		return &unix.SockaddrInet4{Addr: a.Addr().As4(), Port: int(a.Port())}, nil
	}
	zone := a.Addr().Zone()
	if zone == "" && a.Addr().IsLinkLocalUnicast() {
		zone = iface
	}
	six := &unix.SockaddrInet6{Addr: a.Addr().As16(), Port: int(a.Port())}
	if zone == "" {
		return six, nil
	}
	if index, err := strconv.ParseUint(zone, 10, 32); err == nil {
		six.ZoneId = uint32(index)
		return six, nil
	}
	ifi, err := net.InterfaceByName(zone)
	if err != nil {
		return nil, fmt.Errorf("kernelconn: interface %s: %w", zone, err)
	}
	six.ZoneId = uint32(ifi.Index) //nolint:gosec // an index fits
	return six, nil
}

func portOf(sa unix.Sockaddr) uint16 {
	switch a := sa.(type) {
	case *unix.SockaddrInet4:
		return uint16(a.Port) //nolint:gosec // a port fits
	case *unix.SockaddrInet6:
		return uint16(a.Port) //nolint:gosec // a port fits
	}
	return 0
}
