package cases

import (
	"slices"
	"time"

	"github.com/rstprobe/rstprobe/internal/diagnosis"
	"github.com/rstprobe/rstprobe/internal/lab"
	"github.com/rstprobe/rstprobe/internal/lab/middlebox"
	"github.com/rstprobe/rstprobe/probe"
)

var (
	sni  = diagnosis.Question{Kind: probe.SNI, Name: Blocked}
	host = diagnosis.Question{Kind: probe.Host, Name: Blocked}
	syn  = diagnosis.Question{Kind: probe.SYN}

	onPath = []probe.Author{probe.OnPath}
	inPath = []probe.Author{probe.InPath}

	reset   = []probe.Outcome{probe.Reset}
	refused = []probe.Outcome{probe.Refused}
	drop    = []probe.Outcome{probe.Drop}
	fin     = []probe.Outcome{probe.Fin}
	page    = []probe.Outcome{probe.InjectedResponse}
)

// models are all the boxes.
func models() []model {
	return slices.Concat(asked(nameModels()), asked(lookModels()), asked(answerModels()), asked(silenceModels()), asked(memoryModels()), synModels(), kernelModels())
}

// asked makes two models of each: one asked with a server name, one with a
// Host, as far as both make sense.
func asked(named []model) []model {
	var both []model
	for _, m := range named {
		for _, q := range []diagnosis.Question{sni, host} {
			if m.only == "" || m.only == q.Kind {
				one := m
				one.name, one.question = string(q.Kind)+"-"+m.name, q
				both = append(both, one)
			}
		}
	}
	return both
}

// always makes a box that needs nothing of its world.
func always(box func() middlebox.Box) func(lab.Topology) middlebox.Box {
	return func(lab.Topology) middlebox.Box { return box() }
}

// resetter is a fresh Resetter of the given kind on the blocked name.
func resetter(r middlebox.Resetter) func(lab.Topology) middlebox.Box {
	return always(func() middlebox.Box { return fresh(r) })
}

func fresh(r middlebox.Resetter) *middlebox.Resetter {
	if r.Match == nil {
		r.Match = middlebox.NameIs(Blocked)
	}
	return &r
}

// flagged hands connections that said the blocked name over to a box.
func flagged(box func() middlebox.Box) func(lab.Topology) middlebox.Box {
	return always(func() middlebox.Box {
		return &middlebox.Flagged{Trigger: middlebox.NameIs(Blocked), Box: box()}
	})
}

// The plainest boxes, and parts of others: a tap, and a box in the path.
var (
	tap  = middlebox.Resetter{Client: true, Follow: true, ACK: true}
	wall = middlebox.Resetter{Client: true, Drop: true, Follow: true, DF: true}
)

// byChance allows a wider segment: which connections the box leaves alone
// follows their ports, and those of a real kernel are not ours to choose.
func byChance(w *Want, _, _ int) { w.Within = true }

// serverSide: what takes packets out behind the last router's TTL check is, as
// far as an outsider can tell, the server's own filter.
func serverSide(w *Want, router, routers int) {
	if router == routers {
		w.Overall, w.Authors, w.After, w.At = []probe.Overall{probe.ServerRefuses}, []probe.Author{probe.ServerSide}, 0, 0
	}
}

