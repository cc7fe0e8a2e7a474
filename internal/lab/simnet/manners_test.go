package simnet_test

import (
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/rstprobe/rstprobe/internal/lab"
	"github.com/rstprobe/rstprobe/internal/packet"
)

// TestCloseAtOnce: the server's FIN first, then a reset at our ACK.
func TestCloseAtOnce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := newWorld(t, lab.Topology{Server: lab.Server{CloseAtOnce: true, Lingers: time.Hour}}, 1).connect(443)
		if d := cmp.Diff([]string{"F. seq +0 ack +0 ttl 59"}, f.all(f.listen(rtt))); d != "" {
			t.Errorf("after the handshake (-want +got):\n%s", d)
		}
		f.ack++
		if d := cmp.Diff([]string{"R seq +0 ttl 59"}, f.all(f.say(rtt, f.request(known)))); d != "" {
			t.Errorf("request (-want +got):\n%s", d)
		}
	})
}

// TestLingers: what comes after the server's FIN is taken for a while.
func TestLingers(t *testing.T) {
	for _, c := range []struct {
		lingers time.Duration
		want    []string // to data at once, and five seconds later
	}{
		{0, []string{"R seq +0 ttl 59"}},
		{5 * time.Second, []string{acked, "R seq +0 ttl 59"}},
		{time.Hour, []string{acked, acked}},
	} {
		t.Run(c.lingers.String(), func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				f := newWorld(t, lab.Topology{Server: lab.Server{Always: lab.PolicyFIN, Lingers: c.lingers}}, 1).connect(443)
				f.listen(rtt)
				f.say(rtt, f.request(known))
				f.ack++
				f.send(f.segment(64, packet.ACK, nil))
				var got []string
				for range c.want {
					got = append(got, f.all(f.say(5*time.Second, []byte("more")))...)
				}
				if d := cmp.Diff(c.want, got); d != "" {
					t.Errorf("answers (-want +got):\n%s", d)
				}
			})
		})
	}
}

// TestOurFIN: an open connection answers it with a FIN, one that somebody has
// reset with a reset.
func TestOurFIN(t *testing.T) {
	for name, reset := range map[string]bool{"open": false, "reset": true} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				f := newWorld(t, lab.Topology{}, 1).connect(80)
				f.listen(rtt)
				want := []string{". seq +0 ack +1 ttl 59", "F. seq +0 ack +1 ttl 59"}
				if reset {
					f.send(f.segment(64, packet.RST, nil))
					want = []string{"R seq +0 ttl 59"}
				}
				f.send(f.segment(64, packet.FIN|packet.ACK, nil))
				if d := cmp.Diff(want, f.all(f.listen(rtt))); d != "" {
					t.Errorf("answer (-want +got):\n%s", d)
				}
			})
		})
	}
}

func TestDelay(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := newWorld(t, lab.Topology{Server: lab.Server{Delay: 3 * time.Second}}, 1).connect(443)
		f.listen(rtt)
		got := f.say(4*time.Second, f.request(known))
		if len(got) < 2 || got[0].after != rtt || got[1].after != 3*time.Second+rtt {
			t.Errorf("answers after %v, want an ACK after %v and the rest 3 s later", times(got), rtt)
		}
	})
}

// TestDelayOfTheDead: an answer to a connection that is gone is none.
func TestDelayOfTheDead(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := newWorld(t, lab.Topology{Server: lab.Server{Delay: 3 * time.Second}}, 1).connect(443)
		f.say(rtt, f.request(known))
		f.send(f.segment(64, packet.RST, nil))
		if got := f.listen(time.Minute); len(got) > 0 {
			t.Errorf("got %s, want nothing", words(got))
		}
	})
}

func TestKeepAlive(t *testing.T) {
	const every = 10 * time.Second
	probe := ". seq -1 ack +0 ttl 59"
	synctest.Test(t, func(t *testing.T) {
		f := newWorld(t, lab.Topology{Server: lab.Server{KeepAlive: every}}, 1).connect(443)
		got := f.listen(every + rtt)
		if d := cmp.Diff([]string{probe}, f.all(got)); d != "" {
			t.Errorf("first probe (-want +got):\n%s", d)
		}
		f.send(f.segment(64, packet.ACK, nil)) // which is all it asks for
		got = f.listen(time.Minute)
		if d := cmp.Diff([]string{probe, probe, probe, "R. seq +0 ack +0 ttl 59"}, f.all(got)); d != "" {
			t.Errorf("without answers (-want +got):\n%s", d)
		}
		var want []time.Duration
		for i := range 4 {
			want = append(want, rtt+time.Duration(i+1)*every)
		}
		if d := cmp.Diff(want, times(got)); d != "" {
			t.Errorf("times (-want +got):\n%s", d)
		}
	})
}

func TestGiveUp(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := newWorld(t, lab.Topology{Server: lab.Server{GiveUp: 2}}, 1).connect(443)
		f.listen(rtt)
		answer := "P. seq +0 ack +0 ttl 59 ServerHello"
		want := []string{acked, answer, answer, answer, "R. seq +64 ack +0 ttl 59"}
		if d := cmp.Diff(want, f.all(f.say(time.Hour, f.request(known)))); d != "" {
			t.Errorf("unacknowledged (-want +got):\n%s", d)
		}
	})
}

func TestDies(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, lab.Topology{Server: lab.Server{Dies: 10 * time.Second}}, 1)
		f := w.connect(80)
		f.listen(rtt)
		if got := f.say(rtt, f.request(known)); len(got) != 2 {
			t.Errorf("alive: %s, want an ACK and an answer", words(got))
		}
		f.ack = f.ack.Add(114)
		f.send(f.segment(64, packet.ACK, nil))
		if d := cmp.Diff([]string{"R. seq +0 ack +0 ttl 59"}, f.all(f.listen(20*time.Second))); d != "" {
			t.Errorf("death (-want +got):\n%s", d)
		}
		w.send(w.packet(w.server(80), 64, packet.Segment{Seq: 1, Flags: packet.SYN}))
		if got := w.listen(rtt); len(got) != 1 || got[0].TCP.Flags != packet.RST|packet.ACK {
			t.Errorf("SYN after death: %s, want a refusal", words(got))
		}
	})
}

// TestSplitHello comes in two records, and in two segments: the server makes
// the same of it.
func TestSplitHello(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, lab.Topology{Server: lab.Server{Refused: []string{blocked}, Unknown: lab.PolicyReset}}, 1)
		f := w.connect(443)
		f.listen(rtt)
		hello := f.request(blocked)
		const cut = 50 // before the name
		first := append([]byte{22, 3, 1, 0, cut - 5}, hello[5:cut]...)
		n := len(hello) - cut
		second := append([]byte{22, 3, 1, byte(n >> 8), byte(n)}, hello[cut:]...)
		f.say(rtt, first)
		want := []string{acked, "R. seq +0 ack +0 ttl 59"}
		if d := cmp.Diff(want, f.all(f.say(rtt, second))); d != "" {
			t.Errorf("answer (-want +got):\n%s", d)
		}
	})
}
