package simnet

import (
	"net/netip"
	"time"

	"github.com/rstprobe/rstprobe/internal/dialogue"
	"github.com/rstprobe/rstprobe/internal/packet"
)

// The receive window that Linux offers on an Ethernet path: in the SYN/ACK,
// and scaled afterwards.
const (
	window      = 65160 // bytes
	windowScale = 7     // as a shift
)

// finalWait is how long a finished connection lingers, TIME-WAIT and the
// FIN-WAIT-2 of a closed socket alike (Linux TCP_TIMEWAIT_LEN).
const finalWait = 60 * time.Second

// conn is the server's end of one connection, from its SYN on (RFC 9293).
type conn struct {
	srv           *server
	local, remote netip.AddrPort // the server's, the client's
	id            uint16         // identification of the next datagram

	open  bool          // the opening is complete
	shut  bool          // the application has closed; it reads no more
	gone  bool          // both sides have finished, the server first (TIME-WAIT)
	deaf  bool          // the application ignores what it reads
	busy  bool          // the application works on an answer
	talk  *dialogue.End // speaks TLS for the application; nil: it does not
	in    reassembly
	read  []byte // in order, not yet taken by the application
	irs   packet.Seq
	out   sender
	stamp stamps
	sack  bool // the client takes SACK
	scale bool // windows are scaled

	until  time.Time // to which the closed connection is read on
	idle   *event
	keep   *event
	probes int // keepalive probes without an answer
	final  *event
}

// accept answers a SYN.
func accept(s *server, p packet.Packet) *conn {
	c := &conn{
		srv: s, local: p.Dst, remote: p.Src,
		id:   uint16(s.rng.Uint32()), //nolint:gosec // random
		irs:  p.TCP.Seq,
		in:   reassembly{next: p.TCP.Seq + 1},
		sack: p.TCP.SACKPermitted(),
	}
	c.stamp = newStamps(s, p.TCP)
	c.out = newSender(c, packet.Seq(s.rng.Uint32()), p.TCP)
	c.out.synAck()
	c.out.arm()
	return c
}

// receive takes a segment, in the order of checks of RFC 9293 §3.10.7.4 with
// RFC 5961.
func (c *conn) receive(p packet.Packet) {
	s := p.TCP
	rst := s.Flags.Has(packet.RST)
	switch {
	case c.stamp.old(s) && !rst: // PAWS, RFC 7323 §5.3
		c.acknowledge()
		return
	case !c.open && s.Flags&(packet.SYN|packet.ACK|packet.RST) == packet.SYN && s.Seq == c.irs:
		c.out.synAck()
		return
	case !c.acceptable(s):
		if !rst {
			c.acknowledge()
		}
		return
	case rst && s.Seq == c.in.next:
		c.end()
		return
	case rst || s.Flags.Has(packet.SYN):
		c.acknowledge() // a challenge ACK, RFC 5961 §3.2, §4.2
		return
	case !s.Flags.Has(packet.ACK):
		return
	case !c.open && s.Ack != c.out.next:
		c.srv.refuse(p)
		return
	}
	if !c.open {
		c.open = true
		c.out.opened()
	}
	c.stamp.update(s, c.in.next)
	if !c.out.acked(s, c.scale) {
		c.acknowledge() // RFC 5961 §5.2
		return
	}
	c.watch()
	if c.srv.net.top.Server.CloseAtOnce && !c.shut {
		c.finish()
	}
	c.text(p)
	c.settle()
}

// acceptable is the sequence check as Linux makes it: a segment that only
// touches the window passes, and is seen to be a duplicate later.
func (c *conn) acceptable(s packet.Segment) bool {
	return !s.Seq.Add(s.Len()).Before(c.in.next) && s.Seq.Sub(c.in.next) <= window
}

