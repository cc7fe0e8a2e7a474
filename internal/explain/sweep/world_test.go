package sweep_test

import (
	"math/rand/v2"
	"net/netip"
	"time"

	"github.com/rstprobe/rstprobe/internal/flow"
	"github.com/rstprobe/rstprobe/internal/packet"
)

// The names that the scripted sweeps say.
const (
	badName  = "blocked.example"
	goodName = "harmless.example"
)

const (
	rtt         = 40 * time.Millisecond
	page        = "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nhi"
	fullTTL     = 64
	clientISS   = packet.Seq(1000)
	serverISS   = packet.Seq(5000)
	betweenRuns = time.Minute
)

var epoch = time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)

// box is what acts on copies that say badName.
type box int

const (
	nothing box = iota
	tap         // resets us, beside the path
	killer      // resets both ends, beside the path
	wall        // resets us and takes the copy out
	dropper     // takes the copy out, and all that follows on the connection
)

// world is a path of routers 1 … server-1, and the prober's capture at its
// beginning.
type world struct {
	v6      bool
	server  int
	box     box
	at      int
	mute    bool                // no router answers
	silent  int                 // the one router that does not; 0: all do
	closed  bool                // the port
	lost    float64             // of what comes back
	rand    *rand.Rand          // valid iff lost > 0
	highest int                 // the last TTL of a round; 0: that of the server
	said    func(string) string // the payload for a name; nil: a request
}

func (w world) addr(v4, v6 string) netip.Addr {
	if w.v6 {
		return netip.MustParseAddr(v6)
	}
	return netip.MustParseAddr(v4)
}

// run is the conversations of some rounds, numbered from 1.
func (w world) run(name string, rounds int) []flow.Conversation {
	var all []flow.Conversation
	last := w.server
	if w.highest > 0 {
		last = w.highest
	}
	n, at := 0, epoch
	for range rounds {
		for ttl := 0; ttl <= last; ttl++ {
			t := &telling{world: w, n: n}
			t.c.Start, t.c.Source, t.c.Ended = at, flow.Capture, flow.Closed
			t.c.Key.Local = netip.AddrPortFrom(w.addr("192.0.2.1", "2001:db8::1"), uint16(40000+len(all))) //nolint:gosec // small
			t.c.Key.Remote = netip.AddrPortFrom(w.addr("198.51.100.7", "2001:db8:7::7"), 80)
			t.tell(name, ttl)
			t.c.First, t.c.Last, n = n+1, t.n, t.n
			all = append(all, t.c)
			at = at.Add(8 * time.Second)
		}
		at = at.Add(betweenRuns)
	}
	return all
}

// telling writes one connection down.
type telling struct {
	world
	c   flow.Conversation
	n   int
	now time.Duration
}

func (t *telling) event(kind flow.Kind, p packet.Packet) {
	t.n++
	if kind == flow.Received && t.lost > 0 && len(t.c.Events) > 1 && t.rand.Float64() < t.lost {
		return
	}
	p.HasID = !t.v6 && p.Src.Addr().Is4()
	p.ID = uint16(t.n) //nolint:gosec // small
	t.c.Events = append(t.c.Events, flow.Event{At: t.now, Kind: kind, Packet: p, N: t.n})
	t.c.End = t.now
}

func (t *telling) send(ttl int, s packet.Segment) packet.Packet {
	s.Window = 8192
	p := packet.Packet{Src: t.c.Key.Local, Dst: t.c.Key.Remote, Proto: packet.TCP, TTL: uint8(ttl), TCP: s} //nolint:gosec // at most 64
	header := 40
	if t.v6 {
		header = 60
	}
	p.Raw = make([]byte, header+len(s.Payload))
	t.event(flow.Sent, p)
	return p
}

