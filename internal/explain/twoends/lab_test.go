package twoends_test

import (
	"bytes"
	"fmt"
	"net/netip"
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"github.com/rstprobe/rstprobe/internal/explain/twoends"
	"github.com/rstprobe/rstprobe/internal/flow"
	"github.com/rstprobe/rstprobe/internal/lab/cases"
	"github.com/rstprobe/rstprobe/internal/lab/middlebox"
	"github.com/rstprobe/rstprobe/internal/lab/simnet"
	"github.com/rstprobe/rstprobe/internal/packet"
	"github.com/rstprobe/rstprobe/internal/wire/engine"
	"github.com/rstprobe/rstprobe/probe"
)

// filmed is what both ends of an emulated path captured, and what its boxes
// did, which no capture shows.
type filmed struct {
	shots             [2][]shot
	injected, changed [][]byte
}

// essence is a datagram without what routers and address translators change.
func essence(p packet.Packet) []byte {
	b := slices.Clone(p.Raw)
	at := 8 // IPv4: TTL, protocol, checksum, addresses
	n := 20
	if p.Src.Addr().Is6() {
		at, n = 7, 40
	} else {
		b[9], b[10], b[11] = 0, 0, 0
	}
	b[at] = 0
	start := n - 2*len(p.Src.Addr().AsSlice())
	clear(b[start:min(len(b), n+4)])              // addresses, ports
	clear(b[min(len(b), n+16):min(len(b), n+18)]) // TCP checksum
	return b
}

func has(list [][]byte, p packet.Packet) bool {
	e := essence(p)
	return slices.ContainsFunc(list, func(b []byte) bool { return bytes.Equal(b, e) })
}

// film runs connections to the server of a case: harmless ones, and some with
// the name that it is about.
func film(t *testing.T, c cases.Case) filmed {
	t.Helper()
	var out filmed
	net := simnet.New(c.Topology, 1)
	last := c.Topology.Routers + 1
	net.Trace = func(dir middlebox.Direction, router int, p packet.Packet, what string) {
		s := shot{time.Now(), p}
		switch {
		case router == 0 && (what == "sent" || what == "received"):
			out.shots[cli] = append(out.shots[cli], s)
		case router == last && (what == "sent" || what == "received" || what == "injected by a box" && dir == middlebox.ToClient):
			out.shots[srv] = append(out.shots[srv], s)
		case what == "injected by a box":
			out.injected = append(out.injected, essence(p))
		case what == "changed by a box":
			out.changed = append(out.changed, essence(p))
		}
	}
	var ports []uint16
	for i := range 64 {
		ports = append(ports, uint16(40000+i))
	}
	e, err := engine.New(engine.Config{Wire: net, Ports: ports, Seed: 1, Source: c.Topology.Client()})
	if err != nil {
		t.Fatal(err)
	}
	remote := netip.AddrPortFrom(c.Topology.ServerAddr(), c.Port())
	for _, name := range []string{"control.example", c.Question.Name, "other.example", c.Question.Name, "last.example"} {
		trial := probe.Trial{Role: probe.Test, Remote: remote, Stimulus: probe.Stimulus{Kind: c.Question.Kind, Name: name, Seed: 1}}
		if _, err := e.Exchange(t.Context(), trial); err != nil {
			t.Fatal(err)
		}
	}
	// Until what is under way has arrived.
	end := probe.Trial{Role: probe.Baseline, Remote: netip.AddrPortFrom(remote.Addr(), 9), Stimulus: probe.Stimulus{Kind: probe.SYN}}
	if _, err := e.Exchange(t.Context(), end); err != nil {
		t.Fatal(err)
	}
	if err := e.Close(); err != nil {
		t.Fatal(err)
	}
	return out
}

// conversations are those of a capture, in which packet number i+1 is shot i.
func conversations(shots []shot) []flow.Conversation {
	var out []flow.Conversation
	table := flow.NewTable(flow.Config{Yield: func(c *flow.Conversation) { out = append(out, *c) }})
	for i := range shots {
		table.Add(i+1, shots[i].at, &shots[i].p)
	}
	table.Flush()
	return out
}

// TestLab compares what two captures say about every emulated box with what
// the boxes did.
func TestLab(t *testing.T) {
	for _, c := range slices.Concat(cases.All(), cases.Matrix(true)) {
		if c.RealKernel() || c.Question.Kind != probe.SNI && c.Question.Kind != probe.Host {
			continue
		}
		t.Run(fmt.Sprintf("%s/IPv6=%v", c.Name, c.Topology.IPv6), func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				f := film(t, c)
				r := twoends.Match(conversations(f.shots[cli]), conversations(f.shots[srv]))
				f.check(t, c, r)
			})
		})
	}
}

func (f *filmed) check(t *testing.T, c cases.Case, r twoends.Result) {
	t.Helper()
	told := map[[2]int]bool{}
	for i := range r.Pairs {
		for _, x := range r.Pairs[i].Foreign {
			for _, n := range append(x.Copies, x.Packet) {
				told[[2]int{int(x.At), n}] = true
			}
			p := f.shots[x.At][x.Packet-1].p
			if !has(f.injected, p) && !has(f.changed, p) {
				t.Errorf("%v at the %v was sent by its sender, but: %s", p, x.At, x.Summary)
			}
			if len(c.Want.Authors) > 0 && x.Kind != twoends.OtherPacket && x.Kind != twoends.SYNACKPacket && !slices.Contains(c.Want.Authors, x.Author) {
				t.Errorf("author %s, want one of %v: %s", x.Author, c.Want.Authors, x.Summary)
			}
		}
	}
	if len(r.Pairs) == 0 {
		return // a proxy that lets nothing through
	}
	if slices.ContainsFunc(r.Pairs, func(p twoends.Pair) bool { return p.Rewritten }) {
		return // a SYN proxy opens connections itself, and passes on what is said
	}
	// Each packet that a box made and that arrived must be told.
	for e, shots := range f.shots {
		var sent [][]byte
		for _, s := range f.shots[1-e] {
			sent = append(sent, essence(s.p))
		}
		for k, s := range shots {
			if s.p.Proto == packet.TCP && has(f.injected, s.p) && !has(sent, s.p) && !told[[2]int{e, k + 1}] && len(r.Missing) == 0 {
				t.Errorf("%v at the %v was injected, and is not told; %s", s.p, twoends.End(e), r.Summary)
			}
		}
	}
}
