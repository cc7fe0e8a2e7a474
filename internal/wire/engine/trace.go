package engine

import (
	"fmt"
	"time"

	"github.com/rstprobe/rstprobe/internal/packet"
)

// tracer tells every packet as one line: its number in the exported capture,
// the local time, "Out" or "In", and the packet as tcpdump -i any -n -v prints
// it, but on one line. Once a connection stands, its sequence numbers are
// counted from the initial ones of both ends; before that, and without, they
// are as on the wire.
//
// Lines come in the order in which the engine handles packets, that of their
// numbers. The time of what came in is the kernel's, taken before the engine
// could read it, so that a line may be a little earlier than the one above.
type tracer struct {
	tell  func(line string)
	flows map[packet.Key]initials // those that stand; one entry per flow of the run
}

// initials are the first sequence numbers of a connection.
type initials struct{ local, remote packet.Seq }

func newTracer(tell func(string)) *tracer {
	return &tracer{tell: tell, flows: map[packet.Key]initials{}}
}

func (t *tracer) packet(n int, at time.Time, p packet.Packet, sent bool) {
	direction, line := "In ", ""
	if sent {
		direction, line = "Out", t.out(p)
	} else {
		line = t.in(p)
	}
	t.tell(fmt.Sprintf("%4d %s %s %s", n, at.Format("15:04:05.000000"), direction, line))
}

func (t *tracer) out(p packet.Packet) string {
	key := p.FromUs()
	if p.TCP.Flags.Has(packet.SYN) {
		delete(t.flows, key) // the port is used anew
	}
	if first, ok := t.flows[key]; ok {
		return p.Relative(first.local, first.remote)
	}
	return p.String()
}

func (t *tracer) in(p packet.Packet) string {
	if p.ICMP.Kind != 0 {
		quote := p.ICMP.Quote
		if first, ok := t.flows[quote.Key()]; ok && !quote.Flags.Has(packet.SYN) {
			return p.Relative(first.local, first.remote)
		}
		return p.String()
	}
	key := p.ToUs()
	first, ok := t.flows[key]
	switch flags := p.TCP.Flags; {
	case flags.Has(packet.SYN | packet.ACK):
		if !ok { // a second one may be forged
			t.flows[key] = initials{local: p.TCP.Ack.Add(-1), remote: p.TCP.Seq}
		}
	case ok && !flags.Has(packet.SYN):
		return p.Relative(first.remote, first.local)
	}
	return p.String()
}
