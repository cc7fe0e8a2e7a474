package middlebox_test

import (
	"fmt"
	"net/netip"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/rstprobe/rstprobe/internal/lab/middlebox"
	"github.com/rstprobe/rstprobe/internal/packet"
	"github.com/rstprobe/rstprobe/internal/payload"
)

var (
	client = netip.MustParseAddrPort("192.0.2.1:40000")
	server = netip.MustParseAddrPort("198.51.100.1:443")
)

const blocked = "blocked.example"

// up is a packet to the server, down one to the client.
func up(s packet.Segment) packet.Packet {
	return packet.Packet{Src: client, Dst: server, Proto: packet.TCP, TTL: 61, ID: 77, HasID: true, TCP: s}
}

func down(s packet.Segment) packet.Packet {
	p := up(s)
	p.Src, p.Dst = p.Dst, p.Src
	return p
}

func hello(t testing.TB, name string, shape payload.Shape) []byte {
	t.Helper()
	b, err := payload.ClientHello(name, shape, 0, 1)
	if err != nil {
		t.Fatal(err)
	}
	return b
}

// open shows a box the opening of a connection: the client at 1000, the server
// at 5000.
func open(b middlebox.Box) {
	b.Handle(middlebox.ToServer, up(packet.Segment{Seq: 999, Flags: packet.SYN}))
	b.Handle(middlebox.ToClient, down(packet.Segment{Seq: 4999, Ack: 1000, Flags: packet.SYN | packet.ACK}))
	b.Handle(middlebox.ToServer, up(packet.Segment{Seq: 1000, Ack: 5000, Flags: packet.ACK}))
}

// text is one line per injection, and whether the packet was dropped.
func text(a middlebox.Action) []string {
	var out []string
	for _, inj := range a.Inject {
		to := "server"
		if inj.Toward == middlebox.ToClient {
			to = "client"
		}
		s := inj.Packet.TCP
		out = append(out, fmt.Sprintf("%v seq %d ack %d to %s, ttl %d id %d df %v window %d after %v",
			s.Flags, s.Seq, s.Ack, to, inj.Packet.TTL, inj.Packet.ID, inj.Packet.DF, s.Window, inj.Delay))
	}
	if a.Drop {
		out = append(out, "drop")
	}
	return out
}

func TestMatch(t *testing.T) {
	request, err := payload.HTTPRequest(blocked, "/", 0)
	if err != nil {
		t.Fatal(err)
	}
	segment := func(b []byte) packet.Packet { return up(packet.Segment{Flags: packet.ACK, Payload: b}) }
	plain := hello(t, blocked, payload.Plain)
	syn := up(packet.Segment{Flags: packet.SYN})
	icmp := packet.Packet{Proto: packet.ICMP}
	for _, c := range []struct {
		name  string
		match middlebox.Match
		p     packet.Packet
		want  bool
	}{
		{"server_name", middlebox.NameIs("x.example", blocked), segment(plain), true},
		{"server_name of a browser", middlebox.NameIs(blocked), segment(hello(t, blocked, payload.Chrome)), true},
		{"Host", middlebox.NameIs("BLOCKED.example"), segment(request), true},
		{"other name", middlebox.NameIs("x.example"), segment(plain), false},
		{"longer name", middlebox.NameIs(blocked), segment(hello(t, "not"+blocked, payload.Plain)), false},
		{"second half", middlebox.NameIs(blocked), segment(plain[len(plain)/2:]), false},
		{"no payload", middlebox.NameIs(blocked), syn, false},
		{"bytes", middlebox.Contains(blocked), segment(hello(t, "not"+blocked, payload.Plain)), true},
		{"other bytes", middlebox.Contains("x.example"), segment(plain), false},
		{"SYN", middlebox.SYNTo(0, netip.Addr{}), syn, true},
		{"SYN to the port", middlebox.SYNTo(443, server.Addr()), syn, true},
		{"SYN to another port", middlebox.SYNTo(80, netip.Addr{}), syn, false},
		{"SYN to another address", middlebox.SYNTo(443, client.Addr()), syn, false},
		{"SYN/ACK", middlebox.SYNTo(0, netip.Addr{}), up(packet.Segment{Flags: packet.SYN | packet.ACK}), false},
		{"any", middlebox.Any, syn, true},
		{"any ICMP", middlebox.Any, icmp, false},
	} {
		t.Run(c.name, func(t *testing.T) {
			if got := c.match(c.p); got != c.want {
				t.Errorf("match = %v, want %v", got, c.want)
			}
		})
	}
}

