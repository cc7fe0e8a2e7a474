package watch

import (
	"context"
	"log/slog"
	"strings"
	"time"

	"github.com/rstprobe/rstprobe/internal/watch/state"
	"github.com/rstprobe/rstprobe/internal/watch/store"
)

// The lines of the log are for people and for programs: a message that never
// varies, and keys that mean the same in every line. docs/service.md lists
// them all. Warnings are for somebody to look at in the morning, errors for
// somebody to mend.

// logRun tells of a run; of a name that cannot be resolved, when that begins
// and ends.
func (w *Watcher) logRun(run store.Run, lag time.Duration) {
	v := run.Document.Verdict
	w.cfg.Log.Debug("run", "check", run.Check, "verdict", v.Outcome, "summary", v.Summary, "retest", run.Retest,
		"started", run.Started, "duration_ms", milliseconds(run.Ended.Sub(run.Started)), "lag_ms", milliseconds(lag))
	switch failed := run.Lookup != ""; { // why may differ: there may be several resolvers
	case run.Document.Interrupted || failed == w.lookups[run.Check]:
	case failed:
		w.cfg.Log.Warn("the name cannot be resolved", "check", run.Check, "err", run.Lookup)
		w.lookups[run.Check] = true
	default:
		w.cfg.Log.Info("the name can be resolved again", "check", run.Check)
		delete(w.lookups, run.Check)
	}
}

// logChange tells of a change: a warning, unless all is well now.
func (w *Watcher) logChange(run store.Run, c state.Change) {
	level := slog.LevelWarn
	if c.To.Fine() && !c.Flapping {
		level = slog.LevelInfo
	}
	axes := make([]string, len(c.Axes))
	for i, a := range c.Axes {
		axes[i] = string(a)
	}
	w.cfg.Log.Log(context.Background(), level, "change", "check", run.Check, "question", c.Question.String(), "axes", strings.Join(axes, ","),
		"from", c.From.String(), "to", c.To.String(), "since", c.Since, "hop", c.To.Place.AtTTL, "flapping", c.Flapping, "change", c.String(), "summary", run.Document.Verdict.Summary)
}

// logSuspicion tells of what may have changed, once, and of what turned out
// not to have.
func (w *Watcher) logSuspicion(check string, before, after state.Machines) {
	for q, m := range after {
		was, is := before[q].Candidate, m.Candidate
		if was != nil && is != nil && was.First.Equal(is.First) {
			continue
		}
		if was != nil && !m.Flapping && !m.Since.Equal(was.First) {
			w.cfg.Log.Info("no change after all", "check", check, "question", q.String(), "from", m.Confirmed.String(), "to", was.Axes.String(), "since", was.First)
		}
		if is != nil {
			w.cfg.Log.Info("perhaps a change", "check", check, "question", q.String(), "from", m.Confirmed.String(), "to", is.Axes.String(), "since", is.First, "retest_at", is.Due)
		}
	}
}

// logNetwork tells of trouble of our own network, from its beginning to its
// end.
func (w *Watcher) logNetwork(trouble bool, at time.Time) {
	switch {
	case trouble:
		w.cfg.Log.Warn("nothing answers any check: our own network is in trouble, and no change is believed until it is not", "since", at)
		w.troubleSince = at
	case w.trouble != nil:
		w.cfg.Log.Info("our own network works again", "since", at, "duration_ms", milliseconds(at.Sub(w.troubleSince)))
	}
}

// milliseconds is a time in the unit of our documents. slog's own is text in
// one format and nanoseconds in the other.
func milliseconds(d time.Duration) float64 { return float64(d.Microseconds()) / 1000 }
