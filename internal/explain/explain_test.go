package explain_test

import (
	"fmt"
	"net/netip"
	"slices"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/rstprobe/rstprobe/internal/explain"
	"github.com/rstprobe/rstprobe/internal/flow"
	"github.com/rstprobe/rstprobe/internal/packet"
	"github.com/rstprobe/rstprobe/probe"
)

// TestFieldNote is the case that a field note tells at length: SYN/ACK with
// TTL 46, a round trip of 26 ms, 0.04 ms later a reset with TTL 85, and a
// round trip after the client's ACK a second, genuine one.
func TestFieldNote(t *testing.T) {
	const trip = 26 * time.Millisecond
	s := begin()
	s.ttl[srv] = 46
	s.syn().wait(trip-rtt).synack().wait(10*time.Microsecond).send(cli, packet.ACK, "").
		wait(30*time.Microsecond).stray(srv, ttl(85), id(1536, false)).wait(trip - 30*time.Microsecond).stray(srv)
	f := explained(s).Flows[0]
	type row struct {
		Packet, Trigger int
		Cause           probe.Cause
		Author          probe.Author
		Confidence      probe.Confidence
	}
	var got []row
	for _, r := range f.Resets {
		got = append(got, row{r.Packet, r.TriggerPacket, r.Cause, r.Author, r.Confidence})
	}
	want := []row{
		{4, 2, "M2", probe.OnOrInPath, probe.Likely},
		{5, 3, "S20", probe.Server, probe.Proved},
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("resets (-want +got):\n%s", diff)
	}
	if f.Trigger != probe.TriggerSYN || f.Position != explain.AtClient {
		t.Errorf("trigger %q at %q, want syn at client", f.Trigger, f.Position)
	}
}

// TestTowardServer: at the server, a reset comes in the client's name from
// another distance, and the client goes on.
func TestTowardServer(t *testing.T) {
	seenThere := func(s *script) *script {
		s.ttl = [2]uint8{52, 64}
		s.syn().wait(20*time.Microsecond-rtt).synack().wait(rtt).send(cli, packet.ACK, "").says(cli, request)
		return s
	}
	forged := seenThere(begin()).wait(time.Millisecond).rst(cli, ttl(47)).wait(rtt).says(cli, request).acks(srv)
	f := explained(forged).Flows[0]
	if f.Position != explain.AtServer {
		t.Errorf("position %q, want server", f.Position)
	}
	if r := f.Resets[0]; !slices.Contains([]probe.Author{probe.OnPath, probe.InPath, probe.OnOrInPath}, r.Author) {
		t.Errorf("author %q (%s, %s: %s), want a box", r.Author, r.Cause, r.Confidence, r.Summary)
	}
	own := seenThere(begin()).wait(time.Millisecond).says(srv, page).wait(rtt).acks(cli).wait(time.Second).rst(cli)
	if r := explained(own).Flows[0].Resets[0]; r.Cause != "C4" || r.Author != probe.OwnSide {
		t.Errorf("cause %s by %q (%s), want C4 by the client's side", r.Cause, r.Author, r.Summary)
	}
}

// TestTriggers: what the packet that drew the reset had to say.
func TestTriggers(t *testing.T) {
	hello := probe.Stimulus{Kind: probe.SNI, Name: "blocked.example", Seed: 1}
	b, err := hello.Bytes(0)
	if err != nil {
		t.Fatal(err)
	}
	reset := func(s *script) *script { return s.wait(rtt/4).rst(srv, ttl(boxTTL)) }
	for _, tt := range []struct {
		name    string
		scripts []*script
		want    probe.Trigger
		host    string
	}{
		{"ClientHello", []*script{reset(begin().open().says(cli, string(b)))}, probe.TriggerSNI, "blocked.example"},
		{"Host", []*script{reset(begin().open().says(cli, "GET / HTTP/1.1\r\nHost: other.example\r\n\r\n"))}, probe.TriggerHost, "other.example"},
		{"content: the same Host is served otherwise", with(reset(begin().open().says(cli, "GET /word HTTP/1.1\r\nHost: www.example\r\n\r\n"))), probe.TriggerPath, "www.example"},
		{"SYN", []*script{begin().syn().refusal()}, probe.TriggerSYN, ""},
		{"SYN/ACK", []*script{begin().open().wait(40*time.Microsecond).stray(srv, ttl(boxTTL))}, probe.TriggerSYN, ""},
	} {
		t.Run(tt.name, func(t *testing.T) {
			f := last(explained(tt.scripts...), tt.scripts[len(tt.scripts)-1])
			if f.Trigger != tt.want || f.Name != tt.host {
				t.Errorf("trigger %q %q, want %q %q", f.Trigger, f.Name, tt.want, tt.host)
			}
		})
	}
}

// TestProof: decisive evidence in three conversations with one server is
// proof, in one it is not.
func TestProof(t *testing.T) {
	tapped := func(n int) []*script {
		out := healthy(6)
		for i := range n {
			out = append(out, port(40001+i, time.Duration(i)*time.Minute).asked().wait(rtt/4).rst(srv, ttl(boxTTL)).wait(rtt).acks(srv).says(srv, page))
		}
		return out
	}
	for n, want := range map[int]probe.Confidence{1: probe.Likely, 3: probe.Proved} {
		rep := explained(tapped(n)...)
		if got := rep.Flows[0].Resets[0].Confidence; got != want {
			t.Errorf("%d conversations: %s, want %s", n, got, want)
		}
		if rep.Verdict.Outcome != probe.Interference {
			t.Errorf("verdict %+v, want interference", rep.Verdict)
		}
	}
}

