package deliver

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/rstprobe/rstprobe/internal/watch/alert"
	"github.com/rstprobe/rstprobe/internal/watch/state"
	"github.com/rstprobe/rstprobe/internal/watch/store"
	"github.com/rstprobe/rstprobe/probe"
)

// world is what receivers are, in virtual time, with a real store.
type world struct {
	*testing.T
	store *store.Store
	d     *Deliverer
	began time.Time

	mu       sync.Mutex
	arrivals []string // receiver, event and time of every attempt
	times    []time.Duration
	requests int // each with one attempt or more
	results  map[string]int
	pending  map[string]int
	log      strings.Builder
	answer   func(e alert.Event, attempt int) error
	attempts map[string]int
}

func newWorld(t *testing.T, answer func(e alert.Event, attempt int) error) *world {
	t.Helper()
	s, err := store.Open(filepath.Join(t.TempDir(), "rstprobe.db"))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := s.Close(); err != nil {
			t.Error(err)
		}
	})
	w := &world{T: t, store: s, began: time.Now(), results: map[string]int{}, pending: map[string]int{}, answer: answer, attempts: map[string]int{}}
	w.d = New(Config{Store: s, Observer: w, Log: slog.New(slog.NewTextHandler(&w.log, nil)), Version: "1"})
	w.d.sender = func(r alert.Receiver, _ string) send {
		return func(ctx context.Context, events ...alert.Event) error {
			w.mu.Lock()
			w.requests++
			w.mu.Unlock()
			var all error
			for _, e := range events {
				w.mu.Lock()
				w.attempts[e.Key]++
				n := w.attempts[e.Key]
				w.arrivals = append(w.arrivals, fmt.Sprintf("%s %s %s", r.Name, e.Status, e.Summary))
				w.times = append(w.times, time.Since(w.began))
				w.mu.Unlock()
				err := w.answer(e, n)
				if errors.Is(err, errHangs) {
					<-ctx.Done()
				}
				all = errors.Join(all, err)
			}
			return all
		}
	}
	return w
}

var (
	errDown  = errors.New("it is down")
	errHangs = errors.New("it never answers")
)

func (w *world) Receivers([]string) {}
func (w *world) Sent(receiver string, r alert.Result) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.results[receiver+" "+string(r)]++
}
func (w *world) Pending(receiver string, n int) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.pending[receiver] = n
}

func webhook(name string) alert.Receiver { return alert.Receiver{Name: name, Via: alert.Webhook{}} }

// decide puts events into the store, and says so.
func (w *world) decide(r alert.Receiver, question string, statuses ...alert.Status) {
	w.Helper()
	w.write(r, question, statuses...)
	w.d.Wake()
}

// write puts events into the store.
func (w *world) write(r alert.Receiver, question string, statuses ...alert.Status) {
	w.Helper()
	var ds []alert.Decision
	for _, s := range statuses {
		q := state.Question{Kind: probe.SNI, Name: question}
		e := alert.Event{Status: s, Receiver: r.Name, Check: "shop", Question: q, At: time.Now(), Summary: question, Key: fmt.Sprintf("%s %s %s", r.Name, question, s)}
		ds = append(ds, alert.Decision{Key: alert.Key{Receiver: r.ID(), Check: "shop", Question: q}, State: alert.State{Firing: true}, Event: e, Standing: r.Standing()})
	}
	if _, err := w.store.Tell(ds, []string{"webhook a", "webhook b", "alertmanager am"}); err != nil {
		w.Fatal(err)
	}
}

// run delivers for some virtual time.
func (w *world) run(during time.Duration, rs ...alert.Receiver) {
	ctx, cancel := context.WithTimeout(w.Context(), during)
	defer cancel()
	w.d.Run(ctx, only(rs...))
}

// only are receivers that nothing follows.
func only(rs ...alert.Receiver) <-chan Receivers {
	out := make(chan Receivers, 1) // the only ones
	out <- Receivers{All: rs}
	return out
}

