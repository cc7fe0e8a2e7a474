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
)

var sameAddr = cmp.Comparer(func(a, b netip.Addr) bool { return a == b })

// hops are the addresses that answer SYNs from a port, by TTL, up to the
// server, whose answer's TTL comes with it.
func (w *world) hops(from uint16) (out []netip.Addr, ttl uint8) {
	w.Helper()
	for n := uint8(1); n < 40; n++ {
		p := w.packet(w.server(443), n, packet.Segment{Seq: iss, Flags: packet.SYN})
		p.Src = netip.AddrPortFrom(p.Src.Addr(), from)
		w.send(p)
		got := slices.DeleteFunc(w.listen(2*w.top.RTT), func(a arrival) bool {
			return a.Proto == packet.TCP && a.Dst.Port() != from // a SYN/ACK again, of a flow before
		})
		if len(got) != 1 {
			out = append(out, netip.Addr{})
			continue
		}
		if got[0].Proto == packet.TCP {
			return out, got[0].TTL
		}
		out = append(out, got[0].Src.Addr())
	}
	w.Fatal("no answer of the server")
	return nil, 0
}

// ports are two source ports that take the legs 1 and 2.
func (w *world) ports() [2]uint16 {
	var out [2]uint16
	for p := uint16(port); out[0] == 0 || out[1] == 0; p++ {
		leg := w.top.Fork.Leg(netip.AddrPortFrom(w.top.Client(), p), w.server(443))
		out[leg-1] = p
	}
	return out
}

// path are the routers from one number to another, of the second leg where
// second says so.
func (w *world) path(n int, second func(int) bool) (out []netip.Addr) {
	for i := 1; i <= n; i++ {
		if second(i) {
			out = append(out, w.top.SecondRouter(i))
		} else {
			out = append(out, w.top.Router(i))
		}
	}
	return out
}

func TestFork(t *testing.T) {
	families(t, func(t *testing.T, v6 bool) {
		for _, second := range []int{0, 4} { // as long as the first leg, and two routers longer
			t.Run(fmt.Sprint(second), func(t *testing.T) {
				synctest.Test(t, func(t *testing.T) {
					w := newWorld(t, lab.Topology{IPv6: v6, Routers: 6, Fork: &lab.Fork{From: 2, To: 5, Second: second}}, 1)
					ports := w.ports()
					extra := max(0, second-2)
					// Behind a longer leg the routers 5 and 6 are as many hops farther.
					behind := w.path(6, func(i int) bool { return i == 3 || i == 4 })
					if extra > 0 {
						behind = slices.Insert(behind, 4, w.top.SecondRouter(5), w.top.SecondRouter(6))
					}
					for i, want := range [][]netip.Addr{w.path(6, func(int) bool { return false }), behind} {
						got, ttl := w.hops(ports[i])
						if d := cmp.Diff(want, got, sameAddr); d != "" {
							t.Errorf("leg %d (-want +got):\n%s", i+1, d)
						}
						if want := uint8(64 - 6 - i*extra); ttl != want {
							t.Errorf("leg %d: the server's TTL is %d, want %d", i+1, ttl, want)
						}
					}
				})
			})
		}
	})
}

// TestBoxOnOneLeg acts on the flows of its leg, whichever it is.
func TestBoxOnOneLeg(t *testing.T) {
	for leg, branch := range []lab.Branch{lab.Trunk, lab.SecondLeg} {
		t.Run(fmt.Sprint("leg ", leg+1), func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				boxes := box(4, false, func() middlebox.Box { return &middlebox.SYNResetter{Drop: true} })
				boxes[0].Branch = branch
				w := newWorld(t, lab.Topology{Routers: 6, Fork: &lab.Fork{From: 2, To: 5}, Boxes: boxes}, 1)
				for i, from := range w.ports() {
					p := w.packet(w.server(443), 64, packet.Segment{Seq: iss, Flags: packet.SYN})
					p.Src = netip.AddrPortFrom(p.Src.Addr(), from)
					w.send(p)
					want, ttl := packet.SYN|packet.ACK, uint8(58)
					if i == leg {
						want, ttl = packet.RST|packet.ACK, 64-3
					}
					got := w.listen(2 * rtt)
					if len(got) != 1 || got[0].TCP.Flags != want || got[0].TTL != ttl {
						t.Errorf("flow of leg %d: %s, want %v with TTL %d", i+1, words(got), want, ttl)
					}
				}
			})
		})
	}
}

