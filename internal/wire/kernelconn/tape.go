package kernelconn

import (
	"bytes"
	"net/netip"
	"time"

	"github.com/rstprobe/rstprobe/internal/flow"
	"github.com/rstprobe/rstprobe/internal/packet"
)

// tape writes down what a kernel tells of one connection, as the packets that
// it must have seen: RFC 9293's rules for what a TCP accepts fill in flags and
// relative sequence numbers, both sides beginning at 0. Nothing else of a
// header is known, and left zero.
type tape struct {
	key    packet.Key
	start  time.Time // of the trial
	stamp  uint8     // the TTL of the copy that the connection is for; 0: it is for none
	sent   bool      // the copy has left
	said   int       // bytes of ours
	heard  int       // bytes of theirs
	acked  int       // bytes of ours that they have acknowledged
	stood  bool      // the handshake was completed
	events []flow.Event
}

// keep is how much of the peer's stream a record holds: one TLS record, or the
// head of an HTTP answer, which is all that anything reads of it.
const keep = 16 << 10

func (t *tape) note(at time.Time, kind flow.Kind, p packet.Packet) {
	e := flow.Event{At: max(0, at.Sub(t.start).Truncate(time.Microsecond)), Kind: kind, Packet: p}
	if kind == flow.Received && t.sent {
		e.TTL = t.stamp
	}
	t.events = append(t.events, e)
}

// ours is a segment that we sent.
func (t *tape) ours(ttl uint8, s packet.Segment) packet.Packet {
	return packet.Packet{Src: t.key.Local, Dst: t.key.Remote, Proto: packet.TCP, TTL: ttl, TCP: s}
}

// send notes a segment of ours; it is the copy if it carries the stimulus.
func (t *tape) send(at time.Time, ttl uint8, s packet.Segment, stimulus bool) {
	t.note(at, flow.Sent, t.ours(ttl, s))
	if stimulus && t.stamp > 0 {
		t.sent = true
		t.events[len(t.events)-1].TTL = t.stamp
	}
}

func (t *tape) syn(at time.Time, ttl uint8, stimulus bool) {
	t.send(at, ttl, packet.Segment{Flags: packet.SYN}, stimulus)
}

// say notes payload of ours.
func (t *tape) say(at time.Time, ttl uint8, b []byte) {
	t.send(at, ttl, packet.Segment{Seq: t.next(), Ack: t.expected(), Flags: packet.PSH | packet.ACK, Payload: b}, true)
	t.said += len(b)
}

// again notes that n segments of ours were sent again.
func (t *tape) again(at time.Time, n int) {
	s := packet.Segment{Flags: packet.SYN}
	if t.stood {
		s = packet.Segment{Seq: 1, Ack: t.expected(), Flags: packet.PSH | packet.ACK, Missing: t.said}
	}
	for range n {
		t.note(at, flow.Retransmitted, t.ours(0, s))
	}
}

// next is SND.NXT, and expected RCV.NXT.
func (t *tape) next() packet.Seq     { return packet.Seq(1).Add(t.said) }
func (t *tape) expected() packet.Seq { return packet.Seq(1).Add(t.heard) }

// hear notes a segment of theirs.
func (t *tape) hear(at time.Time, s packet.Segment) {
	t.note(at, flow.Received, packet.Packet{Src: t.key.Remote, Dst: t.key.Local, Proto: packet.TCP, TCP: s})
}

// open notes the SYN-ACK.
func (t *tape) open(at time.Time) {
	t.stood = true
	t.hear(at, packet.Segment{Ack: 1, Flags: packet.SYN | packet.ACK})
}

// answer notes payload of theirs, of which a record keeps the beginning.
func (t *tape) answer(at time.Time, b []byte) {
	kept := min(len(b), max(0, keep-t.heard))
	t.hear(at, packet.Segment{Seq: t.expected(), Ack: packet.Seq(1).Add(t.acked), Flags: packet.PSH | packet.ACK, Payload: bytes.Clone(b[:kept]), Missing: len(b) - kept})
	t.heard += len(b)
}

// fin notes that they closed.
func (t *tape) fin(at time.Time) {
	t.hear(at, packet.Segment{Seq: t.expected(), Ack: packet.Seq(1).Add(t.acked), Flags: packet.FIN | packet.ACK})
}

// reset notes a reset. Of one to a SYN the kernel has checked that it
// acknowledges it (RFC 9293 §3.10.7.3), of any other that its sequence number
// is the one expected (RFC 5961 §3.2); whether that one had the ACK flag is
// not known.
func (t *tape) reset(at time.Time) {
	s := packet.Segment{Seq: t.expected(), Flags: packet.RST}
	if !t.stood {
		s = packet.Segment{Ack: 1, Flags: packet.RST | packet.ACK}
	}
	t.hear(at, s)
}

// acknowledge notes what of ours they have acknowledged since.
func (t *tape) acknowledge(at time.Time, bytes int) {
	if bytes <= t.acked {
		return
	}
	t.acked = bytes
	t.hear(at, packet.Segment{Seq: t.expected(), Ack: packet.Seq(1).Add(bytes), Flags: packet.ACK})
}

// icmp notes an ICMP error about the connection. from is invalid and ttl 0
// where the kernel does not tell.
func (t *tape) icmp(at time.Time, from netip.Addr, ttl uint8, e packet.ICMPError) {
	e.Quote = packet.Quote{Src: t.key.Local, Dst: t.key.Remote, Proto: packet.TCP}
	proto := packet.ICMP
	if t.key.Remote.Addr().Is6() {
		proto = packet.ICMPv6
	}
	t.note(at, flow.Received, packet.Packet{
		Src: netip.AddrPortFrom(from, 0), Dst: netip.AddrPortFrom(t.key.Local.Addr(), 0), Proto: proto, TTL: ttl, ICMP: e,
	})
}

// expire notes that a deadline passed.
func (t *tape) expire(at time.Time) {
	t.events = append(t.events, flow.Event{At: max(0, at.Sub(t.start).Truncate(time.Microsecond)), Kind: flow.Expired})
}
