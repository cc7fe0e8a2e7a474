package twoends

import (
	"cmp"
	"net/netip"
	"slices"
	"time"

	"github.com/rstprobe/rstprobe/internal/flow"
	"github.com/rstprobe/rstprobe/internal/packet"
	"github.com/rstprobe/rstprobe/probe"
)

// DefaultMax is how many conversations of either capture are compared where
// no limit is given.
const DefaultMax = 10000

// Matcher takes the conversations of both captures, in any order, and holds
// them against each other once it has them all. The zero value is not usable;
// see New. Of each capture it keeps no more than its limit; of a conversation
// it keeps what flow.Config lets it have.
type Matcher struct {
	max    int
	traces [2][]*trace
	ran    [2]window
	result Result
}

// New is a Matcher that compares at most this many conversations of either
// capture; 0: DefaultMax. Those beyond are counted.
func New(most int) *Matcher {
	if most <= 0 {
		most = DefaultMax
	}
	return &Matcher{max: most}
}

// Match holds the conversations of two captures against each other.
func Match(client, server []flow.Conversation) Result {
	m := New(max(len(client), len(server), 1))
	for _, c := range client {
		m.Add(Client, c)
	}
	for _, c := range server {
		m.Add(Server, c)
	}
	return m.Finish()
}

// Add takes one conversation of the capture at an end. The payload of its
// events must not change afterwards.
func (m *Matcher) Add(e End, c flow.Conversation) {
	t := traceOf(&c, e)
	if len(t.segs) == 0 {
		return
	}
	if w := &m.ran[e]; *w == (window{}) {
		*w = window{t.start, t.over}
	} else {
		w.from, w.to = min(w.from, t.start), max(w.to, t.over)
	}
	if len(m.traces[e]) >= m.max {
		m.result.Omitted[e]++
		return
	}
	m.traces[e] = append(m.traces[e], t)
}

// Finish compares. The Matcher must not be used afterwards.
func (m *Matcher) Finish() Result {
	r := &m.result
	r.Pairs, r.Missing = []Pair{}, []Missing{}
	twins := pairUp(m.traces[Client], m.traces[Server])
	if swapped(twins) {
		r.Swapped = true
		m.exchange(twins)
	}
	matches := make([]*match, len(twins))
	pairs := make([]Pair, len(twins))
	var samples []sample
	for i := range twins {
		w := &twins[i]
		w.align()
		pairs[i] = Pair{By: w.by, Rewritten: w.rewritten != [2]bool{}}
		x := &match{twin: w, ways: [2]*way{newWay(w, Client), newWay(w, Server)}}
		for _, y := range x.ways {
			y.learn()
			samples = append(samples, y.samples()...)
		}
		matches[i] = x
	}
	c := newClocks(samples)
	r.Clock = c.public()
	var all [2]tally
	for _, x := range matches {
		x.clocks = c
		for e, t := range x.of {
			x.ran[e] = m.window(End(e), t) //nolint:gosec // two ends
		}
		for _, y := range x.ways {
			y.match(c)
		}
		x.settle()
		for e := range all {
			all[e].held += len(x.of[e].segs)
			all[e].missed += x.missed[e]
		}
	}
	for i, x := range matches {
		x.judge(&pairs[i], all)
		for e, y := range x.ways {
			if (y.ttls != Span{}) {
				r.Hops[e].take(y.crossed.Low)
				r.Hops[e].take(y.crossed.High)
			}
		}
	}
	r.Pairs = pairs
	r.Missed = [2]int{all[Client].missed, all[Server].missed}
	m.alone(twins, c)
	confirm(r.Pairs, all)
	for i, x := range matches {
		for k, g := range x.odd { // in the order of Foreign
			r.Pairs[i].Foreign[k].word(g, x.trigger(g))
		}
	}
	r.sum()
	return *r
}

// window is when the capture at an end followed a conversation: from its
// beginning on, if that is in it, and until it took the conversation for over.
func (m *Matcher) window(e End, t *trace) window {
	w := m.ran[e]
	if len(t.isn[Client]) == 0 && len(t.isn[Server]) == 0 {
		w.from = t.start
	}
	if !t.open {
		w.to = t.over
	}
	return w
}

// swapped reports whether the captures were given in the wrong order: packets
// lose TTL on their way.
func swapped(twins []twin) bool {
	votes := 0
	for i := range twins {
		w := &twins[i]
		for _, e := range []End{Client, Server} {
			y := newWay(w, e)
			y.stamped = false
			y.learn()
			votes += cmp.Compare(y.crossed.Low, 0)
		}
	}
	return votes < 0
}

// exchange takes each capture for the other.
func (m *Matcher) exchange(twins []twin) {
	m.traces[0], m.traces[1] = m.traces[1], m.traces[0]
	m.ran[0], m.ran[1] = m.ran[1], m.ran[0]
	m.result.Omitted[0], m.result.Omitted[1] = m.result.Omitted[1], m.result.Omitted[0]
	for i := range twins {
		w := &twins[i]
		w.of[0], w.of[1] = w.of[1], w.of[0]
	}
	for e, traces := range m.traces {
		for _, t := range traces {
			for _, g := range t.segs {
				g.in = End(e) //nolint:gosec // two ends
			}
		}
	}
}

