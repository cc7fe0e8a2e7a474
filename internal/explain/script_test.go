package explain_test

import (
	"net/netip"
	"time"

	"github.com/rstprobe/rstprobe/internal/explain"
	"github.com/rstprobe/rstprobe/internal/flow"
	"github.com/rstprobe/rstprobe/internal/packet"
)

// The numbers of every scripted conversation, as captured at the client.
const (
	clientISS packet.Seq = 1000
	serverISS packet.Seq = 5000
	clientTTL uint8      = 64
	serverTTL uint8      = 52 // twelve routers away
	boxTTL    uint8      = 58 // six
	rtt                  = 30 * time.Millisecond
	request              = "GET /a HTTP/1.1\r\nHost: www.example\r\n\r\n"
	page                 = "HTTP/1.1 200 OK\r\nContent-Length: 7\r\n\r\nwelcome"
)

var epoch = time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)

// script writes a conversation down, packet by packet. Its clock only moves
// forward; its packets are numbered from first on.
type script struct {
	c    flow.Conversation
	at   time.Duration
	n    int
	id   uint16
	said [2]int // bytes that the client, and the server, have sent
	fin  [2]int
	ttl  [2]uint8
}

const (
	cli = 0
	srv = 1
)

// between is a conversation of two ends that begins a time after the epoch.
func between(from, to string, after time.Duration, first int) *script {
	s := &script{n: first - 1, ttl: [2]uint8{clientTTL, serverTTL}}
	s.c.Key = packet.Key{Local: netip.MustParseAddrPort(from), Remote: netip.MustParseAddrPort(to)}
	s.c.Source = flow.Capture
	s.c.Start = epoch.Add(after)
	return s
}

func begin() *script { return between("192.0.2.1:40000", "198.51.100.7:80", 0, 1) }

// change is a deviation from what the end would have sent.
type change func(*packet.Packet)

func ttl(n uint8) change          { return func(p *packet.Packet) { p.TTL = n } }
func flags(f packet.Flags) change { return func(p *packet.Packet) { p.TCP.Flags = f } }
func seq(n packet.Seq) change     { return func(p *packet.Packet) { p.TCP.Seq = n } }
func ack(n packet.Seq) change     { return func(p *packet.Packet) { p.TCP.Ack = n } }
func id(n uint16, df bool) change { return func(p *packet.Packet) { p.ID, p.DF = n, df } }
func (s *script) iss(of int) packet.Seq {
	if of == cli {
		return clientISS
	}
	return serverISS
}

// next is the sequence number that an end would send next.
func (s *script) next(of int) packet.Seq { return s.iss(of).Add(1 + s.said[of] + s.fin[of]) }

// send adds a packet of an end that acknowledges all of the other's.
func (s *script) send(from int, f packet.Flags, payload string, changes ...change) *script {
	p := packet.Packet{Proto: packet.TCP, TTL: s.ttl[from], HasID: true, DF: true}
	p.Src, p.Dst = s.c.Key.Local, s.c.Key.Remote
	kind := flow.Sent
	if from == srv {
		p.Src, p.Dst = p.Dst, p.Src
		kind = flow.Received
	}
	s.id++
	p.ID = s.id
	p.TCP = packet.Segment{Seq: s.next(from), Flags: f, Window: 64240, Payload: []byte(payload)}
	if f.Has(packet.ACK) {
		p.TCP.Ack = s.next(1 - from)
	}
	if f.Has(packet.RST) {
		p.TCP.Window, p.ID = 0, 0
	}
	for _, c := range changes {
		c(&p)
	}
	s.n++
	s.c.Events = append(s.c.Events, flow.Event{At: s.at, Kind: kind, Packet: p, N: s.n})
	s.c.End = s.at
	return s
}

func (s *script) wait(d time.Duration) *script {
	s.at += d
	s.c.End = s.at
	return s
}

func (s *script) syn(changes ...change) *script {
	return s.send(cli, packet.SYN, "", append([]change{seq(clientISS)}, changes...)...)
}

func (s *script) synack(changes ...change) *script {
	return s.wait(rtt).send(srv, packet.SYN|packet.ACK, "", append([]change{seq(serverISS), ack(clientISS + 1)}, changes...)...)
}

// open is the whole handshake.
func (s *script) open() *script { return s.syn().synack().send(cli, packet.ACK, "") }

// says sends data; the sender's numbers move on.
func (s *script) says(from int, b string, changes ...change) *script {
	s.send(from, packet.ACK|packet.PSH, b, changes...)
	s.said[from] += len(b)
	return s
}

