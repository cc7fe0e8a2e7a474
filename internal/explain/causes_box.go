package explain

import (
	"fmt"
	"slices"
	"time"

	"github.com/rstprobe/rstprobe/internal/packet"
	"github.com/rstprobe/rstprobe/probe"
)

// boxCauses are those of boxes between the ends that spoke in the name of one.
// Each asks for evidence of a box; a pattern that a host could leave as well is
// not enough.
func boxCauses() []Cause {
	rows := []Cause{
		{
			Code: "M17", Pattern: "blind-resets", Author: probe.Undetermined, Ceiling: probe.Likely,
			Title:   "Somebody tries to break the connection blindly",
			Story:   "An attacker who does not see the packets sends resets with guessed sequence numbers, hoping that one falls into the window (RFC 5961). The numbers follow nothing that was sent.",
			Look:    "Several resets whose SEQ walk through the number space, and the conversation going on between them; challenge ACKs.",
			Twin:    "A box on the path knows the numbers and needs no guesses; copies of one reset have one number.",
			Next:    "capture at the network's border: where do these packets come in? Filter spoofed sources there (BCP 38)",
			English: "packet %[1]d is one of %[2]d resets whose sequence numbers follow nothing that was sent, up to %[3]d apart; the conversation goes on",
			Chinese: "共有 %[2]d 个 RST(如第 %[1]d 号包)的序号与会话无关、彼此相差可达 %[3]d,会话仍在继续:盲目的 RST 攻击尝试",
			find:    blind,
		},
		{
			Code: "M2", Pattern: "syn-ack-triggered", Author: probe.OnOrInPath, Ceiling: probe.Likely,
			Title:   "A box objected to the handshake (SYN/ACK-triggered)",
			Story:   "A box on the path saw SYN and SYN/ACK and ended the connection before anything was said: it blocks the address or the port. It may reset both ends; the server then resets the client's late ACK once more.",
			Look:    "RST with SEQ = the SYN/ACK's SEQ + 1, sooner after it than a round trip, with another TTL; often a second, genuine one a round trip later.",
			Twin:    "An accept queue that overflows: then the reset has the server's TTL and takes a round trip.",
			Next:    "capture at the server at the same time: did it send this reset, did it get one in the client's name? rstprobe HOST:PORT --syn locates the box",
			English: "packet %[1]d resets right after the SYN/ACK (packet %[2]d), %[3]v after it, TTL %[4]d where the SYN/ACK had %[5]d: a box between the ends",
			Chinese: "第 %[1]d 号 RST 针对 SYN/ACK(第 %[2]d 号包),仅隔 %[3]v,TTL 为 %[4]d 而 SYN/ACK 为 %[5]d:中间防火墙设备根据 SYN/ACK 重置连接",
			find:    atHandshake,
		},
		{
			Code: "M15", Pattern: "ttl-copied", Author: probe.OnOrInPath, Ceiling: probe.Likely,
			Title:   "A box that copies the TTL",
			Story:   "The forged reset leaves the box with the TTL that the packet had which drew it, so it arrives with next to nothing left.",
			Look:    "The TTL of the reset: 1 to 20, while the server's packets arrive with far more; it moves with the TTL of our packet.",
			Twin:    "No host starts with so small a TTL.",
			Next:    "rstprobe sends the trigger with several TTLs: the reset's moves along",
			English: "packet %[1]d arrives with TTL %[2]d, far below the %[3]d of the server's packets: it was copied from the packet that drew it (packet %[4]d)",
			Chinese: "第 %[1]d 号 RST 的 TTL 仅为 %[2]d,远低于服务器报文的 %[3]d:中间设备复制了触发包(第 %[4]d 号包)的剩余 TTL",
			find: func(x *matter) *Finding {
				const most, below = 20, 20
				if x.r == nil || x.d.by == nil || x.r.p.TTL > most {
					return nil
				}
				low, high := x.span(x.from())
				if high == 0 || int(low) < int(x.r.p.TTL)+below {
					return nil
				}
				return &Finding{Confidence: probe.Likely, Packets: numbers(x.d.by, x.r), Args: []any{x.r.n, x.r.p.TTL, low, x.d.by.n}, Decisive: true}
			},
		},
		{
			Code: "M4", Pattern: "both-ends-reset", Author: probe.OnOrInPath, Ceiling: probe.Likely,
			Title:   "A box resets both ends",
			Story:   "A firewall or intrusion detection system on the path objected to what was said and sent a reset to either end in the other's name.",
			Look:    "A reset each way within a moment, neither drawn by the other (a host answers no reset); or a forged one, and later a genuine one of the server, which had been reset too.",
			Twin:    "A server that resets, and a client whose late data draws a second reset from the same server.",
			Next:    "captures at both ends show each a reset that the other never sent",
			English: "packet %[1]d resets one end over packet %[3]d%[4]s, and packet %[2]d shows that the other was reset as well: a box between them",
			Chinese: "第 %[1]d 号 RST 由第 %[3]d 号包%[4]s 触发并重置一端,第 %[2]d 号包表明另一端也被重置:中间防火墙双向重置",
			find:    bothWays,
		},
		{
			Code: "M3", Pattern: "data-triggered", Author: probe.OnOrInPath, Ceiling: probe.Proved,
			Title:   "A box objected to what was said (ClientHello, Host or content)",
			Story:   "A box on the path read the name in the ClientHello or the Host header, or a word in the data, and sent a reset in the server's name. The server knows nothing of it: often its answer still arrives, too late.",
			Look:    "The request, the RST sooner than a round trip or from another distance, and then the server's own ServerHello or answer.",
			Twin:    "A server that rejects a name closes with its own TTL and says nothing afterwards.",
			Next:    "rstprobe HOST:PORT --sni=NAME (or --host=NAME) compares with a harmless name and finds the hop; or capture at the server",
			English: "packet %[1]d was drawn by %[2]v and is not the %[3]v's: a box on the path sent it in its name",
			Chinese: "第 %[1]d 号 RST 由%[2]v触发,并非 %[3]v 发出:中间(旁路)设备伪造的重置",
			find:    atData,
		},
		{
			Code: "M1", Pattern: "syn-triggered", Author: probe.OnOrInPath, Ceiling: probe.Possible,
			Title:   "A box answers the SYN: address or port blocked",
			Story:   "A box on the path refuses the connection in the server's name, or resets what it lets through.",
			Look:    "RST to the SYN with a TTL unlike the host's, or a SYN/ACK that arrives as well: the port is open.",
			Twin:    "A closed port sends the same bytes from the host's own distance.",
			Next:    "rstprobe HOST:PORT --syn locates who answers; another address behind the same path tells an address block",
			English: "packet %[1]d refuses the SYN in packet %[2]d, but see %[3]s: a box on the path may have sent it",
			Chinese: "第 %[2]d 号 SYN 被 RST(第 %[1]d 号包),但 %[3]s:可能由中间设备针对 SYN(地址/端口封禁)发出",
			find:    atSYN,
		},
		{
			Code: "M11", Pattern: "forged-answer", Author: probe.OnOrInPath, Ceiling: probe.Likely,
			Title:   "An answer that is not the server's (early answer, block page)",
			Story:   "A box on the path answered the request itself, with a page, a redirect or an inserted text, and closed. The server's own answer comes later, if it is let through.",
			Look:    "Two different answers for the same sequence numbers, or a short answer with FIN and a TTL unlike the SYN/ACK's.",
			Twin:    "Retransmissions repeat the same bytes.",
			Next:    "rstprobe HOST --host=NAME shows the page and locates who sent it; ask for the same over another line",
			English: "packet %[1]d answers the request in the server's name%[2]s",
			Chinese: "第 %[1]d 号包以服务器的名义抢先应答%[2]s:中间设备插入/篡改的响应",
			find:    forged,
		},
		{
			Code: "M12", Pattern: "forged-fin", Author: probe.OnOrInPath, Ceiling: probe.Possible,
			Title:   "A FIN that is not the server's",
			Story:   "A box on the path closes the connection in the server's name, before the server has said a word.",
			Look:    "FIN right after the request, no data, a TTL unlike the server's.",
			Twin:    "A server that closes without an answer does so from its own distance.",
			Next:    "rstprobe HOST:PORT --sni=NAME compares with a harmless name",
			English: "packet %[1]d closes without an answer, TTL %[2]d where the SYN/ACK had %[3]d",
			Chinese: "第 %[1]d 号 FIN 未携带任何响应,TTL 为 %[2]d 而 SYN/ACK 为 %[3]d:可能是中间设备伪造的 FIN",
			find:    forgedFIN,
		},
	}
	for i := range rows {
		find := rows[i].find
		rows[i].find = func(x *matter) *Finding {
			if x.sentHere(x.inName()) {
				return nil
			}
			return find(x)
		}
	}
	return rows
}