// text takes the data and the FIN of a segment.
func (c *conn) text(p packet.Packet) {
	s := p.TCP
	if s.Len() == 0 {
		return
	}
	if c.shut && !c.srv.net.now.Before(c.until) && len(s.Payload) > 0 && c.in.next.Before(s.Seq.Add(len(s.Payload))) {
		// Nobody is there to read it (RFC 9293 §3.10.7.4, CLOSE; RFC 2525 §2.17).
		c.srv.refuse(p)
		c.end()
		return
	}
	b := block{from: s.Seq, data: s.Payload, fin: s.Flags.Has(packet.FIN)}
	c.read = append(c.read, c.in.insert(b)...)
	if c.deaf || c.shut {
		c.read = nil
	}
	c.acknowledge()
	c.serve()
}

// settle ends the connection once both sides have finished.
func (c *conn) settle() {
	if !c.out.finAcked {
		return
	}
	if c.in.ended && !c.out.first {
		c.end()
		return
	}
	c.gone = c.in.ended
	if c.final == nil {
		c.final = c.srv.net.after(finalWait, c.end)
	}
}

// watch starts the idle limit and the keepalive interval over.
func (c *conn) watch() {
	c.idle.stop()
	c.keep.stop()
	c.probes = 0
	behaviour := c.srv.net.top.Server
	if d := behaviour.IdleReset; d > 0 && !c.shut {
		c.idle = c.srv.net.after(d, c.abort)
	}
	if d := behaviour.KeepAlive; d > 0 {
		c.keep = c.srv.net.after(d, c.probe)
	}
}

// keepAlives is how many probes may go without an answer: fewer than Linux's
// nine, so that the end comes soon.
const keepAlives = 3

// probe sends a keepalive segment, which is before the window (RFC 9293
// §3.8.4), or gives up.
func (c *conn) probe() {
	if c.probes++; c.probes > keepAlives {
		c.abort()
		return
	}
	c.send(packet.ACK, c.out.next-1, nil)
	c.keep = c.srv.net.after(c.srv.net.top.Server.KeepAlive, c.probe)
}

// write sends data of the application.
func (c *conn) write(b []byte) { c.out.write(b) }

// finish closes the connection gracefully; what still comes is read for as
// long as the server lingers.
func (c *conn) finish() {
	c.shut = true
	if behaviour := c.srv.net.top.Server; !behaviour.CloseAtOnce {
		c.until = c.srv.net.now.Add(behaviour.Lingers)
	}
	c.out.finish(!c.in.ended)
}

// abort resets the connection, as close with linger 0 and close with unread
// data do (RFC 9293 §3.10.5). Unlike the reset of no connection, Linux's
// carries the connection's window, timestamps and identification.
func (c *conn) abort() {
	c.send(packet.RST|packet.ACK, c.out.next, nil)
	c.end()
}

// end forgets the connection. To end it twice is harmless.
func (c *conn) end() {
	c.out.timer.stop()
	c.idle.stop()
	c.keep.stop()
	c.final.stop()
	c.shut = true
	if c.talk != nil {
		c.talk.Close()
	}
	k := packet.Key{Local: c.remote, Remote: c.local}
	if c.srv.conns[k] == c {
		delete(c.srv.conns, k)
	}
}

// acknowledge sends an ACK that says where the server stands.
func (c *conn) acknowledge() { c.send(packet.ACK, c.out.next, nil) }

// send sends a segment of the open connection.
func (c *conn) send(flags packet.Flags, seq packet.Seq, data []byte) {
	options := c.stamp.option()
	if flags == packet.ACK && len(data) == 0 && c.sack {
		options = append(options, sackOption(c.in.sack(), len(options))...)
	}
	win := uint16(window >> windowScale)
	if !c.scale {
		win = window
	}
	c.srv.send(c.local, c.remote, c.id, packet.Segment{
		Seq: seq, Ack: c.in.next, Flags: flags, Window: win, Options: options, Payload: data,
	})
	c.id++
}
