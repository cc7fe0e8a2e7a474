package engine_test

import (
	"bytes"
	"context"
	"errors"
	"io"
	"net"
	"net/netip"
	"slices"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/rstprobe/rstprobe/internal/flow"
	"github.com/rstprobe/rstprobe/internal/lab"
	"github.com/rstprobe/rstprobe/internal/lab/simnet"
	"github.com/rstprobe/rstprobe/internal/packet"
	"github.com/rstprobe/rstprobe/internal/wire"
	"github.com/rstprobe/rstprobe/internal/wire/engine"
	"github.com/rstprobe/rstprobe/internal/wire/pcapio"
	"github.com/rstprobe/rstprobe/probe"
)

const rtt = 50 * time.Millisecond

var topology = lab.Topology{Routers: 5, RTT: rtt}

// bed is an engine on a simulated path.
type bed struct {
	*testing.T
	*engine.Engine
	top lab.Topology
	log *pcapio.Log
}

// start starts an engine in a bubble, which also checks that nothing of it
// is left when the test ends.
func start(t *testing.T, top lab.Topology, change func(*engine.Config)) *bed {
	t.Helper()
	b := &bed{T: t, top: top, log: &pcapio.Log{}}
	cfg := engine.Config{Source: top.Client(), Ports: ports(64), Rate: 1e6, Seed: 1, Log: b.log}
	if change != nil {
		change(&cfg)
	}
	if cfg.Wire == nil {
		cfg.Wire = simnet.New(top, 1)
	}
	var err error
	if b.Engine, err = engine.New(cfg); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := b.Close(); err != nil {
			t.Error(err)
		}
	})
	return b
}

func ports(n int) []uint16 {
	var out []uint16
	for i := range n {
		out = append(out, uint16(40000+i))
	}
	return out
}

// trial says a harmless name to the server.
func (b *bed) trial() probe.Trial {
	return probe.Trial{
		Role: probe.Control, Remote: netip.AddrPortFrom(b.top.ServerAddr(), 443),
		Stimulus: probe.Stimulus{Kind: probe.SNI, Name: "control.example"},
		Timeout:  4 * time.Second, Linger: 20 * time.Millisecond,
	}
}

type outcome struct {
	rec flow.Record
	err error
}

// begin starts trials at the same time, each by itself; wait returns how they
// ended.
func (b *bed) begin(ctx context.Context, trials ...probe.Trial) (wait func() []outcome) {
	out := make([]outcome, len(trials))
	var group sync.WaitGroup
	for i, trial := range trials {
		group.Go(func() {
			recs, err := b.Exchange(ctx, trial)
			out[i] = outcome{recs[0], err}
		})
	}
	return func() []outcome { group.Wait(); return out }
}

func (b *bed) many(n int) []probe.Trial {
	var out []probe.Trial
	for range n {
		out = append(out, b.trial())
	}
	return out
}

func answered(rec flow.Record) bool { return probe.Observe(rec).Outcome == probe.OK }

func bubble(t *testing.T, name string, test func(t *testing.T)) {
	t.Run(name, func(t *testing.T) { synctest.Test(t, test) })
}

// TestManyTrials has far more trials than ports.
func TestManyTrials(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := start(t, topology, nil)
		live := map[packet.Key][][2]time.Time{}
		for i, o := range b.begin(t.Context(), b.many(1000)...)() {
			if o.err != nil || !answered(o.rec) {
				t.Fatalf("trial %d: %v, answered %v", i, o.err, answered(o.rec))
			}
			live[o.rec.Key] = append(live[o.rec.Key], [2]time.Time{o.rec.Start, o.rec.Start.Add(o.rec.End)})
		}
		if len(live) != 64 {
			t.Errorf("%d flows, want all 64 ports in use", len(live))
		}
		for key, spans := range live {
			for i, a := range spans {
				for _, z := range spans[i+1:] {
					if a[0].Before(z[1]) && z[0].Before(a[1]) {
						t.Errorf("%v is used by two trials at once", key)
					}
				}
			}
		}
	})
}

// TestFreshPorts: a flow is used again only when there is no other.
func TestFreshPorts(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := start(t, topology, func(c *engine.Config) { c.Ports = ports(8) })
		used := map[packet.Key]int{}
		for i := range 16 {
			o := b.begin(t.Context(), b.trial())()[0]
			if used[o.rec.Key]++; used[o.rec.Key] > i/8+1 {
				t.Errorf("trial %d uses %v again before the others", i, o.rec.Key)
			}
		}
	})
}

