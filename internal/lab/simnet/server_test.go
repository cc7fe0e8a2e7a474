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
	"github.com/rstprobe/rstprobe/internal/wire"
)

const (
	known   = "known.example"
	unknown = "unknown.example"
	acked   = ". seq +0 ack +0 ttl 59"
)

func TestPolicies(t *testing.T) {
	names := []string{known}
	for _, c := range []struct {
		name   string
		server lab.Server
		host   string
		want   [2][]string // on 443 and on 80
	}{
		{"no names: knows all", lab.Server{}, unknown, [2][]string{
			{acked, "P. seq +0 ack +0 ttl 59 ServerHello"},
			{acked, "P. seq +0 ack +0 ttl 59 HTTP 200"},
		}},
		{"known", lab.Server{Names: names, Unknown: lab.PolicyReset}, known, [2][]string{
			{acked, "P. seq +0 ack +0 ttl 59 ServerHello"},
			{acked, "P. seq +0 ack +0 ttl 59 HTTP 200"},
		}},
		{"reset", lab.Server{Names: names, Unknown: lab.PolicyReset}, unknown, [2][]string{
			{acked, "R. seq +0 ack +0 ttl 59"},
			{acked, "R. seq +0 ack +0 ttl 59"},
		}},
		{"reset without a name", lab.Server{Names: names, Unknown: lab.PolicyReset}, "", [2][]string{
			{acked, "R. seq +0 ack +0 ttl 59"},
			{acked, "R. seq +0 ack +0 ttl 59"},
		}},
		{"always reset", lab.Server{Always: lab.PolicyReset}, known, [2][]string{
			{acked, "R. seq +0 ack +0 ttl 59"},
			{acked, "R. seq +0 ack +0 ttl 59"},
		}},
		{"unread", lab.Server{Names: names, Unknown: lab.PolicyUnread}, unknown, [2][]string{
			{acked, "R. seq +0 ack +0 ttl 59"},
			{acked, "R. seq +0 ack +0 ttl 59"},
		}},
		{"alert", lab.Server{Names: names, Unknown: lab.PolicyAlert}, unknown, [2][]string{
			{acked, "P. seq +0 ack +0 ttl 59 fatal alert unrecognized_name (112)", "F. seq +7 ack +0 ttl 59"},
			{acked, "P. seq +0 ack +0 ttl 59 HTTP 421", "F. seq +100 ack +0 ttl 59"},
		}},
		{"fin", lab.Server{Names: names, Unknown: lab.PolicyFIN}, unknown, [2][]string{
			{acked, "F. seq +0 ack +0 ttl 59"},
			{acked, "F. seq +0 ack +0 ttl 59"},
		}},
		{"silent", lab.Server{Names: names, Unknown: lab.PolicySilent}, unknown, [2][]string{{acked}, {acked}}},
		{"abortive end", lab.Server{AbortEnd: true}, known, [2][]string{
			{acked, "P. seq +0 ack +0 ttl 59 ServerHello", "R. seq +64 ack +0 ttl 59"},
			{acked, "P. seq +0 ack +0 ttl 59 HTTP 200", "R. seq +114 ack +0 ttl 59"},
		}},
	} {
		t.Run(c.name, func(t *testing.T) {
			families(t, func(t *testing.T, v6 bool) {
				synctest.Test(t, func(t *testing.T) {
					for i, port := range []uint16{443, 80} {
						f := newWorld(t, lab.Topology{IPv6: v6, Server: c.server}, 1).connect(port)
						f.listen(rtt)
						got := f.all(f.say(rtt, f.request(c.host)))
						if d := cmp.Diff(c.want[i], got); d != "" {
							t.Errorf("port %d (-want +got):\n%s", port, d)
						}
					}
				})
			})
		})
	}
}

// TestResetsOfTheKernel tells the two kinds of genuine reset apart, as a Linux
// kernel makes them.
func TestResetsOfTheKernel(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, lab.Topology{Server: lab.Server{Closed: []uint16{80}, Always: lab.PolicyReset}}, 1)
		look := func(a arrival) string {
			p := a.Packet
			return fmt.Sprintf("%v id %v DF %v window %d options %d", p.TCP.Flags, p.ID != 0, p.DF, p.TCP.Window, len(p.TCP.Options))
		}
		w.send(w.packet(w.server(80), 64, packet.Segment{Seq: iss, Flags: packet.SYN}))
		w.send(w.packet(w.server(22), 64, packet.Segment{Seq: iss, Ack: 9, Flags: packet.ACK}))
		w.send(w.packet(w.server(443), 64, packet.Segment{Seq: iss, Ack: 9, Flags: packet.ACK}))
		got := w.listen(rtt)
		if len(got) != 3 {
			t.Fatalf("got %s, want three resets", words(got))
		}
		if s := got[0].TCP; s.Seq != 0 || s.Ack != iss+1 || look(got[0]) != "R. id false DF true window 0 options 0" {
			t.Errorf("to a SYN: %v", got[0])
		}
		for _, a := range got[1:] {
			if s := a.TCP; s.Seq != 9 || s.Ack != 0 || look(a) != "R id false DF true window 0 options 0" {
				t.Errorf("to an ACK: %v", a)
			}
		}
		f := w.connect(443, packet.SYNOptions(1460, 1, 7)...)
		got = f.say(rtt, f.request(known))
		if l := len(got); l != 2 || look(got[1]) != "R. id true DF true window 509 options 12" || got[1].ID != got[0].ID+1 {
			t.Errorf("of a connection: %s", words(got))
		}
	})
}