// byBox words how sure a box is, by the suspicion.
func (x *matter) byBox() probe.Confidence {
	switch x.suspicion() {
	case 3, 2:
		return probe.Likely
	case 1:
		return probe.Possible
	}
	return probe.UndeterminedDegree
}

func blind(x *matter) *Finding {
	if x.r == nil || x.first(x.from(), x.r.i, alive) == nil && x.first(x.from().other(), x.r.i, alive) == nil {
		return nil
	}
	var wild []*seg
	for _, r := range x.resets() {
		if r.from == x.from() && x.drawn(r).by == nil {
			wild = append(wild, r)
		}
	}
	seqs := map[packet.Seq]bool{}
	low, high := 0, 0
	for _, r := range wild {
		seqs[r.p.TCP.Seq] = true
		d := r.p.TCP.Seq.Sub(wild[0].p.TCP.Seq)
		low, high = min(low, d), max(high, d)
	}
	if len(seqs) < 3 || !slices.Contains(wild, x.r) {
		return nil
	}
	return &Finding{Confidence: probe.Likely, Packets: numbers(wild...), Args: []any{x.r.n, len(wild), high - low}, Decisive: true}
}

func atHandshake(x *matter) *Finding {
	if x.r == nil || x.from() != server || x.synack == nil || x.synack.i > x.r.i || x.suspicion() == 0 {
		return nil
	}
	if x.r.p.TCP.Seq != x.synack.end || x.bytes(client, x.r.i) > 0 || x.bytes(server, x.r.i) > 0 || x.knowsMore() {
		return nil
	}
	return &Finding{
		Confidence: x.byBox(), Packets: numbers(x.synack, x.r), Decisive: x.suspicion() > 1,
		Args: []any{x.r.n, x.synack.n, brief(x.r.at - x.synack.at), x.r.p.TTL, x.synack.p.TTL},
	}
}

