package twoends

import (
	"fmt"
	"net/netip"
	"slices"

	"github.com/rstprobe/rstprobe/internal/packet"
	"github.com/rstprobe/rstprobe/probe"
)

// kindOf is what a foreign packet does.
func kindOf(g *seg) Kind {
	switch {
	case g.has(packet.RST):
		return ResetPacket
	case g.has(packet.SYN | packet.ACK):
		return SYNACKPacket
	case g.size > 0:
		return DataPacket
	case g.has(packet.FIN):
		return FINPacket
	}
	return OtherPacket
}

// foreign judges a packet that its sender did not send.
func (m *match) foreign(g *seg, all [2]tally) Foreign {
	y := m.ways[g.from]
	f := Foreign{At: g.in, Packet: g.n, Copies: g.copies, From: m.addr(g), Kind: kindOf(g), TTL: g.ttl, Genuine: y.ttls, Distance: m.distance(g)}
	if m.replaced(g) != nil {
		f.Distance = nil // its TTL is that of the packet that it was made of
	}
	t := m.trigger(g)
	if t != nil {
		f.Trigger = numbers(t)
		f.TriggerFrom, f.Name = t.from, asked(t)
		if here := inCapture(t, g.in); here != nil {
			f.Wait = g.at - here.at
		}
	}
	f.Judgement = m.blame(g, t, all[g.from])
	return f
}

// word words what was found.
func (f *Foreign) word(g, t *seg) {
	f.Next = next(f.Judgement, t)
	f.Summary, f.Chinese = f.english(g, t), f.chinese(g, t)
}

// addr is the sender of a packet, by its own words.
func (m *match) addr(g *seg) netip.AddrPort {
	if k := m.of[g.in].key; g.from == Server {
		return k.Remote
	}
	return m.of[g.in].key.Local
}

// numbers are those of a packet in both captures.
func numbers(g *seg) (out [2]int) {
	for _, e := range []End{Client, Server} {
		if s := inCapture(g, e); s != nil {
			out[e] = s.n
		}
	}
	return out
}

// inCapture is a packet as one of the captures has it; nil: it has not.
func inCapture(g *seg, e End) *seg {
	if g.in == e {
		return g
	}
	return g.mate
}

// blame says who sent a foreign packet, and why that is believed.
func (m *match) blame(g, t *seg, at tally) Judgement {
	j := Judgement{Author: m.author(t), Evidence: []Evidence{}, Against: []Evidence{}}
	y, name := m.ways[g.from], g.from
	before, after := m.around(y, g)
	j.Evidence = append(j.Evidence, evidence(ruleNeverSent, j.Author, true, fmt.Sprintf(
		"%s is in the %v's name, but the capture at the %v, which has %d other packets of it, does not have it", called(g), name, name, len(y.sent)), g, before, after))
	signs := m.signs(g, t, j.Author)
	j.Evidence = append(j.Evidence, signs...)
	switch {
	case len(signs) > 0:
		j.Confidence = probe.Proved
	case at.complete():
		j.Confidence = probe.Likely
	default:
		j.Confidence = probe.Possible
		j.Evidence[0].Decisive = at.missed == 0
	}
	if at.missed > 0 {
		author := probe.Server
		if name == Client {
			author = probe.OwnSide
		}
		j.Against = append(j.Against, evidence(ruleMissed, author, false, fmt.Sprintf("the capture at the %v missed %d other packets", name, at.missed)))
	}
	j.Cause = m.cause(g, t)
	if t != nil {
		if e, ok := m.fateOf(t, j.Author); ok {
			e.Decisive = e.Decisive && j.Confidence != probe.Possible
			j.Evidence = append(j.Evidence, e)
		}
	}
	return j
}

// tally is how many packets passed the capture at an end, and how many of them
// are not in it.
type tally struct{ held, missed int }

