package main

import (
	"context"
	"errors"
	"fmt"
	"net/netip"
	"time"

	"github.com/urfave/cli/v2"

	"github.com/rstprobe/rstprobe/internal/diagnosis"
	"github.com/rstprobe/rstprobe/internal/packet"
	"github.com/rstprobe/rstprobe/internal/residual"
	"github.com/rstprobe/rstprobe/internal/wire/pcapio"
	"github.com/rstprobe/rstprobe/probe"
	"github.com/rstprobe/rstprobe/report"
)

// probe is the main command: it diagnoses every target.
func (p *program) probe(c *cli.Context) error {
	if c.Bool("version") {
		_, err := fmt.Fprintf(p.stdout, "rstprobe %s\n", version())
		return err
	}
	return p.measure(c, p.sys.diagnose, tests.questions)
}

// trace is the trace command: it shows the path of one payload per target.
func (p *program) trace(c *cli.Context) error {
	if err := misplaced(c); err != nil {
		return err
	}
	return p.measure(c, p.sys.trace, tests.traced)
}

// ask is diagnosis.Run or diagnosis.Trace.
type ask func(context.Context, diagnosis.Config) (diagnosis.Result, error)

// job is one target and what is asked about it.
type job struct {
	target    probe.Target
	questions []diagnosis.Question
}

// measure reads the line, all of it before the first packet leaves, and asks
// about its targets one after the other.
func (p *program) measure(c *cli.Context, ask ask, choose func(tests, probe.Target) ([]diagnosis.Question, error)) error {
	o, err := p.optionsFrom(c)
	if err != nil {
		return err
	}
	targets, err := p.targets(c.Args().Slice(), c.StringSlice("file"))
	if err != nil {
		return err
	}
	if len(targets) == 0 {
		return p.shortUsage()
	}
	var jobs []job
	for _, t := range targets {
		if err := o.admits(t); err != nil {
			return err
		}
		qs, err := choose(o.tests, t)
		if err != nil {
			return err
		}
		if err := checkControls(o.controls, qs); err != nil {
			return err
		}
		jobs = append(jobs, job{t, qs})
	}
	r := p.newRun(o)
	for _, j := range jobs {
		if c.Context.Err() != nil {
			break
		}
		if err = r.one(c.Context, j, ask); err != nil {
			break
		}
	}
	return r.finish(c.Context, err)
}

// session is an open way to send packets from one address.
type session struct {
	exchanger probe.Exchanger
	close     func() error
}

// measurement is one run over its targets.
type measurement struct {
	*program
	options
	sink     *sink
	packets  *pcapio.Log
	ledger   *residual.Ledger
	bar      *progressLine
	sessions map[netip.Addr]*session // by our address
}

func (p *program) newRun(o options) *measurement {
	if o.verbose {
		fmt.Fprintf(p.stderr, "seed %d\n", o.seed)
	}
	r := &measurement{
		program: p, options: o, packets: &pcapio.Log{}, sessions: map[netip.Addr]*session{},
		sink: newSink(p.stdout, o.output, report.Style{
			Color: p.colour(o.noColor), Verbose: o.verbose, Unicode: p.unicode(),
		}),
		bar: &progressLine{w: p.stderr, on: p.progress(o.output)},
	}
	r.ledger = openLedger(o.waiting.ledger, func(err error) {
		r.bar.clear()
		fmt.Fprintf(p.stderr, "rstprobe: warning: %v\n", err)
	})
	return r
}

// one asks about one target and writes the answer. That it cannot be reached
// is an answer; an error means that rstprobe cannot go on.
func (r *measurement) one(ctx context.Context, j job, ask ask) error {
	started := time.Now()
	res, err := r.answer(ctx, j, ask)
	r.bar.clear()
	if open := (openError{}); errors.As(err, &open) {
		return err // nothing was measured
	}
	if res.Started.IsZero() {
		res.Started, res.Duration = started, time.Since(started)
	}
	if res.Target.Input == "" {
		res.Target = j.target
	}
	if ctx.Err() != nil {
		res.Interrupted, err = true, nil
		if res.Outcome == "" {
			res.Outcome, res.Summary = probe.OverallInconclusive, "Interrupted before anything was measured."
		}
	}
	return errors.Join(err, r.sink.write(res))
}

// answer is the result for one target: of the question, or of the lookup
// that failed before it.
func (r *measurement) answer(ctx context.Context, j job, ask ask) (diagnosis.Result, error) {
	target := j.target
	if !target.IP.IsValid() {
		r.bar.show(target.Input + ": looking up the address")
		addrs, err := r.sys.lookUp(ctx, r.family.network(), target.Name)
		if err == nil && len(addrs) == 0 {
			err = errors.New("it has no address")
		}
		if err != nil {
			return noAnswer(ctx, target, probe.OverallInconclusive, "The name %s could not be resolved: %v.", target.Name, err), nil
		}
		target.IP = addrs[0].Unmap()
	}
	source := r.source
	if !source.IsValid() {
		var err error
		source, err = r.sys.sourceFor(target.IP, r.iface)
		if errors.Is(err, errNoRoute) {
			return noAnswer(ctx, target, probe.OverallUnreachable, "This machine has no route to %s.", target.IP), nil
		}
		if err != nil {
			return diagnosis.Result{}, openError{err}
		}
	}
	s, err := r.session(source)
	if err != nil {
		return diagnosis.Result{}, openError{err}
	}
	return ask(ctx, diagnosis.Config{
		Exchanger: s.exchanger, Target: target, Source: source,
		Questions: j.questions, Controls: r.controls, ControlAddress: r.controlAddress,
		Trace: r.options.trace, MaxTTL: r.maxTTL, Repeat: r.repeat, Shape: r.shape, Profile: r.profile,
		Timeout: r.timeout, Seed: r.seed,
		Flows: r.flows, Characterize: r.characterize, MaxWait: r.maxWait, Ledger: r.ledger,
		Progress: func(what string) { r.bar.show(target.Input + ": " + what) },
	})
}

// noAnswer is the result for a target to which no packet was sent. An
// interrupted lookup has failed for no reason of its own.
func noAnswer(ctx context.Context, t probe.Target, o probe.Overall, format string, args ...any) diagnosis.Result {
	if ctx.Err() != nil {
		return diagnosis.Result{Target: t}
	}
	return diagnosis.Result{Target: t, Outcome: o, Summary: fmt.Sprintf(format, args...)}
}

// session opens the way from one of our addresses, once.
func (r *measurement) session(source netip.Addr) (*session, error) {
	if s := r.sessions[source]; s != nil {
		return s, nil
	}
	cfg := sessionConfig{source: source, iface: r.iface, rate: r.rate, seed: r.seed, packets: r.packets}
	if r.ledger != nil {
		cfg.shun = func(k packet.Key) bool {
			until, _ := r.ledger.Until(time.Now(), k)
			return !until.IsZero()
		}
	}
	if r.verbose {
		cfg.trace = func(line string) { fmt.Fprintln(r.stderr, line) }
	}
	s, err := r.sys.open(cfg)
	if err != nil {
		return nil, err
	}
	r.sessions[source] = s
	return s, nil
}

// finish ends the run: it writes the files and settles the exit code. err is
// what stopped the run early, or nil.
func (r *measurement) finish(ctx context.Context, err error) error {
	for _, s := range r.sessions {
		err = errors.Join(err, s.close())
	}
	err = errors.Join(err, r.sink.writeFiles(r.packets.Frames()))
	r.code = r.sink.code()
	if ctx.Err() != nil {
		r.code = exitInterrupted
	}
	return err
}
