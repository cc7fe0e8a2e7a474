package kernelconn

import (
	"context"
	"errors"
	"io"
	"net"
	"net/netip"
	"slices"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/rstprobe/rstprobe/internal/flow"
	"github.com/rstprobe/rstprobe/internal/packet"
	"github.com/rstprobe/rstprobe/probe"
)

// peers are the loopback addresses of both families.
var peers = []struct {
	name string
	addr netip.Addr
}{{"ipv4", netip.MustParseAddr("127.0.0.1")}, {"ipv6", netip.IPv6Loopback()}}

// server listens, and does to each connection what serve does, which gets the
// number of the connection, from 1. It is closed, and waited for, at the end.
func server(t *testing.T, addr netip.Addr, serve func(n int, c *net.TCPConn)) netip.AddrPort {
	t.Helper()
	l, err := net.ListenTCP("tcp", net.TCPAddrFromAddrPort(netip.AddrPortFrom(addr, 0)))
	if err != nil {
		t.Skipf("no %v here: %v", addr, err)
	}
	done := make(chan struct{})
	go func() {
		defer close(done)
		for n := 1; ; n++ {
			c, err := l.AcceptTCP()
			if err != nil {
				return
			}
			serve(n, c)
		}
	}()
	t.Cleanup(func() {
		if err := l.Close(); err != nil {
			t.Error(err)
		}
		<-done
	})
	return l.Addr().(*net.TCPAddr).AddrPort()
}

// heard reads what a client says first.
func heard(c net.Conn) string {
	b := make([]byte, 4096)
	n, err := c.Read(b)
	if err != nil {
		return err.Error()
	}
	return string(b[:n])
}

// abortive closes with a reset.
func abortive(c *net.TCPConn) {
	if c.SetLinger(0) == nil {
		_ = c.Close()
	}
}

func exchanger(t *testing.T, source netip.Addr) *Exchanger {
	t.Helper()
	x, err := New(Config{Source: source})
	if err != nil {
		t.Fatal(err)
	}
	return x
}

func request(to netip.AddrPort) probe.Trial {
	return probe.Trial{
		Role: probe.Test, Remote: to, Stimulus: probe.Stimulus{Kind: probe.Host, Name: "blocked.example"},
		Timeout: 300 * time.Millisecond, Linger: time.Millisecond,
	}
}

// one carries one trial out.
func one(t *testing.T, source netip.Addr, trial probe.Trial) (flow.Record, probe.Observation) {
	t.Helper()
	recs, err := exchanger(t, source).Exchange(t.Context(), trial)
	if err != nil {
		t.Fatal(err)
	}
	return recs[0], probe.Observe(recs[0])
}

func TestEndings(t *testing.T) {
	t.Parallel()
	answer := "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nhi"
	for _, tt := range []struct {
		name    string
		serve   func(n int, c *net.TCPConn)
		outcome probe.Outcome
		stage   probe.Stage
		acked   bool
	}{
		{"answered", func(_ int, c *net.TCPConn) {
			heard(c)
			_, _ = io.WriteString(c, answer)
			_ = c.Close()
		}, probe.OK, probe.StageResponse, true},
		{"answered, then reset", func(_ int, c *net.TCPConn) {
			heard(c)
			_, _ = io.WriteString(c, answer)
			abortive(c)
		}, probe.Reset, probe.StageResponse, true},
		{"reset", func(_ int, c *net.TCPConn) {
			heard(c)
			abortive(c)
		}, probe.Reset, probe.StageData, true},
		{"closed without an answer", func(_ int, c *net.TCPConn) {
			heard(c)
			_ = c.Close()
		}, probe.Fin, probe.StageData, true},
		{"acknowledged and never answered", func(_ int, c *net.TCPConn) {}, probe.Stall, probe.StageData, true},
	} {
		for _, peer := range peers {
			t.Run(tt.name+"/"+peer.name, func(t *testing.T) {
				t.Parallel()
				rec, o := one(t, peer.addr, request(server(t, peer.addr, tt.serve)))
				got := []any{o.Outcome, o.Stage, o.Acked, rec.Source}
				if diff := cmp.Diff([]any{tt.outcome, tt.stage, tt.acked && tellsAcks, flow.Kernel}, got); diff != "" {
					t.Errorf("-want +got:\n%s", diff)
				}
				if rec.Key.Remote.Addr() != peer.addr || rec.Key.Local.Port() == 0 || rec.End == 0 {
					t.Errorf("key %v, end %v", rec.Key, rec.End)
				}
			})
		}
	}
}