// start delivers until end is called, to the last that came of reloads.
func (w *world) start() (reloads chan<- Receivers, end func()) {
	ctx, cancel := context.WithCancel(w.Context())
	files, done := make(chan Receivers), make(chan struct{})
	go func() {
		defer close(done)
		w.d.Run(ctx, files)
	}()
	return files, func() {
		cancel()
		<-done
	}
}

func (w *world) expect(want ...string) {
	w.Helper()
	if diff := cmp.Diff(want, w.arrivals); diff != "" {
		w.Errorf("attempts (-want +got):\n%s\nlog:\n%s", diff, w.log.String())
	}
}

// TestInOrder: of one question in order, and what does not arrive holds up
// neither other questions nor other receivers.
func TestInOrder(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		a, b := webhook("a"), webhook("b")
		w := newWorld(t, func(e alert.Event, attempt int) error {
			switch {
			case e.Receiver == "b":
				return errHangs
			case e.Summary == "one" && e.Status == alert.Firing && attempt == 1:
				return errDown
			}
			return nil
		})
		w.decide(b, "one", alert.Firing)
		w.decide(a, "one", alert.Firing, alert.Changed)
		w.decide(a, "two", alert.Firing)
		w.decide(a, "one", alert.Resolved)
		w.run(time.Hour, a, b)
		slices.Sort(w.arrivals[:2]) // which receiver comes first is nobody's business
		w.expect("a firing one", "b firing one", "a firing two", "a firing one", "a changed one", "a resolved one")
		if diff := cmp.Diff(map[string]int{"a delivered": 4, "a failed": 1}, w.results); diff != "" {
			t.Errorf("results (-want +got):\n%s", diff)
		}
		if w.pending["a"] != 0 || w.pending["b"] != 1 {
			t.Errorf("pending: %v", w.pending)
		}
		if again := w.times[3]; again < firstRetry/2 || again > firstRetry {
			t.Errorf("tried again after %v", again)
		}
	})
}

// TestRetries: ever more rarely, never at the same pace, and not for ever.
func TestRetries(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		a := webhook("a")
		w := newWorld(t, func(alert.Event, int) error { return errDown })
		w.decide(a, "one", alert.Firing, alert.Resolved)
		w.run(patience+time.Hour, a)
		given := slices.Index(w.arrivals, "a resolved one")
		if given < 0 {
			t.Fatal("the second event was never tried")
		}
		if last := w.times[given-1]; last > patience || last < patience-lastRetry {
			t.Errorf("the first event was tried for %v", last)
		}
		gaps := map[time.Duration]int{}
		for i := 1; i < given; i++ {
			gap := w.times[i] - w.times[i-1]
			gaps[gap.Truncate(time.Second)]++
			if want := min(lastRetry, firstRetry<<min(i-1, 10)); gap < want/2 || gap > want {
				t.Errorf("attempt %d came %v after the one before, want %v to %v", i+1, gap, want/2, want)
			}
		}
		if len(gaps) < 100 {
			t.Errorf("%d different gaps of %d", len(gaps), given)
		}
		if w.results["a given_up"] != 2 || w.pending["a"] != 0 {
			t.Errorf("results %v, pending %v", w.results, w.pending)
		}
		log := w.log.String()
		if n := strings.Count(log, "level=WARN"); n < 1 || n > 2 || strings.Count(log, "level=ERROR") != 2 || !strings.Contains(log, `msg="alert given up"`) {
			t.Errorf("%d warnings of two alerts that did not arrive:\n%s", n, log)
		}
	})
}

// TestRefused: what is refused for good is not tried again.
func TestRefused(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		a := webhook("a")
		w := newWorld(t, func(e alert.Event, _ int) error {
			if e.Status == alert.Firing {
				return refusal{errDown}
			}
			return nil
		})
		w.decide(a, "one", alert.Firing, alert.Resolved)
		w.run(time.Hour, a)
		w.expect("a firing one", "a resolved one")
		if diff := cmp.Diff(map[string]int{"a given_up": 1, "a delivered": 1}, w.results); diff != "" {
			t.Errorf("results (-want +got):\n%s", diff)
		}
	})
}

