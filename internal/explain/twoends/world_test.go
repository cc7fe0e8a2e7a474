package twoends_test

import (
	"cmp"
	"fmt"
	"net/netip"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/rstprobe/rstprobe/internal/explain/twoends"
	"github.com/rstprobe/rstprobe/internal/flow"
	"github.com/rstprobe/rstprobe/internal/packet"
)

// The path of every scripted world.
const (
	routers = 12
	oneWay  = 15 * time.Millisecond
	request = "GET /a HTTP/1.1\r\nHost: www.example\r\n\r\n"
	page    = "HTTP/1.1 200 OK\r\nContent-Length: 7\r\n\r\nwelcome"
)

const (
	cli = twoends.Client
	srv = twoends.Server
)

var epoch = time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)

// shot is a packet in a capture.
type shot struct {
	at time.Time
	p  packet.Packet
}

// world is one world, and what two captures of it hold.
type world struct {
	testing.TB
	clock       func(time.Duration) time.Duration // what the server's clock shows
	nat         bool                              // the client's address and port are translated
	random      packet.Seq                        // what a firewall adds to the client's numbers on their way
	rewriteBoth bool                              // it does the same to the server's
	v6          bool
	noTS        bool
	window      [2][2]time.Duration // when the captures run; 0: always
	now         time.Duration
	isn         [2]packet.Seq
	said        [2]int
	fin         [2]int
	id          [2]uint16
	port        uint16
	length      int // routers between the ends; 0: routers
	shots       [2][]shot
	numbers     map[string][2]int
	names       [2][]string
}

func newWorld(t testing.TB) *world {
	return &world{TB: t, isn: [2]packet.Seq{0xfffffff0, 5000}, id: [2]uint16{100, 40000}, port: 40000, now: time.Second}
}

// change deviates from what would be sent.
type change func(*sending)

// sending is a packet on its way.
type sending struct {
	p       packet.Packet
	name    string
	lost    bool
	unseen  [2]bool // missed by the capture at an end
	twice   bool
	delay   time.Duration // on top of the way
	box     int           // sent by a box behind so many routers from the client; -1: by a host
	content string        // on arrival; "": as sent
}

func name(n string) change          { return func(s *sending) { s.name = n } }
func lost(s *sending)               { s.lost = true }
func missedAt(e twoends.End) change { return func(s *sending) { s.unseen[e] = true } }
func twice(s *sending)              { s.twice = true }
func late(d time.Duration) change   { return func(s *sending) { s.delay = d } }
func seq(n packet.Seq) change       { return func(s *sending) { s.p.TCP.Seq = n } }
func ack(n packet.Seq) change       { return func(s *sending) { s.p.TCP.Ack = n } }
func ttl(n uint8) change            { return func(s *sending) { s.p.TTL = n } }
func id(n uint16) change            { return func(s *sending) { s.p.ID = n } }
func behind(n int) change           { return func(s *sending) { s.box = n } }
func arrivesAs(c string) change     { return func(s *sending) { s.content = c } }
func flags(f packet.Flags) change   { return func(s *sending) { s.p.TCP.Flags = f } }
func (w *world) next(e twoends.End) packet.Seq {
	return w.isn[e].Add(1 + w.said[e] + w.fin[e])
}

func (w *world) ends() [2]netip.AddrPort {
	if w.v6 {
		return [2]netip.AddrPort{netip.AddrPortFrom(netip.MustParseAddr("2001:db8::1"), w.port), netip.MustParseAddrPort("[2001:db8:1::7]:80")}
	}
	return [2]netip.AddrPort{netip.AddrPortFrom(netip.MustParseAddr("192.0.2.1"), w.port), netip.MustParseAddrPort("198.51.100.7:80")}
}

