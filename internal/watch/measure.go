package watch

import (
	"context"
	"maps"
	"slices"
	"time"

	"github.com/rstprobe/rstprobe/internal/watch/alert"
	"github.com/rstprobe/rstprobe/internal/watch/state"
	"github.com/rstprobe/rstprobe/internal/watch/store"
	"github.com/rstprobe/rstprobe/internal/watch/watchfile"
)

// measure carries a run out that was due at a time, and returns when the next
// re-test is; zero: none is needed.
func (w *Watcher) measure(ctx context.Context, c watchfile.Check, at time.Time, retest bool) (due time.Time) {
	started := time.Now()
	m := w.cfg.Measure(ctx, c)
	run := store.Run{
		Check: c.Name, Started: started.Round(0).Truncate(time.Microsecond), Ended: time.Now().Round(0).Truncate(time.Microsecond),
		Retest: retest, Interval: c.Interval, Lookup: m.Lookup, Document: m.Document,
	}

	w.mu.Lock()
	defer w.mu.Unlock()
	if m.Err != nil {
		w.cfg.Log.Error("could not measure", "check", c.Name, "err", m.Err)
		w.cfg.Observer.Failed(c.Name, true)
	}
	before := w.known[c.Name]
	after, changes := w.judge(c, run, started)
	run.Trouble = w.trouble != nil && *w.trouble
	w.known[c.Name] = after
	w.keep(run, changes, after)
	w.cfg.Observer.Ran(run, started.Sub(at), changes)
	w.cfg.Observer.Known(c.Name, after)
	w.logRun(run, started.Sub(at)) // last: who reads of it finds the metrics in accord
	for _, change := range changes {
		w.logChange(run, change)
	}
	w.logSuspicion(c.Name, before, after)
	for _, machine := range after {
		if d := machine.Due(); !d.IsZero() && (due.IsZero() || d.Before(due)) {
			due = d
		}
	}
	return due
}

// judge takes what a run shows that began at a time. One that was interrupted,
// as is the program then, shows nothing, and neither does one of a check that is
// gone by now, or has another target. What else may have changed says how it is
// to be taken.
func (w *Watcher) judge(c watchfile.Check, run store.Run, began time.Time) (state.Machines, []state.Change) {
	now, ok := w.checks[c.Name]
	if run.Document.Interrupted || !ok || now.Target != c.Target {
		return w.known[c.Name], nil
	}
	c = now
	life := state.Life(run.Document)
	w.network.Note(c.Name, run.Started, life)
	if trouble := w.network.Trouble(len(w.checks)); w.trouble == nil || *w.trouble != trouble {
		w.logNetwork(trouble, run.Ended)
		w.networkTurned(trouble)
		w.cfg.Observer.Network(trouble)
	}
	after := maps.Clone(w.known[c.Name])
	p := state.Patience{Confirm: c.Confirm, Of: c.Of, Retest: c.Retest, Every: c.Interval}
	var changes []state.Change
	readings := state.Readings(run.Document, run.Ended)
	if began.Before(w.healed) { // a part of it was made while nothing answered
		readings = nil
	}
	for _, q := range c.Questions {
		key := state.Question{Kind: q.Kind, Name: q.Name}
		r, ok := readings[key]
		if !ok {
			after[key] = after[key].Postpone(run.Ended, p)
			continue
		}
		machine, change := after[key].Step(key, r, p, w.network.AliveElsewhere(c.Name, run.Ended))
		if after[key] = machine; change != nil {
			changes = append(changes, *change)
		}
	}
	return after, changes
}

// networkTurned notes that our own network has failed, or works again.
func (w *Watcher) networkTurned(trouble bool) {
	switch {
	case trouble:
		for name, machines := range w.known {
			doubted := state.Machines{}
			for q, m := range machines {
				doubted[q] = m.Doubt()
			}
			w.known[name] = doubted
		}
	case w.trouble != nil:
		w.healed = time.Now()
	}
	w.trouble = &trouble
}

// keep stores a run, with the changes that could not be stored before.
func (w *Watcher) keep(run store.Run, changes []state.Change, after state.Machines) {
	all := slices.Concat(w.unsaved[run.Check], changes)
	err := w.cfg.Alerts.Tell(run.Check, run.Ended, after, w.ours(run), func(told []alert.Decision) error {
		return w.cfg.Store.Add(run, all, after, told...)
	})
	if err != nil {
		w.unsaved[run.Check] = all
		w.cfg.Log.Error("a run could not be kept", "check", run.Check, "err", err)
		w.cfg.Observer.Failed(run.Check, false)
		return
	}
	delete(w.unsaved, run.Check)
}

// ours is what a run makes certain of our own network. That it is not in
// trouble to all that is known is not certain before each check has run.
func (w *Watcher) ours(run store.Run) alert.Network {
	switch {
	case run.Document.Interrupted:
		return ""
	case run.Trouble:
		return alert.Trouble
	case state.Life(run.Document):
		return alert.Works
	}
	return ""
}

// missed tells of slots that went by while a check was busy, or waited, or the
// machine slept.
func (w *Watcher) missed(check string, slots int) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.cfg.Observer.Missed(check, slots)
	w.cfg.Log.Info("slots missed: their time went by", "check", check, "slots", slots)
}
