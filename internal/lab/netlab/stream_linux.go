package netlab

import (
	"errors"
	"io"
	"net"
	"os"
	"time"

	"golang.org/x/sys/unix"
)

// maxRequest is the longest request that the server understands, in bytes:
// longer than any that is sent to it.
const maxRequest = 64 << 10

// errAbort says that the connection is to end with an RST.
var errAbort = errors.New("netlab: abort the connection")

// stream is the server's end of a connection. It ends reads as lab.Server
// asks: with errAbort once there was an answer, if abortEnd, and with a
// timeout when the connection was idle.
type stream struct {
	net.Conn // without the shortcuts of net.TCPConn, which pass by Read
	tcp      *net.TCPConn
	idle     time.Duration // 0: for ever
	abortEnd bool
	lingers  time.Duration // after our FIN; 0: not at all
	answered bool
}

func (s *stream) Write(b []byte) (int, error) {
	s.answered = true
	return s.Conn.Write(b)
}

func (s *stream) Read(b []byte) (int, error) {
	if err := s.beforeRead(); err != nil {
		return 0, err
	}
	return s.Conn.Read(b)
}

func (s *stream) beforeRead() error {
	if s.answered && s.abortEnd {
		return errAbort
	}
	if s.idle > 0 {
		return s.SetReadDeadline(time.Now().Add(s.idle))
	}
	return nil
}

// finish says goodbye, if there is something to say, sends our FIN, and reads
// on for as long as the server lingers.
func (s *stream) finish(goodbye []byte) error {
	s.idle, s.abortEnd = 0, false
	if _, err := s.Write(goodbye); err != nil {
		return err
	}
	if err := s.tcp.CloseWrite(); err != nil || s.lingers == 0 {
		return err
	}
	if err := s.SetReadDeadline(time.Now().Add(s.lingers)); err != nil {
		return err
	}
	if err := drain(s); !errors.Is(err, os.ErrDeadlineExceeded) {
		return err
	}
	return nil
}

// peek returns the first request in the kernel's receive queue and leaves it
// there. It waits until length finds all of it. The error is io.EOF if the
// peer ends before that.
func (s *stream) peek(length func([]byte) int) ([]byte, error) {
	if err := s.beforeRead(); err != nil {
		return nil, err
	}
	raw, err := s.tcp.SyscallConn()
	if err != nil {
		return nil, err
	}
	b := make([]byte, maxRequest)
	var n int
	var failed error
	err = raw.Read(func(fd uintptr) (done bool) {
		n, _, failed = unix.Recvfrom(int(fd), b, unix.MSG_PEEK|unix.MSG_DONTWAIT)
		if errors.Is(failed, unix.EAGAIN) || errors.Is(failed, unix.EINTR) {
			return false
		}
		return failed != nil || n == len(b) || length(b[:n]) > 0 || peerDone(int(fd))
	})
	if err := errors.Join(err, failed); err != nil {
		return nil, err
	}
	if n = length(b[:n]); n == 0 {
		return nil, io.EOF
	}
	return b[:n], nil
}

// peerDone reports whether the peer sends no more: it sent a FIN or an RST.
func peerDone(fd int) bool {
	fds := []unix.PollFd{{Fd: int32(fd), Events: unix.POLLRDHUP}} //nolint:gosec // a descriptor
	_, err := unix.Poll(fds, 0)
	return err == nil && fds[0].Revents&(unix.POLLRDHUP|unix.POLLHUP|unix.POLLERR) != 0
}
