package explain

import (
	"fmt"
	"slices"
	"time"

	"github.com/rstprobe/rstprobe/internal/packet"
	"github.com/rstprobe/rstprobe/probe"
)

// closeCauses are those that the conversation's own past tells: what came
// before the reset leaves little doubt about it.
func closeCauses() []Cause {
	return []Cause{
		{
			Code: "S20", Pattern: "consequential-reset", Author: probe.Server, Ceiling: probe.Proved,
			Title:   "A second reset, drawn by what was sent after the first",
			Story:   "The connection was already dead at this end: it had been reset before. A packet that was still on its way found no connection and drew this reset. It is a consequence; look at the first one.",
			Look:    "An earlier RST; then a packet of the other end; a round trip later a bare RST whose SEQ is that packet's ACK, with the host's own TTL. The two gaps together make a round trip.",
			Twin:    "A volley of a box comes at once, and its numbers follow one packet.",
			Next:    "explain the first reset; this one needs no explanation",
			English: "packet %[1]d only follows from the earlier reset in packet %[2]d: the %[4]v's TCP, the connection gone, answers packet %[3]d after %[5]v",
			Chinese: "第 %[1]d 号 RST 是第 %[2]d 号 RST 的后果:连接已不存在,第 %[3]d 号包到达后 %[5]v(约一个 RTT)触发了它",
			find:    consequential,
		},
		{
			Code: "S20", Pattern: "stray-after-refusal", Author: probe.Server, Ceiling: probe.Likely,
			Title:   "The client went on although it had been refused",
			Story:   "The SYN was refused, and the client, or a tool without a connection, sent more all the same. Each packet draws another reset, from the host or from a device in front of it.",
			Look:    "RST in answer to the SYN, no SYN/ACK, and then resets whose numbers follow the later packets.",
			Twin:    "A box that objects to data acts on connections that stand.",
			Next:    "explain the first reset; these need no explanation",
			English: "packet %[1]d answers packet %[3]d, which belongs to the connection that packet %[2]d had refused",
			Chinese: "连接已被第 %[2]d 号 RST 拒绝,第 %[3]d 号包仍继续发送,因此再次触发 RST(第 %[1]d 号包)",
			find:    strayAfterRefusal,
		},
		{
			Code: "S21", Pattern: "keepalive-failed", Author: probe.Server, Ceiling: probe.Proved,
			Title:   "Keepalive probes went unanswered",
			Story:   "An idle connection was probed (SO_KEEPALIVE) and the other end said nothing: host gone, link down, or a box forgot the connection. After the last probe the prober resets.",
			Look:    "Segments with SEQ one before the next one and at most one byte, evenly spaced, no answer, then RST+ACK.",
			Twin:    "Retransmissions carry data and double their gaps.",
			Next:    "capture at the end that did not answer: do the probes arrive there, and do its answers leave?",
			English: "packet %[1]d: %[2]d keepalive probes of the %[3]v went unanswered, %[4]v apart",
			Chinese: "%[3]v 连续发送 %[2]d 个 keepalive 探测(间隔 %[4]v)均无应答,随后发 RST(第 %[1]d 号包)",
			find:    keepalive,
		},
		{
			Code: "S6", Pattern: "retransmissions-exhausted", Author: probe.Server, Ceiling: probe.Proved,
			Title:   "The sender gave up retransmitting",
			Story:   "One segment was sent again and again with growing gaps and never acknowledged; at its limit (Windows 5, Linux 15 times) the sender resets. The reset is the symptom: the acknowledgments, or the data, are lost on the way.",
			Look:    "The same SEQ several times, gaps doubling, no acknowledgment of it, then RST with the next SEQ.",
			Twin:    "A late acknowledgment, or other data acknowledged meanwhile, does not count: only this segment matters.",
			Next:    "capture at the receiving end: either the data does not arrive there, or its acknowledgments do not come back",
			English: "packet %[1]d: the %[5]v sent sequence number %[4]d %[2]d times, gaps %[3]v, and nobody acknowledged it",
			Chinese: "同一数据(序号 %[4]d)共发送 %[2]d 次,间隔 %[3]v,始终未被确认,重传耗尽后由 %[5]v 发 RST(第 %[1]d 号包)",
			find:    exhausted,
		},
		{
			Code: "S9", Pattern: "data-after-close", Author: probe.Server, Ceiling: probe.Proved,
			Title:   "Data reached an end that had closed",
			Story:   "One end closed its socket, so that it neither sends nor receives any more; the other did not notice, or did not care, and sent on. The closed end's kernel answers with RST.",
			Look:    "FIN, then data of the other end, then a bare RST whose SEQ is the data's ACK.",
			Twin:    "A half-closed socket (shutdown) goes on reading and does not reset.",
			Next:    "look into the program that goes on sending: it must stop when it reads the end of the stream",
			English: "packet %[1]d: the %[4]v had closed in packet %[2]d, the other end's data in packet %[3]d came after that",
			Chinese: "%[4]v 已在第 %[2]d 号包发 FIN 关闭,对端第 %[3]d 号包仍发来数据,因此回 RST(第 %[1]d 号包)",
			find:    afterClose,
		},
		{
			Code: "S19", Pattern: "lingering-close", Author: probe.Server, Ceiling: probe.Likely,
			Title:   "A proxy waited after its answer and then reset",
			Story:   "The server answered and closed while the client was still sending. It reads and discards for a while (nginx: lingering_close) and resets when its patience ends.",
			Look:    "Answer and FIN of the server, data of the client that it still acknowledges, and then RST, often seconds later.",
			Twin:    "A server whose socket is closed outright resets with the first packet.",
			Next:    "send nothing after the request: the reset goes away; look at lingering_timeout",
			English: "packet %[1]d: the %[4]v had closed in packet %[2]d, still took data for %[3]v and then reset",
			Chinese: "%[4]v 在第 %[2]d 号包关闭后又读了 %[3]v(lingering close),对端仍在发送,于是发 RST(第 %[1]d 号包)",
			find:    lingering,
		},
		{
			Code: "S13", Pattern: "fast-close", Author: probe.ServerSide, Ceiling: probe.Likely,
			Title:   "Fast close after a FIN",
			Story:   "After a FIN the receiver, or a load balancer or firewall in between, clears its state with a RST instead of waiting out the close (TIME_WAIT). Not by the book, and harmless: all data is across.",
			Look:    "FIN of one end, all data acknowledged, then RST; often with the TTL and ID of the load balancer.",
			Twin:    "Data after the FIN makes it a case of data after close, and then something may be lost.",
			Next:    "nothing, unless the program complains: then look whether all data was acknowledged before",
			English: "packet %[1]d: after the %[3]v's FIN in packet %[2]d the connection is cleared by a reset instead of the rest of the close; no data is lost",
			Chinese: "%[3]v 发出 FIN(第 %[2]d 号包)之后,以 RST(第 %[1]d 号包)快速释放连接,无数据丢失,通常无害",
			find:    fastClose,
		},
		{
			Code: "S11", Pattern: "time-wait-reuse", Author: probe.Server, Ceiling: probe.Likely,
			Title:   "The ports were used again too early (TIME_WAIT)",
			Story:   "A client used the same source port again while the other end still held the old connection, in TIME_WAIT or as a leftover. Its SYN falls into the old sequence numbers: it draws an ACK with the old numbers, which the client resets, or a reset outright.",
			Look:    "A SYN with the ports of a connection ended minutes ago, its number not above the old ones; answered by a plain ACK (then RST of the client, then often a new SYN), or by RST.",
			Twin:    "A closed port resets every SYN, with other source ports too.",
			Next:    "let the client use more source ports, or timestamps (RFC 6191); look for address translation that reuses ports early",
			English: "packet %[1]d: the SYN in packet %[2]d uses ports of an older connection that the server still holds (%[3]s)",
			Chinese: "第 %[2]d 号 SYN 复用了旧连接的四元组,服务器仍保留旧连接(TIME_WAIT)(%[3]s),因此出现 RST(第 %[1]d 号包)",
			find:    timeWait,
		},
		{
			Code: "S12", Pattern: "idle-timeout", Author: probe.ServerSide, Ceiling: probe.Possible,
			Title:   "Idle timeout",
			Story:   "Nothing was said for a while, and the server, a load balancer or a firewall ended the connection; cloud load balancers reset both ends. The period is mostly a round number: 60, 120, 240, 350 or 3600 seconds.",
			Look:    "The time between the last packet before the pause and the reset, or the first packet after it: the same in several connections.",
			Twin:    "A crash or a restart hits all connections at one moment, whatever their age.",
			Next:    "repeat with a pause a little shorter and a little longer; a keepalive below the period cures it",
			English: "packet %[1]d: it ends a pause of %[2]v%[3]s",
			Chinese: "空闲 %[2]v 之后出现 RST(第 %[1]d 号包)%[3]s:会话空闲超时",
			find:    idleTimeout,
		},
	}
}

