package probe

import (
	"net/netip"
	"slices"
	"time"

	"github.com/rstprobe/rstprobe/internal/flow"
	"github.com/rstprobe/rstprobe/internal/packet"
	"github.com/rstprobe/rstprobe/internal/payload"
)

// Observation is what one record shows, without a judgement on who did it.
type Observation struct {
	Outcome Outcome // how the connection fared, as a client would say it
	Stage   Stage   // where it ended
	Cut     bool    // stopped before the trial was over: say nothing about silence

	RTT      time.Duration // of the handshake; 0: no SYN-ACK, or its SYN was retransmitted
	SYNACK   *Seen         // the first SYN-ACK
	Stimulus *Seen         // the first packet that carried the stimulus
	Resets   []Seen        // all resets on the flow, in order
	FINs     []Seen
	Data     []Seen        // segments with payload from the peer's side
	Errors   []Seen        // ICMP errors about the flow, Time Exceeded not among them
	Expired  []Seen        // ICMP Time Exceeded about the flow
	Acked    bool          // the peer acknowledged the whole stimulus
	AckedBy  uint8         // the remaining TTL of the first packet that did; valid iff Acked
	Held     bool          // the peer acknowledged selectively what arrived ahead of sequence
	Said     int           // bytes of the peer's stream that came in order
	Reply    payload.Reply // what the peer said, as far as it came in order
	Retries  int           // packets that we had to send again
	Lost     int           // packets our own kernel dropped meanwhile
	Sent     []flow.Event  // our packets, for the algebra of the answers
}

// Seen is one packet of the peer's side and how it relates to ours.
type Seen struct {
	N      int           // number in the exported capture
	At     time.Duration // since the start of the trial
	Delay  time.Duration // since the stimulus, or since the SYN before there was one
	Packet packet.Packet
	Stamp  uint8 // the copy of ours that drew it; 0: none, or not known
}

// Observe reads a record.
func Observe(rec flow.Record) Observation {
	o := Observation{Lost: rec.Lost, Cut: rec.Cut}
	o.Sent = rec.Packets(flow.Sent)
	for _, e := range rec.Events {
		o.note(e)
	}
	said := o.stream()
	o.Said, o.Reply = len(said), payload.Recognise(said)
	o.Outcome, o.Stage = o.ending()
	return o
}

// note files one event.
func (o *Observation) note(e flow.Event) {
	p := e.Packet
	switch e.Kind {
	case flow.Expired:
		return
	case flow.Sent:
		if len(p.TCP.Payload) > 0 && o.Stimulus == nil {
			o.Stimulus = &Seen{N: e.N, At: e.At, Packet: p, Stamp: e.TTL}
		}
		return
	case flow.Retransmitted:
		o.Retries++
		return
	case flow.Received:
	}
	seen := o.seen(e)
	s := p.TCP
	switch {
	case p.ICMP.Kind == packet.TimeExceeded:
		o.Expired = append(o.Expired, seen)
		return
	case p.ICMP.Kind != 0:
		o.Errors = append(o.Errors, seen)
		return
	case s.Flags.Has(packet.RST):
		o.Resets = append(o.Resets, seen)
		return
	case s.Flags.Has(packet.SYN | packet.ACK):
		if o.SYNACK == nil {
			o.SYNACK = &seen
			// Karn's rule: which SYN it answers is not known.
			if o.Retries == 0 && len(o.Sent) > 0 {
				o.RTT = e.At - o.Sent[0].At
			}
		}
		return
	}
	if s.Flags.Has(packet.ACK) && !o.Acked && o.Stimulus != nil && s.Ack == o.end() {
		o.Acked, o.AckedBy = true, p.TTL
	}
	if len(s.SACKBlocks()) > 0 {
		o.Held = true
	}
	if len(s.Payload) > 0 {
		o.Data = append(o.Data, seen)
	}
	if s.Flags.Has(packet.FIN) {
		o.FINs = append(o.FINs, seen)
	}
}

