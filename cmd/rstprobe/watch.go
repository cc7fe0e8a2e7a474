package main

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/netip"
	"os"
	"os/signal"
	"slices"
	"sync"
	"sync/atomic"
	"syscall"
	"time"

	"github.com/urfave/cli/v2"

	"github.com/rstprobe/rstprobe/internal/argv"
	"github.com/rstprobe/rstprobe/internal/config"
	"github.com/rstprobe/rstprobe/internal/diagnosis"
	"github.com/rstprobe/rstprobe/internal/sdnotify"
	"github.com/rstprobe/rstprobe/internal/watch"
	"github.com/rstprobe/rstprobe/internal/watch/metrics"
	"github.com/rstprobe/rstprobe/internal/watch/page"
	"github.com/rstprobe/rstprobe/internal/watch/server"
	"github.com/rstprobe/rstprobe/internal/watch/store"
	"github.com/rstprobe/rstprobe/internal/watch/watchfile"
	"github.com/rstprobe/rstprobe/internal/wire/pcapio"
	"github.com/rstprobe/rstprobe/probe"
)

// groupWatch is a group of the help, besides those of flags.go.
const groupWatch = "Watch"

// The formats of the log.
const (
	logText = "text"
	logJSON = "json"
)

// watchFlags say what is watched, and how packets leave. What a check asks
// stands in the watch file.
func watchFlags() []cli.Flag {
	own := []cli.Flag{
		watchFileFlag("watch what `FILE` says; docs/watch.md has all keys"),
		&cli.BoolFlag{Name: "check", Category: groupWatch, Usage: "only say what is wrong in the file, and send nothing"},
		&cli.BoolFlag{Name: "healthy", Category: groupWatch, Usage: "only ask the watch that runs with the file whether it is well: exit code 0 if it is"},
		&cli.BoolFlag{Name: "test-alerts", Category: groupWatch, Usage: "only send a test event to every receiver of alerts, and say how it went"},
		&argv.WordFlag{Words: words(logText, logJSON), StringFlag: cli.StringFlag{Name: "log-format", Category: groupWatch, Value: logText,
			Usage: "`FORMAT` of the log on standard error: text or json, one object per line"}},
		&cli.BoolFlag{Name: "log-runs", Category: groupWatch, Usage: "log every run, not only changes and trouble"},
	}
	theirs := []string{"sni", "host", "syn", "control", "control-address", "file", "all-ips"} // of each check, or of none
	for _, f := range join(testFlags(), traceFlags(), nameFlags(), waitFlags(), sendFlags()) {
		if !slices.Contains(theirs, f.Names()[0]) {
			own = append(own, f)
		}
	}
	return own
}

// watchFileFlag names the watch file.
func watchFileFlag(usage string) cli.Flag { return watchFileFlagIn(groupWatch, usage) }

func watchFileFlagIn(group, usage string) cli.Flag {
	return &cli.StringFlag{Name: "watch-file", Aliases: []string{"c"}, Category: group, Usage: usage}
}

// watching is one run of the watch command.
type watching struct {
	*program
	options
	path    string // of the watch file
	log     *slog.Logger
	metrics *metrics.Metrics
	pages   *page.Page
	reloads chan []watchfile.Check // nothing is stored in it: who reloads waits
	watcher *watch.Watcher
	alerts  *alerting
	kit     kit

	mu      sync.Mutex              // held while the file is read
	file    watchfile.File          // as it was at the start
	surface atomic.Pointer[surface] // of the file, for requests
	ready   *readiness
}

// watch is the watch command. It ends with a signal, and then in order: exit
// code 0.
func (p *program) watch(c *cli.Context) (err error) {
	if err := misplaced(c); err != nil {
		return err
	}
	w := &watching{program: p, path: c.String("watch-file"), reloads: make(chan []watchfile.Check), metrics: metrics.New(version())}
	format, err := oneOf[string](c, "log-format")
	if err != nil {
		return err
	}
	w.log = newLog(p, format, c.Bool("log-runs"))
	quiet := *p // whatever is remarked from now on is in the log
	quiet.stderr = &notes{log: w.log, seen: map[string]bool{}}
	w.program = &quiet
	if w.options, err = w.optionsFrom(c); err != nil {
		return err
	}
	w.quiet = true
	if c.NArg() > 0 {
		return usagef("watch takes no %q: targets stand in the watch file: write watch -c FILE", c.Args().First())
	}
	if w.path == "" {
		return usagef("watch needs to be told what to watch: write watch -c FILE; docs/watch.md says what stands in it")
	}
	if c.Bool("check") {
		return w.check()
	}
	if c.Bool("healthy") {
		return w.healthy(c.Context)
	}
	if c.Bool("test-alerts") {
		return w.testAlerts(c.Context)
	}
	hangups := make(chan os.Signal, 1) // one that comes while the file is read is enough
	signal.Notify(hangups, syscall.SIGHUP)
	defer signal.Stop(hangups)
	if w.file, err = w.read(); err != nil {
		return usagef("watch: %w", err)
	}
	s, err := store.Open(w.file.Store)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, s.Close()) }()
	past, err := store.OpenReadOnly(w.file.Store) // so that who looks at pages holds no run up
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, past.Close()) }()
	w.pages = page.New(page.Config{
		History: past, Log: w.log, Version: version(),
		SignIn: func() bool { return server.SignIn(w.surface.Load().server.Token, w.file.HTTP.WebConfig) },
	})
	listener, err := (&net.ListenConfig{}).Listen(c.Context, "tcp", w.file.Listen.String())
	if err != nil {
		return fmt.Errorf("watch: %w: write another address as listen in %s, or end who uses it", err, w.path)
	}
	defer listener.Close() //nolint:errcheck // the server closes it, if there comes to be one
	if err := w.confine(w.sys.lower); err != nil {
		return err
	}
	if err := w.tryRaw(); err != nil {
		return err
	}
	if w.alerts, err = newAlerting(s, w.file, w.metrics.Alerts(), w.log); err != nil {
		return err
	}
	w.kit = newKit(w)
	w.ready = &readiness{Observer: watch.Observers{w.metrics, w.pages}}
	w.watcher, err = watch.New(watch.Config{
		Measure: w.measure, Store: s, Observer: w.ready, Log: w.log,
		Concurrency: w.file.Concurrency, Retention: w.file.Retention, Secret: w.seed, Alerts: w.alerts,
		Ready: func() {
			w.log.Info("watching", "checks", len(w.file.Checks), "listen", listener.Addr().String(), "store", w.file.Store, "version", version())
			w.notify(sdnotify.Ready)
		},
	})
	if err != nil {
		return err
	}
	first, err := w.newSurface(w.file)
	if err != nil {
		return err
	}
	w.surface.Store(first)
	return w.serve(c.Context, listener, hangups)
}

