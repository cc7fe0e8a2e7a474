package cases

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"net/netip"
	"slices"
	"strings"
	"time"

	"github.com/rstprobe/rstprobe/internal/diagnosis"
	"github.com/rstprobe/rstprobe/internal/lab"
	"github.com/rstprobe/rstprobe/internal/payload"
	"github.com/rstprobe/rstprobe/probe"
)

// ThirdParty are worlds with programs in them that nobody here has written: a
// connection killer, a transparent proxy, servers. Only real kernels run them.
func ThirdParty(ipv6 bool) []Case {
	all := slices.Concat(proxies(ipv6), nginxServers(ipv6), haproxyServers(ipv6))
	if !ipv6 { // the only family that it knows
		all = append(killers(), all...)
	}
	return all
}

// Needs are the programs that the world of a case runs.
func (c Case) Needs() []string {
	var names []string
	for _, p := range c.Topology.Programs {
		names = append(names, p.Command[0])
	}
	return names
}

// killers run connection killers in a router, as on-path boxes: they look at
// copies of packets, and write resets of their own.
func killers() []Case {
	kill := func(name, doc string, q diagnosis.Question, p lab.Program) Case {
		top := topology(routers, false)
		p.Node = middle
		top.Programs = []lab.Program{p}
		return Case{
			Name: name, Doc: fmt.Sprintf("%s, at router %d of %d", doc, middle, routers), Topology: top, Question: q,
			Want: Want{
				Overall: []probe.Overall{probe.Interference}, Outcome: reset, Authors: onPath,
				After: middle - 1, At: middle, Device: middle,
			},
		}
	}
	address := kill("tcpkill-address", "tcpkill resets connections to an address and a port; another address of the server is the control", sni,
		tcpkill("dst port 443 and dst host "+topology(routers, false).ServerAddr().String()))
	address.Elsewhere = true
	late := kill("tcpkill-sni-late", "tcpkill resets connections whose ClientHello has a name, when the handshake may be over", sni, tcpkill("dst port 443 and "+saying(sni)))
	late.Want = Want{ // found where it stands, or not at all
		Overall: append(late.Want.Overall, probe.Clean), Outcome: []probe.Outcome{probe.Reset, probe.OK}, Authors: []probe.Author{probe.OnPath, probe.Server},
		After: middle - 1, At: middle, Device: middle,
	}
	return []Case{
		patient(kill("tcpkill-sni", "tcpkill resets connections whose ClientHello has a name", sni, tcpkill("dst port 443 and "+saying(sni)))),
		patient(kill("tcpkill-host", "tcpkill resets connections whose request has a name", host, tcpkill("dst port 80 and "+saying(host)))),
		late,
		address,
	}
}

// patient has the server take its time, so that tcpkill, which may be a second
// late, comes before its answer or soon behind it: which of them is chance.
func patient(c Case) Case {
	c.Want.Outcome = nil
	c.Topology.Server.Delay = 800 * time.Millisecond
	c.Doc += "; the server takes 800 ms to answer"
	return c
}

// saying is a packet filter (pcap-filter(7)) for the segment that asks the
// question: four bytes each at the offsets where its name begins.
func saying(q diagnosis.Question) string {
	b, err := probe.Stimulus{Kind: q.Kind, Name: q.Name, Shape: payload.Plain}.Bytes(0)
	if err != nil {
		panic(err) // the questions of the cases can be asked
	}
	at := bytes.Index(b, []byte(q.Name))
	var terms []string
	for word := range slices.Chunk([]byte(q.Name), 4) {
		if len(word) == 4 {
			terms = append(terms, fmt.Sprintf("tcp[((tcp[12] & 0xf0) >> 2) + %d : 4] = %#x", at, binary.BigEndian.Uint32(word)))
		}
		at += len(word)
	}
	return strings.Join(terms, " and ")
}

