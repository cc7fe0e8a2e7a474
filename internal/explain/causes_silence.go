package explain

import (
	"time"

	"github.com/rstprobe/rstprobe/internal/packet"
	"github.com/rstprobe/rstprobe/probe"
)

// silenceCauses are those of conversations that broke off without a reset.
func silenceCauses() []Cause {
	return []Cause{
		{
			Code: "N1", Pattern: "icmp-unreachable", Author: probe.Undetermined, Ceiling: probe.Likely,
			Title:   "A router or the host says that there is no way",
			Story:   "An ICMP error came back: no route, host down, port closed, or forbidden by an administrator. It quotes the packet that it is about.",
			Look:    "Who sent the ICMP error, its code, and the packet that it quotes.",
			Twin:    "Time Exceeded and Packet Too Big say something else.",
			Next:    "the address that sent the error is the place to ask; rstprobe trace shows where on the path it is",
			English: "packet %[1]d: %[2]v says that packet %[3]d could not be delivered (ICMP type %[4]d code %[5]d, %[6]s)",
			Chinese: "第 %[1]d 号 ICMP 报文:%[2]v 报告第 %[3]d 号包不可达(类型 %[4]d 代码 %[5]d,%[6]s)",
			find:    unreachable,
		},
		{
			Code: "N3", Pattern: "path-mtu", Author: probe.Undetermined, Ceiling: probe.Likely,
			Title:   "Large packets vanish (path MTU black hole)",
			Story:   "Small packets pass, full-sized ones do not: somewhere the path is narrower, and the ICMP messages that say so are filtered.",
			Look:    "Handshake and small segments in order; one large segment sent again and again; perhaps Packet Too Big.",
			Twin:    "A box that drops what it reads drops short packets with the same words too.",
			Next:    "repeat with a smaller MSS (ip route ... advmss 1200); let ICMP type 3 code 4 and ICMPv6 type 2 pass",
			English: "packet %[1]d: %[2]d bytes were sent %[3]d times and never acknowledged, while smaller packets pass",
			Chinese: "第 %[1]d 号包(%[2]d 字节)发送 %[3]d 次均未被确认,而小包正常:路径 MTU 黑洞",
			find:    pathMTU,
		},
		{
			Code: "M14", Pattern: "volume-cut", Author: probe.OnOrInPath, Ceiling: probe.Possible,
			Title:   "Cut after a fixed amount of data",
			Story:   "The connection works and stops after so many bytes or packets, every time at the same place, whatever is transferred.",
			Look:    "How much of the server's stream had come, over several conversations.",
			Twin:    "A file that always breaks at one place may be broken at the server.",
			Next:    "repeat with another file and a harmless name: rstprobe tests 64 KiB both ways",
			English: "cut after %[1]d bytes; %[2]d other conversations with this host ended at nearly the same size",
			Chinese: "传输 %[1]d 字节后中断,另有 %[2]d 个会话在几乎相同的字节数处中断:按流量阈值切断",
			find:    volume,
		},
		{
			Code: "M8", Pattern: "one-direction", Author: probe.InPath, Ceiling: probe.Likely,
			Title:   "One direction is filtered",
			Story:   "One end repeats what the other has long acknowledged: the acknowledgments do not reach it. A filter, or a broken route, takes one direction away.",
			Look:    "The same data again and again, and between the copies acknowledgments of it.",
			Twin:    "Lost data is not acknowledged; a single lost acknowledgment draws a single repetition.",
			Next:    "capture at the end that repeats: do the acknowledgments arrive there?",
			English: "packet %[1]d: the %[4]v repeats what packet %[2]d had acknowledged, %[3]d times: the acknowledgments do not reach it",
			Chinese: "%[4]v 重复发送已被第 %[2]d 号包确认的数据 %[3]d 次(如第 %[1]d 号包):确认包到不了对端,单方向被过滤",
			find:    oneDirection,
		},
		{
			Code: "M6", Pattern: "trigger-dropped", Author: probe.InPath, Ceiling: probe.Likely,
			Title:   "The request was dropped on the way",
			Story:   "The handshake passed, the first data did not: TCP would acknowledge it whatever the program thinks of it. A filter took it out, or the path broke just then.",
			Look:    "The request again and again, no acknowledgment; other connections to the host are served.",
			Twin:    "Plain loss hits other packets too; a path MTU black hole only large ones.",
			Next:    "rstprobe HOST:PORT --sni=NAME compares with a harmless name and finds the hop",
			English: "packet %[1]d%[2]s and what followed, %[3]d packets, were never acknowledged, after a good handshake",
			Chinese: "握手正常,但第 %[1]d 号包%[2]s 及其后共 %[3]d 个包始终未被确认:请求在途中被丢弃",
			find:    dropped,
		},
		{
			Code: "M7", Pattern: "silenced", Author: probe.InPath, Ceiling: probe.Likely,
			Title:   "Acknowledged, then silence",
			Story:   "The request arrived and was acknowledged, and then nothing came any more: a box let it pass and cut the flow, or the server's program hangs.",
			Look:    "The acknowledgment of the request, and nothing from the server behind it.",
			Twin:    "A server that thinks long or hangs: other requests to it hang too.",
			Next:    "rstprobe HOST:PORT --sni=NAME compares with a harmless name; a capture at the server shows whether it answers",
			English: "packet %[1]d%[2]s was acknowledged, and then nothing came for %[3]v",
			Chinese: "第 %[1]d 号包%[2]s 已被确认,之后 %[3]v 内再无任何响应:流量被中途静默丢弃或服务器挂起",
			find:    silenced,
		},
		{
			Code: "M13", Pattern: "residual-block", Author: probe.OnOrInPath, Ceiling: probe.UndeterminedDegree,
			Title:   "What failed before keeps failing for a while",
			Story:   "After a box has ended one connection it refuses the next ones between the same ends for seconds or minutes, whatever they say.",
			Look:    "A conversation that a box ended shortly before, between the same two hosts.",
			Twin:    "The host may be down by coincidence.",
			Next:    "try again after five minutes, with a harmless name: if that works at once and fails after the test name, it is this",
			English: "no answer, %[1]v after a box had ended another conversation between the two: it may still block them",
			Chinese: "%[1]v 之前同一对主机间的会话曾被中间设备重置,现在无应答:可能是残留封锁",
			find: func(x *matter) *Finding {
				at, ok := x.boxedBefore()
				if !ok || x.r != nil || !x.unanswered() {
					return nil
				}
				return &Finding{Confidence: probe.UndeterminedDegree, Packets: numbers(x.syn), Args: []any{brief(x.start().Sub(at))}}
			},
		},
		{
			Code: "M9", Pattern: "black-hole", Author: probe.Undetermined, Ceiling: probe.Possible,
			Title:   "The address is a black hole",
			Story:   "Nothing to this address is ever answered, while its neighbours are reached: its route is discarded somewhere, or the host is off.",
			Look:    "SYNs to the address, all unanswered; SYN/ACKs of other addresses of the prefix.",
			Twin:    "A host that is switched off looks the same.",
			Next:    "try from another network, and a traceroute to the address and to its neighbour: where do they part?",
			English: "%[1]d attempts at %[2]v went unanswered, while its neighbours in %[3]v answer",
			Chinese: "%[1]d 次访问 %[2]v 均无任何应答,而同网段 %[3]v 的其他地址正常:地址黑洞",
			find:    blackHole,
		},
		{
			Code: "N2", Pattern: "syn-unanswered", Author: probe.Undetermined, Ceiling: probe.Possible,
			Title:   "Nothing answers the SYN",
			Story:   "The host is down, the address is wrong, a firewall drops the SYN, or the way back is broken.",
			Look:    "The SYN, its repetitions, and no packet from the other end.",
			Twin:    "A capture that misses one direction: then other conversations have gaps too.",
			Next:    "capture at the server: does the SYN arrive? rstprobe HOST:PORT --syn traces it",
			English: "the SYN in packet %[1]d was sent %[2]d times and nothing answered",
			Chinese: "第 %[1]d 号 SYN 共发送 %[2]d 次,无任何应答:主机不可达、被丢弃或无路由",
			find: func(x *matter) *Finding {
				if _, boxed := x.boxedBefore(); boxed || x.r != nil || !x.unanswered() {
					return nil
				}
				return &Finding{Confidence: probe.Possible, Packets: numbers(x.syn), Args: []any{x.syn.n, x.count(client, len(x.segs), isSYN)}}
			},
		},
		{
			Code: "M10", Pattern: "loss", Author: probe.Undetermined, Ceiling: probe.UndeterminedDegree,
			Title:   "Packet loss",
			Story:   "Packets are lost and sent again; the connection survives and is slow. Congestion, a bad line, or a box that drops at random.",
			Look:    "Data sent twice that was not acknowledged in between, copies of mirror ports left out.",
			Twin:    "Reordering and duplicates look like loss to careless tools.",
			Next:    "compare with another name and address on the same path: loss that picks its target is throttling",
			English: "%[1]d of %[2]d data packets were sent again, the first in packet %[3]d: packets are lost on the way",
			Chinese: "%[2]d 个数据包中有 %[1]d 个是重传(首个为第 %[3]d 号包):链路存在丢包",
			find:    loss,
		},
	}
}

