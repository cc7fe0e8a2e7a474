package watch

import "context"

// turns are who measures which target. What one run leaves behind at a host
// must not spoil another one, so each has it to itself.
type turns map[string]*turn // by host; guarded by Watcher.mu

// turn is a target that somebody measures or waits for.
type turn struct {
	busy chan struct{} // one at a time
	of   int           // who measures and who waits
}

// Alone carries do out while nothing else measures the host, as one of the
// runs that may be under way at a time. It returns the error of ctx if that
// ends before it is its turn.
func (w *Watcher) Alone(ctx context.Context, host string, do func()) error {
	if !w.take(ctx, nil, host) {
		return context.Cause(ctx)
	}
	defer w.give(host)
	do()
	return nil
}

// take waits for a target to be free, and then for one of the slots; false:
// ctx ended or stop was closed. Otherwise, give must follow.
func (w *Watcher) take(ctx context.Context, stop <-chan struct{}, host string) bool {
	t := w.queue(host)
	select {
	case t.busy <- struct{}{}:
	case <-stop:
		w.leave(host)
		return false
	case <-ctx.Done():
		w.leave(host)
		return false
	}
	select {
	case w.slots <- struct{}{}:
		return true
	case <-stop:
	case <-ctx.Done():
	}
	<-t.busy
	w.leave(host)
	return false
}

// give frees what take took.
func (w *Watcher) give(host string) {
	<-w.slots
	w.mu.Lock()
	t := w.turns[host]
	w.mu.Unlock()
	<-t.busy
	w.leave(host)
}

// queue is the turn of a host, which leave ends.
func (w *Watcher) queue(host string) *turn {
	w.mu.Lock()
	defer w.mu.Unlock()
	t, ok := w.turns[host]
	if !ok {
		t = &turn{busy: make(chan struct{}, 1)}
		w.turns[host] = t
	}
	t.of++
	return t
}

// leave forgets a host that nobody measures or waits for: in months, there are
// many.
func (w *Watcher) leave(host string) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if t := w.turns[host]; t.of == 1 {
		delete(w.turns, host)
	} else {
		t.of--
	}
}
