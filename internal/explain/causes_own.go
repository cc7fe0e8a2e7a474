package explain

import (
	"net/netip"
	"time"

	"github.com/rstprobe/rstprobe/internal/packet"
	"github.com/rstprobe/rstprobe/probe"
)

// manyTargets is how many servers or ports make a scan.
const manyTargets = 5

// raceWithin is how far apart the attempts of one race start: Happy Eyeballs
// waits 250 ms (RFC 8305 §5), SMB clients not at all.
const raceWithin = 500 * time.Millisecond

// ownCauses are those of the client's side.
func ownCauses() []Cause {
	return []Cause{
		{
			Code: "C3", Pattern: "dual-connect-race", Author: probe.OwnSide, Ceiling: probe.Proved,
			Title:   "The client raced two connections and dropped the loser",
			Story:   "Some clients open two connections at once, to two ports (SMB: 445 and 139) or two addresses (IPv6 and IPv4), keep the first that stands and reset the other. Nothing is wrong.",
			Look:    "Two SYNs of one client within half a second; on one connection data follows, on the other a RST right after the SYN/ACK.",
			Twin:    "A SYN scan resets every connection it opens; here the sibling goes on and carries data.",
			Next:    "nothing: look at the connection that went on",
			English: "packet %[1]d: the client had raced two connections, went on with the one to %[2]v and dropped this one",
			Chinese: "客户端同时发起了两个连接(双连接竞争),选用了到 %[2]v 的连接,第 %[1]d 号包的 RST 只是放弃落选的那一个,属正常行为",
			find:    race,
		},
		{
			Code: "C1", Pattern: "syn-scan", Author: probe.OwnSide, Ceiling: probe.Proved,
			Title:   "SYN scan",
			Story:   "A scanner sends SYNs with a tool of its own; the kernel of its machine knows nothing of them and resets each SYN/ACK, or the tool does.",
			Look:    "SYN, SYN/ACK, RST from the client, no data, over and over, with many ports or many addresses.",
			Twin:    "A single one is a half-open health check or a raw tool; a race has a sibling that goes on.",
			Next:    "look at what else this client sends; block it at the firewall if it is not yours",
			English: "packet %[1]d: the client resets as soon as the SYN/ACK is there, as with %[2]d other servers or ports: a SYN scan",
			Chinese: "客户端一收到 SYN/ACK 就发 RST(第 %[1]d 号包),另有 %[2]d 个目标也是如此:典型的 TCP SYN 端口扫描",
			find: func(x *matter) *Finding {
				if !x.halfOpen() {
					return nil
				}
				n := x.scans(func(a *attempt) bool { return !a.opened && (a.synacked && a.reset[client] || a.refused) })
				if n < manyTargets {
					return nil
				}
				return &Finding{Confidence: probe.Proved, Packets: numbers(x.synack, x.r), Args: []any{x.r.n, n}, Decisive: true}
			},
		},
		{
			Code: "C1", Pattern: "half-open-reset", Author: probe.OwnSide, Ceiling: probe.Proved,
			Title:   "The client's own kernel reset a connection that it does not know",
			Story:   "A program sent the SYN past its kernel (a raw-socket tool, a prober without reset suppression), or does a half-open health check. The kernel finds no socket for the SYN/ACK and resets.",
			Look:    "The RST has the ACK number of the SYN/ACK as SEQ, no ACK flag, and the client's own TTL; no third packet of a handshake.",
			Twin:    "A box that objects to the SYN/ACK sends the same bytes: its TTL differs from that of the client's SYN.",
			Next:    "look at which program owns the source port; a second capture on the client shows that the reset leaves it",
			English: "packet %[1]d: the client answers the SYN/ACK (packet %[2]d) with a reset: its kernel knows of no such attempt, or a half-open check is done",
			Chinese: "客户端对 SYN/ACK(第 %[2]d 号包)直接回 RST(第 %[1]d 号包):内核不认识该连接(原始套接字工具)或半开探测",
			find: func(x *matter) *Finding {
				if !x.halfOpen() || x.suspicion() > 0 {
					return nil
				}
				return &Finding{Confidence: x.sameTTL(), Packets: numbers(x.synack, x.r), Args: []any{x.r.n, x.synack.n}}
			},
		},
		{
			Code: "C2", Pattern: "connect-scan", Author: probe.OwnSide, Ceiling: probe.Proved,
			Title:   "Connect scan",
			Story:   "A scanner completes the handshake, sees that the port is open and resets at once.",
			Look:    "Handshake, RST from the client, no byte of data, with many ports or addresses.",
			Twin:    "One such connection is a health check of a load balancer or a client that changed its mind.",
			Next:    "look at what else this client sends; block it at the firewall if it is not yours",
			English: "packet %[1]d: the client completes the handshake and resets without a word, as with %[2]d other servers or ports: a connect scan",
			Chinese: "三次握手刚完成客户端就发 RST(第 %[1]d 号包)且未传数据,另有 %[2]d 个目标也是如此:典型的 TCP Connect 端口扫描",
			find: func(x *matter) *Finding {
				if !x.mute() {
					return nil
				}
				n := x.scans(func(a *attempt) bool { return a.asked == 0 && (a.opened && a.reset[client] || a.refused) })
				if n < manyTargets {
					return nil
				}
				return &Finding{Confidence: probe.Proved, Packets: numbers(x.opened, x.r), Args: []any{x.r.n, n}, Decisive: true}
			},
		},
		{
			Code: "C2", Pattern: "connect-and-reset", Author: probe.OwnSide, Ceiling: probe.Likely,
			Title:   "The client connected and reset at once",
			Story:   "A health check that only wants to know whether the port is open, or a program that gave up between connecting and speaking.",
			Look:    "Handshake, then RST from the client with its own TTL, no data either way.",
			Twin:    "A box that resets both ends after the handshake: its TTL is not the client's.",
			Next:    "look for the same at a steady interval: then it is a health check",
			English: "packet %[1]d: the client completes the handshake (packet %[2]d) and resets without a word: a health check, or it gave up",
			Chinese: "客户端完成三次握手(第 %[2]d 号包)后未传任何数据即发 RST(第 %[1]d 号包):健康检查或客户端异常",
			find: func(x *matter) *Finding {
				if !x.mute() || x.suspicion() > 0 {
					return nil
				}
				return &Finding{Confidence: probe.Likely, Packets: numbers(x.opened, x.r), Args: []any{x.r.n, x.opened.n}}
			},
		},
		{
			Code: "C4", Pattern: "client-abort", Author: probe.OwnSide, Ceiling: probe.Proved,
			Title:   "The client closed without reading all, or gave up",
			Story:   "The client's program closed its socket while data of the server lay unread in it, or was on its way, or was told to drop it (linger 0). The kernel then sends RST instead of FIN (RFC 2525 §2.17). Browsers do that when somebody leaves a page.",
			Look:    "Data of the server, acknowledged by the client's kernel, then RST+ACK from the client with its own TTL and its next sequence number.",
			Twin:    "A box that resets the server in the client's name: another TTL, or the client goes on talking.",
			Next:    "look into the client program: does it read to the end before it closes (shutdown, then read, then close)?",
			English: "packet %[1]d: the client aborts after %[2]d bytes of the server's, the last in packet %[3]d, %[4]v earlier: it closed with data unread, or gave up",
			Chinese: "客户端在收到服务器 %[2]d 字节(最后一个数据包为第 %[3]d 号,%[4]v 之前)后主动发 RST(第 %[1]d 号包):接收缓冲区仍有未读数据时关闭,或应用放弃连接",
			find:    clientAbort,
		},
		{
			Code: "C4", Pattern: "client-gave-up", Author: probe.OwnSide, Ceiling: probe.Likely,
			Title:   "The client dropped the connection",
			Story:   "The client's program lost its patience, was stopped, or, like a tester, had seen enough: it closed without waiting for an answer, or after the connection was over already.",
			Look:    "The client's own RST, captured where it was sent.",
			Twin:    "A box that resets the server in the client's name: seen at the server, never at the client.",
			Next:    "if nothing answered the client, look for where its packets went: capture at the server; else look into the client program",
			English: "packet %[1]d: the client itself drops the connection, %[2]v after its packet %[3]d%[4]v",
			Chinese: "客户端在发出第 %[3]d 号包 %[2]v 后自行发 RST(第 %[1]d 号包)放弃连接%[4]v",
			find:    gaveUp,
		},
		{
			Code: "C5", Pattern: "beside-the-client", Author: probe.OwnSide, Ceiling: probe.Proved,
			Title:   "Something on or next to the client's machine sent it",
			Story:   "A local firewall, antivirus, proxy or VPN resets in the server's name. No router touched the packet, and it is there sooner than anything from outside could be.",
			Look:    "The RST has the full TTL of 64, 128 or 255 and comes within two milliseconds, while the server's packets have crossed routers.",
			Twin:    "A server on the same link: then its SYN/ACK has a full TTL too.",
			Next:    "turn the local firewall, antivirus and VPN off one by one; rstprobe doctor lists what it finds",
			English: "packet %[1]d: TTL %[2]d, untouched by any router, %[3]v after packet %[4]d; the server is %[5]d hops away",
			Chinese: "第 %[1]d 号 RST 的 TTL 为 %[2]d(未经过任何路由器),距第 %[4]d 号包仅 %[3]v,而服务器在 %[5]d 跳之外:由客户端本机或其旁边的设备发出",
			find:    besideClient,
		},
		{
			Code: "C6", Pattern: "nat-forgot", Author: probe.OwnSide, Ceiling: probe.Likely,
			Title:   "Address translation near the client forgot the connection",
			Story:   "Home routers and carriers drop the state of an idle connection; some answer the next packet with RST.",
			Look:    "A pause, a packet of the client, RST from one or two hops away.",
			Twin:    "A server that times out sends from its own distance.",
			Next:    "repeat from another access line; a keepalive below the timeout cures it",
			English: "packet %[1]d: from %[2]d hops away, the server is %[3]d; it answers the first packet after a pause of %[4]v",
			Chinese: "空闲 %[4]v 后的第一个包被 RST(第 %[1]d 号包),发送者在 %[2]d 跳处,服务器在 %[3]d 跳处:客户端一侧的 NAT 会话已老化",
			find: func(x *matter) *Finding {
				idle := x.idle()
				if x.r == nil || x.from() != server || x.synack == nil || idle < 30*time.Second || x.d.link != byACK && x.d.link != byEnd {
					return nil
				}
				far, near := hops(x.synack.p.TTL), hops(x.r.p.TTL)
				if near > 2 || far < near+3 || x.position != AtClient {
					return nil
				}
				return &Finding{Confidence: probe.Likely, Packets: numbers(x.d.by, x.r), Args: []any{x.r.n, near, far, brief(idle)}, Decisive: true}
			},
		},
	}
}