func TestResetter(t *testing.T) {
	// The trigger is a stamped copy: it acknowledges 3 less than it could.
	trigger := packet.Segment{Seq: 1000, Ack: 4997, Flags: packet.ACK, Payload: hello(t, blocked, payload.Plain)}
	n := len(trigger.Payload)
	end := 1000 + n
	match := middlebox.NameIs(blocked)
	for _, c := range []struct {
		name string
		box  middlebox.Resetter
		want []string
	}{
		{
			"follows the trigger", middlebox.Resetter{Client: true, Server: true, Follow: true, ACK: true},
			[]string{
				fmt.Sprintf("R. seq 4997 ack %d to client, ttl 64 id 0 df false window 0 after 0s", end),
				fmt.Sprintf("R. seq %d ack 4997 to server, ttl 64 id 0 df false window 0 after 0s", end),
			},
		},
		{
			"own numbers", middlebox.Resetter{Client: true, Server: true, ACK: true},
			[]string{
				"R. seq 5000 ack 1000 to client, ttl 64 id 0 df false window 0 after 0s",
				fmt.Sprintf("R. seq %d ack 5000 to server, ttl 64 id 0 df false window 0 after 0s", end),
			},
		},
		{
			"takes the trigger out", middlebox.Resetter{Server: true, Drop: true, Follow: true},
			[]string{"R seq 1000 ack 0 to server, ttl 64 id 0 df false window 0 after 0s", "drop"},
		},
		{
			"look", middlebox.Resetter{Client: true, Follow: true, TTL: 255, ID: middlebox.FixedID(242), DF: true, Window: 16, Delay: time.Second},
			[]string{"R seq 4997 ack 0 to client, ttl 255 id 242 df true window 16 after 1s"},
		},
		{
			"copies the trigger's look", middlebox.Resetter{Client: true, Follow: true, CopyTTL: true, ID: middlebox.EchoID},
			[]string{"R seq 4997 ack 0 to client, ttl 61 id 77 df false window 0 after 0s"},
		},
		{
			"hedges", middlebox.Resetter{Client: true, Count: 4, Hedge: true},
			[]string{
				"R seq 5000 ack 0 to client, ttl 64 id 0 df false window 0 after 0s",
				"R seq 6460 ack 0 to client, ttl 64 id 0 df false window 0 after 0s",
				"R seq 9380 ack 0 to client, ttl 64 id 0 df false window 0 after 0s",
				"R seq 9380 ack 0 to client, ttl 64 id 0 df false window 0 after 0s",
			},
		},
		{
			"repeats", middlebox.Resetter{Client: true, Count: 2},
			[]string{
				"R seq 5000 ack 0 to client, ttl 64 id 0 df false window 0 after 0s",
				"R seq 5000 ack 0 to client, ttl 64 id 0 df false window 0 after 0s",
			},
		},
	} {
		t.Run(c.name, func(t *testing.T) {
			b := &c.box
			b.Match = match
			open(b)
			for range 2 { // the second copy of a trigger is answered like the first
				if d := cmp.Diff(c.want, text(b.Handle(middlebox.ToServer, up(trigger)))); d != "" {
					t.Errorf("action (-want +got):\n%s", d)
				}
			}
			if got := b.Handle(middlebox.ToClient, down(trigger)); got.Drop || got.Inject != nil {
				t.Errorf("acted on a packet to the client: %v", text(got))
			}
		})
	}
}

// TestTracker shows what a box with numbers of its own needs and counts.
func TestTracker(t *testing.T) {
	trigger := up(packet.Segment{Seq: 1100, Ack: 5200, Flags: packet.ACK, Payload: hello(t, blocked, payload.Plain)})
	b := &middlebox.Resetter{Match: middlebox.NameIs(blocked), Client: true, ACK: true, Drop: true}
	if got := text(b.Handle(middlebox.ToServer, trigger)); got != nil {
		t.Errorf("without the opening: %v, want nothing", got)
	}
	open(b)
	b.Handle(middlebox.ToServer, up(packet.Segment{Seq: 1000, Ack: 5000, Flags: packet.ACK, Payload: make([]byte, 100)}))
	b.Handle(middlebox.ToClient, down(packet.Segment{Seq: 5000, Ack: 1100, Flags: packet.ACK, Payload: make([]byte, 200)}))
	b.Handle(middlebox.ToClient, down(packet.Segment{Seq: 9000, Ack: 1100, Flags: packet.RST}))
	b.Handle(middlebox.ToClient, packet.Packet{Proto: packet.ICMP})
	want := []string{"R. seq 5200 ack 1100 to client, ttl 64 id 0 df false window 0 after 0s", "drop"}
	if d := cmp.Diff(want, text(b.Handle(middlebox.ToServer, trigger))); d != "" {
		t.Errorf("after 100 and 200 bytes (-want +got):\n%s", d)
	}
}

