package diagnosis_test

import (
	"context"
	"net/netip"
	"sync"
	"testing"
	"time"

	"github.com/rstprobe/rstprobe/internal/diagnosis"
	"github.com/rstprobe/rstprobe/internal/flow"
	"github.com/rstprobe/rstprobe/internal/lab"
	"github.com/rstprobe/rstprobe/internal/lab/middlebox"
	"github.com/rstprobe/rstprobe/internal/lab/simnet"
	"github.com/rstprobe/rstprobe/internal/wire/engine"
	"github.com/rstprobe/rstprobe/probe"
)

const (
	routers = 20
	rtt     = 50 * time.Millisecond
	blocked = "blocked.example"
)

// path is a path with a box at a router; 0: none.
func path(router int, box func() middlebox.Box) lab.Topology {
	top := lab.Topology{Routers: routers, RTT: rtt}
	if router > 0 {
		top.Boxes = []lab.Placement{{Router: router, New: box}}
	}
	return top
}

// tap resets the client on the blocked name.
func tap() middlebox.Box {
	return &middlebox.Resetter{Match: middlebox.NameIs(blocked), Client: true, Follow: true}
}

// late resets the client long after the server's answer.
func late() middlebox.Box {
	return &middlebox.Resetter{Match: middlebox.NameIs(blocked), Client: true, Follow: true, Delay: 300 * time.Millisecond}
}

// inPath takes the ClientHello out as well.
func inPath() middlebox.Box {
	return &middlebox.Resetter{Match: middlebox.NameIs(blocked), Client: true, Follow: true, Drop: true}
}

func dropper() middlebox.Box { return &middlebox.Dropper{Match: middlebox.NameIs(blocked)} }

// connect starts an engine on a path.
func connect(tb testing.TB, top lab.Topology) *engine.Engine {
	tb.Helper()
	var ports []uint16
	for i := range uint16(256) { // boxes and servers remember flows
		ports = append(ports, 40000+i)
	}
	e, err := engine.New(engine.Config{Wire: simnet.New(top, 1), Source: top.Client(), Ports: ports, Seed: 1})
	if err != nil {
		tb.Fatal(err)
	}
	return e
}

// ask is the question about the blocked name.
func ask(top lab.Topology, x probe.Exchanger) diagnosis.Config {
	addr := top.ServerAddr()
	return diagnosis.Config{
		Exchanger: x, Source: top.Client(), Seed: 1,
		Target:    probe.Target{Input: netip.AddrPortFrom(addr, 443).String(), Host: blocked, Name: blocked, IP: addr, Port: 443},
		Questions: []diagnosis.Question{{Kind: probe.SNI, Name: blocked}},
	}
}

// run is one diagnosis from its first packet to its result.
func run(ctx context.Context, tb testing.TB, top lab.Topology, wrap func(probe.Exchanger) probe.Exchanger) (diagnosis.Result, error) {
	tb.Helper()
	e := connect(tb, top)
	defer func() {
		if err := e.Close(); err != nil {
			tb.Error(err)
		}
	}()
	var x probe.Exchanger = e
	if wrap != nil {
		x = wrap(x)
	}
	return diagnosis.Run(ctx, ask(top, x))
}

// exchanger is a function as probe.Exchanger.
type exchanger func(ctx context.Context, trials ...probe.Trial) ([]flow.Record, error)

func (f exchanger) Exchange(ctx context.Context, trials ...probe.Trial) ([]flow.Record, error) {
	return f(ctx, trials...)
}

// stopwatch notes how long each trial of a kind takes.
type stopwatch struct {
	mu   sync.Mutex
	took []time.Duration
}

func (s *stopwatch) on(x probe.Exchanger, is func(probe.Trial) bool) probe.Exchanger {
	return exchanger(func(ctx context.Context, trials ...probe.Trial) ([]flow.Record, error) {
		recs, err := x.Exchange(ctx, trials...)
		s.mu.Lock()
		defer s.mu.Unlock()
		for i, t := range trials {
			if is(t) {
				s.took = append(s.took, recs[i].End)
			}
		}
		return recs, err
	})
}

// isVote reports whether a trial is one coded burst of the test stimulus.
func isVote(t probe.Trial) bool {
	return t.Role == probe.Test && t.Stimulus.Kind == probe.SNI && len(t.TTLs) > 0 && t.Step == 0 && t.Reader == probe.ReadNothing
}

// inRTTs is d in round trips.
func inRTTs(d time.Duration) float64 { return float64(d) / float64(rtt) }
