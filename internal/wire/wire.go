// Package wire is the low seam: datagrams as bytes, out and in. A raw socket
// and the simulated path implement it; the engine lives above it.
package wire

import "time"

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
	// that the network refuses (no route, host down) is an error on it.
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
