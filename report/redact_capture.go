package report

import (
	"net/netip"
	"reflect"
	"time"

	"github.com/rstprobe/rstprobe/internal/packet"
)

// Capture is c without what is to be hidden. Who captured is taken to be the
// client of every conversation; the routers nearest to it are known from a
// sweep. An explanation that hides as much already is left as it is.
func (r *Redactor) Capture(c Capture) Capture {
	if r == nil || c.Redacted != nil && *c.Redacted >= r.hops {
		return c
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	r.learnCapture(c)
	c = rewritten(reflect.ValueOf(c), r.text, r.addr).Interface().(Capture)
	if c.Sweep != nil {
		r.blur(c.Sweep.document())
	}
	hops := r.hops
	c.Redacted = &hops
	return c
}

// learnCapture takes from an explanation what is to be hidden and what may be
// shown.
func (r *Redactor) learnCapture(c Capture) {
	ends := func(client, server netip.AddrPort) {
		r.us(client.Addr())
		r.show(server.Addr())
	}
	for _, f := range c.Flows {
		ends(f.Client, f.Server)
	}
	if s := c.Sweep; s != nil {
		r.show(s.Server.Addr())
		r.learn(s.document())
	}
	if e := c.BothEnds; e != nil {
		for _, p := range e.Pairs {
			ends(p.AtClient.Client, p.AtClient.Server)
			ends(p.AtServer.Client, p.AtServer.Server)
		}
		for _, m := range e.Missing {
			ends(m.Client, m.Server)
		}
	}
}

// Reread is again without what is to be hidden, as Frames are. To be used when
// what the capture shows has gone through Capture.
func (r *Redactor) Reread(again Reread) Reread {
	if r == nil || again == nil {
		return again
	}
	return func(look func(n int, at time.Time, p *packet.Packet) bool) error {
		return again(func(n int, at time.Time, p *packet.Packet) bool {
			hidden := r.packet(p)
			return look(n, at, &hidden)
		})
	}
}

// packet is a copy of p with stand-ins for its own addresses and for those of
// the nearest routers, wherever they stand in it.
func (r *Redactor) packet(p *packet.Packet) packet.Packet {
	r.mu.Lock()
	defer r.mu.Unlock()
	var hide []netip.Addr
	for _, end := range []netip.AddrPort{p.Src, p.Dst, p.ICMP.Quote.Src, p.ICMP.Quote.Dst} {
		if a := plainAddr(end.Addr()); a.IsValid() && r.hidden(a) {
			hide = append(hide, a)
		}
	}
	for a := range r.near {
		hide = append(hide, a)
	}
	out, _ := packet.Parse(packet.Edit(p.Raw, r.addr, func(b []byte) { r.blot(b, hide) })) //nolint:errcheck // as far as p could be read
	return out
}
