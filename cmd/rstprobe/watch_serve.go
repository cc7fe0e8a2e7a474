package main

import (
	"context"
	"errors"
	"net"
	"os"
	"sync"
	"sync/atomic"
	"time"

	"github.com/rstprobe/rstprobe/internal/sdnotify"
	"github.com/rstprobe/rstprobe/internal/watch"
	"github.com/rstprobe/rstprobe/internal/watch/exporter"
	"github.com/rstprobe/rstprobe/internal/watch/server"
	"github.com/rstprobe/rstprobe/internal/watch/state"
	"github.com/rstprobe/rstprobe/internal/watch/store"
	"github.com/rstprobe/rstprobe/internal/watch/watchfile"
)

// shutdownPatience is how long requests have to be answered in the end.
const shutdownPatience = 5 * time.Second

// serve watches and answers HTTP until ctx ends, and reads the file again with
// each of hangups. In the end the runs that are under way are cut short and
// kept, and the requests answered.
func (w *watching) serve(ctx context.Context, listener net.Listener, hangups <-chan os.Signal) error {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	site := server.New(ctx, w.site(ctx))
	var work sync.WaitGroup
	work.Go(func() { w.alerts.deliverer.Run(ctx, w.alerts.receivers) })
	failed := make(chan error, 1) // so that the server need not wait for anybody
	work.Go(func() {
		if err := site.Serve(listener); err != nil {
			failed <- err
			cancel()
		}
	})
	work.Go(func() {
		for {
			select {
			case <-hangups:
				_ = w.reload(ctx) // it is in the log
			case <-ctx.Done():
				return
			}
		}
	})
	w.metrics.Reloaded(time.Now(), true)
	context.AfterFunc(ctx, func() { w.notify(sdnotify.Stopping) })
	w.watcher.Run(ctx, w.file.Checks, w.reloads)
	last, done := context.WithTimeout(context.WithoutCancel(ctx), shutdownPatience)
	defer done()
	err := site.Shutdown(last)
	work.Wait()
	w.log.Info("stopped") // nothing is under way any more, not even an alert
	select {
	case serving := <-failed:
		err = errors.Join(serving, err)
	default:
	}
	return err
}

// site is what is answered, and to whom, until ctx ends.
func (w *watching) site(ctx context.Context) server.Config {
	for _, r := range server.Reasons {
		w.metrics.Denied(string(r), 0)
	}
	return server.Config{
		Log: w.log, Web: w.file.HTTP.WebConfig, Metrics: w.metrics.Handler(),
		Reload:   func() error { return w.reload(ctx) }, // all of it, whoever hangs up meanwhile
		Settings: func() server.Settings { return w.surface.Load().server },
		Probe: exporter.New(exporter.Config{
			Settings: func() exporter.Settings { return w.surface.Load().exporter },
			Ask:      w.ask, Measure: w.probeOnce,
			Concurrency: max(1, w.file.Concurrency/2), // so that scrapes never hold all checks up
		}),
		Pages: w.pages, Ready: w.ready.known.Load, Denied: func(r server.Reason) { w.metrics.Denied(string(r), 1) },
	}
}

// surface is what the HTTP side reads of a watch file.
type surface struct {
	server   server.Settings
	exporter exporter.Settings
}

// newSurface is what requests see of a file; the address and the store are
// those of the start. A token that is needed and not there is made.
func (w *watching) newSurface(f watchfile.File) (*surface, error) {
	s := &surface{
		server:   server.Settings{Hosts: f.HTTP.Hosts},
		exporter: exporter.Settings{Modules: f.HTTP.Modules, Allow: f.HTTP.Allow, Checks: f.Checks},
	}
	path, made := f.HTTP.TokenFile, false
	var err error
	switch {
	case path != "":
		s.server.Token, err = server.ReadToken(path)
	case server.NeedsToken(w.file.Listen):
		path = w.file.Store + ".token"
		s.server.Token, made, err = server.MakeToken(path)
	}
	switch {
	case err != nil:
		return nil, err
	case made:
		w.log.Info("a token was made, which requests need", "file", path)
	case path != "":
		w.log.Info("requests need the token", "file", path)
	}
	if path != "" && server.Exposed(path) {
		w.log.Warn("everybody on this machine may read the token: chmod o= mends it", "file", path)
	}
	if server.NeedsToken(w.file.Listen) && !server.Encrypted(w.file.HTTP.WebConfig) {
		w.log.Warn("others may read on the way what is asked and answered, the token included: set web_config, or listen on this machine alone behind a proxy", "listen", w.file.Listen.String())
	}
	return s, nil
}

// restartNeeded reports whether a file changes what takes a new start.
func restartNeeded(before, now watchfile.File) bool {
	return now.Listen != before.Listen || now.Store != before.Store || now.Concurrency != before.Concurrency ||
		now.Retention != before.Retention || now.HTTP.WebConfig != before.HTTP.WebConfig
}

// checkSurface says what is wrong in the files that a watch file names.
func checkSurface(f watchfile.File) error {
	if path := f.HTTP.TokenFile; path != "" {
		if _, err := server.ReadToken(path); err != nil {
			return err
		}
	}
	return server.Check(f.HTTP.WebConfig)
}

// readiness notes that there is something to show: a run, or a state from
// before. It passes on what it is told.
type readiness struct {
	watch.Observer
	known atomic.Bool
}

// Known implements watch.Observer.
func (r *readiness) Known(check string, now state.Machines) {
	r.Observer.Known(check, now)
	for _, m := range now {
		if m.Confirmed.Known() {
			r.known.Store(true)
		}
	}
}

// Ran implements watch.Observer.
func (r *readiness) Ran(run store.Run, lag time.Duration, changes []state.Change) {
	r.Observer.Ran(run, lag, changes)
	if !run.Document.Interrupted {
		r.known.Store(true)
	}
}
