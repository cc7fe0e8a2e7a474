package cases

import (
	"net/netip"

	"github.com/rstprobe/rstprobe/internal/diagnosis"
	"github.com/rstprobe/rstprobe/internal/lab"
	"github.com/rstprobe/rstprobe/probe"
)

// twins are servers and networks that look like interference and are none.
func twins(ipv6 bool) []Case {
	genuine := []probe.Author{probe.Server}
	known := []string{"known.example.com"}
	list := []struct {
		name, doc string
		question  diagnosis.Question
		controls  []string
		server    lab.Server
		overall   probe.Overall
		outcome   probe.Outcome
	}{
		{"clean-sni", "nothing is wrong, TLS", sni, nil, lab.Server{}, probe.Clean, probe.OK},
		{"clean-host", "nothing is wrong, HTTP", host, nil, lab.Server{}, probe.Clean, probe.OK},
		{"clean-syn", "nothing is wrong, bare SYNs", syn, nil, lab.Server{}, probe.Clean, probe.OK},
		{"closed-port", "nothing listens on the port", syn, nil, lab.Server{Closed: []uint16{443}}, probe.ServerRefuses, probe.Refused},
		{"closed-port-asked-by-name", "nothing listens on the port, asked with a name", sni, nil, lab.Server{Closed: []uint16{443}}, probe.ServerRefuses, probe.Refused},
		{"closed-ports", "nothing listens on any port", syn, nil, lab.Server{Closed: []uint16{443, 80}}, probe.ServerRefuses, probe.Refused},
		{"unknown-name-reset", "the server resets connections for names that it does not know", sni, known, lab.Server{Names: known, Unknown: lab.PolicyReset}, probe.ServerRefuses, probe.Reset},
		{"unknown-name-reset-http", "the server resets requests for hosts that it does not know", host, known, lab.Server{Names: known, Unknown: lab.PolicyReset}, probe.ServerRefuses, probe.Reset},
		{"unknown-name-alert", "the server sends a TLS alert for names that it does not know", sni, known, lab.Server{Names: known, Unknown: lab.PolicyAlert}, probe.ServerRefuses, probe.Alert},
		{"unknown-name-fin", "the server closes without an answer for names that it does not know", sni, known, lab.Server{Names: known, Unknown: lab.PolicyFIN}, probe.ServerRefuses, probe.Fin},
		{"unknown-name-unread", "the server closes without reading for names that it does not know", sni, known, lab.Server{Names: known, Unknown: lab.PolicyUnread}, probe.ServerRefuses, probe.Reset},
		{"only-test-name-known", "the server knows the test name and resets on the default controls", sni, nil, lab.Server{Names: []string{Blocked}, Unknown: lab.PolicyReset}, probe.Clean, probe.OK},
		{"always-reset", "the server resets every connection after the first data", sni, nil, lab.Server{Always: lab.PolicyReset}, probe.ServerRefuses, probe.Reset},
		{"always-unread", "the server closes with unread data, whatever the name", sni, nil, lab.Server{Always: lab.PolicyUnread}, probe.ServerRefuses, probe.Reset},
		{"always-fin", "the server closes without an answer, whatever the name", sni, nil, lab.Server{Always: lab.PolicyFIN}, probe.ServerRefuses, probe.Fin},
		{"abortive-close", "the server answers and aborts every connection (linger 0)", host, nil, lab.Server{AbortEnd: true}, probe.ServerRefuses, probe.Reset},
	}
	var cases []Case
	for _, t := range list {
		top := topology(routers, ipv6)
		top.Server = t.server
		c := Case{Name: t.name, Doc: t.doc, Topology: top, Question: t.question, Controls: t.controls,
			Want: Want{Overall: t.overall, Outcome: t.outcome, Authors: genuine}}
		cases = append(cases, c)
	}
	nowhere := Case{Name: "no-such-network", Doc: "the last router reports the address unreachable", Topology: topology(routers, ipv6), Question: sni,
		Address: netip.MustParseAddr("10.9.200.1"),
		Want:    Want{Overall: probe.OverallUnreachable, Outcome: probe.Unreachable, Authors: []probe.Author{probe.Undetermined}}}
	if ipv6 {
		nowhere.Address = netip.MustParseAddr("fd09:0:0:c8::1")
	}
	return append(cases, nowhere)
}