// halfOpen reports whether the client resets on the SYN/ACK.
func (x *matter) halfOpen() bool {
	return x.r != nil && x.from() == client && x.synack != nil && x.d.by != nil && x.d.by.has(packet.SYN|packet.ACK) &&
		x.last(client, x.r.i, func(g *seg) bool { return alive(g) && g.has(packet.ACK) }) == nil
}

// mute reports whether the client resets after the handshake, before anybody
// has said anything.
func (x *matter) mute() bool {
	return x.r != nil && x.from() == client && x.opened != nil && x.opened.i < x.r.i &&
		x.bytes(client, x.r.i) == 0 && x.bytes(server, x.r.i) == 0 && x.last(server, x.r.i, isRST) == nil &&
		x.last(server, x.r.i, isFIN) == nil && x.last(client, x.r.i, isFIN) == nil && x.idle() < shortestIdle
}

// scans counts other servers or ports with which the client did the same.
func (x *matter) scans(is func(*attempt) bool) int {
	targets := map[netip.AddrPort]bool{}
	x.tally(x.facts.byClient[x.conv.Key.Local.Addr()], func(a *attempt) bool {
		if a.key.Remote != x.conv.Key.Remote && is(a) {
			targets[a.key.Remote] = true
		}
		return false
	})
	return len(targets)
}

