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

// travel takes p over the link that leads from a node to the next one.
func (n *Net) travel(dir middlebox.Direction, from *node, p packet.Packet) {
	if n.loss > 0 && n.rng.Float64() < n.loss {
		n.trace(dir, from.number, p, "lost on the link")
		return
	}
	to := from.next(dir, n.leg(dir, p))
	n.after(n.link, func() { n.arrive(dir, to, p) })
}

func (n *Net) arrive(dir middlebox.Direction, at *node, p packet.Packet) {
	switch at {
	case n.client():
		n.trace(dir, at.number, p, "received")
		n.inbox = append(n.inbox, wire.Frame{At: n.now, Raw: p.Raw})
	case n.host():
		n.trace(dir, at.number, p, "received")
		if p, ok := n.pass(dir, at, p, false); ok {
			n.server.receive(p)
		}
	default:
		n.forward(dir, at, p)
	}
}

// forward is what router does with a packet: first the boxes before its TTL
// check, then the check, then the boxes behind it. Both kinds see packets of
// both directions.
func (n *Net) forward(dir middlebox.Direction, router *node, p packet.Packet) {
	p, ok := n.pass(dir, router, p, false)
	if !ok {
		return
	}
	if p.TTL <= 1 {
		n.trace(dir, router.number, p, "TTL ran out")
		n.expire(dir, router, p)
		return
	}
	received := p
	p.TTL--
	p.Raw = slices.Clone(p.Raw)
	packet.SetTTL(p.Raw, p.TTL)
	p, ok = n.pass(dir, router, p, true)
	if !ok {
		return
	}
	if dst := p.Dst.Addr(); dir == middlebox.ToServer && router == n.world.trunk[n.top.Routers] && !n.server.has(dst) {
		n.trace(dir, router.number, p, "no such host")
		n.unreachable(router, received)
		return
	}
	n.travel(dir, router, p)
}

// pass shows p to the boxes of a node on one side of its TTL check, carries out
// what they do, and reports whether p goes on, and as what.
func (n *Net) pass(dir middlebox.Direction, at *node, p packet.Packet, after bool) (packet.Packet, bool) {
	for _, b := range at.boxes {
		if b.after != after {
			continue
		}
		act := b.box.Handle(dir, p)
		for _, inj := range act.Inject {
			n.inject(at, inj)
		}
		if act.Drop {
			n.trace(dir, at.number, p, "dropped by a box")
			return p, false
		}
		if act.Instead == nil {
			continue
		}
		changed, err := built(*act.Instead)
		if err != nil {
			n.fail(fmt.Errorf("simnet: box at router %d: %w", at.number, err))
			return p, false
		}
		p = changed
		n.trace(dir, at.number, p, "changed by a box")
	}
	return p, true
}

// inject sends a forged packet from behind a node: it crosses the routers
// before it toward the client, and those that follow toward the server.
func (n *Net) inject(at *node, inj middlebox.Injection) {
	p, err := built(inj.Packet)
	if err != nil {
		n.fail(fmt.Errorf("simnet: box at router %d: %w", at.number, err))
		return
	}
	n.after(inj.Delay, func() {
		n.trace(inj.Toward, at.number, p, "injected by a box")
		if at == n.host() && inj.Toward == middlebox.ToServer {
			n.server.receive(p)
			return
		}
		n.travel(inj.Toward, at, p)
	})
}

// expire sends a Time Exceeded message about a packet of the client's. Those
// about the server's packets nobody here would read.
func (n *Net) expire(dir middlebox.Direction, router *node, p packet.Packet) {
	if dir == middlebox.ToServer {
		n.icmp(router, p, func(quote int) ([]byte, error) {
			return packet.BuildTimeExceeded(router.addr, p.Raw, quote)
		})
	}
}

func (n *Net) unreachable(router *node, p packet.Packet) {
	code := noHost
	if p.Dst.Addr().Is6() {
		code = noAddr
	}
	n.icmp(router, p, func(quote int) ([]byte, error) {
		return packet.BuildUnreachable(router.addr, code, p.Raw, quote)
	})
}

// icmp sends an ICMP error about p from router to the client, unless router is
// silent or has said too much.
func (n *Net) icmp(router *node, p packet.Packet, build func(quote int) ([]byte, error)) {
	if !router.addr.IsValid() || n.top.LimitICMP && !router.allows(p.Src.Addr(), n.now) {
		n.trace(middlebox.ToClient, router.number, p, "not reported")
		return
	}
	raw, err := build(n.quote(p))
	var report packet.Packet
	if err == nil {
		report, err = packet.Parse(raw)
	}
	if err != nil {
		n.fail(fmt.Errorf("simnet: ICMP error of router %d: %w", router.number, err))
		return
	}
	n.travel(middlebox.ToClient, router, report)
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
	p, ok := n.pass(middlebox.ToClient, n.host(), p, false)
	if !ok {
		return
	}
	n.trace(middlebox.ToClient, n.host().number, p, "sent")
	n.travel(middlebox.ToClient, n.host(), p)
}

// fail ends the world: the first reason is what Send and Receive return.
func (n *Net) fail(err error) {
	if n.err == nil {
		n.err = err
	}
}

// built is p as it is on the wire.
func built(p packet.Packet) (packet.Packet, error) {
	raw, err := middlebox.Build(p)
	if err != nil {
		return packet.Packet{}, err
	}
	return packet.Parse(raw)
}

// client and host are the ends of the path.
func (n *Net) client() *node { return n.world.trunk[0] }
func (n *Net) host() *node   { return n.world.trunk[n.top.Routers+1] }

// has reports whether addr is one of the server's.
func (s *server) has(addr netip.Addr) bool {
	return addr == s.net.top.ServerAddr() || addr == s.net.top.ServerAddr2()
}