// newLog is the log on standard error.
func newLog(p *program, format string, runs bool) *slog.Logger {
	o := &slog.HandlerOptions{}
	if runs {
		o.Level = slog.LevelDebug
	}
	if format == logJSON {
		return slog.New(slog.NewJSONHandler(p.stderr, o))
	}
	return slog.New(slog.NewTextHandler(p.stderr, o))
}

// check says what is wrong in the watch file.
func (w *watching) check() error {
	f, err := w.read()
	if err != nil {
		return usagef("watch: %w", err)
	}
	_, err = fmt.Fprintf(w.stdout, "%s: no mistakes, checks: %d\n", w.path, len(f.Checks))
	return err
}

// watchKeys are keys of a watch file that no setting has. One that has none of
// them has no checks either.
var watchKeys = []string{"checks", "defaults", "retention", "modules", "probe", "alerts", "listen", "hosts", "token_file", "web_config", "external_url"}

// isWatchFile reports whether a file is meant for watch rather than to hold
// settings.
func isWatchFile(path string) bool {
	f, err := os.Open(path)
	if err != nil {
		return false
	}
	defer f.Close() //nolint:errcheck // only read
	root, err := config.Read(path, f)
	return err == nil && slices.ContainsFunc(root.Fields(), func(f config.Field) bool { return slices.Contains(watchKeys, f.Key.Text()) })
}

// read reads the watch file.
func (w *watching) read() (watchfile.File, error) {
	f, err := os.Open(w.path)
	if err != nil {
		return watchfile.File{}, err
	}
	defer f.Close() //nolint:errcheck // only read
	file, err := watchfile.Read(w.path, f, w.ask)
	if err != nil {
		return file, err
	}
	return file, checkSurface(file)
}

// ask turns the tests of a check into questions.
func (w *watching) ask(t watchfile.Tests, target probe.Target, controls []string) ([]diagnosis.Question, error) {
	if err := w.admits(target); err != nil {
		return nil, err
	}
	return askedBy(t, target, controls)
}

// askedBy are the questions of a check, by the rules of the command line.
func askedBy(t watchfile.Tests, target probe.Target, controls []string) ([]diagnosis.Question, error) {
	chosen := tests{
		syn:  t.SYN,
		sni:  nameTest{own: t.SNI.Own, off: t.SNI.Off, names: t.SNI.Names},
		host: nameTest{own: t.Host.Own, off: t.Host.Off, names: t.Host.Names},
	}
	qs, err := chosen.questions(target)
	if err != nil {
		return nil, err
	}
	return qs, checkControls(controls, qs)
}

// reload reads the watch file again. If something is wrong in it, all goes on
// as before.
func (w *watching) reload(ctx context.Context) error {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.notify(sdnotify.Reloading)
	defer w.notify(sdnotify.Ready)
	f, err := w.read()
	var next *surface
	if err == nil {
		next, err = w.newSurface(f)
	}
	w.metrics.Reloaded(time.Now(), err == nil)
	if err != nil {
		w.log.Error("the watch file is wrong; all goes on as before", "file", w.path, "err", err)
		return err
	}
	w.alerts.use(f)
	w.surface.Store(next)
	if restartNeeded(w.file, f) {
		w.log.Warn("listen, store, concurrency, retention and web_config stay as they are until rstprobe is started again", "file", w.path)
	}
	select {
	case w.reloads <- f.Checks:
	case <-ctx.Done():
		return ctx.Err()
	}
	w.log.Info("watch file read again", "file", w.path, "checks", len(f.Checks))
	return nil
}

// notify tells the system manager how far we are. That it does not listen is
// no reason not to watch.
func (w *watching) notify(state string) {
	if err := sdnotify.Notify(state); err != nil {
		w.log.Warn("the system manager cannot be told", "err", err)
	}
}

// tryRaw says at once, and not with every run, that the mode that was asked
// for needs a privilege.
func (w *watching) tryRaw() error {
	if w.mode != modeRaw {
		return nil
	}
	sessions, err := w.sys.open([]sessionConfig{{source: netip.AddrFrom4([4]byte{127, 0, 0, 1}), rate: w.rate, packets: &pcapio.Log{}}}, keep)
	if err != nil {
		return openError{err}
	}
	return sessions[0].close()
}
