// Package rawsock is the Wire of a Linux host: raw IP sockets that send and
// receive whole datagrams of one local address, and the guard that keeps the
// kernel's own TCP out of the conversation.
//
// It needs CAP_NET_RAW and nothing else: no firewall rule, no configuration,
// no interface or link-layer address, since the kernel still routes. It
// leaves nothing behind, not even when the process is killed.
//
// It knows no TCP: what the datagrams say is for the engine above. On other
// systems Open and SourceFor return an error that is [errors.ErrUnsupported].
package rawsock

import (
	"errors"
	"fmt"
	"net/netip"
)

// Limits of a [Config].
const (
	// MaxPorts bounds the guarded block: each port is one descriptor.
	MaxPorts = 4096

	// The guarded block lies in [minPort, maxPort]: above the registered
	// services that a host may run, below the end of the ports that Linux
	// gives to outgoing connections (32768 to 60999 by default).
	minPort = 20000
	maxPort = 60000
)

// Config says which address a [Conn] speaks for.
type Config struct {
	Source    netip.Addr // an address of this host; with a zone if it is link-local. See SourceFor
	Interface string     // the interface that datagrams leave by; empty: as the kernel routes
	Ports     int        // how many local TCP ports to guard, 1 to MaxPorts
}

// Errors that a caller may branch on. Refusals by the kernel stay in the
// chain as they are: [os.ErrPermission] from Open where CAP_NET_RAW is
// missing, the errno of one destination from Send.
var (
	// ErrNoRoute means that the kernel has no way to an address.
	ErrNoRoute = errors.New("no route")

	// ErrBroadcast means that an address is that of all hosts of a network.
	ErrBroadcast = errors.New("a broadcast address")

	// ErrFiles means that this process may open too few files for the guard.
	ErrFiles = errors.New("too few files may be open")

	// ErrNoPorts means that no block of free ports was found.
	ErrNoPorts = errors.New("no block of free ports")
)

func (c Config) validate() error {
	switch {
	case !c.Source.IsValid() || c.Source.IsUnspecified() || c.Source.IsMulticast():
		return fmt.Errorf("rawsock: source %v is not the address of a host", c.Source)
	case c.Ports < 1 || c.Ports > MaxPorts:
		return fmt.Errorf("rawsock: %d ports asked for, not 1 to %d", c.Ports, MaxPorts)
	}
	return nil
}
