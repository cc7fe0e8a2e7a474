//go:build !linux || portable

package kernelconn

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/netip"
	"os"
	"runtime"
	"syscall"
	"time"

	"github.com/rstprobe/rstprobe/probe"
)

// What the sockets of every system can do, as package net has it. They tell
// what became of a connection and what was said on it; neither what was
// acknowledged, nor who sent an ICMP error, nor how far a packet had travelled.
// The build tag portable uses them on Linux, where the lab can try them.
const (
	hasFloor  = false // a socket can be deaf to what has travelled too far
	tellsAcks = false // a socket tells what was acknowledged, and what was sent again
)

// supported reports whether this system can carry out a trial that ordinary
// sockets can. A SYN that expires is none: some systems take the router's error
// for a refusal (Gont, RFC 5927 §5.2), and would have us see a reset there. Nor
// can a stimulus be sent twice without knowing when it was.
func supported(t probe.Trial) bool {
	bare := t.Stimulus.Kind == probe.SYN && (t.TTLs != nil || t.TTL > 0)
	return !bare && !t.ExactTTL && !t.Twice && (t.MSS == 0 || canLimitMSS)
}

// openable is how many sockets may be open at a time. Go raises the limit of
// the process itself.
func openable() int { return sockets }

// socket is a TCP connection of package net, or what it takes to open one.
type socket struct {
	conn        *net.TCPConn // nil before connect
	v6          bool
	local, peer netip.AddrPort
	ttl         uint8 // that the system gives our segments
	first       int   // TTL of the SYN; systemTTL: the system's
	mss         uint16
}

// newSocket takes a local port, of the system's choice if that is 0.
func newSocket(local, remote netip.AddrPort, iface string) (*socket, error) {
	if iface != "" {
		return nil, fmt.Errorf("kernelconn: leave by interface %s on %s: %w", iface, runtime.GOOS, errors.ErrUnsupported)
	}
	s := &socket{v6: remote.Addr().Is6(), local: local, peer: remote, first: systemTTL}
	// Whoever listens on a port for a moment knows that it is free, which one it
	// is, and the TTL that the system would give.
	var config net.ListenConfig
	config.SetMultipathTCP(false) // which knows no TTL, and no middlebox
	l, err := config.Listen(context.Background(), "tcp", local.String())
	if err != nil {
		return nil, fmt.Errorf("kernelconn: bind to %v: %w", local, err)
	}
	s.local = netip.AddrPortFrom(local.Addr(), l.Addr().(*net.TCPAddr).AddrPort().Port())
	ttl := 0
	raw, err := l.(*net.TCPListener).SyscallConn()
	if err == nil {
		err = controlled(raw, func(fd uintptr) (err error) { ttl, err = readTTL(fd, s.v6); return err })
	}
	s.ttl = uint8(ttl) //nolint:gosec // 1 … 255
	if err = errors.Join(err, l.Close()); err != nil {
		return nil, fmt.Errorf("kernelconn: read the TTL: %w", err)
	}
	return s, nil
}

// controlled calls f with the descriptor of a connection.
func controlled(raw syscall.RawConn, f func(fd uintptr) error) error {
	var err error
	return errors.Join(raw.Control(func(fd uintptr) { err = f(fd) }), err)
}

// systemTTL gives the choice back to the system.
const systemTTL = -1

// setTTL limits the TTL of what is sent from now on.
func (s *socket) setTTL(ttl int) error {
	if s.conn == nil {
		s.first = ttl
		return nil
	}
	if ttl == systemTTL {
		ttl = int(s.ttl)
	}
	raw, err := s.conn.SyscallConn()
	if err == nil {
		err = controlled(raw, func(fd uintptr) error { return writeTTL(fd, s.v6, ttl) })
	}
	if err != nil {
		return fmt.Errorf("kernelconn: set the TTL to %d: %w", ttl, err)
	}
	return nil
}

// setFloor cannot be done; see hasFloor.
func (s *socket) setFloor(int) error {
	return fmt.Errorf("kernelconn: hear by TTL on %s: %w", runtime.GOOS, errors.ErrUnsupported)
}

// setMSS announces an MSS and keeps to it.
func (s *socket) setMSS(mss uint16) error {
	s.mss = mss
	return nil
}

// abort closes the connection with a reset that goes all the way.
func (s *socket) abort() error {
	if s.conn == nil {
		return nil
	}
	err := s.setTTL(systemTTL)
	return errors.Join(err, s.conn.SetLinger(0), s.conn.Close())
}

// close closes a socket that has sent nothing: nothing is open yet.
func (s *socket) close() error { return nil }

// connect opens the connection and calls left when the SYN leaves. how is why
// it could not be opened: see told.
func (s *socket) connect(ctx context.Context, until time.Time, left func()) (how, err error) {
	d := net.Dialer{Deadline: until, LocalAddr: net.TCPAddrFromAddrPort(s.local), KeepAlive: -1, Control: func(_, _ string, raw syscall.RawConn) error {
		defer left()
		return controlled(raw, s.beforeSYN)
	}}
	d.SetMultipathTCP(false)
	conn, err := d.DialContext(ctx, "tcp", s.peer.String())
	switch {
	case err == nil:
		s.conn = conn.(*net.TCPConn)
		return nil, nil
	case ctx.Err() != nil:
		return nil, ctx.Err()
	case errors.Is(err, os.ErrDeadlineExceeded), isTimeout(err):
		return nil, errTimeout
	}
	return told(err), nil
}

// beforeSYN prepares a socket that is about to connect.
func (s *socket) beforeSYN(fd uintptr) error {
	err := reusePort(fd)
	if s.first != systemTTL {
		err = errors.Join(err, writeTTL(fd, s.v6, s.first))
	}
	if s.mss > 0 {
		err = errors.Join(err, limitMSS(fd, s.mss))
	}
	return err
}

func isTimeout(err error) bool {
	var timeout net.Error
	return errors.As(err, &timeout) && timeout.Timeout()
}

// write gives the kernel a segment. how is why it takes no more: see
// toldStanding.
func (s *socket) write(b []byte, limited bool) (n int, how error) {
	n, err := s.conn.Write(b)
	return n, toldStanding(err, limited, s.v6)
}

// distantPast makes every wait end.
var distantPast = time.Unix(1, 0)

// read waits for data, the end of the stream (0 bytes), or how the connection
// failed: see toldStanding. Behind its end there is only the latter, which
// cannot be waited for here.
func (s *socket) read(ctx context.Context, until time.Time, buffer []byte, ended, limited bool) (n int, how, err error) {
	if ended {
		if err := sleep(ctx, time.Until(until)); err != nil {
			return 0, nil, err
		}
		return 0, nil, errTimeout
	}
	if err := s.conn.SetReadDeadline(until); err != nil {
		return 0, nil, fmt.Errorf("kernelconn: %w", err)
	}
	stop := context.AfterFunc(ctx, func() { _ = s.conn.SetReadDeadline(distantPast) })
	defer stop()
	n, err = s.conn.Read(buffer)
	switch {
	case n > 0 || errors.Is(err, io.EOF):
		return n, nil, nil
	case ctx.Err() != nil:
		return 0, nil, ctx.Err()
	case errors.Is(err, os.ErrDeadlineExceeded):
		return 0, nil, errTimeout
	}
	return 0, toldStanding(err, limited, s.v6), nil
}

// info is what is known of a connection: nothing but when a system sends again
// at the latest if it has measured no round trip (RFC 6298 §2.1).
func (s *socket) info() (info, error) { return info{rto: time.Second}, nil }
