package kernelconn

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"net/netip"
	"slices"
	"sync"
	"time"

	"golang.org/x/time/rate"

	"github.com/rstprobe/rstprobe/internal/flow"
	"github.com/rstprobe/rstprobe/internal/packet"
	"github.com/rstprobe/rstprobe/probe"
)

// Exchanger implements probe.Exchanger. It may be used from several
// goroutines, and holds nothing open between two calls.
type Exchanger struct {
	cfg     Config
	limiter *rate.Limiter
	room    chan struct{} // a place for each open socket

	mu   sync.Mutex
	rtt  map[netip.AddrPort]time.Duration // the smallest handshake
	at   map[netip.AddrPort]uint8         // the smallest TTL with which a SYN was answered
	used map[packet.Key]bool
	free map[netip.AddrPort]time.Time // when the next connection may be asked for
	n    int                          // events numbered
}

var _ probe.Choosy = (*Exchanger)(nil)

const (
	// sockets is how many are open at a time: a batch of whole sweeps, and far
	// from the 1024 descriptors that a process usually has. See openable.
	sockets = 128
	// maxBurst is how many segments may leave back to back at most.
	maxBurst = 64
	// spacing is how long after one connection the next to the same port is
	// asked for. Small servers have a queue of five for those that they have not
	// accepted yet, and what does not fit looks like loss.
	spacing = 5 * time.Millisecond
	// tries is how often another port is asked for where one is to be left
	// alone.
	tries = 32
	// defaultTimeout is the silence limit of a trial that names none; RFC
	// 6298's initial RTO.
	defaultTimeout = time.Second
)

// New is an Exchanger. It opens a socket to see that it may.
func New(cfg Config) (*Exchanger, error) {
	if !cfg.Source.IsValid() {
		return nil, errors.New("kernelconn: a source address is needed")
	}
	if cfg.Rate == 0 {
		cfg.Rate = DefaultRate
	}
	s, err := newSocket(netip.AddrPortFrom(cfg.Source, 0), netip.AddrPortFrom(cfg.Source, 0), cfg.Interface)
	if err != nil {
		return nil, err
	}
	if err := s.close(); err != nil {
		return nil, err
	}
	burst := max(1, min(cfg.Rate/10, maxBurst)) // a tenth of a second, like the raw engine's
	return &Exchanger{
		cfg: cfg, limiter: rate.NewLimiter(rate.Limit(cfg.Rate), burst), room: make(chan struct{}, max(1, min(openable(), sockets))),
		rtt: map[netip.AddrPort]time.Duration{}, at: map[netip.AddrPort]uint8{}, used: map[packet.Key]bool{}, free: map[netip.AddrPort]time.Time{},
	}, nil
}

// Able reports whether a trial can be carried out. To send a stimulus twice,
// the first must not arrive, or the kernel has no reason for a second: it is
// known how far that may go once SYNs were swept. What else the system cannot
// do is in its own file.
func (x *Exchanger) Able(t probe.Trial) bool {
	return able(t) && supported(t) && (!t.Twice || t.TTLs != nil || x.short(t.Remote) > 0)
}

// Exchange carries trials out. When ctx ends first, it returns what was
// recorded until then and the context's error. Of a trial that it is not Able to
// carry out the record is empty.
func (x *Exchanger) Exchange(ctx context.Context, trials ...probe.Trial) ([]flow.Record, error) {
	watch, enough := context.WithCancel(ctx)
	defer enough()
	var main, all sync.WaitGroup
	records, errs := make([]flow.Record, len(trials)), make([]error, len(trials))
	for i, t := range trials {
		if !x.Able(t) {
			records[i] = flow.Record{Source: flow.Kernel, Key: packet.Key{Remote: t.Remote}}
			continue
		}
		if t.Timeout == 0 {
			t.Timeout = defaultTimeout
		}
		// What accompanies others is watched as long as those are; they, to
		// their own end.
		until := ctx
		if t.Beside {
			until = watch
		} else {
			main.Add(1)
		}
		started := make(chan struct{})
		all.Go(func() {
			if !t.Beside {
				defer main.Done()
			}
			r := run{x: x, trial: t, began: time.Now(), started: sync.OnceFunc(func() { close(started) })}
			defer r.started()
			records[i], errs[i] = r.record(ctx, until)
		})
		<-started // the first SYN has left: the order of the trials is that of the wire
	}
	main.Wait()
	if slices.ContainsFunc(trials, func(t probe.Trial) bool { return !t.Beside }) {
		enough()
	}
	all.Wait()
	x.number(records)
	if ctx.Err() != nil {
		return records, ctx.Err()
	}
	return records, cmp.Or(errs...) // the others are of the same kind
}

