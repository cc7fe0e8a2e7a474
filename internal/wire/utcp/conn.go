// Package utcp is the TCP client of one trial, without I/O: it is given the
// time and the packets that arrive, and says which packets to send and when
// it wants to be called again. It keeps the record of the flow.
//
// It is no general TCP. It opens a connection, says one thing, perhaps many
// times over and a second thing behind it, acknowledges what it hears, goes on
// listening after a reset, and closes what it opened. Or it says one thing
// without a connection, and only listens.
package utcp

import (
	"cmp"
	"slices"
	"time"

	"github.com/rstprobe/rstprobe/internal/flow"
	"github.com/rstprobe/rstprobe/internal/packet"
)

type state uint8

const (
	synSent state = iota + 1
	established
	adrift // speaks without a connection, and then only listens
	closed
)

// Out is one packet to send.
type Out struct {
	Packet     packet.Packet // without Raw
	Retransmit bool
	Stamp      uint8
}

// Conn is one trial under way.
type Conn struct {
	cfg   Config
	state state
	rec   flow.Record

	queue  []Out  // to be sent, in order
	plan   []line // to be said, in order, after those in the queue
	flight []line // said, and sent again until it is acknowledged

	in      stream           // what the peer says
	heard   packet.Seq       // to which the Talk has heard it
	unheard []packet.Segment // what came ahead of that
	sndUna  packet.Seq
	sndNxt  packet.Seq
	tsEcho  uint32 // the peer's last TSval
	elapsed uint32 // ms since the SYN, for our own TSval
	hasTS   bool
	hasSACK bool // the peer takes selective acknowledgments
	peerMSS int
	opened  bool // the peer holds state for us: close it
	ended   bool // the peer's FIN came

	rtt       time.Duration // of the handshake; 0 until known
	sent      int           // packets queued so far, for IP IDs
	unsent    int           // packets taken that say something and have not left yet
	stepAt    time.Time     // when the plan goes on; zero: there is none
	rtoAt     time.Time     // zero: nothing to retransmit
	rto       time.Duration
	resent    int
	silentAt  time.Time // the trial ends then, unless something ends it earlier
	endAt     time.Time // end of lingering; zero: nothing has ended the trial yet
	synSentAt time.Time
}

// New starts a trial at now; its first packets are ready to be taken.
func New(cfg Config, now time.Time) *Conn {
	c := &Conn{
		cfg:       cfg,
		state:     synSent,
		rec:       flow.Record{Key: packet.Key{Local: cfg.Local, Remote: cfg.Remote}, Source: flow.Raw, Start: now},
		sndUna:    cfg.ISN,
		sndNxt:    cfg.ISN.Add(1),
		peerMSS:   defaultMSS,
		rto:       cfg.RTO,
		silentAt:  now.Add(cfg.Timeout),
		synSentAt: now,
	}
	if c.rto == 0 {
		c.rto = InitialRTO
	}
	if c.cfg.Watch == 0 {
		c.cfg.Watch = c.cfg.Linger
	}
	c.begin(now)
	return c
}

// Next takes the next packet to send.
func (c *Conn) Next() (Out, bool) {
	if len(c.queue) == 0 {
		return Out{}, false
	}
	out := c.queue[0]
	c.queue = c.queue[1:]
	if c.says(out) {
		c.unsent++
	}
	return out, true
}

// says reports whether a packet is more than an acknowledgment of what we
// heard, so that the peer may be expected to react.
func (c *Conn) says(out Out) bool { return out.Packet.TCP.Len() > 0 || c.cfg.Stray }

// Sent records that out left as p (with Raw) at the given time, as number n
// of the exported capture.
func (c *Conn) Sent(at time.Time, out Out, p packet.Packet, n int) {
	kind := flow.Sent
	if out.Retransmit {
		kind = flow.Retransmitted
	}
	if c.says(out) {
		c.unsent--
		c.spoke(at, out.Retransmit)
	}
	if kind == flow.Sent && out.Packet.TCP.Flags.Has(packet.SYN) {
		c.synSentAt = at
	}
	c.rec.Events = append(c.rec.Events, flow.Event{At: c.offset(at), Kind: kind, Packet: p, N: n, TTL: out.Stamp})
}

