package simnet_test

import (
	"fmt"
	"net/netip"
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/rstprobe/rstprobe/internal/lab"
	"github.com/rstprobe/rstprobe/internal/lab/middlebox"
	"github.com/rstprobe/rstprobe/internal/packet"
	"github.com/rstprobe/rstprobe/internal/wire"
)

// hop is an answer to a SYN of one TTL.
type hop struct {
	Src       netip.Addr
	TTL       uint8
	After     time.Duration
	Kind      packet.ICMPKind
	QuotedTTL uint8
	Quoted    int // bytes
}

func hopOf(a arrival) hop {
	return hop{a.Src.Addr(), a.TTL, a.after, a.ICMP.Kind, a.ICMP.Quote.TTL, len(a.ICMP.Quote.Raw)}
}

func TestTimeExceeded(t *testing.T) {
	families(t, func(t *testing.T, v6 bool) {
		for name, c := range map[string]struct{ quote, want4, want6 int }{
			"whole quote": {0, 44, 64}, // a SYN with four bytes of options
			"least quote": {28, 28, 28},
			"48 bytes":    {48, 44, 48},
		} {
			t.Run(name, func(t *testing.T) {
				synctest.Test(t, func(t *testing.T) {
					w := newWorld(t, lab.Topology{IPv6: v6}, 1)
					w.net.Quote = c.quote
					quoted := c.want4
					if v6 {
						quoted = c.want6
						if c.quote == 28 {
							t.Skip("an IPv6 quote holds the whole IP header")
						}
					}
					const link = rtt / 12
					var got, want []hop
					for ttl := 1; ttl <= w.top.Routers+1; ttl++ {
						w.send(w.packet(w.server(443), uint8(ttl), packet.Segment{Seq: iss, Flags: packet.SYN, Options: []byte{2, 4, 5, 180}}))
						for _, a := range w.listen(rtt) {
							got = append(got, hopOf(a))
						}
						h := hop{
							Src: w.top.ServerAddr(), TTL: uint8(64 - w.top.Routers), After: rtt,
						}
						if ttl <= w.top.Routers {
							h = hop{
								Src: w.top.Router(ttl), TTL: uint8(64 - (ttl - 1)), After: time.Duration(2*ttl) * link,
								Kind: packet.TimeExceeded, QuotedTTL: 1, Quoted: quoted,
							}
						}
						want = append(want, h)
					}
					if d := cmp.Diff(want, got, cmp.Comparer(func(a, b netip.Addr) bool { return a == b })); d != "" {
						t.Errorf("answers by TTL (-want +got):\n%s", d)
					}
				})
			})
		}
	})
}

func TestSilentRouters(t *testing.T) {
	families(t, func(t *testing.T, v6 bool) {
		synctest.Test(t, func(t *testing.T) {
			w := newWorld(t, lab.Topology{IPv6: v6, Silent: []int{1, 3}}, 1)
			var got []netip.Addr
			for ttl := range uint8(5) {
				w.send(w.packet(w.server(443), ttl+1, packet.Segment{Seq: iss, Flags: packet.SYN}))
			}
			for _, a := range w.listen(time.Second) {
				got = append(got, a.Src.Addr())
			}
			want := []netip.Addr{w.top.Router(2), w.top.Router(4), w.top.Router(5)}
			if !slices.Equal(got, want) {
				t.Errorf("answers from %v, want %v", got, want)
			}
		})
	})
}

func TestNoSuchHost(t *testing.T) {
	families(t, func(t *testing.T, v6 bool) {
		synctest.Test(t, func(t *testing.T) {
			w := newWorld(t, lab.Topology{IPv6: v6}, 1)
			dst := netip.AddrPortFrom(w.top.ServerAddr2().Next(), 443)
			w.send(w.packet(dst, 64, packet.Segment{Seq: iss, Flags: packet.SYN}))
			got := w.listen(time.Second)
			if len(got) != 1 || got[0].ICMP.Kind != packet.Unreachable || got[0].Src.Addr() != w.top.Router(5) {
				t.Errorf("got %s, want one unreachable from %v", words(got), w.top.Router(5))
			}
		})
	})
}

// TestFirst sends stamped copies of a trigger, TTL by TTL in one burst, past a
// box: it acts first at Placement.First, and its resets come from its router.
func TestFirst(t *testing.T) {
	families(t, func(t *testing.T, v6 bool) {
		for _, router := range []int{1, 3, 5} {
			for _, after := range []bool{false, true} {
				for _, drop := range []bool{false, true} {
					t.Run(fmt.Sprintf("router %d after %v drop %v", router, after, drop), func(t *testing.T) {
						synctest.Test(t, func(t *testing.T) { testFirst(t, v6, router, after, drop) })
					})
				}
			}
		}
	})
}