// get is a packet that crossed so many routers.
func (t *telling) get(crossed int, s packet.Segment) {
	t.event(flow.Received, packet.Packet{Src: t.c.Key.Remote, Dst: t.c.Key.Local, Proto: packet.TCP, TTL: uint8(fullTTL - crossed), TCP: s}) //nolint:gosec // small
}

func (t *telling) tell(name string, ttl int) {
	far := t.server - 1
	t.send(fullTTL, packet.Segment{Seq: clientISS, Flags: packet.SYN})
	t.now += rtt
	if t.closed {
		t.get(far, packet.Segment{Ack: clientISS + 1, Flags: packet.RST | packet.ACK})
	} else {
		t.get(far, packet.Segment{Seq: serverISS, Ack: clientISS + 1, Flags: packet.SYN | packet.ACK})
	}
	t.now += time.Millisecond
	t.send(fullTTL, packet.Segment{Seq: clientISS + 1, Ack: serverISS + 1, Flags: packet.ACK})
	t.now += rtt
	say := t.said
	if say == nil {
		say = func(name string) string { return "GET / HTTP/1.1\r\nHost: " + name + "\r\n\r\n" }
	}
	data := say(name)
	copied := t.send(ttl, packet.Segment{Seq: clientISS + 1, Ack: serverISS + 1, Flags: packet.ACK | packet.PSH, Payload: []byte(data)})
	end := clientISS.Add(1 + len(data))
	acts := t.box != nothing && name == badName && max(1, ttl) >= t.at
	t.now += rtt / 2
	if hop := max(1, ttl); hop < t.server && hop != t.silent && !t.mute && !(acts && (t.box == wall || t.box == dropper)) {
		t.expire(hop, copied)
	}
	if acts && t.box != dropper {
		t.get(t.at-1, packet.Segment{Seq: serverISS + 1, Ack: end, Flags: packet.RST | packet.ACK, Window: 77})
	}
	t.now += rtt / 2
	mine, theirs := clientISS+1, serverISS+1
	if ttl >= t.server && !t.closed && !(acts && (t.box == wall || t.box == dropper)) {
		t.get(far, packet.Segment{Seq: theirs, Ack: end, Flags: packet.ACK | packet.PSH, Payload: []byte(page)})
		mine, theirs = end, theirs.Add(len(page))
	}
	t.now += 3 * time.Second
	t.send(fullTTL, packet.Segment{Seq: mine, Ack: theirs, Flags: packet.FIN | packet.ACK})
	t.now += rtt
	switch {
	case t.closed:
	case acts && t.box == dropper:
		return
	case acts && t.box == killer:
		t.get(far, packet.Segment{Seq: theirs, Flags: packet.RST})
		return
	default:
		t.get(far, packet.Segment{Seq: theirs, Ack: mine + 1, Flags: packet.FIN | packet.ACK, Window: 500})
		t.now += time.Millisecond
		t.send(fullTTL, packet.Segment{Seq: mine + 1, Ack: theirs + 1, Flags: packet.ACK})
	}
}

func (t *telling) expire(hop int, p packet.Packet) {
	router := netip.AddrFrom4([4]byte{203, 0, 113, byte(hop)}) //nolint:gosec // small
	proto := packet.ICMP
	if t.v6 {
		a := netip.MustParseAddr("2001:db8:f::").As16()
		a[15] = byte(hop) //nolint:gosec // small
		router, proto = netip.AddrFrom16(a), packet.ICMPv6
	}
	t.event(flow.Received, packet.Packet{
		Src: netip.AddrPortFrom(router, 0), Dst: netip.AddrPortFrom(p.Src.Addr(), 0), Proto: proto, TTL: uint8(fullTTL - hop + 1), //nolint:gosec // small
		ICMP: packet.ICMPError{Kind: packet.TimeExceeded, Quote: packet.Quote{
			Src: p.Src, Dst: p.Dst, Proto: packet.TCP, TTL: 1, ID: p.ID, HasID: p.HasID, TotalLen: len(p.Raw), Seq: p.TCP.Seq,
		}},
	})
}
