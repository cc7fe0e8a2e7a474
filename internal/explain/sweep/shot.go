package sweep

import (
	"bytes"
	"cmp"
	"net/netip"
	"slices"
	"time"

	"github.com/rstprobe/rstprobe/internal/flow"
	"github.com/rstprobe/rstprobe/internal/packet"
	"github.com/rstprobe/rstprobe/internal/payload"
	"github.com/rstprobe/rstprobe/probe"
	"github.com/rstprobe/rstprobe/traceroute"
)

// shot is one connection of a sweep: the copy of the payload that it carried,
// and what followed.
type shot struct {
	ttl     int // of the copy
	server  netip.AddrPort
	stim    probe.Stimulus
	key     string // what the payload says: shots with one key are of one sweep
	limited bool   // the copy had less of a TTL than the handshake, as far as that is in the capture
	start   time.Time
	rec     flow.Record // of which Events[copied] is the copy, stamped
	copied  int
	reader  int // index of the first packet of ours behind the copy that takes sequence space, or of the first answer to it; len(Events): none
}

// patience is how long a connection has to be watched after its last packet
// before its silence says something: a server's first retransmission of a FIN
// or SYN-ACK comes after a second (RFC 6298 §2.1).
const patience = time.Second

// shots are the connections of a capture that carry a payload, in the order
// in which they began.
func shots(conversations []flow.Conversation) []shot {
	var end time.Time
	for _, c := range conversations {
		if t := c.Start.Add(lastAt(c.Record)); t.After(end) {
			end = t
		}
	}
	var all []shot
	for _, c := range conversations {
		if s, ok := newShot(c, end); ok {
			all = append(all, s)
		}
	}
	slices.SortStableFunc(all, func(a, b shot) int {
		return cmp.Or(a.start.Compare(b.start), cmp.Compare(a.rec.Events[0].N, b.rec.Events[0].N))
	})
	return all
}

func lastAt(r flow.Record) time.Duration {
	if len(r.Events) == 0 {
		return 0
	}
	return r.Events[len(r.Events)-1].At
}

// newShot reads a conversation of a capture that ends at a time; false: the
// client says nothing in it.
func newShot(c flow.Conversation, end time.Time) (shot, bool) {
	s := shot{server: c.Key.Remote, start: c.Start, rec: c.Record, copied: -1}
	s.rec.Events = nil
	for _, e := range c.Events {
		if c.Mirrored && e.Copy > 0 {
			continue
		}
		s.rec.Events = append(s.rec.Events, e)
	}
	slices.SortStableFunc(s.rec.Events, func(a, b flow.Event) int { return cmp.Compare(a.At, b.At) })
	full := -1 // TTL of the handshake
	var sent []flow.Event
	for i := range s.rec.Events {
		e := &s.rec.Events[i]
		if e.Kind == flow.Received && s.copied >= 0 && s.answersFIN(e.Packet) {
			s.reader = min(s.reader, i)
		}
		if e.Kind != flow.Sent || e.Packet.Proto != packet.TCP {
			continue
		}
		switch tcp := e.Packet.TCP; {
		case slices.ContainsFunc(sent, func(before flow.Event) bool { return again(before, *e) }):
			if s.copied >= 0 && again(s.rec.Events[s.copied], *e) && int(e.Packet.TTL) != s.ttl {
				return s.until(i), true // it went further this time, so what follows is about another copy
			}
			e.Kind = flow.Retransmitted
			continue
		case s.copied < 0 && len(tcp.Payload) > 0 && !tcp.Flags.Has(packet.SYN):
			s.copied, s.ttl, s.reader = i, int(e.Packet.TTL), len(s.rec.Events)
			s.limited = full < 0 || s.ttl < full
			e.TTL = e.Packet.TTL
			e.Packet.Raw = whole(e.Packet)
			s.stim, s.key = said(tcp.Payload)
		case s.copied < 0:
			full = int(e.Packet.TTL)
		case s.reader == len(s.rec.Events) && tcp.Len() > 0:
			s.reader = i
		}
		sent = append(sent, *e)
	}
	if s.copied < 0 {
		return s, false
	}
	watched := end.Sub(s.start)
	// The table flushes what was open when the capture ended, be that long
	// after its last packet.
	if c.Ended == flow.Flushed && len(sent) > 0 {
		s.rec.Cut = watched-sent[len(sent)-1].At < patience
	}
	if !s.rec.Cut {
		s.rec.End = max(s.rec.End, watched)
	}
	return s, true
}

