package middlebox_test

import (
	"bytes"
	"fmt"
	"net/netip"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/rstprobe/rstprobe/internal/lab/middlebox"
	"github.com/rstprobe/rstprobe/internal/packet"
)

// over6 is p between IPv6 addresses, with Raw.
func over6(p packet.Packet) packet.Packet {
	six := map[netip.Addr]netip.Addr{
		client.Addr(): netip.MustParseAddr("2001:db8::1"), server.Addr(): netip.MustParseAddr("2001:db8::2"),
	}
	p.Src, p.Dst = netip.AddrPortFrom(six[p.Src.Addr()], p.Src.Port()), netip.AddrPortFrom(six[p.Dst.Addr()], p.Dst.Port())
	p.HasID, p.ID = false, 0
	return sized(p)
}

// TestNAT sends a segment out, its answer and an ICMP error about it back in.
func TestNAT(t *testing.T) {
	for _, c := range []struct {
		name   string
		out    packet.Packet
		public netip.Addr
		router netip.Addr
	}{
		{"IPv4", bad, netip.MustParseAddr("203.0.113.9"), netip.MustParseAddr("198.51.100.77")},
		{"IPv6", over6(bad), netip.MustParseAddr("2001:db8:9::9"), netip.MustParseAddr("2001:db8:1::77")},
	} {
		for _, leave := range []bool{false, true} {
			for _, quote := range []int{1000, 48, 28} {
				if !c.public.Is4() && quote < 48 {
					continue
				}
				t.Run(fmt.Sprintf("%s, quotes left %v, of %d bytes", c.name, leave, quote), func(t *testing.T) {
					n := &middlebox.NAT{Addr: c.public, LeaveQuotes: leave}
					outside := c.out
					if act := n.Handle(middlebox.ToServer, c.out); act.Instead != nil {
						outside = *act.Instead
					}
					if outside.Src.Addr() != c.public || outside.Src.Port() == c.out.Src.Port() || outside.Dst != c.out.Dst {
						t.Fatalf("leaves as %v", outside)
					}
					if again := n.Handle(middlebox.ToServer, c.out).Instead; again.Src != outside.Src {
						t.Errorf("the next leaves from %v, the first from %v", again.Src, outside.Src)
					}
					back := c.out
					back.Src, back.Dst = outside.Dst, outside.Src
					if act := n.Handle(middlebox.ToClient, back); act.Instead == nil || act.Instead.Dst != c.out.Src {
						t.Errorf("the answer: %+v", act)
					}
					testQuote(t, n, c.router, c.out, sized(outside), quote, leave)
				})
			}
		}
	}
}

func testQuote(t *testing.T, n *middlebox.NAT, router netip.Addr, inside, outside packet.Packet, quote int, leave bool) {
	t.Helper()
	exceeded := func(about packet.Packet) packet.Packet {
		raw, err := packet.BuildTimeExceeded(router, about.Raw, quote)
		if err != nil {
			t.Fatal(err)
		}
		p, err := packet.Parse(raw)
		if err != nil {
			t.Fatal(err)
		}
		return p
	}
	act := n.Handle(middlebox.ToClient, exceeded(outside))
	if act.Instead == nil {
		t.Fatal("the ICMP error is not translated")
	}
	got := *act.Instead
	if got.Dst.Addr() != inside.Src.Addr() {
		t.Errorf("the ICMP error goes to %v, want %v", got.Dst, inside.Src)
	}
	if want := inside.Src; !leave && got.ICMP.Quote.Src != want {
		t.Errorf("it quotes %v, want %v", got.ICMP.Quote.Src, want)
	}
	if want := outside.Src; leave && got.ICMP.Quote.Src != want {
		t.Errorf("it quotes %v, want %v", got.ICMP.Quote.Src, want)
	}
	if !leave && !bytes.Equal(got.Raw, exceeded(inside).Raw) {
		// What was sent is quoted, checksums and all.
		t.Errorf("got  %x\nwant %x", got.Raw, exceeded(inside).Raw)
	}
}

func TestNATTrap(t *testing.T) {
	n := &middlebox.NAT{Addr: netip.MustParseAddr("203.0.113.9"), Leak: isBad}
	n.Handle(middlebox.ToServer, good)
	play(t, n, []step{
		{name: "leaked", p: bad},
		{name: "answer to nobody known", p: at(answer, 9)},
		{name: "echo", p: echo},
	})
}

