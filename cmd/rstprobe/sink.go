package main

import (
	"crypto/rand"
	"errors"
	"fmt"
	"io"
	"runtime"

	"github.com/rstprobe/rstprobe/internal/diagnosis"
	"github.com/rstprobe/rstprobe/internal/wire/pcapio"
	"github.com/rstprobe/rstprobe/report"
)

// sink writes results: each one to standard output as soon as it is there,
// all of them to the files at the end. What is to be hidden is taken out here,
// before anything is rendered.
type sink struct {
	w      io.Writer
	json   bool
	why    io.Writer // told how each verdict came about; nil: nobody
	style  report.Style
	meta   report.Meta
	redact *report.Redactor // nil: nothing is hidden
	files  []string
	docs   []report.Document // kept iff there are files
	codes  []int             // one per result
	broken error             // why w takes no more results; nil: it does
}

func newSink(w, stderr io.Writer, o output, style report.Style) *sink {
	s := &sink{
		w: w, json: o.json, files: o.files, redact: o.redact,
		style: style,
		meta:  report.Meta{RunID: rand.Text(), Version: version(), Mode: modeRaw, Platform: report.Platform{OS: runtime.GOOS, Architecture: runtime.GOARCH, GoVersion: runtime.Version()}},
	}
	switch {
	case o.explain && o.json:
		s.why, s.style.Color = stderr, false // the style is that of standard output
	case o.explain:
		s.why = w
	}
	return s
}

func (s *sink) write(res diagnosis.Result) error {
	return s.document(report.New(res, s.meta))
}

// document writes a result without what is to be hidden. An error means that
// nobody gets to see it: with files, these are still to come.
func (s *sink) document(doc report.Document) error {
	doc = s.redact.Document(doc)
	s.codes = append(s.codes, report.ExitCode(doc.Verdict.Outcome))
	if len(s.files) > 0 {
		s.docs = append(s.docs, doc)
	}
	if s.broken != nil {
		return nil
	}
	if err := s.print(doc); err != nil {
		s.broken = fmt.Errorf("write the result: %w", err)
	}
	if len(s.files) > 0 {
		return nil // writeFiles will tell
	}
	return s.broken
}

func (s *sink) print(doc report.Document) error {
	if s.json {
		line, err := doc.JSON()
		if err != nil {
			return err
		}
		if _, err = s.w.Write(append(line, '\n')); err != nil || s.why == nil {
			return err
		}
		return report.Explain(s.why, doc, s.style)
	}
	if len(s.codes) > 1 {
		if _, err := io.WriteString(s.w, "\n"); err != nil {
			return err
		}
	}
	if err := report.Text(s.w, doc, s.style); err != nil || s.why == nil {
		return err
	}
	if _, err := io.WriteString(s.why, "\n"); err != nil {
		return err
	}
	return report.Explain(s.why, doc, s.style)
}

// writeFiles writes the files, every one that it can.
func (s *sink) writeFiles(frames []pcapio.Frame) error {
	if len(s.docs) == 0 {
		return nil
	}
	frames = s.redact.Frames(frames)
	errs := []error{s.broken}
	for _, path := range s.files {
		errs = append(errs, report.WriteFile(path, s.docs, frames))
	}
	return errors.Join(errs...)
}

// code is the exit code for all results.
func (s *sink) code() int { return report.Worst(s.codes...) }
