package flow

import (
	"net/netip"
	"testing"
	"time"

	"github.com/rstprobe/rstprobe/internal/packet"
)

var (
	client = netip.MustParseAddrPort("10.9.0.1:40000")
	server = netip.MustParseAddrPort("10.9.6.2:443")
	router = netip.MustParseAddr("10.9.3.1")
	epoch  = time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)
)

// tape plays packets to a table and takes its conversations.
type tape struct {
	*testing.T
	table *Table
	n     int           // number of the last packet
	now   time.Duration // since epoch
	id    uint16
	got   []*Conversation
}

func newTape(t *testing.T, cfg Config) *tape {
	tp := &tape{T: t}
	cfg.Yield = func(c *Conversation) { tp.got = append(tp.got, c) }
	tp.table = NewTable(cfg)
	return tp
}

// seg is a segment to play, by the client unless server is set.
type seg struct {
	server   bool
	flags    packet.Flags
	seq, ack packet.Seq
	data     string
	mss      uint16
}

func (s seg) packet(id uint16) packet.Packet {
	p := packet.Packet{Src: client, Dst: server, TTL: 64, ID: id, HasID: true}
	if s.server {
		p.Src, p.Dst, p.TTL = server, client, 57
	}
	p.TCP = packet.Segment{Seq: s.seq, Ack: s.ack, Flags: s.flags, Window: 501, Payload: []byte(s.data)}
	if s.mss > 0 {
		p.TCP.Options = packet.SYNOptions(s.mss, 1, 7)
	}
	return p
}

// play adds segments, one millisecond and one IP ID after another.
func (tp *tape) play(segments ...seg) {
	tp.Helper()
	for _, s := range segments {
		tp.id++
		tp.now += time.Millisecond
		tp.add(s.packet(tp.id))
	}
}

// add builds p and adds it now.
func (tp *tape) add(p packet.Packet) {
	tp.Helper()
	raw, err := packet.Build(p)
	if err != nil {
		tp.Fatal(err)
	}
	tp.addRaw(raw)
}

func (tp *tape) addRaw(raw []byte) {
	tp.Helper()
	p, err := packet.Parse(raw)
	if err != nil {
		tp.Fatal(err)
	}
	tp.n++
	tp.table.Add(tp.n, epoch.Add(tp.now), &p)
}

// only flushes and returns the one conversation that there was.
func (tp *tape) only() *Conversation {
	tp.Helper()
	tp.table.Flush()
	if len(tp.got) != 1 {
		tp.Fatalf("%d conversations, want 1", len(tp.got))
	}
	return tp.got[0]
}

// The beginning of a connection: ISNs 100 and 300.
var (
	syn    = seg{flags: packet.SYN, seq: 100, mss: 1460}
	synAck = seg{server: true, flags: packet.SYN | packet.ACK, seq: 300, ack: 101, mss: 1400}
	ack    = seg{flags: packet.ACK, seq: 101, ack: 301}
	hello  = seg{flags: packet.PSH | packet.ACK, seq: 101, ack: 301, data: "hello, server"}
	reset  = seg{server: true, flags: packet.RST | packet.ACK, seq: 301, ack: 114}
	fin    = seg{flags: packet.FIN | packet.ACK, seq: 101, ack: 301}
	finAck = seg{server: true, flags: packet.FIN | packet.ACK, seq: 301, ack: 102}
)

// numbers are the packet numbers of events.
func numbers(events []Event) []int {
	var out []int
	for _, e := range events {
		out = append(out, e.N)
	}
	return out
}
