package cases

import (
	"net/netip"
	"time"

	"github.com/rstprobe/rstprobe/internal/diagnosis"
	"github.com/rstprobe/rstprobe/internal/lab"
	"github.com/rstprobe/rstprobe/internal/lab/middlebox"
	"github.com/rstprobe/rstprobe/probe"
)

// twin is a server or a network that looks like interference and is none.
type twin struct {
	name, doc string
	question  diagnosis.Question
	controls  []string
	server    lab.Server
	world     func(*lab.Topology)
	simulated bool
	maxWait   time.Duration
	overall   []probe.Overall // nil: anything but interference
	open      bool            // the honest answer is that the evidence does not tell
	outcome   []probe.Outcome // nil: any
	causes    []probe.Cause   // nil: any
}

// innocent is any outcome but interference.
var innocent = []probe.Overall{probe.Clean, probe.ServerRefuses, probe.OverallUnreachable, probe.OverallInconclusive}

// twins are the innocent cases.
func twins(ipv6 bool) []Case {
	var cases []Case
	for _, t := range append(servers(), networks()...) {
		top := topology(routers, ipv6)
		top.Server = t.server
		if t.world != nil {
			t.world(&top)
		}
		c := Case{Name: t.name, Doc: t.doc, Topology: top, Question: t.question, Controls: t.controls, Simulated: t.simulated, MaxWait: t.maxWait,
			Want: Want{Overall: t.overall, Outcome: t.outcome, Causes: t.causes, Authors: []probe.Author{probe.Server}}}
		if t.overall == nil {
			c.Want.Overall = innocent
			c.Want.Authors = []probe.Author{probe.Server, probe.ServerSide, probe.Undetermined, probe.OnOrInPath} // the last as a mere possibility
		}
		if t.open {
			c.Want.Overall = []probe.Overall{probe.OverallInconclusive}
			c.Want.Authors = []probe.Author{probe.Undetermined}
		}
		cases = append(cases, c)
	}
	nowhere := Case{Name: "no-such-network", Doc: "the last router reports the address unreachable", Topology: topology(routers, ipv6), Question: sni,
		Address: netip.MustParseAddr("10.9.200.1"),
		Want:    Want{Overall: []probe.Overall{probe.OverallUnreachable}, Outcome: []probe.Outcome{probe.Unreachable}, Authors: []probe.Author{probe.Undetermined}}}
	if ipv6 {
		nowhere.Address = netip.MustParseAddr("fd09:0:0:c8::1")
	}
	return append(cases, nowhere)
}

