package report

import (
	"cmp"
	"fmt"
	"net/netip"
	"slices"
	"time"

	"github.com/rstprobe/rstprobe/probe"
)

// The importance of packets of an exchange, of which only some are drawn.
const (
	decisivePacket = iota
	supportingPacket
	opposingPacket
	forgedPacket
	openingPacket
	otherPacket
)

// ladder draws an exchange, with the evidence of a test for which it stands.
func (d Document) ladder(e Exchange, t Test) *ladder {
	l := &ladder{client: netip.AddrPortFrom(d.SourceIP, e.LocalPort), server: netip.AddrPortFrom(e.IP, e.Port), places: twoPlaces}
	mark := forgedMark
	if degree(t.Confidence) < degree(probe.Likely) {
		mark = suspectMark
	}
	index := 0
	for _, p := range e.Packets {
		index += p.Skipped
		r := p.rung(d.Path.ServerTTL)
		if p.Forged {
			r.mark, r.from, r.dashed = mark, t.sender(p.Packet).along(d.Path.ServerTTL), true
		}
		r.index, r.weight = index, otherPacket
		switch {
		case p.Forged:
			r.weight = forgedPacket
		case index < handshakeLen:
			r.weight = openingPacket
		}
		weight, reasons := t.cites(p.Packet)
		r.weight, r.reasons = min(r.weight, weight), reasons
		l.rungs = append(l.rungs, r)
		index++
	}
	l.finish()
	return l
}

// cites says what a packet is evidence for, and how important that makes it.
func (t Test) cites(n int) (weight int, why []reason) {
	weight = otherPacket
	if n == 0 { // it has no number
		return weight, nil
	}
	add := func(role string, evidence []Evidence, of int) {
		for _, e := range evidence {
			if !slices.Contains(e.Packets, n) {
				continue
			}
			why = append(why, reason{role: role, rule: e.Rule})
			if weight = min(weight, of); e.Decisive {
				weight = decisivePacket
			}
		}
	}
	add("for", t.Evidence, supportingPacket)
	add("against", t.Against, opposingPacket)
	if t.Location != nil {
		add("place", t.Location.Evidence, supportingPacket)
	}
	return weight, why
}

// sender is the place of the box that sent a packet: of several boxes that
// which is known to have, else that of the test. nil: it was not located.
func (t Test) sender(n int) *Location {
	for _, b := range t.Boxes {
		if n > 0 && b.Location != nil && slices.Contains(b.Packets, n) {
			return b.Location
		}
	}
	return t.Location
}

// along is where between us and the server a place is; nil is in the middle.
func (l *Location) along(serverTTL int) float64 {
	if l == nil {
		return middle
	}
	if l.DeviceTTL != nil {
		return along(float64(*l.DeviceTTL), serverTTL)
	}
	return along(float64(l.AfterTTL+l.AtTTL)/2, serverTTL)
}

// along is where a router stands on a path of that length; one that nothing
// is known of in the middle, and none at its very ends.
func along(ttl float64, serverTTL int) float64 {
	if ttl <= 0 || serverTTL <= 0 {
		return middle
	}
	return min(0.95, max(0.05, ttl/float64(serverTTL)))
}

// rung is the drawing of one packet. A copy of ours that cannot have come to
// the server ends on the way, and what its end drew begins there.
func (p ExchangePacket) rung(serverTTL int) rung {
	at := time.Duration(p.AtMS * float64(time.Millisecond))
	r := rung{packet: "-", at: at, till: at, right: p.Sent, from: serverPlace, to: clientPlace}
	if p.Packet > 0 {
		r.packet = fmt.Sprintf("#%d", p.Packet)
	}
	if p.Sent {
		r.from, r.to = clientPlace, serverPlace
		if n := int(p.CopyTTL); n > 0 && n < serverTTL {
			r.to = along(float64(n), serverTTL)
		}
	}
	if p.ICMP != nil {
		r.from, r.mark, r.dashed = along(float64(p.CopyTTL), serverTTL), routerMark, true
		r.label = icmpLabel(p.ICMP.Type, p.ICMP.Code, p.ICMP.From)
		return r
	}
	r.label = segmentLabel(cmp.Or(p.Flags, "none"), p.Seq, p.Ack, p.Len, p.TTL)
	return r
}

// title says what an exchange is.
func (e Exchange) title() string {
	what := "bare SYN"
	switch e.Kind {
	case probe.SNI:
		what = "ClientHello for " + cmp.Or(e.Name, "no name")
	case probe.Host:
		what = "HTTP request for " + cmp.Or(e.Name, "no name")
	case probe.ACK:
		what = "bare ACK"
	case probe.SYN:
	}
	if e.sweeps() {
		what += ", once per TTL"
	}
	return fmt.Sprintf("%s: %s", e.Role, what)
}

// exchangesOf are the exchanges that stand for a test, counted from 1: what
// any client does before sweeps, tests before controls.
func (d Document) exchangesOf(test int) []Exchange {
	var out []Exchange
	for _, e := range d.Exchanges {
		if slices.Contains(e.Tests, test) {
			out = append(out, e)
		}
	}
	slices.SortStableFunc(out, func(a, b Exchange) int { return cmp.Compare(a.rank(), b.rank()) })
	return out
}

func (e Exchange) rank() (n int) {
	if e.sweeps() {
		n += 2
	}
	if e.Role != probe.Test {
		n++
	}
	return n
}

// sweeps reports whether its stimulus was sent with several TTLs.
func (e Exchange) sweeps() bool {
	return slices.ContainsFunc(e.Packets, func(p ExchangePacket) bool { return p.Sent && p.CopyTTL > 0 })
}
