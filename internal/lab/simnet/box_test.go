package simnet_test

import (
	"fmt"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/rstprobe/rstprobe/internal/lab"
	"github.com/rstprobe/rstprobe/internal/lab/middlebox"
	"github.com/rstprobe/rstprobe/internal/packet"
)

// model is a box with what a client sees that says the blocked name at full
// TTL. In the answers BOX stands for the TTL of a packet from the box's
// router and ANSWER for the server's ordinary one. Numbers are relative to
// what the client expects and has sent.
type model struct {
	name    string
	port    uint16
	box     func() middlebox.Box
	seen    []string
	resets  int  // that reach the server
	arrives bool // the trigger reaches the server
}

var trigger = middlebox.NameIs(blocked)

var models = []model{
	{
		name: "on-path, client only", port: 443,
		box:  func() middlebox.Box { return &middlebox.Resetter{Match: trigger, Client: true, Follow: true} },
		seen: []string{"R seq +0 ttl BOX", "ANSWER"}, arrives: true,
	},
	{
		name: "on-path, client only, late", port: 443,
		box: func() middlebox.Box {
			return &middlebox.Resetter{Match: trigger, Client: true, Follow: true, Delay: 300 * time.Millisecond}
		},
		seen: []string{"ANSWER", "R seq +0 ttl BOX"}, arrives: true,
	},
	{
		name: "on-path, both, three hedged with ACK", port: 80,
		box: func() middlebox.Box {
			return &middlebox.Resetter{Match: trigger, Client: true, Server: true, Count: 3, Hedge: true, ACK: true, TTL: 128}
		},
		seen: []string{
			"R. seq +0 ack -REQUEST ttl BOX+64", "R. seq +1460 ack -REQUEST ttl BOX+64", "R. seq +4380 ack -REQUEST ttl BOX+64",
			"ANSWER",
		},
		resets: 3, arrives: true,
	},
	{
		name: "in-path, both", port: 443,
		box: func() middlebox.Box {
			return &middlebox.Resetter{Match: trigger, Client: true, Server: true, Drop: true, ACK: true, Follow: true}
		},
		seen: []string{"R. seq +0 ack +0 ttl BOX"}, resets: 1,
	},
	{
		name: "in-path, raw bytes, own numbers", port: 80,
		box: func() middlebox.Box {
			return &middlebox.Resetter{Match: middlebox.Contains("blocked"), Client: true, Drop: true, ACK: true}
		},
		seen: []string{"R. seq +0 ack -REQUEST ttl BOX"},
	},
	{
		name: "dropper", port: 443,
		box: func() middlebox.Box { return &middlebox.Dropper{Match: trigger} },
	},
	{
		name: "flow dropper", port: 80,
		box: func() middlebox.Box { return &middlebox.Dropper{Match: trigger, Flow: true} },
	},
	{
		name: "block page on-path", port: 80,
		box:  func() middlebox.Box { return &middlebox.BlockPage{Match: trigger, Body: "no"} },
		seen: []string{"FP. seq +0 ack +0 ttl BOX HTTP 200", "ANSWER"}, arrives: true,
	},
	{
		name: "block page in-path with reset", port: 80,
		box: func() middlebox.Box {
			return &middlebox.BlockPage{Match: trigger, Body: "no", Drop: true, ThenRST: true}
		},
		seen: []string{"FP. seq +0 ack +0 ttl BOX HTTP 200", "R seq +PAGE ttl BOX"},
	},
	{
		name: "FIN on-path", port: 443,
		box:  func() middlebox.Box { return &middlebox.FinInjector{Match: trigger} },
		seen: []string{"F. seq +0 ack +0 ttl BOX", "ANSWER"}, arrives: true,
	},
	{
		name: "FIN in-path", port: 443,
		box:  func() middlebox.Box { return &middlebox.FinInjector{Match: trigger, Drop: true} },
		seen: []string{"F. seq +0 ack +0 ttl BOX"},
	},
}

// TestModels puts every model at the first, a middle and the last router, on
// both sides of the TTL check, for both families. The control passes, the
// trigger meets the box.
func TestModels(t *testing.T) {
	for _, m := range models {
		t.Run(m.name, func(t *testing.T) {
			families(t, func(t *testing.T, v6 bool) {
				for _, router := range []int{1, 3, 5} {
					for _, after := range []bool{false, true} {
						t.Run(fmt.Sprintf("router %d after %v", router, after), func(t *testing.T) {
							synctest.Test(t, func(t *testing.T) { m.test(t, v6, router, after) })
						})
					}
				}
			})
		})
	}
}