// proxies run haproxy in a router that hands connections to it: it completes
// handshakes in the server's place and asks the server in the client's name.
// Only connections to the server's first address are handed over.
func proxies(ipv6 bool) []Case {
	const elsewhere = "; another address of the server is the control"
	proxy := func(name, doc string, q diagnosis.Question, mode, rules string, outcome ...probe.Outcome) Case {
		top := topology(routers, ipv6)
		port := Case{Question: q}.Port()
		any := netip.IPv4Unspecified()
		if ipv6 {
			any = netip.IPv6Unspecified()
		}
		config := haproxyHead + fmt.Sprintf(`
frontend front
	mode %s
	bind %s transparent
%s
	default_backend back
backend back
	mode %s
	source %s usesrc clientip
	server same %s
`, mode, netip.AddrPortFrom(any, port), indent(rules), mode, netip.AddrPortFrom(any, 0), netip.AddrPortFrom(top.ServerAddr(), port))
		p := haproxy(middle, config, port)
		p.Takes = []netip.Addr{top.ServerAddr()}
		top.Programs = []lab.Program{p}
		return Case{
			Name: name, Doc: fmt.Sprintf("%s, at router %d of %d", doc, middle, routers) + elsewhere, Topology: top, Question: q, Elsewhere: true,
			Want: Want{
				Overall: []probe.Overall{probe.Interference}, Outcome: outcome, Authors: inPath,
				After: middle - 1, At: middle, Device: middle,
			},
		}
	}
	rejects := proxy("haproxy-proxy-sni-reject", "a transparent proxy closes connections for a server name", sni, "tcp", sniRule("reject"), probe.Fin)
	alone := rejects
	alone.Name, alone.Elsewhere = "haproxy-proxy-sni-reject-alone", false
	alone.Doc = strings.Replace(alone.Doc, elsewhere, ", and no control address is given", 1)
	// From outside it is the server: only another address can tell.
	alone.Want = Want{Overall: []probe.Overall{probe.OverallInconclusive}, Outcome: fin, Authors: []probe.Author{probe.Undetermined}}
	pass := proxy("haproxy-proxy-clean", "a transparent proxy lets everything pass", sni, "tcp", "")
	deny := proxy("haproxy-proxy-host-deny", "a transparent proxy answers requests for a host with 403, which is an answer: what pages say is not judged", host, "http", hostRule("deny"))
	for _, c := range []*Case{&pass, &deny} {
		c.Want = Want{Overall: []probe.Overall{probe.Clean}, Outcome: []probe.Outcome{probe.OK}, Authors: []probe.Author{probe.Server}}
	}
	return []Case{
		rejects,
		alone,
		proxy("haproxy-proxy-sni-silent", "a transparent proxy forgets connections for a server name", sni, "tcp", sniRule("silent-drop"), probe.Stall),
		proxy("haproxy-proxy-host-reject", "a transparent proxy closes connections whose request is for a host", host, "http", hostRule("reject"), probe.Fin),
		proxy("haproxy-proxy-host-tarpit", "a transparent proxy leaves requests for a host without an answer for a minute", host, "http", hostRule("tarpit"), probe.Stall),
		pass,
		deny,
	}
}

// known is a name that servers serve.
const known = "known.example.com"

// guiltless is a case in which the program is the server.
func guiltless(name, doc string, q diagnosis.Question, ipv6 bool, p lab.Program, outcome ...probe.Outcome) Case {
	top := topology(routers, ipv6)
	p.Node = routers + 1
	top.Programs = []lab.Program{p}
	c := Case{Name: name, Doc: doc, Topology: top, Question: q, Controls: []string{known}, Want: Want{
		Overall: innocent, Outcome: outcome, Authors: []probe.Author{probe.Server, probe.ServerSide, probe.Undetermined, probe.OnOrInPath}, // the last as a mere possibility
	}}
	if slices.Equal(outcome, []probe.Outcome{probe.OK}) {
		c.Want.Overall, c.Want.Authors = []probe.Overall{probe.Clean}, []probe.Author{probe.Server}
	}
	return c
}

// refuses expects that a server is known to refuse names: those that it does
// not know.
func refuses(c Case) Case {
	c.Want.Overall, c.Want.Authors = []probe.Overall{probe.ServerRefuses}, []probe.Author{probe.Server}
	return c
}

