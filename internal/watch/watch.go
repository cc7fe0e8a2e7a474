// Package watch runs checks at their times, for months: it decides when, keeps
// what was measured, and says what has changed. How a check is measured, where
// results are kept and who is told are given to it.
//
// Its parts that need no clock are in packages of their own: watchfile (what
// is watched), timetable (when), state (what has changed), store (the past),
// metrics (the present).
package watch

import (
	"context"
	"log/slog"
	"reflect"
	"sync"
	"time"

	"github.com/rstprobe/rstprobe/internal/watch/alert"
	"github.com/rstprobe/rstprobe/internal/watch/state"
	"github.com/rstprobe/rstprobe/internal/watch/store"
	"github.com/rstprobe/rstprobe/internal/watch/watchfile"
	"github.com/rstprobe/rstprobe/report"
)

// Measured is what a measurement gave.
type Measured struct {
	Document report.Document // valid, whatever happened; Interrupted iff the context ended it
	Lookup   string          // why the name could not be resolved now; "": it could, or there is none. Document may be of an earlier address
	Err      error           // why it could not be measured at all; nil: it was
}

// Store keeps what was measured.
type Store interface {
	States() (map[string]state.Machines, error)
	Add(r store.Run, changes []state.Change, after state.Machines, told ...alert.Decision) error
	Trim(ctx context.Context, k store.Keep) (deleted int64, err error)
}

// Alerts decides who is to be told of what a run of a check, that ended at a
// time, has made certain. What it decides is kept by write, with the run.
type Alerts interface {
	Tell(check string, at time.Time, after state.Machines, network alert.Network, write func([]alert.Decision) error) error
}

// Observer is told what happens, in the order in which it does, one call at a
// time.
type Observer interface {
	Watched(checks []watchfile.Check)                             // from now on
	Known(check string, now state.Machines)                       // at the start, and after every run
	Ran(run store.Run, lag time.Duration, changes []state.Change) // lag: how late it began
	Missed(check string, slots int)                               // since their time went by
	Network(trouble bool)                                         // ours, with the first run and whenever it changes
	Failed(check string, measuring bool)                          // to measure, or else to keep what was
}

// Config is what a Watcher needs; all of it is required, unless nil means something.
type Config struct {
	Measure     func(context.Context, watchfile.Check) Measured // several at a time, each of another target
	Store       Store
	Observer    Observer
	Log         *slog.Logger
	Concurrency int
	Retention   watchfile.Retention
	Secret      uint64 // of the random delays
	Alerts      Alerts // nil: nobody is to be told
	Ready       func() // called once the observer knows of the checks and their states; nil: nobody waits for it
}

// Watcher runs checks.
type Watcher struct {
	cfg   Config
	slots chan struct{} // as many as may measure at a time

	mu      sync.Mutex
	turns   turns
	known   map[string]state.Machines
	unsaved map[string][]state.Change  // that the store did not take, by check
	lookups map[string]bool            // the name could not be resolved the last time, by check
	checks  map[string]watchfile.Check // that are watched, by name
	network state.Network
	trouble *bool // as last told; nil: not yet

	troubleSince time.Time // when it showed
	healed       time.Time // when it showed that it was over, the last time; zero: never
}

// New is a watcher that knows what its store does.
func New(cfg Config) (*Watcher, error) {
	known, err := cfg.Store.States()
	if err != nil {
		return nil, err
	}
	if cfg.Alerts == nil {
		cfg.Alerts = &alert.Book{}
	}
	return &Watcher{
		cfg: cfg, known: known, unsaved: map[string][]state.Change{}, lookups: map[string]bool{}, turns: turns{},
		slots: make(chan struct{}, cfg.Concurrency),
	}, nil
}

// Run runs the checks until ctx ends, and from each of reloads on, others.
// Checks that stay as they are are not disturbed; a run that is under way is
// finished, unless ctx ended. It returns when nothing is under way any more.
func (w *Watcher) Run(ctx context.Context, checks []watchfile.Check, reloads <-chan []watchfile.Check) {
	running := map[string]*loop{} // of each name the last one, until it has ended
	var work sync.WaitGroup
	defer work.Wait()
	work.Go(func() { w.trim(ctx) })
	for first := true; ; first = false {
		w.watch(checks)
		if first && w.cfg.Ready != nil {
			w.cfg.Ready()
		}
		now := map[string]*loop{}
		for _, c := range checks {
			before := running[c.Name]
			if before != nil && !before.stopped && reflect.DeepEqual(before.check, c) {
				now[c.Name] = before
				delete(running, c.Name)
				continue
			}
			l := newLoop(w, c)
			now[c.Name] = l
			work.Go(func() {
				defer close(l.done)
				if before != nil { // one check never runs twice at a time
					<-before.done
				}
				l.run(ctx)
			})
		}
		for name, l := range running {
			l.end()
			if now[name] == nil && !l.over() { // if the check comes back, it must wait
				now[name] = l
			}
		}
		running = now
		select {
		case <-ctx.Done():
			return
		case checks = <-reloads: // none is lost: who reloads waits
		}
	}
}

// watch forgets what is no longer watched and tells the observer.
func (w *Watcher) watch(checks []watchfile.Check) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.cfg.Observer.Watched(checks)
	w.checks = map[string]watchfile.Check{}
	for _, c := range checks {
		w.checks[c.Name] = c
		w.known[c.Name] = current(c, w.known[c.Name])
		w.cfg.Observer.Known(c.Name, w.known[c.Name])
	}
	for name := range w.known {
		if _, ok := w.checks[name]; !ok {
			w.network.Forget(name)
			delete(w.lookups, name)
		}
	}
}

// current are the machines of the questions that a check asks.
func current(c watchfile.Check, known state.Machines) state.Machines {
	out := state.Machines{}
	for _, q := range c.Questions {
		key := state.Question{Kind: q.Kind, Name: q.Name}
		out[key] = known[key]
	}
	return out
}

// trimming is how often what is old is deleted.
const trimming = time.Hour

// trim deletes what is old, now and then.
func (w *Watcher) trim(ctx context.Context) {
	t := time.NewTicker(trimming)
	defer t.Stop()
	for {
		r := w.cfg.Retention
		n, err := w.cfg.Store.Trim(ctx, store.Keep{Now: time.Now(), Runs: r.Age, Rollups: r.Rollups, Bytes: r.Bytes})
		switch {
		case err != nil && ctx.Err() == nil:
			w.cfg.Log.Error("old results could not be deleted", "err", err)
		case n > 0:
			w.cfg.Log.Info("old results deleted", "runs", n)
		}
		select {
		case <-ctx.Done():
			return
		case <-t.C:
		}
	}
}
