// Package engine carries trials out over a wire: one goroutine admits them,
// receives, runs their timers and flushes what they want to send. It knows
// no operating system; the wire below does.
package engine

import (
	"container/heap"
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"net"
	"net/netip"
	"sync"
	"time"

	"golang.org/x/time/rate"

	"github.com/rstprobe/rstprobe/internal/flow"
	"github.com/rstprobe/rstprobe/internal/packet"
	"github.com/rstprobe/rstprobe/internal/wire"
	"github.com/rstprobe/rstprobe/internal/wire/pcapio"
	"github.com/rstprobe/rstprobe/internal/wire/utcp"
	"github.com/rstprobe/rstprobe/probe"
)

// Config is what an engine needs.
type Config struct {
	Wire   wire.Wire
	Source netip.Addr            // our address on the wire
	Ports  []uint16              // local ports that the kernel does not answer for us on
	Rate   int                   // packets per second, see burst; 0: DefaultRate
	Seed   uint64                // of sequence numbers and ports
	Shun   func(packet.Key) bool // flows to leave alone as long as there are others; nil: none
	Log    *pcapio.Log           // keeps and numbers every packet, also of other engines; nil: none is kept
	Trace  func(line string)     // told every packet, as tracer writes it; nil: nobody
}

// DefaultRate is polite to any path and does not slow one diagnosis down:
// a whole one sends about 250 packets.
const DefaultRate = 1000

// batch is how many datagrams go to the wire at once. Measured: 32 to 64 is
// where larger batches stop paying.
const batch = 64

// burst is how many packets may leave back to back at a rate: those of a tenth
// of a second, and no more than a batch.
func burst(rate int) int { return max(1, min(rate/10, batch)) }

// systemTTL is the initial TTL of our full-TTL packets, Linux's default.
const systemTTL = 64

// defaultTimeout is the silence limit of a trial that names none; RFC 6298's
// initial RTO.
const defaultTimeout = time.Second

// Engine implements probe.Exchanger.
type Engine struct {
	cfg  Config
	quit chan struct{} // closed when the loop has returned

	mu      sync.Mutex
	waiting []*job // submitted, not admitted yet
	told    []*job // flagged since the loop last looked
	closing bool
	fatal   error // why the loop ended, other than Close

	// The rest belongs to the loop.
	rng     *rand.Rand
	limiter *rate.Limiter
	jobs    map[packet.Key]*job
	due     dueHeap
	used    map[packet.Key]bool // flows used before; reused only when all ports were
	port    int                 // index of the next port to lease
	outbox  []outgoing
	sent    int // datagrams given to the wire
	count   int // packets numbered
	stamps  [txRing]txRef
	trace   *tracer // nil iff cfg.Trace is
	freed   bool    // a trial ended since the last admission, so its port is free
}

// txRing is how many sent datagrams may wait for their transmit time.
const txRing = 1024

type txRef struct {
	tx  int // index+1, so that the zero value is none
	job *job
	n   int
}

type job struct {
	trial  probe.Trial
	key    packet.Key
	conn   *utcp.Conn
	batch  *exchange
	cancel bool // guarded by Engine.mu
	cut    bool // ended from outside
	no     flow.Refusal
	lost   int       // wire drops before the trial
	unsent int       // packets of it in the outbox
	index  int       // in the heap
	at     time.Time // the deadline the heap knows

	// The result, complete once over.
	rec  flow.Record
	err  error
	over bool
}

// exchange is one call of Exchange: jobs that belong together. Its fields
// belong to the loop until done is closed.
type exchange struct {
	jobs []*job
	open int           // jobs that are not over
	main int           // those of them that accompany no others
	done chan struct{} // closed when none is open
}

type outgoing struct {
	job   *job
	out   utcp.Out
	tries int // for which there was no room
}

// New starts an engine. Close ends it and the wire.
func New(cfg Config) (*Engine, error) {
	if cfg.Wire == nil || len(cfg.Ports) == 0 || !cfg.Source.IsValid() {
		return nil, errors.New("engine: a wire, a source address and local ports are needed")
	}
	if cfg.Rate == 0 {
		cfg.Rate = DefaultRate
	}
	e := &Engine{
		cfg:     cfg,
		quit:    make(chan struct{}),
		rng:     rand.New(rand.NewPCG(cfg.Seed, 0x9e3779b97f4a7c15)), //nolint:gosec // reproducible, not secret
		limiter: rate.NewLimiter(rate.Limit(cfg.Rate), burst(cfg.Rate)),
		jobs:    map[packet.Key]*job{},
		used:    map[packet.Key]bool{},
	}
	if cfg.Trace != nil {
		e.trace = newTracer(cfg.Trace)
	}
	e.port = e.rng.IntN(len(cfg.Ports))
	go e.loop()
	return e, nil
}

