package utcp

import (
	"encoding/binary"
	"math/rand/v2"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/rstprobe/rstprobe/internal/flow"
	"github.com/rstprobe/rstprobe/internal/packet"
)

const peerMSS = 1400

// download has a peer send size bytes in windows as large as it may, one per
// rtt, with every segment that lose says lost on its first way.
func download(h *harness, size int, lose func(segment int) bool) (took time.Duration) {
	h.Helper()
	h.open(packet.SYNOptions(1460, 1, 7)...)
	h.leave()
	began, lost := h.now, map[int]bool{}
	for said := 0; said < size; {
		h.at(h.now.Add(rtt).Sub(start))
		if h.Done() {
			h.Fatalf("over after %d of %d bytes", said, size)
		}
		for at := said; at < min(size, said+h.offered()); at += peerMSS {
			if n := at / peerMSS; lose(n) && !lost[n] {
				lost[n] = true
				continue
			}
			data := make([]byte, min(peerMSS, size-at))
			binary.BigEndian.PutUint32(data, uint32(at)) // not blank
			h.hear(packet.ACK, 1+at, 301, string(data))
		}
		h.leave()
		now := h.sent[len(h.sent)-1].TCP.Ack.Sub(iss.Add(1))
		if now <= said {
			h.Fatalf("acknowledged %d, then %d", said, now)
		}
		said = now
	}
	return h.now.Sub(began)
}

// offered is the window that we last told the peer, in bytes.
func (h *harness) offered() int { return int(h.sent[len(h.sent)-1].TCP.Window) << windowScale }

func TestLargeAnswer(t *testing.T) {
	const size = 256 << 10
	for name, lose := range map[string]func(int) bool{
		"in order":  func(int) bool { return false },
		"with loss": func(n int) bool { return n%20 == 7 },
	} {
		t.Run(name, func(t *testing.T) {
			h := begin(t, Config{Copies: stimulus(300), Watch: time.Minute})
			took := download(h, size, lose)
			if fastest := rtt * (size/64000 + 1); name == "in order" && took > fastest {
				t.Errorf("took %v, want a full window per RTT, %v", took, fastest)
			}
			said, held := map[packet.Seq]int{}, 0
			for _, e := range h.Record().Packets(flow.Received) {
				s := e.Packet.TCP
				said[s.Seq] = len(s.Payload)
				if cap(s.Payload) > 0 && &s.Payload[0] == &blank[0] {
					if len(e.Packet.Raw) > 60 {
						t.Fatalf("a header of %d bytes", len(e.Packet.Raw))
					}
					continue
				}
				held += len(s.Payload)
				if at := s.Seq.Sub(iss.Add(1)); len(s.Payload) > 0 && binary.BigEndian.Uint32(s.Payload) != uint32(at) {
					t.Errorf("the payload at %d is another", at)
				}
			}
			total := 0
			for _, n := range said {
				total += n
			}
			if total != size {
				t.Errorf("the record tells of %d bytes, want %d", total, size)
			}
			if held < keep || held > 2*keep {
				t.Errorf("the record holds %d bytes, want about %d", held, keep)
			}
		})
	}
}

func TestSACK(t *testing.T) {
	blocks := func(h *harness) [][2]int {
		var out [][2]int
		for _, b := range h.sent[len(h.sent)-1].TCP.SACKBlocks() {
			out = append(out, [2]int{b[0].Sub(iss), b[1].Sub(iss)})
		}
		return out
	}
	h := begin(t, Config{Copies: stimulus(10), Watch: time.Minute})
	h.open(packet.SYNOptions(1460, 1, 7)...)
	h.leave()
	for _, step := range []struct {
		at   int
		data string
		want [][2]int
	}{
		{1, "ab", nil},
		{5, "ef", [][2]int{{5, 7}}},
		{11, "kl", [][2]int{{11, 13}, {5, 7}}},
		{7, "g", [][2]int{{5, 8}, {11, 13}}},
		{15, "o", [][2]int{{15, 16}, {5, 8}, {11, 13}}},
		{21, "u", [][2]int{{21, 22}, {15, 16}, {5, 8}}}, // no room for a fourth beside timestamps
		{3, "cd", [][2]int{{21, 22}, {15, 16}, {11, 13}}},
		{1 << 20, "far beyond the window", [][2]int{{21, 22}, {15, 16}, {11, 13}}},
		{3, "cdefghijklmnopqrstuv", nil},
	} {
		h.hear(packet.ACK, step.at, 11, step.data)
		h.leave()
		if d := cmp.Diff(step.want, blocks(h)); d != "" {
			t.Errorf("after %q at %d (-want +got):\n%s", step.data, step.at, d)
		}
	}
	h.want("all of it is acknowledged")
	if got := h.sent[len(h.sent)-1].TCP.Ack.Sub(iss); got != 23 {
		t.Errorf("acknowledged up to %d, want 23", got)
	}

	plain := begin(t, Config{Copies: stimulus(10), Watch: time.Minute})
	plain.open()
	plain.leave()
	plain.hear(packet.ACK, 5, 11, "ef")
	plain.leave()
	if got := blocks(plain); got != nil {
		t.Errorf("a peer that takes none is told of %v", got)
	}
}

// TestAcknowledgeTogether: what comes at once is acknowledged at once, unless
// something is missing.
func TestAcknowledgeTogether(t *testing.T) {
	h := begin(t, Config{Copies: stimulus(10), Watch: time.Minute})
	h.open()
	h.leave()
	h.hear(packet.ACK, 1, 11, "ab")
	h.hear(packet.ACK, 3, 11, "cd")
	h.want("in order", ". seq 11 ack 5")
	h.hear(packet.ACK, 7, 11, "gh")
	h.hear(packet.ACK, 9, 11, "ij")
	h.want("ahead: the peer counts them", ". seq 11 ack 5", ". seq 11 ack 5")
}

// TestStreamInAnyOrder holds stream against a set of bytes.
func TestStreamInAnyOrder(t *testing.T) {
	const size = 200
	rng := rand.New(rand.NewPCG(1, 2))
	for range 300 {
		s := stream{start: iss, next: iss}
		var came [size]bool
		for range 40 {
			from := rng.IntN(size)
			to := min(size, from+1+rng.IntN(30))
			s.take(span{iss.Add(from), iss.Add(to)})
			for i := from; i < to; i++ {
				came[i] = true
			}
			next := 0
			for next < size && came[next] {
				next++
			}
			if got := s.next.Sub(iss); got != next {
				t.Fatalf("next is %d, want %d", got, next)
			}
			var held [size]bool
			for _, h := range s.held {
				for i := h.from.Sub(iss); i < h.to.Sub(iss); i++ {
					if held[i] {
						t.Fatalf("%d is held twice: %v", i, s.held)
					}
					held[i] = true
				}
			}
			for i := range size {
				if want := came[i] && i >= next; held[i] != want {
					t.Fatalf("%d is held %v, want %v", i, held[i], want)
				}
			}
		}
	}
}