func TestRouteChange(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, lab.Topology{Routers: 4, Fork: &lab.Fork{From: 1, To: 3, Second: 2, Change: time.Minute}}, 1)
		before, ttl := w.hops(port)
		if want := w.path(4, func(int) bool { return false }); !slices.Equal(before, want) || ttl != 60 {
			t.Errorf("before: %v and TTL %d, want %v and 60", before, ttl, want)
		}
		w.listen(time.Minute)
		after, ttl := w.hops(port + 1)
		want := []netip.Addr{w.top.Router(1), w.top.SecondRouter(2), w.top.SecondRouter(3), w.top.Router(3), w.top.Router(4)}
		if !slices.Equal(after, want) || ttl != 59 {
			t.Errorf("after: %v and TTL %d, want %v and 59", after, ttl, want)
		}
	})
}

func TestWayBack(t *testing.T) {
	families(t, func(t *testing.T, v6 bool) {
		for _, behind := range []int{0, 2, 5} {
			t.Run(fmt.Sprint("behind ", behind), func(t *testing.T) {
				synctest.Test(t, func(t *testing.T) {
					w := newWorld(t, lab.Topology{IPv6: v6, Return: &lab.Return{Behind: behind, Extra: 3}}, 1)
					const link = rtt / 12
					for ttl := 1; ttl <= 6; ttl++ {
						w.send(w.packet(w.server(443), uint8(ttl), packet.Segment{Seq: iss, Flags: packet.SYN}))
						got := w.listen(2 * rtt)
						extra := 0
						if ttl > behind {
							extra = 3
						}
						if len(got) != 1 || int(got[0].TTL) != 64-(ttl-1)-extra || got[0].after != time.Duration(2*ttl+extra)*link {
							t.Errorf("TTL %d: %s, want one answer over %d more routers", ttl, words(got), extra)
						}
					}
				})
			})
		}
	})
}

// TestBoxOnTheWayBack sees the server's answers and not the requests.
func TestBoxOnTheWayBack(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		place := func(match string) []lab.Placement {
			return []lab.Placement{{Router: 2, Branch: lab.WayBack, New: func() middlebox.Box {
				return &middlebox.Resetter{On: middlebox.ToClient, Match: middlebox.Contains(match), Client: true, Server: true, Follow: true}
			}}}
		}
		top := lab.Topology{Return: &lab.Return{Behind: 3, Extra: 2}, Boxes: place("hello from " + blocked)}
		for name, want := range map[string][]string{
			known: {". seq +0 ack +0 ttl 57", "P. seq +0 ack +0 ttl 57 HTTP 200"},
			// The box is on the second of the two routers, and answers behind what it saw.
			blocked: {". seq +0 ack +0 ttl 57", "P. seq +0 ack +0 ttl 57 HTTP 200", "R seq +116 ttl 60"},
		} {
			w := newWorld(t, top, 1)
			atServer := 0
			w.net.Trace = func(_ middlebox.Direction, at int, p packet.Packet, what string) {
				if at == 6 && what == "received" && p.TCP.Flags.Has(packet.RST) {
					atServer++
				}
			}
			f := w.connect(80)
			f.listen(rtt)
			got := f.all(f.say(2*rtt, f.request(name)))
			slices.Sort(got) // the reset overtakes nothing, but is sent first
			slices.Sort(want)
			if d := cmp.Diff(want, unretransmitted(got)); d != "" {
				t.Errorf("%s (-want +got):\n%s", name, d)
			}
			if want := len(want) - 2; atServer != want {
				t.Errorf("%s: %d resets at the server, want %d", name, atServer, want)
			}
		}
	})
}

func TestLimitedICMP(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, lab.Topology{LimitICMP: true}, 1)
		answers := func(ttl uint8, n int) (got int) {
			for range n {
				w.send(w.packet(w.server(443), ttl, packet.Segment{Seq: iss, Flags: packet.SYN}))
			}
			return len(w.listen(rtt))
		}
		for _, c := range []struct {
			wait time.Duration
			ttl  uint8
			want int
		}{
			{0, 2, 6}, // the burst
			{0, 3, 6}, // of each router its own
			{700 * time.Millisecond, 2, 0},
			{300 * time.Millisecond, 2, 1},
			{3 * time.Second, 2, 3},
			{time.Hour, 2, 6},
		} {
			w.listen(c.wait)
			if got := answers(c.ttl, 8); got != c.want {
				t.Errorf("router %d after %v more: %d answers to eight, want %d", c.ttl, c.wait, got, c.want)
			}
		}
	})
}