// number counts the events of a batch in the order of their time.
func (x *Exchanger) number(records []flow.Record) {
	type event struct {
		at time.Time
		e  *flow.Event
	}
	var all []event
	for i := range records {
		for j := range records[i].Events {
			if e := &records[i].Events[j]; e.Kind != flow.Expired {
				all = append(all, event{records[i].Start.Add(e.At), e})
			}
		}
	}
	slices.SortStableFunc(all, func(a, b event) int { return a.at.Compare(b.at) })
	x.mu.Lock()
	defer x.mu.Unlock()
	for _, a := range all {
		x.n++
		a.e.N = x.n
		if x.cfg.Trace != nil {
			x.cfg.Trace(fmt.Sprintf("%4d %s %s", x.n, a.at.Format("15:04:05.000000"), a.e.Packet))
		}
	}
}

// pace waits until one more segment may leave.
func (x *Exchanger) pace(ctx context.Context) error {
	if err := x.limiter.Wait(ctx); err != nil {
		if ctx.Err() != nil {
			return ctx.Err()
		}
		return fmt.Errorf("kernelconn: %w", err)
	}
	return nil
}

// knock waits until one more connection may be asked for.
func (x *Exchanger) knock(ctx context.Context, remote netip.AddrPort) error {
	x.mu.Lock()
	at := time.Now()
	if free := x.free[remote]; at.Before(free) {
		at = free
	}
	x.free[remote] = at.Add(spacing)
	x.mu.Unlock()
	return sleep(ctx, time.Until(at))
}

// enter takes a place for a socket, and leave gives it back.
func (x *Exchanger) enter(ctx context.Context) error {
	select {
	case x.room <- struct{}{}:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

func (x *Exchanger) leave() { <-x.room }

// learn takes the round trip of a handshake, and roundTrip is the smallest
// one; 0: none is known.
func (x *Exchanger) learn(remote netip.AddrPort, rtt time.Duration) {
	x.mu.Lock()
	defer x.mu.Unlock()
	if known := x.rtt[remote]; known == 0 || rtt < known {
		x.rtt[remote] = rtt
	}
}

func (x *Exchanger) roundTrip(remote netip.AddrPort) time.Duration {
	x.mu.Lock()
	defer x.mu.Unlock()
	return x.rtt[remote]
}

// answersAt takes the TTL of a SYN that was answered, and short is the largest
// with which nothing arrives; 0: none is known.
func (x *Exchanger) answersAt(remote netip.AddrPort, ttl uint8) {
	x.mu.Lock()
	defer x.mu.Unlock()
	if known := x.at[remote]; known == 0 || ttl < known {
		x.at[remote] = ttl
	}
}

func (x *Exchanger) short(remote netip.AddrPort) uint8 {
	x.mu.Lock()
	defer x.mu.Unlock()
	return max(x.at[remote], 1) - 1
}

// lease is a socket toward remote from a port, or from a fresh one if that is
// 0: boxes and servers remember flows, so no flow is used twice as long as
// there are others, nor one that is to be left alone.
func (x *Exchanger) lease(remote netip.AddrPort, port uint16) (*socket, error) {
	for try := 0; ; try++ {
		s, err := newSocket(netip.AddrPortFrom(x.cfg.Source, port), remote, x.cfg.Interface)
		if err != nil {
			return nil, err
		}
		key := packet.Key{Local: s.local, Remote: remote}
		x.mu.Lock()
		taken := x.used[key]
		x.used[key] = true
		x.mu.Unlock()
		if port != 0 || try == tries || !taken && (x.cfg.Shun == nil || !x.cfg.Shun(key)) {
			return s, nil
		}
		if err := s.close(); err != nil {
			return nil, err
		}
	}
}

// inOrder sorts events by time.
func inOrder(events []flow.Event) {
	slices.SortStableFunc(events, func(a, b flow.Event) int { return cmp.Compare(a.At, b.At) })
}
