package main

import (
	"errors"
	"fmt"
	"io"
	"os"

	"github.com/urfave/cli/v2"

	"github.com/rstprobe/rstprobe/report"
)

// reportFlags say how saved results are rendered.
func reportFlags() []cli.Flag {
	return append(periodFlags(),
		&cli.BoolFlag{Name: "json", Category: groupOutput, Usage: "print one JSON object per result and line"},
		&cli.StringSliceFlag{Name: "output", Aliases: []string{"o"}, Category: groupOutput,
			Usage: "write `FILE` in the format of its extension (" + savedFormats + "), and print nothing unless --json is given; repeatable"},
		redactFlag(),
		&cli.BoolFlag{Name: "verbose", Aliases: []string{"v"}, Category: groupOutput, Usage: "print all that is known"},
		explainFlag(),
		&cli.BoolFlag{Name: "no-color", Category: groupOutput, Usage: "use no colours (also: NO_COLOR=1)"},
	)
}

// savedFormats are the extensions of --output of report, for the help: a saved
// result has no packets.
const savedFormats = ".html .json .jsonl .md .ooni.jsonl .txt"

// report is the report command: it renders saved results again. Nothing is
// measured, so its exit code says only whether that worked.
func (p *program) report(c *cli.Context) error {
	if err := misplaced(c); err != nil {
		return err
	}
	if wantsPeriod(c) {
		return p.reportPeriod(c)
	}
	o, err := outputFrom(c, report.CheckSavedPath)
	if err != nil {
		return err
	}
	if c.NArg() == 0 {
		return usagef("report renders saved results: write report FILE.json -o report.html, or report - for standard input; what watch has found: report --from 7d -o report.html")
	}
	if err := o.apart(c.Args().Slice()...); err != nil {
		return err
	}
	var all report.Saved
	for _, name := range c.Args().Slice() {
		saved, err := p.readSaved(name)
		if err != nil {
			return err
		}
		all.Documents = append(all.Documents, saved.Documents...)
		all.Captures = append(all.Captures, saved.Captures...)
	}
	switch n := len(all.Captures); {
	case n == 0:
		return p.renderDocuments(all.Documents, o)
	case len(all.Documents) > 0:
		return usagef("some of these are results of measurements, some of explain: render them apart")
	case n > 1 && len(o.files) > 0:
		return usagef("-o holds what one capture shows, and these are %d: render them one by one", n)
	}
	return p.renderCaptures(all.Captures, o)
}

// readSaved reads the results in one file; of a file that was cut off, those
// that are whole.
func (p *program) readSaved(name string) (saved report.Saved, err error) {
	in, file := p.stdin, name
	switch {
	case name == "-" && in == nil:
		return saved, usagef("standard input can be read only once: write - once")
	case name == "-":
		file, p.stdin = "standard input", nil
	default:
		if info, err := os.Stat(name); err == nil && info.IsDir() {
			return saved, usagef("%s is a directory: write the name of a file with results", name)
		}
		f, err := os.Open(name)
		if errors.Is(err, os.ErrNotExist) {
			return saved, usagef("there is no file %s", name)
		}
		if err != nil {
			return saved, fmt.Errorf("read results: %w", err)
		}
		defer f.Close() //nolint:errcheck // only read
		in = f
	}
	saved, err = report.ReadSaved(in)
	whole := len(saved.Documents) + len(saved.Captures)
	var at *report.PositionError
	switch {
	case err == nil:
	case errors.As(err, &at) && at.Truncated && whole > 0:
		p.warn(fmt.Errorf("%s: %w; rendered is what is whole, %d before it", file, err, whole))
	case errors.Is(err, report.ErrRead):
		return saved, fmt.Errorf("%s: %w", file, err)
	default:
		return saved, usagef("%s: %w", file, err)
	}
	return saved, nil
}

// renderDocuments renders results of measurements as the sink does live ones.
func (p *program) renderDocuments(docs []report.Document, o output) error {
	w := p.stdout
	if len(o.files) > 0 && !o.json {
		w = io.Discard
	}
	s := newSink(w, p.stderr, o, report.Style{Color: p.colour(o.noColor), Verbose: o.verbose, Unicode: p.unicode()})
	for _, d := range docs {
		if err := s.document(d); err != nil {
			return err
		}
	}
	return s.writeFiles(nil)
}

// renderCaptures renders what explain said, without the packets, which the
// saved result does not have.
func (p *program) renderCaptures(docs []report.Capture, o output) error {
	style := report.CaptureStyle{Style: report.Style{Color: p.colour(o.noColor), Unicode: p.unicode()}, All: true}
	for i, d := range docs {
		d = o.redact.Capture(d)
		if len(o.files) == 0 || o.json {
			if i > 0 && !o.json {
				fmt.Fprintln(p.stdout)
			}
			if err := p.printExplanation(d, style, o.json); err != nil {
				return fmt.Errorf("write the explanation: %w", err)
			}
		}
		for _, path := range o.files {
			if report.NeedsReread(path) || report.CheckCapturePath(path) != nil {
				return usagef("-o %s: a saved explanation cannot be written in this format: write .html, .json, .md or .txt", path)
			}
			if err := report.WriteCaptureFile(path, d, style, nil); err != nil {
				return err
			}
		}
	}
	return nil
}