func TestLocalPort(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := start(t, topology, nil)
		ours, foreign := b.trial(), b.trial()
		ours.LocalPort, foreign.LocalPort = 40007, 1234
		got := b.begin(t.Context(), ours, ours, foreign)()
		for _, o := range got[:2] {
			if o.err != nil || o.rec.Key.Local.Port() != 40007 || !answered(o.rec) {
				t.Errorf("one after the other on a named port: %v on %v", o.err, o.rec.Key.Local)
			}
		}
		if got[2].err == nil {
			t.Error("a port that is not ours: no error")
		}
	})
}

func TestBadStimulus(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := start(t, topology, nil)
		bad := b.trial()
		bad.Stimulus.Length = 1
		if o := b.begin(t.Context(), bad)()[0]; o.err == nil || len(o.rec.Events) > 0 {
			t.Errorf("a ClientHello of one byte: %v and %d events", o.err, len(o.rec.Events))
		}
	})
}

func TestLoss(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		top := topology
		top.Loss = 0.05
		b := start(t, top, nil)
		good := 0
		for i, o := range b.begin(t.Context(), b.many(300)...)() {
			if o.err != nil || len(o.rec.Packets(flow.Sent)) == 0 {
				t.Errorf("trial %d: %v and %d packets sent", i, o.err, len(o.rec.Packets(flow.Sent)))
			}
			if answered(o.rec) {
				good++
			}
		}
		if good < 290 {
			t.Errorf("%d of 300 trials were answered; retransmission should repair most", good)
		}
	})
}

func TestCancel(t *testing.T) {
	bubble(t, "in flight", func(t *testing.T) {
		b := start(t, topology, nil)
		ctx, cancel := context.WithTimeout(t.Context(), 60*time.Millisecond)
		defer cancel()
		other := b.begin(t.Context(), b.trial())
		o := b.begin(ctx, b.trial())()[0]
		if !errors.Is(o.err, context.DeadlineExceeded) {
			t.Errorf("error %v, want the context's", o.err)
		}
		if obs := probe.Observe(o.rec); obs.SYNACK == nil || !obs.Cut {
			t.Errorf("SYN-ACK %v and cut %v, want what was seen until then", obs.SYNACK, obs.Cut)
		}
		if s := last(o.rec.Packets(flow.Sent)).Packet.TCP; !s.Flags.Has(packet.RST) {
			t.Errorf("the last packet is %v, want the connection reset", s.Flags)
		}
		if got := other()[0]; got.err != nil || !answered(got.rec) {
			t.Errorf("another trial: %v", got.err)
		}
	})
	bubble(t, "before a port is free", func(t *testing.T) {
		b := start(t, topology, func(c *engine.Config) { c.Ports = ports(1) })
		ctx, cancel := context.WithTimeout(t.Context(), 10*time.Millisecond)
		defer cancel()
		other := b.begin(t.Context(), b.trial())
		synctest.Wait()
		o := b.begin(ctx, b.trial())()[0]
		if !errors.Is(o.err, context.DeadlineExceeded) || len(o.rec.Events) > 0 {
			t.Errorf("error %v and %d events, want the context's and none", o.err, len(o.rec.Events))
		}
		if got := other()[0]; got.err != nil || !answered(got.rec) {
			t.Errorf("the trial on the port: %v", got.err)
		}
	})
	bubble(t, "beforehand", func(t *testing.T) {
		b := start(t, topology, nil)
		ctx, cancel := context.WithCancel(t.Context())
		cancel()
		if o := b.begin(ctx, b.trial())()[0]; !errors.Is(o.err, context.Canceled) {
			t.Errorf("error %v, want the context's", o.err)
		}
	})
	bubble(t, "with a full outbox", func(t *testing.T) {
		b := start(t, topology, func(c *engine.Config) { c.Rate = 10 })
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		sweep := b.trial()
		sweep.Stimulus, sweep.TTLs = probe.Stimulus{Kind: probe.SYN}, []uint8{1, 2, 3, 4, 5, 6, 7, 8, 9, 10}
		began := time.Now()
		b.begin(ctx, sweep, sweep, sweep, sweep, sweep, sweep, sweep, sweep, sweep, sweep)()
		if d := time.Since(began); d > 2*time.Second {
			t.Errorf("cancelled after 1s, over after %v: what waited to be sent was sent", d)
		}
	})
}

func last(es []flow.Event) flow.Event { return es[len(es)-1] }

