package simnet_test

import (
	"fmt"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/rstprobe/rstprobe/internal/lab"
	"github.com/rstprobe/rstprobe/internal/lab/middlebox"
	"github.com/rstprobe/rstprobe/internal/packet"
	"github.com/rstprobe/rstprobe/internal/payload"
)

// load says a request, acknowledges all that comes in order until nothing new
// comes for five seconds, and returns how many bytes came, and the time from
// the first to the last.
func (f *flow) load(request []byte) (size int, took time.Duration) {
	f.Helper()
	f.send(f.segment(64, packet.PSH|packet.ACK, request))
	f.next = f.next.Add(len(request))
	start, first, last := f.ack, time.Now(), time.Now()
	for time.Since(last) < 5*time.Second {
		got := f.listen(f.top.RTT / 10)
		for _, a := range got {
			if s := a.TCP; s.Seq == f.ack && len(s.Payload) > 0 {
				if last = time.Now(); f.ack == start {
					first = last
				}
				f.ack = f.ack.Add(len(s.Payload))
			}
		}
		if len(got) > 0 {
			f.send(f.segment(64, packet.ACK, nil))
		}
	}
	return f.ack.Sub(start), last.Sub(first)
}

const page = 64 << 10

// TestVolume loads a page of 64 KiB through boxes that count.
func TestVolume(t *testing.T) {
	flagged := func(b func() middlebox.Box) func() middlebox.Box {
		return func() middlebox.Box { return &middlebox.Flagged{Trigger: trigger, Box: b()} }
	}
	cut := func() middlebox.Box { return &middlebox.VolumeCut{After: 20 << 10} }
	police := func() middlebox.Box {
		return &middlebox.Policer{Rate: 16 << 10, Burst: 8 << 10, On: middlebox.ToClient}
	}
	for _, c := range []struct {
		name     string
		box      func() middlebox.Box
		host     string
		complete bool
		slow     bool
	}{
		{"nothing in the way", cutNothing, blocked, true, false},
		{"cut", cut, known, false, false},
		{"cut by name", flagged(cut), blocked, false, false},
		{"cut by another name", flagged(cut), known, true, false},
		{"policed", police, known, true, true},
		{"policed by name", flagged(police), blocked, true, true},
		{"policed by another name", flagged(police), known, true, false},
	} {
		t.Run(c.name, func(t *testing.T) {
			families(t, func(t *testing.T, v6 bool) {
				synctest.Test(t, func(t *testing.T) {
					f := newWorld(t, lab.Topology{IPv6: v6, Boxes: box(3, false, c.box), Server: lab.Server{Body: page}}, 1).
						connect(80, packet.SYNOptions(1460, 1, 7)...)
					size, took := f.load(f.request(c.host))
					head := len(fmt.Sprintf("HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\nContent-Length: %d\r\nConnection: keep-alive\r\n\r\n", page))
					switch {
					case c.complete && size != head+page:
						t.Errorf("%d bytes came, want %d", size, head+page)
					case !c.complete && (size > 20<<10 || size < 18<<10):
						t.Errorf("%d bytes came, want almost 20 KiB", size)
					}
					if rate := float64(size) / took.Seconds(); (rate < 20<<10) != c.slow && c.complete {
						t.Errorf("%.0f bytes a second, slow is %v", rate, c.slow)
					}
				})
			})
		})
	}
}

func cutNothing() middlebox.Box { return &middlebox.VolumeCut{After: 1 << 30} }

// TestSYNProxy: the SYN/ACK comes from the proxy at router 3, all else from the
// server.
func TestSYNProxy(t *testing.T) {
	families(t, func(t *testing.T, v6 bool) {
		synctest.Test(t, func(t *testing.T) {
			proxy := func() middlebox.Box { return &middlebox.SYNProxy{} }
			for _, port := range []uint16{443, 80} {
				w := newWorld(t, lab.Topology{IPv6: v6, Boxes: box(3, false, proxy)}, 1)
				f := w.connect(port, packet.SYNOptions(1460, 1, 7)...)
				if got := f.synAck.TTL; got != 64-2 {
					t.Errorf("SYN/ACK with TTL %d, want %d", got, 64-2)
				}
				request := f.request(known) // right behind the ACK
				got := f.all(f.say(2*rtt, request))
				answer := "ServerHello"
				if port == 80 {
					answer = "HTTP 200"
				}
				want := []string{acked, "P. seq +0 ack +0 ttl 59 " + answer}
				if d := cmp.Diff(want, got); d != "" {
					t.Errorf("port %d (-want +got):\n%s", port, d)
				}
			}
		})
	})
}

