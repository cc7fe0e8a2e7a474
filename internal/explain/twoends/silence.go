package twoends

import (
	"fmt"

	"github.com/rstprobe/rstprobe/internal/packet"
	"github.com/rstprobe/rstprobe/probe"
)

// What makes a loss more than bad luck.
const (
	persistent = 3    // times that the same octets were sent and lost
	large      = 1200 // bytes of payload from which a packet may be too large for a link (RFC 8200 §5: 1280 with headers pass everywhere)
)

// silence judges data of an end that never arrived however often it was sent.
// Nil: there is none.
func (m *match) silence() *Judgement {
	for _, y := range m.ways {
		for _, s := range y.sent {
			if s.fate != Lost && s.fate != Outside || !s.isData() && !s.has(packet.FIN) {
				continue
			}
			if _, taken := m.reached(s); !taken && s.fate != Outside {
				continue
			}
			if sent, lost := m.gone(y, s); sent >= persistent && lost == sent {
				return m.swallowed(y, s, sent)
			}
		}
	}
	return nil
}

// gone is how often a segment's octets were sent, and how often they did not
// arrive. Whether a capture still ran then does not matter: it has not seen
// them, neither before nor after.
func (m *match) gone(y *way, s *seg) (sent, lost int) {
	for _, o := range y.sent {
		if o.seq == s.seq && o.len() > 0 && !o.has(packet.RST) {
			sent++
			if o.fate == Lost || o.fate == Outside {
				lost++
			}
		}
	}
	return sent, lost
}

func (m *match) swallowed(y *way, s *seg, times int) *Judgement {
	j := &Judgement{Author: probe.InPath, Cause: "M6", Confidence: probe.Likely, Evidence: []Evidence{}, Against: []Evidence{}}
	var other, bigger *seg
	for _, o := range y.sent {
		if o.fate != Arrived && o.fate != Merged {
			continue
		}
		if o.at > s.at {
			other = o
		}
		if o.size >= s.size && bigger == nil {
			bigger = o
		}
	}
	switch {
	case s.size >= large && bigger == nil:
		j.Author, j.Cause, j.Confidence = probe.OnOrInPath, "N3", probe.Possible
		if other != nil {
			j.Confidence = probe.Likely
		}
	case other == nil:
		j.Cause, j.Confidence = "M7", probe.Possible
	}
	j.Evidence = append(j.Evidence, evidence(ruleTaken, j.Author, false, fmt.Sprintf(
		"%s, %d bytes of data%s, was sent %d times and never arrived at the %v", called(s), s.size, quoted(asked(s)), times, y.from.other()), s))
	if other != nil {
		j.Evidence = append(j.Evidence, evidence(ruleSelective, j.Author, j.Cause == "M6", fmt.Sprintf(
			"other packets of the %v arrived meanwhile, %s among them", y.from, called(other)), other, other.mate))
	}
	if s.fate == Outside {
		j.Confidence = probe.Possible
		j.Next = fmt.Sprintf("let the capture at the %v run until the %v has given up: it ends before", y.from.other(), y.from)
	}
	j.Summary = fmt.Sprintf("%s, sent %d times, never arrived at the %v: it was taken out on the way", called(s), times, y.from.other())
	j.Chinese = fmt.Sprintf("%s 发送 %d 次均未到达%s:在途中被丢弃", calledZH(s), times, endZH(y.from.other()))
	if j.Cause == "N3" {
		j.Summary = fmt.Sprintf("%s, %d bytes, sent %d times, never arrived at the %v, and nothing as large did: too large for a link, or taken out", called(s), s.size, times, y.from.other())
		j.Chinese = fmt.Sprintf("%s(%d 字节)发送 %d 次均未到达%s,且没有同样大的包到达过:可能超过链路 MTU,或被丢弃", calledZH(s), s.size, times, endZH(y.from.other()))
		j.Next = "send the same request in smaller segments, or ping with the size and DF set"
	}
	return j
}

// missing judges a conversation that only the client's capture has, if it was
// reset while the server's capture ran, and that has others with this server:
// then no packet of it came through, and the reset is none of the server's.
func missing(t *trace, c *clocks, ran window, known bool) (Missing, bool) {
	var rst *seg
	for _, g := range t.segs {
		if g.from == Server && g.has(packet.RST) {
			rst = g
			break
		}
	}
	if rst == nil || t.syn == nil || !known || t.skipped || !ran.has(c.carried(t.syn.at, Client)) || !ran.has(c.left(rst.at, Server)) {
		return Missing{}, false
	}
	j := Judgement{Author: probe.InPath, Cause: "M1", Confidence: probe.Likely, Against: []Evidence{}}
	for _, g := range t.segs {
		if g.from == Server && g.has(packet.SYN|packet.ACK) {
			j.Cause = "S14" // something answered in the server's place
		}
	}
	j.Evidence = []Evidence{evidence(ruleAbsent, j.Author, false,
		"the capture at the server holds other conversations with this server at that time, and no packet of this one", t.syn, rst)}
	j.Summary = fmt.Sprintf("%s resets a connection of which nothing ever arrived at the server: a box on the way took the SYN (%s) and answered itself", called(rst), called(t.syn))
	j.Chinese = fmt.Sprintf("%s RST 所属连接的任何包都未到达服务器:中间设备截获 SYN(%s)并自行应答", calledZH(rst), calledZH(t.syn))
	j.Next = "make sure that the capture at the server sees all servers behind this address: another one behind the same balancer would look alike"
	return Missing{Key: t.key, Start: at(t.start), Packet: rst.n, Trigger: t.syn.n, Judgement: j}, true
}
