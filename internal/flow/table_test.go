package flow

import (
	"net/netip"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"github.com/rstprobe/rstprobe/internal/packet"
)

// TestConversation: a whole one, as it is handed out.
func TestConversation(t *testing.T) {
	tp := newTape(t, Config{})
	tp.play(syn, synAck, ack, hello, reset)
	tp.now += 5 * time.Second
	unrelated := seg{flags: packet.SYN}.packet(1)
	unrelated.Src = netip.MustParseAddrPort("[2001:db8::1]:1")
	unrelated.Dst = netip.MustParseAddrPort("[2001:db8::2]:2")
	unrelated.HasID = false
	tp.add(unrelated)
	tp.table.Flush()
	if len(tp.got) != 2 {
		t.Fatalf("%d conversations, want 2", len(tp.got))
	}

	got := *tp.got[0]
	events := got.Events
	got.Events = nil
	want := Conversation{
		Record: Record{
			Key: packet.Key{Local: client, Remote: server}, Source: Capture,
			Start: epoch.Add(time.Millisecond), End: 4*time.Millisecond + 5*time.Second, Cut: true,
		},
		Client: Side{Packets: 3, Bytes: 13, SYNs: 1, ISN: 100, End: 114, HasEnd: true, MSS: 1460, Largest: 13},
		Server: Side{Packets: 2, SYNs: 1, Resets: 1, ISN: 300, End: 301, HasEnd: true, MSS: 1400},
		Ended:  Flushed, First: 1, Last: 5,
	}
	if diff := cmp.Diff(want, got, cmpopts.EquateComparable(netip.AddrPort{})); diff != "" {
		t.Errorf("conversation (-want +got):\n%s", diff)
	}
	for i, s := range []seg{syn, synAck, ack, hello, reset} {
		raw, err := packet.Build(s.packet(uint16(i + 1)))
		if err != nil {
			t.Fatal(err)
		}
		p, err := packet.Parse(raw)
		if err != nil {
			t.Fatal(err)
		}
		want := Event{At: time.Duration(i) * time.Millisecond, Kind: Sent, Packet: p, N: i + 1}
		if s.server {
			want.Kind = Received
		}
		if diff := cmp.Diff(want, events[i], cmpopts.EquateComparable(netip.AddrPort{}), cmpopts.EquateEmpty()); diff != "" {
			t.Errorf("event %d (-want +got):\n%s", i, diff)
		}
	}

	if six := tp.got[1]; six.Key.Local != unrelated.Src || six.Key.Remote != unrelated.Dst || !six.OneWay() {
		t.Errorf("IPv6 conversation %v, one way %v", six.Key, six.OneWay())
	}
}

func TestClient(t *testing.T) {
	data := seg{flags: packet.ACK, seq: 1, ack: 2, data: "x"}
	answer := seg{server: true, flags: packet.ACK, seq: 2, ack: 2, data: "y"}
	between := func(ports ...uint16) func(*packet.Packet) {
		return func(p *packet.Packet) {
			from, to := ports[0], ports[1]
			if p.Src.Addr() == server.Addr() {
				from, to = to, from
			}
			p.Src = netip.AddrPortFrom(p.Src.Addr(), from)
			p.Dst = netip.AddrPortFrom(p.Dst.Addr(), to)
		}
	}
	for _, tt := range []struct {
		name    string
		play    []seg
		ports   func(*packet.Packet)
		server  bool // the tape's server is taken for the client
		guessed bool
	}{
		{"who sent the SYN", []seg{syn}, between(443, 40000), false, false},
		{"who got the SYN/ACK", []seg{synAck, ack}, between(443, 40000), false, false},
		{"the higher port", []seg{answer, data}, between(40000, 443), false, true},
		{"the higher port, though the server's", []seg{data, answer}, between(443, 40000), true, true},
		{"equal ports: who was first", []seg{answer, data}, between(500, 500), true, true},
		{"a late SYN", []seg{answer, syn}, between(443, 40000), false, false},
	} {
		t.Run(tt.name, func(t *testing.T) {
			tp := newTape(t, Config{})
			for i, s := range tt.play {
				p := s.packet(uint16(i + 1))
				tt.ports(&p)
				tp.add(p)
			}
			c := tp.only()
			if got := c.Key.Local.Addr() == server.Addr(); got != tt.server || c.Guessed != tt.guessed {
				t.Errorf("client %v, guessed %v; want the server %v, guessed %v", c.Key.Local, c.Guessed, tt.server, tt.guessed)
			}
			for _, e := range c.Events {
				if sent := e.Packet.Src == c.Key.Local; sent != (e.Kind == Sent) {
					t.Errorf("packet %d from %v has kind %d", e.N, e.Packet.Src, e.Kind)
				}
			}
		})
	}
}

