// Package exporter answers /probe as blackbox_exporter does, so that what is
// written for that works: Prometheus names the target, the module says what is
// asked of it, and the answer has the metrics of that one probe. It is not an
// open scanner: what may be probed is listed.
//
// How a target is measured is given to it, and so is the watch file.
package exporter

import (
	"context"
	"errors"
	"fmt"
	"io"
	"maps"
	"net/http"
	"net/netip"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/prometheus/client_golang/prometheus/promhttp"

	"github.com/rstprobe/rstprobe/internal/payload"
	"github.com/rstprobe/rstprobe/internal/watch/watchfile"
	"github.com/rstprobe/rstprobe/probe"
	"github.com/rstprobe/rstprobe/report"
)

// Request is what is to be measured.
type Request struct {
	Check watchfile.Check        // without a name; never kept
	Admit func(netip.Addr) error // refuses an address of the name of the target
}

// ErrBusy means that it was not the turn of a request before its time was
// over.
var ErrBusy = errors.New("exporter: too much is measured already")

// errEnding means that rstprobe is told to end, or that nobody waits for the
// answer any more.
var errEnding = errors.New("exporter: rstprobe is about to end: ask again once it is back")

// Config is what an Exporter needs; all of it is required.
type Config struct {
	Settings func() Settings
	Ask      watchfile.Ask
	// Measure carries a request out until ctx ends; then the document is as far
	// as that came. Its error is ErrBusy, one of Request.Admit, or why we could
	// not measure.
	Measure     func(context.Context, Request) (report.Document, error)
	Concurrency int // requests that are measured at a time
}

// Exporter is the handler of /probe.
type Exporter struct {
	cfg     Config
	waiting chan struct{} // requests, those that are measured included
	running chan struct{} // those that are
}

// queue is how many requests may wait for each that is measured: as many as
// are done within the usual timeout of a scrape.
const queue = 8

// New is an exporter.
func New(cfg Config) *Exporter {
	return &Exporter{cfg: cfg, running: make(chan struct{}, cfg.Concurrency), waiting: make(chan struct{}, (1+queue)*cfg.Concurrency)}
}

// Times of a scrape, as blackbox_exporter has them.
const (
	timeoutHeader  = "X-Prometheus-Scrape-Timeout-Seconds"
	offset         = 500 * time.Millisecond // for the answer to reach Prometheus in time
	defaultTimeout = 2 * time.Minute        // where neither Prometheus nor the module says
	defaultModule  = watchfile.ModuleSNI
)

// ServeHTTP implements http.Handler.
func (e *Exporter) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	a, err := e.read(r)
	if err != nil {
		refuse(w, err)
		return
	}
	// The server's own limit is for answers that take no time to find.
	if err := http.NewResponseController(w).SetWriteDeadline(time.Now().Add(a.timeout + 10*time.Second)); err != nil && !errors.Is(err, http.ErrNotSupported) {
		refuse(w, err)
		return
	}
	ctx, cancel := context.WithTimeout(r.Context(), a.timeout)
	defer cancel()
	began := time.Now()
	doc, err := e.measure(ctx, a.Request)
	if err != nil {
		refuse(w, err)
		return
	}
	if r.Context().Err() != nil { // the probe was cut short, which says nothing of its target
		refuse(w, errEnding)
		return
	}
	registry := result(doc, a.kinds(), a.timeout, time.Since(began))
	if a.debug {
		w.Header().Set("Content-Type", "text/plain; charset=utf-8")
		r = &http.Request{Method: http.MethodGet, Header: http.Header{}} // in the form that is for people
		fmt.Fprintf(w, "Module: %s\nTimeout: %v\n\n", a.module, a.timeout)
		_ = report.Text(w, doc, report.Style{Verbose: true}) // it fails only if Prometheus is gone
		fmt.Fprint(w, "\nMetrics:\n")
	}
	promhttp.HandlerFor(registry, promhttp.HandlerOpts{DisableCompression: a.debug}).ServeHTTP(w, r)
}

// measure waits for its turn.
func (e *Exporter) measure(ctx context.Context, r Request) (report.Document, error) {
	select {
	case e.waiting <- struct{}{}:
		defer func() { <-e.waiting }()
	default:
		return report.Document{}, ErrBusy
	}
	select {
	case e.running <- struct{}{}:
		defer func() { <-e.running }()
	case <-ctx.Done():
		return report.Document{}, ErrBusy
	}
	return e.cfg.Measure(ctx, r)
}

