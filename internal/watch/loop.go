package watch

import (
	"context"
	"time"

	"github.com/rstprobe/rstprobe/internal/watch/timetable"
	"github.com/rstprobe/rstprobe/internal/watch/watchfile"
)

// loop runs one check, one run after the other.
type loop struct {
	watcher *Watcher
	check   watchfile.Check
	stop    chan struct{} // closed: begin no other run
	stopped bool          // stop is closed; for Watcher.Run alone
	done    chan struct{} // closed: none is under way any more
}

func newLoop(w *Watcher, c watchfile.Check) *loop {
	return &loop{watcher: w, check: c, stop: make(chan struct{}), done: make(chan struct{})}
}

// end lets the loop begin no other run.
func (l *loop) end() {
	if !l.stopped {
		l.stopped = true
		close(l.stop)
	}
}

// over reports whether no run is under way any more.
func (l *loop) over() bool {
	select {
	case <-l.done:
		return true
	default:
		return false
	}
}

// soon is how long the first runs are spread over when rstprobe is started:
// nobody wants to wait for an interval to see that it works.
const soon = 5 * time.Second

// nap is the longest sleep without a look at the clock, which may be set.
const nap = time.Minute

// run runs the check until it is stopped or ctx ends.
func (l *loop) run(ctx context.Context) {
	c := l.check
	table := timetable.Timetable{Name: c.Name, Interval: c.Interval, Jitter: c.Jitter, Secret: l.watcher.cfg.Secret}
	at, retest := time.Now().Add(table.Phase()%soon), false
	slot := table.At(at) // the one of the run that is next, or was last
	for l.sleep(ctx, at) {
		if !l.watcher.take(ctx, l.stop, c.Target.Host) {
			return
		}
		due := l.watcher.measure(ctx, c, at, retest)
		l.watcher.give(c.Target.Host)
		next, missed := table.Next(time.Now(), slot)
		if missed > 0 {
			l.watcher.missed(c.Name, missed)
		}
		slot, at = next, table.Begin(next)
		if retest = !due.IsZero() && due.Before(at); retest {
			slot, at = next-1, due // the slot is still to come
		}
	}
}

// sleep waits for a time; false: the loop is to end.
func (l *loop) sleep(ctx context.Context, until time.Time) bool {
	for {
		wait := time.Until(until)
		if wait > 3*l.check.Interval+soon { // the clock was set back
			wait = 0
		}
		t := time.NewTimer(min(wait, nap))
		select {
		case <-t.C:
		case <-l.stop:
		case <-ctx.Done():
		}
		t.Stop()
		switch {
		case l.ended(ctx):
			return false
		case wait <= nap:
			return true
		}
	}
}

// ended reports whether the loop is to begin no other run.
func (l *loop) ended(ctx context.Context) bool {
	select {
	case <-l.stop:
		return true
	case <-ctx.Done():
		return true
	default:
		return false
	}
}
