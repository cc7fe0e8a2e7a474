// Package capturetest makes captures for tests and benchmarks.
package capturetest

import (
	"bufio"
	"encoding/binary"
	"fmt"
	"io"
	"math"
	"math/rand/v2"
	"net/netip"
	"time"

	"github.com/rstprobe/rstprobe/internal/packet"
)

// Traffic describes connections of many clients with few servers: handshake,
// ClientHello, an answer in several acknowledged segments, then FINs; or a
// reset. The same description makes the same bytes.
type Traffic struct {
	Flows      int
	Segments   int           // of the answer; 0: as many as it happens, see usual
	Open       int           // flows at a time
	ResetEvery int           // one flow of so many is reset; 0: none
	Late       bool          // every other one of these not by the server in answer to the ClientHello but by the client, instead of its FIN
	Gap        time.Duration // between packets, on average
	Seed       uint64
}

// Usual is the traffic of a capture as a customer may send it: 825 thousand
// packets, 660 bytes each on average, of 4500 connections, a fifth of which
// are reset. Lengths are as usual; of the TCP connections at the edge of a
// campus 15 to 25 percent saw a reset, many of them from a client that saves
// itself the FIN (Arlitt and Williamson, An Analysis of TCP Reset Behaviour on
// the Internet, CCR 35(1), 2005).
var Usual = Traffic{Flows: 4_500, Open: 200, ResetEvery: 5, Late: true, Gap: 500 * time.Microsecond, Seed: 1}

// Resets is a capture of what goes wrong: about a million packets of a hundred
// thousand short connections, a tenth of which are reset in answer to the
// ClientHello.
var Resets = Traffic{Flows: 100_000, Segments: 2, Open: 1_000, ResetEvery: 10, Gap: 500 * time.Microsecond, Seed: 1}

// Short is a capture of nothing but short connections, of each of which there
// is something to keep but little to read: half a million packets of sixty
// thousand, a tenth of which the client ends with a reset or the server does.
var Short = Traffic{Flows: 60_000, Segments: 1, Open: 60, ResetEvery: 10, Late: true, Gap: 100 * time.Microsecond, Seed: 1}

// Long is a capture of downloads: half a million packets of a hundred
// connections.
var Long = Traffic{Flows: 100, Segments: 3_500, Open: 20, ResetEvery: 10, Late: true, Gap: 100 * time.Microsecond, Seed: 1}

// usual is how long the flows of one direction are, in packets, of those that
// are long enough for a handshake and a close: which share of all flows at the
// edge of a campus, TCP or not, is over with how many (Jurkiewicz, Rzym and
// Boryło, Flow length and size distributions in campus Internet traffic,
// Computer Communications 167, 2021; the table of the data set agh_2015). The
// longest one in a thousand is left out: nobody sends captures of that size.
var usual = []struct{ packets, share float64 }{
	{4, 0.748933}, {8, 0.841319}, {10, 0.865086}, {100, 0.973478}, {1_000, 0.994544}, {10_000, 0.998922},
}

// Sums are what Write wrote.
type Sums struct{ Packets, Resets int }

// Write writes the capture as pcap of Ethernet frames.
func (t Traffic) Write(w io.Writer) (Sums, error) {
	g := generator{
		Traffic: t,
		out:     NewPcap(w, 1),
		random:  rand.New(rand.NewPCG(t.Seed, 1)), //nolint:gosec // no secret
		now:     time.Unix(1_700_000_000, 0),
	}
	if err := g.run(); err != nil {
		return Sums{}, fmt.Errorf("capturetest: write traffic: %w", err)
	}
	return g.sums, g.out.Flush()
}

type generator struct {
	Traffic
	out    *Pcap
	random *rand.Rand
	now    time.Time
	sums   Sums
	begun  int
	resets int // flows that are reset, of those begun
}

// dialogue is one flow and how far it is.
type dialogue struct {
	client, server netip.AddrPort
	at, from       packet.Seq // next number of client and server
	step, segments int
	reset          ending
	id             uint16
}

// ending is how a flow is reset, if it is.
type ending uint8

const (
	inOrder ending = iota
	refused        // by the server, in answer to the ClientHello
	aborted        // by the client, instead of its FIN
)

func (g *generator) run() error {
	var open []*dialogue
	for {
		for len(open) < max(g.Open, 1) && g.begun < g.Flows {
			open = append(open, g.begin())
		}
		if len(open) == 0 {
			return nil
		}
		i := g.random.IntN(len(open))
		more, err := g.speak(open[i])
		if err != nil {
			return err
		}
		if !more {
			open[i] = open[len(open)-1]
			open = open[:len(open)-1]
		}
	}
}

func (g *generator) begin() *dialogue {
	i := g.begun
	g.begun++
	const ports = 28000 // ephemeral ones of a client
	client := netip.AddrFrom4([4]byte{10, byte(i / ports >> 16), byte(i / ports >> 8), byte(i / ports)})
	server := netip.AddrFrom4([4]byte{192, 0, 2, byte(i % 250)})
	return &dialogue{
		client: netip.AddrPortFrom(client, uint16(32768+i%ports)),
		server: netip.AddrPortFrom(server, 443),
		at:     packet.Seq(g.random.Uint32()), from: packet.Seq(g.random.Uint32()),
		id: uint16(g.random.Uint32()), segments: g.segments(), reset: g.ending(i),
	}
}

