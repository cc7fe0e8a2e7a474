package twoends

import (
	"cmp"
	"slices"
	"time"

	"github.com/rstprobe/rstprobe/internal/packet"
)

// Bounds of the search for the other half of a conversation.
const (
	perTrace = 16  // packets of a conversation by which it can be found, half of them its first
	longest  = 256 // conversations looked at that have one thing in common
	fewest   = 2   // packets with the same numbers that make two conversations one

	// nearby is how far apart two conversations may begin that are matched
	// without a common number: what a SYN that is lost once costs (RFC 6298
	// §2), and another second.
	nearby = 2 * time.Second
)

// common is something that two captures of one connection have in common.
type common struct {
	kind byte // 'b': both ISNs; 'c', 's': that of one end; 'p': a packet's numbers; 't': TSval of the SYN
	a, b packet.Seq
}

// index finds conversations of one capture by what they have in common with
// those of the other. Of each it holds perTrace packets at most.
type index struct {
	by  map[common][]*trace
	key map[packet.Key][]*trace
}

func newIndex(all []*trace) *index {
	x := &index{by: map[common][]*trace{}, key: map[packet.Key][]*trace{}}
	for _, t := range all {
		x.key[t.key] = append(x.key[t.key], t)
		for _, c := range t.commons() {
			x.by[c] = append(x.by[c], t)
		}
	}
	return x
}

// commons are the marks of a conversation, each once.
func (t *trace) commons() []common {
	var out []common
	for _, c := range t.isn[Client] {
		out = append(out, common{kind: 'c', a: c})
		for _, s := range t.isn[Server] {
			out = append(out, common{kind: 'b', a: c, b: s})
		}
	}
	for _, s := range t.isn[Server] {
		out = append(out, common{kind: 's', a: s})
	}
	if t.syn != nil && t.syn.hasTS {
		out = append(out, common{kind: 't', a: packet.Seq(t.syn.ts)})
	}
	out = append(out, t.numbers()...)
	slices.SortFunc(out, func(p, q common) int {
		return cmp.Or(cmp.Compare(p.kind, q.kind), cmp.Compare(p.a, q.a), cmp.Compare(p.b, q.b))
	})
	return slices.Compact(out)
}

// numbers are those of the first and the last packets with both numbers.
func (t *trace) numbers() []common {
	var all []common
	for _, g := range t.segs {
		if g.has(packet.ACK) && g.flags&(packet.SYN|packet.RST) == 0 {
			all = append(all, common{kind: 'p', a: g.seq, b: g.ack})
		}
	}
	if len(all) > perTrace {
		all = append(all[:perTrace/2:perTrace/2], all[len(all)-perTrace/2:]...)
	}
	return all
}

// twin is a conversation in both captures.
type twin struct {
	of        [2]*trace
	by        By
	rewritten [2]bool // something between chose other sequence numbers for an end
}

// pairer finds the conversations that both captures hold.
type pairer struct {
	client *index
	taken  map[*trace]bool
	twins  []twin
	starts []time.Duration // by how much they begin later at the server, for those found
}

// pairUp pairs the conversations of two captures, the surest first.
func pairUp(client, server []*trace) []twin {
	p := &pairer{client: newIndex(client), taken: map[*trace]bool{}}
	for _, by := range []struct {
		by   By
		find func(*trace) *trace
	}{
		{ByNumbers, p.byNumbers}, {ByOneISN, p.byOneISN}, {ByPackets, p.byPackets},
		{ByAddress, p.byAddress}, {ByTSval, p.byTSval},
	} {
		for _, s := range server {
			if p.taken[s] {
				continue
			}
			if c := by.find(s); c != nil {
				p.taken[c], p.taken[s] = true, true
				p.twins = append(p.twins, twin{of: [2]*trace{c, s}, by: by.by})
				p.starts = append(p.starts, s.start-c.start)
			}
		}
		slices.Sort(p.starts)
	}
	slices.SortStableFunc(p.twins, func(a, b twin) int { return cmp.Compare(a.of[Client].start, b.of[Client].start) })
	return p.twins
}

// lag is how much later conversations begin at the server's clock.
func (p *pairer) lag() (time.Duration, bool) {
	if len(p.starts) == 0 {
		return 0, false
	}
	return p.starts[len(p.starts)/2], true
}

// best is the candidate that is not taken and fits: one with the same
// addresses first, then the one that begins nearest in time.
func (p *pairer) best(list []*trace, s *trace, fits func(*trace) bool) *trace {
	var best *trace
	lag, _ := p.lag()
	apart := func(c *trace) time.Duration { return (s.start - c.start - lag).Abs() }
	for _, c := range list[:min(len(list), longest)] {
		if p.taken[c] || !fits(c) {
			continue
		}
		same := best != nil && (c.key == s.key) == (best.key == s.key)
		if best == nil || c.key == s.key && !same || same && apart(c) < apart(best) {
			best = c
		}
	}
	return best
}

