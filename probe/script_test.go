package probe

import (
	"net/netip"
	"strings"
	"time"

	"github.com/rstprobe/rstprobe/internal/flow"
	"github.com/rstprobe/rstprobe/internal/packet"
)

// The numbers of every scripted connection.
const (
	ourISS   packet.Seq = 1000
	theirISS packet.Seq = 5000
	ownTTL   uint8      = 58 // what the server's packets arrive with: six routers
	boxTTL   uint8      = 61 // what a box behind the third router sends
	rtt                 = 20 * time.Millisecond
	asked               = "0123456789" // stands for a stimulus
	ourID    uint16     = 4711
	ourWin   uint16     = 64240
)

// What servers say, as far as anything here reads it.
const (
	hello     = "\x16\x03\x03\x00\x02\x02\x00"
	alertText = "\x15\x03\x03\x00\x02\x02\x70" // fatal, unrecognized_name
	page      = "HTTP/1.1 200 OK\r\n\r\nwelcome"
	blockPage = "HTTP/1.1 403 Forbidden\r\n\r\nblocked"
)

// script writes a record down, event by event. Its clock only moves forward.
type script struct {
	rec  flow.Record
	at   time.Duration
	n    int
	said int // bytes of stimulus sent
}

// begin is a script of one family with nothing in it.
func begin(v6 bool) *script {
	s := &script{rec: flow.Record{Source: flow.Raw, Key: packet.Key{
		Local: netip.MustParseAddrPort("192.0.2.1:40000"), Remote: netip.MustParseAddrPort("198.51.100.7:443"),
	}}}
	if v6 {
		s.rec.Key = packet.Key{
			Local: netip.MustParseAddrPort("[2001:db8::1]:40000"), Remote: netip.MustParseAddrPort("[2001:db8:7::7]:443"),
		}
	}
	return s
}

// asking is a script of a connection that stands and was asked.
func asking() *script { return begin(false).syn().synack().ask(asked) }

func (s *script) event(kind flow.Kind, p packet.Packet, stamp uint8) *script {
	n := 0
	if kind != flow.Expired {
		s.n++
		n = s.n
	}
	s.rec.Events = append(s.rec.Events, flow.Event{At: s.at, Kind: kind, Packet: p, N: n, TTL: stamp})
	s.rec.End = s.at
	return s
}

// cut ends the record from outside.
func (s *script) cut() *script {
	s.rec.Cut = true
	return s
}

func (s *script) wait(d time.Duration) *script {
	s.at += d
	return s
}

// ours is a packet of ours.
func (s *script) ours(seg packet.Segment) packet.Packet {
	seg.Window = ourWin
	p := packet.Packet{Src: s.rec.Key.Local, Dst: s.rec.Key.Remote, Proto: packet.TCP, TTL: 64, TCP: seg}
	if p.HasID = p.Src.Addr().Is4(); p.HasID {
		p.ID, p.DF = ourID, true
	}
	return p
}

func (s *script) syn() *script {
	return s.event(flow.Sent, s.ours(packet.Segment{Seq: ourISS, Flags: packet.SYN}), 0)
}

func (s *script) synack() *script {
	return s.wait(rtt).get(packet.Segment{Seq: theirISS, Ack: ourISS.Add(1), Flags: packet.SYN | packet.ACK})
}

// ask sends bytes of the stimulus.
func (s *script) ask(b string) *script {
	s.event(flow.Sent, s.ours(packet.Segment{
		Seq: ourISS.Add(1 + s.said), Ack: theirISS.Add(1), Flags: packet.ACK | packet.PSH, Payload: []byte(b),
	}), 0)
	s.said += len(b)
	return s
}

// copies send one stamped copy of the stimulus per TTL.
func (s *script) copies(ttls ...uint8) *script {
	for _, k := range ttls {
		s.event(flow.Sent, s.copyOf(k), k)
	}
	return s
}

// copyOf is the copy with TTL k: k bytes longer, and acknowledging k less.
func (s *script) copyOf(k uint8) packet.Packet {
	p := s.ours(packet.Segment{
		Seq: ourISS.Add(1), Ack: theirISS.Add(1 - int(k)), Flags: packet.ACK | packet.PSH, Payload: []byte(asked + strings.Repeat("x", int(k))),
	})
	p.TTL = k
	return p
}

// finish sends our FIN.
func (s *script) finish() *script {
	s.event(flow.Sent, s.ours(packet.Segment{Seq: ourISS.Add(1 + s.said), Ack: theirISS.Add(1), Flags: packet.ACK | packet.FIN}), 0)
	s.said++
	return s
}

// again sends the last packet once more.
func (s *script) again() *script {
	sent := s.rec.Packets(flow.Sent)
	return s.event(flow.Retransmitted, sent[len(sent)-1].Packet, 0)
}

// silent lets the trial's deadline pass.
func (s *script) silent() *script { return s.wait(time.Second).event(flow.Expired, packet.Packet{}, 0) }

// change is a deviation from what the server would have sent.
type change func(*packet.Packet)

