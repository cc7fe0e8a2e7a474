package cases

import (
	"time"

	"github.com/rstprobe/rstprobe/internal/lab"
	"github.com/rstprobe/rstprobe/internal/lab/middlebox"
	"github.com/rstprobe/rstprobe/probe"
)

// models are all the boxes.
func models() []model {
	return append(append(nameModels(), synModels()...), kernelModels()...)
}

// always makes a box that needs nothing of its world.
func always(box func() middlebox.Box) func(lab.Topology) middlebox.Box {
	return func(lab.Topology) middlebox.Box { return box() }
}

// resetter is a fresh Resetter of the given kind on the blocked name.
func resetter(r middlebox.Resetter) func(lab.Topology) middlebox.Box {
	return always(func() middlebox.Box {
		fresh := r
		fresh.Match = middlebox.NameIs(Blocked)
		return &fresh
	})
}

// nameModels act on a name in the first data packet.
func nameModels() []model {
	return []model{
		{name: "sni-reset-on-path", doc: "a tap resets the client on a server name", question: sni, outcome: probe.Reset, authors: onPath,
			box: resetter(middlebox.Resetter{Client: true, Follow: true})},
		{name: "sni-reset-both-ends", doc: "a tap resets client and server on a server name", question: sni, outcome: probe.Reset, authors: onPath,
			box: resetter(middlebox.Resetter{Client: true, Server: true, ACK: true, Follow: true})},
		{name: "sni-reset-hedged", doc: "a tap sends three resets, a window apart, to both ends", question: sni, outcome: probe.Reset, authors: onPath,
			box: resetter(middlebox.Resetter{Client: true, Server: true, Count: 3, Hedge: true, ACK: true, Follow: true})},
		{name: "sni-reset-tap-behind-ttl", doc: "a tap behind the router's TTL check resets the client", question: sni, outcome: probe.Reset, authors: onPath, after: true,
			box: resetter(middlebox.Resetter{Client: true, Follow: true, ACK: true})},
		{name: "sni-reset-late", doc: "a slow tap resets the client 300 ms late, behind the server's answer", question: sni, outcome: probe.Reset, authors: onPath,
			box: resetter(middlebox.Resetter{Client: true, Follow: true, ACK: true, Delay: 300 * time.Millisecond})},
		{name: "sni-reset-stateful", doc: "a tap that keeps its own count of sequence numbers resets both ends", question: sni, outcome: probe.Reset, authors: onPath,
			box: resetter(middlebox.Resetter{Client: true, Server: true, ACK: true})},
		{name: "sni-reset-in-path", doc: "a box takes the ClientHello out and resets the client", question: sni, outcome: probe.Reset, authors: inPath,
			box: resetter(middlebox.Resetter{Client: true, Drop: true, Follow: true, DF: true})},
		{name: "sni-reject-behind-ttl", doc: "a router's filter, behind its TTL check, rejects with a reset", question: sni, outcome: probe.Reset, authors: inPath, after: true,
			box: resetter(middlebox.Resetter{Client: true, Drop: true, Follow: true, DF: true})},
		{name: "sni-drop", doc: "a box drops the ClientHello", question: sni, outcome: probe.Drop, authors: inPath,
			box: always(func() middlebox.Box { return &middlebox.Dropper{Match: middlebox.NameIs(Blocked)} })},
		{name: "sni-drop-behind-ttl", doc: "a box behind the TTL check drops the ClientHello", question: sni, outcome: probe.Drop, authors: inPath, after: true,
			box: always(func() middlebox.Box { return &middlebox.Dropper{Match: middlebox.NameIs(Blocked)} })},
		{name: "sni-drop-flow", doc: "a box drops the ClientHello and all that follows on its connection", question: sni, outcome: probe.Drop, authors: inPath,
			box: always(func() middlebox.Box { return &middlebox.Dropper{Match: middlebox.NameIs(Blocked), Flow: true} })},
		{name: "sni-fin", doc: "a tap closes the connection toward the client", question: sni, outcome: probe.Fin, authors: onPath,
			box: always(func() middlebox.Box { return &middlebox.FinInjector{Match: middlebox.NameIs(Blocked)} })},
		{name: "sni-fin-in-path", doc: "a box takes the ClientHello out and closes the connection", question: sni, outcome: probe.Fin, authors: inPath,
			box: always(func() middlebox.Box { return &middlebox.FinInjector{Match: middlebox.NameIs(Blocked), Drop: true} })},
		{name: "host-reset-on-path", doc: "a tap resets both ends on a Host", question: host, outcome: probe.Reset, authors: onPath,
			box: resetter(middlebox.Resetter{Client: true, Server: true, ACK: true, Follow: true})},
		{name: "host-reset-in-path", doc: "a box takes the request out and resets the client", question: host, outcome: probe.Reset, authors: inPath,
			box: resetter(middlebox.Resetter{Client: true, Drop: true, Follow: true, ACK: true})},
		{name: "host-page-in-path", doc: "a box takes the request out and answers with a block page", question: host, outcome: probe.InjectedResponse, authors: inPath,
			box: always(func() middlebox.Box {
				return &middlebox.BlockPage{Match: middlebox.NameIs(Blocked), Body: "This site is blocked.", Drop: true}
			})},
		{name: "host-page-on-path", doc: "a tap answers with a block page before the server does", question: host, outcome: probe.InjectedResponse, authors: onPath,
			box: always(func() middlebox.Box {
				return &middlebox.BlockPage{Match: middlebox.NameIs(Blocked), Body: "This site is blocked."}
			})},
	}
}

