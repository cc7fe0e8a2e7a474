// Package kernelconn carries trials out on ordinary sockets, without any
// privilege: the kernel's own TCP makes the connections, and what it tells of
// them becomes the record. Its callers are those of probe.Exchanger; it judges
// nothing.
//
// A kernel tells when a connection stood, was refused, reset, closed or
// answered, what was said, what was acknowledged (TCP_INFO), and which router
// an expired SYN died at (IP_RECVERR). It shows no packet: see flow.Kernel for
// what a record therefore lacks. It forgets a connection that was reset, so
// that nothing behind the reset is heard. And it sends nothing but a proper
// connection, so not every trial can be had: see [Exchanger.Able].
//
// On Linux that is all so (socket_linux.go). The sockets that every system has
// (socket_portable.go) tell neither what was acknowledged nor any router; the
// build tag portable brings them to Linux, where they can be tried.
package kernelconn

import (
	"net/netip"

	"github.com/rstprobe/rstprobe/internal/packet"
	"github.com/rstprobe/rstprobe/probe"
)

// Config is what an Exchanger needs.
type Config struct {
	Source    netip.Addr            // our address; required
	Interface string                // leave by this one only; "": as the system routes
	Rate      int                   // segments per second that we cause; 0: DefaultRate
	Shun      func(packet.Key) bool // flows to leave alone as long as there are others; nil: none
	Trace     func(line string)     // told every event once its batch is over; nil: nobody
}

// DefaultRate is as polite as the raw engine's.
const DefaultRate = 1000

// able reports whether ordinary sockets can carry out a trial at all. They
// cannot send what belongs to no connection, leave a gap in a stream, say two
// things at one sequence number, or choose the options of a SYN.
func able(t probe.Trial) bool {
	fetches := t.Fetch == "" || t.Stimulus.Kind == probe.SNI && t.TTLs == nil
	return t.Stimulus.Kind != probe.ACK && t.Profile == probe.LinuxSYN && t.Reader == probe.ReadNothing && t.Ahead == 0 && !t.Unconnected && fetches
}