// TestBeside: watching a trial beside another ends with the other.
func TestBeside(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := start(t, topology, func(c *engine.Config) { c.Ports = ports(2) })
		main, beside, late := b.trial(), b.trial(), b.trial()
		main.Watch = time.Minute
		beside.Watch, beside.Beside = time.Hour, true
		late.Watch, late.Beside = time.Hour, true // waits for a port
		recs, err := b.Exchange(t.Context(), beside, main, late)
		if err != nil {
			t.Fatal(err)
		}
		if d := recs[0].End - recs[1].End; d < 0 || d > time.Second || recs[1].End < time.Minute || !answered(recs[0]) {
			t.Errorf("ended after %v, the other after %v", recs[0].End, recs[1].End)
		}
		if end := recs[2].End; end > time.Second || !answered(recs[2]) {
			t.Errorf("one that began when the other was over ended after %v", end)
		}
	})
}

// TestOrder: trials of one exchange leave in their order.
func TestOrder(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := start(t, topology, nil)
		recs, err := b.Exchange(t.Context(), b.many(32)...)
		if err != nil {
			t.Fatal(err)
		}
		last := 0
		for i, rec := range recs {
			n := rec.Packets(flow.Sent)[0].N
			if n <= last {
				t.Errorf("trial %d began with packet %d, the one before with %d", i, n, last)
			}
			last = n
		}
	})
}

func TestClose(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := start(t, topology, func(c *engine.Config) { c.Ports = ports(4) })
		wait := b.begin(t.Context(), b.many(8)...)
		time.Sleep(60 * time.Millisecond)
		if err := b.Close(); err != nil {
			t.Error(err)
		}
		begun := 0
		for _, o := range wait() {
			if !errors.Is(o.err, net.ErrClosed) {
				t.Errorf("error %v, want %v", o.err, net.ErrClosed)
			}
			if probe.Observe(o.rec).SYNACK != nil {
				begun++
				if s := last(o.rec.Packets(flow.Sent)).Packet.TCP; !s.Flags.Has(packet.RST) {
					t.Errorf("the last packet is %v, want the connection reset", s.Flags)
				}
			}
		}
		if begun != 4 {
			t.Errorf("%d trials returned what they had, want 4", begun)
		}
		if _, err := b.Exchange(t.Context(), b.trial()); !errors.Is(err, net.ErrClosed) {
			t.Errorf("after Close: %v, want %v", err, net.ErrClosed)
		}
	})
}

// TestRate: no more packets leave than a rate allows, and the waiting harms no
// trial.
func TestRate(t *testing.T) {
	for _, tt := range []struct {
		name                 string
		limit, burst, trials int
	}{{"slow", 5, 1, 8}, {"medium", 100, 10, 200}, {"default", engine.DefaultRate, 64, 200}} {
		bubble(t, tt.name, func(t *testing.T) {
			b := start(t, topology, func(c *engine.Config) { c.Rate = tt.limit })
			for i, o := range b.begin(t.Context(), b.many(tt.trials)...)() {
				if o.err != nil || !answered(o.rec) || len(o.rec.Packets(flow.Retransmitted)) > 0 {
					t.Fatalf("trial %d: error %v, answered %v, %d packets again; want our own queue to harm none",
						i, o.err, answered(o.rec), len(o.rec.Packets(flow.Retransmitted)))
				}
			}
			var sent []time.Time
			for _, f := range b.log.Frames() {
				if f.Sent {
					sent = append(sent, f.At)
				}
			}
			for i := range sent {
				for j := i; j < len(sent); j++ {
					if allowed := float64(tt.burst+1) + float64(tt.limit)*sent[j].Sub(sent[i]).Seconds(); float64(j-i+1) > allowed {
						t.Fatalf("%d packets in %v, want at most %.0f", j-i+1, sent[j].Sub(sent[i]), allowed)
					}
				}
			}
			if n, _ := b.Stats(); n != len(sent) {
				t.Errorf("Stats: %d packets sent, the capture has %d", n, len(sent))
			}
		})
	}
}