// sameTTL is proof where a reset has the TTL of its sender's other packets,
// and was captured where it was sent.
func (x *matter) sameTTL() probe.Confidence {
	if x.position == AtClient && x.from() == client && hops(x.r.p.TTL) == 0 {
		return probe.Proved
	}
	return probe.Likely
}

func race(x *matter) *Finding {
	if !x.halfOpen() && !x.mute() {
		return nil
	}
	for _, a := range x.facts.near(x.start(), raceWithin) {
		mine, other := x.conv.Key.Remote, a.key.Remote
		sameHost := a.key.Local.Addr() == x.conv.Key.Local.Addr() && (mine.Addr() == other.Addr()) != (mine.Port() == other.Port())
		otherFamily := mine.Addr().Is4() != other.Addr().Is4() && mine.Port() == other.Port()
		if mine != other && (sameHost || otherFamily) && a.asked > 0 && !a.reset[client] {
			return &Finding{Confidence: probe.Proved, Packets: append(numbers(x.syn, x.synack, x.r), a.n), Args: []any{x.r.n, other}, Decisive: true}
		}
	}
	return nil
}

func clientAbort(x *matter) *Finding {
	if x.r == nil || x.from() != client || x.bytes(server, x.r.i) == 0 || x.suspicion() > 0 || x.last(server, x.r.i, isRST) != nil {
		return nil
	}
	last := x.last(server, x.r.i, isData)
	return &Finding{
		Confidence: x.sameTTL(), Packets: numbers(last, x.r),
		Args: []any{x.r.n, x.bytes(server, x.r.i), last.n, brief(x.r.at - last.at)},
	}
}