// send sends a packet in the name of an end.
func (w *world) send(from twoends.End, f packet.Flags, payload string, changes ...change) *world {
	w.Helper()
	ends := w.ends()
	w.id[from]++
	s := sending{box: -1, p: packet.Packet{
		Src: ends[from], Dst: ends[1-from], Proto: packet.TCP, TTL: 64, HasID: !w.v6, DF: !w.v6, ID: w.id[from],
		TCP: packet.Segment{Seq: w.next(from), Flags: f, Window: 64240, Payload: []byte(payload)},
	}}
	if w.v6 {
		s.p.ID = 0
	}
	if f.Has(packet.SYN) {
		s.p.TCP.Seq = w.isn[from]
	}
	if f.Has(packet.ACK) {
		s.p.TCP.Ack = w.next(1 - from)
	}
	if !w.noTS && !f.Has(packet.RST) {
		s.p.TCP.Options = packet.TimestampOption(uint32(from)<<20+uint32(w.now.Milliseconds()), 1)
	}
	for _, c := range changes {
		c(&s)
	}
	if s.box >= 0 && !w.noTS {
		s.p.TCP.Options = nil
	}
	if s.box >= 0 {
		w.id[from]--
	}
	w.carry(from, &s)
	return w
}

// carry takes a packet to the captures.
func (w *world) carry(from twoends.End, s *sending) {
	w.Helper()
	length := cmp.Or(w.length, routers)
	crossed, way := length, oneWay
	if s.box >= 0 {
		crossed, way = s.box, oneWay*time.Duration(s.box)/time.Duration(length)
		if from == cli {
			crossed, way = length-s.box, oneWay*time.Duration(length-s.box)/time.Duration(length)
		}
	}
	if s.box < 0 && !s.unseen[from] {
		w.see(from, w.now, from, s.p, s.name)
	}
	if s.lost || s.unseen[1-from] {
		return
	}
	p := s.p
	p.TTL -= uint8(crossed)
	if s.content != "" {
		p.TCP.Payload = []byte(s.content)
	}
	w.see(1-from, w.now+way+s.delay, from, p, s.name)
	if s.twice {
		w.see(1-from, w.now+way+s.delay+20*time.Millisecond, from, p, "")
	}
}

// see puts a packet into a capture, as it is there.
func (w *world) see(in twoends.End, at time.Duration, from twoends.End, p packet.Packet, name string) {
	w.Helper()
	if r := w.window[in]; r != ([2]time.Duration{}) && (at < r[0] || at > r[1]) {
		return
	}
	if in == srv {
		if w.nat {
			outside := netip.MustParseAddrPort("203.0.113.9:61000")
			outside = netip.AddrPortFrom(outside.Addr(), outside.Port()+w.port-40000)
			if from == cli {
				p.Src = outside
			} else {
				p.Dst = outside
			}
		}
		add := [2]packet.Seq{cli: w.random}
		if w.rewriteBoth {
			add[srv] = w.random
		}
		p.TCP.Seq += add[from]
		if p.TCP.Flags.Has(packet.ACK) {
			p.TCP.Ack += add[1-from]
		}
		if w.clock != nil {
			at = w.clock(at)
		}
	}
	raw, err := packet.Build(p)
	if err != nil {
		w.Fatal(err)
	}
	if p, err = packet.Parse(raw); err != nil {
		w.Fatal(err)
	}
	w.shots[in] = append(w.shots[in], shot{epoch.Add(at), p})
	w.names[in] = append(w.names[in], name)
}

func (w *world) wait(d time.Duration) *world { w.now += d; return w }

// trip waits until a packet has arrived.
func (w *world) trip() *world { return w.wait(oneWay + time.Millisecond) }

func (w *world) says(from twoends.End, b string, changes ...change) *world {
	w.Helper()
	w.send(from, packet.ACK|packet.PSH, b, changes...)
	w.said[from] += len(b)
	return w
}

// merged sends data that the captures have in different pieces, as interfaces
// that cut and merge segments make them: in so many bytes each.
func (w *world) merged(from twoends.End, b string, atSender, atOther int) *world {
	w.Helper()
	said := w.said[from]
	for at, size := range map[twoends.End]int{from: atSender, 1 - from: atOther} {
		w.said[from] = said
		for rest := b; len(rest) > 0; {
			n := min(size, len(rest))
			w.says(from, rest[:n], missedAt(1-at))
			rest = rest[n:]
		}
	}
	return w
}