// TestRetryAfter: a receiver that asks for a pause gets it, for all of its
// messages.
func TestRetryAfter(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		a := webhook("a")
		w := newWorld(t, func(_ alert.Event, attempt int) error {
			if attempt == 1 {
				return later{errDown, 2 * time.Hour}
			}
			return nil
		})
		w.decide(a, "one", alert.Firing)
		w.decide(a, "two", alert.Firing)
		w.run(24*time.Hour, a)
		if len(w.times) != 4 || w.times[1] < 2*time.Hour || w.times[1] > 2*time.Hour+firstRetry {
			t.Errorf("attempts %v at %v", w.arrivals, w.times)
		}
	})
}

// TestStandsAtAlertmanager: what fires is repeated every minute, through a new
// start and a reload, until it is over; only the first time is counted.
func TestStandsAtAlertmanager(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		am := alert.Receiver{Name: "am", Via: alert.Alertmanager{}}
		down := false
		w := newWorld(t, func(alert.Event, int) error {
			if down {
				return errDown
			}
			return nil
		})
		w.decide(am, "one", alert.Firing)
		w.run(10*time.Minute-time.Second, am)
		if n := len(w.arrivals); n != 10 {
			t.Errorf("sent %d times in ten minutes", n)
		}
		down = true
		time.Sleep(patience) // of nothing
		w.run(time.Hour, am) // not given up: it still fires
		if w.results["am given_up"] > 0 || w.results["am delivered"] != 1 {
			t.Errorf("results: %v", w.results)
		}
		down = false
		w.arrivals = nil
		w.run(time.Minute, am)
		w.decide(am, "one", alert.Resolved)
		w.run(20*time.Second, am)
		w.expect("am firing one", "am resolved one")
		w.run(time.Hour, am)
		if n := len(w.arrivals); n != 2+int(afterglow/resend) || w.results["am delivered"] != 2 {
			t.Errorf("sent %d times, %v: what is over is told for a quarter of an hour", n, w.results)
		}
	})
}

// TestTogether: who is told again and again of much is told in a few requests.
// One that it refuses takes nothing along.
func TestTogether(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		am := alert.Receiver{Name: "am", Via: alert.Alertmanager{}}
		refuses := false
		w := newWorld(t, func(e alert.Event, _ int) error {
			if refuses && e.Summary == "5" {
				return refusal{errDown}
			}
			return nil
		})
		for n := range 2 * batch {
			w.decide(am, fmt.Sprint(n), alert.Firing)
		}
		w.run(3*time.Minute-time.Second, am)
		if len(w.arrivals) != 3*2*batch || w.requests != 3*2 || w.results["am delivered"] != 2*batch {
			t.Errorf("%d alerts in %d requests, %v", len(w.arrivals), w.requests, w.results)
		}
		refuses = true
		w.decide(am, "5", alert.Resolved)
		w.decide(am, "6", alert.Resolved)
		w.run(time.Minute, am)
		if w.results["am delivered"] != 2*batch+1 || w.results["am given_up"] != 1 || w.results["am failed"] != 0 || w.pending["am"] != 0 {
			t.Errorf("%v, %d pending", w.results, w.pending["am"])
		}
	})
}

// TestStandsThoughRefused: an answer that is final for a message is not for
// what goes on.
func TestStandsThoughRefused(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		am := alert.Receiver{Name: "am", Via: alert.Alertmanager{}}
		w := newWorld(t, func(_ alert.Event, attempt int) error {
			if attempt == 2 {
				return refusal{errDown}
			}
			return nil
		})
		w.decide(am, "one", alert.Firing)
		w.run(5*time.Minute, am)
		if n := len(w.arrivals); n < 4 || w.results["am given_up"] > 0 {
			t.Errorf("sent %d times in five minutes, %v", n, w.results)
		}
	})
}