func (o *Observation) seen(e flow.Event) Seen {
	seen := Seen{N: e.N, At: e.At, Packet: e.Packet}
	if e.Packet.ICMP.Kind != 0 {
		seen.Stamp = flow.QuoteStamp(o.Sent, e.Packet.ICMP.Quote)
	} else {
		seen.Stamp = flow.AnswerStamp(o.Sent, e.Packet.TCP)
	}
	from := time.Duration(0)
	switch {
	case seen.Stamp > 0:
		i := slices.IndexFunc(o.Sent, func(s flow.Event) bool { return s.TTL == seen.Stamp })
		from = o.Sent[i].At
	case o.Stimulus != nil:
		from = o.Stimulus.At
	case len(o.Sent) > 0:
		from = o.Sent[0].At
	}
	seen.Delay = e.At - from
	return seen
}

// end is the sequence number after the whole unstamped stimulus.
func (o *Observation) end() packet.Seq {
	var end packet.Seq
	for _, e := range o.Sent {
		if s := e.Packet.TCP; len(s.Payload) > 0 && e.TTL == 0 {
			end = s.Seq.Add(len(s.Payload))
		}
	}
	return end
}

// stream is what the peer said in order after its SYN-ACK, until a gap.
func (o *Observation) stream() []byte {
	if o.SYNACK == nil {
		return nil
	}
	next := o.SYNACK.Packet.TCP.Seq.Add(1)
	var b []byte
	for grown := true; grown; {
		grown = false
		for _, d := range o.Data {
			s := d.Packet.TCP
			if skip := next.Sub(s.Seq); skip >= 0 && skip < len(s.Payload) {
				b = append(b, s.Payload[skip:]...)
				next = s.Seq.Add(len(s.Payload))
				grown = true
			}
		}
	}
	return b
}

// ending says how the connection fared. A reset counts wherever it came: the
// client's own kernel would have believed it.
func (o *Observation) ending() (Outcome, Stage) {
	stage := StageSYN
	switch {
	case len(o.Data) > 0:
		stage = StageResponse
	case o.Stimulus != nil:
		stage = StageData
	case o.SYNACK != nil:
		stage = StageHandshake
	}
	switch {
	case len(o.Resets) > 0 && o.SYNACK == nil:
		return Refused, StageSYN
	case len(o.Resets) > 0:
		return Reset, stage
	case len(o.FINs) > 0 && o.closedFirst():
		if stage == StageResponse {
			stage = StageData // the answer came too late to be one
		}
		return Fin, stage
	case len(o.Data) > 0 && o.Reply.Kind == payload.AlertReply:
		return Alert, stage
	case len(o.Data) > 0:
		return OK, stage
	case len(o.FINs) > 0:
		return Fin, stage
	case slices.ContainsFunc(o.Errors, forbids):
		return Unreachable, stage
	case o.SYNACK == nil:
		return Drop, StageSYN
	case o.Stimulus == nil:
		return OK, StageHandshake
	case o.Acked:
		return Stall, stage
	}
	return Drop, stage
}

// closedFirst reports whether the first FIN closed the peer's stream before
// any data of it: a client's kernel takes nothing after that.
func (o *Observation) closedFirst() bool {
	fin := o.FINs[0]
	return len(fin.Packet.TCP.Payload) == 0 && o.SYNACK != nil && fin.Packet.TCP.Seq == o.SYNACK.Packet.TCP.Seq.Add(1) &&
		(len(o.Data) == 0 || fin.At <= o.Data[0].At)
}

// Unprompted reports whether the server may have sent a packet of its own
// accord, as one does that resets on accept or closes an idle connection: it
// acknowledges only what came before the stimulus, and has come as far as the
// SYN-ACK.
func (o *Observation) Unprompted(s Seen) bool {
	tcp := s.Packet.TCP
	return tcp.Flags.Has(packet.ACK) && o.Stimulus != nil && !o.Stimulus.Packet.TCP.Seq.Before(tcp.Ack) &&
		o.SYNACK != nil && s.Packet.TTL == o.SYNACK.Packet.TTL
}

// forbids reports whether an ICMP error says that there is no way for our
// packet, rather than that it was too big or took a detour.
func forbids(s Seen) bool { return s.Packet.ICMP.Kind == packet.Unreachable }

// From is the address that sent a packet.
func (s Seen) From() netip.Addr { return s.Packet.Src.Addr() }
