package rawsock

import (
	"encoding/binary"
	"errors"
	"fmt"
	"net/netip"
	"time"
	"unsafe"

	"golang.org/x/sys/unix"

	"github.com/rstprobe/rstprobe/internal/wire"
)

// txStamps asks the kernel for the time at which each datagram is handed to
// the device, numbered from 0 per socket, without the datagram itself.
const txStamps = unix.SOF_TIMESTAMPING_TX_SOFTWARE | unix.SOF_TIMESTAMPING_SOFTWARE |
	unix.SOF_TIMESTAMPING_OPT_ID | unix.SOF_TIMESTAMPING_OPT_TSONLY

// sender is the socket that datagrams leave by.
//
// Its descriptor blocks, and is never the Go netpoller's, which would be
// woken for each datagram that the device has done with.
type sender struct {
	source netip.Addr
	scope  uint32
	iface  string

	fd      int
	out     *outbox
	base    int  // how many datagrams left before this socket was opened
	sent    int  // how many left in all
	stamped bool // whether the socket's transmit stamps can be trusted
	empty   time.Time
	late    []wire.Frame // stamps of sockets that were replaced, to be delivered
}

func newSender(source netip.Addr, scope uint32, iface string) (*sender, error) {
	s := &sender{source: source, scope: scope, iface: iface, out: newOutbox(), stamped: true, empty: time.Now()}
	var err error
	if s.fd, err = s.open(); err != nil {
		return nil, err
	}
	return s, nil
}

func (s *sender) open() (_ int, err error) {
	fd, err := unix.Socket(domain(s.source), unix.SOCK_RAW|unix.SOCK_CLOEXEC, unix.IPPROTO_RAW) // takes whole datagrams
	if err != nil {
		return -1, fmt.Errorf("rawsock: open a raw socket: %w", err)
	}
	defer func() {
		if err != nil {
			err = errors.Join(err, unix.Close(fd))
		}
	}()
	if err := bindToDevice(fd, s.iface); err != nil {
		return -1, err
	}
	// The route may depend on the source address; the datagram's own is not
	// looked at for that.
	if err := unix.Bind(fd, sockaddr(s.source, s.scope, 0)); err != nil {
		return -1, fmt.Errorf("rawsock: send from %v: %w", s.source, err)
	}
	if err := unix.SetsockoptInt(fd, unix.SOL_SOCKET, unix.SO_TIMESTAMPING, txStamps); err != nil {
		return -1, fmt.Errorf("rawsock: ask for transmit times: %w", err)
	}
	if err := enlarge(fd, receiveBuffer); err != nil { // it holds the stamps that wait
		return -1, err
	}
	return fd, nil
}

// send sends some of raws, at most batchSize, and reports how many left. It
// may stop short without an error; an error is that of the first.
func (s *sender) send(raws [][]byte, in *inbox) (int, error) {
	n := 0
	for ; n < min(len(raws), batchSize); n++ {
		if !s.ours(raws[n]) {
			break
		}
		s.out.set(n, raws[n], s.source.Is6(), s.scope)
	}
	if n == 0 {
		return 0, fmt.Errorf("rawsock: send %d bytes: not an IP datagram of the family of %v", len(raws[0]), s.source)
	}
	sent, err := s.out.write(s.fd, n)
	s.sent += sent
	if sent < n { // the first that did not leave may have taken a number
		if err := s.renew(in); err != nil {
			return sent, err
		}
	}
	switch {
	case errors.Is(err, unix.EINTR):
		return 0, nil
	case err != nil:
		return 0, fmt.Errorf("rawsock: send to %v: %w", destination(raws[0]), refusal(err))
	}
	return sent, nil
}

// refusal says what kind of refusal an errno of sending is, if it is one.
func refusal(err error) error {
	for errno, kind := range map[unix.Errno]error{
		unix.EPERM:        wire.ErrForbidden, // a packet filter drops it
		unix.EACCES:       wire.ErrForbidden, // a route of type prohibit
		unix.ENETUNREACH:  wire.ErrNoWay,
		unix.EHOSTUNREACH: wire.ErrNoWay,
		unix.ENETDOWN:     wire.ErrNoWay,
		unix.ENODEV:       wire.ErrNoWay,
		unix.ENXIO:        wire.ErrNoWay, // the interface that we are bound to is gone
		unix.ENOBUFS:      wire.ErrNoRoom,
	} {
		if errors.Is(err, errno) {
			return fmt.Errorf("%w: %w", kind, err)
		}
	}
	return err
}

// ours reports whether raw has an IP header of our family.
func (s *sender) ours(raw []byte) bool {
	if s.source.Is6() {
		return len(raw) >= 40 && raw[0]>>4 == 6
	}
	return len(raw) >= 20 && raw[0]>>4 == 4
}

func destination(raw []byte) netip.Addr {
	if raw[0]>>4 == 4 {
		return netip.AddrFrom4([4]byte(raw[16:20]))
	}
	return netip.AddrFrom16([16]byte(raw[24:40]))
}

