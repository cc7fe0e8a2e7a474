package flow

import (
	"time"

	"github.com/rstprobe/rstprobe/internal/packet"
)

// Config says how much a Table keeps, and for how long. Zero fields stand for
// the defaults.
type Config struct {
	MaxFlows  int   // conversations at a time
	MaxBytes  int64 // memory for them
	MaxEvents int   // kept of one conversation: its first half this many, then those around its ends
	Payload   int   // bytes of payload kept of the client of one conversation, from its start; of the server a quarter

	// Idle ends an open conversation that is silent for so long.
	Idle time.Duration

	// Linger is how long at least a conversation that was closed, reset or
	// never opened waits for more of its packets: whoever goes on sending
	// after a reset did not send it.
	Linger time.Duration

	// Want, unless nil, is asked about each conversation when it is over;
	// only if it agrees the Events are put together and Yield is called. The
	// conversation, yet without Events, is valid until Want returns.
	Want func(*Conversation) bool

	// Yield takes each conversation that is over, in the order of their
	// ends. It may keep it.
	Yield func(*Conversation)
}

// The defaults of a Config.
const (
	DefaultMaxFlows  = 1 << 18
	DefaultMaxBytes  = 256 << 20
	DefaultMaxEvents = 128
	DefaultPayload   = 2048 // a ClientHello with a post-quantum key share has 1.8 kB

	// DefaultIdle is over two hours of silence and nine probes 75 s apart,
	// the keepalive of Linux (tcp_keepalive_time, _probes, _intvl).
	DefaultIdle = 135 * time.Minute

	// DefaultLinger is over the 127 s in which Linux gives up an unanswered
	// SYN (tcp_syn_retries), and over the 60 s of its TIME_WAIT.
	DefaultLinger = 130 * time.Second
)

// stepBack is how far a packet may be behind the one before it in disorder.
// Further, and the clock was set back.
const stepBack = time.Second

// Table makes conversations of the packets of a capture in one pass. Its
// memory is bounded by the conversations open at a time, and by its Config.
// It is not safe for concurrent use.
type Table struct {
	cfg    Config
	index  index
	keeper keeper
	free   *conv        // to be used again, linked by next
	asked  Conversation // what Want is shown, used again
	now    int64        // the latest time, in ns since 1970
	offset int64        // what the clock was set back so far, in ns
	steps  int          // how often
	last   int          // number of the last packet
	due    int64        // when to look next for conversations that are over

	// By the time of their last packets, oldest first. Those in brief are
	// over after Linger, those in lasting after Idle.
	brief, lasting list
}

// NewTable returns an empty table.
func NewTable(cfg Config) *Table {
	setDefault(&cfg.MaxFlows, DefaultMaxFlows)
	setDefault(&cfg.MaxBytes, DefaultMaxBytes)
	setDefault(&cfg.MaxEvents, DefaultMaxEvents)
	setDefault(&cfg.Payload, DefaultPayload)
	setDefault(&cfg.Idle, DefaultIdle)
	setDefault(&cfg.Linger, DefaultLinger)
	return &Table{
		cfg:     cfg,
		index:   newIndex(),
		keeper:  keeper{events: cfg.MaxEvents, payload: cfg.Payload},
		brief:   list{timeout: int64(cfg.Linger)},
		lasting: list{timeout: int64(cfg.Idle)},
	}
}

func setDefault[T int | int64 | time.Duration](v *T, to T) {
	if *v <= 0 {
		*v = to
	}
}

// Len is how many conversations are not over.
func (t *Table) Len() int { return t.index.len }

// Add takes packet number n of the capture, a TCP segment or an ICMP error
// about one as packet.Parse returned it; it ignores others. Packets come in
// the order of the capture. Nothing of p is kept.
func (t *Table) Add(n int, at time.Time, p *packet.Packet) {
	ends := EndsOf(p)
	t.AddOf(n, at, p, &ends)
}

// AddOf is Add for those who know EndsOf the packet.
func (t *Table) AddOf(n int, at time.Time, p *packet.Packet, ends *Ends) {
	now := t.clock(at)
	t.last = n
	t.expire()
	switch {
	case !ends.some:
	case p.Proto == packet.TCP:
		t.segment(n, now, p, ends)
	default:
		t.icmp(n, now, p, ends)
	}
	t.evict()
}

// Flush ends all conversations, for the capture ends.
func (t *Table) Flush() {
	for _, l := range []*list{&t.brief, &t.lasting} {
		for l.front != nil {
			t.finish(l.front, Flushed)
		}
	}
}

// clock turns the time of a packet into one that may be a little behind that
// of the packet before, but never goes back for good.
func (t *Table) clock(at time.Time) int64 {
	if at.IsZero() {
		return t.now
	}
	now := at.UnixNano() + t.offset
	if t.last == 0 {
		t.now = now
	}
	if now < t.now-int64(stepBack) {
		t.offset += t.now - now
		t.steps++
		now = t.now
	}
	t.now = max(t.now, now)
	return now
}

