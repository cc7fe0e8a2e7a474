package watch

import (
	"time"

	"github.com/rstprobe/rstprobe/internal/watch/state"
	"github.com/rstprobe/rstprobe/internal/watch/store"
	"github.com/rstprobe/rstprobe/internal/watch/watchfile"
)

// Observers are told of everything one after the other, in their order.
type Observers []Observer

// Watched implements Observer.
func (all Observers) Watched(checks []watchfile.Check) {
	for _, o := range all {
		o.Watched(checks)
	}
}

// Known implements Observer.
func (all Observers) Known(check string, now state.Machines) {
	for _, o := range all {
		o.Known(check, now)
	}
}

// Ran implements Observer.
func (all Observers) Ran(run store.Run, lag time.Duration, changes []state.Change) {
	for _, o := range all {
		o.Ran(run, lag, changes)
	}
}

// Missed implements Observer.
func (all Observers) Missed(check string, slots int) {
	for _, o := range all {
		o.Missed(check, slots)
	}
}

// Network implements Observer.
func (all Observers) Network(trouble bool) {
	for _, o := range all {
		o.Network(trouble)
	}
}

// Failed implements Observer.
func (all Observers) Failed(check string, measuring bool) {
	for _, o := range all {
		o.Failed(check, measuring)
	}
}