// A port without a listener refuses.
func TestRefused(t *testing.T) {
	t.Parallel()
	for _, peer := range peers {
		t.Run(peer.name, func(t *testing.T) {
			t.Parallel()
			l, err := net.ListenTCP("tcp", net.TCPAddrFromAddrPort(netip.AddrPortFrom(peer.addr, 0)))
			if err != nil {
				t.Skipf("no %v here: %v", peer.addr, err)
			}
			to := l.Addr().(*net.TCPAddr).AddrPort()
			if err := l.Close(); err != nil {
				t.Fatal(err)
			}
			trial := request(to)
			trial.Stimulus, trial.ExactTTL = probe.Stimulus{Kind: probe.SYN}, hasFloor
			_, o := one(t, peer.addr, trial)
			if o.Outcome != probe.Refused || o.Stage != probe.StageSYN {
				t.Fatalf("%s at %s", o.Outcome, o.Stage)
			}
			if got := o.Resets[0].Packet.TTL; hasFloor && got != 64 { // the default of all stacks, none of it spent
				t.Errorf("TTL %d, want 64", got)
			}
		})
	}
}

// The remaining TTLs of a SYN-ACK and of a reset are measured by connections
// that are deaf to less.
func TestExactTTL(t *testing.T) {
	t.Parallel()
	if !hasFloor {
		if supported(probe.Trial{ExactTTL: true}) {
			t.Error("what cannot be measured is called supported")
		}
		return
	}
	for _, peer := range peers {
		t.Run(peer.name, func(t *testing.T) {
			t.Parallel()
			trial := request(server(t, peer.addr, func(_ int, c *net.TCPConn) {
				heard(c)
				abortive(c)
			}))
			trial.ExactTTL = true
			_, o := one(t, peer.addr, trial)
			if o.SYNACK == nil || len(o.Resets) != 1 {
				t.Fatalf("%+v", o)
			}
			if diff := cmp.Diff([]uint8{64, 64}, []uint8{o.SYNACK.Packet.TTL, o.Resets[0].Packet.TTL}); diff != "" {
				t.Errorf("TTL of SYN-ACK and reset: -want +got:\n%s", diff)
			}
		})
	}
}

// A stimulus that is cut arrives in as many segments, in order.
func TestSplit(t *testing.T) {
	t.Parallel()
	got := make(chan string, 1)
	trial := request(server(t, peers[0].addr, func(_ int, c *net.TCPConn) {
		b, err := io.ReadAll(io.LimitReader(c, 200))
		if err != nil {
			b = []byte(err.Error())
		}
		got <- string(b)
		abortive(c)
	}))
	trial.Stimulus.Length, trial.Split, trial.SplitGap = 200, []int{10, 25}, time.Millisecond
	rec, _ := one(t, peers[0].addr, trial)
	want, err := trial.Stimulus.Bytes(0)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(string(want), <-got); diff != "" {
		t.Errorf("arrived: -want +got:\n%s", diff)
	}
	var lengths []int
	for _, e := range rec.Packets(flow.Sent) {
		lengths = append(lengths, e.Packet.TCP.Size())
	}
	if diff := cmp.Diff([]int{0, 10, 15, len(want) - 25}, lengths); diff != "" {
		t.Errorf("segments: -want +got:\n%s", diff)
	}
}

// Copies have a connection each, from one port where that is asked for, and
// the first that is answered is the last.
func TestSweep(t *testing.T) {
	t.Parallel()
	to := server(t, peers[0].addr, func(_ int, c *net.TCPConn) {
		heard(c)
		abortive(c)
	})
	trial := request(to)
	trial.TTLs, trial.OnePort = []uint8{5, 6, 7}, true
	rec, o := one(t, peers[0].addr, trial)
	if len(o.Resets) != 1 || o.Resets[0].Stamp != 5 {
		t.Errorf("resets %+v, want one of the first copy", o.Resets)
	}
	var stamps []uint8
	for _, e := range rec.Packets(flow.Sent) {
		if e.Packet.Src != rec.Key.Local {
			t.Errorf("%v sent from another port than %v", e.Packet, rec.Key.Local)
		}
		if e.Packet.TCP.Size() > 0 {
			stamps = append(stamps, e.TTL)
		}
	}
	if diff := cmp.Diff([]uint8{5}, stamps); diff != "" {
		t.Errorf("copies: -want +got:\n%s", diff)
	}
}

