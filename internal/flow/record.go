// Package flow holds what was seen on one TCP connection, in order and
// unjudged. A live raw trial, an ordinary socket and a capture file all
// become the same Record, so that the same pure functions judge them.
package flow

import (
	"time"

	"github.com/rstprobe/rstprobe/internal/packet"
)

// Source says how a record was made, and so what it can know.
type Source uint8

// The sources of records.
const (
	Raw     Source = iota + 1 // our own TCP client over raw sockets: every header field
	Kernel                    // ordinary sockets: what the kernel's own TCP told, see there
	Capture                   // a capture file
)

// A Kernel record has no packets. Its events are what the kernel told of
// connections, put as the packets that it must have seen: ends, flags and
// payload hold, and sequence numbers count from 0 on both sides. All other
// fields are 0, which here means not known: TTL, unless it was measured
// (probe.Trial.ExactTTL), ID, Window and Options of what was received, whether
// a reset had the ACK flag, the sender of an ICMP error about anything but a
// SYN, and all quotes. Nothing of a connection is heard behind its reset, and
// nothing twice. Copies with several TTLs had a connection each.

// Refusal says why this machine itself would not send a packet of ours. It is
// no event of the network: nothing left.
type Refusal uint8

// The refusals.
const (
	NotRefused Refusal = iota
	Forbidden          // a rule of its packet filter, or a route of type prohibit
	NoWay              // the route or the address is gone, or the interface is down
	NoRoom             // the interface took no more packets, also not after a while
)

// Kind says what an event is.
type Kind uint8

// The kinds of event.
const (
	Sent          Kind = iota + 1 // a packet of ours left
	Retransmitted                 // a packet of ours left again, same sequence number, because nothing acknowledged it
	Received                      // a packet arrived on the flow, or an ICMP error that quotes it
	Expired                       // a deadline of the trial passed; Packet is empty
)

// Event is one thing that happened.
type Event struct {
	At     time.Duration // since Record.Start, 1 µs resolution; kernel timestamps where there are any
	Kind   Kind
	Packet packet.Packet // zero iff Kind == Expired
	N      int           // the packet's number in the exported capture, from 1; 0: not exported. In a Kernel record, of which there is no capture, the number of the event
	TTL    uint8         // the stamp of a copy of ours (see probe.Trial.TTLs); 0: not a stamped copy. In a Kernel record also of what a copy drew: the copy's
	Copy   int           // in a capture, the N of a packet at most 5 ms before that this is equal to, as mirror ports show packets twice; 0: it is new
}

// Record is everything seen on one flow.
type Record struct {
	Key      packet.Key
	Source   Source
	Start    time.Time     // wall clock of offset 0
	End      time.Duration // when watching stopped
	Cut      bool          // it was stopped from outside, before its time
	Refused  Refusal       // why this machine would not send the next packet, which is what cut it; NotRefused: it would
	Events   []Event       // ascending by At
	Untold   bool          // of a Kernel record: this system does not tell what the peer has acknowledged, nor what was sent again
	Promised int           // bytes of the peer's stream that its answer takes, where only the client could read that, inside TLS; 0: not known
	Lost     int           // packets the kernel dropped on our receive socket during this record; > 0 caps confidence
}

// Packets are the events of one kind, in order.
func (r Record) Packets(k Kind) []Event {
	n := 0
	for i := range r.Events {
		if r.Events[i].Kind == k {
			n++
		}
	}
	if n == 0 {
		return nil
	}
	out := make([]Event, 0, n)
	for i := range r.Events {
		if r.Events[i].Kind == k {
			out = append(out, r.Events[i])
		}
	}
	return out
}