// said words what the packet that drew a reset had to say.
func said(t *seg) string {
	if t == nil {
		return ""
	}
	switch trigger, name := asked(t.p.TCP.Payload); trigger {
	case probe.TriggerSNI:
		return fmt.Sprintf(" (ClientHello, server_name %q)", name)
	case probe.TriggerHost:
		return fmt.Sprintf(" (HTTP, Host %q)", name)
	default:
		return ""
	}
}

// knowsMore reports whether the reset acknowledges more than the SYN: data that
// the capture lacks.
func (x *matter) knowsMore() bool {
	return x.r.has(packet.ACK) && x.synack != nil && x.synack.p.TCP.Ack.Before(x.r.p.TCP.Ack)
}

func atData(x *matter) *Finding {
	if x.r == nil || x.suspicion() == 0 {
		return nil
	}
	// A box that resets both ends goes by what it saw, in either direction.
	t := x.d.by
	if t == nil || t.has(packet.SYN) || t == x.opened {
		for _, of := range []side{x.from(), x.from().other()} {
			if said := x.last(of, x.r.i, isData); said != nil {
				t = said
			}
		}
	}
	by := words{"data that the capture lacks", "未被抓到的数据"}
	switch {
	case t != nil && !t.has(packet.SYN) && t != x.opened:
		by.english = fmt.Sprintf("packet %d%s", t.n, said(t))
		by.chinese = fmt.Sprintf("第 %d 号包%s ", t.n, said(t))
	case x.from() == server && x.knowsMore():
		t = nil
	default:
		return nil
	}
	f := &Finding{
		Confidence: x.byBox(), Packets: numbers(t, x.r), Decisive: x.suspicion() > 1, Args: []any{x.r.n, by, x.from()},
	}
	if x.why.shows("server-goes-on") != nil || x.why.shows("expired-and-reset") != nil {
		f.Author = probe.OnPath
	}
	return f
}