// TestIPv6 runs both families through the same code.
func TestIPv6(t *testing.T) {
	s := between("[2001:db8::1]:40000", "[2001:db8:7::7]:443", 0, 1).asked().wait(rtt).rst(srv)
	for i := range s.c.Events {
		s.c.Events[i].Packet.HasID, s.c.Events[i].Packet.ID, s.c.Events[i].Packet.DF = false, 0, false
	}
	if r := explained(s).Flows[0].Resets[0]; r.Cause != "S7" || r.Hops != 12 {
		t.Errorf("cause %s from %d hops, want S7 from 12", r.Cause, r.Hops)
	}
}

// TestLimit: what is beyond the limit is counted.
func TestLimit(t *testing.T) {
	e := explain.New(2)
	for i := range 5 {
		e.Add(port(40000+i, time.Duration(i)*time.Second).syn().refusal().c)
	}
	rep := e.Finish()
	if len(rep.Flows) != 2 || rep.Omitted != 3 || rep.Conversations != 5 {
		t.Errorf("%d explained, %d omitted of %d, want 2, 3 of 5", len(rep.Flows), rep.Omitted, rep.Conversations)
	}
}

// TestWants: of conversations closed in order only the first few are needed.
func TestWants(t *testing.T) {
	e := explain.New(0)
	side := flow.Side{Packets: 5, Bytes: 100, SYNs: 1, FINs: 1, ISN: 1000, End: 1102, HasEnd: true}
	closed := &flow.Conversation{Client: side, Server: side}
	closed.Key = begin().c.Key
	if !e.Wants(closed) {
		t.Error("the first conversation with a host is not wanted: its habits are not known")
	}
	for _, s := range healthy(6) {
		e.Add(s.c)
	}
	if e.Wants(closed) {
		t.Error("a conversation like many is wanted")
	}
	for name, change := range map[string]func(*flow.Conversation){
		"reset":         func(c *flow.Conversation) { c.Server.Resets = 1 },
		"without a FIN": func(c *flow.Conversation) { c.Client.FINs = 0 },
		"ICMP":          func(c *flow.Conversation) { c.ICMP = 1 },
		"sent twice":    func(c *flow.Conversation) { c.Server.Bytes = 200 },
		"no SYN":        func(c *flow.Conversation) { c.Client.SYNs = 0 },
	} {
		c := *closed
		change(&c)
		if !e.Wants(&c) {
			t.Errorf("%s: not wanted", name)
		}
	}
	if rep := e.Finish(); rep.Conversations != 7 || len(rep.Flows) != 0 {
		t.Errorf("%d conversations, %d to explain, want 7 and none", rep.Conversations, len(rep.Flows))
	}
}

// TestTruncated: every beginning of every documented case can be explained,
// whatever is missing at its end, and nothing refers to packets that are not
// there.
func TestTruncated(t *testing.T) {
	for _, c := range table() {
		s := c.scripts[len(c.scripts)-1]
		events := s.c.Events
		for n := range events {
			for _, part := range [][]flow.Event{events[:n], events[n:]} {
				cut := *s
				cut.c.Events = part
				for _, f := range explained(&cut).Flows {
					for _, r := range f.Resets {
						for _, e := range r.Evidence {
							for _, number := range e.Packets {
								if !slices.ContainsFunc(part, func(e flow.Event) bool { return e.N == number }) {
									t.Fatalf("%s: %q cites packet %d, which is not there", c.pattern, e.Detail, number)
								}
							}
						}
					}
				}
			}
		}
	}
}

func BenchmarkExplain(b *testing.B) {
	var scripts []*script
	for i := range 1000 {
		from := netip.AddrPortFrom(netip.AddrFrom4([4]byte{10, 0, byte(i >> 8), byte(i)}), uint16(20000+i)).String()
		s := between(from, fmt.Sprintf("198.51.100.%d:80", i%50), time.Duration(i)*time.Millisecond, 1+10*i)
		if i%10 == 0 {
			scripts = append(scripts, s.asked().wait(rtt).rst(srv))
		} else {
			scripts = append(scripts, s.served())
		}
	}
	b.ReportAllocs()
	for b.Loop() {
		explained(scripts...)
	}
}

// FuzzExplain feeds packets with any numbers and flags.
func FuzzExplain(f *testing.F) {
	f.Add([]byte{0, 2, 0, 0, 1, 18, 0, 1, 0, 16, 1, 1, 1, 4, 1, 0})
	f.Fuzz(func(t *testing.T, b []byte) {
		s := begin()
		b = b[:min(len(b), 4*flow.DefaultMaxEvents)] // what a table keeps of a conversation
		for ; len(b) >= 4; b = b[4:] {
			s.wait(time.Duration(b[3])*time.Millisecond).send(int(b[0]&1), packet.Flags(b[1]), request[:b[0]>>3], seq(clientISS.Add(int(b[2]))), ack(clientISS.Add(int(b[3]))))
		}
		resets := 0
		for _, e := range s.c.Events {
			if e.Packet.TCP.Flags.Has(packet.RST) {
				resets++
			}
		}
		for _, one := range explained(s).Flows {
			for _, r := range one.Resets {
				resets -= 1 + len(r.Copies)
			}
		}
		if resets != 0 {
			t.Errorf("%d resets are not in the report", resets)
		}
	})
}
