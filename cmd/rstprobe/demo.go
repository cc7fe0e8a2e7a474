package main

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"syscall"
	"text/tabwriter"

	"github.com/urfave/cli/v2"

	"github.com/rstprobe/rstprobe/internal/diagnosis"
	"github.com/rstprobe/rstprobe/internal/lab/cases"
	"github.com/rstprobe/rstprobe/internal/payload"
	"github.com/rstprobe/rstprobe/internal/wire/engine"
	"github.com/rstprobe/rstprobe/report"
)

// demo is the demo command: it builds a case on this machine's kernel, in
// network namespaces that nothing else uses, diagnoses it and tears it down.
func (p *program) demo(c *cli.Context) error {
	if err := misplaced(c); err != nil {
		return err
	}
	out, err := outputFrom(c, report.CheckPath)
	if err != nil {
		return err
	}
	all := p.demos()
	if c.Bool("list") {
		if c.NArg() > 0 {
			return usagef("--list takes no case: write demo --list, or demo %s", c.Args().First())
		}
		return p.listCases(all)
	}
	chosen := all[0]
	switch c.NArg() {
	case 0:
	case 1:
		if chosen, err = p.findCase(all, c.Args().First()); err != nil {
			return err
		}
	default:
		return usagef("demo runs one case: write one name of demo --list")
	}
	cfg := chosen.Config()
	o := options{
		output: out, depth: depth{flows: defaultFlows}, waiting: waiting{maxWait: defaultMaxWait}, controls: cfg.Controls, controlAddress: cfg.ControlAddress, trace: diagnosis.TraceAuto,
		maxTTL: defaultMaxTTL, repeat: defaultRepeat, shape: payload.Plain, mode: modeAuto, rate: engine.DefaultRate,
	}
	o.seed, o.seedGiven = seed(c)
	return p.runCase(c.Context, chosen, o)
}

// runCase builds a case, diagnoses it and tears it down, whatever happens.
func (p *program) runCase(ctx context.Context, dc cases.Case, o options) (err error) {
	// An ordinary user continues in a user namespace of their own.
	if err := p.sys.reexec(); err != nil {
		return openError{noSpace(fmt.Errorf("the demo needs network namespaces, so root or user namespaces: %w", err))}
	}
	r := p.newRun(o)
	if !o.quiet {
		fmt.Fprintf(p.stderr, "demo %s: %s\n", dc.Name, dc.Doc)
	}
	defer r.bar.until(ctx)()
	r.bar.show("demo: building the path")
	net, err := p.sys.lab(dc.Topology)
	if err != nil {
		r.bar.clear()
		return openError{noSpace(err)}
	}
	defer func() { err = errors.Join(err, net.Close()) }()
	// The sockets are opened in the client's namespace and stay there.
	err = net.Client(func() error {
		jobs := []job{{target: dc.Target(), questions: dc.Config().Questions}}
		jobs, err := r.prepare(ctx, jobs, keep)
		if err != nil {
			return err
		}
		return r.all(ctx, jobs, p.sys.diagnose)
	})
	return r.finish(ctx, err)
}

// noSpace explains that there may be no more namespaces, which the system puts
// into the words of a full disk (unshare(2)).
func noSpace(err error) error {
	if !errors.Is(err, syscall.ENOSPC) {
		return err
	}
	return fmt.Errorf("%w: this machine allows no more namespaces; to allow them until the next start:\n  sudo sysctl -w user.max_net_namespaces=10000 user.max_user_namespaces=10000", err)
}

func (p *program) listCases(all []cases.Case) error {
	w := tabwriter.NewWriter(p.stdout, 0, 0, 2, ' ', 0)
	for _, dc := range all {
		fmt.Fprintf(w, "%s\t%s\n", dc.Name, dc.Doc)
	}
	return w.Flush()
}

// demos are the cases that can be built on a real kernel.
func (p *program) demos() []cases.Case {
	return slices.DeleteFunc(slices.Clone(p.sys.cases()), func(dc cases.Case) bool { return dc.Simulated })
}

// findCase finds a case by name; the error names those that look alike.
func (p *program) findCase(all []cases.Case, name string) (cases.Case, error) {
	if slices.ContainsFunc(p.sys.cases(), func(dc cases.Case) bool { return dc.Simulated && dc.Name == name }) {
		return cases.Case{}, usagef("the case %s cannot be built on a real kernel, only in a test: write one of demo --list", name)
	}
	var alike []string
	for _, dc := range all {
		if dc.Name == name {
			return dc, nil
		}
		if strings.Contains(dc.Name, name) {
			alike = append(alike, dc.Name)
		}
	}
	hint := "demo --list shows them"
	if len(alike) > 0 {
		hint = "did you mean " + strings.Join(alike, ", ") + "?"
	}
	return cases.Case{}, usagef("there is no case %q: %s", name, hint)
}