// segment adds a TCP segment.
func (t *Table) segment(n int, now int64, p *packet.Packet, ends *Ends) {
	from := ends.from
	c := t.index.find(ends)
	if c == nil {
		c = t.begin(ends, now)
	} else {
		switch c.renewal(from, &p.TCP) {
		case none:
		case doubtful:
			c.pending = pendingSYN{n: n, from: from, isn: p.TCP.Seq, gap: now - c.last}
		case certain:
			before := c
			t.index.remove(before)
			c = t.begin(ends, now)
			c.follow(before, from, &p.TCP, &t.keeper)
			t.hand(before, Reused)
		}
	}
	c.segment(n, now, from, p, &t.keeper)
	t.touch(c, n, now)
}

// icmp adds an ICMP error to the conversation that it quotes. It comes from
// the side that the quoted segment was going to.
func (t *Table) icmp(n int, now int64, p *packet.Packet, ends *Ends) {
	c := t.index.find(ends)
	if c == nil {
		c = t.begin(ends, now)
		c.meet(ends.from, p.ICMP.Quote.Flags)
	}
	c.icmp(n, now, 1-ends.from, p, &t.keeper)
	t.touch(c, n, now)
}

// begin starts a conversation with its first packet.
func (t *Table) begin(ends *Ends, now int64) *conv {
	if t.free == nil {
		more := make([]conv, 64) // at a time, for there may be very many
		for i := range more {
			more[i].next, t.free = t.free, &more[i]
		}
	}
	c := t.free
	t.free = c.next
	*c = conv{
		pair: ends.pair, hash: ends.hash, client: ends.from, guessed: true,
		began: now, last: now, offset: t.offset, stepsBefore: t.steps,
	}
	t.index.add(c)
	return c
}

// touch notes that c has had a packet.
func (t *Table) touch(c *conv, n int, now int64) {
	if c.firstN == 0 {
		c.firstN = n
	}
	c.lastN = n
	c.began, c.last = min(c.began, now), max(c.last, now)
	c.steps = t.steps - c.stepsBefore

	l := &t.brief
	if c.lasting() {
		l = &t.lasting
	}
	// Moving to the back at every packet would cost more than it is worth.
	if c.list != l || c.last-c.listed > int64(time.Second) {
		if c.list != nil {
			c.list.remove(c)
		}
		l.push(c)
		c.listed = c.last
	}
}

// expire ends the conversations that are over. To look at every packet would
// cost more than it is worth.
func (t *Table) expire() {
	if t.now <= t.due {
		return
	}
	for c := t.brief.front; c != nil && t.brief.end(c) < t.now; c = t.brief.front {
		t.finish(c, Closed)
	}
	for c := t.lasting.front; c != nil && t.lasting.end(c) < t.now; c = t.lasting.front {
		t.finish(c, Idle)
	}
	t.due = t.now + t.brief.timeout/100
}

// evict ends conversations while they are too many.
func (t *Table) evict() {
	for t.index.len > t.cfg.MaxFlows || t.size() > t.cfg.MaxBytes && t.index.len > 1 {
		// The one nearest to its end: a flood of SYNs must not push out
		// what is open, nor the other way round.
		c := t.brief.front
		if t.lasting.overdue(t.now) > t.brief.overdue(t.now) {
			c = t.lasting.front
		}
		t.finish(c, Evicted)
	}
}

// size is the memory that the conversations take, in bytes.
func (t *Table) size() int64 { return int64(t.index.len)*convSize + t.keeper.size() }

// finish ends a conversation.
func (t *Table) finish(c *conv, why Ended) {
	t.index.remove(c)
	t.hand(c, why)
}

// hand hands a conversation on that is out of the index, and forgets it.
func (t *Table) hand(c *conv, why Ended) {
	c.list.remove(c)
	client := c.describe(&t.asked, why, t.now)
	if wanted := t.cfg.Want == nil || t.cfg.Want(&t.asked); wanted && t.cfg.Yield != nil {
		out := t.asked
		out.Events = c.events(client, &t.keeper)
		t.cfg.Yield(&out)
	}
	t.keeper.forget(&c.kept)
	c.next, t.free = t.free, c
}

// list holds conversations by the time of their last packets.
type list struct {
	front, back *conv
	timeout     int64 // ns of silence after which its members are over
}

func (l *list) push(c *conv) {
	c.list, c.prev, c.next = l, l.back, nil
	if l.back == nil {
		l.front = c
	} else {
		l.back.next = c
	}
	l.back = c
}

func (l *list) remove(c *conv) {
	if c.prev == nil {
		l.front = c.next
	} else {
		c.prev.next = c.next
	}
	if c.next == nil {
		l.back = c.prev
	} else {
		c.next.prev = c.prev
	}
	c.list, c.prev, c.next = nil, nil, nil
}

// end is when c is over if it stays silent.
func (l *list) end(c *conv) int64 { return c.last + l.timeout }

// overdue is how near the oldest member is to its end: 1 at the timeout; −1
// without any member.
func (l *list) overdue(now int64) float64 {
	if l.front == nil {
		return -1
	}
	return float64(now-l.front.last) / float64(l.timeout)
}
