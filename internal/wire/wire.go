// Package wire is the low seam: datagrams as bytes, out and in. A raw socket
// and the simulated path implement it; the engine lives above it.
package wire

import (
	"errors"
	"time"
)

// Errors of [Wire.Send] about one datagram, which this machine itself would
// not send. What the system said is in the chain as well.
var (
	ErrForbidden = errors.New("forbidden on this machine") // by its packet filter, or its routes
	ErrNoWay     = errors.New("no way to send")            // the route is gone, or the interface down
	ErrNoRoom    = errors.New("no room to send")           // worth another try
)

// Frame is one datagram that arrived, or the transmit time of one that left.
type Frame struct {
	At  time.Time // kernel timestamp where there is one, with a monotonic reading
	Raw []byte    // from the IP header on; owned by the receiver of the frame. nil: a transmit stamp
	Tx  int       // valid iff Raw is nil: the index, from 0, of the datagram among all that this wire sent
}

// Stats count what the wire lost.
type Stats struct {
	Dropped int // datagrams the kernel dropped because our receive queue was full
}

// Wire sends and receives IP datagrams of one local address. Send and
// Receive are called by one goroutine; Wake and Close by any.
type Wire interface {
	// Send sends datagrams in order and reports how many left. A datagram
	// that this machine refuses to send is an error on it, one of the above.
	Send(raws [][]byte) (int, error)

	// Receive waits for frames until at least one is there, Wake is called
	// or the time is until (the zero time: no limit), and fills buf. It
	// returns net.ErrClosed after Close.
	Receive(buf []Frame, until time.Time) (int, error)

	// Wake makes a Receive under way, or the next one, return.
	Wake()

	Stats() Stats
	Close() error
}
