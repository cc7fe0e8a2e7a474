package main

import (
	"bytes"
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"log/slog"
	"net/netip"
	"slices"
	"strings"
	"sync"
	"sync/atomic"

	"github.com/rstprobe/rstprobe/internal/diagnosis"
	"github.com/rstprobe/rstprobe/internal/residual"
	"github.com/rstprobe/rstprobe/internal/watch"
	"github.com/rstprobe/rstprobe/internal/watch/watchfile"
	"github.com/rstprobe/rstprobe/internal/wire/pcapio"
	"github.com/rstprobe/rstprobe/probe"
	"github.com/rstprobe/rstprobe/report"
)

// kit is what the measurements of a watch share.
type kit struct {
	ledger  *residual.Ledger
	book    *addressBook
	counter *atomic.Uint64 // of the runs
}

func newKit(w *watching) kit {
	warn := func(err error) { w.log.Warn(err.Error()) }
	return kit{
		ledger: openLedger(w.waiting.ledger, warn), book: &addressBook{last: map[string][]netip.Addr{}},
		counter: &atomic.Uint64{},
	}
}

// measure carries one run of a check out: it looks the name up, opens sockets
// of its own, asks, and closes them. So a run finds the addresses, the routes
// and the interfaces as they are now, and months leave nothing behind. For that
// CAP_NET_RAW stays permitted; it is in effect only while sockets are opened.
func (w *watching) measure(ctx context.Context, c watchfile.Check) (out watch.Measured) {
	o := w.options
	o.controls, o.controlAddress = c.Controls, c.ControlAddress
	out.Document, out.Err = w.carryOut(ctx, c, o, w.kit.book.lookUp(w.sys.lookUp, &out.Lookup))
	return out
}

// carryOut asks what a check asks, with given options.
func (w *watching) carryOut(ctx context.Context, c watchfile.Check, o options, lookUp lookUpFunc) (report.Document, error) {
	r := w.measurement(o, lookUp)
	j := job{target: c.Target, questions: c.Questions}
	jobs, err := r.prepare(ctx, []job{j}, keep)
	var res diagnosis.Result
	if err == nil {
		res, err = r.one(ctx, jobs[0], w.sys.diagnose)
	}
	for _, s := range r.sessions {
		err = errors.Join(err, s.close())
	}
	err = errors.Join(err, r.names.close())
	if res.Target.Input == "" {
		res.Target, res.Interrupted = c.Target, ctx.Err() != nil
	}
	if err != nil && res.Outcome == "" {
		res.Outcome, res.Summary = probe.OverallInconclusive, fmt.Sprintf("It could not be measured: %v.", err)
	}
	if ctx.Err() != nil { // whatever failed, failed for that
		err = nil
	}
	return report.New(res, r.sink.meta), err
}

// measurement is a run over one target, which shares nothing with another one
// but the kit.
func (w *watching) measurement(o options, lookUp lookUpFunc) *measurement {
	p := *w.program
	p.sys.lookUp = lookUp
	o.seed += w.kit.counter.Add(1)
	r := &measurement{
		program: &p, options: o, packets: &pcapio.Log{}, sessions: map[netip.Addr]*session{}, ledger: w.kit.ledger,
		sink: &sink{meta: report.Meta{RunID: rand.Text(), Version: version(), Mode: modeRaw}},
	}
	r.bar = p.newProgress(o.output)
	r.names = newNames(o.naming, p.sys.namesOf, func(err error) { p.warn(err) })
	r.sink.meta.Who = r.names.who
	return r
}

// addressBook has the last good answers of the resolver.
type addressBook struct {
	mu   sync.Mutex
	last map[string][]netip.Addr // by kind of address and name
}

// lookUpFunc is how names are looked up; see system.
type lookUpFunc = func(ctx context.Context, network, name string) (diagnosis.Lookup, error)

// lookUp asks like ask, and where that gives no address of a host, tells why
// and returns the last good answer, if there is one. A resolver that blocks a
// name is not to hide what becomes of connections to its address.
func (b *addressBook) lookUp(ask lookUpFunc, failed *string) lookUpFunc {
	return func(ctx context.Context, network, name string) (diagnosis.Lookup, error) {
		found, err := ask(ctx, network, name)
		if errors.Is(ctx.Err(), context.Canceled) { // a deadline is that of the resolver
			return found, err
		}
		b.mu.Lock()
		defer b.mu.Unlock()
		key := network + " " + name
		if err == nil && slices.ContainsFunc(found.Answers, probe.OneHost) {
			b.last[key] = found.Answers
			return found, nil
		}
		switch {
		case err != nil:
			*failed = err.Error()
		case len(found.Answers) > 0:
			*failed = fmt.Sprintf("the resolver gives %s, which is the address of no host", found.Answers[0])
		default:
			*failed = errNoName.Error()
		}
		if last := b.last[key]; len(last) > 0 {
			found.Answers, found.Failure = last, ""
			return found, nil
		}
		return found, err
	}
}

// notes logs what measurements remark on standard error, each line once: what
// is so with one run is so with thousands.
type notes struct {
	log  *slog.Logger
	mu   sync.Mutex
	seen map[string]bool
}

// maxNotes bounds the lines that are remembered; others are not logged.
const maxNotes = 1000

func (n *notes) Write(b []byte) (int, error) {
	n.mu.Lock()
	defer n.mu.Unlock()
	for line := range bytes.Lines(b) {
		text := strings.TrimPrefix(string(bytes.TrimSpace(line)), "rstprobe: ")
		if text == "" || n.seen[text] || len(n.seen) == maxNotes {
			continue
		}
		n.seen[text] = true
		if warning, ok := strings.CutPrefix(text, "warning: "); ok {
			n.log.Warn(warning)
		} else {
			n.log.Info(text)
		}
	}
	return len(b), nil
}
