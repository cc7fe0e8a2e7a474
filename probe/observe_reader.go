package probe

import (
	"slices"

	"github.com/rstprobe/rstprobe/internal/flow"
	"github.com/rstprobe/rstprobe/internal/packet"
)

// say files a packet of ours. What we say without a stamp after stamped
// copies is the reader, and so is our FIN where nothing else was said so.
func (o *Observation) say(e *flow.Event) {
	s := &e.Packet.TCP
	swept := o.Stimulus == nil || o.Stimulus.Stamp > 0
	switch {
	case s.Flags.Has(packet.SYN):
	case o.Reader == nil && swept && e.TTL == 0 && (s.Flags.Has(packet.FIN) || s.Size() > 0 && o.Stimulus != nil):
		o.Reader = said(e)
		o.Acked, o.AckedBy = false, 0 // a copy, which may be as long
	case o.Stimulus == nil && s.Size() > 0:
		o.Stimulus = said(e)
	}
}

func said(e *flow.Event) *Seen { return &Seen{N: e.N, At: e.At, Packet: e.Packet, Stamp: e.TTL} }

// saying is what the packets of ours in a record say, all together.
type saying struct {
	end     packet.Seq // after all that we said without a stamp; valid iff some
	some    bool
	stamped bool // some packets are stamped copies
}

func sayingOf(sent []flow.Event) (own saying) {
	for i := range sent {
		switch s := &sent[i].Packet.TCP; {
		case sent[i].TTL > 0:
			own.stamped = true
		case !s.Flags.Has(packet.SYN) && s.Len() > 0:
			own.end, own.some = s.Seq.Add(s.Len()), true
		}
	}
	return own
}

// stamp is which copy of ours drew a packet; 0: none, or not known. What
// acknowledges the reader is the reader's, even if a copy was as long as it.
func (o *Observation) stamp(e *flow.Event, own saying) uint8 {
	p := &e.Packet
	switch {
	case o.Source == flow.Kernel:
		return e.TTL
	case p.ICMP.Kind != 0:
		return flow.QuoteStamp(o.Sent, p.ICMP.Quote)
	case !own.stamped, own.some && o.Reader != nil && p.TCP.Flags.Has(packet.ACK) && p.TCP.Ack == own.end:
		return 0
	}
	return flow.AnswerStamp(o.Sent, p.TCP)
}

// closing reports whether the reader is our FIN.
func (o *Observation) closing() bool {
	return o.Reader != nil && o.Reader.Packet.TCP.Flags.Has(packet.FIN)
}

// last is the observation without what came before the reader.
func (o *Observation) last() Observation {
	last := *o
	if o.Reader == nil {
		return last
	}
	for _, list := range []*[]Seen{&last.Resets, &last.FINs, &last.Data, &last.Errors} {
		*list = slices.DeleteFunc(slices.Clone(*list), func(s Seen) bool { return s.At <= o.Reader.At })
	}
	if o.closing() && o.Acked && len(last.FINs) == 0 {
		last.FINs = o.FINs // the peer had finished before us
	}
	return last
}
