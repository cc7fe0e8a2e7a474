package simnet

import (
	"fmt"
	"net/netip"
	"slices"

	"github.com/rstprobe/rstprobe/internal/lab/middlebox"
	"github.com/rstprobe/rstprobe/internal/packet"
	"github.com/rstprobe/rstprobe/internal/wire"
)

// How much an ICMP error quotes.
const (
	quote4 = 128       // bytes; what routers with extensions quote at least (RFC 4884 §5.1)
	quote6 = 1280 - 48 // bytes; the least IPv6 MTU less the headers (RFC 4443 §2.4 c)
	noHost = uint8(1)  // host unreachable (RFC 792)
	noAddr = uint8(3)  // address unreachable (RFC 4443 §3.1)
)

// travel takes p over the link that leads from a place (0: the client, then
// the routers, Routers+1: the server) to the next one.
func (n *Net) travel(dir middlebox.Direction, from int, p packet.Packet) {
	to := from + 1
	if dir == middlebox.ToClient {
		to = from - 1
	}
	if n.loss > 0 && n.rng.Float64() < n.loss {
		n.trace(dir, from, p, "lost on the link")
		return
	}
	n.after(n.link, func() { n.arrive(dir, to, p) })
}

func (n *Net) arrive(dir middlebox.Direction, at int, p packet.Packet) {
	switch at {
	case 0:
		n.trace(dir, at, p, "received")
		n.inbox = append(n.inbox, wire.Frame{At: n.now, Raw: p.Raw})
	case n.top.Routers + 1:
		n.trace(dir, at, p, "received")
		n.server.receive(p)
	default:
		n.forward(dir, at, p)
	}
}

// forward is what router does with a packet: first the boxes before its TTL
// check, then the check, then the boxes behind it. Both kinds see packets of
// both directions.
func (n *Net) forward(dir middlebox.Direction, router int, p packet.Packet) {
	if !n.pass(dir, router, p, false) {
		return
	}
	if p.TTL <= 1 {
		n.trace(dir, router, p, "TTL ran out")
		n.expire(dir, router, p)
		return
	}
	received := p
	p.TTL--
	p.Raw = slices.Clone(p.Raw)
	packet.SetTTL(p.Raw, p.TTL)
	if !n.pass(dir, router, p, true) {
		return
	}
	if dst := p.Dst.Addr(); dir == middlebox.ToServer && router == n.top.Routers && !n.server.has(dst) {
		n.trace(dir, router, p, "no such host")
		n.unreachable(router, received)
		return
	}
	n.travel(dir, router, p)
}

// pass shows p to the boxes of router on one side of its TTL check, carries
// out what they do, and reports whether p goes on.
func (n *Net) pass(dir middlebox.Direction, router int, p packet.Packet, after bool) bool {
	for _, b := range n.boxes[router] {
		if b.after != after {
			continue
		}
		act := b.box.Handle(dir, p)
		for _, inj := range act.Inject {
			n.inject(router, inj)
		}
		if act.Drop {
			n.trace(dir, router, p, "dropped by a box")
			return false
		}
	}
	return true
}

// inject sends a forged packet from behind router: it crosses router-1
// routers toward the client, and all that follow toward the server.
func (n *Net) inject(router int, inj middlebox.Injection) {
	p, err := built(inj.Packet)
	if err != nil {
		n.fail(fmt.Errorf("simnet: box at router %d: %w", router, err))
		return
	}
	n.after(inj.Delay, func() {
		n.trace(inj.Toward, router, p, "injected by a box")
		n.travel(inj.Toward, router, p)
	})
}

// expire sends a Time Exceeded message about a packet of the client's. Those
// about the server's packets nobody here would read.
func (n *Net) expire(dir middlebox.Direction, router int, p packet.Packet) {
	if dir == middlebox.ToServer {
		raw, err := packet.BuildTimeExceeded(n.top.Router(router), p.Raw, n.quote(p))
		n.icmp(router, raw, err)
	}
}

func (n *Net) unreachable(router int, p packet.Packet) {
	code := noHost
	if p.Dst.Addr().Is6() {
		code = noAddr
	}
	raw, err := packet.BuildUnreachable(n.top.Router(router), code, p.Raw, n.quote(p))
	n.icmp(router, raw, err)
}

// icmp sends an ICMP error from router to the client, unless router is silent.
func (n *Net) icmp(router int, raw []byte, err error) {
	if slices.Contains(n.top.Silent, router) {
		return
	}
	var p packet.Packet
	if err == nil {
		p, err = packet.Parse(raw)
	}
	if err != nil {
		n.fail(fmt.Errorf("simnet: ICMP error of router %d: %w", router, err))
		return
	}
	n.travel(middlebox.ToClient, router, p)
}

func (n *Net) quote(p packet.Packet) int {
	switch {
	case n.Quote != 0:
		return n.Quote
	case p.Dst.Addr().Is6():
		return quote6
	}
	return quote4
}

// reply sends a packet of the server.
func (n *Net) reply(p packet.Packet) {
	p, err := built(p)
	if err != nil {
		n.fail(fmt.Errorf("simnet: server: %w", err))
		return
	}
	n.trace(middlebox.ToClient, n.top.Routers+1, p, "sent")
	n.travel(middlebox.ToClient, n.top.Routers+1, p)
}

// fail ends the world: the first reason is what Send and Receive return.
func (n *Net) fail(err error) {
	if n.err == nil {
		n.err = err
	}
}

// built is p as it is on the wire.
func built(p packet.Packet) (packet.Packet, error) {
	raw, err := packet.Build(p)
	if err != nil {
		return packet.Packet{}, err
	}
	return packet.Parse(raw)
}

// has reports whether addr is one of the server's.
func (s *server) has(addr netip.Addr) bool {
	return addr == s.net.top.ServerAddr() || addr == s.net.top.ServerAddr2()
}
