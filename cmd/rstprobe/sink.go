package main

import (
	"crypto/rand"
	"errors"
	"fmt"
	"io"
	"sync"

	"github.com/rstprobe/rstprobe/internal/diagnosis"
	"github.com/rstprobe/rstprobe/internal/wire/pcapio"
	"github.com/rstprobe/rstprobe/report"
)

// sink writes results: each one to standard output as soon as it is there,
// all of them to the files at the end.
type sink struct {
	w     io.Writer
	json  bool
	style report.Style
	meta  report.Meta
	files []string
	docs  []report.Document // kept iff there are files
	codes []int             // one per result
}

func newSink(w io.Writer, o output, style report.Style) *sink {
	return &sink{
		w: w, json: o.json, files: o.files,
		style: style,
		meta:  report.Meta{RunID: rand.Text(), Version: version(), Mode: modeRaw},
	}
}

func (s *sink) write(res diagnosis.Result) error {
	doc := report.New(res, s.meta)
	s.codes = append(s.codes, report.ExitCode(doc.Verdict.Outcome))
	if len(s.files) > 0 {
		s.docs = append(s.docs, doc)
	}
	if err := s.print(doc); err != nil {
		return fmt.Errorf("write the result: %w", err)
	}
	return nil
}

func (s *sink) print(doc report.Document) error {
	if s.json {
		line, err := doc.JSON()
		if err != nil {
			return err
		}
		_, err = s.w.Write(append(line, '\n'))
		return err
	}
	if len(s.codes) > 1 {
		if _, err := io.WriteString(s.w, "\n"); err != nil {
			return err
		}
	}
	return report.Text(s.w, doc, s.style)
}

// writeFiles writes the files, every one that it can.
func (s *sink) writeFiles(frames []pcapio.Frame) error {
	if len(s.docs) == 0 {
		return nil
	}
	var errs []error
	for _, path := range s.files {
		errs = append(errs, report.WriteFile(path, s.docs, frames))
	}
	return errors.Join(errs...)
}

// code is the exit code for all results.
func (s *sink) code() int { return report.Worst(s.codes...) }

// progressLine is one line on a terminal that says what is being done, and
// goes away.
type progressLine struct {
	w  io.Writer
	on bool

	mu    sync.Mutex
	drawn bool
}

const (
	lineStart = "\r\x1b[K" // ECMA-48: carriage return, erase in line
	maxLine   = 79         // so that it never wraps on a usual terminal
)

func (l *progressLine) show(text string) {
	if !l.on {
		return
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	l.drawn = true
	if r := []rune(text); len(r) > maxLine {
		text = string(r[:maxLine])
	}
	fmt.Fprint(l.w, lineStart+text)
}

func (l *progressLine) clear() {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.drawn {
		fmt.Fprint(l.w, lineStart)
	}
	l.drawn = false
}
