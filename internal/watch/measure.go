package watch

import (
	"context"
	"slices"
	"time"

	"github.com/rstprobe/rstprobe/internal/watch/state"
	"github.com/rstprobe/rstprobe/internal/watch/store"
	"github.com/rstprobe/rstprobe/internal/watch/watchfile"
)

// flappingSlots is the window in which flapping is looked for, in intervals.
const flappingSlots = 20

// measure carries a run out that was due at a time, and returns when the next
// re-test is; zero: none is needed.
func (w *Watcher) measure(ctx context.Context, c watchfile.Check, at time.Time, retest bool) (due time.Time) {
	started := time.Now()
	m := w.cfg.Measure(ctx, c)
	run := store.Run{
		Check: c.Name, Started: started.Round(0).Truncate(time.Microsecond), Ended: time.Now().Round(0).Truncate(time.Microsecond),
		Retest: retest, Lookup: m.Lookup, Document: m.Document,
	}

	w.mu.Lock()
	defer w.mu.Unlock()
	if m.Err != nil {
		w.cfg.Log.Error("could not measure", "check", c.Name, "err", m.Err)
		w.cfg.Observer.Failed(c.Name, true)
	}
	before := w.known[c.Name]
	after, changes := w.judge(c, run)
	w.known[c.Name] = after
	w.keep(run, changes, after)
	w.cfg.Observer.Ran(run, started.Sub(at), changes)
	w.cfg.Observer.Known(c.Name, after)
	w.log(run, changes) // last: who reads of it finds the metrics in accord
	w.suspect(c.Name, before, after)
	for _, machine := range after {
		if d := machine.Due(); !d.IsZero() && (due.IsZero() || d.Before(due)) {
			due = d
		}
	}
	return due
}

// judge takes what a run shows.
func (w *Watcher) judge(c watchfile.Check, run store.Run) (state.Machines, []state.Change) {
	after := current(c, w.known[c.Name])
	if run.Document.Interrupted { // and so is the program
		return after, nil
	}
	w.network.Note(c.Name, run.Ended, state.Life(run.Document))
	if trouble := w.network.Trouble(w.watched); w.trouble == nil || *w.trouble != trouble {
		if trouble {
			w.cfg.Log.Warn("nothing answers any check: our own network is in trouble, and no change is believed until it is not")
		} else if w.trouble != nil {
			w.cfg.Log.Info("our own network works again")
		}
		w.trouble = &trouble
		w.cfg.Observer.Network(trouble)
	}
	p := state.Patience{Confirm: c.Confirm, Of: c.Of, Retest: c.Retest, Window: flappingSlots * c.Interval}
	var changes []state.Change
	readings := state.Readings(run.Document, run.Ended)
	for _, q := range c.Questions {
		key := state.Question{Kind: q.Kind, Name: q.Name}
		r, ok := readings[key]
		if !ok {
			after[key] = after[key].Postpone(run.Ended, p)
			continue
		}
		machine, change := after[key].Step(key, r, p, w.network.AliveElsewhere(c.Name))
		if after[key] = machine; change != nil {
			changes = append(changes, *change)
		}
	}
	return after, changes
}

// keep stores a run, with the changes that could not be stored before.
func (w *Watcher) keep(run store.Run, changes []state.Change, after state.Machines) {
	all := slices.Concat(w.unsaved[run.Check], changes)
	if err := w.cfg.Store.Add(run, all, after); err != nil {
		w.unsaved[run.Check] = all
		w.cfg.Log.Error("a run could not be kept", "check", run.Check, "err", err)
		w.cfg.Observer.Failed(run.Check, false)
		return
	}
	delete(w.unsaved, run.Check)
}

// log tells of a run and of what it made sure; of a name that cannot be
// resolved, when that begins and ends.
func (w *Watcher) log(run store.Run, changes []state.Change) {
	v := run.Document.Verdict
	w.cfg.Log.Debug("run", "check", run.Check, "verdict", v.Outcome, "summary", v.Summary, "took", run.Ended.Sub(run.Started), "retest", run.Retest)
	switch before := w.lookups[run.Check]; {
	case run.Document.Interrupted || run.Lookup == before:
	case run.Lookup != "":
		w.cfg.Log.Warn("the name cannot be resolved", "check", run.Check, "reason", run.Lookup)
		w.lookups[run.Check] = run.Lookup
	default:
		w.cfg.Log.Info("the name can be resolved again", "check", run.Check)
		delete(w.lookups, run.Check)
	}
	for _, c := range changes {
		w.cfg.Log.Warn("change", "check", run.Check, "change", c.String(), "since", c.Since, "summary", v.Summary)
	}
}

// suspect tells of what may have changed, once.
func (w *Watcher) suspect(check string, before, after state.Machines) {
	for q, m := range after {
		if c := m.Candidate; c != nil && (before[q].Candidate == nil || before[q].Candidate.First != c.First) {
			w.cfg.Log.Info("perhaps a change", "check", check, "question", q.String(), "seen", c.Axes.String(), "before", m.Confirmed.String(), "retest", c.Due)
		}
	}
}

// missed tells of slots that went by while a check was busy.
func (w *Watcher) missed(check string, slots int) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.cfg.Observer.Missed(check, slots)
	w.cfg.Log.Info("slots missed: the run before took too long", "check", check, "slots", slots)
}

// target is what is taken while the target of a check is measured: what one
// run leaves behind at a host must not spoil another one.
func (w *Watcher) target(c watchfile.Check) chan struct{} {
	w.mu.Lock()
	defer w.mu.Unlock()
	t, ok := w.targets[c.Target.Host]
	if !ok {
		t = make(chan struct{}, 1) // one at a time
		w.targets[c.Target.Host] = t
	}
	return t
}
