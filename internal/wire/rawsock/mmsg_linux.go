package rawsock

import (
	"errors"
	"unsafe"

	"golang.org/x/sys/unix"
)

// batchSize is how many datagrams one system call carries. Measured, 64 is
// past the knee: 8 reach nine tenths of the rate, 256 gain nothing.
const batchSize = 64

// mmsghdr is struct mmsghdr of sendmmsg(2) and recvmmsg(2).
type mmsghdr struct {
	hdr unix.Msghdr
	len uint32 // bytes sent or received
}

const (
	headerRoom  = 40                             // before the data: an IPv6 header, which its raw sockets cut off
	maxDatagram = 65535                          // the largest length that an IP header can say
	slotSize    = headerRoom + maxDatagram       // of one datagram
	controlSize = 256 / unsafe.Sizeof(uint64(0)) // in words; the largest need, a transmit stamp's, is 128 bytes
)

// inbox is the memory that recvmmsg fills, shared by all sockets of a Conn
// because one goroutine reads them in turn. Pages that no datagram reached
// are never touched, so the arena costs address space rather than memory.
type inbox struct {
	msgs    [batchSize]mmsghdr
	iovs    [batchSize]unix.Iovec
	names   [batchSize]unix.RawSockaddrInet6 // the larger of both families
	control [batchSize][controlSize]uint64   // words, to be aligned as the kernel's cmsghdr
	arena   []byte
}

func newInbox() *inbox {
	b := &inbox{arena: make([]byte, batchSize*slotSize)}
	for i := range b.msgs {
		iov, hdr := &b.iovs[i], &b.msgs[i].hdr
		iov.Base = &b.arena[i*slotSize+headerRoom]
		iov.SetLen(maxDatagram)
		hdr.Iov = iov
		hdr.SetIovlen(1)
		hdr.Name = (*byte)(unsafe.Pointer(&b.names[i]))
		hdr.Control = (*byte)(unsafe.Pointer(&b.control[i]))
	}
	return b
}

// read takes up to n of the messages that wait in fd, at most batchSize. It
// never waits itself: 0 means that there was none.
func (b *inbox) read(fd, n, flags int) (int, error) {
	n = min(n, batchSize)
	for i := range n {
		hdr := &b.msgs[i].hdr // the kernel overwrote these with what it delivered
		hdr.Namelen = uint32(unsafe.Sizeof(b.names[i]))
		hdr.SetControllen(int(unsafe.Sizeof(b.control[i])))
		hdr.Flags = 0
	}
	for {
		got, _, errno := unix.Syscall6(unix.SYS_RECVMMSG, uintptr(fd), uintptr(unsafe.Pointer(&b.msgs)), uintptr(n),
			uintptr(flags|unix.MSG_DONTWAIT), 0, 0)
		switch {
		case errno == 0:
			return int(got), nil
		case errors.Is(errno, unix.EAGAIN):
			return 0, nil
		case !errors.Is(errno, unix.EINTR):
			return 0, errno
		}
	}
}

// slot is message i: room for a header, and the data behind it.
func (b *inbox) slot(i int) []byte {
	return b.arena[i*slotSize:][:headerRoom+int(b.msgs[i].len)]
}

// truncated reports whether message i was longer than a datagram can be, as
// when the kernel merged segments to one beyond 64 KiB.
func (b *inbox) truncated(i int) bool { return b.msgs[i].hdr.Flags&unix.MSG_TRUNC != 0 }

// controls calls f with each control message of message i.
func (b *inbox) controls(i int, f func(level, kind int32, data []byte)) error {
	words := &b.control[i]
	rest := unsafe.Slice((*byte)(unsafe.Pointer(words)), unsafe.Sizeof(*words))[:b.msgs[i].hdr.Controllen]
	for len(rest) >= unix.SizeofCmsghdr {
		hdr, data, next, err := unix.ParseOneSocketControlMessage(rest)
		if err != nil {
			return err
		}
		f(hdr.Level, hdr.Type, data)
		rest = next
	}
	return nil
}

// outbox is the memory that sendmmsg reads: for each datagram its bytes,
// which are the caller's, and the address that its header names.
type outbox struct {
	msgs  [batchSize]mmsghdr
	iovs  [batchSize]unix.Iovec
	names [batchSize]unix.RawSockaddrInet6 // the larger of both families
}

func newOutbox() *outbox {
	b := new(outbox)
	for i := range b.msgs {
		hdr := &b.msgs[i].hdr
		hdr.Iov = &b.iovs[i]
		hdr.SetIovlen(1)
		hdr.Name = (*byte)(unsafe.Pointer(&b.names[i]))
	}
	return b
}

// set makes raw message i, to the destination that its IP header names. A
// port of 0 is what raw sockets want; scope counts for link-local ones only.
func (b *outbox) set(i int, raw []byte, is6 bool, scope uint32) {
	iov, hdr := &b.iovs[i], &b.msgs[i].hdr
	iov.Base = &raw[0]
	iov.SetLen(len(raw))
	if !is6 {
		sa := (*unix.RawSockaddrInet4)(unsafe.Pointer(&b.names[i]))
		sa.Family = unix.AF_INET
		copy(sa.Addr[:], raw[16:20])
		hdr.Namelen = unix.SizeofSockaddrInet4
		return
	}
	sa := &b.names[i]
	sa.Family = unix.AF_INET6
	sa.Scope_id = 0
	copy(sa.Addr[:], raw[24:40])
	if linkLocal := sa.Addr[0] == 0xfe && sa.Addr[1]&0xc0 == 0x80; linkLocal {
		sa.Scope_id = scope
	}
	hdr.Namelen = unix.SizeofSockaddrInet6
}

// write sends the first n messages and reports how many left. The error is
// that of the first message, if that did not leave.
func (b *outbox) write(fd, n int) (int, error) {
	sent, _, errno := unix.Syscall6(unix.SYS_SENDMMSG, uintptr(fd), uintptr(unsafe.Pointer(&b.msgs)), uintptr(n), 0, 0, 0)
	if errno != 0 {
		return 0, errno
	}
	return int(sent), nil
}