// synModels act on the handshake.
func synModels() []model {
	// A filter in front of the server is the server's as far as an outsider
	// can tell: likely, and no more.
	serverSide := func(w *Want) {
		w.Authors = append(w.Authors[:len(w.Authors):len(w.Authors)], probe.ServerSide)
	}
	return []model{
		{name: "syn-reset-on-path", doc: "a tap answers SYNs to a port with a reset", question: syn, outcome: probe.Refused, authors: onPath,
			box: func(lab.Topology) middlebox.Box { return &middlebox.SYNResetter{Port: 443} }},
		{name: "syn-reset-in-path", doc: "a box takes SYNs to a port out and answers with a reset", question: syn, outcome: probe.Refused, authors: inPath, atLast: serverSide,
			box: func(lab.Topology) middlebox.Box { return &middlebox.SYNResetter{Port: 443, Drop: true} }},
		{name: "syn-drop-port", doc: "a box drops SYNs to a port", question: syn, outcome: probe.Drop, authors: inPath, atLast: serverSide,
			box: func(lab.Topology) middlebox.Box { return &middlebox.SYNDropper{Port: 443} }},
		{name: "syn-drop-address", doc: "a box drops SYNs to an address; another address of the server is the control", question: syn, outcome: probe.Drop, authors: inPath, atLast: serverSide, elsewhere: true,
			box: func(t lab.Topology) middlebox.Box { return &middlebox.SYNDropper{Addr: t.ServerAddr()} }},
		{name: "proxy-rejects", doc: "a proxy answers in the server's place and resets every request; another address of the server is the control", question: sni, outcome: probe.Reset, authors: inPath, elsewhere: true,
			box: func(t lab.Topology) middlebox.Box { return &middlebox.Rejecter{Addr: t.ServerAddr()} }},
		{name: "syn-drop-seen-by-name", doc: "the same, found when a name is asked about", question: sni, outcome: probe.Drop, authors: inPath, atLast: serverSide,
			box: func(lab.Topology) middlebox.Box { return &middlebox.SYNDropper{Port: 443} }},
	}
}

// kernelModels are rules of a real router's own packet filter.
func kernelModels() []model {
	return []model{
		{name: "kernel-sni-reject", doc: "the kernel's packet filter rejects packets that hold a name with a reset", question: sni, after: true, outcome: probe.Reset, authors: inPath,
			rule: &lab.KernelRule{Contains: Blocked, Port: 443, Reject: true}},
		{name: "kernel-sni-drop", doc: "the kernel's packet filter drops packets that hold a name", question: sni, after: true, outcome: probe.Drop, authors: inPath,
			rule: &lab.KernelRule{Contains: Blocked, Port: 443}},
		{name: "kernel-host-reject", doc: "the kernel's packet filter rejects requests for a host with a reset", question: host, after: true, outcome: probe.Reset, authors: inPath,
			rule: &lab.KernelRule{Contains: Blocked, Port: 80, Reject: true}},
	}
}
