package main

import (
	"context"
	"fmt"
	"log/slog"
	"strings"
	"time"

	"github.com/rstprobe/rstprobe/internal/watch/alert"
	"github.com/rstprobe/rstprobe/internal/watch/alert/deliver"
	"github.com/rstprobe/rstprobe/internal/watch/state"
	"github.com/rstprobe/rstprobe/internal/watch/store"
	"github.com/rstprobe/rstprobe/internal/watch/watchfile"
)

// alerting decides who is told what, and tells them. It implements
// watch.Alerts.
type alerting struct {
	store     *store.Store
	log       *slog.Logger
	book      *alert.Book
	deliverer *deliver.Deliverer
	receivers chan deliver.Receivers // of the file, until the deliverer takes them; the last ones count
}

// newAlerting goes on where the store was left, with the receivers of a file.
func newAlerting(s *store.Store, f watchfile.File, observer deliver.Observer, log *slog.Logger) (*alerting, error) {
	told, err := s.Told()
	if err != nil {
		return nil, err
	}
	a := &alerting{
		store: s, log: log, book: alert.NewBook(told), receivers: make(chan deliver.Receivers, 1),
		deliverer: deliver.New(deliver.Config{Store: s, Observer: observer, Log: log, Version: version()}),
	}
	a.use(f)
	return a, nil
}

// use takes what a file says of receivers, and of what they are told about. It
// is called by one goroutine at a time. That the store cannot take back what
// was told before, on a full disk, is no reason not to watch.
func (a *alerting) use(f watchfile.File) {
	var ids []string
	for _, r := range f.Alerts {
		ids = append(ids, r.ID())
		if err := deliver.Ready(r); err != nil {
			a.log.Warn("a receiver of alerts cannot be told yet", "receiver", r.Name, "err", err)
		}
	}
	err := a.book.Use(alertChecks(f.Checks), f.Alerts, time.Now().Round(0), func(told []alert.Decision) error {
		dropped, err := a.store.Tell(told, ids)
		if err != nil {
			return err
		}
		for receiver, n := range dropped {
			a.log.Info("a receiver of alerts is gone, and with it what it was to be told", "receiver", receiver, "alerts", n)
		}
		return nil
	})
	if err != nil {
		a.notTakenBack(err)
	}
	select {
	case <-a.receivers:
	default:
	}
	a.receivers <- deliver.Receivers{All: f.Alerts, ExternalURL: f.ExternalURL}
}

// Tell implements watch.Alerts.
func (a *alerting) Tell(check string, at time.Time, after state.Machines, network alert.Network, write func([]alert.Decision) error) error {
	err := a.book.Tell(check, at, after, network, func(told []alert.Decision) error {
		err := write(told)
		if err == nil && len(told) > 0 {
			a.deliverer.Wake()
		}
		return err
	})
	if err != nil {
		return err
	}
	if err := a.book.Settle(); err != nil { // the run is kept all the same
		a.notTakenBack(err)
	}
	return nil
}

func (a *alerting) notTakenBack(err error) {
	a.log.Error("what is gone from the watch file could not be taken back from receivers of alerts yet", "err", err)
}

// alertChecks are checks as alerts speak of them.
func alertChecks(checks []watchfile.Check) []alert.Check {
	var out []alert.Check
	for _, c := range checks {
		one := alert.Check{Name: c.Name, Target: c.Target.Input, Labels: c.Labels}
		for _, q := range c.Questions {
			one.Questions = append(one.Questions, state.Question{Kind: q.Kind, Name: q.Name})
		}
		out = append(out, one)
	}
	return out
}

// testAlerts sends a test event to every receiver of the watch file, and says
// how it went.
func (w *watching) testAlerts(ctx context.Context) error {
	f, err := w.read()
	if err != nil {
		return usagef("watch: %w", err)
	}
	if len(f.Alerts) == 0 {
		return usagef("watch: %s names no receiver of alerts: docs/watch.md says how to write one", w.path)
	}
	if err := w.confine(w.sys.lower); err != nil {
		return err
	}
	failed := 0
	for _, r := range f.Alerts {
		result := "delivered"
		if err := deliver.Test(ctx, r, version()); err != nil {
			failed++
			result = "not delivered: " + strings.TrimPrefix(err.Error(), "deliver: ")
		}
		if _, err := fmt.Fprintf(w.stdout, "%s (%s): %s\n", r.Name, r.Kind(), result); err != nil {
			return err
		}
	}
	if failed > 0 {
		return fmt.Errorf("watch: the test event did not reach %d of %d receivers", failed, len(f.Alerts))
	}
	return nil
}
