package rawsock

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"net/netip"
	"sync/atomic"
	"time"
	"unsafe"

	"golang.org/x/net/bpf"
	"golang.org/x/sys/unix"

	"github.com/rstprobe/rstprobe/internal/wire"
)

// receiveBuffer is the room for datagrams not yet read, in bytes as the
// kernel accounts them (a small segment counts for about 800).
const receiveBuffer = 4 << 20

// ipv6FlowInfo is IPV6_FLOWINFO of linux/in6.h: the traffic class and the
// flow label of what arrives, as they are in the header.
const ipv6FlowInfo = 11

// receiver is a raw socket for one protocol.
//
// The kernel gives it its datagrams reassembled, and where the device merges
// segments (GRO) merged.
type receiver struct {
	fd    int
	is6   bool
	proto uint8
	lost  atomic.Int64 // datagrams that did not fit in the inbox
	empty time.Time    // when the queue was last known to be empty
}

func newReceiver(source netip.Addr, scope uint32, proto int, filter []bpf.Instruction) (*receiver, error) {
	fd, err := unix.Socket(domain(source), unix.SOCK_RAW|unix.SOCK_CLOEXEC|unix.SOCK_NONBLOCK, proto)
	if err != nil {
		return nil, fmt.Errorf("rawsock: open a raw socket: %w", err)
	}
	r := &receiver{fd: fd, is6: source.Is6(), proto: uint8(proto)}
	if err := r.setUp(source, scope, filter); err != nil {
		return nil, errors.Join(err, unix.Close(fd))
	}
	return r, nil
}

// setUp filters before it binds, since the socket receives from the moment it
// exists; newReceiver's caller throws away what came before with discard.
func (r *receiver) setUp(source netip.Addr, scope uint32, filter []bpf.Instruction) error {
	if err := attach(r.fd, filter); err != nil {
		return err
	}
	if err := enlarge(r.fd, receiveBuffer); err != nil {
		return err
	}
	if _, err := memDrops(r.fd); err != nil {
		return err
	}
	if err := unix.SetsockoptInt(r.fd, unix.SOL_SOCKET, unix.SO_TIMESTAMPNS, 1); err != nil {
		return fmt.Errorf("rawsock: ask for receive times: %w", err)
	}
	if r.is6 { // what header needs
		for _, option := range []int{unix.IPV6_RECVPKTINFO, unix.IPV6_RECVHOPLIMIT, ipv6FlowInfo} {
			if err := unix.SetsockoptInt(r.fd, unix.SOL_IPV6, option, 1); err != nil {
				return fmt.Errorf("rawsock: ask for IPv6 header fields (option %d): %w", option, err)
			}
		}
	}
	if err := unix.Bind(r.fd, sockaddr(source, scope, 0)); err != nil {
		return fmt.Errorf("rawsock: receive for %v: %w", source, err)
	}
	return nil
}

// discard empties the queue.
func (r *receiver) discard(in *inbox) error {
	for n := 1; n > 0; {
		r.empty = time.Now()
		var err error
		if n, err = in.read(r.fd, batchSize, 0); err != nil {
			return fmt.Errorf("rawsock: empty a queue: %w", err)
		}
	}
	return nil
}

func (r *receiver) descriptor() int { return r.fd }

// read takes the datagrams that wait in the queue.
func (r *receiver) read(in *inbox, frames []wire.Frame) (int, error) {
	before := time.Now()
	got, err := in.read(r.fd, len(frames), 0)
	if err != nil {
		return 0, fmt.Errorf("rawsock: receive: %w", err)
	}
	now, floor := time.Now(), r.empty
	if got < min(len(frames), batchSize) {
		r.empty = before
	}
	n := 0
	for i := range got {
		if in.truncated(i) {
			r.lost.Add(1)
			continue
		}
		at, raw, err := r.datagram(in, i)
		if err != nil {
			return n, fmt.Errorf("rawsock: receive: %w", err)
		}
		frames[n] = wire.Frame{At: monotonic(at, now, floor), Raw: bytes.Clone(raw)}
		n++
	}
	return n, nil
}

// datagram is message i of the inbox from its IP header on, and the realtime
// clock when the kernel got it.
func (r *receiver) datagram(in *inbox, i int) (at time.Time, raw []byte, err error) {
	slot := in.slot(i)
	if !r.is6 {
		err = in.controls(i, func(level, kind int32, data []byte) {
			if level == unix.SOL_SOCKET && kind == unix.SCM_TIMESTAMPNS {
				at = timespec(data)
			}
		})
		return at, slot[headerRoom:], err
	}
	// Raw IPv6 sockets never deliver the IPv6 header (RFC 3542 §3), so this
	// is one made of what the kernel tells about it. Extension headers are
	// gone: the next header is the protocol, the length that of its payload.
	header := slot[:headerRoom]
	clear(header)
	var flow uint32 // absent where it is 0
	err = in.controls(i, func(level, kind int32, data []byte) {
		switch {
		case level == unix.SOL_SOCKET && kind == unix.SCM_TIMESTAMPNS:
			at = timespec(data)
		case level == unix.SOL_IPV6 && kind == unix.IPV6_HOPLIMIT:
			header[7] = uint8(uint32Of(data))
		case level == unix.SOL_IPV6 && kind == unix.IPV6_PKTINFO:
			copy(header[24:40], data) // the destination; the interface index behind it is not ours to keep
		case level == unix.SOL_IPV6 && kind == ipv6FlowInfo && len(data) >= 4:
			flow = binary.BigEndian.Uint32(data)
		}
	})
	binary.BigEndian.PutUint32(header, 6<<28|flow)
	binary.BigEndian.PutUint16(header[4:], uint16(len(slot)-headerRoom))
	header[6] = r.proto
	copy(header[8:24], in.names[i].Addr[:])
	return at, slot, err
}

// dropped is how many datagrams the kernel could not queue, or the inbox not
// hold.
func (r *receiver) dropped() int {
	n, err := memDrops(r.fd)
	if err != nil {
		panic(err) // setUp made sure that the kernel has it, and the socket is open
	}
	return n + int(r.lost.Load())
}

// memDrops reads the count of datagrams that the kernel did not queue.
//
// SO_MEMINFO (Linux 4.12) has the count itself. SO_RXQ_OVFL would tell it only
// along with the next datagram, so that losses at the end would go unnoticed.
func memDrops(fd int) (int, error) {
	var info [unix.SK_MEMINFO_VARS]uint32
	size := uint32(unsafe.Sizeof(info))
	_, _, errno := unix.Syscall6(unix.SYS_GETSOCKOPT, uintptr(fd), unix.SOL_SOCKET, unix.SO_MEMINFO,
		uintptr(unsafe.Pointer(&info)), uintptr(unsafe.Pointer(&size)), 0)
	if errno != 0 {
		return 0, fmt.Errorf("rawsock: count dropped datagrams: %w", errno)
	}
	return int(info[unix.SK_MEMINFO_DROPS]), nil
}
