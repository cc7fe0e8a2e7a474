package deliver

import (
	"context"
	"errors"
	"log/slog"
	"math/rand/v2"
	"time"

	"github.com/rstprobe/rstprobe/internal/watch/alert"
	"github.com/rstprobe/rstprobe/internal/watch/store"
)

const (
	firstRetry = 5 * time.Second  // doubled with every failure
	lastRetry  = 15 * time.Minute // the longest pause that we choose ourselves
	patience   = 72 * time.Hour   // a weekend; what is older is given up
	maxPause   = 24 * time.Hour   // the longest that a receiver may ask for

	// resend is how often what fires is told to who forgets it otherwise, as
	// Prometheus does (rules.alert.resend-delay).
	resend = time.Minute

	grace = 3 * time.Second // for what is under way when we are told to stop
	nap   = time.Minute     // the longest sleep without a look at the clock, which may be set
)

// loop sends to one receiver.
type loop struct {
	cfg      Config
	receiver alert.Receiver
	base     string // address of the pages
	send     send
	wake     chan struct{}
	log      *slog.Logger
	pause    time.Time // nothing is sent before
}

// send sends an event; nil: it arrived.
type send func(context.Context, alert.Event) error

// refusal is an error that another attempt will not change.
type refusal struct{ error }

// later is an error with the time that the receiver asks for.
type later struct {
	error
	after time.Duration
}

func (l *loop) run(ctx context.Context) {
	for ctx.Err() == nil {
		wait := nap
		m, ok, err := l.cfg.Store.Next(l.receiver.ID())
		switch {
		case err != nil:
			l.log.Error("the alerts to send cannot be read", "err", err)
		case ok:
			wait = min(nap, l.until(m))
		}
		l.count()
		if err == nil && ok && wait <= 0 {
			l.deliver(ctx, m)
			continue
		}
		t := time.NewTimer(wait)
		select {
		case <-t.C:
		case <-l.wake:
		case <-ctx.Done():
		}
		t.Stop()
	}
}

// until is how long a message has to wait.
func (l *loop) until(m store.Message) time.Duration {
	due := m.Due
	if l.pause.After(due) {
		due = l.pause
	}
	if wait := time.Until(due); wait <= maxPause+lastRetry {
		return wait
	}
	return 0 // the clock was set back
}

// count tells how many messages have not arrived.
func (l *loop) count() {
	n, err := l.cfg.Store.Pending(l.receiver.ID())
	if err != nil {
		l.log.Error("the alerts to send cannot be counted", "err", err)
		return
	}
	l.cfg.Observer.Pending(l.receiver.Name, n)
}

// deliver sends a message and notes what became of it.
func (l *loop) deliver(ctx context.Context, m store.Message) {
	e := m.Event
	e.URL = alert.Link(l.base, e.Run)
	err := l.attempt(ctx, e)
	if err != nil && ctx.Err() != nil { // it was cut short by us: the next one to run sends it
		return
	}
	now := time.Now()
	log := l.log.With("check", e.Check, "question", e.Question.String(), "status", e.Status, "key", e.Key, "attempts", m.Attempts+1)
	if err == nil {
		var again time.Time
		if m.Repeat {
			again = now.Add(resend)
		}
		l.note(ctx, func() error { return l.cfg.Store.Delivered(m.ID, now, again) })
		if !m.Delivered {
			l.tell(alert.Delivered)
			log.Info("alert delivered") // last: who reads of it finds the metrics in accord
		}
		return
	}
	again, ok := l.again(m, err, now)
	if !ok {
		l.note(ctx, func() error { return l.cfg.Store.Failed(m.ID, now, time.Time{}) })
		l.tell(alert.GivenUp)
		log.Error("alert given up", "err", err)
		return
	}
	level := slog.LevelDebug
	if m.Attempts == 0 { // what goes on is in the metrics
		level = slog.LevelWarn
	}
	l.note(ctx, func() error { return l.cfg.Store.Failed(m.ID, now, again) })
	l.tell(alert.Failed)
	log.Log(ctx, level, "alert not delivered, it is tried again", "retry_at", again, "err", err)
}

// tell tells the observer of an attempt.
func (l *loop) tell(r alert.Result) {
	l.cfg.Observer.Sent(l.receiver.Name, r)
	l.count()
}

// attempt sends once. When we are told to stop, what is under way has a moment
// to end: cut short, it would be sent again.
func (l *loop) attempt(ctx context.Context, e alert.Event) error {
	sending, cancel := context.WithCancel(context.WithoutCancel(ctx))
	defer cancel()
	defer context.AfterFunc(ctx, func() { time.AfterFunc(grace, cancel) })()
	return l.send(sending, e)
}

// again is when a message that did not arrive is tried again; false: never.
func (l *loop) again(m store.Message, err error, now time.Time) (time.Time, bool) {
	if errors.As(err, new(refusal)) && !m.Repeat { // what stands is told anew each minute, whatever was said to it before
		return time.Time{}, false
	}
	longest := lastRetry
	if m.Repeat {
		longest = resend
	}
	pause := min(longest, firstRetry<<min(m.Attempts, 10)) // 10 doublings are more than the longest
	pause = pause/2 + rand.N(pause/2)                      // so that many do not come at once, ever again
	if ask := (later{}); errors.As(err, &ask) {
		asked := min(ask.after, maxPause)
		pause += asked
		l.pause = now.Add(asked) // it is the receiver that has too much, not the message
	}
	again := now.Add(pause)
	return again, m.Repeat || again.Sub(m.Created) <= patience
}

// note has the store keep what became of a message. As long as it does not,
// such as on a full disk, nothing else is sent, and what arrived is not sent
// again unless the program ends.
func (l *loop) note(ctx context.Context, keep func() error) {
	for {
		err := keep()
		if err == nil {
			return
		}
		l.log.Error("what became of an alert could not be kept", "err", err)
		t := time.NewTimer(nap)
		select {
		case <-t.C:
		case <-ctx.Done():
			t.Stop()
			return
		}
	}
}