// nameModels act on a name in the first data packet.
func nameModels() []model {
	dropper := func() middlebox.Box { return &middlebox.Dropper{Match: middlebox.NameIs(Blocked)} }
	return []model{
		{name: "reset-on-path", doc: "a tap resets the client on a name", outcome: reset, authors: onPath,
			box: resetter(middlebox.Resetter{Client: true, Follow: true})},
		{name: "reset-both-ends", doc: "a tap resets client and server on a name", outcome: reset, authors: onPath,
			box: resetter(middlebox.Resetter{Client: true, Server: true, ACK: true, Follow: true})},
		{name: "reset-server-only", doc: "a box takes the packet with the name out and resets the server alone", outcome: drop, authors: inPath, silent: true,
			box: resetter(middlebox.Resetter{Server: true, Drop: true, Follow: true, ACK: true})},
		{name: "reset-tap-behind-ttl", doc: "a tap behind the router's TTL check resets the client", outcome: reset, authors: onPath, after: true,
			box: resetter(tap)},
		{name: "reset-slow", doc: "a tap resets the client 20 ms late", outcome: reset, authors: onPath,
			box: resetter(middlebox.Resetter{Client: true, Follow: true, ACK: true, Delay: 20 * time.Millisecond})},
		{name: "reset-late", doc: "a slow tap resets the client 300 ms late, behind the server's answer", outcome: reset, authors: onPath,
			box: resetter(middlebox.Resetter{Client: true, Follow: true, ACK: true, Delay: 300 * time.Millisecond})},
		{name: "reset-stateful", doc: "a tap that keeps its own count of sequence numbers resets both ends", outcome: reset, authors: onPath,
			box: resetter(middlebox.Resetter{Client: true, Server: true, ACK: true})},
		{name: "reset-after-handshake", doc: "a tap acts only on connections that it saw open", outcome: reset, authors: onPath,
			box: always(func() middlebox.Box { return &middlebox.AfterHandshake{Box: fresh(tap)} })},
		{name: "reset-reassembling", doc: "a tap that puts segments together resets the client", outcome: reset, authors: onPath,
			box: always(func() middlebox.Box {
				r := tap
				r.Match = middlebox.Reassembled(middlebox.NameIs(Blocked))
				return &r
			})},
		{name: "reset-in-path", doc: "a box takes the packet with the name out and resets the client", outcome: reset, authors: inPath,
			box: resetter(wall)},
		{name: "reject-behind-ttl", doc: "a router's filter, behind its TTL check, rejects with a reset", outcome: reset, authors: inPath, after: true,
			box: resetter(wall)},
		{name: "reset-half", doc: "a tap acts on every second connection", outcome: reset, authors: onPath, change: byChance,
			box: always(func() middlebox.Box { return &middlebox.Sometimes{Box: fresh(tap), Share: 0.5, Seed: 1} })},
		{name: "reset-most", doc: "a tap acts on seven of ten connections", outcome: reset, authors: onPath, change: byChance,
			box: always(func() middlebox.Box { return &middlebox.Sometimes{Box: fresh(tap), Share: 0.7, Seed: 2} })},
		{name: "drop-half", doc: "a box drops the packet with the name on every second connection", outcome: drop, authors: inPath, silent: true, change: byChance, simulated: true,
			box: always(func() middlebox.Box { return &middlebox.Sometimes{Box: dropper(), Share: 0.5, Seed: 3} })},
		{name: "drop-most", doc: "a box drops the packet with the name on seven of ten connections", outcome: drop, authors: inPath, silent: true, change: byChance, simulated: true,
			box: always(func() middlebox.Box { return &middlebox.Sometimes{Box: dropper(), Share: 0.7, Seed: 4} })},
		{name: "reset-on-retransmission", doc: "a tap acts on the second copy of the name only", outcome: reset, authors: onPath,
			box: always(func() middlebox.Box { return &middlebox.OnRetransmission{Box: fresh(tap)} })},
		{name: "drop-then-reset", doc: "a box drops the packet with the name and resets its retransmission", outcome: reset, authors: inPath,
			box: always(func() middlebox.Box {
				return &middlebox.OnRetransmission{First: dropper(), Box: fresh(wall)}
			})},
		{name: "drop", doc: "a box drops the packet with the name", outcome: drop, authors: inPath, silent: true,
			box: always(dropper)},
		{name: "drop-behind-ttl", doc: "a box behind the TTL check drops the packet with the name", outcome: drop, authors: inPath, silent: true, after: true, change: serverSide,
			box: always(dropper)},
		{name: "drop-flow", doc: "a box drops the packet with the name and all that follows on its connection", outcome: drop, authors: inPath, silent: true,
			box: always(func() middlebox.Box { return &middlebox.Dropper{Match: middlebox.NameIs(Blocked), Flow: true} })},
		{name: "fin", doc: "a tap closes the connection toward the client", outcome: fin, authors: onPath,
			box: always(func() middlebox.Box { return &middlebox.FinInjector{Match: middlebox.NameIs(Blocked)} })},
		{name: "fin-in-path", doc: "a box takes the packet with the name out and closes the connection", outcome: fin, authors: inPath,
			box: always(func() middlebox.Box { return &middlebox.FinInjector{Match: middlebox.NameIs(Blocked), Drop: true} })},
		{name: "page-in-path", doc: "a box takes the request out and answers with a block page", only: probe.Host, outcome: page, authors: inPath,
			box: always(func() middlebox.Box {
				return &middlebox.BlockPage{Match: middlebox.NameIs(Blocked), Body: "This site is blocked.", Drop: true}
			})},
		{name: "page-on-path", doc: "a tap answers with a block page before the server does", only: probe.Host, outcome: page, authors: onPath,
			box: always(func() middlebox.Box {
				return &middlebox.BlockPage{Match: middlebox.NameIs(Blocked), Body: "This site is blocked."}
			})},
	}
}

