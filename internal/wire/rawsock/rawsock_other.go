//go:build !linux

package rawsock

import (
	"context"
	"errors"
	"fmt"
	"net"
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

// SourceFor is our address toward dst: from if it is valid, else the one that the
// system would choose. It cannot choose by interface, which is
// [errors.ErrUnsupported]; the error is [ErrNoRoute] where there is no way.
func SourceFor(dst, from netip.Addr, iface string) (netip.Addr, error) {
	if iface != "" {
		return netip.Addr{}, fmt.Errorf("rawsock: leave by interface %s on %s: %w", iface, runtime.GOOS, errors.ErrUnsupported)
	}
	const discard = 9 // RFC 863; nothing is sent
	d := net.Dialer{}
	if from.IsValid() {
		d.LocalAddr = net.UDPAddrFromAddrPort(netip.AddrPortFrom(from, 0))
	}
	c, err := d.DialContext(context.Background(), "udp", netip.AddrPortFrom(dst.Unmap(), discard).String())
	if err != nil {
		return netip.Addr{}, fmt.Errorf("rawsock: source for %v: %w: %w", dst, ErrNoRoute, err)
	}
	defer c.Close() //nolint:errcheck // nothing was written
	return c.LocalAddr().(*net.UDPAddr).AddrPort().Addr().Unmap(), nil
}

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