func (p *pairer) byNumbers(s *trace) *trace {
	for _, m := range s.commons() {
		if m.kind != 'b' {
			continue
		}
		if c := p.best(p.client.by[m], s, func(*trace) bool { return true }); c != nil {
			return c
		}
	}
	return nil
}

// byOneISN pairs where one of the captures has but one of the two SYNs. One
// number of 32 bits is met by chance among very many: it takes something else
// as well.
func (p *pairer) byOneISN(s *trace) *trace {
	for _, m := range s.commons() {
		if m.kind != 'c' && m.kind != 's' {
			continue
		}
		other := Server
		if m.kind == 's' {
			other = Client
		}
		c := p.best(p.client.by[m], s, func(c *trace) bool {
			// Something between that answers the SYN itself, such as a SYN
			// proxy, has a number of its own.
			known := len(c.isn[other]) > 0 && len(s.isn[other]) > 0
			return (!known || p.near(c, s)) && (c.key.Remote == s.key.Remote || c.key.Local == s.key.Local || sameTSval(c, s))
		})
		if c != nil {
			return c
		}
	}
	return nil
}

func sameTSval(c, s *trace) bool {
	return c.syn != nil && s.syn != nil && c.syn.hasTS && s.syn.hasTS && c.syn.ts == s.syn.ts
}

// byPackets pairs where a capture began late or lost the SYNs. Which end is
// the client may have been guessed wrong.
func (p *pairer) byPackets(s *trace) *trace {
	votes := map[*trace]int{}
	var order []*trace
	for _, m := range s.numbers() {
		list := p.client.by[m]
		for _, c := range list[:min(len(list), longest)] {
			if votes[c]++; votes[c] == 1 {
				order = append(order, c)
			}
		}
	}
	c := p.best(order, s, func(c *trace) bool {
		return votes[c] >= fewest || votes[c] == 1 && c.key == s.key
	})
	if c != nil && reversed(c, s) {
		if s.guessed {
			s.turn()
		} else {
			c.turn()
		}
	}
	return c
}

// reversed reports whether two conversations have the same packets in
// opposite directions.
func reversed(a, b *trace) bool {
	from := map[common]End{}
	for _, g := range a.segs {
		from[common{a: g.seq, b: g.ack}] = g.from
	}
	same := 0
	for _, g := range b.segs {
		switch e, ok := from[common{a: g.seq, b: g.ack}]; {
		case ok && e == g.from:
			same++
		case ok:
			same--
		}
	}
	return same < 0 && (a.guessed || b.guessed)
}

// byAddress pairs where a firewall chose other sequence numbers.
func (p *pairer) byAddress(s *trace) *trace {
	return p.best(p.client.key[s.key], s, func(c *trace) bool { return p.near(c, s) && rewritten(c, s) })
}

// byTSval pairs where addresses were translated as well.
func (p *pairer) byTSval(s *trace) *trace {
	if s.syn == nil || !s.syn.hasTS {
		return nil
	}
	list := p.client.by[common{kind: 't', a: packet.Seq(s.syn.ts)}]
	return p.best(list, s, func(c *trace) bool { return p.near(c, s) && rewritten(c, s) })
}

// near reports whether two conversations begin together, as far as that is
// known.
func (p *pairer) near(c, s *trace) bool {
	lag, ok := p.lag()
	return !ok && (sameTSval(c, s) || c.key == s.key) || ok && (s.start-c.start-lag).Abs() <= nearby
}

// rewritten reports whether two conversations with other sequence numbers may
// be one: both began within the captures, and what was said in one is no
// contradiction to what was said in the other.
func rewritten(c, s *trace) bool {
	if len(c.isn[Client]) == 0 || len(s.isn[Client]) == 0 {
		return false
	}
	for _, e := range []End{Client, Server} {
		a, b := c.lengths(e), s.lengths(e)
		if len(a) == 0 || len(b) == 0 {
			continue
		}
		common := false
		for at, n := range a {
			common = common || b[at] == n
		}
		if !common {
			return false
		}
	}
	return true
}

// lengths are the sizes of an end's segments by where in its stream they
// begin.
func (t *trace) lengths(e End) map[int]int {
	out := map[int]int{}
	if len(t.isn[e]) == 0 {
		return out
	}
	for _, g := range t.segs {
		if g.from == e && g.isData() {
			out[g.seq.Sub(t.isn[e][0])] = g.size
		}
	}
	return out
}

// align moves the numbers of the server's capture to those of the client's.
func (w *twin) align() {
	var by [2]int
	for _, e := range []End{Client, Server} {
		a, b := w.of[Client].isn[e], w.of[Server].isn[e]
		if len(a) == 0 || len(b) == 0 || slices.ContainsFunc(a, func(s packet.Seq) bool { return slices.Contains(b, s) }) {
			continue
		}
		by[e] = a[0].Sub(b[0])
		w.rewritten[e] = true
	}
	if w.rewritten != [2]bool{} {
		w.of[Server].shift(by)
	}
}