// lookModels are taps whose resets look odd, or like somebody else's.
func lookModels() []model {
	like := func(r middlebox.Resetter) func(lab.Topology) middlebox.Box { return resetter(r) }
	look := func(looks func() middlebox.Look) func(lab.Topology) middlebox.Box {
		return always(func() middlebox.Box {
			r := fresh(tap)
			r.Looks = []middlebox.Look{looks()}
			return r
		})
	}
	return []model{
		{name: "look-hedged", doc: "a tap sends three resets, a window apart, to both ends", outcome: reset, authors: onPath,
			box: like(middlebox.Resetter{Client: true, Server: true, Count: 3, Hedge: true, ACK: true, Follow: true})},
		{name: "look-triple", doc: "a tap sends three equal resets to both ends", outcome: reset, authors: onPath,
			box: like(middlebox.Resetter{Client: true, Server: true, Count: 3, ACK: true, Follow: true})},
		{name: "look-family", doc: "a tap sends three resets whose identification, window and addresses go together", outcome: reset, authors: onPath,
			box: always(func() middlebox.Box {
				return fresh(middlebox.Resetter{Client: true, Server: true, Count: 3, ACK: true, DF: true, Follow: true, Looks: []middlebox.Look{middlebox.Family(1)}})
			})},
		{name: "look-random-ttl", doc: "a tap gives each reset another TTL", outcome: reset, authors: onPath,
			box: look(func() middlebox.Look { return middlebox.RandomTTL(1, 70, 220) })},
		{name: "look-copied-ttl", doc: "a tap gives its resets, to both ends, the TTL that it saw", outcome: reset, authors: onPath,
			box: like(middlebox.Resetter{Client: true, Server: true, ACK: true, Follow: true, CopyTTL: true})},
		{name: "look-echoed-id", doc: "a tap repeats our identification", outcome: reset, authors: onPath,
			box: like(middlebox.Resetter{Client: true, Follow: true, ID: middlebox.EchoID})},
		{name: "look-fixed-id", doc: "a tap gives every reset the identification 242", outcome: reset, authors: onPath,
			box: like(middlebox.Resetter{Client: true, Follow: true, ID: middlebox.FixedID(242)})},
		{name: "look-mirrored-window", doc: "a tap repeats our window", outcome: reset, authors: onPath,
			box: look(func() middlebox.Look { return middlebox.MirrorWindow })},
		{name: "look-reserved", doc: "a tap sets reserved bits", outcome: reset, authors: onPath,
			box: look(func() middlebox.Look { return middlebox.Reserved(5) })},
		{name: "look-payload", doc: "a tap's resets carry ten bytes", outcome: reset, authors: onPath,
			box: look(func() middlebox.Look { return middlebox.Carrying(middlebox.TenBytes) })},
	}
}

