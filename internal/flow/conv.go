package flow

import (
	"slices"
	"time"

	"github.com/rstprobe/rstprobe/internal/packet"
)

// conv is a conversation of which more may come. Its two ends are numbered as
// in its pair; which of them is the client shows, or is guessed at the end.
//
// A table has very many: what most packets touch stands together.
type conv struct {
	pair        pair
	hash        uint64
	client      uint8 // the number of an end; while guessed, of the one that sent first
	guessed     bool  // no SYN and no SYN/ACK was seen
	carried     bool  // a segment that is neither SYN nor reset was seen
	mirrored    bool  // a copy of a segment that is no reset was seen
	list        *list // of the table
	last        int64 // time of the latest packet, by the clock of the table
	lastN       int   // its number
	listed      int64 // last, when it was put into its list
	steps       int   // of the clock in its course
	sides       [2]sums
	sights      sights
	kept        kept
	began       int64 // time of the earliest packet
	offset      int64 // what the clock of the table was ahead of the capture's then
	firstN      int
	stepsBefore int // steps of the clock before it
	icmps       int
	synack      [2]synack
	pending     pendingSYN
	prior       *prior
	prev, next  *conv // in list
}

// sums are a Side in little space.
type sums struct {
	bytes              int64
	packets, copies    uint32
	syns, fins, resets uint32
	isn, end           packet.Seq
	largest            int32
	mss                uint16
	hasEnd             bool
}

func (s *sums) side() Side {
	return Side{
		Packets: int(s.packets), Bytes: s.bytes, Copies: int(s.copies),
		SYNs: int(s.syns), FINs: int(s.fins), Resets: int(s.resets),
		ISN: s.isn, End: s.end, HasEnd: s.hasEnd, MSS: s.mss, Largest: int(s.largest),
	}
}

// convSize is the memory of a conv, its place in the index and what it keeps
// of the last allocation, roughly, in bytes.
const convSize = 640

// synack is the first SYN/ACK of an end.
type synack struct {
	seen bool
	ack  packet.Seq
}

// pendingSYN is a SYN with a new ISN in an open conversation. It may be forged,
// or follow a crash that left the other end half open (RFC 9293 §3.5.1): only
// the SYN/ACK to it begins a new conversation.
type pendingSYN struct {
	n    int // its packet number; 0: there is none
	from uint8
	isn  packet.Seq
	gap  int64 // ns of silence before it
}

// answeredBy reports whether s, sent by the end from, is the SYN/ACK to it.
func (p *pendingSYN) answeredBy(from uint8, s *packet.Segment) bool {
	return p.n > 0 && p.from != from && s.Flags.Has(packet.SYN|packet.ACK) && s.Ack == p.isn.Add(1)
}

// prior is what is left of the conversation before on the same ends.
type prior struct {
	last  int // number of its last packet
	gap   int64
	sides [2]sums
}

// renewal says whether a segment begins another connection on the same
// addresses and ports.
type renewal uint8

const (
	none     renewal = iota
	doubtful         // a SYN that only its answer can explain
	certain
)

// closed reports whether either end reset the connection, or both finished it.
func (c *conv) closed() bool {
	a, b := &c.sides[0], &c.sides[1]
	return a.resets > 0 || b.resets > 0 || a.fins > 0 && b.fins > 0
}

// lasting reports whether the conversation may be silent for long.
func (c *conv) lasting() bool { return c.carried && !c.closed() }

// renewal reports whether s, sent by the end from, is of a later connection.
func (c *conv) renewal(from uint8, s *packet.Segment) renewal {
	if !s.Flags.Has(packet.SYN) || s.Flags.Has(packet.RST) {
		return none
	}
	own, peer := &c.sides[from], &c.sides[1-from]
	if s.Flags.Has(packet.ACK) {
		answers := c.pending.answeredBy(from, s)
		oneWay := peer.packets == 0 && own.syns > 0 && own.isn != s.Seq && c.closed()
		if answers || oneWay {
			return certain
		}
		return none
	}
	answer := &c.synack[1-from]
	switch {
	case own.syns > 0 && own.isn == s.Seq, c.pending.n > 0 && c.pending.from == from && c.pending.isn == s.Seq:
		return none // sent again
	case own.packets == 0 && answer.seen && answer.ack == s.Seq.Add(1):
		return none // captured after its answer
	case c.closed():
		return certain
	case own.packets == 0 && peer.packets == peer.syns && !answer.seen:
		return none // both open at the same time (RFC 9293 §3.5), or so far there are ICMP errors only
	case c.carried || answer.seen:
		return doubtful
	}
	return certain // the peer had not agreed to the one before
}

// follow takes over what matters from the conversation before it on the same
// ends: its sums, and the SYN to which s, the first segment of c, is the answer,
// if it is one.
func (c *conv) follow(before *conv, from uint8, s *packet.Segment, r *keeper) {
	gap := c.began - before.last
	if n := before.pending.n; before.pending.answeredBy(from, s) {
		all := r.read(&before.kept)
		if i := slices.IndexFunc(all, func(f found) bool { return f.n == n }); i >= 0 {
			syn := &all[i]
			p := syn.parse()
			gap = before.pending.gap
			c.began, c.firstN = syn.at, n
			c.segment(n, syn.at, syn.from, &p, r)
		}
	}
	c.prior = &prior{last: before.lastN, gap: max(gap, 0), sides: before.sides}
}

