package simnet_test

import (
	"fmt"
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/rstprobe/rstprobe/internal/lab"
	"github.com/rstprobe/rstprobe/internal/packet"
	"github.com/rstprobe/rstprobe/internal/payload"
)

// times is when each packet of the server comes.
func times(as []arrival) []time.Duration {
	var out []time.Duration
	for _, a := range as {
		out = append(out, a.after)
	}
	return out
}

func TestRetransmission(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, lab.Topology{}, 1)
		w.send(w.packet(w.server(443), 64, packet.Segment{Seq: iss, Flags: packet.SYN}))
		var want []time.Duration
		for _, s := range []int{0, 1, 3, 7, 15, 31} { // tcp_synack_retries 5
			want = append(want, rtt+time.Duration(s)*time.Second)
		}
		if d := cmp.Diff(want, times(w.listen(10*time.Minute))); d != "" {
			t.Errorf("SYN/ACK (-want +got):\n%s", d)
		}

		f := w.connect(443)
		got := f.say(time.Second, f.request(known))
		// The handshake took 120 ms, as connect waits so long.
		want = []time.Duration{rtt, rtt}
		for at, rto := rtt, 360*time.Millisecond; at+rto < time.Second; rto *= 2 {
			at += rto
			want = append(want, at)
		}
		if d := cmp.Diff(want, times(got)); d != "" {
			t.Errorf("ACK and ServerHello (-want +got):\n%s", d)
		}
		f.ack = f.ack.Add(len(payload.ServerHelloBytes()))
		f.send(f.segment(64, packet.ACK, nil))
		f.listen(rtt) // what is still under way
		if got := f.listen(time.Hour); len(got) > 0 {
			t.Errorf("after the acknowledgment came %s", words(got))
		}
	})
}

func TestReassembly(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := newWorld(t, lab.Topology{}, 1).connect(443, packet.SYNOptions(1460, 0, 7)...)
		request := f.request(known)
		start := f.next
		part := func(from, to int) string {
			t.Helper()
			f.next = start.Add(from)
			f.send(f.segment(64, packet.ACK, request[from:to]))
			f.next = start
			var out string
			for _, a := range f.listen(rtt) {
				out += fmt.Sprintf("%v ack %d", a.TCP.Flags, a.TCP.Ack.Sub(start))
				for _, b := range a.TCP.SACKBlocks() {
					out += fmt.Sprintf(" [%d %d)", b[0].Sub(start), b[1].Sub(start))
				}
				out += "; "
			}
			return out
		}
		n := len(request)
		for _, c := range []struct {
			from, to int
			want     string
		}{
			{100, 110, ". ack 0 [100 110); "},
			{50, 60, ". ack 0 [50 60) [100 110); "},
			{105, 120, ". ack 0 [100 120) [50 60); "}, // overlap
			{0, 40, ". ack 40 [100 120) [50 60); "},
			{0, 40, ". ack 40 [100 120) [50 60); "}, // a duplicate
			{30, 70, ". ack 70 [100 120); "},
			{60, n, fmt.Sprintf(". ack %d; P. ack %d; ", n, n)},
		} {
			if got := part(c.from, c.to); got != c.want {
				t.Errorf("bytes %d to %d were answered by %q, want %q", c.from, c.to, got, c.want)
			}
		}
	})
}

// TestOldACK shows what becomes of a stamped request at the server itself.
func TestOldACK(t *testing.T) {
	for _, permitted := range []bool{false, true} {
		t.Run(fmt.Sprint(permitted), func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				w := newWorld(t, lab.Topology{}, 1)
				w.net.OldACK = permitted
				f := w.connect(80)
				p := f.segment(64, packet.PSH|packet.ACK, f.request(known))
				p.TCP.Ack = f.ack.Add(-6)
				f.send(p)
				f.next = f.next.Add(len(p.TCP.Payload))
				got := f.all(f.listen(rtt))
				want := []string{fmt.Sprintf(". seq +0 ack %+d ttl 59", -len(p.TCP.Payload))} // a challenge ACK
				if permitted {
					want = []string{acked, "P. seq +0 ack +0 ttl 59 HTTP 200"}
				}
				if d := cmp.Diff(want, got); d != "" {
					t.Errorf("answer (-want +got):\n%s", d)
				}
			})
		})
	}
}