// synModels act on the handshake.
func synModels() []model {
	// A filter in front of the server is the server's as far as an outsider
	// can tell: likely, and no more.
	atLast := func(w *Want, router, routers int) {
		if router == routers {
			w.Authors = append(w.Authors[:len(w.Authors):len(w.Authors)], probe.ServerSide)
		}
	}
	return []model{
		{name: "syn-reset-on-path", doc: "a tap answers SYNs to a port with a reset", question: syn, outcome: refused, authors: onPath,
			box: func(lab.Topology) middlebox.Box { return &middlebox.SYNResetter{Port: 443} }},
		{name: "syn-reset-in-path", doc: "a box takes SYNs to a port out and answers with a reset", question: syn, outcome: refused, authors: inPath, change: atLast,
			box: func(lab.Topology) middlebox.Box { return &middlebox.SYNResetter{Port: 443, Drop: true} }},
		{name: "synack-reset", doc: "a tap resets both ends when the server's SYN/ACK passes", question: syn, outcome: reset, authors: onPath, causes: []probe.Cause{"M2"},
			box: always(func() middlebox.Box {
				return &middlebox.Resetter{Match: middlebox.SYNACKFrom(443, noAddr), On: middlebox.ToClient, Client: true, Server: true, Follow: true, Count: 3, ACK: true}
			}),
			change: func(w *Want, _, _ int) { w.After, w.At = 0, 0 }}, // nothing that a TTL limits draws it
		{name: "syn-drop-port", doc: "a box drops SYNs to a port", question: syn, outcome: drop, authors: inPath, change: atLast,
			box: func(lab.Topology) middlebox.Box { return &middlebox.SYNDropper{Port: 443} }},
		{name: "syn-drop-address", doc: "a box drops SYNs to an address; another address of the server is the control", question: syn, outcome: drop, authors: inPath, change: atLast, elsewhere: true,
			box: func(t lab.Topology) middlebox.Box { return &middlebox.SYNDropper{Addr: t.ServerAddr()} }},
		{name: "black-hole", doc: "a box drops everything to an address; another address of the server is the control", question: syn, outcome: drop, authors: inPath, causes: []probe.Cause{"M9", "S4"}, change: atLast, elsewhere: true,
			box: func(t lab.Topology) middlebox.Box { return middlebox.BlackHole{Addr: t.ServerAddr()} }},
		{name: "proxy-rejects", doc: "a proxy answers in the server's place and resets every request; another address of the server is the control", question: sni, outcome: reset, authors: inPath, elsewhere: true,
			box: func(t lab.Topology) middlebox.Box { return &middlebox.Rejecter{Addr: t.ServerAddr()} }},
		{name: "syn-drop-seen-by-name", doc: "the same, found when a name is asked about", question: sni, outcome: drop, authors: inPath, change: atLast,
			box: func(lab.Topology) middlebox.Box { return &middlebox.SYNDropper{Port: 443} }},
	}
}

// kernelModels are rules of a real router's own packet filter.
func kernelModels() []model {
	return []model{
		{name: "kernel-sni-reject", doc: "the kernel's packet filter rejects packets that hold a name with a reset", question: sni, after: true, outcome: reset, authors: inPath,
			rule: &lab.KernelRule{Contains: Blocked, Port: 443, Reject: true}},
		{name: "kernel-sni-drop", doc: "the kernel's packet filter drops packets that hold a name", question: sni, after: true, outcome: drop, authors: inPath, change: serverSide,
			rule: &lab.KernelRule{Contains: Blocked, Port: 443}},
		{name: "kernel-host-reject", doc: "the kernel's packet filter rejects requests for a host with a reset", question: host, after: true, outcome: reset, authors: inPath,
			rule: &lab.KernelRule{Contains: Blocked, Port: 80, Reject: true}},
	}
}
