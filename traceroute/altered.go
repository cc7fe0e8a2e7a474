package traceroute

import (
	"cmp"
	"fmt"
	"slices"

	"github.com/rstprobe/rstprobe/internal/flow"
	"github.com/rstprobe/rstprobe/internal/packet"
)

// Change is a field of our packet that something on the way rewrote.
type Change string

// The changes.
const (
	ServiceChange  Change = "tos"       // DSCP or ECN (RFC 2474, RFC 3168)
	IDChange       Change = "ip_id"     // IPv4 identification
	LengthChange   Change = "length"    // of the datagram
	AddressChange  Change = "address"   // a translator that does not translate its errors back (RFC 5508 §4.2)
	PortChange     Change = "port"      // likewise
	SequenceChange Change = "sequence"  // sequence number: a firewall randomises it, or a proxy
	AckChange      Change = "ack"       // acknowledgment number, likewise
	FlagsChange    Change = "tcp_flags" // control bits
	WindowChange   Change = "window"    // a shaper
	MSSChange      Change = "mss"       // a clamp (RFC 9293 §3.7.1)
	OptionsChange  Change = "options"   // any other TCP option
)

// Alteration is a change and the hop that is the first to quote it. What
// changes a packet stands in the path, between After's TTL check and TTL's.
type Alteration struct {
	Change Change
	After  int    // the last hop before it that quoted the packet as it was sent; 0: none
	TTL    int    // the first hop that quoted it changed
	Quotes int    // hops that quoted it changed: of one alone the router may have quoted wrongly
	Packet int    // number of the ICMP error of hop TTL
	Detail string // what was sent and what was quoted
}

// InPath reports whether more than one router saw the change, so that it
// happened to the packet and not to the quote.
func (a Alteration) InPath() bool { return a.Quotes > 1 }

// quoted is one Time Exceeded with the copy that it is about.
type quoted struct {
	ttl, n int
	sent   packet.Packet
	quote  packet.Quote
}

// Altered compares the packets that routers quote with those that were sent.
// A change counts from the hop on from which all quotes show it: a later
// router that quotes the packet as it was sent shows that the one before
// misquoted.
func Altered(rec flow.Record) []Alteration {
	if rec.Source == flow.Kernel {
		return nil // no quote is known
	}
	var all []quoted
	sent := rec.Packets(flow.Sent)
	for _, e := range rec.Packets(flow.Received) {
		if e.Packet.ICMP.Kind != packet.TimeExceeded {
			continue
		}
		if c, ok := copyOf(sent, e.Packet.ICMP.Quote); ok {
			all = append(all, quoted{ttl: int(c.TTL), n: e.N, sent: c.Packet, quote: e.Packet.ICMP.Quote})
		}
	}
	slices.SortStableFunc(all, func(a, b quoted) int { return cmp.Compare(a.ttl, b.ttl) })
	var found []Alteration
	for _, c := range changes {
		if a, ok := c.first(all); ok {
			found = append(found, a)
		}
	}
	slices.SortStableFunc(found, func(a, b Alteration) int { return cmp.Compare(a.TTL, b.TTL) })
	return found
}

// copyOf is the copy that a quote is about, whichever single field was
// rewritten: at least two of sequence number, IPv4 identification and length
// agree, and more of them than for any other copy.
func copyOf(sent []flow.Event, q packet.Quote) (flow.Event, bool) {
	var best flow.Event
	most, tied := 0, false
	for _, e := range sent {
		p := e.Packet
		if e.TTL == 0 || q.Proto != packet.TCP {
			continue
		}
		score := 0
		for _, same := range []bool{p.TCP.Seq == q.Seq, p.HasID && q.HasID && p.ID == q.ID, len(p.Raw) == q.TotalLen} {
			if same {
				score++
			}
		}
		switch {
		case score > most:
			best, most, tied = e, score, false
		case score == most:
			tied = true
		}
	}
	return best, most >= 2 && !tied
}

