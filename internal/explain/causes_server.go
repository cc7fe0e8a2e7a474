package explain

import (
	"fmt"
	"time"

	"github.com/rstprobe/rstprobe/internal/packet"
	"github.com/rstprobe/rstprobe/probe"
)

// serverCauses are those of a server, or of its gear, whose past does not
// give them away.
func serverCauses() []Cause {
	return []Cause{
		{
			Code: "S3", Pattern: "illegal-flags", Author: probe.Server, Ceiling: probe.Likely,
			Title:   "Illegal combination of flags",
			Story:   "A packet with flags that TCP knows no use for (SYN with FIN or URG, none at all, FIN without ACK) was answered with a reset. Scanners send such packets to learn what system answers.",
			Look:    "The flags of the packet that drew the reset.",
			Twin:    "A plain SYN to the same port: if that is reset too, the port is closed.",
			Next:    "send a plain SYN to the port (rstprobe HOST:PORT --syn)",
			English: "packet %[1]d answers packet %[2]d, whose flags [%[3]v] no TCP would send",
			Chinese: "第 %[2]d 号包的标志组合 [%[3]v] 不合法(SYN 报文格式错误),因此被 RST(第 %[1]d 号包)",
			find: func(x *matter) *Finding {
				if x.r == nil || x.d.by == nil || x.d.by.from == x.from() || !illegal(x.d.by.p.TCP.Flags) {
					return nil
				}
				return &Finding{Confidence: probe.Likely, Packets: numbers(x.d.by, x.r), Args: []any{x.r.n, x.d.by.n, x.d.by.p.TCP.Flags}, Decisive: true}
			},
		},
		{
			Code: "S2", Pattern: "accept-queue-overflow", Author: probe.Server, Ceiling: probe.Possible,
			Title:   "Accept queue full",
			Story:   "The server's program takes connections too slowly. With tcp_abort_on_overflow the kernel resets what does not fit; without it, it lets SYNs wait. Other connections of the same moment are served.",
			Look:    "SYN, SYN/ACK, ACK, then a bare RST with SEQ = the ACK's ACK number; the same port serves others at the time.",
			Twin:    "A box that objects to the handshake sends from another distance, or resets every connection.",
			Next:    "on the server: nstat -az TcpExtListenOverflows TcpExtListenDrops, ss -ltn (Recv-Q against Send-Q)",
			English: "packet %[1]d: the server resets as soon as the handshake is over, %[2]d of %[3]d connections to this port, others are served: its accept queue overflows",
			Chinese: "握手刚完成服务器即发 RST(第 %[1]d 号包),该端口 %[3]d 个连接中有 %[2]d 个如此,其余正常:全连接队列溢出(tcp_abort_on_overflow)",
			find:    overflow,
		},
		{
			Code: "S4", Pattern: "host-firewall", Author: probe.ServerSide, Ceiling: probe.Possible,
			Title:   "The server's firewall or access list rejects",
			Story:   "A router or firewall just in front of the server answers the SYN with a reset (reject with tcp-reset).",
			Look:    "The TTL of the RST is one or two off that of the host's other packets.",
			Twin:    "A host's TTL may vary by as much behind a load balancer.",
			Next:    "look at the rules in front of the server; its own capture shows whether the SYN arrives",
			English: "packet %[1]d answers the SYN with TTL %[2]d; the host's own packets arrive with %[3]d to %[4]d",
			Chinese: "SYN 被 RST(第 %[1]d 号包),其 TTL 为 %[2]d,而该主机自身报文的 TTL 为 %[3]d 到 %[4]d:服务器前的防火墙/ACL 拒绝",
			find: func(x *matter) *Finding {
				if x.r == nil || x.d.link != bySYN || x.oddTTL(x.r) {
					return nil
				}
				low, high := x.span(server)
				if high == 0 || x.r.p.TTL >= low && x.r.p.TTL <= high {
					return nil
				}
				return &Finding{Confidence: probe.Possible, Packets: numbers(x.syn, x.r), Args: []any{x.r.n, x.r.p.TTL, low, high}, Decisive: true}
			},
		},
		{
			Code: "S1", Pattern: "closed-port", Author: probe.Server, Ceiling: probe.Likely,
			Title:   "Closed port: nobody listens",
			Story:   "The service is not running, listens on another address, or the port is wrong. The server's kernel says so at once; the program reports \"connection refused\".",
			Look:    "SYN, then RST+ACK with SEQ 0 and ACK = the SYN's SEQ + 1, after one round trip, with the host's own TTL.",
			Twin:    "A box that blocks the address or port sends the same bytes: compare TTL and round-trip time with an open port of the same host.",
			Next:    "on the server: ss -ltn; from here: rstprobe HOST:PORT --syn compares with another port",
			English: "packet %[1]d refuses the SYN in packet %[2]d after %[3]v: nothing listens on port %[4]d",
			Chinese: "端口 %[4]d 未监听:第 %[2]d 号 SYN 在 %[3]v 后被 RST(第 %[1]d 号包)拒绝",
			find:    closedPort,
		},
		{
			Code: "S18", Pattern: "translation-leak", Author: probe.ServerSide, Ceiling: probe.Possible,
			Title:   "Address translation let a packet through untranslated",
			Story:   "A NAT (often Linux conntrack, in container platforms) took a packet for invalid and forwarded it as it was. It reaches the client from an address that the client never spoke to; the client resets, and the connection that it belonged to dies.",
			Look:    "A packet without any handshake, from another address, to a port that is in use; a bare RST answers it. The real connection is next to it, with the same numbers.",
			Twin:    "A host that lost its connections resets packets from the address that it talked to.",
			Next:    "on the translating host: nf_conntrack_tcp_be_liberal=1, or drop INVALID packets, cures it",
			English: "packet %[1]d answers packet %[2]d, which belongs to no connection with %[3]v; the same port talks to %[4]v at the time: a packet leaked past the address translation",
			Chinese: "第 %[2]d 号包不属于与 %[3]v 的任何连接,而同一端口正与 %[4]v 通信:NAT/conntrack 漏掉了转换,因此触发 RST(第 %[1]d 号包)",
			find:    leak,
		},
		{
			Code: "S10", Pattern: "process-died", Author: probe.Server, Ceiling: probe.Possible,
			Title:   "The server process died or was replaced",
			Story:   "The process crashed, was killed or restarted; its kernel resets what it had open, and new connections are refused until it is back.",
			Look:    "A reset in mid-conversation, then SYNs to the same port that are refused or not answered; other connections to it end at the same moment.",
			Twin:    "A program that aborts one connection goes on serving others.",
			Next:    "look into the service's log and the host's (out of memory, restarts) at that time",
			English: "packet %[1]d ends a conversation that was in order, and the next attempt at the same port, packet %[2]d, got nowhere: the process died",
			Chinese: "正常通信中出现 RST(第 %[1]d 号包),随后对同一端口的新连接(第 %[2]d 号包)失败:服务进程崩溃或被重启",
			find:    died,
		},
		{
			Code: "S8", Pattern: "abortive-close", Author: probe.Server, Ceiling: probe.Possible,
			Title:   "Abortive close (linger 0)",
			Story:   "The program closed its socket with linger 0, to save TIME_WAIT or to get rid of a client: RST instead of FIN, right behind its last data. What was not read yet by the other end may be lost.",
			Look:    "The sender's last data, and at once RST+ACK with the next sequence number; no FIN, no packet of the other end in between.",
			Twin:    "A box that objects to the answer does the same: TTL and ID differ, and the server goes on.",
			Next:    "look into the server program for SO_LINGER with 0; bpftrace on tcp_send_active_reset tells the reason",
			English: "packet %[1]d: the %[4]v aborts %[3]v after %[5]v (packet %[2]d), without a FIN: linger 0, or an abort of the program",
			Chinese: "%[4]v 在%[5]v(第 %[2]d 号包)%[3]v 后直接发 RST(第 %[1]d 号包)而不是 FIN:SO_LINGER=0 的异常关闭",
			find:    linger,
		},
		{
			Code: "S7", Pattern: "unread-data", Author: probe.Server, Ceiling: probe.Possible,
			Title:   "Closed with data unread",
			Story:   "The server's program closed its socket before it had read all that the client sent: too long a body, a protocol it does not speak, an error. The kernel then sends RST instead of FIN (RFC 2525 §2.17).",
			Look:    "Data of the client, RST+ACK that acknowledges it, no FIN; with a shorter request a FIN comes instead.",
			Twin:    "A box that objects to the data: TTL, ID, and the server's own answer behind it.",
			Next:    "repeat with a shorter request; look into the server's log at that time; on its kernel, TcpExtTCPAbortOnClose counts it",
			English: "packet %[1]d acknowledges packet %[2]d and ends the connection %[3]v later: the server closed without reading it all",
			Chinese: "第 %[1]d 号 RST 确认了第 %[2]d 号数据包并在 %[3]v 后终止连接:服务器未读完数据就关闭了套接字",
			find:    unread,
		},
		{
			Code: "S14", Pattern: "front-end", Author: probe.ServerSide, Ceiling: probe.Possible,
			Title:   "A load balancer or SYN proxy in front of the server ended it",
			Story:   "Handshake and reset come from one distance, the data from another: something in front of the server opens and closes connections for it.",
			Look:    "TTL of SYN/ACK and RST, against that of the data.",
			Twin:    "A transparent proxy on the way is nearer to the client: compare with a neighbour address of the server.",
			Next:    "ask the owner for the load balancer's log; trace the path with SYNs and with data",
			English: "packet %[1]d has TTL %[2]d like the SYN/ACK, the data came with TTL %[3]d: a front end ended it",
			Chinese: "第 %[1]d 号 RST 的 TTL(%[2]d)与 SYN/ACK 相同,而数据包为 %[3]d:由服务器前端(负载均衡/SYN 代理)发出",
			find: func(x *matter) *Finding {
				if x.r == nil || x.from() != server || x.synack == nil {
					return nil
				}
				data := x.last(server, x.r.i, isData)
				if data == nil || data.p.TTL == x.synack.p.TTL || x.r.p.TTL != x.synack.p.TTL {
					return nil
				}
				return &Finding{Confidence: probe.Possible, Packets: numbers(x.synack, data, x.r), Args: []any{x.r.n, x.r.p.TTL, data.p.TTL}, Decisive: true}
			},
		},
		{
			Code: "S5", Pattern: "no-such-connection", Author: probe.Server, Ceiling: probe.Likely,
			Title:   "No such connection",
			Story:   "The packet reached a host that knows nothing of the connection: it rebooted, the address moved to another host (failover), a device in between lost or never had the state, or the packet is a latecomer.",
			Look:    "A bare RST whose SEQ is the ACK number of the packet that drew it; no handshake, or a long pause, before it.",
			Twin:    "A reject rule of a firewall sends the same bytes: only its TTL tells.",
			Next:    "look at uptime and failover logs of the host; capture there to see what it had of the connection",
			English: "packet %[1]d answers packet %[2]d after %[3]v as a host without the connection does",
			Chinese: "第 %[2]d 号包到达时对端没有对应的连接,%[3]v 后回 RST(第 %[1]d 号包)",
			find:    unknown,
		},
	}
}

