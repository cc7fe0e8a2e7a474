package report

import (
	"fmt"
	"time"

	"github.com/rstprobe/rstprobe/internal/explain/twoends"
)

// ladder draws a conversation that is in two captures: its beginning, and
// the packets around what did not simply arrive. The clocks are set by the
// round trip: what opens a connection arrives half of it after it left.
func (p *Pair) ladder(clock Clock) *ladder {
	l := &ladder{client: p.AtClient.Client, server: p.AtServer.Server, places: threePlaces}
	for i, row := range p.Rows {
		r := row.rung(clock.RTTMS / 2)
		r.index, r.reasons = i, p.reasons(row)
		switch {
		case len(r.reasons) > 0:
		case i < handshakeLen:
			r.weight = 1
		case p.shown(i):
			r.weight = 2
		default:
			continue
		}
		if n := len(l.rungs); n > 0 { // clocks that were set must not turn the order of the table around
			r.at = max(r.at, l.rungs[n-1].at)
		}
		r.till = max(r.till, r.at)
		l.rungs = append(l.rungs, r)
	}
	l.finish()
	return l
}

// reasons are what a packet is to the findings about a conversation.
func (p *Pair) reasons(row Row) (out []reason) {
	is := func(n PerEnd) bool {
		return n.Client > 0 && n.Client == row.Packet.Client || n.Server > 0 && n.Server == row.Packet.Server
	}
	cite := func(role string, f *EndsFinding) {
		r := reason{role: role}
		out = append(out, r)
		for _, e := range f.Evidence {
			r.rule = e.Rule
			out = append(out, r)
		}
	}
	for i := range p.Foreign {
		f := &p.Foreign[i]
		at := PerEnd{Client: f.Packet}
		if f.At == twoends.Server.String() {
			at = PerEnd{Server: f.Packet}
		}
		if is(at) {
			cite(fmt.Sprintf("never sent by %s, in whose name it came", f.From), &f.EndsFinding)
		}
		if is(f.TriggerPacket) {
			out = append(out, reason{role: fmt.Sprintf("drew packet %d at the %s", f.Packet, f.At)})
		}
	}
	for i := range p.Resets {
		if r := &p.Resets[i]; is(r.Packet) {
			cite(fmt.Sprintf("reset of the %s's own", r.From), &r.EndsFinding)
		}
	}
	return out
}

// rung is the drawing of one packet that takes way milliseconds.
func (r Row) rung(way float64) rung {
	span := func(ms float64) time.Duration { return time.Duration(ms * float64(time.Millisecond)) }
	client, server := span(r.AtClient), span(r.AtServer+way)
	out := rung{
		right: r.From == twoends.Client.String(), from: serverPlace, to: clientPlace,
		at: server, till: client, label: fmt.Sprintf("%s seq %d len %d", r.Flags, r.Seq, r.PayloadLen),
	}
	sent, received := r.Packet.Server, r.Packet.Client
	ttl := r.TTL.Client
	if out.right {
		out.from, out.to, out.at, out.till = clientPlace, serverPlace, client, server
		sent, received, ttl = r.Packet.Client, r.Packet.Server, r.TTL.Server
	}
	if received > 0 {
		out.label += fmt.Sprintf(" TTL %d", ttl)
	}
	out.packet = r.Packet.short()
	switch {
	case sent == 0:
		out.from, out.dashed, out.at = middle, true, out.till
		if r.Fate == twoends.Injected {
			out.mark = forgedMark
		}
	case received == 0:
		out.to, out.dashed, out.till = middle, true, out.at
		if r.Fate == twoends.Lost {
			out.mark = lostMark
		}
	}
	return out
}

// short names a packet in both captures.
func (n PerEnd) short() string {
	switch {
	case n.Server == 0:
		return fmt.Sprintf("#%d/-", n.Client)
	case n.Client == 0:
		return fmt.Sprintf("#-/%d", n.Server)
	}
	return fmt.Sprintf("#%d/%d", n.Client, n.Server)
}