// A port can be used again at once: nothing of the first connection is left.
func TestSamePort(t *testing.T) {
	t.Parallel()
	to := server(t, peers[0].addr, func(_ int, c *net.TCPConn) {
		heard(c)
		_ = c.Close() // first, which leaves a TIME_WAIT unless we reset
	})
	x := exchanger(t, peers[0].addr)
	trial := request(to)
	for range 3 {
		recs, err := x.Exchange(t.Context(), trial)
		if err != nil {
			t.Fatal(err)
		}
		if o := probe.Observe(recs[0]); o.Outcome != probe.Fin {
			t.Errorf("from port %d: %s", trial.LocalPort, o.Outcome)
		}
		if trial.LocalPort != 0 && recs[0].Key.Local.Port() != trial.LocalPort {
			t.Errorf("from %v, want port %d", recs[0].Key.Local, trial.LocalPort)
		}
		trial.LocalPort = recs[0].Key.Local.Port()
	}
}

// The order of a batch is that of the wire, its events are numbered by time,
// and what cannot be sent has none.
func TestBatch(t *testing.T) {
	t.Parallel()
	to := server(t, peers[0].addr, func(_ int, c *net.TCPConn) {
		heard(c)
		abortive(c)
	})
	trials := []probe.Trial{request(to), {Remote: to, Stimulus: probe.Stimulus{Kind: probe.ACK}}, request(to), request(to)}
	recs, err := exchanger(t, peers[0].addr).Exchange(t.Context(), trials...)
	if err != nil {
		t.Fatal(err)
	}
	if len(recs) != len(trials) || len(recs[1].Events) != 0 {
		t.Fatalf("records %+v", recs)
	}
	var syns []int
	numbers := map[int]bool{}
	for _, rec := range recs {
		for i, e := range rec.Events {
			if i == 0 {
				syns = append(syns, e.N)
			}
			if e.Kind != flow.Expired && (e.N == 0 || numbers[e.N]) {
				t.Errorf("event %d of %v has the number %d", i, rec.Key, e.N)
			}
			numbers[e.N] = true
		}
	}
	if !slices.IsSorted(syns) {
		t.Errorf("SYNs numbered %v, want them in the order of the trials", syns)
	}
}

// An interrupted exchange returns what it has, and says that it was cut.
func TestInterrupted(t *testing.T) {
	t.Parallel()
	ctx, cancel := context.WithCancel(t.Context())
	trial := request(server(t, peers[0].addr, func(_ int, c *net.TCPConn) {
		heard(c)
		cancel()
	}))
	trial.Timeout = time.Hour
	recs, err := exchanger(t, peers[0].addr).Exchange(ctx, trial)
	if !errors.Is(err, context.Canceled) || !recs[0].Cut {
		t.Errorf("%v, cut %v", err, recs[0].Cut)
	}
	if o := probe.Observe(recs[0]); o.SYNACK == nil || o.Stimulus == nil {
		t.Errorf("the record lacks what was seen: %+v", recs[0].Events)
	}
}

// What accompanies others is watched no longer than those.
func TestBeside(t *testing.T) {
	t.Parallel()
	to := server(t, peers[0].addr, func(n int, c *net.TCPConn) {
		heard(c)
		if n == 1 {
			_, _ = io.WriteString(c, "HTTP/1.1 200 OK\r\n\r\n")
			return
		}
		abortive(c)
	})
	beside, main := request(to), request(to)
	beside.Beside, beside.Watch = true, time.Hour
	recs, err := exchanger(t, peers[0].addr).Exchange(t.Context(), beside, main)
	if err != nil {
		t.Fatal(err)
	}
	if o := probe.Observe(recs[0]); o.Outcome != probe.OK || o.Cut {
		t.Errorf("the one beside: %s, cut %v", o.Outcome, o.Cut)
	}
}

// Flows that are to be left alone are, and none is used twice.
func TestLease(t *testing.T) {
	t.Parallel()
	to := netip.AddrPortFrom(peers[0].addr, 9)
	shunned := map[uint16]bool{}
	x, err := New(Config{Source: peers[0].addr, Shun: func(k packet.Key) bool {
		if len(shunned) < 5 {
			shunned[k.Local.Port()] = true
		}
		return shunned[k.Local.Port()]
	}})
	if err != nil {
		t.Fatal(err)
	}
	seen := map[uint16]bool{}
	for range 20 {
		s, err := x.lease(to, 0)
		if err != nil {
			t.Fatal(err)
		}
		if port := s.local.Port(); shunned[port] || seen[port] {
			t.Errorf("port %d again", port)
		}
		seen[s.local.Port()] = true
		if err := s.close(); err != nil {
			t.Fatal(err)
		}
	}
}

func TestNewRefuses(t *testing.T) {
	t.Parallel()
	if _, err := New(Config{}); err == nil {
		t.Error("no source address: no error")
	}
	if _, err := New(Config{Source: netip.MustParseAddr("192.0.2.1")}); err == nil {
		t.Error("not our address: no error")
	}
}