// change compares one field; known is false where the quote does not reach it.
type change struct {
	name    Change
	compare func(p packet.Packet, q packet.Quote) (was, is any, known bool)
}

var changes = []change{
	{ServiceChange, func(p packet.Packet, q packet.Quote) (any, any, bool) { return p.TOS, q.TOS, true }},
	{IDChange, func(p packet.Packet, q packet.Quote) (any, any, bool) { return p.ID, q.ID, p.HasID && q.HasID }},
	{LengthChange, func(p packet.Packet, q packet.Quote) (any, any, bool) { return len(p.Raw), q.TotalLen, true }},
	{AddressChange, func(p packet.Packet, q packet.Quote) (any, any, bool) {
		return [2]any{p.Src.Addr(), p.Dst.Addr()}, [2]any{q.Src.Addr(), q.Dst.Addr()}, true
	}},
	{PortChange, func(p packet.Packet, q packet.Quote) (any, any, bool) {
		return [2]any{p.Src.Port(), p.Dst.Port()}, [2]any{q.Src.Port(), q.Dst.Port()}, true
	}},
	{SequenceChange, func(p packet.Packet, q packet.Quote) (any, any, bool) { return p.TCP.Seq, q.Seq, true }},
	{AckChange, func(p packet.Packet, q packet.Quote) (any, any, bool) { return p.TCP.Ack, q.Ack, q.Full }},
	{FlagsChange, func(p packet.Packet, q packet.Quote) (any, any, bool) { return p.TCP.Flags, q.Flags, q.Full }},
	{WindowChange, func(p packet.Packet, q packet.Quote) (any, any, bool) { return p.TCP.Window, q.Window, q.Full }},
	{MSSChange, func(p packet.Packet, q packet.Quote) (any, any, bool) {
		was, had := p.TCP.MSS()
		is, has := packet.Segment{Options: q.Options}.MSS()
		return was, is, q.Full && had && has
	}},
	{OptionsChange, func(p packet.Packet, q packet.Quote) (any, any, bool) {
		if !q.Full || len(q.Options) == 0 || len(q.Options) < len(p.TCP.Options) {
			return nil, nil, false // cut, or not quoted at all
		}
		return withoutMSS(p.TCP.Options), withoutMSS(q.Options), true
	}},
}

// withoutMSS are option bytes, comparable, with the value of an MSS option,
// which is compared by itself, struck out.
func withoutMSS(options []byte) string {
	b := slices.Clone(options)
	for i := 0; i+4 <= len(b) && b[i] != 0; {
		switch {
		case b[i] == 1: // no operation
			i++
		case b[i] == 2 && b[i+1] == 4: // maximum segment size, RFC 9293 §3.1
			b[i+2], b[i+3] = 0, 0
			i += 4
		default:
			i += max(2, int(b[i+1]))
		}
	}
	return fmt.Sprintf("%x", b)
}

// first finds the hop from which on all quotes show the change.
func (c change) first(all []quoted) (Alteration, bool) {
	a := Alteration{Change: c.name}
	last := 0
	for _, q := range all {
		was, is, known := c.compare(q.sent, q.quote)
		switch {
		case !known:
		case was == is:
			a = Alteration{Change: c.name, After: q.ttl}
			last = 0
		case a.TTL == 0:
			a.TTL, a.Packet, a.Detail = q.ttl, q.n, fmt.Sprintf("%v sent, %v quoted", was, is)
			fallthrough
		case q.ttl != last:
			a.Quotes++
			last = q.ttl
		}
	}
	return a, a.TTL > 0
}

// alteredAt are the alterations that a hop is the first to quote, each once.
func alteredAt(ttl int, sweeps []Sweep) []Alteration {
	var found []Alteration
	for _, s := range sweeps {
		for _, a := range s.Altered {
			if a.TTL == ttl && !slices.ContainsFunc(found, func(b Alteration) bool { return a.Change == b.Change }) {
				found = append(found, a)
			}
		}
	}
	return found
}
