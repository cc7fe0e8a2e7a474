//go:build !linux

package rawsock

import (
	"errors"
	"fmt"
	"net/netip"
	"runtime"
	"time"

	"github.com/rstprobe/rstprobe/internal/wire"
)

// Conn is a wire of raw sockets. No value of it exists on this system.
type Conn struct{}

var _ wire.Wire = (*Conn)(nil)

func unsupported() error {
	return fmt.Errorf("rawsock: raw sockets on %s: %w", runtime.GOOS, errors.ErrUnsupported)
}

// Open returns an error that is [errors.ErrUnsupported].
func Open(Config) (*Conn, error) { return nil, unsupported() }

// SourceFor returns an error that is [errors.ErrUnsupported].
func SourceFor(_, _ netip.Addr, _ string) (netip.Addr, error) { return netip.Addr{}, unsupported() }

// Room returns an error that is [errors.ErrUnsupported].
func Room(_, _ int) (int, error) { return 0, unsupported() }

// Ports are the guarded ports: none.
func (*Conn) Ports() []uint16 { return nil }

// Send returns an error that is [errors.ErrUnsupported].
func (*Conn) Send([][]byte) (int, error) { return 0, unsupported() }

// Receive returns an error that is [errors.ErrUnsupported].
func (*Conn) Receive([]wire.Frame, time.Time) (int, error) { return 0, unsupported() }

// Wake does nothing.
func (*Conn) Wake() {}

// Stats are all zero.
func (*Conn) Stats() wire.Stats { return wire.Stats{} }

// Close does nothing.
func (*Conn) Close() error { return nil }
