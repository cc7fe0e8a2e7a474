package probe

import (
	"slices"
	"time"

	"github.com/rstprobe/rstprobe/internal/packet"
)

// duplicateWithin is how far apart copies of one packet are that a network
// made by itself; captures show many of them.
const duplicateWithin = time.Millisecond

// duplicate reports whether a reset is one seen just before over again: the
// same bytes as far as they matter, the same identification included.
func (o *Observation) duplicate(s Seen) bool {
	for _, r := range o.Resets {
		a, b := r.Packet, s.Packet
		if s.At-r.At < duplicateWithin && a.ID == b.ID && a.TTL == b.TTL && a.TCP.Seq == b.TCP.Seq && a.TCP.Ack == b.TCP.Ack &&
			a.TCP.Flags == b.TCP.Flags && a.TCP.Window == b.TCP.Window {
			return true
		}
	}
	return false
}

// repeated counts segments of data that came again although an acknowledgment
// of ours should have reached the server long before: more than a round trip
// and what a delayed timer adds (RFC 6298 §2.4 asks for a second; Linux waits
// 200 ms). Where two answers contend for the stream we acknowledge the one,
// and the sender of the other has reason to repeat itself.
func (o *Observation) repeated() int {
	_, _, two := conflicting(o.Data)
	_, _, behind := dataAfterFIN(*o)
	if two || behind {
		return 0
	}
	n := 0
	for i, d := range o.Data {
		end := d.Packet.TCP.Seq.Add(d.Packet.TCP.Size())
		for _, before := range o.Data[:i] {
			if before.Packet.TCP.Seq == d.Packet.TCP.Seq && o.ackedBefore(end, d.At-o.RTT) && d.At-before.At >= retransmissionTimeout {
				n++
				break
			}
		}
	}
	return n
}

// retransmissionTimeout is the shortest retransmission timeout in wide use
// (Linux's TCP_RTO_MIN; RFC 6298 §2.4 recommends a second).
const retransmissionTimeout = 200 * time.Millisecond

// ackedBefore reports whether we had acknowledged all up to end by a time.
func (o *Observation) ackedBefore(end packet.Seq, at time.Duration) bool {
	for _, e := range o.Sent {
		if s := e.Packet.TCP; e.At <= at && s.Flags.Has(packet.ACK) && !s.Ack.Before(end) {
			return true
		}
	}
	return false
}

// Rate is how fast the peer's stream came, in bytes per second; 0: too little
// of it came to say.
func (o *Observation) Rate() float64 {
	const least = 8 << 10 // the first windows come back to back, whatever the rate
	if o.Said < least || o.Took <= 0 {
		return 0
	}
	return float64(o.Said) / o.Took.Seconds()
}

// cutSilence is how long a server may pause within an answer: longer than a
// retransmission or two.
const cutSilence = time.Second

// brokenOff reports whether an answer ended short of what it announced: the
// peer closed its stream there, or fell silent.
func (o *Observation) brokenOff() bool {
	return o.Short > 0 && o.Said > 0 && (o.closedShort() || o.Quiet >= cutSilence)
}

// closedShort reports whether a FIN follows what came of a longer answer,
// with nothing missing between.
func (o *Observation) closedShort() bool {
	return o.Short > 0 && o.SYNACK != nil && slices.ContainsFunc(o.FINs, func(f Seen) bool {
		return f.Packet.TCP.Seq.Add(f.Packet.TCP.Size()) == o.SYNACK.Packet.TCP.Seq.Add(1+o.Said)
	})
}

// headless reports whether the beginning of an answer never came: no client
// gets to see what follows it.
func (o *Observation) headless() bool { return o.SYNACK != nil && len(o.Data) > 0 && o.Said == 0 }

// deafened reports whether the server goes on repeating what we acknowledged:
// once may be the loss of an acknowledgment.
func (o *Observation) deafened() bool { return o.Repeated >= 2 }

// before reports whether s arrived before t on the same flow.
func (s Seen) before(t Seen) bool { return s.At < t.At || s.At == t.At && s.N < t.N }
