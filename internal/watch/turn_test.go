package watch

import (
	"context"
	"errors"
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"
)

// turnsOnly is a watcher with no checks.
func turnsOnly(concurrency int) *Watcher {
	return &Watcher{slots: make(chan struct{}, concurrency), turns: turns{}}
}

// TestAlone: one at a time at a host, so many at a time at all of them, and in
// the end nothing is remembered.
func TestAlone(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		w := turnsOnly(2)
		began := time.Now()
		type run struct {
			Host string
			At   time.Duration
		}
		runs := make(chan run, 10) // all of them
		for _, host := range []string{"a", "a", "a", "b", "b", "c"} {
			go func() {
				err := w.Alone(t.Context(), host, func() {
					runs <- run{host, time.Since(began)}
					time.Sleep(time.Second)
				})
				if err != nil {
					t.Error(err)
				}
			}()
			synctest.Wait() // so that they queue in this order
		}
		time.Sleep(10 * time.Second)
		at := map[time.Duration][]string{}
		for range 6 {
			r := <-runs
			at[r.At] = append(at[r.At], r.Host)
		}
		total := 0
		for when, hosts := range at {
			slices.Sort(hosts)
			total += len(hosts)
			if len(hosts) > 2 || len(slices.Compact(hosts)) != len(hosts) {
				t.Errorf("at %v: %v", when, hosts)
			}
		}
		if total != 6 || len(at) > 4 {
			t.Errorf("runs at %v", at)
		}
		synctest.Wait() // for the last of them to have left
		if diff := cmp.Diff(turns{}, w.turns); diff != "" || len(w.slots) > 0 {
			t.Errorf("%d slots are taken, hosts (-want +got):\n%s", len(w.slots), diff)
		}
	})
}

// TestAloneGivesUp, whichever it waits for, and takes nothing along.
func TestAloneGivesUp(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		w := turnsOnly(1)
		release := make(chan struct{})
		go func() {
			if err := w.Alone(t.Context(), "a", func() { <-release }); err != nil {
				t.Error(err)
			}
		}()
		synctest.Wait()
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		for _, host := range []string{"a", "b"} { // the host, and the slot
			err := w.Alone(ctx, host, func() { t.Errorf("%s is measured", host) })
			if !errors.Is(err, context.DeadlineExceeded) {
				t.Errorf("%s: %v", host, err)
			}
		}
		close(release)
		synctest.Wait()
		if len(w.turns) > 0 || len(w.slots) > 0 {
			t.Errorf("something is still taken: %v, %d slots", w.turns, len(w.slots))
		}
	})
}