// unanswered reports whether the client's SYN met nothing but silence.
func (x *matter) unanswered() bool {
	return x.syn != nil && x.packets(server) == 0 && len(x.resets()) == 0 && x.silent(server)
}

// residualFor is the longest block after a trigger that was ever measured.
const residualFor = 420 * time.Second

// boxedBefore is when a box last ended something between the two hosts, if
// that may still have an effect.
func (x *matter) boxedBefore() (time.Time, bool) {
	at := x.boxed
	return at, !at.IsZero() && at.Before(x.start()) && x.start().Sub(at) <= residualFor
}

func unreachable(x *matter) *Finding {
	if x.r != nil {
		return nil
	}
	for _, e := range x.icmp {
		q := e.Packet.ICMP
		if q.Kind != packet.Unreachable {
			continue
		}
		quoted := 0
		for i := range x.segs {
			if g := &x.segs[i]; g.p.TCP.Seq == q.Quote.Seq && g.p.Src == q.Quote.Src {
				quoted = g.n
			}
		}
		return &Finding{
			Confidence: probe.Likely, Packets: []int{e.N, quoted}, Decisive: true,
			Args: []any{e.N, e.Packet.Src.Addr(), quoted, q.Type, q.Code, unreachableFor(q, x.addr(client).Addr().Is4())},
		}
	}
	return nil
}