// illegal reports whether no TCP sends a segment with these flags: SYN with
// FIN or URG, none, or without ACK where RFC 9293 §3.10 asks for it.
func illegal(f packet.Flags) bool {
	f &^= packet.ECE | packet.CWR
	switch {
	case f.Has(packet.RST):
		return false
	case f.Has(packet.SYN):
		return f&(packet.FIN|packet.URG) != 0
	}
	return !f.Has(packet.ACK)
}

func overflow(x *matter) *Finding {
	if x.r == nil || x.from() != server || x.opened == nil || x.d.by == nil || x.d.link != byACK || x.suspicion() > 0 ||
		x.bytes(server, len(x.segs)) > 0 || x.last(server, x.r.i, isRST) != nil || x.last(client, x.r.i, isRST) != nil || x.idle() >= shortestIdle {
		return nil
	}
	same := x.facts.byServer[x.conv.Key.Remote]
	served, _ := x.tally(same, func(a *attempt) bool { return a.served && !a.reset[server] })
	failed, _ := x.tally(same, func(a *attempt) bool { return a.opened && !a.served && a.reset[server] })
	if served == 0 {
		return nil
	}
	return &Finding{Confidence: probe.Possible, Packets: numbers(x.synack, x.d.by, x.r), Args: []any{x.r.n, failed + 1, len(same)}}
}

