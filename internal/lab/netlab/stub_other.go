//go:build !linux

package netlab

import (
	"errors"
	"fmt"

	"github.com/rstprobe/rstprobe/internal/lab"
)

// Net is a running topology, which exists on Linux only.
type Net struct{}

// New fails with errors.ErrUnsupported.
func New(lab.Topology) (*Net, error) {
	return nil, fmt.Errorf("netlab: network namespaces: %w", errors.ErrUnsupported)
}

// Client fails with errors.ErrUnsupported.
func (*Net) Client(func() error) error {
	return fmt.Errorf("netlab: network namespaces: %w", errors.ErrUnsupported)
}

// Close does nothing.
func (*Net) Close() error { return nil }

// Reexec fails with errors.ErrUnsupported.
func Reexec() error {
	return fmt.Errorf("netlab: user namespaces: %w", errors.ErrUnsupported)
}