// TestICMP: errors are in the conversation that they quote, on the side that
// they come from, and may be all that there is of it.
func TestICMP(t *testing.T) {
	exceeded := func(about seg) []byte {
		quoted, err := packet.Build(about.packet(1))
		if err != nil {
			t.Fatal(err)
		}
		raw, err := packet.BuildTimeExceeded(router, quoted, 40)
		if err != nil {
			t.Fatal(err)
		}
		return raw
	}
	t.Run("within", func(t *testing.T) {
		tp := newTape(t, Config{})
		tp.play(syn, synAck)
		tp.addRaw(exceeded(syn))
		tp.addRaw(exceeded(synAck))
		c := tp.only()
		if c.ICMP != 2 || len(c.Events) != 4 {
			t.Fatalf("%d ICMP errors, %d events; want 2, 4", c.ICMP, len(c.Events))
		}
		if a, b := c.Events[2], c.Events[3]; a.Kind != Received || b.Kind != Sent || a.Packet.ICMP.Kind != packet.TimeExceeded {
			t.Errorf("about the client's %d, about the server's %d, %v", a.Kind, b.Kind, a.Packet)
		}
		if c.Client.Packets != 1 || c.Server.Packets != 1 {
			t.Errorf("%d and %d segments, want 1 each", c.Client.Packets, c.Server.Packets)
		}
	})
	t.Run("alone", func(t *testing.T) {
		tp := newTape(t, Config{})
		tp.addRaw(exceeded(syn))
		tp.play(syn, synAck)
		if c := tp.only(); c.Key.Local != client || c.Guessed || len(c.Events) != 3 || c.Events[0].Kind != Received {
			t.Errorf("client %v, guessed %v, %d events", c.Key.Local, c.Guessed, len(c.Events))
		}
	})
	t.Run("of no connection", func(t *testing.T) {
		tp := newTape(t, Config{})
		p := packet.Packet{Proto: packet.ICMP, ICMP: packet.ICMPError{Kind: packet.TimeExceeded, Quote: packet.Quote{Proto: packet.UDP}}}
		tp.table.Add(1, epoch, &p)
		if n := tp.table.Len(); n != 0 {
			t.Errorf("%d conversations", n)
		}
	})
}

// TestEnds: when a conversation is over, and why.
func TestEnds(t *testing.T) {
	cfg := Config{Linger: 100 * time.Second, Idle: 1000 * time.Second}
	for _, tt := range []struct {
		name  string
		play  []seg
		after time.Duration
		want  Ended // 0: it is not over
	}{
		{"reset, in time", []seg{syn, synAck, ack, reset}, 99 * time.Second, 0},
		{"reset", []seg{syn, synAck, ack, reset}, 102 * time.Second, Closed},
		{"finished", []seg{syn, synAck, ack, fin, finAck}, 102 * time.Second, Closed},
		{"half closed", []seg{syn, synAck, ack, fin}, 102 * time.Second, 0},
		{"never answered", []seg{syn}, 102 * time.Second, Closed},
		{"never acknowledged", []seg{syn, synAck}, 102 * time.Second, Closed},
		{"open", []seg{syn, synAck, ack}, 999 * time.Second, 0},
		{"open, idle", []seg{syn, synAck, ack}, 1002 * time.Second, Idle},
		{"without its beginning", []seg{ack}, 999 * time.Second, 0},
	} {
		t.Run(tt.name, func(t *testing.T) {
			tp := newTape(t, cfg)
			tp.play(tt.play...)
			tp.now += tt.after
			other := seg{flags: packet.SYN}.packet(1)
			other.Src = netip.AddrPortFrom(client.Addr(), 1)
			tp.add(other)
			var got Ended
			for _, c := range tp.got {
				got = c.Ended
				if want := tp.now - time.Millisecond; c.End != want {
					t.Errorf("watched for %v, want %v", c.End, want)
				}
			}
			if got != tt.want {
				t.Errorf("ended %v, want %v", got, tt.want)
			}
		})
	}
}

// TestLateToTheEnd: what comes when a conversation was over is of another,
// even if nothing came between.
func TestLateToTheEnd(t *testing.T) {
	tp := newTape(t, Config{})
	tp.play(syn, synAck, ack, reset)
	tp.now += time.Hour
	tp.play(hello)
	tp.table.Flush()
	if len(tp.got) != 2 || tp.got[0].Ended != Closed || tp.got[0].Cut || !tp.got[1].Guessed {
		t.Errorf("%d conversations, want a closed one and a guessed one", len(tp.got))
	}
}

// many plays one segment of each of n connections.
func (tp *tape) many(n int, s seg) {
	tp.Helper()
	for i := range n {
		tp.now += time.Millisecond
		p := s.packet(1)
		p.Src = netip.AddrPortFrom(p.Src.Addr(), uint16(1024+i))
		tp.add(p)
	}
}