// TestManyThatStand: though it takes longer than a minute to repeat all that
// fires, what is new is told.
func TestManyThatStand(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		am := alert.Receiver{Name: "am", Via: alert.Alertmanager{}}
		w := newWorld(t, func(alert.Event, int) error {
			time.Sleep(time.Second) // it is slow
			return nil
		})
		for n := range 2 * batch {
			w.decide(am, fmt.Sprint(n), alert.Firing)
		}
		w.run(5*time.Minute, am)
		w.decide(am, "0", alert.Resolved)
		w.run(5*time.Minute, am)
		if n := w.results["am delivered"]; n != 2*batch+1 || w.pending["am"] != 0 {
			t.Errorf("%d of %d delivered, %d pending", n, 2*batch+1, w.pending["am"])
		}
	})
}

// full is a store that cannot note anything before a time.
type full struct {
	Store
	until time.Time
}

func (f full) Note(at time.Time, attempts ...store.Attempt) error {
	if time.Now().Before(f.until) {
		return errors.New("the disk is full")
	}
	return f.Store.Note(at, attempts...)
}

// TestFullDisk: what arrived is not sent again since that could not be noted.
func TestFullDisk(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		a := webhook("a")
		w := newWorld(t, func(alert.Event, int) error { return nil })
		w.d.cfg.Store = full{w.store, time.Now().Add(time.Hour)}
		w.decide(a, "one", alert.Firing, alert.Resolved)
		w.run(2*time.Hour, a)
		w.expect("a firing one", "a resolved one")
		if diff := cmp.Diff(map[string]int{"a delivered": 2}, w.results); diff != "" {
			t.Errorf("results (-want +got):\n%s", diff)
		}
	})
}

// TestReload: a receiver that comes is told, one that goes is not.
func TestReload(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		a, b := webhook("a"), webhook("b")
		w := newWorld(t, func(alert.Event, int) error { return nil })
		reloads, end := w.start()
		reloads <- Receivers{All: []alert.Receiver{a}}
		synctest.Wait()
		w.decide(b, "one", alert.Firing)
		w.decide(a, "one", alert.Firing)
		synctest.Wait()
		reloads <- Receivers{All: []alert.Receiver{b}}
		synctest.Wait()
		w.decide(a, "one", alert.Resolved)
		w.decide(b, "one", alert.Resolved)
		synctest.Wait()
		end()
		w.expect("a firing one", "b firing one", "b resolved one")
	})
}

// TestReloadLeavesAlone: a receiver that is told as before does not begin anew
// with a reload: it goes on with the pause that it asked for.
func TestReloadLeavesAlone(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		told := func(template string) Receivers {
			made, err := alert.ParseTemplate(template, false)
			if err != nil {
				t.Fatal(err)
			}
			return Receivers{All: []alert.Receiver{{Name: "a", Via: alert.Webhook{Template: made, Address: alert.Address{Headers: map[string]alert.Secret{"X": "1"}}}}}}
		}
		w := newWorld(t, func(alert.Event, int) error { return later{errDown, 2 * time.Hour} })
		reloads, end := w.start()
		reloads <- told("{{.Summary}}")
		a := webhook("a")
		w.decide(a, "one", alert.Firing)
		synctest.Wait()
		reloads <- told("{{.Summary}}")
		w.decide(a, "two", alert.Firing)
		time.Sleep(time.Hour)
		w.expect("a firing one")
		reloads <- told("{{.Summary}}!")
		synctest.Wait()
		w.expect("a firing one", "a firing two")
		end()
	})
}

// TestStoppedWhileSending: what is under way has a moment to end; what does not
// is sent by the next one to run.
func TestStoppedWhileSending(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		a := webhook("a")
		w := newWorld(t, func(_ alert.Event, attempt int) error {
			switch attempt {
			case 1:
				return errHangs
			case 2:
				time.Sleep(grace / 2)
			}
			return nil
		})
		w.decide(a, "one", alert.Firing)
		for range 3 {
			w.run(time.Second, a)
		}
		w.expect("a firing one", "a firing one")
		if took := time.Since(w.began); took != time.Second+grace+grace/2+time.Second {
			t.Errorf("it took %v", took)
		}
		if diff := cmp.Diff(map[string]int{"a delivered": 1}, w.results); diff != "" {
			t.Errorf("results (-want +got):\n%s", diff)
		}
	})
}