func (m model) test(t *testing.T, v6 bool, router int, after bool) {
	w := newWorld(t, lab.Topology{IPv6: v6, Boxes: box(router, after, m.box)}, 1)
	answer := "P. seq +0 ack +0 ttl 59 ServerHello"
	if m.port == 80 {
		answer = "P. seq +0 ack +0 ttl 59 HTTP 200"
	}

	f := w.connect(m.port)
	control := f.all(f.say(150*time.Millisecond, f.request("control.example")))
	if d := cmp.Diff([]string{". seq +0 ack +0 ttl 59", answer}, control); d != "" {
		t.Errorf("control (-want +got):\n%s", d)
	}
	f.send(f.segment(64, packet.RST, nil))
	w.listen(rtt)

	arrived, resets := false, 0
	w.net.Trace = func(_ middlebox.Direction, at int, p packet.Packet, what string) {
		if at == w.top.Routers+1 && what == "received" {
			arrived = arrived || len(p.TCP.Payload) > 0
			if p.TCP.Flags.Has(packet.RST) {
				resets++
				hops := w.top.Routers - router
				if got := int(p.TTL); got != 64-hops && got != 128-hops {
					t.Errorf("reset reaches the server with TTL %d, want %d routers crossed", got, hops)
				}
			}
		}
	}
	f = w.connect(m.port)
	request := f.request(blocked)
	got := f.all(f.say(400*time.Millisecond, request))
	ttl := 64 - (router - 1)
	words := strings.NewReplacer(
		"BOX+64", fmt.Sprint(ttl+64), "BOX", fmt.Sprint(ttl),
		"REQUEST", fmt.Sprint(len(request)), "PAGE", fmt.Sprint(len(m.page())+1))
	var want []string
	for _, s := range m.seen {
		if s == "ANSWER" {
			want = append(want, ". seq +0 ack +0 ttl 59", answer)
			continue
		}
		want = append(want, words.Replace(s))
	}
	got = unretransmitted(got)
	if d := cmp.Diff(want, got); d != "" {
		t.Errorf("trigger (-want +got):\n%s", d)
	}
	if arrived != m.arrives || resets != m.resets {
		t.Errorf("at the server: trigger %v and %d resets, want %v and %d", arrived, resets, m.arrives, m.resets)
	}
}

// page is the HTTP answer that a block page model sends.
func (m model) page() []byte {
	b, ok := m.box().(*middlebox.BlockPage)
	if !ok {
		return nil
	}
	return fmt.Appendf(nil, "HTTP/1.1 200 OK\r\nContent-Type: text/html\r\nContent-Length: %d\r\nConnection: close\r\n\r\n%s", len(b.Body), b.Body)
}

// unretransmitted leaves out the server's answer where it comes again because
// the client does not acknowledge it.
func unretransmitted(seen []string) []string {
	var out []string
	had := make(map[string]bool)
	for _, s := range seen {
		if strings.HasPrefix(s, "P. seq +0 ack +0 ttl 59") && had[s] {
			continue
		}
		had[s] = true
		out = append(out, s)
	}
	return out
}

func TestSYNBoxes(t *testing.T) {
	families(t, func(t *testing.T, v6 bool) {
		for name, c := range map[string]struct {
			box  middlebox.Box
			want []string // flags and TTL from router 2
		}{
			"dropper":          {&middlebox.SYNDropper{Port: 443}, nil},
			"resetter in-path": {&middlebox.SYNResetter{Port: 443, Drop: true}, []string{"R. ttl 63"}},
			"resetter on-path": {&middlebox.SYNResetter{}, []string{"R. ttl 63", "S. ttl 59"}},
			"resetter by kind": {&middlebox.Resetter{Match: middlebox.Any, Client: true, Drop: true, Follow: true}, []string{"R. ttl 63"}},
		} {
			t.Run(name, func(t *testing.T) {
				synctest.Test(t, func(t *testing.T) {
					w := newWorld(t, lab.Topology{IPv6: v6, Boxes: box(2, false, func() middlebox.Box { return c.box })}, 1)
					w.send(w.packet(w.server(443), 64, packet.Segment{Seq: iss, Flags: packet.SYN}))
					var got []string
					for _, a := range w.listen(200 * time.Millisecond) {
						got = append(got, fmt.Sprintf("%v ttl %d", a.TCP.Flags, a.TTL))
						if a.TCP.Ack != iss+1 {
							t.Errorf("%v acknowledges another number than %d", a, iss+1)
						}
					}
					if d := cmp.Diff(c.want, got); d != "" {
						t.Errorf("answers (-want +got):\n%s", d)
					}
				})
			})
		}
	})
}

// TestFlowDropper shows the difference to a dropper: what follows the trigger
// is lost as well, until a new connection begins.
func TestFlowDropper(t *testing.T) {
	for _, whole := range []bool{false, true} {
		t.Run(fmt.Sprintf("whole flow %v", whole), func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				w := newWorld(t, lab.Topology{Boxes: box(3, false, func() middlebox.Box {
					return &middlebox.Dropper{Match: trigger, Flow: whole}
				})}, 1)
				f := w.connect(443)
				f.say(rtt, f.request(blocked))
				f.next = iss + 1
				if got := f.say(2*rtt, f.request("control.example")); (len(got) == 0) != whole {
					t.Errorf("after the trigger a harmless request got %s", words(got))
				}
			})
		})
	}
}

func TestResidual(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, lab.Topology{Boxes: box(2, false, func() middlebox.Box {
			return &middlebox.Residual{
				Box:    &middlebox.Dropper{Match: trigger},
				During: &middlebox.SYNResetter{Drop: true},
				For:    time.Minute,
			}
		})}, 1)
		f := w.connect(443)
		f.say(rtt, f.request(blocked))
		syn := w.packet(w.server(443), 64, packet.Segment{Seq: iss.Add(1e6), Flags: packet.SYN})
		for _, c := range []struct {
			wait time.Duration
			want packet.Flags
		}{
			{59 * time.Second, packet.RST | packet.ACK},
			{2 * time.Second, packet.ACK}, // a challenge ACK: to the server the connection is open
		} {
			w.listen(c.wait)
			w.send(syn)
			got := w.listen(rtt)
			if len(got) != 1 || got[0].TCP.Flags != c.want {
				t.Errorf("SYN %v later: got %s, want flags %v", c.wait, words(got), c.want)
			}
		}
	})
}