// Exchange carries trials out. When ctx ends first, it returns what was
// recorded until then and the context's error; otherwise the first error of
// any trial, if there was one.
func (e *Engine) Exchange(ctx context.Context, trials ...probe.Trial) ([]flow.Record, error) {
	x := &exchange{open: len(trials), done: make(chan struct{})}
	for _, t := range trials {
		x.jobs = append(x.jobs, &job{trial: t, batch: x, index: -1})
		if !t.Beside {
			x.main++
		}
	}
	if len(trials) == 0 {
		return nil, ctx.Err()
	}
	e.mu.Lock()
	if e.closing || e.fatal != nil {
		defer e.mu.Unlock()
		return make([]flow.Record, len(trials)), e.closedError()
	}
	e.waiting = append(e.waiting, x.jobs...)
	e.mu.Unlock()
	e.cfg.Wire.Wake()

	var cancelled error
	select {
	case <-x.done:
	case <-ctx.Done():
		cancelled = ctx.Err()
		e.cancel(x)
		<-x.done
	}
	recs := make([]flow.Record, len(trials))
	err := cancelled
	for i, j := range x.jobs {
		recs[i] = j.rec
		if err == nil {
			err = j.err
		}
	}
	return recs, err
}

// cancel has the loop end the jobs of an exchange.
func (e *Engine) cancel(x *exchange) {
	e.mu.Lock()
	for _, j := range x.jobs {
		j.cancel = true
	}
	e.told = append(e.told, x.jobs...)
	e.mu.Unlock()
	e.cfg.Wire.Wake()
}

// finish notes the result of a job. The last main job of an exchange ends the
// watching of those beside it.
func (e *Engine) finish(j *job, rec flow.Record, err error) {
	if j.over {
		return
	}
	j.rec, j.err, j.over = rec, err, true
	x := j.batch
	x.open--
	if !j.trial.Beside {
		x.main--
	}
	if x.open == 0 {
		close(x.done)
	}
	if x.main > 0 || j.trial.Beside {
		return
	}
	for _, b := range x.jobs {
		if b.conn != nil && !b.over {
			b.conn.Enough(time.Now())
			e.collect(b)
		}
	}
}

func (e *Engine) closedError() error {
	if e.fatal != nil {
		return fmt.Errorf("engine: %w", e.fatal)
	}
	return fmt.Errorf("engine: %w", net.ErrClosed)
}

// Close resets what is open, waits for the loop and closes the wire.
func (e *Engine) Close() error {
	e.mu.Lock()
	e.closing = true
	e.mu.Unlock()
	e.cfg.Wire.Wake()
	<-e.quit
	return e.cfg.Wire.Close()
}

// Stats are the counters of the wire.
func (e *Engine) Stats() (sent, dropped int) {
	e.mu.Lock()
	defer e.mu.Unlock()
	return e.sent, e.cfg.Wire.Stats().Dropped
}

// loop runs until Close, or until the wire fails.
func (e *Engine) loop() {
	defer close(e.quit)
	frames := make([]wire.Frame, batch)
	for {
		now := time.Now()
		e.freed = false
		last := e.admit(now)
		e.tick(now)
		until, err := e.flush(now)
		if err == nil && last && len(e.jobs) == 0 && len(e.outbox) == 0 {
			return
		}
		if err == nil && e.freed { // somebody may be waiting for the port
			continue
		}
		var n int
		if err == nil {
			n, err = e.cfg.Wire.Receive(frames, until)
		}
		if err != nil {
			e.fail(err)
			return
		}
		now = time.Now()
		e.hear(frames[:n], now)
		clear(frames[:n])
	}
}

// fail ends every trial with what it has.
func (e *Engine) fail(err error) {
	e.mu.Lock()
	defer e.mu.Unlock()
	e.fatal = err
	for _, j := range e.waiting {
		e.finish(j, flow.Record{}, e.closedError())
	}
	e.waiting = nil
	for _, j := range e.jobs {
		rec := j.conn.Record()
		rec.Cut = true
		e.finish(j, rec, e.closedError())
	}
}

// tick runs the timers that are due.
func (e *Engine) tick(now time.Time) {
	for len(e.due) > 0 && !now.Before(e.due[0].at) {
		j := e.due[0]
		j.conn.Tick(now)
		e.collect(j)
	}
}

// collect takes what a trial wants to send and re-arms its timer.
func (e *Engine) collect(j *job) {
	for {
		out, ok := j.conn.Next()
		if !ok {
			break
		}
		e.outbox = append(e.outbox, outgoing{job: j, out: out})
		j.unsent++
	}
	j.at = j.conn.Deadline()
	switch {
	case j.conn.Done():
		if j.index >= 0 {
			heap.Remove(&e.due, j.index)
		}
		e.finishIfSent(j)
	case j.index >= 0:
		heap.Fix(&e.due, j.index)
	default:
		heap.Push(&e.due, j)
	}
}