// TestOldACKOfAcknowledgedBytes: what the client has once acknowledged it may
// acknowledge again, and say more with it.
func TestOldACKOfAcknowledgedBytes(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := newWorld(t, lab.Topology{}, 1).connect(80)
		f.listen(rtt)
		request := f.request(known)
		f.say(rtt, request)
		f.ack = f.ack.Add(114) // the answer
		f.send(f.segment(64, packet.ACK, nil))
		p := f.segment(64, packet.PSH|packet.ACK, request)
		p.TCP.Ack = f.ack.Add(-114)
		f.send(p)
		f.next = f.next.Add(len(request))
		want := []string{acked, "P. seq +0 ack +0 ttl 59 HTTP 200"}
		if d := cmp.Diff(want, f.all(f.listen(rtt))); d != "" {
			t.Errorf("answer (-want +got):\n%s", d)
		}
	})
}

// TestRecovery: once a timeout has shown a loss, every acknowledgment brings
// the next segment again at once.
func TestRecovery(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := newWorld(t, lab.Topology{}, 1).connect(80, 2, 4, 0, 114) // an MSS of one answer
		f.listen(rtt)
		request := f.request(known)
		got := f.say(500*time.Millisecond, slices.Concat(request, request, request))
		if len(got) != 5 { // ACK, three answers, the first of them again
			t.Fatalf("got %s, want five segments", words(got))
		}
		for i := range 2 {
			f.ack = f.ack.Add(114)
			f.send(f.segment(64, packet.ACK, nil))
			want := []string{"P. seq +0 ack +0 ttl 59 HTTP 200"}
			if i == 0 {
				want[0] = ". seq +0 ack +0 ttl 59 HTTP 200"
			}
			if d := cmp.Diff(want, f.all(f.listen(rtt))); d != "" {
				t.Errorf("acknowledgment %d (-want +got):\n%s", i, d)
			}
		}
	})
}

// TestTimestamps is PAWS and the echo: an old timestamp is refused, and one
// from beyond a gap is not echoed.
func TestTimestamps(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := newWorld(t, lab.Topology{}, 1).connect(443, packet.SYNOptions(1460, 100, 7)...)
		f.listen(rtt)
		start := f.next
		for _, c := range []struct {
			val       uint32
			from, to  int
			ack, echo int
		}{
			{99, 0, 10, 0, 100},
			{100, 0, 10, 10, 100},
			{200, 20, 30, 10, 100},
			{150, 10, 20, 30, 150},
			{160, 30, 40, 40, 160},
		} {
			p := f.segment(64, packet.ACK, f.request(known)[c.from:c.to])
			p.TCP.Seq = start.Add(c.from)
			p.TCP.Options = packet.TimestampOption(c.val, 0)
			f.send(p)
			got := f.listen(rtt)
			if len(got) != 1 {
				t.Fatalf("timestamp %d: got %s, want one ACK", c.val, words(got))
			}
			_, echo, _ := got[0].TCP.Timestamps()
			if ack := got[0].TCP.Ack.Sub(start); ack != c.ack || int(echo) != c.echo {
				t.Errorf("timestamp %d: acknowledged %d, echoed %d, want %d and %d", c.val, ack, echo, c.ack, c.echo)
			}
		}
	})
}

// TestOddSegments sends one odd segment on a fresh connection, then a request, and
// tells what came of both.
func TestOddSegments(t *testing.T) {
	const (
		served = "ServerHello"
		killed = "reset"
	)
	for _, c := range []struct {
		name   string
		seq    int // relative to what the server expects
		ack    int // relative to what it has sent
		flags  packet.Flags
		answer string
		then   string
	}{
		{"exact reset", 0, 0, packet.RST, "[]", killed},
		{"reset in the window", 1460, 0, packet.RST, "[. seq +0 ack +0 ttl 59]", served},
		{"reset before the window", -1, 0, packet.RST, "[]", served},
		{"reset behind the window", 1 << 20, 0, packet.RST, "[]", served},
		{"SYN", 1000, 0, packet.SYN, "[. seq +0 ack +0 ttl 59]", served},
		{"keep-alive", -1, 0, packet.ACK, "[. seq +0 ack +0 ttl 59]", served},
		{"ACK of what was not sent", 0, 1, packet.ACK, "[. seq +0 ack +0 ttl 59]", served},
		{"no ACK", 0, 0, packet.PSH, "[]", served},
	} {
		t.Run(c.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				f := newWorld(t, lab.Topology{}, 1).connect(443)
				f.send(f.packet(f.dst, 64, packet.Segment{Seq: f.next.Add(c.seq), Ack: f.ack.Add(c.ack), Flags: c.flags}))
				if got := fmt.Sprint(f.all(f.listen(2 * rtt))); got != c.answer {
					t.Errorf("answer %v, want %v", got, c.answer)
				}
				then := "nothing"
				for _, a := range f.say(rtt, f.request(known)) {
					switch {
					case a.TCP.Flags == packet.RST:
						then = killed
					case len(a.TCP.Payload) > 0:
						then = payload.Recognise(a.TCP.Payload).String()
					}
				}
				if then != c.then {
					t.Errorf("then the request got %s, want %s", then, c.then)
				}
			})
		})
	}
}