// author is the side of a reset as an author.
func (x *matter) author() probe.Author {
	if x.from() == client {
		return probe.OwnSide
	}
	return probe.Server
}

func consequential(x *matter) *Finding {
	if x.r == nil || x.d.link != byACK || x.oddTTL(x.r) || x.r.has(packet.ACK) {
		return nil
	}
	rtt := x.rtt(x.from().other())
	var first *seg
	for _, e := range x.resets() {
		if e.i < x.r.i && (first == nil || e.from == x.from()) && x.d.by.at >= e.at-rtt-burst && x.r.at-e.at > copyWithin {
			first = e
			break
		}
	}
	if first == nil {
		return nil
	}
	f := Finding{
		Confidence: probe.Likely, Author: x.author(), Packets: numbers(first, x.d.by, x.r), Decisive: true,
		Args: []any{x.r.n, first.n, x.d.by.n, x.from(), brief(x.d.wait)},
	}
	if rtt > 0 && x.d.wait > rtt*7/10 && x.d.wait < rtt*3/2+besideHost {
		f.Confidence = probe.Proved
	}
	return &f
}

func strayAfterRefusal(x *matter) *Finding {
	if x.r == nil || x.from() != server || x.synack != nil || x.d.by == nil || x.d.by.has(packet.SYN) || x.syn == nil {
		return nil
	}
	first := x.first(server, 0, isRST)
	if first == x.r || x.drawn(first).link != bySYN {
		return nil
	}
	f := Finding{Confidence: probe.Likely, Packets: numbers(first, x.d.by, x.r), Args: []any{x.r.n, first.n, x.d.by.n}, Decisive: true}
	if far := int(first.p.TTL) - int(x.r.p.TTL); far > ttlSlack || far < -ttlSlack {
		f.Author = probe.ServerSide
		f.Against = append(f.Against, probe.Evidence{
			Rule: "two-distances", Supports: probe.Undetermined, Packets: numbers(first, x.r),
			Detail: fmt.Sprintf("TTL %d, the refusal came with %d: another device answers in the host's name", x.r.p.TTL, first.p.TTL),
		})
	}
	return &f
}