func testFirst(t *testing.T, v6 bool, router int, after, drop bool) {
	boxes := box(router, after, func() middlebox.Box {
		return &middlebox.Resetter{Match: middlebox.NameIs(blocked), Client: true, Drop: drop, Follow: true}
	})
	w := newWorld(t, lab.Topology{IPv6: v6, Boxes: boxes}, 1)
	f := w.connect(443)
	var burst []packet.Packet
	for k := 1; k <= w.top.Routers; k++ {
		p := f.segment(uint8(k), packet.PSH|packet.ACK, f.request(blocked))
		p.TCP.Ack = f.ack.Add(-k)
		burst = append(burst, p)
	}
	w.send(burst...)
	var stamps, icmp []int
	for _, a := range w.listen(time.Second) {
		switch {
		case a.ICMP.Kind == packet.TimeExceeded:
			for r := 1; r <= w.top.Routers; r++ {
				if a.Src.Addr() == w.top.Router(r) {
					icmp = append(icmp, r)
				}
			}
		case a.TCP.Flags == packet.RST:
			stamps = append(stamps, -a.TCP.Seq.Sub(f.ack))
			if want := uint8(64 - (router - 1)); a.TTL != want {
				t.Errorf("reset with TTL %d, want %d", a.TTL, want)
			}
		default:
			t.Errorf("unexpected %v", a)
		}
	}
	var wantStamps, wantICMP []int
	first := boxes[0].First()
	for ttl := 1; ttl <= w.top.Routers; ttl++ {
		if ttl >= first {
			wantStamps = append(wantStamps, ttl)
		}
		if ttl < first || !drop {
			wantICMP = append(wantICMP, ttl)
		}
	}
	slices.Sort(icmp)
	if d := cmp.Diff(wantStamps, stamps); d != "" {
		t.Errorf("stamps of the resets (-want +got):\n%s", d)
	}
	if d := cmp.Diff(wantICMP, icmp); d != "" {
		t.Errorf("routers with Time Exceeded (-want +got):\n%s", d)
	}
}

// survivors are the times of the packets that arrive of a thousand SYNs, sent
// a second apart to a closed port.
func survivors(t *testing.T, loss float64, seed uint64) []int {
	t.Helper()
	var got []int
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, lab.Topology{Loss: loss, Server: lab.Server{Closed: []uint16{443}}}, seed)
		for i := range 1000 {
			w.send(w.packet(w.server(443), 64, packet.Segment{Seq: iss, Flags: packet.SYN}))
			if len(w.listen(rtt)) > 0 {
				got = append(got, i)
			}
		}
	})
	return got
}

func TestLoss(t *testing.T) {
	one, again, other := survivors(t, 0.2, 1), survivors(t, 0.2, 1), survivors(t, 0.2, 2)
	if !slices.Equal(one, again) {
		t.Error("one seed lost different packets")
	}
	if slices.Equal(one, other) {
		t.Error("two seeds lost the same packets")
	}
	// 0.8 both ways is 0.64; five deviations of 0.015 are 0.076.
	if n := len(one); n < 564 || n > 716 {
		t.Errorf("%d of 1000 round trips survived, want about 640", n)
	}
	if n := len(survivors(t, 0, 1)); n != 1000 {
		t.Errorf("%d of 1000 round trips survived without loss", n)
	}
	if n := len(survivors(t, 1, 1)); n != 0 {
		t.Errorf("%d of 1000 round trips survived total loss", n)
	}
}

func TestTransmitStamps(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, lab.Topology{}, 1)
		p := w.packet(w.server(443), 1, packet.Segment{Seq: iss, Flags: packet.SYN})
		start := time.Now()
		w.send(p, p)
		time.Sleep(time.Second)
		w.send(p)
		var got []wire.Frame
		buf := make([]wire.Frame, 8)
		for {
			n, err := w.net.Receive(buf, time.Now().Add(time.Second))
			if err != nil {
				t.Fatal(err)
			}
			if n == 0 {
				break
			}
			for _, f := range buf[:n] {
				if f.Raw != nil {
					f.Raw, f.Tx = nil, -1
				}
				got = append(got, wire.Frame{At: f.At, Tx: f.Tx})
			}
		}
		want := []wire.Frame{
			{At: start, Tx: 0},
			{At: start, Tx: 1},
			{At: start.Add(10 * time.Millisecond), Tx: -1},
			{At: start.Add(10 * time.Millisecond), Tx: -1},
			{At: start.Add(time.Second), Tx: 2},
			{At: start.Add(time.Second + 10*time.Millisecond), Tx: -1},
		}
		if d := cmp.Diff(want, got); d != "" {
			t.Errorf("frames (-want +got):\n%s", d)
		}
	})
}