// renew replaces the socket by one that numbers from 0 again.
//
// The kernel numbers a datagram when it has found its route, and a firewall
// refuses it after that, so after a refusal nobody can tell what number comes
// next. A fresh socket knows. Stamps that the old one has ready are kept.
func (s *sender) renew(in *inbox) error {
	if !s.stamped {
		return nil
	}
	for n := batchSize; n == batchSize; {
		var frames [batchSize]wire.Frame
		var err error
		if n, err = s.read(in, frames[:]); err != nil {
			return err
		}
		s.late = append(s.late, frames[:n]...)
	}
	fd, err := s.open()
	if err != nil {
		// The process may have given up CAP_NET_RAW since Open. It can still
		// send: rather without stamps than with those of other datagrams.
		s.stamped = false
		if err := unix.SetsockoptInt(s.fd, unix.SOL_SOCKET, unix.SO_TIMESTAMPING, 0); err != nil {
			return fmt.Errorf("rawsock: stop transmit times: %w", err)
		}
		return nil
	}
	old := s.fd
	s.fd, s.base = fd, s.sent
	if err := unix.Close(old); err != nil {
		return fmt.Errorf("rawsock: close a sending socket: %w", err)
	}
	return nil
}

// takeLate moves waiting stamps of replaced sockets to frames.
func (s *sender) takeLate(frames []wire.Frame) int {
	n := copy(frames, s.late)
	s.late = s.late[n:]
	return n
}

func (s *sender) descriptor() int { return s.fd }

// read takes the transmit stamps that wait in the socket's error queue.
func (s *sender) read(in *inbox, frames []wire.Frame) (int, error) {
	before := time.Now()
	got, err := in.read(s.fd, len(frames), unix.MSG_ERRQUEUE)
	if err != nil {
		return 0, fmt.Errorf("rawsock: read transmit times: %w", err)
	}
	if got == 0 {
		// Nothing but stamps is expected to wake us, but an error of the
		// socket itself would do so for ever until someone takes it.
		return 0, s.socketError()
	}
	now, floor := time.Now(), s.empty
	if got < min(len(frames), batchSize) {
		s.empty = before
	}
	n := 0
	for i := range got {
		at, id, ok, err := in.stamp(i)
		if err != nil {
			return n, fmt.Errorf("rawsock: read a transmit time: %w", err)
		}
		if tx := s.index(id); ok && s.stamped && s.base <= tx && tx < s.sent {
			frames[n] = wire.Frame{At: monotonic(at, now, floor), Tx: tx}
			n++
		}
	}
	return n, nil
}

// index is the number among all datagrams sent of the socket's id-th, which
// the kernel counts modulo 2^32: the one next to the count so far.
func (s *sender) index(id uint32) int {
	return s.sent + int(int32(id-uint32(s.sent-s.base)))
}

func (s *sender) socketError() error {
	errno, err := unix.GetsockoptInt(s.fd, unix.SOL_SOCKET, unix.SO_ERROR)
	if err == nil && errno != 0 {
		err = unix.Errno(errno)
	}
	if err != nil {
		return fmt.Errorf("rawsock: sending socket: %w", err)
	}
	return nil
}

// stamp reads message i as a transmit stamp: the realtime clock when the
// datagram went to the device, and the number the kernel gave it.
func (b *inbox) stamp(i int) (at time.Time, id uint32, ok bool, err error) {
	err = b.controls(i, func(level, kind int32, data []byte) {
		switch {
		case level == unix.SOL_SOCKET && kind == unix.SCM_TIMESTAMPING:
			at = timespec(data) // the first of three is the software stamp
		case level == unix.SOL_IP && kind == unix.IP_RECVERR, level == unix.SOL_IPV6 && kind == unix.IPV6_RECVERR:
			if len(data) < int(unsafe.Sizeof(unix.SockExtendedErr{})) {
				return
			}
			e := (*unix.SockExtendedErr)(unsafe.Pointer(&data[0]))
			id = e.Data
			ok = e.Origin == unix.SO_EE_ORIGIN_TIMESTAMPING && e.Info == unix.SCM_TSTAMP_SND
		}
	})
	return at, id, ok && !at.IsZero(), err
}

// timespec reads a C struct timespec; the zero time if data is too short.
func timespec(data []byte) time.Time {
	var ts unix.Timespec
	n := int(unsafe.Sizeof(ts))
	if len(data) < n {
		return time.Time{}
	}
	copy(unsafe.Slice((*byte)(unsafe.Pointer(&ts)), n), data)
	return time.Unix(ts.Unix())
}

// uint32Of reads a number in the machine's byte order; 0 if data is too short.
func uint32Of(data []byte) uint32 {
	if len(data) < 4 {
		return 0
	}
	return binary.NativeEndian.Uint32(data)
}