func ttl(n uint8) change     { return func(p *packet.Packet) { p.TTL = n } }
func id(n uint16) change     { return func(p *packet.Packet) { p.ID = n } }
func window(n uint16) change { return func(p *packet.Packet) { p.TCP.Window = n } }

// get receives a segment of the peer's side.
func (s *script) get(seg packet.Segment, changes ...change) *script {
	p := packet.Packet{Src: s.rec.Key.Remote, Dst: s.rec.Key.Local, Proto: packet.TCP, TTL: ownTTL, TCP: seg}
	p.HasID = p.Src.Addr().Is4()
	for _, c := range changes {
		c(&p)
	}
	return s.event(flow.Received, p, 0)
}

// rst receives a reset that follows our acknowledgment, off bytes on, as a
// closed socket answers (RFC 9293 §3.10.7.1).
func (s *script) rst(off int, changes ...change) *script {
	return s.get(packet.Segment{Seq: theirISS.Add(1 + off), Flags: packet.RST}, changes...)
}

// refusal receives a reset that answers our SYN.
func (s *script) refusal(changes ...change) *script {
	return s.get(packet.Segment{Ack: ourISS.Add(1), Flags: packet.RST | packet.ACK}, changes...)
}

// data receives bytes of the peer's stream from offset off on.
func (s *script) data(off int, b string, changes ...change) *script {
	return s.get(packet.Segment{
		Seq: theirISS.Add(1 + off), Ack: ourISS.Add(1 + s.said), Flags: packet.ACK | packet.PSH, Payload: []byte(b),
	}, changes...)
}

func (s *script) ack(changes ...change) *script {
	return s.get(packet.Segment{Seq: theirISS.Add(1), Ack: ourISS.Add(1 + s.said), Flags: packet.ACK}, changes...)
}

// sack receives a selective acknowledgment (RFC 2018 §3) of what was asked.
func (s *script) sack() *script {
	left, right := uint32(ourISS)+2, uint32(ourISS)+2+uint32(s.said)
	opt := []byte{1, 1, 5, 10}
	for _, edge := range []uint32{left, right} {
		opt = append(opt, byte(edge>>24), byte(edge>>16), byte(edge>>8), byte(edge))
	}
	return s.get(packet.Segment{Seq: theirISS.Add(1), Ack: ourISS.Add(1), Flags: packet.ACK, Options: opt})
}

func (s *script) fin(off int, changes ...change) *script {
	return s.get(packet.Segment{Seq: theirISS.Add(1 + off), Ack: ourISS.Add(1 + s.said), Flags: packet.FIN | packet.ACK}, changes...)
}

// router is an address on the path, of the script's family.
func (s *script) router(n byte) netip.Addr {
	if s.rec.Key.Local.Addr().Is4() {
		return netip.AddrFrom4([4]byte{203, 0, 113, n})
	}
	a := s.rec.Key.Remote.Addr().As16()
	a[5], a[15] = 0xff, n
	return netip.AddrFrom16(a)
}

// icmp receives an error about the last packet of ours.
func (s *script) icmp(kind packet.ICMPKind, code uint8, from netip.Addr) *script {
	e := packet.ICMPError{Kind: kind, Code: code, Type: 3}
	if sent := s.rec.Packets(flow.Sent); len(sent) > 0 {
		p := sent[len(sent)-1].Packet
		e.Quote = packet.Quote{Src: p.Src, Dst: p.Dst, Proto: packet.TCP, Seq: p.TCP.Seq, TotalLen: len(p.Raw)}
	}
	return s.event(flow.Received, packet.Packet{
		Src: netip.AddrPortFrom(from, 0), Dst: netip.AddrPortFrom(s.rec.Key.Local.Addr(), 0),
		Proto: packet.ICMP, TTL: 62, ICMP: e,
	}, 0)
}

// observe is what the record so far shows.
func (s *script) observe() Observation { return Observe(s.rec) }

// times is the same observation n times over.
func times(n int, s *script) []Observation {
	var obs []Observation
	for range n {
		obs = append(obs, s.observe())
	}
	return obs
}

// Connections that many tests are made of.
func served() *script   { return asking().wait(rtt).data(0, hello).fin(len(hello)) }
func dropped() *script  { return asking().wait(rtt).again().silent() }
func stalled() *script  { return asking().wait(rtt).ack().silent() }
func alerted() *script  { return asking().wait(rtt).data(0, alertText) }
func closed() *script   { return asking().wait(rtt).fin(0) }
func unwanted() *script { return asking().wait(rtt).rst(0) }                                             // reset by the server
func forged() *script   { return asking().wait(rtt/4).rst(0, ttl(boxTTL)).wait(rtt*3/4).data(0, hello) } // reset by a tap
func cut() *script      { return asking().cut() }                                                        // interrupted

// about are findings with healthy controls around three tests.
func about(test *script) Findings {
	return Findings{
		Kind: SNI, Leading: times(3, served()), Trailing: times(3, served()), Tests: times(3, test),
		Random: times(1, served()), NoName: times(1, served()),
	}
}