// TestNumbers holds the records against the capture.
func TestNumbers(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		traced := 0
		b := start(t, topology, func(c *engine.Config) { c.Trace = func(string) { traced++ } })
		sweep := b.trial()
		sweep.TTLs = []uint8{1, 2, 3, 4, 5}
		sweep.Timeout = 75 * time.Millisecond
		out := b.begin(t.Context(), append(b.many(20), sweep)...)()
		if err := b.Close(); err != nil {
			t.Fatal(err)
		}
		frames := b.log.Frames()
		if err := pcapio.Write(io.Discard, frames, ""); err != nil { // checks that numbers are contiguous
			t.Error(err)
		}
		if traced != len(frames) {
			t.Errorf("%d packets traced, want %d", traced, len(frames))
		}
		seen := map[int]bool{}
		for _, o := range out {
			for _, e := range o.rec.Events {
				if e.Kind == flow.Expired {
					continue
				}
				if e.N < 1 || e.N > len(frames) || seen[e.N] {
					t.Fatalf("event of packet %d, which the capture lacks or another event has", e.N)
				}
				seen[e.N] = true
				f := frames[e.N-1]
				if !bytes.Equal(f.Raw, e.Packet.Raw) || f.Sent != (e.Kind != flow.Received) {
					t.Errorf("packet %d is another one in the capture", e.N)
				}
				if at := f.At.Sub(o.rec.Start).Truncate(time.Microsecond); at != e.At {
					t.Errorf("packet %d at %v in the record, %v in the capture", e.N, e.At, at)
				}
			}
		}
		if len(seen) != len(frames) {
			t.Errorf("%d packets in records, %d in the capture", len(seen), len(frames))
		}
	})
}

// slowCard reports transmit times that are later than Send.
type slowCard struct {
	wire.Wire
	by time.Duration
}

func (s slowCard) Receive(buf []wire.Frame, until time.Time) (int, error) {
	n, err := s.Wire.Receive(buf, until)
	for i := range buf[:n] {
		if buf[i].Raw == nil {
			buf[i].At = buf[i].At.Add(s.by)
		}
	}
	return n, err
}

func TestTransmitStamps(t *testing.T) {
	const by = 3 * time.Millisecond
	synctest.Test(t, func(t *testing.T) {
		b := start(t, topology, func(c *engine.Config) { c.Wire = slowCard{simnet.New(topology, 1), by} })
		o := b.begin(t.Context(), b.trial())()[0]
		if o.err != nil {
			t.Fatal(o.err)
		}
		if got := o.rec.Events[0].At; got != by {
			t.Errorf("the SYN is at %v, want the time the card reports, %v", got, by)
		}
		if got := b.log.Frames()[0].At.Sub(o.rec.Start); got != by {
			t.Errorf("in the capture it is at %v, want %v", got, by)
		}
		if got := probe.Observe(o.rec).RTT; got > rtt-by || got < rtt-by-time.Millisecond {
			t.Errorf("RTT %v, want about %v", got, rtt-by)
		}
	})
}

func TestNewRefuses(t *testing.T) {
	for name, cfg := range map[string]engine.Config{
		"no wire":   {Source: topology.Client(), Ports: ports(1)},
		"no source": {Wire: simnet.New(topology, 1), Ports: ports(1)},
		"no ports":  {Wire: simnet.New(topology, 1), Source: topology.Client()},
	} {
		if _, err := engine.New(cfg); err == nil {
			t.Errorf("%s: no error", name)
		}
	}
}

// TestShun: flows that are to be left alone are used last.
func TestShun(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := start(t, topology, func(c *engine.Config) {
			c.Ports = ports(4)
			c.Shun = func(k packet.Key) bool { return k.Local.Port() == 40001 }
		})
		for i := range 4 {
			recs, err := b.Exchange(t.Context(), b.trial())
			if err != nil {
				t.Fatal(err)
			}
			if shunned := recs[0].Key.Local.Port() == 40001; shunned && i < 3 {
				t.Errorf("trial %d goes by the flow that is to be left alone", i)
			}
		}
	})
}

// TestSharedLog: the packets of engines that share a log, one for each of our
// addresses, have numbers of their own and can be written into one file.
func TestSharedLog(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		first := start(t, topology, nil)
		second := start(t, topology, func(c *engine.Config) { c.Log = first.log })
		waits := []func() []outcome{first.begin(t.Context(), first.many(2)...), second.begin(t.Context(), second.many(2)...)}
		out := slices.Concat(waits[0](), waits[1]())
		frames := first.log.Frames()
		if err := pcapio.Write(io.Discard, frames, ""); err != nil { // checks that numbers are contiguous
			t.Error(err)
		}
		seen := map[int]bool{}
		for _, o := range out {
			for _, e := range o.rec.Events {
				if seen[e.N] || !bytes.Equal(frames[e.N-1].Raw, e.Packet.Raw) {
					t.Errorf("packet %d is another one in the capture, or another event has it", e.N)
				}
				seen[e.N] = true
			}
		}
		if len(seen) != len(frames) {
			t.Errorf("%d packets in records, %d in the capture", len(seen), len(frames))
		}
	})
}