func TestSynAckFollowsTheClientsOptions(t *testing.T) {
	ts := []byte{8, 10, 0, 0, 0, 1, 0, 0, 0, 0}
	for _, c := range []struct {
		name    string
		options []byte
		want    string // kinds
	}{
		{"none", nil, "[2]"},
		{"all", packet.SYNOptions(1460, 1, 7), "[2 4 8 1 3]"},
		{"only SACK", []byte{4, 2}, "[2 4 1 1]"},
		{"only timestamps", ts, "[2 1 1 8]"},
		{"only window scale", []byte{3, 3, 2, 1}, "[2 1 3]"},
	} {
		t.Run(c.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				f := newWorld(t, lab.Topology{}, 1).connect(443, c.options...)
				var kinds []byte
				for b := f.synAck.TCP.Options; len(b) > 0; {
					kinds = append(kinds, b[0])
					if b[0] == 1 {
						b = b[1:]
						continue
					}
					b = b[b[1]:]
				}
				if got := fmt.Sprint(kinds); got != c.want {
					t.Errorf("option kinds %v, want %v", got, c.want)
				}
				if f.synAck.ID != 0 {
					t.Errorf("SYN/ACK with identification %d, want 0", f.synAck.ID)
				}
			})
		})
	}
}

func TestIdleReset(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := newWorld(t, lab.Topology{Server: lab.Server{IdleReset: 10 * time.Second}}, 1).connect(443)
		f.listen(9 * time.Second)
		f.send(f.segment(64, packet.ACK, nil)) // keeps it alive
		got := f.listen(time.Minute)
		if len(got) != 1 || f.from(got[0]) != "R. seq +0 ack +0 ttl 59" || got[0].after != 10*time.Second+rtt {
			t.Errorf("got %s, want one reset after %v", words(got), 10*time.Second+rtt)
		}
	})
}

func TestManyRequestsOnOneConnection(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := newWorld(t, lab.Topology{}, 1).connect(80)
		f.listen(rtt)
		request := f.request(known)
		got := f.all(f.say(rtt, slices.Concat(request, request)))
		want := []string{acked, "P. seq +0 ack +0 ttl 59 HTTP 200", "P. seq +114 ack +0 ttl 59 HTTP 200"}
		if d := cmp.Diff(want, got); d != "" {
			t.Errorf("answers (-want +got):\n%s", d)
		}
	})
}

// TestAfterServerHello: what follows the ClientHello is acknowledged, and no
// more.
func TestAfterServerHello(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := newWorld(t, lab.Topology{}, 1).connect(443)
		f.listen(rtt)
		f.say(rtt, f.request(known))
		f.ack = f.ack.Add(len(payload.ServerHelloBytes()))
		if d := cmp.Diff([]string{acked}, f.all(f.say(time.Minute, []byte("more")))); d != "" {
			t.Errorf("answer (-want +got):\n%s", d)
		}
	})
}

// TestNoTLS: what is no TLS record gets an alert.
func TestNoTLS(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := newWorld(t, lab.Topology{}, 1).connect(443)
		f.listen(rtt)
		want := []string{acked, "P. seq +0 ack +0 ttl 59 fatal alert unexpected_message (10)", "F. seq +7 ack +0 ttl 59"}
		if d := cmp.Diff(want, f.all(f.say(rtt, []byte("GET / HTTP/1.1\r\n\r\n")))); d != "" {
			t.Errorf("answer (-want +got):\n%s", d)
		}
	})
}

// BenchmarkTrial is one whole trial over 20 hops: connect, ask, be answered.
func BenchmarkTrial(b *testing.B) {
	w := newWorld(b, lab.Topology{Routers: 20, RTT: time.Nanosecond}, 1)
	buf := make([]wire.Frame, 64)
	f := &flow{world: w, dst: w.server(443)}
	request := f.request(known)
	next := iss
	receive := func() packet.Packet {
		var last packet.Packet
		for last.Raw == nil {
			n, err := w.net.Receive(buf, time.Now().Add(time.Millisecond))
			if err != nil {
				b.Fatal(err)
			}
			for _, fr := range buf[:n] {
				if fr.Raw == nil {
					continue
				}
				if last, err = packet.Parse(fr.Raw); err != nil {
					b.Fatal(err)
				}
			}
		}
		return last
	}
	for b.Loop() {
		w.send(w.packet(f.dst, 64, packet.Segment{Seq: next, Flags: packet.SYN}))
		f.ack, f.next = receive().TCP.Seq+1, next+1
		w.send(f.segment(64, packet.ACK, nil), f.segment(64, packet.PSH|packet.ACK, request))
		receive()
		f.next = f.next.Add(len(request))
		w.send(f.segment(64, packet.RST, nil))
		next += 1 << 20
	}
}