// ending is how flow i ends.
func (g *generator) ending(i int) ending {
	if g.ResetEvery == 0 || i%g.ResetEvery > 0 {
		return inOrder
	}
	g.resets++
	if g.Late && g.resets%2 == 0 {
		return aborted
	}
	return refused
}

// segments is the number of segments of an answer. Between two rows of the
// table lengths are as frequent as the logarithm grows.
func (g *generator) segments() int {
	if g.Segments > 0 {
		return g.Segments
	}
	share := usual[0].share + g.random.Float64()*(usual[len(usual)-1].share-usual[0].share)
	i := 1
	for usual[i].share < share {
		i++
	}
	low, high := usual[i-1], usual[i]
	part := (share - low.share) / (high.share - low.share)
	length := int(low.packets * math.Pow(high.packets/low.packets, part))
	const besides = 3 // SYN/ACK, an acknowledgment, FIN
	return length - besides
}

// speak writes the next packet of d and tells whether there are more.
func (g *generator) speak(d *dialogue) (more bool, err error) {
	last := 5 + 2*d.segments + 2 // FIN, FIN, ACK follow the answer
	step := d.step
	d.step++
	switch {
	case step == 0:
		return true, g.send(d, true, packet.SYN, nil)
	case step == 1:
		return true, g.send(d, false, packet.SYN|packet.ACK, nil)
	case step == 2:
		return true, g.send(d, true, packet.ACK, nil)
	case step == 3:
		return true, g.send(d, true, packet.PSH|packet.ACK, payload[:517])
	case step == 4 && d.reset == refused:
		g.sums.Resets++
		return false, g.send(d, false, packet.RST|packet.ACK, nil)
	case step == 4:
		return true, g.send(d, false, packet.ACK, nil)
	case step == last-2:
		return true, g.send(d, false, packet.FIN|packet.ACK, nil)
	case step == last-1 && d.reset == aborted:
		g.sums.Resets++
		return false, g.send(d, true, packet.RST|packet.ACK, nil)
	case step == last-1:
		return true, g.send(d, true, packet.FIN|packet.ACK, nil)
	case step == last:
		return false, g.send(d, false, packet.ACK, nil)
	case step%2 == 1:
		return true, g.send(d, false, packet.ACK, payload[:1200])
	default:
		return true, g.send(d, true, packet.ACK, nil)
	}
}

// payload is what is said, as random as encrypted data.
var payload = func() []byte {
	r := rand.New(rand.NewPCG(2, 3)) //nolint:gosec // no secret
	b := make([]byte, 1200)
	for i := range b {
		b[i] = byte(r.Uint32())
	}
	return b
}()

func (g *generator) send(d *dialogue, byClient bool, flags packet.Flags, data []byte) error {
	p := packet.Packet{Src: d.server, Dst: d.client, TTL: 53, ID: d.id, HasID: true, DF: true}
	own, peer := &d.from, &d.at
	if byClient {
		p.Src, p.Dst, p.TTL = d.client, d.server, 64
		own, peer = peer, own
	}
	d.id++
	p.TCP = packet.Segment{Seq: *own, Flags: flags, Window: 501, Payload: data}
	if flags.Has(packet.ACK) {
		p.TCP.Ack = *peer
	}
	if flags.Has(packet.SYN) {
		p.TCP.Options = packet.SYNOptions(1460, 1, 7)
	} else if !flags.Has(packet.RST) {
		p.TCP.Options = packet.TimestampOption(1, 2)
	}
	*own = own.Add(p.TCP.Len())
	raw, err := packet.Build(p)
	if err != nil {
		return err
	}
	g.now = g.now.Add(time.Duration(g.random.Int64N(max(2*int64(g.Gap), 1))))
	g.sums.Packets++
	g.out.Add(g.now, Ethernet(raw), 0)
	return nil
}

// Ethernet puts an Ethernet header before a datagram.
func Ethernet(raw []byte) []byte {
	etherType := uint16(0x0800)
	if raw[0]>>4 == 6 {
		etherType = 0x86dd
	}
	frame := []byte{2, 0, 0, 0, 0, 1, 2, 0, 0, 0, 0, 2}
	frame = binary.BigEndian.AppendUint16(frame, etherType)
	return append(frame, raw...)
}

// Pcap writes a pcap file with times in microseconds, little endian.
type Pcap struct {
	w   *bufio.Writer
	err error
}

// NewPcap starts a file of a link type.
func NewPcap(w io.Writer, link uint32) *Pcap {
	p := &Pcap{w: bufio.NewWriterSize(w, 1<<20)}
	p.words(0xa1b2c3d4, 2|4<<16, 0, 0, 262144, link)
	return p
}

// Add writes a packet whose length on the wire is wire, or that of data if
// wire is 0. An error waits for Flush.
func (p *Pcap) Add(at time.Time, data []byte, wire int) {
	p.words(uint32(at.Unix()), uint32(at.Nanosecond()/1000), uint32(len(data)), uint32(max(wire, len(data)))) //nolint:gosec // test data
	if p.err == nil {
		_, p.err = p.w.Write(data)
	}
}

// Flush writes what is buffered and returns the first error.
func (p *Pcap) Flush() error {
	if p.err == nil {
		p.err = p.w.Flush()
	}
	return p.err
}

func (p *Pcap) words(words ...uint32) {
	for _, w := range words {
		if p.err != nil {
			return
		}
		_, p.err = p.w.Write(binary.LittleEndian.AppendUint32(nil, w))
	}
}
