package netlab

import (
	"bufio"
	"bytes"
	"errors"
	"io"
	"net/http"
	"net/netip"
	"runtime"
	"syscall"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/rstprobe/rstprobe/internal/lab"
	"github.com/rstprobe/rstprobe/internal/lab/middlebox"
	"github.com/rstprobe/rstprobe/internal/packet"
)

func place(router int, after bool, b func() middlebox.Box) []lab.Placement {
	return []lab.Placement{{Router: router, AfterTTL: after, New: b}}
}

func isSynAck(s packet.Segment) bool { return s.Flags.Has(packet.SYN | packet.ACK) }

// TestFront: the kernel's packets leave with the look of the gear in front.
func TestFront(t *testing.T) {
	top := lab.Topology{Routers: 3, Server: lab.Server{
		Refused: []string{blocked}, Unknown: lab.PolicyReset,
		Front: &middlebox.Front{SynAckTTL: 102, ResetTTL: 102, NoDF: true, IDs: middlebox.IDsGlobal},
	}}
	families(t, top, func(t *testing.T, n *Net) {
		synAck := await(t, n.nodes[0], far, isSynAck)
		answer := await(t, n.nodes[0], far, func(s packet.Segment) bool { return len(s.Payload) > 0 })
		reset := awaitReset(t, n.nodes[0], far)
		if err := handshake(mustDial(t, n, 443), control); err != nil {
			t.Error(err)
		}
		if p := synAck(); p.TTL != 102-3 || p.DF || p.HasID && p.ID != 1 {
			t.Errorf("SYN/ACK %v, DF %v", p, p.DF)
		}
		if p := answer(); p.TTL != 64-3 || p.DF {
			t.Errorf("answer %v, DF %v", p, p.DF)
		}
		c := mustDial(t, n, 443)
		say(t, c, 443, blocked)
		if got := ending(t, c, false); got != " ECONNRESET" {
			t.Errorf("refused name: %q, want a reset", got)
		}
		if p := reset(); p.TTL != 102-3 {
			t.Errorf("reset %v, want TTL %d", p, 102-3)
		}
	})
}

func TestFrontRefuses(t *testing.T) {
	n := build(t, lab.Topology{Routers: 1, Server: lab.Server{Front: &middlebox.Front{Limit: 1}}})
	mustDial(t, n, 443)
	if _, err := dial(n, n.top.ServerAddr(), 443); !errors.Is(err, syscall.ECONNREFUSED) {
		t.Errorf("second connection: got %v, want a refusal", err)
	}
	for name, front := range map[string]middlebox.Front{
		"overflow": {Overflow: 1},
		"data":     {Limit: 1, Refusal: middlebox.RefuseData},
	} {
		t.Run(name, func(t *testing.T) {
			n := build(t, lab.Topology{Routers: 1, Server: lab.Server{Front: &front}})
			if front.Limit > 0 {
				if err := handshake(mustDial(t, n, 443), control); err != nil {
					t.Errorf("first connection: %v", err)
				}
			}
			c, err := dial(n, n.top.ServerAddr(), 443)
			if front.Overflow > 0 && errors.Is(err, syscall.ECONNRESET) {
				return // quicker than connect
			}
			if err != nil {
				t.Fatal(err)
			}
			if front.Limit > 0 {
				say(t, c, 443, control)
			}
			if got := ending(t, c, false); got != " ECONNRESET" {
				t.Errorf("%q, want a reset", got)
			}
		})
	}
}

// TestNAT: the server sees another client, and the client the errors of all
// routers.
func TestNAT(t *testing.T) {
	for _, v6 := range []bool{false, true} {
		top := lab.Topology{Routers: 4, IPv6: v6}
		top.Boxes = place(2, true, func() middlebox.Box { return &middlebox.NAT{Addr: top.NATAddr()} })
		n := build(t, top)
		atServer := await(t, n.nodes[5], near, func(s packet.Segment) bool { return s.Flags == packet.SYN })
		for ttl := 1; ttl <= 4; ttl++ {
			got := expire(t, n, probe{443, ttl})
			if diff := cmp.Diff([]netip.Addr{top.Router(ttl)}, got, sameAddr); diff != "" {
				t.Errorf("TTL %d: hop (-want +got):\n%s", ttl, diff)
			}
		}
		if err := handshake(mustDial(t, n, 443), control); err != nil {
			t.Error(err)
		}
		if p := atServer(); p.Src.Addr() != top.NATAddr() {
			t.Errorf("the server sees %v, want %v", p.Src, top.NATAddr())
		}
	}
}

func TestSYNProxy(t *testing.T) {
	top := lab.Topology{Routers: 4, Boxes: place(3, false, func() middlebox.Box { return &middlebox.SYNProxy{} })}
	families(t, top, func(t *testing.T, n *Net) {
		synAck := await(t, n.nodes[0], far, isSynAck)
		if err := handshake(mustDial(t, n, 443), control); err != nil {
			t.Error(err)
		}
		if p := synAck(); p.TTL != 64-2 {
			t.Errorf("SYN/ACK %v, want TTL %d", p, 64-2)
		}
	})
}