// TestReloadTells: what a file takes back is told at once to who stays, though
// something is under way to who does not.
func TestReloadTells(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		a, b := webhook("a"), webhook("b")
		w := newWorld(t, func(e alert.Event, _ int) error {
			if e.Receiver == "b" {
				return errHangs
			}
			return nil
		})
		reloads, end := w.start()
		w.write(b, "one", alert.Firing)
		reloads <- Receivers{All: []alert.Receiver{a, b}}
		synctest.Wait()
		w.write(a, "one", alert.Resolved)
		reloads <- Receivers{All: []alert.Receiver{a}}
		synctest.Wait()
		w.expect("b firing one", "a resolved one")
		end()
	})
}

// TestFullDiskAtAlertmanager: what fires is not over since the disk is full,
// however much it is.
func TestFullDiskAtAlertmanager(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		am := alert.Receiver{Name: "am", Via: alert.Alertmanager{}}
		w := newWorld(t, func(alert.Event, int) error { return nil })
		w.d.cfg.Store = full{w.store, time.Now().Add(time.Hour)}
		const events = 2*batch + 1
		for n := range events {
			w.decide(am, fmt.Sprint(n), alert.Firing)
		}
		w.run(2*time.Hour, am)
		last, longest := map[string]time.Duration{}, time.Duration(0)
		for i, a := range w.arrivals {
			longest = max(longest, w.times[i]-last[a])
			last[a] = w.times[i]
		}
		if len(last) != events || longest > 2*resend || w.times[len(w.times)-1] < 2*time.Hour-2*resend {
			t.Errorf("%d of %d were told, with pauses of up to %v", len(last), events, longest)
		}
		if w.results["am delivered"] != events || len(w.arrivals) > 125*events {
			t.Errorf("%v of %d attempts", w.results, len(w.arrivals))
		}
	})
}

// TestClockSetBack: what is repeated every minute does not wait for the time
// that it was.
func TestClockSetBack(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		am := alert.Receiver{Name: "am", Via: alert.Alertmanager{}}
		w := newWorld(t, func(alert.Event, int) error { return nil })
		w.decide(am, "one", alert.Firing)
		ms, err := w.store.Next(am.ID(), 1)
		if err != nil {
			t.Fatal(err)
		}
		if err := w.store.Note(time.Now(), store.Attempt{ID: ms[0].ID, Delivered: true, Again: time.Now().Add(2 * time.Hour)}); err != nil {
			t.Fatal(err)
		}
		w.run(time.Second, am)
		w.expect("am firing one")
	})
}

// counted counts what is noted.
type counted struct {
	Store
	notes int
}

func (c *counted) Note(at time.Time, attempts ...store.Attempt) error {
	c.notes++
	return c.Store.Note(at, attempts...)
}

// TestRefusedTogether: where all must go one by one, they stay together, and
// once it is down nothing more is tried of it.
func TestRefusedTogether(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		am := alert.Receiver{Name: "am", Via: alert.Alertmanager{}}
		down := false
		w := newWorld(t, func(e alert.Event, attempt int) error {
			switch {
			case e.Summary == "1":
				return refusal{errDown}
			case down && e.Summary == "3" && attempt%2 == 0:
				return errDown
			}
			return nil
		})
		c := &counted{Store: w.store}
		w.d.cfg.Store = c
		for n := range 10 {
			w.decide(am, fmt.Sprint(n), alert.Firing)
		}
		w.run(time.Second, am)
		if len(w.arrivals) != 2*10 || c.notes != 1 || w.results["am delivered"] != 9 || w.results["am failed"] != 1 {
			t.Errorf("%d attempts, noted %d times, %v", len(w.arrivals), c.notes, w.results)
		}
		down, w.arrivals, c.notes = true, nil, 0
		for n := range 10 {
			w.decide(am, fmt.Sprint(n), alert.Changed)
		}
		w.run(time.Second, am)
		if len(w.arrivals) != 10+4 || c.notes != 1 || w.results["am delivered"] != 9+2 {
			t.Errorf("%v, noted %d times, %v", w.arrivals, c.notes, w.results)
		}
	})
}
