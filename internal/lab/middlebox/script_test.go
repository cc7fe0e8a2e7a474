package middlebox_test

import (
	"fmt"
	"net/netip"
	"strings"
	"testing"
	"time"

	"github.com/rstprobe/rstprobe/internal/lab/middlebox"
	"github.com/rstprobe/rstprobe/internal/packet"
)

// step is a packet that a box sees and what it does: "" lets it pass.
type step struct {
	name string
	p    packet.Packet
	want string
	wait time.Duration // before the packet; in a bubble only
}

// play shows a box the packets.
func play(t *testing.T, b middlebox.Box, steps []step) {
	t.Helper()
	for _, s := range steps {
		time.Sleep(s.wait)
		dir := middlebox.ToServer
		if s.p.Src.Addr() == server.Addr() {
			dir = middlebox.ToClient
		}
		if got := strings.Join(short(b.Handle(dir, s.p)), "; "); got != s.want {
			t.Errorf("%s: %q, want %q", s.name, got, s.want)
		}
	}
}

// short is an action in few words: what goes to whom, and what becomes of the
// packet.
func short(a middlebox.Action) []string {
	var out []string
	words := func(p packet.Packet) string {
		if p.Proto != packet.TCP {
			return fmt.Sprintf("%v from %v", p.ICMP.Kind == packet.PacketTooBig, p.Src.Addr())
		}
		return fmt.Sprintf("%v %d/%d+%d", p.TCP.Flags, p.TCP.Seq, p.TCP.Ack, len(p.TCP.Payload))
	}
	for _, inj := range a.Inject {
		to := " to server"
		if inj.Toward == middlebox.ToClient {
			to = " to client"
		}
		out = append(out, words(inj.Packet)+to)
	}
	switch {
	case a.Drop:
		out = append(out, "drop")
	case a.Instead != nil:
		out = append(out, "as "+words(*a.Instead))
	}
	return out
}

// The packets of a connection whose client stands at 1000 and whose server at
// 5000.
var (
	syn    = up(packet.Segment{Seq: 999, Flags: packet.SYN})
	synAck = down(packet.Segment{Seq: 4999, Ack: 1000, Flags: packet.SYN | packet.ACK})
	ack    = up(packet.Segment{Seq: 1000, Ack: 5000, Flags: packet.ACK})
	bad    = data("a bad word")
	good   = data("a good word")
	answer = sized(down(packet.Segment{Seq: 5000, Ack: 1010, Flags: packet.PSH | packet.ACK, Window: 501, Payload: []byte("an answer")}))
	isBad  = middlebox.Contains("bad")
)

func data(text string) packet.Packet {
	return sized(up(packet.Segment{Seq: 1000, Ack: 5000, Flags: packet.PSH | packet.ACK, Window: 502, Payload: []byte(text)}))
}

// sized is p with Raw.
func sized(p packet.Packet) packet.Packet {
	raw, err := packet.Build(p)
	if err != nil {
		panic(err)
	}
	p.Raw = raw
	return p
}

// at is p from or to another port of the client's.
func at(p packet.Packet, port uint16) packet.Packet {
	end := netip.AddrPortFrom(client.Addr(), port)
	if p.Src == client {
		p.Src = end
	} else {
		p.Dst = end
	}
	return p
}

var echo = packet.Packet{Src: netip.AddrPortFrom(client.Addr(), 0), Dst: netip.AddrPortFrom(server.Addr(), 0), Proto: packet.ICMP}
