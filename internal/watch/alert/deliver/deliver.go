// Package deliver sends what receivers of alerts are to be told: it takes the
// messages out of the store and notes there what became of them. So each is
// sent at least once, whatever happens to the process in between, and always
// with the same idempotency key.
//
// Receivers do not wait for each other. Of one receiver, the messages about one
// question stay in order; one that does not arrive holds up no other question.
package deliver

import (
	"context"
	"log/slog"
	"os/exec"
	"slices"
	"sync"
	"time"

	"github.com/rstprobe/rstprobe/internal/watch/alert"
	"github.com/rstprobe/rstprobe/internal/watch/store"
)

// Store has the messages; see package store.
type Store interface {
	Next(receiver string, most int) ([]store.Message, error)
	Note(at time.Time, attempts ...store.Attempt) error
	Pending(receiver string) (int, error)
	Sweep(before time.Time) error
}

// Observer is told what happens, by several goroutines at a time.
type Observer interface {
	Receivers(names []string) // from now on
	Sent(receiver string, r alert.Result)
	Pending(receiver string, n int) // have not arrived
}

// Receivers are what the watch file says.
type Receivers struct {
	All         []alert.Receiver
	ExternalURL string // of the pages; "": not known
}

// Config is what a Deliverer needs; all of it is required.
type Config struct {
	Store    Store
	Observer Observer
	Log      *slog.Logger
	Version  string // of rstprobe, for who gets requests
}

// Deliverer sends messages.
type Deliverer struct {
	cfg    Config
	sender func(r alert.Receiver, version string) send // tests have their own

	mu    sync.Mutex
	loops []*loop // one for each receiver
}

// New is a Deliverer that does nothing before Run.
func New(cfg Config) *Deliverer { return &Deliverer{cfg: cfg, sender: sender} }

// Wake says that there is something new in the store.
func (d *Deliverer) Wake() {
	d.mu.Lock()
	defer d.mu.Unlock()
	for _, l := range d.loops {
		select {
		case l.wake <- struct{}{}:
		default: // it will look anyway
		}
	}
}

const (
	keep     = 7 * 24 * time.Hour // for what is done with, to be looked up
	sweeping = time.Hour
)

// Run sends to the last that came of receivers, until ctx ends. It returns when
// nothing is under way any more.
func (d *Deliverer) Run(ctx context.Context, receivers <-chan Receivers) {
	sweep := time.NewTicker(sweeping)
	defer sweep.Stop()
	for {
		if err := d.cfg.Store.Sweep(time.Now().Add(-keep)); err != nil {
			d.cfg.Log.Error("old alerts could not be deleted", "err", err)
		}
		select {
		case <-ctx.Done():
			d.use(ctx, Receivers{})
			return
		case now := <-receivers:
			d.use(ctx, now)
		case <-sweep.C:
		}
	}
}

// use sends to these receivers from now on. Who is told as before goes on
// undisturbed; of all others it waits until nothing is under way.
func (d *Deliverer) use(ctx context.Context, now Receivers) {
	var names []string
	var loops, fresh []*loop
	old := slices.Clone(d.loops)
	for _, r := range now.All {
		names = append(names, r.Name)
		i := slices.IndexFunc(old, func(l *loop) bool { return l.base == now.ExternalURL && l.receiver.SameVia(r) })
		if i >= 0 {
			loops, old = append(loops, old[i]), slices.Delete(old, i, i+1)
			continue
		}
		l := &loop{
			cfg: d.cfg, receiver: r, base: now.ExternalURL, send: d.sender(r, d.cfg.Version), most: most(r),
			wake: make(chan struct{}, 1), // one is enough to look again
			log:  d.cfg.Log.With("receiver", r.Name),
			done: make(chan struct{}), unkept: map[int64]time.Time{},
		}
		loops, fresh = append(loops, l), append(fresh, l)
	}
	for _, l := range old {
		l.cancel()
	}
	d.Wake() // those that stay: the file may have taken something back
	for _, l := range old {
		<-l.done
	}
	d.cfg.Observer.Receivers(names)
	d.mu.Lock()
	d.loops = loops
	d.mu.Unlock()
	for _, l := range fresh {
		l.start(ctx)
	}
}

// Test sends a test event to a receiver, and returns why it did not arrive.
func Test(ctx context.Context, r alert.Receiver, version string) error {
	return sender(r, version)(ctx, alert.TestOf(r, time.Now()))
}

// Ready returns why nothing can be sent to a receiver, as far as that can be
// seen without sending anything: a file or a program is missing.
func Ready(r alert.Receiver) error {
	var a alert.Address
	switch v := r.Via.(type) {
	case alert.Webhook:
		a = v.Address
	case alert.Alertmanager:
		a = v.Address
	case alert.Exec:
		_, err := exec.LookPath(v.Command[0])
		return err
	}
	_, err := newPoster(a, 0, "").request(context.Background(), "", nil)
	return err
}
