package rawsock

import (
	"encoding/binary"
	"errors"
	"fmt"
	"net"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"golang.org/x/net/bpf"
	"golang.org/x/sys/unix"

	"github.com/rstprobe/rstprobe/internal/wire"
)

// Conn is the wire of one local address: a socket to send by, one to receive
// TCP and one to receive ICMP errors, and the guard of its local ports.
//
// Two things differ from the bytes handed to Send and seen on the network.
// The kernel fills in an IPv4 identification of 0, and always the total
// length and the header checksum. And for IPv6 it neither delivers segments
// whose checksum is wrong nor the header, which is rebuilt without extension
// headers.
type Conn struct {
	ports []uint16
	guard *guard
	tx    *sender
	rx    []*receiver // TCP, ICMP
	in    *inbox
	wake  int            // an eventfd
	turn  int            // which queue is read first
	polls [4]unix.PollFd // wake, and the queues

	// Every use of the descriptors holds life for reading, and Close closes
	// them holding it for writing, so no call meets a descriptor that is
	// closed, or someone else's by now.
	life   sync.RWMutex
	closed atomic.Bool
	final  wire.Stats // after Close
}

var _ wire.Wire = (*Conn)(nil)

// queue is a socket that frames come from.
type queue interface {
	descriptor() int
	// read takes frames that wait, without waiting for any.
	read(in *inbox, frames []wire.Frame) (int, error)
}

// Open opens the wire of cfg.Source and guards cfg.Ports ports of it. Without
// CAP_NET_RAW the error is [os.ErrPermission]. The caller closes the Conn.
func Open(cfg Config) (_ *Conn, err error) {
	cfg.Source = cfg.Source.Unmap()
	if err := cfg.validate(); err != nil {
		return nil, err
	}
	scope, err := scope(cfg.Source, cfg.Interface)
	if err != nil {
		return nil, err
	}
	c := &Conn{wake: -1, in: newInbox()}
	defer func() {
		if err != nil {
			err = errors.Join(err, c.release())
		}
	}()
	if c.tx, err = newSender(cfg.Source, scope, cfg.Interface); err != nil {
		return nil, err
	}
	if c.guard, err = newGuard(cfg.Source, scope, cfg.Ports); err != nil {
		return nil, err
	}
	c.ports = c.guard.ports()
	is6, icmp := cfg.Source.Is6(), unix.IPPROTO_ICMP
	if is6 {
		icmp = unix.IPPROTO_ICMPV6
	}
	for _, want := range []struct {
		proto  int
		filter []bpf.Instruction
	}{
		{unix.IPPROTO_TCP, tcpFilter(is6, c.guard.first, cfg.Ports)},
		{icmp, icmpFilter(is6)},
	} {
		r, err := newReceiver(cfg.Source, scope, want.proto, want.filter)
		if err != nil {
			return nil, err
		}
		c.rx = append(c.rx, r)
		if err := r.discard(c.in); err != nil {
			return nil, err
		}
	}
	if c.wake, err = unix.Eventfd(0, unix.EFD_CLOEXEC|unix.EFD_NONBLOCK); err != nil {
		return nil, fmt.Errorf("rawsock: open an event descriptor: %w", err)
	}
	return c, nil
}

// Ports are the local ports that the kernel leaves to us, ascending and
// without gaps.
func (c *Conn) Ports() []uint16 { return slices.Clone(c.ports) }

// Send implements [wire.Wire]. The error of a datagram that does not leave
// names its destination and keeps the kernel's errno (EPERM from a firewall,
// ENETUNREACH, EHOSTUNREACH, EMSGSIZE); those before it have left.
func (c *Conn) Send(raws [][]byte) (int, error) {
	c.life.RLock()
	defer c.life.RUnlock()
	sent := 0
	for sent < len(raws) {
		if c.closed.Load() {
			return sent, net.ErrClosed
		}
		n, err := c.tx.send(raws[sent:], c.in)
		sent += n
		if err != nil {
			return sent, err
		}
	}
	return sent, nil
}

// Receive implements [wire.Wire]. The frames of one call are in the order of
// their times. A transmit stamp comes for each datagram that a device with
// software timestamps took, so not for all devices, and not for datagrams
// that were still queued when a later one was refused.
func (c *Conn) Receive(buf []wire.Frame, until time.Time) (int, error) {
	if len(buf) == 0 {
		return 0, errors.New("rawsock: receive into no frames")
	}
	c.life.RLock()
	defer c.life.RUnlock()
	for {
		if c.closed.Load() {
			return 0, net.ErrClosed
		}
		ready, err := c.wait(until)
		if err != nil {
			return 0, err
		}
		woken, err := c.takeWake()
		if err != nil {
			return 0, err
		}
		if c.closed.Load() {
			return 0, net.ErrClosed
		}
		n, err := c.collect(buf)
		if n > 0 || err != nil || woken || !ready {
			return n, err
		}
	}
}

