package main

import (
	"bufio"
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"strconv"
	"strings"
	"time"

	"github.com/urfave/cli/v2"

	"github.com/rstprobe/rstprobe/internal/watch/period"
	"github.com/rstprobe/rstprobe/internal/watch/store"
)

// The lines of an export, besides those of history --json.

type coverageLine struct {
	Type  string `json:"type"` // coverage
	Check string `json:"check"`
	store.Covered
}

type rollupLine struct {
	Type  string `json:"type"` // rollup
	Check string `json:"check"`
	period.Hour
}

type exportedRun struct {
	entryLine
	Document json.RawMessage `json:"document"` // report/schema.json
}

// export prints all that is kept of checks, from one time on and before
// another, check by check. Runs are not held in memory, and what is printed ends
// with a whole line, also where it is interrupted.
func (p *program) export(ctx context.Context, s *store.Store, checks []string, from, to time.Time) error {
	w := bufio.NewWriter(p.stdout)
	for _, check := range checks {
		if err := exportCheck(ctx, w, s, check, from, to); err != nil {
			return cmp.Or(w.Flush(), err) // the same one if it is of writing
		}
	}
	return w.Flush()
}

func exportCheck(ctx context.Context, w io.Writer, s *store.Store, check string, from, to time.Time) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	changes, err := s.ChangesBetween(check, from, to)
	if err != nil {
		return err
	}
	for _, c := range changes {
		if err := writeJSONLine(w, entryLine{Type: "change", Check: check, Run: c.Run, Change: &c.Change}); err != nil {
			return err
		}
	}
	coverage, err := s.Coverage(check, from, to)
	if err != nil {
		return err
	}
	for _, c := range coverage {
		if err := writeJSONLine(w, coverageLine{"coverage", check, c}); err != nil {
			return err
		}
	}
	hours, err := s.Hours(check, from, to)
	if err != nil {
		return err
	}
	for _, h := range hours {
		if err := writeJSONLine(w, rollupLine{"rollup", check, h}); err != nil {
			return err
		}
	}
	for r, err := range s.EachRun(check, from, to) {
		if err := cmp.Or(err, ctx.Err()); err != nil {
			return err
		}
		if err := writeJSONLine(w, exportedRun{entryLine{Type: "run", Check: check, Run: r.ID, runLine: newRunLine(r.Entry)}, r.Document}); err != nil {
			return err
		}
	}
	return nil
}

// historyDiff says how two runs differ.
func (p *program) historyDiff(c *cli.Context) (err error) {
	words := strings.FieldsFunc(strings.Join(append([]string{c.String("diff")}, c.Args().Slice()...), ","), func(r rune) bool { return r == ',' || r == ' ' })
	var runs []int64
	for _, w := range words {
		n, err := strconv.ParseInt(w, 10, 64)
		if err != nil {
			return usagef("--diff: %q is no number of a run: write --diff RUN1,RUN2; history CHECK lists them", w)
		}
		runs = append(runs, n)
	}
	if len(runs) != 2 {
		return usagef("--diff compares two runs, not %d: write --diff RUN1,RUN2", len(runs))
	}
	s, _, err := p.openHistory(c)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, s.Close()) }()
	var both [2]store.Run
	for i, id := range runs {
		if both[i], err = s.Run(id); errors.Is(err, store.ErrNoRun) {
			return usagef("--diff: there is no run %d: %w; history CHECK lists those that are kept", id, store.ErrNoRun)
		}
		if err != nil {
			return err
		}
	}
	if both[0].Check != both[1].Check {
		p.warn(fmt.Errorf("run %d is of %s, and run %d of %s", runs[0], both[0].Check, runs[1], both[1].Check))
	}
	d := period.Compare(runs[0], runs[1], both[0].Document, both[1].Document)
	if c.Bool("json") {
		return writeJSONLine(p.stdout, d)
	}
	return d.Text(p.stdout, period.Style{Zone: time.Local})
}
