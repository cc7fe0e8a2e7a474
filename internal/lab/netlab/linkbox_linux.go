package netlab

import (
	"bytes"
	"cmp"
	"encoding/binary"
	"errors"
	"fmt"
	"net"
	"slices"
	"sync"
	"time"

	"golang.org/x/sys/unix"

	"github.com/rstprobe/rstprobe/internal/lab/middlebox"
	"github.com/rstprobe/rstprobe/internal/packet"
)

const (
	etherLen   = 14      // IEEE 802.3 §3.1.1: two addresses and the type
	frameBatch = 64      // frames taken from one side before the other side and the timers have their turn
	frameQueue = 8 << 20 // bytes the kernel may queue for one side: bursts of some thousand frames
	maxFrame   = 1 << 16 // longer than any MTU here
	maxTTL     = 255     // RFC 791 §3.1: one byte
)

// box is a placement in use.
type box struct {
	middlebox.Box
	router int
	after  bool // behind the router's TTL check
}

// boxesOn makes the boxes of the link behind node link, in the order of their
// placements.
func (n *Net) boxesOn(link int) []box {
	var out []box
	for _, p := range n.top.Boxes {
		if p.First() == link+1 {
			out = append(out, box{p.New(), p.Router, p.AfterTTL})
		}
	}
	if gate := n.top.Server.Gate(); gate != nil && link == n.top.Routers {
		out = append(out, box{Box: gate, router: n.top.Routers + 1})
	}
	return out
}

// cutLink is a link with boxes in it. Its goroutine owns all of it.
type cutLink struct {
	link    int
	boxes   [3][]box // by direction, in the order in which packets meet them
	sockets [3]int   // by the direction of the frames that they receive; the zeroth is an eventfd that ends the goroutine
	delayed []delayed
	failed  error // the first failure; read after wait
	wait    sync.WaitGroup
	buffer  [maxFrame]byte
}

// delayed is a forged frame that waits for its time.
type delayed struct {
	due    time.Time
	toward middlebox.Direction
	frame  []byte
}

// newCutLink passes frames between the two interfaces, of the calling
// thread's namespace, until it is closed. ends[0] is the client's side.
func newCutLink(link int, ends [2]string, boxes []box) (*cutLink, error) {
	l := &cutLink{link: link, sockets: [3]int{-1, -1, -1}}
	toServer := func(a, b box) int { return cmp.Compare(a.router, b.router) }
	toClient := func(a, b box) int { return cmp.Compare(b.router, a.router) }
	l.boxes[middlebox.ToServer] = slices.SortedStableFunc(slices.Values(boxes), toServer)
	l.boxes[middlebox.ToClient] = slices.SortedStableFunc(slices.Values(boxes), toClient)
	var err error
	if l.sockets[0], err = unix.Eventfd(0, unix.EFD_CLOEXEC); err != nil {
		return nil, fmt.Errorf("netlab: link %d: make an eventfd: %w", link, err)
	}
	for i, dir := range []middlebox.Direction{middlebox.ToServer, middlebox.ToClient} {
		if l.sockets[dir], err = frameSocket(ends[i]); err != nil {
			return nil, errors.Join(fmt.Errorf("netlab: link %d: %w", link, err), l.free())
		}
	}
	l.wait.Go(l.run)
	return l, nil
}

// frameSocket receives the frames that arrive at the interface and sends
// frames out of it.
func frameSocket(name string) (fd int, err error) {
	i, err := net.InterfaceByName(name)
	if err != nil {
		return -1, fmt.Errorf("find %s: %w", name, err)
	}
	// Protocol 0 receives nothing until the socket is bound to one interface.
	fd, err = unix.Socket(unix.AF_PACKET, unix.SOCK_RAW|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		return -1, fmt.Errorf("open a packet socket: %w", err)
	}
	defer func() {
		if err != nil {
			err = errors.Join(err, unix.Close(fd))
			fd = -1
		}
	}()
	if err := unix.SetsockoptInt(fd, unix.SOL_PACKET, unix.PACKET_IGNORE_OUTGOING, 1); err != nil {
		return fd, fmt.Errorf("ignore outgoing frames on %s: %w", name, err)
	}
	if err := unix.SetsockoptInt(fd, unix.SOL_SOCKET, unix.SO_RCVBUFFORCE, frameQueue); err != nil {
		// Not allowed in a user namespace on every kernel: as much as allowed.
		if err := unix.SetsockoptInt(fd, unix.SOL_SOCKET, unix.SO_RCVBUF, frameQueue); err != nil {
			return fd, fmt.Errorf("enlarge the queue of %s: %w", name, err)
		}
	}
	all := binary.NativeEndian.Uint16(binary.BigEndian.AppendUint16(nil, unix.ETH_P_ALL))
	if err := unix.Bind(fd, &unix.SockaddrLinklayer{Protocol: all, Ifindex: i.Index}); err != nil {
		return fd, fmt.Errorf("bind to %s: %w", name, err)
	}
	return fd, nil
}

// close stops the link and returns what failed while it ran.
func (l *cutLink) close() error {
	if _, err := unix.Write(l.sockets[0], binary.NativeEndian.AppendUint64(nil, 1)); err != nil {
		return fmt.Errorf("netlab: link %d: stop: %w", l.link, err)
	}
	l.wait.Wait()
	return errors.Join(l.failed, l.free())
}

func (l *cutLink) free() error {
	var errs []error
	for _, fd := range l.sockets {
		if fd >= 0 {
			errs = append(errs, unix.Close(fd))
		}
	}
	return errors.Join(errs...)
}

