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
//
// Where there is a Reader, Outcome, Stage, Acked, AckedBy, Said and Reply are
// about it: about what came after it. The lists hold everything.
type Observation struct {
	Source  flow.Source
	Outcome Outcome // how the connection fared, as a client would say it
	Stage   Stage   // where it ended
	Cut     bool    // stopped before the trial was over: say nothing about silence

	RTT      time.Duration // of the handshake; 0: no SYN-ACK, or its SYN was retransmitted
	SYNACK   *Seen         // the first SYN-ACK
	SYNACKs  int           // that came again behind the stimulus
	Stimulus *Seen         // the first packet that carried the stimulus
	Reader   *Seen         // the first packet of what followed TTL-limited copies (see Trial.Reader), or our FIN where nothing was said before; nil: none
	Resets   []Seen        // all resets on the flow, in order; exact duplicates within a millisecond once
	FINs     []Seen
	Data     []Seen        // segments with payload from the peer's side
	Acks     []Seen        // segments of the peer's side that do nothing but acknowledge
	Errors   []Seen        // ICMP errors about the flow, Time Exceeded not among them
	Expired  []Seen        // ICMP Time Exceeded about the flow
	Untold   bool          // it is not known whether it did, nor of Retries; see flow.Record
	Acked    bool          // the peer acknowledged the whole stimulus
	AckedBy  uint8         // the remaining TTL of the first packet that did; valid iff Acked
	Held     bool          // the peer acknowledged selectively what arrived ahead of sequence
	Said     int           // bytes of the peer's stream that came in order
	Reply    payload.Reply // what the peer said, as far as it came in order
	Short    int           // bytes that the answer announced and that did not come in order; 0: none, or nothing was announced
	Took     time.Duration // from the first to the last segment with payload
	Until    time.Duration // the end of the record
	Quiet    time.Duration // from the peer's last packet to the end of the record
	Repeated int           // segments with payload that came again although we had acknowledged them
	Retries  int           // packets that we sent again
	Resent   time.Duration // when the stimulus, or what read after it, was first sent again; 0: it was not
	Lost     int           // packets our own kernel dropped meanwhile
	Sent     []flow.Event  // our packets, for the algebra of the answers
}

// Seen is one packet of the peer's side and how it relates to ours.
type Seen struct {
	N      int           // number in the exported capture
	At     time.Duration // since the start of the trial
	Delay  time.Duration // since the copy that drew it, else since the reader, the stimulus or the first packet, whichever was sent last
	Packet packet.Packet
	Stamp  uint8 // the copy of ours that drew it; 0: none, or not known
}

// Observe reads a record.
func Observe(rec flow.Record) Observation {
	o := Observation{Source: rec.Source, Untold: rec.Untold, Lost: rec.Lost, Cut: rec.Cut, Until: rec.End}
	o.Sent = rec.Packets(flow.Sent)
	own := sayingOf(o.Sent)
	for i := range rec.Events {
		o.note(&rec.Events[i], own)
	}
	last := o.last()
	said, n := last.stream()
	o.Said, o.Reply = n, payload.Recognise(said)
	if rec.Promised > 0 {
		o.Reply.Total = rec.Promised
	}
	o.Short, o.Repeated = max(0, o.Reply.Total-o.Said), o.repeated()
	if n := len(o.Data); n > 0 {
		o.Took = o.Data[n-1].At - o.Data[0].At
	}
	for _, e := range slices.Backward(rec.Events) {
		if e.Kind == flow.Received {
			o.Quiet = max(0, rec.End-e.At)
			break
		}
	}
	last = o.last()
	o.Outcome, o.Stage = last.ending()
	return o
}

// note files one event of a record in which own is what we said.
func (o *Observation) note(e *flow.Event, own saying) {
	p := &e.Packet
	switch e.Kind {
	case flow.Expired:
		return
	case flow.Sent:
		o.say(e)
		return
	case flow.Retransmitted:
		o.Retries++
		if o.Resent == 0 && p.TCP.Size() > 0 {
			o.Resent = e.At
		}
		return
	case flow.Received:
	}
	seen := o.seen(e, own)
	s := &p.TCP
	switch {
	case p.ICMP.Kind == packet.TimeExceeded:
		o.Expired = append(o.Expired, seen)
		return
	case p.ICMP.Kind != 0:
		o.Errors = append(o.Errors, seen)
		return
	case s.Flags.Has(packet.RST):
		if o.Source == flow.Kernel || !o.duplicate(seen) { // a kernel tells of one reset per connection
			o.Resets = append(o.Resets, seen)
		}
		return
	case s.Flags.Has(packet.SYN | packet.ACK):
		// Of SYNs on connections of their own, the one with the smallest TTL.
		if o.SYNACK == nil || o.Source == flow.Kernel && seen.Stamp < o.SYNACK.Stamp {
			first := seen // so that the others need no place of their own
			o.SYNACK = &first
			// Karn's rule: which SYN it answers is not known.
			if o.Retries == 0 && len(o.Sent) > 0 {
				o.RTT = e.At - o.Sent[0].At
			}
		}
		if o.Stimulus != nil {
			o.SYNACKs++
		}
		return
	}
	if own.some && !o.Acked && s.Flags.Has(packet.ACK) && s.Ack == own.end {
		o.Acked, o.AckedBy = true, p.TTL
	}
	if len(s.SACKBlocks()) > 0 {
		o.Held = true
	}
	switch {
	case s.Size() > 0 && e.Copy == 0:
		o.Data = append(o.Data, seen)
	case s.Len() == 0:
		o.Acks = append(o.Acks, seen)
	}
	if s.Flags.Has(packet.FIN) {
		o.FINs = append(o.FINs, seen)
	}
}