// queue is the i-th socket that frames come from, polled as c.polls[1+i]. The
// sender is one, for its stamps.
func (c *Conn) queue(i int) queue {
	if i == 0 {
		return c.tx
	}
	return c.rx[i-1]
}

// wait waits until a descriptor is ready, or until. It reports whether one is.
func (c *Conn) wait(until time.Time) (bool, error) {
	c.polls[0] = unix.PollFd{Fd: int32(c.wake), Events: unix.POLLIN}
	for i := range c.polls[1:] {
		c.polls[1+i] = unix.PollFd{Fd: int32(c.queue(i).descriptor()), Events: unix.POLLIN} // POLLERR, of stamps, is always told
	}
	for {
		var timeout *unix.Timespec
		if len(c.tx.late) > 0 {
			timeout = &unix.Timespec{}
		} else if !until.IsZero() {
			ts := unix.NsecToTimespec(max(0, time.Until(until).Nanoseconds()))
			timeout = &ts
		}
		n, err := unix.Ppoll(c.polls[:], timeout, nil)
		switch {
		case err == nil:
			return n > 0, nil
		case !errors.Is(err, unix.EINTR): // the runtime interrupts us at will
			return false, fmt.Errorf("rawsock: wait for datagrams: %w", err)
		}
	}
}

// collect fills buf from the queues that wait found ready.
func (c *Conn) collect(buf []wire.Frame) (int, error) {
	n := c.tx.takeLate(buf)
	sources := 0
	if n > 0 {
		sources++
	}
	queues := len(c.polls) - 1
	c.turn++ // else one busy queue could fill buf for ever
	for k := range queues {
		i := (c.turn + k) % queues
		if n == len(buf) || c.polls[1+i].Revents == 0 {
			continue
		}
		got, err := c.queue(i).read(c.in, buf[n:])
		n += got
		if err != nil {
			return n, err
		}
		if got > 0 {
			sources++
		}
	}
	if sources > 1 {
		slices.SortStableFunc(buf[:n], func(a, b wire.Frame) int { return a.At.Compare(b.At) })
	}
	return n, nil
}

// Wake implements [wire.Wire].
func (c *Conn) Wake() {
	c.life.RLock()
	defer c.life.RUnlock()
	if !c.closed.Load() {
		c.signal()
	}
}

// signal makes the event descriptor readable. It fails only if that is so
// already 2^64-2 times over.
func (c *Conn) signal() {
	one := binary.NativeEndian.AppendUint64(nil, 1)
	_, _ = unix.Write(c.wake, one)
}

// takeWake reports whether Wake was called since the last time.
func (c *Conn) takeWake() (bool, error) {
	if c.polls[0].Revents == 0 {
		return false, nil
	}
	var count [8]byte
	if _, err := unix.Read(c.wake, count[:]); err != nil && !errors.Is(err, unix.EAGAIN) {
		return false, fmt.Errorf("rawsock: read the event descriptor: %w", err)
	}
	return true, nil
}

// Stats implements [wire.Wire]. While a queue is full the kernel counts every
// TCP segment or ICMP message for our address, also those that the filter
// would not have let in; for IPv6 it always counts wrong checksums.
func (c *Conn) Stats() wire.Stats {
	c.life.RLock()
	defer c.life.RUnlock()
	if c.closed.Load() {
		return c.final
	}
	return c.stats()
}

func (c *Conn) stats() wire.Stats {
	var stats wire.Stats
	for _, r := range c.rx {
		stats.Dropped += r.dropped()
	}
	return stats
}

// Close implements [wire.Wire]: it makes a Receive under way return, and gives
// the ports back. Closing again does nothing.
func (c *Conn) Close() error {
	c.life.RLock()
	first := c.closed.CompareAndSwap(false, true)
	if first {
		c.signal()
	}
	c.life.RUnlock()
	if !first {
		return nil
	}
	c.life.Lock()
	defer c.life.Unlock()
	c.final = c.stats()
	return c.release()
}

// release closes what is open, the guard last: until then the kernel must not
// answer what still arrives.
func (c *Conn) release() error {
	var errs []error
	if c.tx != nil {
		errs = append(errs, unix.Close(c.tx.fd))
	}
	for _, r := range c.rx {
		errs = append(errs, unix.Close(r.fd))
	}
	if c.wake >= 0 {
		errs = append(errs, unix.Close(c.wake))
	}
	if c.guard != nil {
		errs = append(errs, c.guard.close())
	}
	return errors.Join(errs...)
}