func TestNATQuotes(t *testing.T) {
	families(t, func(t *testing.T, v6 bool) {
		for _, leave := range []bool{false, true} {
			t.Run(fmt.Sprintf("left %v", leave), func(t *testing.T) {
				synctest.Test(t, func(t *testing.T) {
					top := lab.Topology{Routers: 5, IPv6: v6}
					top.Boxes = box(2, true, func() middlebox.Box {
						return &middlebox.NAT{Addr: top.NATAddr(), LeaveQuotes: leave}
					})
					w := newWorld(t, top, 1)
					for ttl := uint8(1); ttl <= 5; ttl++ {
						w.send(w.packet(w.server(443), ttl, packet.Segment{Seq: iss, Flags: packet.SYN}))
						got := w.listen(rtt)
						if len(got) != 1 || got[0].Dst.Addr() != w.top.Client() {
							t.Fatalf("TTL %d: %s, want one error for the client", ttl, words(got))
						}
						want := netip.AddrPortFrom(w.top.Client(), port)
						if leave && ttl > 2 {
							want = netip.AddrPortFrom(w.top.NATAddr(), 20000)
						}
						if q := got[0].ICMP.Quote; q.Src != want {
							t.Errorf("router %d quotes %v, want %v", ttl, q.Src, want)
						}
					}
					f := w.connect(443)
					if got := f.say(rtt, f.request(known)); len(got) != 2 {
						t.Errorf("request got %s, want an ACK and an answer", words(got))
					}
				})
			})
		}
	})
}

// TestChangesInQuotes: routers behind a box quote what it made of the packet.
func TestChangesInQuotes(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, lab.Topology{Boxes: []lab.Placement{
			{Router: 2, AfterTTL: true, New: func() middlebox.Box { return middlebox.Marker{TOS: 0x28} }},
			{Router: 3, AfterTTL: true, New: func() middlebox.Box { return middlebox.MSSClamp{Max: 1300} }},
		}}, 1)
		var got []string
		for ttl := uint8(1); ttl <= 5; ttl++ {
			w.send(w.packet(w.server(443), ttl, packet.Segment{Seq: iss, Flags: packet.SYN, Options: packet.SYNOptions(1460, 1, 7)}))
			q := w.listen(rtt)[0].ICMP.Quote
			mss, _ := packet.Segment{Options: q.Options}.MSS()
			got = append(got, fmt.Sprintf("tos %#x mss %d", q.TOS, mss))
		}
		want := []string{"tos 0x0 mss 1460", "tos 0x0 mss 1460", "tos 0x28 mss 1460", "tos 0x28 mss 1300", "tos 0x28 mss 1300"}
		if d := cmp.Diff(want, got); d != "" {
			t.Errorf("quotes (-want +got):\n%s", d)
		}
	})
}

func TestLayRefuses(t *testing.T) {
	for name, top := range map[string]lab.Topology{
		"empty leg":               {Routers: 5, Fork: &lab.Fork{From: 2, To: 3}},
		"fork at the client":      {Routers: 5, Fork: &lab.Fork{From: 0, To: 3}},
		"fork past the end":       {Routers: 5, Fork: &lab.Fork{From: 2, To: 6}},
		"no longer way back":      {Routers: 5, Return: &lab.Return{Behind: 2}},
		"way back in a fork":      {Routers: 5, Fork: &lab.Fork{From: 2, To: 4}, Return: &lab.Return{Behind: 3, Extra: 1}},
		"way back past the end":   {Routers: 5, Return: &lab.Return{Behind: 6, Extra: 1}},
		"box on no second leg":    {Routers: 5, Boxes: []lab.Placement{{Router: 3, Branch: lab.SecondLeg}}},
		"box beside the leg":      {Routers: 5, Fork: &lab.Fork{From: 2, To: 4}, Boxes: []lab.Placement{{Router: 4, Branch: lab.SecondLeg}}},
		"box past the way back":   {Routers: 5, Return: &lab.Return{Behind: 2, Extra: 1}, Boxes: []lab.Placement{{Router: 2, Branch: lab.WayBack}}},
		"box on no such way back": {Routers: 5, Boxes: []lab.Placement{{Router: 1, Branch: lab.WayBack}}},
	} {
		t.Run(name, func(t *testing.T) {
			defer func() {
				if recover() == nil {
					t.Error("no panic")
				}
			}()
			newWorld(t, top, 1)
		})
	}
}