// servers are twins whose peculiarity is the server's.
func servers() []twin {
	known := []string{"known.example.com"}
	clean, server := []probe.Overall{probe.Clean}, []probe.Overall{probe.ServerRefuses}
	ok, alert := []probe.Outcome{probe.OK}, []probe.Outcome{probe.Alert}
	balancer := &middlebox.Front{SynAckTTL: 102, ResetTTL: 102}
	return []twin{
		{name: "clean-sni", doc: "nothing is wrong, TLS", question: sni, overall: clean, outcome: ok},
		{name: "clean-host", doc: "nothing is wrong, HTTP", question: host, overall: clean, outcome: ok},
		{name: "clean-syn", doc: "nothing is wrong, bare SYNs", question: syn, overall: clean, outcome: ok},
		{name: "fails-now-and-then-reset", doc: "the server resets three of ten connections, whatever the name", question: sni, server: lab.Server{Fails: 0.3, Unknown: lab.PolicyReset}},
		{name: "fails-now-and-then-silent", doc: "the server never answers on three of ten connections, whatever the name", question: sni, server: lab.Server{Fails: 0.3, Unknown: lab.PolicySilent}},
		{name: "fails-now-and-then-fin", doc: "the server closes every second connection without an answer, whatever the host", question: host, server: lab.Server{Fails: 0.5, Unknown: lab.PolicyFIN}},
		{name: "clean-large-tls", doc: "nothing is wrong, a page of 64 KiB over TLS", question: sni, server: lab.Server{Body: 64 << 10}, overall: clean, outcome: ok},
		{name: "clean-large", doc: "nothing is wrong, a page of 64 KiB", question: host, server: lab.Server{Body: 64 << 10}, overall: clean, outcome: ok},
		{name: "slow", doc: "the server takes two seconds to answer", open: true, question: sni, server: lab.Server{Delay: 2 * time.Second}},
		{name: "sluggish", doc: "the server takes 300 ms to answer", question: host, server: lab.Server{Delay: 300 * time.Millisecond}, overall: clean, outcome: ok},
		{name: "closed-port", doc: "nothing listens on the port", question: syn, server: lab.Server{Closed: []uint16{443}}, overall: server, outcome: refused},
		{name: "closed-port-asked-by-name", doc: "nothing listens on the port, asked with a name", question: sni, server: lab.Server{Closed: []uint16{443}}, overall: server, outcome: refused},
		{name: "closed-ports", doc: "nothing listens on any port", question: syn, server: lab.Server{Closed: []uint16{443, 80}}, overall: server, outcome: refused},
		{name: "unknown-name-reset", doc: "the server resets connections for names that it does not know", question: sni, controls: known, server: lab.Server{Names: known, Unknown: lab.PolicyReset}, overall: server, outcome: reset},
		{name: "unknown-name-reset-http", doc: "the server resets requests for hosts that it does not know", question: host, controls: known, server: lab.Server{Names: known, Unknown: lab.PolicyReset}, overall: server, outcome: reset},
		{name: "unknown-name-alert", doc: "the server sends a TLS alert for names that it does not know", question: sni, controls: known, server: lab.Server{Names: known, Unknown: lab.PolicyAlert}, overall: server, outcome: alert},
		{name: "unknown-name-fin", doc: "the server closes without an answer for names that it does not know", question: sni, controls: known, server: lab.Server{Names: known, Unknown: lab.PolicyFIN}, overall: server, outcome: fin},
		{name: "unknown-name-unread", doc: "the server closes without reading for names that it does not know", question: sni, controls: known, server: lab.Server{Names: known, Unknown: lab.PolicyUnread}, overall: server, outcome: reset},
		{name: "only-test-name-known", doc: "the server knows the test name and resets on the default controls", question: sni, server: lab.Server{Names: []string{Blocked}, Unknown: lab.PolicyReset}, overall: clean, outcome: ok},
		{name: "one-name-reset", doc: "the server resets connections for the test name alone", open: true, question: sni, server: lab.Server{Refused: []string{Blocked}, Unknown: lab.PolicyReset}},
		{name: "one-name-reset-balancer", doc: "a load balancer with a TTL of its own resets connections for the test name alone", question: sni, server: lab.Server{Refused: []string{Blocked}, Unknown: lab.PolicyReset, Front: &middlebox.Front{ResetTTL: 102}}},
		{name: "one-name-abort-balancer", doc: "a load balancer with a TTL of its own aborts connections for the test name alone; the server behind it answers stray packets", open: true, question: sni, server: lab.Server{Refused: []string{Blocked}, Unknown: lab.PolicyReset, Front: &middlebox.Front{AbortTTL: 102}}},
		{name: "one-name-abort-timeout", doc: "the same, 300 ms late: its upstream has timed out", open: true, question: host, server: lab.Server{Refused: []string{Blocked}, Unknown: lab.PolicyReset, Delay: 300 * time.Millisecond, Front: &middlebox.Front{AbortTTL: 255}}},
		{name: "always-reset", doc: "the server resets every connection after the first data", question: sni, server: lab.Server{Always: lab.PolicyReset}, overall: server, outcome: reset},
		{name: "always-reset-balancer", doc: "the same behind a load balancer whose resets have a TTL of their own", question: sni, server: lab.Server{Always: lab.PolicyReset, Front: balancer}},
		{name: "always-unread", doc: "the server closes with unread data, whatever the name", question: sni, server: lab.Server{Always: lab.PolicyUnread}, overall: server, outcome: reset},
		{name: "always-fin", doc: "the server closes without an answer, whatever the name", question: sni, server: lab.Server{Always: lab.PolicyFIN}, overall: server, outcome: fin},
		{name: "always-silent", doc: "the server accepts and never answers", open: true, question: sni, server: lab.Server{Always: lab.PolicySilent}},
		{name: "close-at-once", doc: "the server closes every connection as soon as it is open", question: sni, server: lab.Server{CloseAtOnce: true}},
		{name: "abortive-close", doc: "the server answers and aborts every connection (linger 0)", question: host, server: lab.Server{AbortEnd: true}, overall: server, outcome: reset},
		{name: "lingering-close", doc: "the server reads on for a while after its close", question: host, server: lab.Server{Lingers: 2 * time.Second}},
		{name: "idle-reset", doc: "the server resets connections idle for 200 ms", question: sni, server: lab.Server{IdleReset: 200 * time.Millisecond}},
		{name: "idle-balancer", doc: "a load balancer with a TTL of its own resets connections idle for three seconds", question: host, server: lab.Server{IdleReset: 3 * time.Second, Front: &middlebox.Front{ResetTTL: 102}}, overall: clean, outcome: ok},
		{name: "keepalive", doc: "the server probes idle connections every second", question: sni, server: lab.Server{KeepAlive: time.Second}, overall: clean, outcome: ok},
		{name: "dies", doc: "the server's process is killed while it is asked", question: sni, server: lab.Server{Dies: 260 * time.Millisecond}},
		{name: "counting-identifications", doc: "the server counts its identifications over all connections", question: sni, server: lab.Server{Front: &middlebox.Front{IDs: middlebox.IDsGlobal, NoDF: true}}, overall: clean, outcome: ok},
		{name: "one-name-reset-random-identifications", doc: "a server with random identifications resets connections for the test name alone", open: true, question: sni, server: lab.Server{Refused: []string{Blocked}, Unknown: lab.PolicyReset, Front: &middlebox.Front{IDs: middlebox.IDsRandom}}},
		{name: "balancer", doc: "a load balancer with a TTL of its own answers handshakes and resets", question: sni, server: lab.Server{Front: balancer}, overall: clean, outcome: ok},
		{name: "overflow", doc: "a full accept queue resets every second connection", question: sni, server: lab.Server{Front: &middlebox.Front{Overflow: 0.5, Seed: 3}}},
		{name: "limit-refuses", doc: "a firewall refuses connections beyond the sixth for a minute", question: sni, server: lab.Server{Front: &middlebox.Front{Limit: 6, LimitFor: time.Minute}}, maxWait: 10 * time.Minute, simulated: true},
		{name: "limit-resets", doc: "a proxy resets requests beyond the eighth connection for a minute", question: sni, server: lab.Server{Front: &middlebox.Front{Limit: 8, LimitFor: time.Minute, Refusal: middlebox.RefuseData}}, maxWait: 10 * time.Minute, simulated: true},
		{name: "limit-resets-unwaited", doc: "the same, and no time to wait", question: sni, server: lab.Server{Front: &middlebox.Front{Limit: 8, LimitFor: time.Minute, Refusal: middlebox.RefuseData}}, simulated: true},
		{name: "limit-bans", doc: "a firewall drops all that follows the eighth connection", open: true, question: sni, server: lab.Server{Front: &middlebox.Front{Limit: 8, Refusal: middlebox.RefuseSilent}}, maxWait: time.Minute, simulated: true},
	}
}