// repeated is the run of unacknowledged copies of a side's last words that a
// conversation ended with.
func (x *matter) repeated(of side) []*seg {
	if x.r != nil || len(x.resets()) > 0 {
		return nil
	}
	return x.run(of, len(x.segs))
}

func pathMTU(x *matter) *Finding {
	const large = 1200
	for _, of := range []side{client, server} {
		run := x.repeated(of)
		if len(run) < 3 || run[0].data() < large || x.opened == nil {
			continue
		}
		return &Finding{Confidence: probe.Likely, Packets: numbers(run...), Args: []any{run[0].n, run[0].data(), len(run)}}
	}
	return nil
}

// dropped: what the client said after the handshake, twice and more, met no
// acknowledgment. A packet with a TTL of its own was sent to die on the way,
// as path tracers do, and does not count.
func dropped(x *matter) *Finding {
	if x.r != nil || len(x.resets()) > 0 || x.opened == nil || !x.silent(server) || x.first(server, x.opened.i, any1) != nil {
		return nil
	}
	var lost []*seg
	for i := x.opened.i + 1; i < len(x.segs); i++ {
		g := &x.segs[i]
		if g.from == client && g.p.TCP.Len() > 0 && g.p.TTL == x.opened.p.TTL {
			lost = append(lost, g)
		}
	}
	if len(lost) < 2 || !isData(lost[0]) {
		return nil
	}
	f := Finding{Confidence: probe.Possible, Packets: numbers(lost...), Args: []any{lost[0].n, said(lost[0]), len(lost)}}
	if len(lost) >= 3 && len(x.facts.healthyWith(x.addr(server).Addr())) > 0 {
		f.Confidence = probe.Likely
	}
	return &f
}

