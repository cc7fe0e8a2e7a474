package deliver

import (
	"context"
	"errors"
	"log/slog"
	"math/rand/v2"
	"slices"
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

	// afterglow is how long it is told of what is over, which it would not
	// know if it was started anew meanwhile (resolvedRetention of Prometheus).
	afterglow = 15 * time.Minute

	grace = 3 * time.Second // for what is under way when we are told to stop
	nap   = time.Minute     // the longest sleep without a look at the clock, which may be set
)

// loop sends to one receiver.
type loop struct {
	cfg      Config
	receiver alert.Receiver
	base     string // address of the pages
	send     send
	most     int // events at once
	wake     chan struct{}
	log      *slog.Logger
	pause    time.Time           // nothing is sent before
	unkept   map[int64]time.Time // when messages are sent again of which the store could not note that; see note
	cancel   context.CancelFunc
	done     chan struct{} // closed: nothing is under way any more
}

// send sends events; nil: they arrived.
type send func(context.Context, ...alert.Event) error

// refusal is an error that another attempt will not change.
type refusal struct{ error }

// later is an error with the time that the receiver asks for.
type later struct {
	error
	after time.Duration
}

// start begins to send; cancel ends it.
func (l *loop) start(ctx context.Context) {
	ctx, l.cancel = context.WithCancel(ctx)
	go func() {
		defer close(l.done)
		l.run(ctx)
	}()
}

func (l *loop) run(ctx context.Context) {
	for ctx.Err() == nil {
		wait := nap
		ms, err := l.cfg.Store.Next(l.receiver.ID(), l.most+len(l.unkept))
		if err != nil {
			l.log.Error("the alerts to send cannot be read", "err", err)
		}
		due := ms[:0]
		for _, m := range ms {
			if left := l.until(m); left > 0 {
				wait = min(wait, left)
			} else if len(due) < l.most {
				due = append(due, m)
			}
		}
		l.count()
		if len(due) > 0 {
			l.deliver(ctx, due)
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
	due, longest := m.Due, maxPause+lastRetry
	if again, ok := l.unkept[m.ID]; ok {
		due = again
	}
	if l.pause.After(due) {
		due = l.pause
	}
	if m.Repeat {
		longest = resend + max(0, time.Until(l.pause))
	}
	if wait := time.Until(due); wait <= longest {
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

// deliver sends messages and notes what became of them.
func (l *loop) deliver(ctx context.Context, ms []store.Message) {
	var events []alert.Event
	for _, m := range ms {
		m.Event.URL = alert.Link(l.base, m.Event.Run)
		events = append(events, m.Event)
	}
	errs := l.each(ctx, events)
	if err := errors.Join(errs...); err != nil && ctx.Err() != nil { // it was cut short by us: the next one to run sends it
		return
	}
	now := time.Now()
	if ask := (later{}); errors.As(errs[len(errs)-1], &ask) { // it is the receiver that has too much, not the message
		l.pause = now.Add(min(ask.after, maxPause))
	}
	jitter := rand.Float64() // the same for all, so that they stay together
	var attempts []store.Attempt
	for i, m := range ms {
		attempts = append(attempts, store.Attempt{ID: m.ID, Delivered: errs[i] == nil, Again: l.again(m, errs[i], now, jitter)})
	}
	if !l.note(ctx, now, attempts) {
		return
	}
	l.count()
	for i, m := range ms {
		l.tell(ctx, m, errs[i], attempts[i].Again)
	}
}

// each sends events, and returns what became of each. Where they are refused
// together, the answer does not say which of them is not wanted: each goes
// alone then, until that fails for a reason that all of them share.
func (l *loop) each(ctx context.Context, events []alert.Event) []error {
	err := l.attempt(ctx, events)
	errs := slices.Repeat([]error{err}, len(events))
	if len(events) == 1 || !errors.As(err, new(refusal)) {
		return errs
	}
	for i := range events {
		switch {
		case ctx.Err() != nil:
			err = ctx.Err()
		case err == nil || errors.As(err, new(refusal)):
			err = l.attempt(ctx, events[i:i+1])
		}
		errs[i] = err
	}
	return errs
}

// tell tells the observer and the log of an attempt. The log comes last: who
// reads of it there finds the metrics in accord.
func (l *loop) tell(ctx context.Context, m store.Message, err error, again time.Time) {
	e := m.Event
	log := l.log.With("check", e.Check, "question", e.Question.String(), "status", e.Status, "key", e.Key, "attempts", m.Attempts+1)
	switch {
	case err == nil && m.Delivered: // it was repeated
	case err == nil:
		l.cfg.Observer.Sent(l.receiver.Name, alert.Delivered)
		log.Info("alert delivered")
	case again.IsZero() && m.Delivered: // a repetition of what is over
		l.cfg.Observer.Sent(l.receiver.Name, alert.Failed)
	case again.IsZero():
		l.cfg.Observer.Sent(l.receiver.Name, alert.GivenUp)
		log.Error("alert given up", "err", err)
	default:
		l.cfg.Observer.Sent(l.receiver.Name, alert.Failed)
		level := slog.LevelDebug
		if m.Attempts == 0 { // what goes on is in the metrics
			level = slog.LevelWarn
		}
		log.Log(ctx, level, "alert not delivered, it is tried again", "retry_at", again, "err", err)
	}
}

// attempt sends once. When we are told to stop, what is under way has a moment
// to end: cut short, it would be sent again.
func (l *loop) attempt(ctx context.Context, events []alert.Event) error {
	sending, cancel := context.WithCancel(context.WithoutCancel(ctx))
	defer cancel()
	defer context.AfterFunc(ctx, func() { time.AfterFunc(grace, cancel) })()
	return l.send(sending, events...)
}

// again is when a message is sent again after an attempt; the zero time: never.
// jitter is from 0 to 1, so that many do not come at once, ever again.
func (l *loop) again(m store.Message, err error, now time.Time, jitter float64) time.Time {
	stands := m.Repeat && m.Event.Status != alert.Resolved // whatever was said to it before
	if err == nil {
		if stands || m.Repeat && now.Sub(m.Created) < afterglow {
			return now.Add(resend)
		}
		return time.Time{}
	}
	if errors.As(err, new(refusal)) && !stands {
		return time.Time{}
	}
	longest := lastRetry
	if m.Repeat {
		longest = resend
	}
	pause := min(longest, firstRetry<<min(m.Attempts, 10)) // 10 doublings are more than the longest
	pause = pause/2 + time.Duration(jitter*float64(pause/2))
	pause += max(0, l.pause.Sub(now))
	limit := patience
	if m.Delivered {
		limit = afterglow
	}
	if again := now.Add(pause); stands || again.Sub(m.Created) <= limit {
		return again
	}
	return time.Time{}
}

// note has the store keep what became of attempts. As long as it does not,
// such as on a full disk, nothing else is sent, and what arrived is not sent
// again unless the program ends. But who wants to know what is goes on to be
// told every minute: what it no longer hears of, it takes for over.
func (l *loop) note(ctx context.Context, at time.Time, attempts []store.Attempt) (kept bool) {
	for {
		err := l.cfg.Store.Note(at, attempts...)
		if err == nil {
			clear(l.unkept)
			return true
		}
		l.log.Error("what became of an alert could not be kept", "err", err)
		if l.receiver.Standing() {
			for _, a := range attempts {
				l.unkept[a.ID] = at.Add(resend)
			}
			return false
		}
		t := time.NewTimer(nap)
		select {
		case <-t.C:
		case <-ctx.Done():
			t.Stop()
			return false
		}
	}
}
