package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/urfave/cli/v2"

	"github.com/rstprobe/rstprobe/internal/watch/page"
	"github.com/rstprobe/rstprobe/internal/watch/period"
	"github.com/rstprobe/rstprobe/internal/watch/store"
	"github.com/rstprobe/rstprobe/internal/watch/watchfile"
	"github.com/rstprobe/rstprobe/report"
)

// groupPeriod is a group of the help of report.
const groupPeriod = "What watch has found"

// periodFlags say which part of the history report renders.
func periodFlags() []cli.Flag {
	return []cli.Flag{
		&cli.StringFlag{Name: "from", Category: groupPeriod, Usage: "say what watch has found from `TIME` on: " + momentForms},
		&cli.StringFlag{Name: "to", Category: groupPeriod, Usage: "say what it has found until `TIME`; a day with all of it (default: now)"},
		watchFileFlagIn(groupPeriod, "read the store that the watch file `FILE` names"),
		&cli.StringFlag{Name: "store", Category: groupPeriod, Usage: "read the store `FILE` (default: that of --watch-file, else " + watchfile.DefaultStore + ")"},
	}
}

// periodFormats write a period to a file, by its extension.
var periodFormats = map[string]func(io.Writer, period.Report, period.Style) error{
	".html": func(w io.Writer, r period.Report, s period.Style) error { return page.Period(w, r, s.Zone) },
	".json": func(w io.Writer, r period.Report, _ period.Style) error { return writeJSONLine(w, r) },
	".md":   period.Markdown,
	".txt":  period.Text,
}

// checkPeriodPath reports why a period could not be written to a path.
func checkPeriodPath(path string) error {
	if periodFormats[strings.ToLower(filepath.Ext(path))] == nil {
		return fmt.Errorf("cannot write %q: a period is written as .html, .json, .md or .txt", path)
	}
	return report.CheckSavedPath(path)
}

// wantsPeriod reports whether report is asked for what watch has found.
func wantsPeriod(c *cli.Context) bool { return c.IsSet("from") || c.IsSet("to") }

// reportPeriod is the report command for what watch has found in a period.
func (p *program) reportPeriod(c *cli.Context) (err error) {
	if !c.IsSet("from") {
		return usagef("--to says where the period ends: write --from TIME as well, such as --from 7d")
	}
	now := time.Now()
	from, to, err := periodFrom(c, now)
	if err != nil {
		return err
	}
	o, err := outputFrom(c, checkPeriodPath)
	if err != nil {
		return err
	}
	s, path, err := p.openHistory(c)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, s.Close()) }()
	if err := o.apart(path); err != nil {
		return err
	}
	names, err := wantedChecks(s, path, c.Args().Slice())
	if err != nil {
		return err
	}
	r := period.Report{
		SchemaVersion: period.SchemaVersion, Type: period.Type, Version: version(),
		MadeAt: now.UTC(), From: from.UTC(), To: to.UTC(),
	}
	for _, name := range names {
		if err := c.Context.Err(); err != nil {
			return err
		}
		check, err := s.Period(name, from.UTC(), to.UTC(), func(d report.Document) { _ = o.redact.Document(d) })
		if err != nil {
			return err
		}
		r.Checks = append(r.Checks, check)
	}
	if o.redact != nil {
		_ = o.redact.Document(r.Known())
		hops := c.Int("redact")
		r = report.Redacted(o.redact, r)
		r.Redacted = &hops
	}
	return p.writePeriod(r, o)
}

// wantedChecks are the named checks, or all; each must be in the store.
func wantedChecks(s *store.Store, path string, wanted []string) ([]string, error) {
	names, err := s.Names()
	if err != nil || len(wanted) == 0 {
		return names, err
	}
	for _, w := range wanted {
		if slices.Contains(names, w) {
			continue
		}
		if _, err := os.Stat(w); err == nil {
			return nil, usagef("%s is a file and no check of %s: write report %s without --from and --to, or the names of checks", w, path, w)
		}
		return nil, usagef("there is no check %q in %s%s", w, path, hint(w, names, "history lists them"))
	}
	slices.Sort(wanted)
	return slices.Compact(wanted), nil
}

// writePeriod writes a period to standard output or to files.
func (p *program) writePeriod(r period.Report, o output) error {
	style := period.Style{Zone: time.Local}
	for _, path := range o.files {
		write := periodFormats[strings.ToLower(filepath.Ext(path))]
		if err := report.Replace(path, func(w io.Writer) error { return write(w, r, style) }); err != nil {
			return err
		}
	}
	switch {
	case o.json:
		return writeJSONLine(p.stdout, r)
	case len(o.files) == 0:
		return period.Text(p.stdout, r, style)
	}
	return nil
}

// writeJSONLine writes a value as JSON on one line that is safe to print on a
// terminal.
func writeJSONLine(w io.Writer, v any) error {
	line, err := json.Marshal(v)
	if err != nil {
		return err
	}
	_, err = w.Write(append(report.EscapeControls(line), '\n'))
	return err
}