func silenced(x *matter) *Finding {
	if x.r != nil || len(x.resets()) > 0 || !x.silent(server) || x.first(server, 0, isFIN) != nil {
		return nil
	}
	request := x.last(client, len(x.segs), isData)
	if request == nil || x.first(server, request.i, isData) != nil {
		return nil
	}
	if ack, ok := x.acked(server, len(x.segs)); !ok || ack.Before(request.end) {
		return nil
	}
	last := x.last(server, len(x.segs), any1)
	f := Finding{Confidence: probe.Possible, Packets: numbers(request, last), Args: []any{request.n, said(request), brief(x.conv.End - last.at)}}
	if len(x.facts.healthyWith(x.addr(server).Addr())) > 0 {
		f.Confidence = probe.Likely
	}
	return &f
}

func oneDirection(x *matter) *Finding {
	if x.r != nil {
		return nil
	}
	for _, of := range []side{server, client} {
		n := 0
		var last, ack *seg
		for i := range x.segs {
			g := &x.segs[i]
			if g.from != of || !g.again || !isData(g) && !g.has(packet.SYN) {
				continue
			}
			if a := x.last(of.other(), i, func(a *seg) bool {
				return a.has(packet.ACK) && !a.p.TCP.Ack.Before(g.end) && g.at-a.at >= retransmissionTimeout
			}); a != nil {
				n, last, ack = n+1, g, a
			}
		}
		if n >= 3 {
			return &Finding{Confidence: probe.Likely, Packets: numbers(ack, last), Args: []any{last.n, ack.n, n, of}, Decisive: true}
		}
	}
	return nil
}

// retransmissionTimeout is the shortest in wide use (Linux's TCP_RTO_MIN): an
// acknowledgment that is older should have arrived.
const retransmissionTimeout = 200 * time.Millisecond

func volume(x *matter) *Finding {
	const least = 8 << 10
	got := x.bytes(server, len(x.segs))
	if got < least || x.r == nil && !(x.silent(server) && x.first(server, 0, isFIN) == nil) {
		return nil
	}
	n, _ := x.tally(x.facts.byHost[x.addr(server).Addr()], func(a *attempt) bool {
		return max(a.got-got, got-a.got) <= got/10 && (a.stalled || a.reset[server])
	})
	if n < 2 {
		return nil
	}
	return &Finding{Confidence: probe.Possible, Packets: numbers(x.last(server, len(x.segs), isData)), Args: []any{got, n}, Decisive: x.r == nil}
}

func blackHole(x *matter) *Finding {
	if _, boxed := x.boxedBefore(); boxed || x.r != nil || !x.unanswered() {
		return nil
	}
	host := x.addr(server).Addr()
	more, _ := x.tally(x.facts.byHost[host], func(a *attempt) bool { return !a.synacked })
	answered, _ := x.tally(x.facts.byHost[host], func(a *attempt) bool { return a.synacked })
	tries := more + 1
	prefix := neighbourhood(host)
	known := x.facts.prefixes[prefix]
	if tries < 2 || answered > 0 || known == nil || known.high == 0 {
		return nil
	}
	return &Finding{Confidence: probe.Possible, Packets: numbers(x.syn), Args: []any{tries, host, prefix}}
}

func loss(x *matter) *Finding {
	const least = 3
	if x.r != nil || len(x.resets()) > 0 {
		return nil
	}
	again, all := 0, 0
	var first *seg
	for i := range x.segs {
		g := &x.segs[i]
		if !isData(g) {
			continue
		}
		all++
		if g.again {
			again++
			if first == nil {
				first = g
			}
		}
	}
	if again < least {
		return nil
	}
	return &Finding{Confidence: probe.UndeterminedDegree, Packets: numbers(first), Args: []any{again, all, first.n}}
}
