//go:build !linux

package kernelconn

import (
	"context"
	"errors"
	"fmt"
	"runtime"

	"github.com/rstprobe/rstprobe/internal/flow"
	"github.com/rstprobe/rstprobe/probe"
)

// Exchanger has no value on this system.
type Exchanger struct{}

var _ probe.Choosy = (*Exchanger)(nil)

func unsupported() error {
	return fmt.Errorf("kernelconn: measuring with ordinary sockets on %s: %w", runtime.GOOS, errors.ErrUnsupported)
}

// New returns an error that is [errors.ErrUnsupported]: other systems tell
// neither the router that an error came from nor what was acknowledged.
func New(Config) (*Exchanger, error) { return nil, unsupported() }

// Able reports whether a trial could be carried out.
func (*Exchanger) Able(t probe.Trial) bool { return able(t) }

// Exchange returns an error that is [errors.ErrUnsupported].
func (*Exchanger) Exchange(context.Context, ...probe.Trial) ([]flow.Record, error) {
	return nil, unsupported()
}