func TestIPv6HasNoIdentification(t *testing.T) {
	b := &middlebox.Resetter{Match: middlebox.Any, Client: true, Follow: true, DF: true, ID: middlebox.FixedID(9)}
	p := up(packet.Segment{Flags: packet.ACK})
	p.Src, p.Dst = netip.MustParseAddrPort("[2001:db8::1]:40000"), netip.MustParseAddrPort("[2001:db8::2]:443")
	got := b.Handle(middlebox.ToServer, p).Inject[0].Packet
	if got.HasID || got.ID != 0 || got.DF || got.Src != p.Dst || got.Dst != p.Src {
		t.Errorf("forged %+v", got)
	}
}

func TestBlockPageInSequence(t *testing.T) {
	b := &middlebox.BlockPage{Match: middlebox.Any, Body: "blocked", ThenRST: true}
	act := b.Handle(middlebox.ToServer, up(packet.Segment{Seq: 1000, Ack: 5000, Flags: packet.ACK, Payload: make([]byte, 50)}))
	if act.Drop || len(act.Inject) != 2 {
		t.Fatalf("action %v, want two injections", text(act))
	}
	page, rst := act.Inject[0].Packet.TCP, act.Inject[1].Packet.TCP
	if r := payload.Recognise(page.Payload); r.Status != 200 || page.Seq != 5000 || page.Ack != 1050 {
		t.Errorf("page %v at %d, acknowledging %d", r, page.Seq, page.Ack)
	}
	if want := page.Seq.Add(page.Len()); rst.Flags != packet.RST || rst.Seq != want {
		t.Errorf("%v at %d, want a reset at %d", rst.Flags, rst.Seq, want)
	}
}

func TestDropperFlow(t *testing.T) {
	d := &middlebox.Dropper{Match: middlebox.Contains("bad"), Flow: true}
	bad := up(packet.Segment{Flags: packet.ACK, Payload: []byte("a bad word")})
	good := up(packet.Segment{Flags: packet.ACK})
	elsewhere := good
	elsewhere.Src = netip.AddrPortFrom(client.Addr(), 40001)
	for i, c := range []struct {
		dir  middlebox.Direction
		p    packet.Packet
		drop bool
	}{
		{middlebox.ToServer, good, false},
		{middlebox.ToServer, bad, true},
		{middlebox.ToServer, good, true},
		{middlebox.ToClient, down(packet.Segment{Flags: packet.ACK}), true},
		{middlebox.ToServer, elsewhere, false},
		{middlebox.ToClient, packet.Packet{Proto: packet.ICMP}, false},
		{middlebox.ToServer, up(packet.Segment{Flags: packet.SYN}), false},
		{middlebox.ToServer, good, false},
	} {
		if got := d.Handle(c.dir, c.p).Drop; got != c.drop {
			t.Errorf("packet %d: drop %v, want %v", i, got, c.drop)
		}
	}
}

func TestResidual(t *testing.T) {
	for _, flow := range []bool{false, true} {
		t.Run(fmt.Sprintf("flow %v", flow), func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				r := &middlebox.Residual{
					Box:    &middlebox.Dropper{Match: middlebox.Contains("bad")},
					During: &middlebox.Dropper{Match: middlebox.Any},
					For:    time.Minute,
					Flow:   flow,
				}
				good := up(packet.Segment{Flags: packet.SYN})
				other := good
				other.Src = netip.AddrPortFrom(client.Addr(), 40001)
				check := func(when string, p packet.Packet, want bool) {
					t.Helper()
					if got := r.Handle(middlebox.ToServer, p).Drop; got != want {
						t.Errorf("%s: drop %v, want %v", when, got, want)
					}
				}
				check("before", good, false)
				check("trigger", up(packet.Segment{Flags: packet.ACK, Payload: []byte("bad")}), true)
				time.Sleep(time.Minute - 1)
				check("at last, same port", good, true)
				check("at last, another port", other, !flow)
				time.Sleep(time.Nanosecond)
				check("over", good, false)
			})
		})
	}
}
