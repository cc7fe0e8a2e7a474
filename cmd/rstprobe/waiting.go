package main

import (
	"errors"
	"fmt"
	"sync"
	"time"

	"github.com/urfave/cli/v2"

	"github.com/rstprobe/rstprobe/internal/residual"
	"github.com/rstprobe/rstprobe/internal/residual/ledgerfile"
)

// Groups of the help, besides those of flags.go.
const (
	groupDepth   = "Depth"
	groupWaiting = "Residual blocking"
)

// Defaults and limits of these flags.
const (
	defaultFlows   = 1
	maxFlows       = 16 // half-open connections at once, when their paths are compared
	defaultMaxWait = 3 * time.Minute
)

// noLedger is the FILE of --ledger that switches the file off.
const noLedger = "none"

// depthFlags say how much is found out about interference.
func depthFlags() []cli.Flag {
	return []cli.Flag{
		&cli.BoolFlag{Name: "characterize", Category: groupDepth,
			Usage: "find out which exact thing triggers: how the name is written, cut and carried, to which port and address"},
		&cli.IntFlag{Name: "flows", Category: groupDepth, Value: defaultFlows,
			Usage: "repeat over `N` flow classes (1 to 16), which load balancers may send by different ways"},
	}
}

// waitFlags say what is done about boxes that go on blocking after a trigger.
func waitFlags() []cli.Flag {
	return []cli.Flag{
		&cli.DurationFlag{Name: "max-wait", Category: groupWaiting, Value: defaultMaxWait,
			Usage: "wait no longer than `DURATION` per target for blocks to end (0s to 1h)"},
		&cli.StringFlag{Name: "ledger", Category: groupWaiting,
			Usage: "keep in `FILE` what is blocked until when; none: keep nothing (default: residual.json in ~/.local/state/rstprobe)"},
	}
}

// depth says how much is found out about interference.
type depth struct {
	flows        int
	characterize bool
}

// waiting says what is done about boxes that go on blocking after a trigger.
type waiting struct {
	maxWait time.Duration
	ledger  string // path of the file; "" for none
}

// depthFrom reads the flags of depthFlags, which some commands do not have.
func depthFrom(c *cli.Context) (depth, error) {
	d := depth{flows: defaultFlows}
	if flagOf(c.Command.Flags, "flows") == nil {
		return d, nil
	}
	d.characterize = c.Bool("characterize")
	if d.flows = c.Int("flows"); d.flows < 1 || d.flows > maxFlows {
		return d, usagef("--flows is %d: write a number from 1 to %d", d.flows, maxFlows)
	}
	return d, nil
}

// waitingFrom reads the flags of waitFlags.
func (p *program) waitingFrom(c *cli.Context) (waiting, error) {
	w := waiting{maxWait: c.Duration("max-wait"), ledger: c.String("ledger")}
	if w.maxWait < 0 || w.maxWait > residual.MaxHold {
		return w, usagef("--max-wait is %v: write a time from 0s (do not wait) to %v, such as 90s or 5m", w.maxWait, residual.MaxHold)
	}
	switch {
	case !c.IsSet("ledger"):
		w.ledger = ledgerfile.DefaultPath(p.sys.getenv)
	case w.ledger == "":
		return w, usagef("--ledger: the name of the file is missing: write --ledger FILE, or --ledger %s", noLedger)
	case w.ledger == noLedger:
		w.ledger = ""
	}
	return w, nil
}

// openLedger is the ledger of a run. What it notes is in the file at once, so
// that it outlives even a run that is killed. A file that cannot be used is
// no reason not to measure: warn is told, once for reading and once for
// writing.
func openLedger(path string, warn func(error)) *residual.Ledger {
	if path == "" {
		return &residual.Ledger{}
	}
	l, err := ledgerfile.Load(path, time.Now())
	if err != nil {
		warn(fmt.Errorf("what earlier runs left blocked is not known: %w", err))
		if !errors.Is(err, ledgerfile.ErrSetAside) {
			return l // and so of this run only
		}
	}
	var once sync.Once
	l.Changed = func() {
		if err := ledgerfile.Save(path, l, time.Now()); err != nil {
			once.Do(func() { warn(fmt.Errorf("later runs will not know what is blocked: %w", err)) })
		}
	}
	return l
}
