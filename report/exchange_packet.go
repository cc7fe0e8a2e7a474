package report

import (
	"slices"

	"github.com/rstprobe/rstprobe/internal/diagnosis"
	"github.com/rstprobe/rstprobe/internal/flow"
	"github.com/rstprobe/rstprobe/internal/packet"
	"github.com/rstprobe/rstprobe/probe"
)

// numbering tells sequence numbers as distances from the first of each end.
type numbering struct {
	first [2]packet.Seq
	known [2]bool
}

// of is the numbers of a segment of one end. A reset tells nothing of where
// its sender began, so until another packet came its number is as sent.
func (n *numbering) of(t packet.Segment, byClient bool) (seq, ack int) {
	own, peer := 1, 0
	if byClient {
		own, peer = 0, 1
	}
	relative := func(end int, s packet.Seq) int {
		if !n.known[end] {
			return int(s)
		}
		return s.Sub(n.first[end])
	}
	if !n.known[own] && !t.Flags.Has(packet.RST) {
		n.first[own], n.known[own] = t.Seq, true
	}
	if t.Flags.Has(packet.ACK) {
		ack = relative(peer, t.Ack)
	}
	return relative(own, t.Seq), ack
}

func exchangePacket(e flow.Event, numbers *numbering) ExchangePacket {
	p := e.Packet
	out := ExchangePacket{Packet: e.N, AtMS: milliseconds(e.At), Sent: e.Kind != flow.Received, TTL: p.TTL}
	if p.ICMP.Kind != 0 {
		out.ICMP = &ICMPMessage{From: p.Src.Addr(), Type: p.ICMP.Type, Code: p.ICMP.Code}
		return out
	}
	out.Flags, out.Len = p.TCP.Flags.String(), p.TCP.Size()
	out.Seq, out.Ack = numbers.of(p.TCP, out.Sent)
	return out
}

// copiesAnswered are the TTLs of our copies that received packets answer, by
// packet number.
func copiesAnswered(rec flow.Record) map[int]uint8 {
	o := probe.Observe(rec)
	out := map[int]uint8{}
	for _, list := range [][]probe.Seen{o.Resets, o.FINs, o.Data, o.Errors, o.Expired} {
		for _, s := range list {
			if s.N > 0 {
				out[s.N] = s.Stamp
			}
		}
	}
	return out
}

// boxAuthor reports whether an author is a box between us and the server.
func boxAuthor(a probe.Author) bool {
	return a == probe.OnPath || a == probe.InPath || a == probe.OnOrInPath
}

// forged says which events, by index, are packets of a box by the verdicts of
// tests: those that their evidence names, of the sort that the outcome is
// about, and others of that sort that came with the same TTL.
func forged(tests []diagnosis.Test, events []flow.Event) map[int]bool {
	out := map[int]bool{}
	for _, t := range tests {
		if !boxAuthor(t.Verdict.Author) {
			continue
		}
		named, ttls := packetsOfBoxes(t), map[uint8]bool{}
		for _, e := range events {
			if e.N > 0 && named[e.N] && ended(t.Verdict.Outcome, e) {
				ttls[e.Packet.TTL] = true
			}
		}
		for k, e := range events {
			if ttls[e.Packet.TTL] && ended(t.Verdict.Outcome, e) {
				out[k] = true
			}
		}
	}
	return out
}

// packetsOfBoxes are the numbers of the packets that speak for a box.
func packetsOfBoxes(t diagnosis.Test) map[int]bool {
	out := map[int]bool{}
	evidence := slices.Clone(t.Verdict.Evidence)
	if t.Location != nil {
		evidence = append(evidence, t.Location.Evidence...)
	}
	for _, e := range evidence {
		if boxAuthor(e.Supports) {
			for _, n := range e.Packets {
				out[n] = true
			}
		}
	}
	for _, b := range t.Boxes {
		for _, n := range b.Packets {
			out[n] = true
		}
	}
	return out
}

// ended reports whether a packet is of the sort that makes an outcome.
func ended(o probe.Outcome, e flow.Event) bool {
	s := e.Packet.TCP
	if e.Kind != flow.Received || e.Packet.ICMP.Kind != 0 {
		return false
	}
	switch o {
	case probe.Reset, probe.Refused:
		return s.Flags.Has(packet.RST)
	case probe.Fin:
		return s.Flags.Has(packet.FIN)
	case probe.InjectedResponse, probe.Alert:
		return s.Size() > 0
	case probe.OK, probe.Drop, probe.Stall, probe.Unreachable, probe.Inconclusive:
	}
	return false
}