// complete reports whether a capture hardly misses anything: none in so many
// that the loss is below one in a hundred (the rule of three, 95 %).
func (t tally) complete() bool { return t.missed == 0 && t.held >= 300 }

// signs are what besides its absence at the sender shows that a packet is
// none of the sender's.
func (m *match) signs(g, t *seg, a probe.Author) []Evidence {
	var out []Evidence
	y, name := m.ways[g.from], g.from
	if o := m.wentOn(y, g); o != nil {
		out = append(out, evidence(ruleWentOn, a, true, fmt.Sprintf("after it the %v sent %s (%s), as no host does that has sent a %s", name, called(o), what(o), what(g)), g, o))
	}
	if o := m.atOther(g); o != nil {
		out = append(out, evidence(ruleBothEnds, a, true, fmt.Sprintf("both ends got one in the name of the other: %s as well", called(o)), g, o))
		if g.hasID && o.hasID && g.id == o.id && g.id != 0 {
			out = append(out, evidence(ruleSameID, a, false, fmt.Sprintf("both have IP ID %d: one author", g.id), g, o))
		}
	}
	if (y.ttls != Span{}) && !y.likeSender(g) {
		out = append(out, evidence(ruleTTL, a, false, fmt.Sprintf("it has TTL %d; the packets that the %v did send arrive with %v", g.ttl, name, y.ttls), g))
	}
	if m.breaksIDs(y, g) {
		out = append(out, evidence(ruleID, a, false, fmt.Sprintf("its IP ID %d is none that the %v would have chosen then (%s)", g.id, name, y.law().Kind), g))
	}
	if r := m.replaced(g); r != nil {
		out = append(out, evidence(ruleReplaced, a, true, fmt.Sprintf("it has the IP ID and the sequence number of %s, which did not arrive: that packet was turned into it", called(r)), g, r))
	}
	if t != nil && t.from == g.in && t.in == g.in {
		rtt := m.clocks.at(g.at, g.in).rtt()
		if wait := g.at - t.at; rtt > 0 && wait >= 0 && wait < rtt*7/10 {
			out = append(out, evidence(ruleTooFast, a, true, fmt.Sprintf("it came %v after %s, and the way there and back takes %v at least", brief(wait), called(t), brief(rtt)), t, g))
		}
	}
	return out
}

// atOther is a foreign packet of the same kind that the other end got at the
// same time.
func (m *match) atOther(g *seg) *seg {
	if !g.has(packet.RST) && !g.has(packet.FIN) {
		return nil
	}
	together := m.clocks.at(g.at, g.in).rtt() + volley
	i := slices.IndexFunc(m.odd, func(o *seg) bool {
		return o.in != g.in && kindOf(o) == kindOf(g) && (m.clientTime(o)-m.clientTime(g)).Abs() <= together
	})
	if i < 0 {
		return nil
	}
	return m.odd[i]
}

// replaced is a packet of the sender's that was lost and that a reset has the
// numbers of.
func (m *match) replaced(g *seg) *seg {
	y := m.ways[g.from]
	for _, s := range y.sent {
		if s.fate == Lost && g.has(packet.RST) && y.sameIDs && s.hasID && s.id != 0 && s.id == g.id && s.seq == g.seq {
			return s
		}
	}
	return nil
}

// author tells a box that saw a copy of the trigger from one that took it out.
func (m *match) author(t *seg) probe.Author {
	if t == nil {
		return probe.OnOrInPath
	}
	switch arrived, taken := m.reached(t); {
	case arrived:
		return probe.OnPath
	case taken:
		return probe.InPath
	}
	return probe.OnOrInPath
}

// fateOf words what became of a trigger.
func (m *match) fateOf(t *seg, a probe.Author) (Evidence, bool) {
	arrived, taken := m.reached(t)
	sent, lost := m.times(t)
	switch {
	case arrived:
		return evidence(ruleArrived, a, true, fmt.Sprintf("what drew it, %s (%s), reached the %v nevertheless: the box saw a copy", called(t), what(t), t.from.other()), t, t.mate), true
	case taken:
		return evidence(ruleTaken, a, lost > 1, fmt.Sprintf("what drew it, %s (%s), never reached the %v: sent %d times, lost %d times", called(t), what(t), t.from.other(), sent, lost), t), true
	}
	return Evidence{}, false
}