func TestClosing(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, lab.Topology{Server: lab.Server{Names: []string{known}, Unknown: lab.PolicyFIN}}, 1)

		f := w.connect(80)
		f.listen(rtt)
		f.send(f.segment(64, packet.FIN|packet.ACK, nil))
		f.next++
		if d := cmp.Diff([]string{acked, "F. seq +0 ack +0 ttl 59"}, f.all(f.listen(rtt))); d != "" {
			t.Errorf("the client closes first (-want +got):\n%s", d)
		}
		f.ack++
		f.send(f.segment(64, packet.ACK, nil), f.segment(64, packet.ACK, nil))
		if d := cmp.Diff([]string{"R seq +0 ttl 59"}, f.all(f.listen(time.Hour))); d != "" {
			t.Errorf("then the connection is forgotten (-want +got):\n%s", d)
		}

		f = w.connect(80)
		f.listen(rtt)
		f.say(rtt, f.request(unknown))
		f.ack++
		f.send(f.segment(64, packet.FIN|packet.ACK, nil))
		f.next++
		if d := cmp.Diff([]string{acked}, f.all(f.listen(rtt))); d != "" {
			t.Errorf("the server closes first (-want +got):\n%s", d)
		}
		old := f.segment(64, packet.SYN, nil)
		old.TCP.Seq = iss
		f.send(old)
		if d := cmp.Diff([]string{acked}, f.all(f.listen(rtt))); d != "" {
			t.Errorf("an old SYN in TIME-WAIT (-want +got):\n%s", d)
		}
		fresh := f.segment(64, packet.SYN, nil)
		fresh.TCP.Seq = f.next.Add(1000)
		f.send(fresh)
		if got := f.listen(rtt); len(got) != 1 || got[0].TCP.Flags != packet.SYN|packet.ACK {
			t.Errorf("a new SYN in TIME-WAIT got %s", words(got))
		}
	})
}

func TestDataAfterTheServerClosed(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := newWorld(t, lab.Topology{Server: lab.Server{Always: lab.PolicyFIN}}, 1).connect(443)
		f.listen(rtt)
		f.say(rtt, f.request(known))
		if d := cmp.Diff([]string{"R seq +0 ttl 59"}, f.all(f.say(time.Minute, []byte("more")))); d != "" {
			t.Errorf("answer (-want +got):\n%s", d)
		}
	})
}

func TestServerIgnoresBadChecksums(t *testing.T) {
	families(t, func(t *testing.T, v6 bool) {
		synctest.Test(t, func(t *testing.T) {
			w := newWorld(t, lab.Topology{IPv6: v6}, 1)
			raw, err := packet.Build(w.packet(w.server(443), 64, packet.Segment{Seq: iss, Flags: packet.SYN}))
			if err != nil {
				t.Fatal(err)
			}
			raw[len(raw)-4] ^= 1 // of the TCP checksum
			if _, err := w.net.Send([][]byte{raw}); err != nil {
				t.Fatal(err)
			}
			if got := w.listen(time.Minute); len(got) > 0 {
				t.Errorf("got %s, want silence", words(got))
			}
		})
	})
}

// TestLossyConversation shows that the server gets its answer through.
func TestLossyConversation(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		for seed := range uint64(50) {
			w := newWorld(t, lab.Topology{Loss: 0.3}, seed)
			syn := w.packet(w.server(80), 64, packet.Segment{Seq: iss, Flags: packet.SYN})
			f := &flow{world: w, dst: syn.Dst, next: iss + 1}
			request := f.request(known)
			answered := false
			for try := 0; try < 100 && !answered; try++ {
				if f.synAck.Raw == nil {
					w.send(syn)
				} else {
					f.send(f.segment(64, packet.ACK, nil), f.segment(64, packet.PSH|packet.ACK, request))
				}
				for _, a := range w.listen(time.Second) {
					if a.TCP.Flags == packet.SYN|packet.ACK {
						f.synAck, f.ack = a.Packet, a.TCP.Seq+1
					}
					answered = answered || payload.Recognise(a.TCP.Payload).Status == 200
				}
			}
			if !answered {
				t.Errorf("seed %d: no answer", seed)
			}
		}
	})
}
