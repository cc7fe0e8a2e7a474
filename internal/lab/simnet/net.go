// Package simnet is an emulated path in memory: a chain of routers with
// middleboxes between the client, whose wire.Wire it is, and a small TCP
// server. It takes the time from package time, so that in a testing/synctest
// bubble seconds of timeouts cost nothing.
//
// Nothing runs in the background: Receive plays all that is due, in the order
// of time and deterministically for one seed, and then waits. The path and
// its server know no checksum of IPv4 headers and no fragments.
package simnet

import (
	"fmt"
	"math"
	"math/rand/v2"
	"net"
	"slices"
	"sync"
	"time"

	"github.com/rstprobe/rstprobe/internal/lab"
	"github.com/rstprobe/rstprobe/internal/lab/middlebox"
	"github.com/rstprobe/rstprobe/internal/packet"
	"github.com/rstprobe/rstprobe/internal/wire"
)

// Net is an emulated world seen from its client. The exported fields may be
// set before the first Send. It implements wire.Wire.
type Net struct {
	// Quote is how many bytes of a datagram an ICMP error repeats: 28 is the
	// IPv4 header and eight octets, the least that RFC 792 allows. 0: 128 for
	// IPv4 and 1232 for IPv6, as much as fits (RFC 4443 §2.4 c).
	Quote int

	// OldACK makes the server take any acknowledgment number up to its
	// largest window back, as RFC 5961 §5.2 permits. Without it the server
	// does as Linux has since 6.7 ("tcp: do not accept ACK of bytes we never
	// sent"): a segment that acknowledges less than has been acknowledged,
	// before that many bytes were sent, is discarded with a challenge ACK.
	OldACK bool

	// Trace, if set, is told what happens to a packet, and at how many hops
	// from the client: 0 is the client itself, Routers+1 the server.
	Trace func(dir middlebox.Direction, router int, p packet.Packet, what string)

	queue

	top    lab.Topology
	world  world
	start  time.Time
	link   time.Duration // latency of one link
	loss   float64       // of one link
	rng    *rand.Rand    // of losses
	server *server

	sent  int // datagrams so far
	inbox []wire.Frame
	err   error // why the world cannot go on

	wake  chan struct{} // holds at most one wake-up, which is enough
	done  chan struct{}
	close sync.Once
}

var _ wire.Wire = (*Net)(nil)

// New makes a world of its own: fresh boxes, a server without connections. In
// a synctest bubble it must be called inside. It panics if top places a box on
// no router of the path or is no path at all.
func New(top lab.Topology, seed uint64) *Net {
	if top.Routers < 1 || top.Routers > 30 {
		panic(fmt.Sprintf("simnet: a path of %d routers; give it 1 to 30", top.Routers))
	}
	links := top.Routers + 1
	w, err := lay(top)
	if err != nil {
		panic(fmt.Sprintf("simnet: %v", err))
	}
	now := time.Now()
	n := &Net{
		queue: queue{now: now},
		top:   top,
		world: w,
		start: now,
		link:  top.RTT / 2 / time.Duration(links),
		// Every link loses as much, and all together as much as asked.
		loss: 1 - math.Pow(1-top.Loss, 1/float64(links)),
		rng:  rand.New(rand.NewPCG(seed, 1)),
		wake: make(chan struct{}, 1),
		done: make(chan struct{}),
	}
	for _, pl := range top.Boxes {
		router, err := w.at(pl, top)
		if err != nil {
			panic(fmt.Sprintf("simnet: %v", err))
		}
		router.boxes = append(router.boxes, placed{pl.New(), pl.AfterTTL})
	}
	if gate := top.Server.Gate(); gate != nil {
		n.host().boxes = []placed{{box: gate}}
	}
	n.server = newServer(n, rand.New(rand.NewPCG(seed, 2)))
	return n
}

// Send implements wire.Wire. It refuses what is no IP datagram.
func (n *Net) Send(raws [][]byte) (int, error) {
	if n.closed() {
		return 0, net.ErrClosed
	}
	now := time.Now()
	n.advance(now)
	for i, raw := range raws {
		p, err := packet.Parse(slices.Clone(raw))
		if err != nil {
			return i, fmt.Errorf("simnet: send datagram %d: %w", i, err)
		}
		n.inbox = append(n.inbox, wire.Frame{At: now, Tx: n.sent})
		n.sent++
		n.trace(middlebox.ToServer, 0, p, "sent")
		n.travel(middlebox.ToServer, n.client(), p)
	}
	return len(raws), n.err
}

// Receive implements wire.Wire.
func (n *Net) Receive(buf []wire.Frame, until time.Time) (int, error) {
	for {
		now := time.Now()
		n.advance(now)
		woken := false
		select {
		case <-n.wake:
			woken = true
		default:
		}
		switch {
		case n.closed():
			return 0, net.ErrClosed
		case n.err != nil:
			return 0, n.err
		case len(n.inbox) > 0:
			got := copy(buf, n.inbox)
			n.inbox = slices.Delete(n.inbox, 0, got)
			return got, nil
		case woken, !until.IsZero() && !now.Before(until):
			return 0, nil
		}
		if n.pause(now, until) {
			return 0, nil
		}
	}
}

// pause waits for the next event, until the given time, or for Wake or Close.
// It reports whether Wake was called.
func (n *Net) pause(now, until time.Time) (woken bool) {
	if due, ok := n.next(); ok && (until.IsZero() || due.Before(until)) {
		until = due
	}
	var timer <-chan time.Time
	if !until.IsZero() {
		timer = time.After(until.Sub(now))
	}
	select {
	case <-timer:
	case <-n.done:
	case <-n.wake:
		return true
	}
	return false
}

// Wake implements wire.Wire.
func (n *Net) Wake() {
	select {
	case n.wake <- struct{}{}:
	default: // one is pending already
	}
}

// Stats implements wire.Wire: memory loses nothing.
func (n *Net) Stats() wire.Stats { return wire.Stats{} }

// Close implements wire.Wire.
func (n *Net) Close() error {
	n.close.Do(func() { close(n.done) })
	return nil
}

func (n *Net) closed() bool {
	select {
	case <-n.done:
		return true
	default:
		return false
	}
}

func (n *Net) trace(dir middlebox.Direction, router int, p packet.Packet, what string) {
	if n.Trace != nil {
		n.Trace(dir, router, p, what)
	}
}