func TestMarkerAndClamp(t *testing.T) {
	marked := middlebox.Marker{TOS: 0x28}.Handle(middlebox.ToServer, bad).Instead
	if marked == nil || marked.TOS != 0x28 {
		t.Errorf("marked %v", marked)
	}
	if act := (middlebox.Marker{TOS: 0x28}).Handle(middlebox.ToClient, answer); act.Instead != nil {
		t.Errorf("marks what comes back: %+v", act)
	}
	offer := syn
	offer.TCP.Options = packet.SYNOptions(1460, 0x02040104, 7) // a timestamp like another MSS
	c := middlebox.MSSClamp{Max: 1300}
	clamped := c.Handle(middlebox.ToServer, offer).Instead
	if clamped == nil || !bytes.Equal(clamped.TCP.Options, packet.SYNOptions(1300, 0x02040104, 7)) {
		t.Errorf("clamped %v", clamped)
	}
	if !bytes.Equal(offer.TCP.Options, packet.SYNOptions(1460, 0x02040104, 7)) {
		t.Error("the packet itself changed")
	}
	for name, p := range map[string]packet.Packet{"no option": syn, "no SYN": bad, "no TCP": echo} {
		if act := c.Handle(middlebox.ToServer, p); act.Instead != nil {
			t.Errorf("%s: %+v", name, act)
		}
	}
	if act := (middlebox.MSSClamp{Max: 1460}).Handle(middlebox.ToServer, offer); act.Instead != nil {
		t.Errorf("small enough: %+v", act)
	}
}

// TestSYNProxy: the proxy's numbers begin at 0x52535450, the server's at 4999.
func TestSYNProxy(t *testing.T) {
	const iss = 0x52535450
	ackOf := func(s packet.Packet, ack packet.Seq) packet.Packet { s.TCP.Ack = ack; return s }
	play(t, &middlebox.SYNProxy{Addr: server.Addr()}, []step{
		{name: "stray", p: ack},
		{name: "SYN", p: syn, want: fmt.Sprintf("S. %d/1000+0 to client; drop", iss)},
		{name: "wrong ACK", p: ack, want: "drop"},
		{name: "ACK", p: ackOf(ack, iss+1), want: "S 999/0+0 to server; drop"},
		{name: "early request", p: ackOf(bad, iss+1), want: "drop"},
		{name: "SYN/ACK", p: synAck, want: ". 1000/5000+0 to server; P. 1000/5000+10 to server; drop"},
		{name: "answer", p: answer, want: fmt.Sprintf("as P. %d/1010+9", iss+1)},
		{name: "next request", p: ackOf(bad, iss+10), want: "as P. 1000/5009+10"},
		{name: "other host", p: at(packet.Packet{Src: client, Dst: client, Proto: packet.TCP}, 1)},
	})
	play(t, &middlebox.SYNProxy{}, []step{
		{name: "SYN", p: syn, want: fmt.Sprintf("S. %d/1000+0 to client; drop", iss)},
		{name: "ACK", p: ackOf(ack, iss+1), want: "S 999/0+0 to server; drop"},
		{name: "closed", p: down(packet.Segment{Ack: 1000, Flags: packet.RST | packet.ACK}), want: fmt.Sprintf("as R. %d/1000+0", iss+1)},
	})
}

// TestFrontLooks: what the front makes of the server's packets.
func TestFrontLooks(t *testing.T) {
	rst := down(packet.Segment{Seq: 5000, Flags: packet.RST})
	look := func(f *middlebox.Front, p packet.Packet) string {
		p.DF = true
		if act := f.Handle(middlebox.ToClient, p); act.Instead != nil {
			p = *act.Instead
		}
		return fmt.Sprintf("ttl %d id %d df %v", p.TTL, p.ID, p.DF)
	}
	for _, c := range []struct {
		name  string
		front middlebox.Front
		want  [3]string // of SYN/ACK, data, reset
	}{
		{"nothing", middlebox.Front{}, [3]string{"ttl 61 id 77 df true", "ttl 61 id 77 df true", "ttl 61 id 77 df true"}},
		{"balancer", middlebox.Front{SynAckTTL: 102, ResetTTL: 102}, [3]string{"ttl 102 id 77 df true", "ttl 61 id 77 df true", "ttl 102 id 77 df true"}},
		{"other stack", middlebox.Front{TTL: 128, NoDF: true, IDs: middlebox.IDsGlobal, Seed: 500}, [3]string{"ttl 128 id 501 df false", "ttl 128 id 502 df false", "ttl 128 id 503 df false"}},
		{"zero", middlebox.Front{IDs: middlebox.IDsZero}, [3]string{"ttl 61 id 0 df true", "ttl 61 id 0 df true", "ttl 61 id 0 df true"}},
	} {
		t.Run(c.name, func(t *testing.T) {
			got := [3]string{look(&c.front, synAck), look(&c.front, answer), look(&c.front, rst)}
			if d := cmp.Diff(c.want, got); d != "" {
				t.Errorf("(-want +got):\n%s", d)
			}
		})
	}
}