// segment takes packet number n, sent by the end from.
func (c *conv) segment(n int, now int64, from uint8, p *packet.Packet, r *keeper) {
	s := &p.TCP
	c.meet(from, s.Flags)
	if c.kept.marks == 0 {
		c.kept.room = r.rooms(c.client)
	}
	raw, _ := packet.Trim(p.Raw)
	head := len(raw) - len(s.Payload)
	m := mark{at: now, n: n, from: from, size: len(s.Payload) + s.Missing}
	if m.of = c.sights.copyOf(n, now, lookOf(from, p, raw, head), p, c.mirrored); m.of > 0 {
		c.sides[from].copies++
		c.mirrored = c.mirrored || !s.Flags.Has(packet.RST)
	} else {
		c.count(from, s, m.size)
	}
	w := plain
	switch {
	case s.Flags.Has(packet.RST):
		w = ending
	case s.Flags&(packet.SYN|packet.FIN) != 0:
		w = special
	}
	r.keep(&c.kept, &m, w, raw, head)
}

// icmp takes packet number n, an ICMP error from the side of the end from.
func (c *conv) icmp(n int, now int64, from uint8, p *packet.Packet, r *keeper) {
	const most = 256 // bytes: RFC 4884 quotes 128 and has its extensions behind
	c.icmps++
	raw, _ := packet.Trim(p.Raw)
	raw = raw[:min(len(raw), most)]
	m := mark{at: now, n: n, from: from}
	m.of = c.sights.copyOf(n, now, lookOfError(p), p, c.mirrored)
	r.keep(&c.kept, &m, special, raw, len(raw))
}

// meet learns from the flags of a segment of the end from who is the client.
func (c *conv) meet(from uint8, flags packet.Flags) {
	switch {
	case !c.guessed || !flags.Has(packet.SYN):
		return
	case flags.Has(packet.ACK):
		c.client = 1 - from
	default:
		c.client = from
	}
	c.guessed = false
}

// count takes a segment of the end from, with size bytes of payload, into its
// sums.
func (c *conv) count(from uint8, s *packet.Segment, size int) {
	side := &c.sides[from]
	side.packets++
	side.bytes += int64(size)
	side.largest = max(side.largest, int32(size)) //nolint:gosec // length of a datagram
	switch {
	case s.Flags.Has(packet.RST):
		side.resets++
		return
	case s.Flags.Has(packet.SYN):
		if side.syns++; side.syns > 1 {
			return // sent again, or not of this connection
		}
		side.isn = s.Seq
		side.mss, _ = s.MSS()
		if a := &c.synack[from]; s.Flags.Has(packet.ACK) {
			a.seen, a.ack = true, s.Ack
		}
	default:
		c.carried = true
	}
	end := s.Seq.Add(size)
	if s.Flags.Has(packet.SYN) {
		end++
	}
	if s.Flags.Has(packet.FIN) {
		side.fins++
		end++
	}
	if !side.hasEnd || side.end.Before(end) {
		side.end, side.hasEnd = end, true
	}
}

// describe sums the conversation up at the time now, and says which end is the
// client.
func (c *conv) describe(out *Conversation, why Ended, now int64) (client uint8) {
	client = c.client
	if ports := c.pair.port; c.guessed && ports[0] != ports[1] {
		// Ephemeral ports are above those that servers wait at (RFC 6335 §6).
		client = 0
		if ports[0] < ports[1] {
			client = 1
		}
	}
	*out = Conversation{
		Record: Record{
			Key:    packet.Key{Local: c.pair.end(client), Remote: c.pair.end(1 - client)},
			Source: Capture,
			Start:  time.Unix(0, c.began-c.offset).UTC(),
			End:    offset(now - c.began),
			Cut:    why == Evicted || why == Flushed,
		},
		Client: c.sides[client].side(), Server: c.sides[1-client].side(),
		Ended: why, Guessed: c.guessed, Mirrored: c.mirrored,
		First: c.firstN, Last: c.lastN,
		ICMP: c.icmps, Skipped: c.kept.skipped, Steps: c.steps,
	}
	if b := c.prior; b != nil {
		out.Prior = Prior{
			Last: b.last, Gap: offset(b.gap),
			Client: b.sides[client].side(), Server: b.sides[1-client].side(),
		}
	}
	return client
}

// events are the packets kept of the conversation, in the order of time.
func (c *conv) events(client uint8, r *keeper) []Event {
	all := r.read(&c.kept)
	events := make([]Event, len(all))
	for i := range all {
		f := &all[i]
		e := &events[i]
		e.At, e.N, e.Copy = offset(f.at-c.began), f.n, f.of
		e.Packet = f.parse()
		switch {
		case f.from != client:
			e.Kind = Received
		case e.Copy == 0 && again(events[:i], e):
			e.Kind = Retransmitted
		default:
			e.Kind = Sent
		}
	}
	return events
}

// again reports whether the client sends with e what it had sent before. Who
// says the same with another TTL looks how far it gets.
func again(before []Event, e *Event) bool {
	b := &e.Packet
	if b.TCP.Len() == 0 {
		return false
	}
	for i := range before {
		a := &before[i].Packet
		if before[i].Kind == Sent && a.TCP.Seq == b.TCP.Seq && a.TCP.Size() == b.TCP.Size() && a.TCP.Flags == b.TCP.Flags && a.TTL == b.TTL {
			return true
		}
	}
	return false
}

// offset is a time of a record: in whole microseconds, like that of a live one.
func offset(ns int64) time.Duration { return time.Duration(ns).Truncate(time.Microsecond) }