// answersFIN reports whether a packet acknowledges a FIN in the copy's place,
// be that FIN in the capture or not.
func (s shot) answersFIN(p packet.Packet) bool {
	tcp := s.rec.Events[s.copied].Packet.TCP
	return tcp.Len() > 1 && p.ICMP.Kind == 0 && p.TCP.Flags.Has(packet.ACK) && p.TCP.Ack == tcp.Seq.Add(1)
}

// again reports whether a packet of ours is an earlier one sent once more.
func again(before, e flow.Event) bool {
	a, b := before.Packet.TCP, e.Packet.TCP
	return b.Len() > 0 && a.Seq == b.Seq && a.Flags == b.Flags && a.Size() == b.Size() && bytes.Equal(a.Payload, b.Payload)
}

// whole is the datagram in the length that was sent; what was not captured is
// zero. Routers quote the length, by which the copy is known.
func whole(p packet.Packet) []byte {
	return append(slices.Clone(p.Raw), make([]byte, p.TCP.Missing)...)
}

// said is what a payload asks for.
func said(b []byte) (probe.Stimulus, string) {
	if name, ok := payload.ServerName(b); ok {
		return probe.Stimulus{Kind: probe.SNI, Name: name}, "sni " + name
	}
	if name, ok := payload.HostHeader(b); ok {
		return probe.Stimulus{Kind: probe.Host, Name: name}, "host " + name
	}
	return probe.Stimulus{Kind: probe.SNI}, "bytes " + string(b)
}

// until is the shot as far as event i, after which nothing is known.
func (s shot) until(i int) shot {
	s.rec.Events, s.rec.End, s.rec.Cut = s.rec.Events[:i], s.rec.Events[i].At, true
	s.reader = min(s.reader, i)
	return s
}

// part is the record with some of its events, ending at a time.
func (s shot) part(end time.Duration, keep func(i int, e flow.Event) bool) flow.Record {
	rec := s.rec
	rec.Events = nil
	for i, e := range s.rec.Events {
		if keep(i, e) {
			rec.Events = append(rec.Events, e)
		}
	}
	rec.End = end
	return rec
}

// asked is the connection as far as its reader, as a trial at full TTL: what
// a client that waits for its answer meets. That it sent packets again
// is left out: what silence means is told by all connections of a sweep, and one
// with a retransmission may have been out of luck twice.
func (s shot) asked() probe.Observation {
	end, cut := s.rec.End, s.rec.Cut
	if s.reader < len(s.rec.Events) {
		end, cut = s.rec.Events[s.reader].At, false
	}
	rec := s.part(end, func(i int, _ flow.Event) bool { return i < s.reader })
	rec.Cut = cut
	rec.Events[s.copied].TTL = 0
	o := probe.Observe(rec)
	o.Retries, o.Resent = 0, 0
	return o
}

// opened is the connection before we said anything but SYN.
func (s shot) opened() probe.Observation {
	end := slices.IndexFunc(s.rec.Events, func(e flow.Event) bool {
		return e.Kind == flow.Sent && !e.Packet.TCP.Flags.Has(packet.SYN)
	})
	rec := s.part(s.rec.Events[end].At, func(i int, _ flow.Event) bool { return i < end })
	rec.Cut = false
	return probe.Observe(rec)
}

// drew is what the copy drew: all up to the reader, and behind it what is
// about the copy by its numbers. A Time Exceeded can be about nothing else.
func (s shot) drew() traceroute.Sweep {
	tcp := s.rec.Events[s.copied].Packet.TCP
	end := tcp.Seq.Add(tcp.Len())
	sweep := traceroute.Read(s.part(s.rec.End, func(i int, e flow.Event) bool {
		p := e.Packet
		return i < s.reader || e.Kind == flow.Received && (p.ICMP.Kind == packet.TimeExceeded || p.TCP.Flags.Has(packet.ACK) && p.TCP.Ack == end)
	}))
	sweep.Altered = nil // of single copies; see round.sweep
	return sweep
}

// drawn is what the copy drew but Time Exceeded.
func (s shot) drawn() []probe.Seen { return s.drew().Replies[s.ttl].Drawn }

// reading is the reader's fate; false: the capture has no reader.
func (s shot) reading() (traceroute.Reading, bool) {
	r := traceroute.Reading{TTL: uint8(s.ttl), Met: probe.Observe(s.rec)} //nolint:gosec // from a uint8
	return r, r.Met.Reader != nil
}

// served reports whether the copy arrived at the server: it acknowledged it or
// answered, from as far as it had completed the handshake.
func (s shot) served() bool {
	o := s.asked()
	if o.SYNACK == nil {
		return false
	}
	ttl := o.SYNACK.Packet.TTL
	return o.Acked && o.AckedBy == ttl || slices.ContainsFunc(o.Data, func(d probe.Seen) bool { return d.Packet.TTL == ttl })
}