// acks acknowledges all that the other end has sent.
func (s *script) acks(from int, changes ...change) *script {
	return s.send(from, packet.ACK, "", changes...)
}

func (s *script) ends(from int, changes ...change) *script {
	s.send(from, packet.FIN|packet.ACK, "", changes...)
	s.fin[from] = 1
	return s
}

// rst is a reset of a connection's own end: its next number, all acknowledged.
func (s *script) rst(from int, changes ...change) *script {
	return s.send(from, packet.RST|packet.ACK, "", changes...)
}

// stray is a reset of a host that knows nothing of the connection: it takes
// its number from the last acknowledgment of the other end.
func (s *script) stray(from int, changes ...change) *script {
	number := packet.Seq(0)
	for _, e := range s.c.Events {
		if (e.Kind == flow.Sent) == (from == srv) && e.Packet.TCP.Flags.Has(packet.ACK) {
			number = e.Packet.TCP.Ack
		}
	}
	return s.send(from, packet.RST, "", append([]change{seq(number), ack(0)}, changes...)...)
}

// refusal is a reset that answers a SYN.
func (s *script) refusal(changes ...change) *script {
	return s.wait(rtt).send(srv, packet.RST|packet.ACK, "", append([]change{seq(0), ack(clientISS + 1)}, changes...)...)
}

// again sends the last packet of an end once more, a while later.
func (s *script) again(from int, d time.Duration) *script {
	s.wait(d)
	var last packet.Packet
	for _, e := range s.c.Events {
		if (e.Kind == flow.Sent) == (from == cli) && e.Packet.TCP.Len() > 0 {
			last = e.Packet
		}
	}
	s.id++
	last.ID = s.id
	kind := flow.Sent
	if from == srv {
		kind = flow.Received
	}
	s.n++
	s.c.Events = append(s.c.Events, flow.Event{At: s.at, Kind: kind, Packet: last, N: s.n})
	return s
}

// copied adds the last packet again, as a mirror port does, and as package
// flow tells it.
func (s *script) copied() *script {
	e := s.c.Events[len(s.c.Events)-1]
	if e.Copy == 0 {
		e.Copy = e.N
	}
	s.c.Mirrored = s.c.Mirrored || !e.Packet.TCP.Flags.Has(packet.RST)
	s.n++
	e.N, e.At = s.n, e.At+100*time.Microsecond
	s.c.Events = append(s.c.Events, e)
	return s
}

// icmp adds an error about the last packet of the client.
func (s *script) icmp(kind packet.ICMPKind, typ, code uint8, from string) *script {
	var last packet.Packet
	for _, e := range s.c.Events {
		if e.Kind == flow.Sent && e.Packet.ICMP.Kind == 0 {
			last = e.Packet
		}
	}
	p := packet.Packet{
		Src: netip.AddrPortFrom(netip.MustParseAddr(from), 0), Dst: netip.AddrPortFrom(s.c.Key.Local.Addr(), 0), Proto: packet.ICMP, TTL: 60,
		ICMP: packet.ICMPError{Kind: kind, Type: typ, Code: code, Quote: packet.Quote{
			Src: last.Src, Dst: last.Dst, Proto: packet.TCP, Seq: last.TCP.Seq, ID: last.ID, HasID: last.HasID, TotalLen: 40 + len(last.TCP.Payload),
		}},
	}
	s.n++
	s.c.Events = append(s.c.Events, flow.Event{At: s.at, Kind: flow.Received, Packet: p, N: s.n})
	return s
}

// silent lets time pass in which nothing comes.
func (s *script) silent() *script { return s.wait(10 * time.Second) }

// served is a whole, healthy conversation.
func (s *script) served() *script {
	return s.open().says(cli, request).wait(rtt).acks(srv).says(srv, page).acks(cli).ends(cli).wait(rtt).ends(srv).acks(cli)
}

// asked is a conversation that stands and in which the client has asked.
func (s *script) asked() *script { return s.open().says(cli, request) }

// explained is what comes out for some conversations.
func explained(scripts ...*script) explain.Report {
	e := explain.New(0)
	for _, s := range scripts {
		e.Add(s.c)
	}
	return e.Finish()
}

// healthy are n conversations with the server of begin, before the epoch.
func healthy(n int) []*script {
	var out []*script
	for i := range n {
		from := netip.AddrPortFrom(netip.MustParseAddr("192.0.2.1"), uint16(30000+i)).String()
		out = append(out, between(from, "198.51.100.7:80", -time.Hour+time.Duration(i)*time.Minute, 10000+100*i).served())
	}
	return out
}

// with are the healthy conversations and one more.
func with(s *script) []*script { return append(healthy(6), s) }