func closedPort(x *matter) *Finding {
	if x.r == nil || x.d.link != bySYN || x.from() != server || illegal(x.d.by.p.TCP.Flags) {
		return nil
	}
	f := Finding{Confidence: probe.Likely, Packets: numbers(x.d.by, x.r), Args: []any{x.r.n, x.d.by.n, brief(x.d.wait), x.addr(server).Port()}}
	if n, open := x.tally(x.facts.byServer[x.conv.Key.Remote], func(a *attempt) bool { return a.synacked }); n > 0 {
		f.Confidence = probe.Possible
		f.Against = append(f.Against, probe.Evidence{
			Rule: "port-open-elsewhere", Supports: probe.Undetermined, Packets: []int{open.n},
			Detail: fmt.Sprintf("the port was open in %d other conversations", n),
		})
	}
	if x.suspicion() > 0 {
		f.Confidence = probe.Possible
	}
	return &f
}

func leak(x *matter) *Finding {
	if x.r == nil || x.d.by == nil || x.d.link != byACK || x.syn != nil || x.r.has(packet.ACK) || x.spoke(x.from(), x.r.i) {
		return nil
	}
	// The port in use belongs to the end that resets: it is the client of the
	// real connection.
	own, wrong := x.addr(x.from()), x.addr(x.from().other())
	n, real := x.tally(x.facts.byClient[own.Addr()], func(a *attempt) bool {
		return a.key.Local == own && a.key.Remote != wrong && !a.started.After(x.start()) && !a.over.Add(time.Minute).Before(x.start())
	})
	if n == 0 {
		return nil
	}
	return &Finding{
		Confidence: probe.Possible, Packets: append(numbers(x.d.by, x.r), real.n), Decisive: true,
		Args: []any{x.r.n, x.d.by.n, wrong, real.key.Remote},
	}
}

