package simnet_test

import (
	"fmt"
	"net/netip"
	"strings"
	"testing"
	"time"

	"github.com/rstprobe/rstprobe/internal/lab"
	"github.com/rstprobe/rstprobe/internal/lab/middlebox"
	"github.com/rstprobe/rstprobe/internal/lab/simnet"
	"github.com/rstprobe/rstprobe/internal/packet"
	"github.com/rstprobe/rstprobe/internal/payload"
	"github.com/rstprobe/rstprobe/internal/wire"
)

const (
	rtt     = 60 * time.Millisecond
	iss     = packet.Seq(0xffffff00) // so that every test crosses the wrap
	port    = 40000
	blocked = "blocked.example"
)

// world is a hand-driven client on a path.
type world struct {
	testing.TB
	top lab.Topology
	net *simnet.Net
	id  uint16
}

func newWorld(t testing.TB, top lab.Topology, seed uint64) *world {
	t.Helper()
	if top.Routers == 0 {
		top.Routers = 5
	}
	if top.RTT == 0 {
		top.RTT = rtt
	}
	w := &world{TB: t, top: top, net: simnet.New(top, seed)}
	t.Cleanup(func() {
		if err := w.net.Close(); err != nil {
			t.Error(err)
		}
	})
	return w
}

func (w *world) server(port uint16) netip.AddrPort {
	return netip.AddrPortFrom(w.top.ServerAddr(), port)
}

// packet is a datagram of the client's from its usual port.
func (w *world) packet(dst netip.AddrPort, ttl uint8, s packet.Segment) packet.Packet {
	w.id++
	v4 := dst.Addr().Is4()
	s.Window = 64240
	return packet.Packet{
		Src: netip.AddrPortFrom(w.top.Client(), port), Dst: dst,
		Proto: packet.TCP, TTL: ttl, ID: w.id, HasID: v4, DF: v4, TCP: s,
	}
}

func (w *world) send(ps ...packet.Packet) {
	w.Helper()
	var raws [][]byte
	for _, p := range ps {
		raw, err := packet.Build(p)
		if err != nil {
			w.Fatal(err)
		}
		raws = append(raws, raw)
	}
	if n, err := w.net.Send(raws); n != len(raws) || err != nil {
		w.Fatalf("Send = %d, %v; want %d, nil", n, err, len(raws))
	}
}

// arrival is a packet with the time since the call.
type arrival struct {
	packet.Packet
	after time.Duration
}

// listen is all that arrives within d, without transmit stamps.
func (w *world) listen(d time.Duration) []arrival {
	w.Helper()
	start := time.Now()
	var got []arrival
	buf := make([]wire.Frame, 4)
	for {
		n, err := w.net.Receive(buf, start.Add(d))
		if err != nil {
			w.Fatal(err)
		}
		if n == 0 {
			return got
		}
		for _, f := range buf[:n] {
			if f.Raw == nil {
				continue
			}
			p, err := packet.Parse(f.Raw)
			if err != nil {
				w.Fatal(err)
			}
			got = append(got, arrival{p, f.At.Sub(start)})
		}
	}
}

// flow is an open connection.
type flow struct {
	*world
	dst       netip.AddrPort
	next, ack packet.Seq
	synAck    packet.Packet
}

// connect opens a connection with the client's options.
func (w *world) connect(dstPort uint16, options ...byte) *flow {
	w.Helper()
	dst := w.server(dstPort)
	w.send(w.packet(dst, 64, packet.Segment{Seq: iss, Flags: packet.SYN, Options: options}))
	got := w.listen(2 * w.top.RTT)
	if len(got) != 1 || got[0].TCP.Flags != packet.SYN|packet.ACK {
		w.Fatalf("SYN was answered by %v, want one SYN/ACK", words(got))
	}
	f := &flow{world: w, dst: dst, next: iss + 1, ack: got[0].TCP.Seq + 1, synAck: got[0].Packet}
	w.send(f.segment(64, packet.ACK, nil))
	return f
}

// segment is the next segment, of which the flow takes no note.
func (f *flow) segment(ttl uint8, flags packet.Flags, data []byte) packet.Packet {
	return f.packet(f.dst, ttl, packet.Segment{Seq: f.next, Ack: f.ack, Flags: flags, Payload: data})
}

// request is what asks the flow's server for name.
func (f *flow) request(name string) []byte {
	f.Helper()
	b, err := payload.ClientHello(name, payload.Plain, 0, 1)
	if f.dst.Port() == 80 {
		b, err = payload.HTTPRequest(name, "/", 0)
	}
	if err != nil {
		f.Fatal(err)
	}
	return b
}

// say sends data and listens for d.
func (f *flow) say(d time.Duration, data []byte) []arrival {
	f.Helper()
	f.send(f.segment(64, packet.PSH|packet.ACK, data))
	f.next = f.next.Add(len(data))
	return f.listen(d)
}

// from is the flow's view of a segment: flags, relative numbers, TTL and what
// the data is.
func (f *flow) from(a arrival) string {
	s := a.TCP
	out := fmt.Sprintf("%v seq %+d", s.Flags, s.Seq.Sub(f.ack))
	if s.Flags.Has(packet.ACK) {
		out += fmt.Sprintf(" ack %+d", s.Ack.Sub(f.next))
	}
	out += fmt.Sprintf(" ttl %d", a.TTL)
	if len(s.Payload) > 0 {
		out += " " + payload.Recognise(s.Payload).String()
	}
	return out
}

func (f *flow) all(as []arrival) []string {
	var out []string
	for _, a := range as {
		out = append(out, f.from(a))
	}
	return out
}

func words(as []arrival) string {
	var out []string
	for _, a := range as {
		out = append(out, a.String())
	}
	return strings.Join(out, "; ")
}

// box places a box.
func box(router int, after bool, b func() middlebox.Box) []lab.Placement {
	return []lab.Placement{{Router: router, AfterTTL: after, New: b}}
}

// families runs a test for IPv4 and IPv6.
func families(t *testing.T, f func(t *testing.T, v6 bool)) {
	t.Run("IPv4", func(t *testing.T) { f(t, false) })
	t.Run("IPv6", func(t *testing.T) { f(t, true) })
}