// asked is a request that was read.
type asked struct {
	Request
	module  string
	timeout time.Duration
	debug   bool
}

// kinds is how often each kind of question is asked.
func (a asked) kinds() map[probe.Kind]int {
	out := map[probe.Kind]int{}
	for _, q := range a.Check.Questions {
		out[q.Kind]++
	}
	return out
}

// mistaken is a request that cannot be answered as it is.
type mistaken string

func (m mistaken) Error() string { return string(m) }

func mistake(format string, args ...any) error { return mistaken(fmt.Sprintf(format, args...)) }

// read reads a request. Its error is a mistaken or a denied.
func (e *Exporter) read(r *http.Request) (asked, error) {
	s, q := e.cfg.Settings(), r.URL.Query()
	for name, values := range q {
		if len(values) > 1 {
			return asked{}, mistake("%s is there %d times: write it once", clip(name), len(values))
		}
	}
	a := asked{module: q.Get("module"), debug: q.Get("debug") == "true"}
	if a.module == "" {
		a.module = defaultModule
	}
	m, ok := s.Modules[a.module]
	if !ok {
		return a, mistake("there is no module %s: write module=%s", clip(a.module), strings.Join(slices.Sorted(maps.Keys(s.Modules)), " or module="))
	}
	if q.Get("target") == "" {
		return a, mistake("there is no target: write target=shop.example:443")
	}
	t, err := probe.ParseTarget(q.Get("target"))
	if err != nil {
		return a, mistake("%v", err)
	}
	hostname := strings.ToLower(q.Get("hostname"))
	if hostname != "" {
		if err := payload.CheckName(hostname); err != nil {
			return a, mistake("hostname: %v", err)
		}
	}
	if a.Admit, err = s.permit(t, hostname); err != nil {
		return a, err
	}
	if a.timeout, err = timeout(r.Header.Get(timeoutHeader), m.Timeout); err != nil {
		return a, err
	}
	tests := m.Tests
	for _, n := range []*watchfile.Names{&tests.SNI, &tests.Host} {
		switch {
		case !n.Own:
		case hostname != "":
			n.Own, n.Names = false, slices.Concat([]string{hostname}, n.Names)
		case t.Name == "":
			return a, mistake("module %s says the target's own name, and %s has none: add hostname=NAME", a.module, t.Input)
		}
	}
	a.Check = watchfile.Check{Target: t, Controls: m.Controls, ControlAddress: m.ControlAddress}
	if a.Check.Questions, err = e.cfg.Ask(tests, t, m.Controls); err != nil {
		return a, mistake("module %s, target %s: %v", a.module, t.Input, err)
	}
	return a, nil
}

// timeout is how long a probe may take: as long as the scrape, so that the
// answer is there in time, and no longer than the module allows.
func timeout(scrape string, module time.Duration) (time.Duration, error) {
	limit := defaultTimeout
	if scrape != "" {
		seconds, err := strconv.ParseFloat(scrape, 64)
		if err != nil || !(seconds > 0) || seconds > time.Hour.Seconds() {
			return 0, mistake("%s is %s: Prometheus sends a number of seconds", timeoutHeader, clip(scrape))
		}
		limit = time.Duration(seconds * float64(time.Second))
		if limit > offset {
			limit -= offset
		}
	}
	if module > 0 {
		limit = min(limit, module)
	}
	return min(limit, defaultTimeout), nil
}

// clip quotes what somebody sent, and no more of it than is of use.
func clip(s string) string { return fmt.Sprintf("%.60q", s) }

// retryAfter is when one that was turned away may come again, in seconds.
const retryAfter = "5"

// refuse says why there are no metrics.
func refuse(w http.ResponseWriter, err error) {
	code := http.StatusInternalServerError
	var (
		m mistaken
		d denied
	)
	switch {
	case errors.As(err, &m):
		code = http.StatusBadRequest
	case errors.As(err, &d):
		code = http.StatusForbidden
	case errors.Is(err, ErrBusy), errors.Is(err, errEnding):
		code = http.StatusServiceUnavailable
		w.Header().Set("Retry-After", retryAfter)
	}
	w.Header().Set("Content-Type", "text/plain; charset=utf-8")
	w.WriteHeader(code)
	_, _ = io.WriteString(w, err.Error()+"\n") // nobody else is told that Prometheus is gone
}
