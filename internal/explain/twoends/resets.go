package twoends

import (
	"fmt"

	"github.com/rstprobe/rstprobe/internal/packet"
	"github.com/rstprobe/rstprobe/probe"
)

// resets judges those that an end sent itself, or may have.
func (m *match) resets() []Reset {
	var out []Reset
	for _, y := range m.ways {
		for _, s := range y.sent {
			if s.has(packet.RST) {
				out = append(out, m.reset(y, s))
			}
		}
		for _, g := range y.got {
			if g.has(packet.RST) && g.mate == nil && (g.fate == Outside || g.fate == Uncaptured || g.fate == Unkept) {
				out = append(out, m.unseen(y, g))
			}
		}
	}
	return out
}

// host is the author that an end is.
func host(e End) probe.Author {
	if e == Client {
		return probe.OwnSide
	}
	return probe.Server
}

// reset judges one that the capture at its sender has.
func (m *match) reset(y *way, s *seg) Reset {
	r := Reset{From: y.from, Packet: numbers(s), Fate: s.fate}
	for _, g := range m.ways[Client].sent {
		r.Closed = r.Closed || g.has(packet.FIN) && m.clientTime(g) < m.clientTime(s)
	}
	r.Judgement = Judgement{Author: host(y.from), Confidence: probe.Proved, Evidence: []Evidence{}, Against: []Evidence{}}
	r.Evidence = append(r.Evidence, evidence(ruleSentHere, r.Author, true, fmt.Sprintf("the capture at the %v shows it leaving", y.from), s, s.mate))
	r.Summary = fmt.Sprintf("%s is a reset that the %v sent itself", called(s), y.from)
	r.Chinese = fmt.Sprintf("%s RST 由%s自己发出", calledZH(s), endZH(y.from))
	if usual := y.own(); (usual != Span{}) && !(Span{usual.Low - 1, usual.High + 1}).has(int(s.ttl)) && y.from == Server {
		r.Author, r.Confidence = probe.ServerSide, probe.Likely
		r.Evidence[0].Decisive = false
		r.Evidence = append(r.Evidence, evidence(ruleGear, r.Author, false,
			fmt.Sprintf("it passed the capture with TTL %d where the server's other packets have %v: gear beside the server", s.ttl, usual), s))
		r.Summary = fmt.Sprintf("%s is a reset that passed the capture at the server with TTL %d where its other packets have %v: gear in front of the server sent it", called(s), s.ttl, usual)
		r.Chinese = fmt.Sprintf("%s RST 在服务器抓包处 TTL 为 %d,而服务器其他包为 %v:由服务器前端设备发出", calledZH(s), s.ttl, usual)
	}
	for i := range r.Evidence {
		r.Evidence[i].Supports = r.Author
	}
	if killed, by := m.consequence(y, s); killed != nil {
		m.explainConsequence(&r, s, killed, by)
	}
	if r.Cause == "" {
		r.Next = fmt.Sprintf("rstprobe explain on the capture at the %v alone says why it was sent", y.from)
	}
	return r
}

// own is the TTL that an end's packets have in its own capture.
func (y *way) own() Span {
	var out Span
	for _, s := range y.sent {
		if !s.has(packet.RST) {
			out.take(int(s.ttl))
		}
	}
	return out
}

// consequence is what ended a connection at its end before a reset, and the
// packet that came later and drew it: a host that was reset knows the
// connection no more, and answers what still arrives with a reset (RFC 9293
// §3.10.7.1). The seed of this rule is the second reset of a pair whose waits
// add up to one round trip.
func (m *match) consequence(y *way, s *seg) (killed, by *seg) {
	for _, g := range m.ways[y.from.other()].got {
		switch {
		case g.at > s.at:
		case g.has(packet.RST):
			if killed == nil {
				killed = g
			}
		case killed != nil && answers(s, g):
			by = g
		}
	}
	if killed == nil {
		for _, o := range y.sent {
			if o.has(packet.RST) && o.at < s.at {
				killed = o
				break
			}
		}
		if killed != nil {
			for _, g := range m.ways[y.from.other()].got {
				if g.at >= killed.at && g.at <= s.at && answers(s, g) {
					by = g
				}
			}
		}
	}
	if by == nil {
		return nil, nil
	}
	return killed, by
}

// answers reports whether a reset has the numbers with which a closed port
// answers a segment.
func answers(r, g *seg) bool {
	switch {
	case g.has(packet.RST):
		return false
	case g.has(packet.ACK):
		return !r.has(packet.ACK) && r.seq == g.ack
	}
	return r.has(packet.ACK) && r.ack == g.end()
}

func (m *match) explainConsequence(r *Reset, s, killed, by *seg) {
	r.Cause, r.Drawn = "S20", numbers(by)
	r.Evidence = append(r.Evidence, evidence(ruleAfterKill, r.Author, true, fmt.Sprintf(
		"the %v was reset by %s; %s came %v later, and this reset answers it", r.From, called(killed), called(by), brief(by.at-killed.at)), killed, by, s))
	r.Summary += fmt.Sprintf(", as a consequence: %s had ended the connection there before %s came", called(killed), called(by))
	r.Chinese += fmt.Sprintf(";属后续结果:连接已被%s重置,随后到达的%s触发了它", calledZH(killed), calledZH(by))
	// Seen from the other end the first reset and this one are one round
	// trip apart from what drew them, taken together.
	if sent := by.mate; sent != nil && s.mate != nil {
		rtt := m.clocks.at(sent.at, sent.in).rtt()
		r.Evidence[len(r.Evidence)-1].Detail += fmt.Sprintf("; the other end got it %v after it sent %s, a round trip takes %v", brief(s.mate.at-sent.at), called(sent), brief(rtt))
	}
}

// unseen judges one whose sender's capture cannot be asked.
func (m *match) unseen(y *way, g *seg) Reset {
	r := Reset{From: y.from, Packet: numbers(g), Fate: g.fate}
	r.Judgement = Judgement{Author: probe.Undetermined, Confidence: probe.UndeterminedDegree, Evidence: []Evidence{}, Against: []Evidence{}}
	switch g.fate {
	case Uncaptured:
		r.Author, r.Confidence = host(y.from), probe.Likely
		before, after := m.around(y, g)
		r.Evidence = append(r.Evidence, evidence(ruleMissed, r.Author, false, fmt.Sprintf(
			"its IP ID %d and TTL %d are those that the %v's next packet had to have: the capture there missed it", g.id, g.ttl, y.from), g, before, after))
		r.Summary = fmt.Sprintf("%s is a reset that the %v sent; the capture there missed it", called(g), y.from)
		r.Chinese = fmt.Sprintf("%s RST 应由%s发出,只是那里的抓包遗漏了它", calledZH(g), endZH(y.from))
	case Outside:
		r.Summary = fmt.Sprintf("%s: the capture at the %v did not run when this reset was sent", called(g), y.from)
		r.Chinese = fmt.Sprintf("%s RST 发出时,%s一侧没有在抓包", calledZH(g), endZH(y.from))
		r.Next = "start both captures before the connection, and stop them after it"
	default:
		r.Summary = fmt.Sprintf("%s: too few packets of the conversation were kept to say whether the %v sent this reset", called(g), y.from)
		r.Chinese = fmt.Sprintf("%s RST:保留的报文不足,无法判断是否由%s发出", calledZH(g), endZH(y.from))
		r.Next = "cut the captures to this conversation and compare again"
	}
	return r
}