// Stamped corrects the time of sent packet n to the kernel's.
func (c *Conn) Stamped(n int, at time.Time) {
	for i := len(c.rec.Events) - 1; i >= 0; i-- {
		if e := &c.rec.Events[i]; e.N == n && e.Kind != flow.Received {
			e.At = c.offset(at)
			if e.Kind == flow.Sent && e.Packet.TCP.Flags.Has(packet.SYN) {
				c.synSentAt = at
			}
			return
		}
	}
}

// spoke starts the timers over: they count from when something left us, not
// from when it was queued behind the packets of others.
func (c *Conn) spoke(at time.Time, again bool) {
	if !c.rtoAt.IsZero() {
		c.rtoAt = later(c.rtoAt, at.Add(c.rto))
	}
	if again {
		return
	}
	c.silentAt = later(c.silentAt, at.Add(c.cfg.Timeout))
	if !c.stepAt.IsZero() {
		c.stepAt = later(c.stepAt, at.Add(c.plan[0].wait))
		c.silentAt = later(c.silentAt, c.stepAt.Add(c.cfg.Timeout))
	}
}

func later(t, u time.Time) time.Time {
	if t.Before(u) {
		return u
	}
	return t
}

// Deadline is when Tick wants to be called next.
func (c *Conn) Deadline() time.Time {
	d := c.endAt
	if d.IsZero() {
		d = c.silentAt
	}
	for _, t := range []time.Time{c.rtoAt, c.stepAt} {
		if !t.IsZero() && t.Before(d) {
			d = t
		}
	}
	return d
}

// Done reports whether the trial is over and all its packets were taken.
func (c *Conn) Done() bool { return c.state == closed && len(c.queue) == 0 }

// Record is what was seen; it is complete once Done.
func (c *Conn) Record() flow.Record {
	rec := c.rec
	rec.Events = slices.Clone(rec.Events)
	// What arrived before a packet of ours left may be read after it.
	slices.SortStableFunc(rec.Events, func(a, b flow.Event) int { return cmp.Compare(a.At, b.At) })
	return rec
}

// Tick acts on whatever is due at now.
func (c *Conn) Tick(now time.Time) {
	if c.state == closed {
		return
	}
	if c.unsent > 0 {
		c.spoke(now, false)
	}
	if !c.stepAt.IsZero() && !now.Before(c.stepAt) {
		c.proceed(now)
	}
	if !c.rtoAt.IsZero() && !now.Before(c.rtoAt) {
		c.retransmit(now)
	}
	switch {
	case !c.endAt.IsZero():
		if !now.Before(c.endAt) {
			c.Close(now)
		}
	case !now.Before(c.silentAt):
		c.rec.Events = append(c.rec.Events, flow.Event{At: c.offset(now), Kind: flow.Expired})
		c.Close(now)
	}
}

// Close ends the trial and resets what the peer still holds open. A reset
// rather than a FIN, since it asks for no answer that we would have to wait
// for; RFC 9293 §3.5.2 has the peer check that it is exactly in sequence.
func (c *Conn) Close(now time.Time) {
	if c.state == closed {
		return
	}
	c.rec.End = c.offset(now)
	c.state = closed
	if t := c.cfg.Talk; t != nil {
		t.Close()
		c.rec.Promised = t.Total()
	}
	c.rtoAt, c.stepAt = time.Time{}, time.Time{}
	c.queue = nil
	if !c.opened {
		return
	}
	c.push(packet.RST|packet.ACK, c.sndUna)
	if c.sndUna != c.sndNxt {
		// The peer may have read what it never acknowledged to us.
		c.push(packet.RST|packet.ACK, c.sndNxt)
	}
}

// end notes that something ended the trial: it listens on for the given time
// at most, or less where an earlier event said so. Nothing ends it before the
// reader was sent.
func (c *Conn) end(now time.Time, listen time.Duration) {
	if c.willRead() {
		return
	}
	c.plan, c.stepAt = nil, time.Time{}
	if t := now.Add(listen); c.endAt.IsZero() || t.Before(c.endAt) {
		c.endAt = t
	}
}

// Enough ends the watching of a trial that was answered.
func (c *Conn) Enough(now time.Time) {
	c.cfg.Watch = c.cfg.Linger
	if !c.endAt.IsZero() && now.Before(c.endAt) && c.state != closed {
		c.Close(now)
	}
}

// offset is t on the record's clock, in whole microseconds, so that a record
// read back from a capture has the same times.
func (c *Conn) offset(t time.Time) time.Duration {
	return max(0, t.Sub(c.rec.Start).Truncate(time.Microsecond))
}