func keepalive(x *matter) *Finding {
	if x.r == nil {
		return nil
	}
	var probes []*seg
	for j := x.r.i - 1; j >= 0; j-- {
		g := &x.segs[j]
		if g.from != x.from() || !g.keepalive {
			break // an answer, or the end of what was said
		}
		probes = append([]*seg{g}, probes...)
	}
	if len(probes) < 2 {
		return nil
	}
	f := Finding{
		Confidence: probe.Likely, Author: x.author(), Packets: append(numbers(probes...), x.r.n), Decisive: true,
		Args: []any{x.r.n, len(probes), x.from(), brief(probes[1].at - probes[0].at)},
	}
	if len(probes) >= 3 {
		f.Confidence = probe.Proved
	}
	return &f
}

// run is how often the last thing that a side said before index i was sent,
// without an acknowledgment of it. What was to expire on the way it did not
// say.
func (s *scene) run(of side, i int) []*seg {
	last := s.last(of, i, func(g *seg) bool { return alive(g) && g.p.TCP.Len() > 0 && !g.keepalive && !s.limited[g.n] })
	if last == nil {
		return nil
	}
	var out []*seg
	for j := last.i; j >= 0; j-- {
		g := &s.segs[j]
		if g.from == of && alive(g) && g.p.TCP.Seq == last.p.TCP.Seq && g.p.TCP.Len() > 0 && !s.limited[g.n] {
			out = append([]*seg{g}, out...)
		}
	}
	if ack, ok := s.acked(of.other(), i); ok && !ack.Before(last.end) {
		return nil
	}
	return out
}

// gaps are the times between segments, and from the last of them to an end.
func gaps(run []*seg, end time.Duration) []time.Duration {
	var out []time.Duration
	for i, g := range run {
		next := end
		if i+1 < len(run) {
			next = run[i+1].at
		}
		out = append(out, brief(next-g.at))
	}
	return out
}

// Retransmission timers. The first retransmission waits for a round trip at
// least, and for what kernels allow for delayed acknowledgments; each later one
// half as long again as the one before, or more, up to the longest wait.
const (
	shortestTimer = 100 * time.Millisecond
	longestTimer  = time.Minute
)