// repeats sends the last bytes again.
func (w *world) repeats(from twoends.End, b string, changes ...change) *world {
	w.Helper()
	w.said[from] -= len(b)
	return w.says(from, b, changes...)
}

func (w *world) acks(from twoends.End, changes ...change) *world {
	w.Helper()
	return w.send(from, packet.ACK, "", changes...)
}

func (w *world) finishes(from twoends.End, changes ...change) *world {
	w.Helper()
	w.send(from, packet.FIN|packet.ACK, "", changes...)
	w.fin[from] = 1
	return w
}

func (w *world) open() *world {
	w.Helper()
	w.send(cli, packet.SYN, "").trip().send(srv, packet.SYN|packet.ACK, "").trip()
	return w.acks(cli, name("ack"))
}

// closes ends the connection in order.
func (w *world) closes() *world {
	w.Helper()
	return w.finishes(cli).trip().finishes(srv).trip().acks(cli).trip()
}

func (w *world) served() *world {
	w.Helper()
	return w.open().says(cli, request).trip().acks(srv).says(srv, page).trip().acks(cli).closes()
}

// another begins another connection.
func (w *world) another() *world {
	w.wait(10 * time.Second)
	w.port++
	w.isn = [2]packet.Seq{w.isn[0] + 0x1234567, w.isn[1] + 0x2345678}
	w.said, w.fin = [2]int{}, [2]int{}
	return w
}

// conversations are those of a capture.
func (w *world) conversations(e twoends.End) []flow.Conversation {
	var out []flow.Conversation
	table := flow.NewTable(flow.Config{Yield: func(c *flow.Conversation) { out = append(out, *c) }})
	order := make([]int, len(w.shots[e]))
	for i := range order {
		order[i] = i
	}
	slices.SortStableFunc(order, func(a, b int) int { return w.shots[e][a].at.Compare(w.shots[e][b].at) })
	if w.numbers == nil {
		w.numbers = map[string][2]int{}
	}
	for i, k := range order {
		s := &w.shots[e][k]
		if n := w.names[e][k]; n != "" {
			both := w.numbers[n]
			both[e] = i + 1
			w.numbers[n] = both
		}
		table.Add(i+1, s.at, &s.p)
	}
	table.Flush()
	return out
}

func (w *world) match() twoends.Result {
	return twoends.Match(w.conversations(cli), w.conversations(srv))
}

// tell lists what a result says, one line each, without its sentences.
func (w *world) tell(r twoends.Result) string {
	byNumber := [2]map[int]string{{}, {}}
	for n, both := range w.numbers {
		for e, k := range both {
			byNumber[e][k] = n
		}
	}
	called := func(e twoends.End, n int) string { return cmp.Or(byNumber[e][n], fmt.Sprint(n)) }
	drew := func(t [2]int) string {
		if t[cli] != 0 {
			return called(cli, t[cli])
		}
		return called(srv, t[srv])
	}
	var out []string
	for i := range r.Pairs {
		p := &r.Pairs[i]
		for _, f := range p.Foreign {
			out = append(out, fmt.Sprintf("foreign %s %s at %v by %s after %s: %s %s", called(f.At, f.Packet), f.Kind, f.At, f.Author, drew(f.Trigger), f.Cause, f.Confidence))
		}
		for _, x := range p.Resets {
			at := x.From
			if x.Packet[at] == 0 {
				at = 1 - at
			}
			out = append(out, strings.TrimSpace(fmt.Sprintf("own %s of %v %s: %s %s %s", called(at, x.Packet[at]), x.From, x.Fate, x.Author, x.Confidence, x.Cause)))
		}
		if p.Silence != nil {
			out = append(out, fmt.Sprintf("silence by %s: %s %s", p.Silence.Author, p.Silence.Cause, p.Silence.Confidence))
		}
	}
	for _, f := range r.Missing {
		out = append(out, fmt.Sprintf("missing by %s: %s %s", f.Author, f.Cause, f.Confidence))
	}
	return strings.Join(append(out, string(r.Verdict)), "\n")
}