// run passes frames until close.
func (l *cutLink) run() {
	for {
		var fds [len(l.sockets)]unix.PollFd
		for i, fd := range l.sockets {
			fds[i] = unix.PollFd{Fd: int32(fd), Events: unix.POLLIN} //nolint:gosec // a descriptor
		}
		if _, err := unix.Ppoll(fds[:], l.untilDue(), nil); err != nil && !errors.Is(err, unix.EINTR) {
			l.fail("wait for frames", err)
			return
		}
		if fds[0].Revents != 0 {
			return
		}
		l.sendDue()
		for _, dir := range []middlebox.Direction{middlebox.ToServer, middlebox.ToClient} {
			if fds[dir].Revents != 0 && !l.receive(dir) {
				return
			}
		}
	}
}

// receive passes on the frames that have arrived, a batch at most. It is
// false when the link is broken.
func (l *cutLink) receive(dir middlebox.Direction) bool {
	for range frameBatch {
		n, _, err := unix.Recvfrom(l.sockets[dir], l.buffer[:], unix.MSG_DONTWAIT)
		switch {
		case errors.Is(err, unix.EAGAIN):
			return true
		case errors.Is(err, unix.EINTR):
			continue
		case err != nil:
			l.fail("receive a frame", err)
			return false
		}
		l.pass(dir, l.buffer[:n])
		l.sendDue()
	}
	return true
}

// pass shows a frame to the boxes and sends it, or what they make of it, on
// unless one drops it.
func (l *cutLink) pass(dir middlebox.Direction, frame []byte) {
	p, ok := datagram(frame)
	if !ok { // nothing that a box looks at
		l.send(dir, frame)
		return
	}
	now := time.Now()
	for _, b := range l.boxes[dir] {
		act := b.Handle(dir, p)
		for _, inj := range act.Inject {
			l.inject(b, inj, now)
		}
		if act.Drop {
			return
		}
		if act.Instead == nil {
			continue
		}
		raw, err := middlebox.Build(*act.Instead)
		if err == nil {
			p, err = packet.Parse(raw)
		}
		if err != nil {
			l.fail("change "+p.String(), err)
			return
		}
		frame = append(bytes.Clone(frame[:etherLen]), raw...)
	}
	l.send(dir, frame)
}

// datagram reads the frame's IP packet, from a copy that boxes may keep.
func datagram(frame []byte) (packet.Packet, bool) {
	if len(frame) < etherLen {
		return packet.Packet{}, false
	}
	switch binary.BigEndian.Uint16(frame[etherLen-2:]) {
	case unix.ETH_P_IP, unix.ETH_P_IPV6:
	default:
		return packet.Packet{}, false
	}
	p, err := packet.Parse(bytes.Clone(frame[etherLen:]))
	return p, err == nil
}

// inject queues a forged packet.
func (l *cutLink) inject(b box, inj middlebox.Injection, now time.Time) {
	p := inj.Packet
	raw, err := middlebox.Build(p)
	if err != nil {
		l.fail("forge "+p.String(), err)
		return
	}
	// It crosses the box's own router if that is on this side of the box.
	if b.after == (inj.Toward == middlebox.ToClient) && p.TTL < maxTTL {
		packet.SetTTL(raw, p.TTL+1)
	}
	d := delayed{due: now.Add(inj.Delay), toward: inj.Toward, frame: append(l.header(inj.Toward, p.Src.Addr().Is4()), raw...)}
	at, _ := slices.BinarySearchFunc(l.delayed, d, func(queued, d delayed) int {
		if queued.due.After(d.due) {
			return 1
		}
		return -1 // behind those of the same instant
	})
	l.delayed = slices.Insert(l.delayed, at, d)
}

// header is the Ethernet header (IEEE 802.3 §3.1.1) of a frame in a
// direction.
func (l *cutLink) header(dir middlebox.Direction, ipv4 bool) []byte {
	dst, src := mac(l.link, serverSide), mac(l.link, clientSide)
	if dir == middlebox.ToClient {
		dst, src = src, dst
	}
	kind := uint16(unix.ETH_P_IPV6)
	if ipv4 {
		kind = unix.ETH_P_IP
	}
	return binary.BigEndian.AppendUint16(slices.Concat(dst, src), kind)
}

// untilDue is how long to wait for frames; nil is for ever.
func (l *cutLink) untilDue() *unix.Timespec {
	if len(l.delayed) == 0 {
		return nil
	}
	t := unix.NsecToTimespec(max(0, time.Until(l.delayed[0].due)).Nanoseconds())
	return &t
}

// sendDue sends the forged frames whose time has come.
func (l *cutLink) sendDue() {
	for len(l.delayed) > 0 && time.Until(l.delayed[0].due) <= 0 {
		l.send(l.delayed[0].toward, l.delayed[0].frame)
		l.delayed = l.delayed[1:]
	}
}

// send puts a frame on the link beyond the box.
func (l *cutLink) send(dir middlebox.Direction, frame []byte) {
	out := l.sockets[middlebox.ToServer]
	if dir == middlebox.ToServer {
		out = l.sockets[middlebox.ToClient]
	}
	if _, err := unix.Write(out, frame); err != nil {
		l.fail("send a frame", err)
	}
}

// fail keeps the first failure for close.
func (l *cutLink) fail(what string, err error) {
	if l.failed == nil {
		l.failed = fmt.Errorf("netlab: link %d: %s: %w", l.link, what, err)
	}
}