// alone counts the conversations of one capture only, and judges those that
// were reset.
func (m *Matcher) alone(twins []twin, c *clocks) {
	paired := map[*trace]bool{}
	servers := map[netip.AddrPort]bool{}
	for i := range twins {
		paired[twins[i].of[Client]], paired[twins[i].of[Server]] = true, true
		servers[twins[i].of[Client].key.Remote] = true
	}
	for e, traces := range m.traces {
		for _, t := range traces {
			if paired[t] {
				continue
			}
			m.result.Alone[e]++
			if End(e) != Client { //nolint:gosec // two ends
				continue
			}
			if f, ok := missing(t, c, m.ran[Server], servers[t.key.Remote] && m.result.Omitted[Server] == 0); ok {
				m.result.Missing = append(m.result.Missing, f)
			}
		}
	}
	slices.SortStableFunc(m.result.Missing, func(a, b Missing) int { return a.Start.Compare(b.Start) })
}

// judge fills in what is to be told of a pair.
func (m *match) judge(p *Pair, all [2]tally) {
	for e, t := range m.of {
		p.Start[e], p.Keys[e], p.First[e] = at(t.start), t.key, t.first
	}
	p.Offset = m.clocks.offset(m.of[Client].start)
	for e, y := range m.ways {
		p.Sent[e] = y.counts()
	}
	var hit [2]bool
	for _, g := range m.odd {
		p.Foreign = append(p.Foreign, m.foreign(g, all))
		hit[g.in] = hit[g.in] || g.has(packet.RST)
	}
	p.Both = hit[Client] && hit[Server]
	p.Resets = m.resets()
	if len(p.Foreign) == 0 {
		p.Silence = m.silence()
	}
	if len(p.Foreign) > 0 || len(p.Resets) > 0 || p.Silence != nil || p.Sent[Client].odd() || p.Sent[Server].odd() {
		p.Rows = m.rows()
	}
}

// odd reports whether there is a packet that did not simply arrive.
func (c Counts) odd() bool {
	for f := range c {
		if f != Arrived && f != Merged {
			return true
		}
	}
	return false
}

// counts are the packets of a direction by fate; those that arrived count as
// they were sent.
func (y *way) counts() Counts {
	c := Counts{}
	for _, s := range y.sent {
		c[s.fate]++
	}
	for _, g := range y.got {
		if g.fate != Arrived && g.fate != Merged && g.fate != Altered {
			c[g.fate]++
		}
	}
	return c
}

// rows are all packets of a pair, by time.
func (m *match) rows() []Row {
	type timed struct {
		at time.Duration
		Row
	}
	var all []timed
	add := func(y *way, g *seg, pair bool) {
		row := Row{From: y.from, Flags: g.flags, Seq: g.seq.Sub(m.base(y)), Size: g.size, Fate: g.fate}
		for _, e := range []End{Client, Server} {
			s := g
			if g.in != e {
				s = g.mate
			}
			if s == nil || s.in != e || s != g && !pair {
				continue
			}
			row.Packet[e], row.At[e], row.TTL[e] = s.n, s.at-m.of[e].start, s.ttl
		}
		all = append(all, timed{m.clientTime(g), row})
	}
	for _, y := range m.ways {
		for _, s := range y.sent {
			add(y, s, true)
		}
		for _, g := range y.got {
			// One that was merged stands beside the first that is in it.
			if g.mate == nil || g.mate.mate != g {
				add(y, g, false)
			}
		}
	}
	slices.SortStableFunc(all, func(a, b timed) int { return cmp.Compare(a.at, b.at) })
	rows := make([]Row, len(all))
	for i := range all {
		rows[i] = all[i].Row
	}
	return rows
}

// base is where the sequence numbers of a direction count from.
func (m *match) base(y *way) packet.Seq {
	for _, e := range []End{Client, Server} {
		if list := m.of[e].isn[y.from]; len(list) > 0 && e == Client {
			return list[0]
		}
	}
	for _, g := range slices.Concat(y.sent, y.got) {
		return g.seq
	}
	return 0
}

// at is a time of a capture as others have it.
func at(t time.Duration) time.Time { return time.Unix(0, int64(t)).UTC() }

// confirm raises to proof what three conversations with one server show alike:
// once may be a miss of the capture.
func confirm(pairs []Pair, all [2]tally) {
	const trials = 3
	type key struct {
		server netip.AddrPort
		at     End
		cause  probe.Cause
	}
	of := func(p *Pair, f *Foreign) key { return key{p.Keys[Client].Remote, f.At, f.Cause} }
	times := map[key]int{}
	for i := range pairs {
		seen := map[key]bool{}
		for k := range pairs[i].Foreign {
			if of := of(&pairs[i], &pairs[i].Foreign[k]); !seen[of] {
				seen[of] = true
				times[of]++
			}
		}
	}
	for i := range pairs {
		for k := range pairs[i].Foreign {
			f := &pairs[i].Foreign[k]
			if times[of(&pairs[i], f)] >= trials && all[f.At.other()].missed == 0 {
				f.Confidence = probe.Proved
			}
		}
	}
}