// A process is dead if the next connection to its port, within diedWithin, is
// refused. Where the SYN is merely lost the host must be gone as well, and then
// is not back for backWithin.
const (
	diedWithin = time.Minute
	backWithin = 10 * time.Second
)

func died(x *matter) *Finding {
	if x.r == nil || x.from() != server || x.bytes(server, x.r.i) == 0 || x.suspicion() > 0 || x.fin(server) != nil || x.fin(client) != nil {
		return nil
	}
	at := x.start().Add(x.r.at)
	same := x.facts.byServer[x.conv.Key.Remote]
	_, next := x.tally(same, func(a *attempt) bool { return a.started.After(at) && (a.synacked || !a.expired) })
	if next == nil || next.synacked || next.started.Sub(at) > diedWithin {
		return nil
	}
	until := next.started
	if !next.refused {
		until = until.Add(backWithin)
	}
	if n, _ := x.tally(same, func(a *attempt) bool {
		return a.served && !a.started.After(until) && (a.started.After(at) || !a.reset[server] && a.over.After(at.Add(moment)))
	}); n > 0 {
		return nil
	}
	return &Finding{Confidence: probe.Possible, Packets: append(numbers(x.r), next.n), Args: []any{x.r.n, next.n}, Decisive: true}
}

// atOnce is how soon after its last data a program's abort follows it.
const atOnce = 50 * time.Millisecond

func linger(x *matter) *Finding {
	if x.r == nil || x.from() != server || !x.r.has(packet.ACK) || x.fin(server) != nil || x.suspicion() > 0 || x.last(server, x.r.i, isRST) != nil {
		return nil
	}
	last := x.last(server, x.r.i, func(g *seg) bool { return isData(g) || isSYN(g) })
	if last == nil || x.r.at-last.at > atOnce || last.end != x.r.p.TCP.Seq {
		return nil
	}
	if asked := x.last(client, x.r.i, isData); asked != nil && asked.i > last.i {
		return nil
	}
	after := words{"its last data", "发完最后的数据"}
	if isSYN(last) {
		after = words{"its SYN/ACK, right after the handshake", "握手刚完成、发出 SYN/ACK"}
	}
	return &Finding{Confidence: probe.Possible, Packets: numbers(last, x.r), Args: []any{x.r.n, last.n, brief(x.r.at - last.at), x.from(), after}}
}

func unread(x *matter) *Finding {
	if x.r == nil || x.from() != server || !x.r.has(packet.ACK) || x.d.by == nil || !isData(x.d.by) || x.d.by.from != client ||
		x.fin(server) != nil || x.last(server, x.r.i, isRST) != nil {
		return nil
	}
	return &Finding{Confidence: probe.Possible, Packets: numbers(x.d.by, x.r), Args: []any{x.r.n, x.d.by.n, brief(x.d.wait)}}
}

func unknown(x *matter) *Finding {
	if x.r == nil || x.d.by == nil || x.d.by.from == x.from() || isSYN(x.d.by) && !x.d.by.has(packet.ACK) {
		return nil
	}
	if x.from() == client && x.d.by.has(packet.SYN) {
		return nil
	}
	odd := x.d.link == byEnd && !isData(x.d.by) // Windows answers so
	if x.d.link != byACK && !odd {
		return nil
	}
	f := Finding{Confidence: probe.Likely, Author: x.author(), Packets: numbers(x.d.by, x.r), Args: []any{x.r.n, x.d.by.n, brief(x.d.wait)}}
	if x.suspicion() > 0 || x.d.by == x.opened || isData(x.d.by) && x.spoke(x.from(), x.r.i) {
		f.Confidence = probe.Possible
	}
	return &f
}