func TestFrontIDs(t *testing.T) {
	ids := func(law middlebox.IDs, seed uint64) (out []uint16) {
		f := &middlebox.Front{IDs: law, Seed: seed}
		for i := range 6 {
			out = append(out, f.Handle(middlebox.ToClient, at(answer, uint16(40000+i%2))).Instead.ID)
		}
		return out
	}
	g := ids(middlebox.IDsGlobal, 1)
	f := ids(middlebox.IDsPerFlow, 1)
	r := ids(middlebox.IDsRandom, 1)
	for i := range 5 {
		if g[i+1] != g[i]+1 {
			t.Errorf("global counter: %v", g)
		}
		if r[i+1] == r[i]+1 {
			t.Errorf("random: %v", r)
		}
	}
	for i := range 4 {
		if f[i+2] != f[i]+1 || f[i+1] == f[i]+1 {
			t.Errorf("counters per flow: %v", f)
		}
	}
	if again := ids(middlebox.IDsRandom, 1); !cmp.Equal(r, again) {
		t.Errorf("one seed gives %v and %v", r, again)
	}
	if p := over6(answer); (&middlebox.Front{IDs: middlebox.IDsGlobal}).Handle(middlebox.ToClient, p).Instead.ID != 0 {
		t.Error("an identification over IPv6")
	}
}

// TestFrontAdmits plays connections one after the other.
func TestFrontAdmits(t *testing.T) {
	again := at(syn, 40002)
	again.TCP.Seq += 1000
	for _, c := range []struct {
		name  string
		front middlebox.Front
		steps []step
	}{
		{"no limit", middlebox.Front{}, []step{{name: "SYN", p: syn}, {name: "data", p: bad}}},
		{"refuses SYNs", middlebox.Front{Limit: 1, LimitFor: time.Minute, ResetTTL: 102}, []step{
			{name: "first", p: syn},
			{name: "its SYN again", p: syn},
			{name: "second", p: at(syn, 40001), want: "R. 0/1000+0 to client; drop"},
			{name: "its SYN again", p: at(syn, 40001), want: "R. 0/1000+0 to client; drop"},
			{name: "the first goes on", p: bad},
			{name: "still refused", p: at(syn, 40002), want: "R. 0/1000+0 to client; drop", wait: 59 * time.Second},
			{name: "over", p: again, wait: time.Second},
			{name: "and counted anew", p: at(syn, 40003), want: "R. 0/1000+0 to client; drop"},
		}},
		{"bans", middlebox.Front{Limit: 1, Refusal: middlebox.RefuseSilent}, []step{
			{name: "first", p: syn},
			{name: "second", p: at(syn, 40001), want: "drop"},
			{name: "the first goes no further", p: bad, want: "drop"},
			{name: "for good", p: at(syn, 40002), want: "drop", wait: 1000 * time.Hour},
			{name: "answers still go out", p: answer, want: "as P. 5000/1010+9"},
		}},
		{"refuses data", middlebox.Front{Limit: 1, Refusal: middlebox.RefuseData}, []step{
			{name: "first", p: syn},
			{name: "its data", p: bad},
			{name: "second", p: at(syn, 40001)},
			{name: "its ACK", p: at(ack, 40001)},
			{name: "its data", p: at(bad, 40001), want: "R. 5000/1010+0 to client; R 1000/0+0 to server; drop"},
			{name: "its data again", p: at(bad, 40001)},
		}},
		{"overflows", middlebox.Front{Overflow: 1}, []step{
			{name: "SYN", p: syn},
			{name: "SYN/ACK", p: synAck, want: "as S. 4999/1000+0"},
			{name: "ACK", p: ack, want: "R 5000/0+0 to client; R 1000/0+0 to server; drop"},
			{name: "data", p: bad},
			{name: "no TCP", p: echo},
		}},
	} {
		t.Run(c.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) { play(t, &c.front, c.steps) })
		})
	}
}

func TestFrontOverflowsAShare(t *testing.T) {
	f := &middlebox.Front{Overflow: 0.25, Seed: 3}
	const n = 1000
	reset := 0
	for port := range uint16(n) {
		f.Handle(middlebox.ToServer, at(syn, port))
		if f.Handle(middlebox.ToServer, at(ack, port)).Drop {
			reset++
		}
	}
	if reset < 200 || reset > 300 {
		t.Errorf("%d of %d connections are reset, want a quarter", reset, n)
	}
}

// TestGearResets: resets of the front look like those of its stack.
func TestGearResets(t *testing.T) {
	f := &middlebox.Front{Overflow: 1, ResetTTL: 102, NoDF: true, IDs: middlebox.IDsGlobal, Seed: 9}
	f.Handle(middlebox.ToServer, syn)
	got := f.Handle(middlebox.ToServer, ack).Inject[0].Packet
	if got.TTL != 102 || got.ID != 10 || got.DF || got.TCP.Window != 0 {
		t.Errorf("reset %+v", got)
	}
}