// cause is the code of the table of causes.
func (m *match) cause(g, t *seg) probe.Cause {
	switch kindOf(g) {
	case DataPacket:
		return "M11"
	case FINPacket:
		return "M12"
	case SYNACKPacket:
		return "S14"
	case OtherPacket:
		return ""
	case ResetPacket:
	}
	switch {
	case m.replaced(g) != nil:
		return "M5"
	case t != nil && t.size == 0 && t.has(packet.SYN|packet.ACK), t != nil && t.bare():
		return "M2"
	case t != nil && t.has(packet.SYN):
		return "M1"
	case m.atOther(g) != nil:
		return "M4"
	case t != nil:
		return "M3"
	}
	return ""
}

// next is what to capture or run next.
func next(j Judgement, t *seg) string {
	switch {
	case j.Confidence == probe.Possible:
		return "capture again at both ends, with a larger buffer (tcpdump -B) and a filter: three times the same can be no miss of the capture"
	case t != nil && asked(t) != "":
		return "rstprobe to the server with the name that the trigger asks for finds the hop"
	}
	return "rstprobe to the server finds the hop; captures between the ends narrow it down"
}

// english words the finding.
func (f *Foreign) english(g, t *seg) string {
	s := fmt.Sprintf("%s, a %s with TTL %d in the %v's name, was never sent by the %v: a box between the ends made it", called(g), what(g), g.ttl, g.from, g.from)
	if f.Confidence == probe.Possible {
		s = fmt.Sprintf("%s, a %s with TTL %d in the %v's name, is not in the capture at the %v: a box between the ends made it, or that capture missed it", called(g), what(g), g.ttl, g.from, g.from)
	}
	if t != nil {
		s += fmt.Sprintf("; %s (%s%s) drew it", called(t), what(t), quoted(f.Name))
		switch f.Author {
		case probe.OnPath:
			s += fmt.Sprintf(" and reached the %v all the same", t.from.other())
		case probe.InPath:
			s += fmt.Sprintf(" and never reached the %v", t.from.other())
		default:
		}
	}
	if f.Distance != nil {
		s += "; " + f.Distance.String()
	}
	return s
}

func quoted(name string) string {
	if name == "" {
		return ""
	}
	return fmt.Sprintf(", %q", name)
}

// chinese words the same in Chinese.
func (f *Foreign) chinese(g, t *seg) string {
	s := fmt.Sprintf("%s(%s,TTL %d)以%s名义出现,但%s从未发出:由两端之间的中间设备伪造", calledZH(g), whatZH(g), g.ttl, endZH(g.from), endZH(g.from))
	if f.Confidence == probe.Possible {
		s = fmt.Sprintf("%s(%s,TTL %d)不在%s的抓包中:可能由中间设备伪造,也可能是该抓包遗漏", calledZH(g), whatZH(g), g.ttl, endZH(g.from))
	}
	if t != nil {
		s += fmt.Sprintf(";由%s(%s%s)触发", calledZH(t), whatZH(t), quoted(f.Name))
		switch f.Author {
		case probe.OnPath:
			s += fmt.Sprintf(",该包仍到达了%s(旁路设备)", endZH(t.from.other()))
		case probe.InPath:
			s += fmt.Sprintf(",该包未到达%s(串接设备)", endZH(t.from.other()))
		default:
		}
	}
	if d := f.Distance; d != nil {
		s += fmt.Sprintf(";按 TTL 推算距客户端 %v 跳(共 %d 跳,初始 TTL %v),嗅探点与注入点可能不同,仅供参考", d.FromClient, d.Path, d.Initial)
	}
	return s
}