// networks are twins whose peculiarity is the path's.
func networks() []twin {
	clean, ok := []probe.Overall{probe.Clean}, []probe.Outcome{probe.OK}
	box := func(router int, after bool, make func(lab.Topology) middlebox.Box) func(*lab.Topology) {
		return func(t *lab.Topology) {
			top := *t
			t.Boxes = append(t.Boxes, lab.Placement{Router: router, AfterTTL: after, New: func() middlebox.Box { return make(top) }})
		}
	}
	return []twin{
		{name: "syn-proxy", doc: "a scrubber in front of the server completes handshakes in its place", question: sni, overall: clean, outcome: ok,
			world: box(routers, true, func(t lab.Topology) middlebox.Box { return &middlebox.SYNProxy{Addr: t.ServerAddr()} })},
		{name: "nat", doc: "an address translator stands behind the first router", question: sni, overall: clean, outcome: ok,
			world: box(1, true, func(t lab.Topology) middlebox.Box { return &middlebox.NAT{Addr: t.NATAddr()} })},
		{name: "marked", doc: "a router rewrites the type of service", question: host, overall: clean, outcome: ok,
			world: box(middle, true, func(lab.Topology) middlebox.Box { return middlebox.Marker{TOS: 0x28} })},
		{name: "mss-clamped", doc: "a router lowers the MSS", question: host, overall: clean, outcome: ok,
			world: box(middle, true, func(lab.Topology) middlebox.Box { return middlebox.MSSClamp{Max: 1200} })},
		{name: "mtu-black-hole", doc: "a link loses datagrams longer than 300 bytes and says nothing", open: true, question: host, server: lab.Server{Body: 4 << 10}, causes: []probe.Cause{"N3"},
			world: box(middle, true, func(lab.Topology) middlebox.Box { return middlebox.MTU{Size: 700} })},
		{name: "gives-up", doc: "the same, and the server resets a connection after two retransmissions", question: host, simulated: true, server: lab.Server{Body: 4 << 10, GiveUp: 2},
			world: box(middle, true, func(lab.Topology) middlebox.Box { return middlebox.MTU{Size: 700} })},
		{name: "mtu-black-hole-for-one-page", doc: "the same, and only the page of the test name is long", question: host, outcome: []probe.Outcome{probe.Stall}, server: lab.Server{Body: 6 << 10, Large: Blocked},
			world: box(middle, true, func(lab.Topology) middlebox.Box { return middlebox.MTU{Size: 700} })},
		{name: "outage-at-first", doc: "a link is down for 1.2 s from 100 ms on, while the first controls are asked", question: sni, overall: clean, outcome: ok, simulated: true,
			world: box(middle, true, func(lab.Topology) middlebox.Box {
				return &middlebox.Outage{After: 100 * time.Millisecond, For: 1200 * time.Millisecond}
			})},
		{name: "outage-meanwhile", doc: "a link is down for 1.2 s from 200 ms on, while the name is asked", open: true, question: host, simulated: true,
			world: box(middle, true, func(lab.Topology) middlebox.Box {
				return &middlebox.Outage{After: 200 * time.Millisecond, For: 1200 * time.Millisecond}
			})},
		{name: "equal-paths", doc: "two equal paths of the same length", question: sni, overall: clean, outcome: ok, simulated: true,
			world: func(t *lab.Topology) { t.Fork = &lab.Fork{From: 2, To: 5} }},
		{name: "long-way-back", doc: "the way back is two routers longer", question: sni, overall: clean, outcome: ok, simulated: true,
			world: func(t *lab.Topology) { t.Return = &lab.Return{Behind: 2, Extra: 2} }},
		{name: "route-changes", doc: "the route becomes longer half a second after the start", question: sni, overall: clean, outcome: ok, simulated: true,
			world: func(t *lab.Topology) { t.Fork = &lab.Fork{From: 2, To: 5, Second: 3, Change: 500 * time.Millisecond} }},
		{name: "limited-icmp", doc: "routers limit their ICMP errors, as Linux does by default", question: sni, overall: clean, outcome: ok,
			world: func(t *lab.Topology) { t.LimitICMP = true }},
	}
}