// moment is how far apart the two resets of a box are that hits both ends,
// where no round trip lies between.
const moment = 50 * time.Millisecond

func bothWays(x *matter) *Finding {
	if x.r == nil || x.suspicion() == 0 {
		return nil
	}
	data := x.last(client, x.r.i, isData)
	if data == nil {
		return nil
	}
	for _, e := range x.resets() {
		if apart := max(e.at-x.r.at, x.r.at-e.at); e.from == x.from().other() && apart <= moment && !x.sentHere(e.from) {
			return &Finding{
				Confidence: x.byBox(), Packets: numbers(data, x.r, e), Args: []any{x.r.n, e.n, data.n, said(data)}, Decisive: true,
			}
		}
	}
	if e := x.why.shows("dead-at-both-ends"); e != nil {
		return &Finding{
			Confidence: x.byBox(), Packets: append(numbers(data), e.Packets...), Decisive: true,
			Args: []any{x.r.n, e.Packets[len(e.Packets)-1], data.n, said(data)},
		}
	}
	return nil
}

func atSYN(x *matter) *Finding {
	if x.r == nil || x.from() != server || x.d.link != bySYN || illegal(x.d.by.p.TCP.Flags) {
		return nil
	}
	f := Finding{Confidence: probe.Possible, Packets: numbers(x.d.by, x.r), Decisive: true}
	switch {
	case x.synack != nil && x.synack.i > x.r.i:
		f.Args = []any{x.r.n, x.d.by.n, fmt.Sprintf("SYN/ACK #%d", x.synack.n)}
		f.Packets = append(f.Packets, x.synack.n)
	case x.oddTTL(x.r):
		low, high := x.span(server)
		f.Args = []any{x.r.n, x.d.by.n, fmt.Sprintf("TTL %d ≠ %d…%d", x.r.p.TTL, low, high)}
	default:
		return nil
	}
	return &f
}

func forged(x *matter) *Finding {
	if x.r != nil {
		return nil
	}
	if e := x.why.shows("two-answers"); e != nil {
		return &Finding{
			Confidence: probe.Likely, Packets: slices.Clone(e.Packets), Decisive: true,
			Args: []any{e.Packets[0], fmt.Sprintf(" (#%d)", e.Packets[len(e.Packets)-1])},
		}
	}
	answer := x.first(server, 0, func(g *seg) bool { return isData(g) && isFIN(g) })
	if answer == nil || !x.oddFIN(answer) {
		return nil
	}
	return &Finding{
		Confidence: higher(probe.Possible, x.byBox()), Packets: numbers(x.synack, answer),
		Args: []any{answer.n, fmt.Sprintf(" (TTL %d, SYN/ACK %d)", answer.p.TTL, x.synack.p.TTL)},
	}
}

// oddFIN reports whether a closing segment of the server's comes from another
// distance than its SYN/ACK.
func (s *scene) oddFIN(g *seg) bool {
	if s.synack == nil {
		return false
	}
	far := int(g.p.TTL) - int(s.synack.p.TTL)
	return far > ttlSlack || far < -ttlSlack
}

func forgedFIN(x *matter) *Finding {
	if x.r != nil {
		return nil
	}
	fin := x.first(server, 0, isFIN)
	if fin == nil || fin.data() > 0 || x.bytes(server, fin.i) > 0 || x.bytes(client, fin.i) == 0 || !x.oddFIN(fin) {
		return nil
	}
	return &Finding{Confidence: probe.Possible, Packets: numbers(x.synack, fin), Args: []any{fin.n, fin.p.TTL, x.synack.p.TTL}}
}
