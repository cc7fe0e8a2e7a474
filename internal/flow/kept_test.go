package flow

import (
	"bytes"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/rstprobe/rstprobe/internal/packet"
)

// TestLongConversation: of many packets those stay that say how it began and
// how it was cut off.
func TestLongConversation(t *testing.T) {
	const most = 100
	tp := newTape(t, Config{MaxEvents: most})
	tp.play(syn, synAck, ack)
	flood := func(n int, start packet.Seq) {
		for i := range n {
			tp.play(seg{server: true, flags: packet.ACK, seq: start.Add(10 * i), ack: 101, data: "0123456789"})
		}
	}
	flood(10_000, 301)
	tp.play(reset) // 10004
	flood(1_000, 100_301)
	tp.play(fin) // 11005
	flood(100, 110_301)
	c := tp.only()

	got := numbers(c.Events)
	if !slices.IsSorted(got) || len(got) > most+tailLen {
		t.Fatalf("%d events, in order %v", len(got), slices.IsSorted(got))
	}
	if c.Skipped != tp.n-len(got) || c.Client.Packets+c.Server.Packets != tp.n {
		t.Errorf("%d skipped and %d kept of %d", c.Skipped, len(got), tp.n)
	}
	for _, span := range [][2]int{{1, most / 2}, {10004 - tailLen, 10004}, {11005, 11005}, {tp.n - tailLen + 1, tp.n}} {
		for n := span[0]; n <= span[1]; n++ {
			if !slices.Contains(got, n) {
				t.Errorf("packet %d is not kept", n)
			}
		}
	}
	for _, e := range c.Events {
		if n := e.Packet.TCP.Size(); e.Kind == Received && e.N > 3 && e.N != 10004 && n != 10 {
			t.Fatalf("packet %d has %d bytes, want 10", e.N, n)
		}
	}
}

// TestResetFlood: a million resets are no way to fill the memory either.
func TestResetFlood(t *testing.T) {
	const most = 100
	tp := newTape(t, Config{MaxEvents: most})
	for i := range 10_000 {
		tp.play(seg{server: true, flags: packet.RST, seq: packet.Seq(i)}) //nolint:gosec // small
	}
	c := tp.only()
	if n := len(c.Events); n < most || n > most+tailLen || c.Skipped != tp.n-n || c.Server.Resets != tp.n {
		t.Errorf("%d events, %d skipped, %d resets of %d", n, c.Skipped, c.Server.Resets, tp.n)
	}
	if last := c.Events[len(c.Events)-1].N; last != tp.n {
		t.Errorf("last event is packet %d of %d", last, tp.n)
	}
}

// TestPayload: so much of either side is kept, and the rest is counted.
func TestPayload(t *testing.T) {
	tp := newTape(t, Config{Payload: 100})
	text := strings.Repeat("abcdefghij", 8)
	tp.play(syn, synAck, ack,
		seg{flags: packet.ACK, seq: 101, ack: 301, data: text},
		seg{flags: packet.ACK, seq: 181, ack: 301, data: text},
		seg{server: true, flags: packet.ACK, seq: 301, ack: 261, data: text},
		seg{server: true, flags: packet.RST | packet.ACK, seq: 381, ack: 261, data: text},
	)
	c := tp.only()
	for i, want := range map[int]int{3: 80, 4: 20, 5: 25, 6: minData} {
		s := c.Events[i].Packet.TCP
		if string(s.Payload) != text[:want] || s.Size() != len(text) || s.Len() != len(text) {
			t.Errorf("packet %d: %q of %d bytes, want %d", i+1, s.Payload, s.Size(), want)
		}
	}
}

// TestOwnMemory: what was handed out does not change with the table.
func TestOwnMemory(t *testing.T) {
	tp := newTape(t, Config{Linger: time.Second})
	tp.play(syn, synAck, ack, hello, reset)
	tp.now += time.Minute
	tp.many(500, seg{flags: packet.SYN, data: strings.Repeat("x", 200)})
	if got := string(tp.got[0].Events[3].Packet.TCP.Payload); got != hello.data {
		t.Errorf("payload is now %q", got)
	}
}

// TestStore writes logs side by side, and uses their memory again.
func TestStore(t *testing.T) {
	r := rand.New(rand.NewPCG(1, 2)) //nolint:gosec // no secret
	var s store
	logs := make([]log, 20)
	want := make([][]byte, len(logs))
	for range 20_000 {
		i := r.IntN(len(logs))
		if r.IntN(50) == 0 {
			s.release(&logs[i])
			want[i] = nil
			continue
		}
		b := bytes.Repeat([]byte{byte(r.Uint32())}, r.IntN(3*chunkSize))
		half := r.IntN(len(b) + 1)
		s.append(&logs[i], b[:half], b[half:])
		want[i] = append(want[i], b...)
		if got := s.read(logs[i]); !bytes.Equal(got, want[i]) {
			t.Fatalf("log %d has %d bytes, want %d", i, len(got), len(want[i]))
		}
	}
	for i := range logs {
		if got := s.read(logs[i]); !bytes.Equal(got, want[i]) {
			t.Errorf("log %d changed", i)
		}
		s.release(&logs[i])
	}
	if s.used != 0 {
		t.Errorf("%d chunks are used without a log", s.used)
	}
	free := 0
	for n := s.free; n != 0; n = s.next(n) {
		free++
	}
	if free != int(s.fresh) {
		t.Errorf("%d of %d chunks are free", free, s.fresh)
	}
}

// TestIndex compares it with a map, by good hashes and by such as share their
// place, at the end of the slots.
func TestIndex(t *testing.T) {
	hashes := map[string]func(*pair) uint64{
		"good": (*pair).hash,
		"bad":  func(p *pair) uint64 { return ^uint64(p.port[0] / 3) },
	}
	for name, hash := range hashes {
		t.Run(name, func(t *testing.T) {
			r := rand.New(rand.NewPCG(1, 2)) //nolint:gosec // no secret
			x := newIndex()
			want := map[pair]*conv{}
			for range 50_000 {
				p := pair{port: [2]uint16{uint16(r.IntN(3000)), 1}}
				h := hash(&p)
				c := x.find(&Ends{pair: p, hash: h})
				if c != want[p] {
					t.Fatalf("found %p, want %p", c, want[p])
				}
				if c == nil {
					c = &conv{pair: p, hash: h}
					x.add(c)
					want[p] = c
				} else {
					x.remove(c)
					delete(want, p)
				}
				if x.len != len(want) {
					t.Fatalf("%d in it, want %d", x.len, len(want))
				}
			}
			for p, c := range want {
				if got := x.find(&Ends{pair: p, hash: c.hash}); got != c {
					t.Errorf("%v: found %p, want %p", p, got, c)
				}
			}
		})
	}
}
