package main

import (
	"context"
	"errors"
	"fmt"
	"net/netip"
	"time"

	"github.com/urfave/cli/v2"

	"github.com/rstprobe/rstprobe/internal/diagnosis"
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

	// Found by prepare.
	source  netip.Addr        // our address toward the target
	settled *diagnosis.Result // the result of a target to which nothing will be sent; nil: none yet
}

// measure reads the line, all of it before the first packet leaves, and asks
// about its targets one after the other.
func (p *program) measure(c *cli.Context, ask ask, choose func(tests, probe.Target) ([]diagnosis.Question, error)) error {
	if err := p.confine(p.sys.lower); err != nil {
		return err
	}
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
		if err := o.admits(t.Target); err != nil {
			return t.blame(err)
		}
		qs, err := choose(o.tests, t.Target)
		if err != nil {
			return t.blame(err)
		}
		if err := checkControls(o.controls, qs); err != nil {
			return t.blame(err)
		}
		jobs = append(jobs, job{target: t.Target, questions: qs})
	}
	if !o.quiet {
		p.noteRepeats(targets)
	}
	r := p.newRun(o)
	defer r.bar.until(c.Context)()
	run, stop := context.WithCancel(c.Context)
	defer stop()
	jobs, err = r.prepare(run, jobs, r.drop)
	r.bar.targets = len(jobs)
	for i, j := range jobs {
		if i > 0 && run.Err() != nil { // even a run that is interrupted at once has a result
			fmt.Fprintf(p.stderr, "rstprobe: interrupted: %d of %d targets were not measured, from %s on\n", len(jobs)-i, len(jobs), j.target.Input)
			break
		}
		if err = r.one(run, j, ask); err != nil {
			break
		}
	}
	stop()
	return r.finish(c.Context, err)
}

// measurement is one run over its targets.
type measurement struct {
	*program
	options
	sink     *sink
	packets  *pcapio.Log
	ledger   *residual.Ledger
	bar      *progress
	names    *names
	sessions map[netip.Addr]*session // by our address
}

func (p *program) newRun(o options) *measurement {
	p.stderr = o.redact.Writer(p.stderr)
	if o.verbose {
		fmt.Fprintf(p.stderr, "seed %d\n", o.seed)
	}
	r := &measurement{
		program: p, options: o, packets: &pcapio.Log{}, sessions: map[netip.Addr]*session{},
		sink: newSink(p.stdout, p.stderr, o.output, report.Style{
			Color: p.colour(o.noColor), Verbose: o.verbose, Unicode: p.unicode(),
		}),
		bar: p.newProgress(o.output),
	}
	warn := func(err error) {
		r.bar.clear()
		p.warn(err)
	}
	r.ledger = openLedger(o.waiting.ledger, warn)
	r.names = newNames(o.naming, p.sys.namesOf, warn)
	r.sink.meta.Who = r.names.who
	return r
}

// one asks about one target and writes the answer. That it cannot be reached
// is an answer; an error means that rstprobe cannot go on.
func (r *measurement) one(ctx context.Context, j job, ask ask) error {
	r.bar.next(j.target.Input)
	res, err := r.result(ctx, j, ask)
	return errors.Join(err, r.sink.write(res))
}

// result asks about one target. It is valid even with an error.
func (r *measurement) result(ctx context.Context, j job, ask ask) (diagnosis.Result, error) {
	started := time.Now()
	res, err := r.answer(ctx, j, ask)
	r.bar.clear()
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
	r.names.settle(ctx, res)
	return res, err
}

// answer is the result for one target: of the questions, or what prepare found
// out.
func (r *measurement) answer(ctx context.Context, j job, ask ask) (diagnosis.Result, error) {
	if j.settled != nil {
		return *j.settled, nil
	}
	target := j.target
	r.redact.Show(target.IP, r.controlAddress)
	r.names.want(ctx, target.IP)
	exchanger, tell := r.sessions[j.source].exchanger, func(diagnosis.Progress) {}
	if r.plan {
		p := &plan{Exchanger: exchanger, target: target, tell: func(line string) { fmt.Fprintln(r.stderr, line) }}
		exchanger, tell = p, p.update
	}
	return ask(ctx, diagnosis.Config{
		Exchanger: exchanger, Target: target, Source: j.source,
		Questions: j.questions, Controls: r.controls, ControlAddress: r.controlAddress,
		Trace: r.options.trace, MaxTTL: r.maxTTL, Repeat: r.repeat, Shape: r.shape, Profile: r.profile,
		Timeout: r.timeout, Seed: r.seed,
		Flows: r.flows, Characterize: r.characterize, MaxWait: r.maxWait, Ledger: r.ledger,
		Progress: func(s diagnosis.Progress) {
			tell(s)
			r.bar.update(report.Redacted(r.redact, s))
			for _, h := range s.Hops {
				r.names.want(ctx, h.Addr)
			}
		},
	})
}

// finish ends the run: it writes the files and settles the exit code. err is
// what stopped the run early, or nil.
func (r *measurement) finish(ctx context.Context, err error) error {
	r.bar.clear()
	for _, s := range r.sessions {
		err = errors.Join(err, s.close())
	}
	err = errors.Join(err, r.names.close(), r.sink.writeFiles(r.packets.Frames()))
	r.code = r.sink.code()
	if ctx.Err() != nil {
		r.code = exitInterrupted
	}
	return err
}
