package main

import (
	"strings"
	"testing"
	"time"

	"github.com/rstprobe/rstprobe/internal/packet"
)

// hops is how many routers are between the ends of the two recordings.
const hops = 64 - int(serverTTL)

// twoSides records the same connections at the client and at the server,
// whose clock is ahead; a tap resets the client over what it asks for on the
// last one.
func twoSides(t *testing.T, ahead time.Duration, tapped bool) (atClient, atServer []byte) {
	c, s := record(t), record(t)
	s.at = s.at.Add(ahead)
	const way = trip / 2
	// each sends a packet a while after the sender's last news.
	each := func(after time.Duration, byClient bool, flags packet.Flags, data string) {
		near, far := c, s
		if !byClient {
			near, far = s, c
		}
		sent := near.at.Add(after)
		near.send(after, byClient, flags, 64, data)
		arrives := sent.Add(way)
		if byClient {
			arrives = arrives.Add(ahead)
		} else {
			arrives = arrives.Add(-ahead)
		}
		far.send(arrives.Sub(far.at), byClient, flags, uint8(64-hops), data)
	}
	for i := range 7 {
		for _, r := range []*recording{c, s} {
			r.port, r.next = r.port+1, [2]packet.Seq{1000, 5000}
			r.id += 50
		}
		each(time.Minute, true, packet.SYN, "")
		each(time.Millisecond, false, packet.SYN|packet.ACK, "")
		each(time.Millisecond, true, packet.ACK, "")
		each(0, true, packet.PSH|packet.ACK, request)
		if tapped && i == 6 {
			c.send(trip/4, false, packet.RST|packet.ACK, boxTTL, "")
		}
		each(time.Millisecond, false, packet.PSH|packet.ACK, welcome)
		if tapped && i == 6 {
			continue
		}
		each(time.Millisecond, true, packet.FIN|packet.ACK, "")
		each(time.Millisecond, false, packet.FIN|packet.ACK, "")
		each(time.Millisecond, true, packet.ACK, "")
	}
	return c.bytes(), s.bytes()
}

func TestExplainServer(t *testing.T) {
	t.Parallel()
	const ahead = 90 * time.Second
	here, there := twoSides(t, ahead, true)
	atClient, atServer := saved(t, here), saved(t, there)
	var f fakeSystem
	got := f.run(t.Context(), "", "explain", atClient, "--server", atServer, "--json")
	if got.code != 10 || got.stderr != "" {
		t.Errorf("exit code %d, standard error %q; want 10 and nothing", got.code, got.stderr)
	}
	e := explained(t, got.stdout).BothEnds
	if e == nil || e.ServerFile != atServer || e.Matched != 7 || e.Swapped {
		t.Fatalf("both ends %+v, want seven conversations", e)
	}
	if off := e.Clock.OffsetMS - 1000*ahead.Seconds(); !e.Clock.Known || off < -e.Clock.ErrorMS-1 || off > e.Clock.ErrorMS+1 {
		t.Errorf("clock %+v, want %v ahead", e.Clock, ahead)
	}
	if len(e.Pairs) != 1 || len(e.Pairs[0].Foreign) != 1 || e.Pairs[0].Foreign[0].At != "client" || e.Pairs[0].FromServer.Injected != 1 {
		t.Fatalf("pairs %+v, want one with one foreign packet at the client", e.Pairs)
	}
	// What both captures prove is said of the reset itself, in either order.
	for _, files := range [][2]string{{atClient, atServer}, {atServer, atClient}} {
		doc := explained(t, f.run(t.Context(), "", "explain", files[0], "--server", files[1], "--json").stdout)
		foreign := doc.BothEnds.Pairs[0].Foreign[0]
		for _, one := range doc.Flows {
			for _, r := range one.Resets {
				if r.Packet != foreign.Packet || r.Author != foreign.Author || r.Cause != foreign.Cause || r.Confidence != "proved" || r.Evidence[0].Rule != "never-sent" {
					t.Errorf("reset %+v, want it as both captures have it: %+v", r, foreign)
				}
			}
		}
		if files[0] == atClient && (len(doc.Flows) == 0 || len(doc.Flows[len(doc.Flows)-1].Resets) != 1) {
			t.Errorf("flows %+v, want the one that was reset", doc.Flows)
		}
	}
	text := f.run(t.Context(), "", "explain", atClient, "--server", atServer).stdout
	for _, want := range []string{"\nBoth ends: ", " in the name of 198.51.100.7:80", "  NOT SENT by the server\n", " interferes (1 finding); the"} {
		if !strings.Contains(text, want) {
			t.Errorf("the text lacks %q:\n%s", want, text)
		}
	}
	swapped := explained(t, f.run(t.Context(), "", "explain", atServer, "--server", atClient, "--json").stdout)
	if swapped.BothEnds == nil || !swapped.BothEnds.Swapped || swapped.Verdict.Outcome != "interference" {
		t.Errorf("verdict %+v with the captures in the wrong order", swapped.Verdict)
	}
}

// TestExplainServerClean: what arrived as it was sent is nobody's fault.
func TestExplainServerClean(t *testing.T) {
	t.Parallel()
	here, there := twoSides(t, -time.Hour, false)
	var f fakeSystem
	got := f.run(t.Context(), "", "explain", saved(t, here), "--server", saved(t, there), "--json")
	doc := explained(t, got.stdout)
	if got.code != 0 || doc.BothEnds == nil || doc.BothEnds.Matched != 7 || len(doc.BothEnds.Pairs) != 0 {
		t.Errorf("exit code %d, verdict %+v, both ends %+v; want 0 and nothing to tell", got.code, doc.Verdict, doc.BothEnds)
	}
}

// TestExplainServerFlow: of conversations that were not asked for nobody says
// that one capture lacks them.
func TestExplainServerFlow(t *testing.T) {
	t.Parallel()
	here, there := twoSides(t, time.Second, true)
	atClient, atServer := saved(t, here), saved(t, there)
	var f fakeSystem
	all := explained(t, f.run(t.Context(), "", "explain", atClient, "--server", atServer, "--json").stdout)
	p := all.BothEnds.Pairs[0].AtClient
	for _, files := range [][2]string{{atClient, atServer}, {atServer, atClient}} {
		got := explained(t, f.run(t.Context(), "", "explain", files[0], "--server", files[1], "--flow", p.Client.String()+","+p.Server.String(), "--json").stdout)
		if e := got.BothEnds; e.Matched != 1 || e.Alone.Client+e.Alone.Server != 0 {
			t.Errorf("%d conversations matched, %+v in one capture alone; want 1 and none", e.Matched, e.Alone)
		}
	}
}