// TestRewriter: the resets have the server's own TTL.
func TestRewriter(t *testing.T) {
	top := lab.Topology{Routers: 4, Boxes: place(2, false, func() middlebox.Box {
		return &middlebox.Flagged{Trigger: middlebox.NameIs(blocked), Box: middlebox.Rewriter{}}
	})}
	families(t, top, func(t *testing.T, n *Net) {
		reset := awaitReset(t, n.nodes[0], far)
		c := mustDial(t, n, 443)
		say(t, c, 443, blocked)
		if got := ending(t, c, false); got != " ECONNRESET" {
			t.Errorf("blocked name: %q, want a reset", got)
		}
		if p := reset(); p.TTL != 64-4 || !p.TCP.Flags.Has(packet.ACK) {
			t.Errorf("reset %v, want an ACK and TTL %d", p, 64-4)
		}
		if err := handshake(mustDial(t, n, 443), control); err != nil {
			t.Errorf("other name: %v", err)
		}
	})
}

// TestBody loads a page of 64 KiB, over a link that is too narrow and says so
// to the server as well.
func TestBody(t *testing.T) {
	const size = 64 << 10
	for _, v6 := range []bool{false, true} {
		top := lab.Topology{Routers: 4, IPv6: v6, Server: lab.Server{Body: size}}
		top.Boxes = place(3, false, func() middlebox.Box {
			return middlebox.MTU{Size: 1300, On: middlebox.ToClient, Router: top.Router(3)}
		})
		n := build(t, top)
		c := mustDial(t, n, 80)
		say(t, c, 80, control)
		res, err := http.ReadResponse(bufio.NewReader(c), nil)
		if err != nil {
			t.Fatal(err)
		}
		got, err := io.ReadAll(res.Body)
		if err != nil || res.ContentLength != size || !bytes.Equal(got, []byte(top.Server.Page(""))) {
			t.Errorf("%d of %d bytes, %v; want %d", len(got), res.ContentLength, err, size)
		}
		if err := res.Body.Close(); err != nil {
			t.Error(err)
		}
	}
}

// TestAfterOurFIN: a server that lingers acknowledges what comes after its own
// FIN, others reset it.
func TestAfterOurFIN(t *testing.T) {
	for name, tt := range map[string]struct {
		server lab.Server
		want   packet.Flags
	}{
		"closes":    {lab.Server{Always: lab.PolicyFIN}, packet.RST},
		"lingers":   {lab.Server{Always: lab.PolicyFIN, Lingers: time.Hour}, packet.ACK},
		"at once":   {lab.Server{CloseAtOnce: true}, packet.RST},
		"till then": {lab.Server{Always: lab.PolicyFIN, Lingers: time.Nanosecond}, packet.RST},
	} {
		t.Run(name, func(t *testing.T) {
			n := build(t, lab.Topology{Routers: 1, Server: tt.server})
			after := func(s packet.Segment) bool { return s.Flags == packet.RST || s.Flags == packet.ACK }
			c := mustDial(t, n, 80)
			if !tt.server.CloseAtOnce {
				say(t, c, 80, blocked)
			}
			if b, err := io.ReadAll(c); len(b) > 0 || err != nil {
				t.Fatalf("read %q, %v; want the end", b, err)
			}
			if name == "till then" {
				closed(t, n)
			}
			answer := await(t, n.nodes[0], far, after)
			if _, err := c.Write([]byte("more")); err != nil {
				t.Fatal(err)
			}
			if got := answer().TCP.Flags; got != tt.want {
				t.Errorf("answer %v, want %v", got, tt.want)
			}
		})
	}
}

// closed waits until the server has given up all its connections.
func closed(t *testing.T, n *Net) {
	t.Helper()
	deadline := time.Now().Add(patience)
	for {
		n.server.mu.Lock()
		open := len(n.server.conns)
		n.server.mu.Unlock()
		if open == 0 {
			return
		}
		if time.Now().After(deadline) {
			t.Fatalf("%d connections stay open", open)
		}
		runtime.Gosched()
	}
}

// TestKeepAliveProbes waits for one, at the sequence number before the next.
func TestKeepAliveProbes(t *testing.T) {
	n := build(t, lab.Topology{Routers: 1, Server: lab.Server{KeepAlive: time.Second}})
	synAck := await(t, n.nodes[0], far, isSynAck)
	probe := await(t, n.nodes[0], far, func(s packet.Segment) bool { return s.Flags == packet.ACK })
	mustDial(t, n, 443)
	if got, want := probe().TCP.Seq, synAck().TCP.Seq; got != want {
		t.Errorf("probe at %d, want %d", got, want)
	}
}

func TestDies(t *testing.T) {
	n := build(t, lab.Topology{Routers: 1, Server: lab.Server{Dies: time.Second}})
	c := mustDial(t, n, 443)
	if got := ending(t, c, false); got != " ECONNRESET" {
		t.Errorf("%q, want a reset", got)
	}
	if _, err := dial(n, n.top.ServerAddr(), 443); !errors.Is(err, syscall.ECONNREFUSED) {
		t.Errorf("afterwards: %v, want a refusal", err)
	}
}

// TestDelay: an answer comes, and one that would come much later does not hold
// Close up.
func TestDelay(t *testing.T) {
	n := build(t, lab.Topology{Routers: 1, Server: lab.Server{Delay: 20 * time.Millisecond}})
	if err := handshake(mustDial(t, n, 443), control); err != nil {
		t.Error(err)
	}
	n = build(t, lab.Topology{Routers: 1, Server: lab.Server{Delay: time.Hour}})
	acked := await(t, n.nodes[0], far, func(s packet.Segment) bool { return s.Flags == packet.ACK })
	say(t, mustDial(t, n, 443), 443, control)
	acked()
	if err := n.Close(); err != nil {
		t.Error(err)
	}
}