func (o *Observation) seen(e *flow.Event, own saying) Seen {
	seen := Seen{N: e.N, At: e.At, Packet: e.Packet, Stamp: o.stamp(e, own)}
	from := time.Duration(0)
	switch {
	case seen.Stamp > 0:
		i := slices.IndexFunc(o.Sent, func(s flow.Event) bool { return s.TTL == seen.Stamp })
		from = o.Sent[i].At
	case o.Reader != nil:
		from = o.Reader.At
	case o.Stimulus != nil:
		from = o.Stimulus.At
	case len(o.Sent) > 0:
		from = o.Sent[0].At
	}
	seen.Delay = e.At - from
	return seen
}

// stream is what the peer said in order after its SYN-ACK, until a gap.
// Without a handshake it begins where our stimulus pretends that it does. Of
// n bytes b are those before the first that was not captured.
func (o *Observation) stream() (b []byte, n int) {
	var next packet.Seq
	switch {
	case o.SYNACK != nil:
		next = o.SYNACK.Packet.TCP.Seq.Add(1)
	case o.Stimulus != nil:
		next = o.Stimulus.Packet.TCP.Ack.Add(int(o.Stimulus.Stamp))
	default:
		return nil, 0
	}
	for grown := true; grown; {
		grown = false
		for i := range o.Data {
			s := &o.Data[i].Packet.TCP
			skip := next.Sub(s.Seq)
			if skip < 0 || skip >= s.Size() {
				continue
			}
			if n == len(b) && skip < len(s.Payload) {
				b = append(b, s.Payload[skip:]...)
			}
			n += s.Size() - skip
			next = s.Seq.Add(s.Size())
			grown = true
		}
	}
	return b, n
}

// ending says how the connection fared. A reset counts wherever it came: the
// client's own kernel would have believed it.
func (o *Observation) ending() (Outcome, Stage) {
	stage := StageSYN
	switch {
	case len(o.Data) > 0:
		stage = StageResponse
	case o.Stimulus != nil, o.Reader != nil:
		stage = StageData
	case o.SYNACK != nil:
		stage = StageHandshake
	}
	switch {
	case len(o.Resets) > 0 && stage == StageSYN:
		return Refused, stage
	case o.Source == flow.Kernel && len(o.FINs) > 0 && o.closedFirst():
		return Fin, StageData // a reset behind it answers what our own kernel did then
	case len(o.Resets) > 0:
		return Reset, stage
	case len(o.FINs) > 0 && o.closing():
		return Fin, stage
	case len(o.FINs) > 0 && o.closedFirst():
		if stage == StageResponse {
			stage = StageData // the answer came too late to be one
		}
		return Fin, stage
	case len(o.Data) > 0 && o.closedShort():
		return Fin, stage
	case o.brokenOff(), o.deafened(), o.headless():
		return Stall, stage
	case len(o.Data) > 0 && o.Reply.Kind == payload.AlertReply:
		return Alert, stage
	case len(o.Data) > 0:
		return OK, stage
	case len(o.FINs) > 0:
		return Fin, stage
	case slices.ContainsFunc(o.Errors, forbids):
		return Unreachable, stage
	case stage == StageHandshake:
		return OK, stage
	case o.Acked, o.Untold && stage == StageData: // the least that can be said
		return Stall, stage
	}
	return Drop, stage
}

// closedFirst reports whether the first FIN closed the peer's stream before
// any data of it: a client's kernel takes nothing after that.
func (o *Observation) closedFirst() bool {
	fin := o.FINs[0]
	return fin.Packet.TCP.Size() == 0 && o.SYNACK != nil && fin.Packet.TCP.Seq == o.SYNACK.Packet.TCP.Seq.Add(1) &&
		(len(o.Data) == 0 || fin.At <= o.Data[0].At)
}

// Unprompted reports whether the server may have sent a packet of its own
// accord, as one does that resets on accept, closes an idle connection or has
// no room for one more: it acknowledges only what came before the stimulus, or
// is a bare reset that answers our handshake's ACK (RFC 9293 §3.10.7), a round
// trip after it, and has come as far as the SYN-ACK.
func (o *Observation) Unprompted(s Seen) bool {
	if o.SYNACK == nil || o.Stimulus == nil || s.Packet.TTL != o.SYNACK.Packet.TTL {
		return false
	}
	tcp := s.Packet.TCP
	if tcp.Flags.Has(packet.ACK) {
		return !o.Stimulus.Packet.TCP.Seq.Before(tcp.Ack)
	}
	return tcp.Flags.Has(packet.RST) && tcp.Seq == o.SYNACK.Packet.TCP.Seq.Add(1) && s.Delay >= o.RTT*7/10
}

// forbids reports whether an ICMP error says that there is no way for our
// packet, rather than that it was too big or took a detour.
func forbids(s Seen) bool { return s.Packet.ICMP.Kind == packet.Unreachable }

// From is the address that sent a packet.
func (s Seen) From() netip.Addr { return s.Packet.Src.Addr() }