// TestEvict: too many conversations push out those nearest to their end, and
// what is open and talks stays.
func TestEvict(t *testing.T) {
	t.Run("flows", func(t *testing.T) {
		tp := newTape(t, Config{MaxFlows: 50})
		tp.play(syn, synAck, ack)
		for range 20 {
			tp.many(200, seg{flags: packet.SYN})
			if n := tp.table.Len(); n > 50 {
				t.Fatalf("%d conversations, at most 50", n)
			}
			tp.play(hello)
		}
		for _, c := range tp.got {
			if c.Key.Local == client || c.Ended != Evicted && c.Ended != Reused || c.Ended == Evicted && !c.Cut {
				t.Fatalf("%v ended %v, cut %v", c.Key, c.Ended, c.Cut)
			}
		}
	})
	t.Run("bytes", func(t *testing.T) {
		const most = 1 << 20
		tp := newTape(t, Config{MaxBytes: most, Payload: 1 << 14})
		for range 3 {
			tp.many(1000, seg{flags: packet.ACK, data: strings.Repeat("x", 1400)})
			if n := tp.table.size(); n > most {
				t.Fatalf("%d bytes, at most %d", n, most)
			}
		}
		if n := tp.table.Len(); n < 100 {
			t.Errorf("%d conversations are left, want hundreds", n)
		}
		if n := len(tp.table.keeper.slabs); n > 2 {
			t.Errorf("%d slabs of 1 MiB, at most 2", n)
		}
	})
}

// TestWant: only what is wanted is put together, and what is shown is whole
// but for the events.
func TestWant(t *testing.T) {
	var asked []Ended
	var got int
	table := NewTable(Config{
		Want: func(c *Conversation) bool {
			asked = append(asked, c.Ended)
			if c.Events != nil {
				t.Error("events before they are wanted")
			}
			return c.Server.Resets > 0
		},
		Yield: func(c *Conversation) {
			got++
			if len(c.Events) != 5 {
				t.Errorf("%d events, want 5", len(c.Events))
			}
		},
	})
	tp := &tape{T: t, table: table}
	tp.play(syn, synAck, ack, hello, reset)
	tp.many(3, syn)
	table.Flush()
	if !slices.Equal(asked, []Ended{Flushed, Flushed, Flushed, Flushed}) || got != 1 {
		t.Errorf("asked %v, yielded %d; want four flushed, 1", asked, got)
	}
}

// TestClock: a clock that is set back neither ends conversations nor turns
// their order around.
func TestClock(t *testing.T) {
	tp := newTape(t, Config{})
	tp.play(syn, synAck)
	tp.now -= time.Hour
	tp.play(ack)
	tp.now += 2 * time.Second
	tp.play(hello)
	c := tp.only()
	if c.Steps != 1 || !c.Start.Equal(epoch.Add(time.Millisecond)) {
		t.Errorf("%d steps, start %v", c.Steps, c.Start)
	}
	want := []time.Duration{0, time.Millisecond, time.Millisecond, 2*time.Second + 2*time.Millisecond}
	for i, e := range c.Events {
		if e.At != want[i] || e.N != i+1 {
			t.Errorf("packet %d at %v, want packet %d at %v", e.N, e.At, i+1, want[i])
		}
	}
	if want[3] != c.End {
		t.Errorf("end %v, want %v", c.End, want[3])
	}
}

// TestDisorder: packets of several interfaces, a little out of order in the
// file, are in order in the conversation.
func TestDisorder(t *testing.T) {
	tp := newTape(t, Config{})
	tp.now = 10 * time.Millisecond
	tp.play(synAck) // at 11 ms
	tp.now = 4 * time.Millisecond
	tp.play(syn) // at 5 ms
	tp.now = 20 * time.Millisecond
	tp.play(ack)
	c := tp.only()
	if diff := cmp.Diff([]int{2, 1, 3}, numbers(c.Events)); diff != "" {
		t.Errorf("packets (-want +got):\n%s", diff)
	}
	if c.Steps != 0 || c.Events[1].At != 6*time.Millisecond || !c.Start.Equal(epoch.Add(5*time.Millisecond)) || c.Key.Local != client {
		t.Errorf("%d steps, SYN/ACK at %v, start %v, client %v", c.Steps, c.Events[1].At, c.Start, c.Key.Local)
	}
}

// TestUntimed: a packet without a time is as late as the one before.
func TestUntimed(t *testing.T) {
	tp := newTape(t, Config{})
	tp.play(syn)
	raw, err := packet.Build(synAck.packet(9))
	if err != nil {
		t.Fatal(err)
	}
	p, err := packet.Parse(raw)
	if err != nil {
		t.Fatal(err)
	}
	tp.table.Add(2, time.Time{}, &p)
	if c := tp.only(); c.Events[1].At != 0 || c.Steps != 0 {
		t.Errorf("at %v, %d steps", c.Events[1].At, c.Steps)
	}
}
