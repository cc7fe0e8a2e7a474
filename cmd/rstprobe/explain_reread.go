package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"time"

	"github.com/rstprobe/rstprobe/internal/capture"
	"github.com/rstprobe/rstprobe/internal/packet"
	"github.com/rstprobe/rstprobe/report"
)

// reread is how a report reads the capture a second time; nil: name is no
// file that stays, such as standard input or another pipe. Once ctx is done
// the error wraps that of ctx.
func (p *program) reread(ctx context.Context, name string) report.Reread {
	if name == "-" {
		return nil
	}
	if info, err := os.Stat(name); err == nil && !info.Mode().IsRegular() {
		return nil
	}
	return func(look func(n int, at time.Time, p *packet.Packet) bool) (err error) {
		in, err := p.openCapture(name)
		if err != nil {
			return err
		}
		defer func() { err = errors.Join(err, in.Close()) }()
		for n := 0; ; n++ {
			if n%often == 0 && ctx.Err() != nil {
				return fmt.Errorf("read %s again: %w", name, ctx.Err())
			}
			f, err := in.Next()
			if damage := (*capture.Damage)(nil); errors.Is(err, io.EOF) || errors.As(err, &damage) {
				return nil // as far as it was explained
			}
			if err != nil {
				return captureError(name, err)
			}
			if !look(f.N, f.At, &f.Packet) {
				return nil
			}
		}
	}
}
