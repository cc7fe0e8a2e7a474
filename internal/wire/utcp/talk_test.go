package utcp

import (
	"testing"
	"time"

	"github.com/rstprobe/rstprobe/internal/flow"
	"github.com/rstprobe/rstprobe/internal/packet"
)

// parrot answers what it hears up to a full stop, and has then heard enough.
type parrot struct {
	heard  string
	closed bool
}

func (p *parrot) Hear(b []byte) []byte { p.heard += string(b); return []byte("re:" + string(b)) }
func (p *parrot) Over() bool           { return len(p.heard) > 0 && p.heard[len(p.heard)-1] == '.' }
func (p *parrot) Total() int           { return 4711 }
func (p *parrot) Close()               { p.closed = true }

func TestTalk(t *testing.T) {
	talk := &parrot{}
	h := begin(t, Config{Copies: stimulus(10), Talk: talk, Timeout: time.Second, Linger: 100 * ms, Watch: 2 * time.Second})
	h.open()
	h.at(100 * ms)
	h.hear(packet.PSH|packet.ACK, 4, 11, "defg")
	if talk.heard != "" {
		t.Errorf("heard %q ahead of what comes first", talk.heard)
	}
	h.hear(packet.PSH|packet.ACK, 1, 11, "abcd")
	if talk.heard != "abcdefg" {
		t.Errorf("heard %q", talk.heard)
	}
	h.at(400 * ms) // nobody acknowledges what it says
	h.hear(packet.PSH|packet.ACK, 8, 21, "h.")
	h.at(time.Minute)
	h.wantEnd("it has heard enough: Linger", 500*ms)
	again := 0
	for _, e := range h.Record().Packets(flow.Retransmitted) {
		if string(e.Packet.TCP.Payload) == "re:abcdefg" && e.Packet.TCP.Seq == h.Record().Packets(flow.Sent)[0].Packet.TCP.Seq.Add(11) {
			again++
		}
	}
	if again == 0 {
		t.Error("what it says is not sent again")
	}
	if talk.heard != "abcdefgh." || !talk.closed || h.Record().Promised != 4711 {
		t.Errorf("heard %q, closed %v, promised %d", talk.heard, talk.closed, h.Record().Promised)
	}
}