// nginxServers run nginx as the server.
func nginxServers(ipv6 bool) []Case {
	serve := func(name, doc string, q diagnosis.Question, config string, outcome ...probe.Outcome) Case {
		return guiltless(name, doc, q, ipv6, nginx(ipv6, config), outcome...)
	}
	const page = "\nlocation / { return 200 hello; }\n"
	other := func(rule string) string { return server("", rule) + server(known, page) }
	only := func(rule string) string { return server("", page) + server(Blocked, rule) }
	return []Case{
		serve("nginx-clean-sni", "nginx serves every name", sni, server("", page), probe.OK),
		serve("nginx-clean-host", "nginx serves every host", host, server("", page), probe.OK),
		refuses(serve("nginx-444", "nginx closes connections for hosts that it does not know (return 444)", host, other("return 444;"), probe.Fin)),
		refuses(serve("nginx-444-reset", "nginx resets connections for hosts that it does not know (return 444, reset_timedout_connection)", host, other("reset_timedout_connection on; return 444;"), probe.Reset)),
		serve("nginx-444-one-host", "nginx closes connections for the test name alone", host, only("return 444;"), probe.Fin),
		serve("nginx-444-reset-one-host", "nginx resets connections for the test name alone", host, only("reset_timedout_connection on; return 444;"), probe.Reset),
		refuses(serve("nginx-reject-handshake", "nginx sends a TLS alert for names that it does not know (ssl_reject_handshake)", sni, other("ssl_reject_handshake on;"), probe.Alert)),
		serve("nginx-idle-close", "nginx closes connections that are idle for 100 ms", host, server("", "keepalive_timeout 100ms; lingering_close off; reset_timedout_connection on;"+page), probe.OK),
		serve("nginx-no-lingering", "nginx closes after each answer and does not linger", host, server("", "lingering_close off; keepalive_timeout 0;"+page), probe.OK),
		serve("nginx-lingering", "nginx closes after each answer and lingers, whatever was asked", host, server("", "lingering_close always; keepalive_timeout 0;"+page), probe.OK),
	}
}

// haproxyServers run haproxy as the server.
func haproxyServers(ipv6 bool) []Case {
	serve := func(name, doc string, q diagnosis.Question, mode, rules string, outcome ...probe.Outcome) Case {
		port := Case{Question: q}.Port()
		bind := fmt.Sprintf(":%d", port)
		if ipv6 {
			bind = "::" + bind
		}
		const tls = " ssl crt " + lab.CertificateFile
		front := fmt.Sprintf("frontend front\n\tmode %s\n\tbind %s", mode, bind)
		const page = "\thttp-request return status 200 content-type text/plain string hello\n"
		rules = "\n" + indent(rules) + "\n"
		switch {
		case mode == "tcp": // it reads the ClientHello and passes it on, to itself
			front += rules + "\tdefault_backend back\n" +
				"backend back\n\tmode tcp\n\tserver inner abns@inner\n" +
				"frontend inner\n\tmode http\n\tbind abns@inner" + tls + "\n" + page
		case q.Kind == probe.SNI:
			front += tls + rules + page
		default:
			front += rules + page
		}
		return guiltless(name, doc, q, ipv6, haproxy(routers+1, haproxyHead+front, port), outcome...)
	}
	return []Case{
		serve("haproxy-clean-sni", "haproxy serves every name", sni, "http", "", probe.OK),
		serve("haproxy-clean-host", "haproxy serves every host", host, "http", "", probe.OK),
		serve("haproxy-sni-reject", "haproxy closes connections for the test name alone", sni, "tcp", sniRule("reject"), probe.Fin),
		serve("haproxy-sni-silent", "haproxy forgets connections for the test name alone", sni, "tcp", sniRule("silent-drop"), probe.Stall),
		serve("haproxy-host-reject", "haproxy closes connections whose request is for the test name alone", host, "http", hostRule("reject"), probe.Fin),
		serve("haproxy-host-silent", "haproxy forgets connections whose request is for the test name alone", host, "http", hostRule("silent-drop"), probe.Stall),
		serve("haproxy-host-tarpit", "haproxy leaves requests for the test name without an answer for a minute", host, "http", hostRule("tarpit"), probe.Stall),
		serve("haproxy-host-deny", "haproxy answers requests for the test name with 403", host, "http", hostRule("deny"), probe.OK),
		serve("haproxy-connection-reject", "haproxy closes every connection before it looks at it", host, "http", "tcp-request connection reject"),
		serve("haproxy-connection-silent", "haproxy forgets every connection before it looks at it", host, "http", "tcp-request connection silent-drop"),
	}
}