// unheard is said of a client that was not even acknowledged.
var unheard = words{", which nothing answered", ",而该包从未得到任何应答"}

// gaveUp: why a client drops a connection is its own affair, unless it was not
// heard: then something else went wrong before.
func gaveUp(x *matter) *Finding {
	if x.r == nil || x.from() != client || !x.sentHere(client) {
		return nil
	}
	last := x.last(client, x.r.i, alive)
	if last == nil {
		return nil
	}
	f := Finding{Confidence: probe.Likely, Packets: numbers(last, x.r), Args: []any{x.r.n, brief(x.r.at - last.at), last.n, words{}}}
	if lost := x.run(client, x.r.i); len(lost) > 0 && x.count(server, x.r.i, func(g *seg) bool { return g.i > lost[0].i }) == 0 {
		f.Args[1], f.Args[2], f.Args[3] = brief(x.r.at-lost[0].at), lost[0].n, unheard
		f.Author, f.Packets = probe.Undetermined, numbers(lost[0], x.r)
	}
	return &f
}

func besideClient(x *matter) *Finding {
	const local = 2 * time.Millisecond
	if x.r == nil || x.from() != server || x.position != AtClient || x.synack == nil || x.d.by == nil || x.d.by.from != client {
		return nil
	}
	far := hops(x.synack.p.TTL)
	if hops(x.r.p.TTL) > 0 || far == 0 || x.d.wait > local || x.there < 3*local {
		return nil
	}
	return &Finding{
		Confidence: probe.Proved, Packets: numbers(x.synack, x.d.by, x.r), Decisive: true,
		Args: []any{x.r.n, x.r.p.TTL, brief(x.d.wait), x.d.by.n, far},
	}
}
