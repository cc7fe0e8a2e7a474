package main

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"

	"github.com/rstprobe/rstprobe/internal/explain"
	texts "github.com/rstprobe/rstprobe/internal/explain/join"
)

// join reads the texts that are held against a capture.
func (p *program) join(e *explain.Explainer, o explainOptions) error {
	reasons, err := parsed("reset-reasons", o.reasons, texts.ParseReasons)
	if err != nil {
		return err
	}
	sockets, err := parsed("sockets", o.sockets, texts.ParseSockets)
	if err != nil {
		return err
	}
	for _, skipped := range []struct {
		name  string
		lines int
	}{{o.reasons, reasons.Skipped}, {o.sockets, sockets.Skipped}} {
		if skipped.lines > 0 {
			fmt.Fprintf(p.stderr, "rstprobe: lines of %s that say nothing of a connection were skipped: %d\n", skipped.name, skipped.lines)
		}
	}
	e.Join(reasons, sockets)
	return nil
}

// parsed reads the text file that a flag names; "": none.
func parsed[T any](flag, name string, parse func(io.Reader) (T, error)) (text T, err error) {
	if name == "" {
		return text, nil
	}
	f, err := os.Open(name)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return text, usagef("--%s: there is no file %s", flag, name)
	case err != nil:
		return text, fmt.Errorf("read %s: %w", name, err)
	}
	defer func() { err = errors.Join(err, f.Close()) }()
	text, err = parse(f)
	switch {
	case errors.Is(err, texts.ErrNothing):
		return text, usagef("--%s: %s: %w", flag, name, err)
	case err != nil:
		return text, fmt.Errorf("read %s: %w", name, err)
	}
	return text, nil
}