// retried are the copies of the last thing that a side said before index i
// which its retransmission timer sent: those that came sooner were sent for
// another reason.
func (x *matter) retried(of side, i int) []*seg {
	run := x.run(of, i)
	if len(run) == 0 {
		return nil
	}
	last := run[len(run)-1]
	run = slices.DeleteFunc(run, func(g *seg) bool { return g.p.TTL != last.p.TTL || g.data() != last.data() })
	for len(run) > 1 && run[1].at-run[0].at < max(shortestTimer, x.rtt(of)) {
		run = run[1:]
	}
	return run
}

// backsOff reports whether each wait follows from the one before by a timer
// that backs off.
func backsOff(waits []time.Duration) bool {
	for i := 1; i < len(waits); i++ {
		if waits[i]*2 < waits[i-1]*3 && waits[i] < longestTimer {
			return false
		}
	}
	return true
}

func exhausted(x *matter) *Finding {
	if x.r == nil {
		return nil
	}
	run := x.retried(x.from(), x.r.i)
	between := gaps(run, x.r.at)
	if len(run) < 2 || !backsOff(between) {
		return nil
	}
	f := Finding{
		Confidence: probe.Likely, Author: x.author(), Packets: append(numbers(run...), x.r.n), Decisive: true,
		Args: []any{x.r.n, len(run), between, uint32(run[0].p.TCP.Seq), x.from()},
	}
	if len(run) >= 3 {
		f.Confidence = probe.Proved
	}
	return &f
}

// fin is the FIN of a side before the reset; nil: none.
func (x *matter) fin(of side) *seg {
	if x.r == nil {
		return nil
	}
	return x.first(of, 0, func(g *seg) bool { return isFIN(g) && g.i < x.r.i })
}

func afterClose(x *matter) *Finding {
	if x.r == nil || x.d.by == nil || x.last(x.from(), x.r.i, isRST) != nil {
		return nil
	}
	fin := x.fin(x.from())
	if fin == nil || !isData(x.d.by) || x.d.by.from == x.from() || x.d.by.i < fin.i || x.oddTTL(x.r) {
		return nil
	}
	if _, taken := x.readOn(fin); taken != nil {
		return nil // it was not closed for reading
	}
	f := Finding{
		Confidence: probe.Proved, Author: x.author(), Packets: numbers(fin, x.d.by, x.r), Decisive: true,
		Args: []any{x.r.n, fin.n, x.d.by.n, x.from()},
	}
	switch x.d.link {
	case byACK:
	case byEnd:
		f.Confidence = probe.Likely
	default:
		return nil
	}
	return &f
}

// readOn finds the first data that came to the reset's sender after its FIN,
// and its acknowledgment of that: nil if it was deaf to it.
func (x *matter) readOn(fin *seg) (late, taken *seg) {
	late = x.first(x.from().other(), fin.i, isData)
	if late == nil || late.i > x.r.i {
		return nil, nil
	}
	return late, x.first(x.from(), late.i, func(g *seg) bool { return g.i < x.r.i && g.plain() && !g.p.TCP.Ack.Before(late.end) })
}

func lingering(x *matter) *Finding {
	if x.r == nil {
		return nil
	}
	fin := x.fin(x.from())
	if fin == nil {
		return nil
	}
	late, taken := x.readOn(fin)
	if taken == nil {
		return nil
	}
	return &Finding{
		Confidence: probe.Likely, Author: x.author(), Packets: numbers(fin, late, taken, x.r), Decisive: true,
		Args: []any{x.r.n, fin.n, brief(x.r.at - fin.at), x.from()},
	}
}

func fastClose(x *matter) *Finding {
	if x.r == nil || x.last(x.from(), x.r.i, isRST) != nil || x.last(x.from().other(), x.r.i, isRST) != nil {
		return nil
	}
	fin := x.last(x.from(), x.r.i, isFIN)
	if other := x.last(x.from().other(), x.r.i, isFIN); fin == nil || other != nil && other.i > fin.i {
		fin = other
	}
	if fin == nil || x.opened == nil && x.syn != nil || x.oddTTL(fin) || x.suspicion() > 1 {
		return nil
	}
	// Data behind the FIN, or a client's whose request was never answered, is
	// another matter.
	if late := x.last(fin.from.other(), x.r.i, isData); late != nil && late.i > fin.i {
		return nil
	}
	if x.bytes(x.from(), x.r.i) == 0 {
		return nil
	}
	f := Finding{Confidence: probe.Likely, Packets: numbers(fin, x.r), Args: []any{x.r.n, fin.n, fin.from}}
	if x.from() == client {
		f.Author = probe.OwnSide
	}
	return &f
}