// TestFront: what the gear in front of the server sends has its own TTL and
// identifications.
func TestFront(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, lab.Topology{Server: lab.Server{
			Refused: []string{blocked}, Unknown: lab.PolicyReset,
			Front: &middlebox.Front{SynAckTTL: 102, ResetTTL: 102, IDs: middlebox.IDsGlobal, NoDF: true},
		}}, 1)
		f := w.connect(443)
		if f.synAck.TTL != 102-5 || f.synAck.ID != 1 || f.synAck.DF {
			t.Errorf("SYN/ACK %v, DF %v", f.synAck, f.synAck.DF)
		}
		got := f.say(rtt, f.request(known))
		if d := cmp.Diff([]string{acked, "P. seq +0 ack +0 ttl 59 ServerHello"}, f.all(got)); d != "" {
			t.Errorf("known name (-want +got):\n%s", d)
		}
		if got[0].ID != 2 || got[1].ID != 3 {
			t.Errorf("identifications %d and %d, want 2 and 3", got[0].ID, got[1].ID)
		}
		w = newWorld(t, w.top, 1) // fresh state
		f = w.connect(443)
		if f.synAck.ID != 1 {
			t.Errorf("identification %d in a new world, want 1", f.synAck.ID)
		}
		want := []string{acked, "R. seq +0 ack +0 ttl 97"}
		if d := cmp.Diff(want, f.all(f.say(rtt, f.request(blocked)))); d != "" {
			t.Errorf("refused name (-want +got):\n%s", d)
		}
		f.send(f.segment(64, packet.ACK, nil))
		if d := cmp.Diff([]string{"R seq +0 ttl 97"}, f.all(f.listen(rtt))); d != "" {
			t.Errorf("stray ACK (-want +got):\n%s", d)
		}
	})
}

// TestFrontResets: a full queue ends the connection on both sides.
func TestFrontResets(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, lab.Topology{Server: lab.Server{Front: &middlebox.Front{Overflow: 1}}}, 1)
		f := w.connect(443)
		if d := cmp.Diff([]string{"R seq +0 ttl 59"}, f.all(f.listen(10*time.Second))); d != "" {
			t.Errorf("after the handshake (-want +got):\n%s", d)
		}
		if d := cmp.Diff([]string{"R seq +0 ttl 59"}, f.all(f.say(rtt, f.request(known)))); d != "" {
			t.Errorf("request (-want +got):\n%s", d)
		}
	})
}

// TestRewriter: the trigger reaches the server, whose answers come as resets
// with all that is the server's, each time that it sends them.
func TestRewriter(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, lab.Topology{Boxes: box(3, false, func() middlebox.Box {
			return &middlebox.Flagged{Trigger: trigger, Box: middlebox.Rewriter{}}
		})}, 1)
		f := w.connect(443)
		got := f.say(3*rtt, f.request(blocked))
		want := []string{"R. seq +0 ack +0 ttl 59", "R. seq +0 ack +0 ttl 59"}
		if d := cmp.Diff(want, f.all(got)); d != "" {
			t.Errorf("answers (-want +got):\n%s", d)
		}
		if got[1].ID != got[0].ID+1 || got[0].TCP.Window == 0 || len(got[1].TCP.Payload) != 0 {
			t.Errorf("resets %s do not look like the server's packets", words(got))
		}
	})
}

// TestCutAfterPackets counts what passes after the trigger.
func TestCutAfterPackets(t *testing.T) {
	for pass := range 4 {
		t.Run(fmt.Sprint(pass), func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				w := newWorld(t, lab.Topology{Boxes: box(3, false, func() middlebox.Box {
					return &middlebox.Flagged{Trigger: trigger, Box: &middlebox.Cut{Pass: pass}}
				})}, 1)
				f := w.connect(443)
				f.listen(rtt)
				// The server acknowledges, answers, and answers again.
				if got := f.say(500*time.Millisecond, f.request(blocked)); len(got) != min(pass, 3) {
					t.Errorf("got %s, want %d packets", words(got), min(pass, 3))
				}
			})
		})
	}
}

// TestMTU: what is too long vanishes, or is reported.
func TestMTU(t *testing.T) {
	families(t, func(t *testing.T, v6 bool) {
		for _, reports := range []bool{false, true} {
			t.Run(fmt.Sprint(reports), func(t *testing.T) {
				synctest.Test(t, func(t *testing.T) {
					top := lab.Topology{IPv6: v6, Routers: 5}
					m := middlebox.MTU{Size: 400, On: middlebox.ToServer}
					if reports {
						m.Router = top.Router(3)
					}
					top.Boxes = box(3, false, func() middlebox.Box { return m })
					w := newWorld(t, top, 1)
					f := w.connect(80)
					f.listen(rtt)
					long, err := payload.HTTPRequest(known, "/", 500)
					if err != nil {
						t.Fatal(err)
					}
					got := f.say(rtt, long)
					switch {
					case !reports && len(got) > 0:
						t.Errorf("got %s, want nothing", words(got))
					case reports && (len(got) != 1 || got[0].ICMP.Kind != packet.PacketTooBig || got[0].ICMP.MTU != 400 || got[0].Src.Addr() != top.Router(3)):
						t.Errorf("got %s, want one packet too big", words(got))
					}
					f.next = f.next.Add(-len(long))
					if got := f.say(rtt, f.request(known)); len(got) != 2 {
						t.Errorf("short request: got %s, want an ACK and an answer", words(got))
					}
				})
			})
		}
	})
}
