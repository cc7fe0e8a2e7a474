package middlebox_test

import (
	"fmt"
	"testing"
	"testing/synctest"
	"time"

	"github.com/rstprobe/rstprobe/internal/lab/middlebox"
	"github.com/rstprobe/rstprobe/internal/packet"
)

// all drops every segment that it sees.
func all() middlebox.Box { return &middlebox.Dropper{Match: middlebox.Any} }

// both drops every segment that it sees, of either direction.
func both() middlebox.Box { return &middlebox.Cut{} }

// TestScripts shows boxes whole connections.
func TestScripts(t *testing.T) {
	client2 := uint16(40001)
	for _, c := range []struct {
		name  string
		box   middlebox.Box
		steps []step
	}{
		{"flagged", &middlebox.Flagged{Trigger: isBad, Box: both()}, []step{
			{name: "harmless", p: good},
			{name: "answer to it", p: answer},
			{name: "bytes of the trigger from the server", p: down(packet.Segment{Flags: packet.ACK, Payload: []byte("bad")})},
			{name: "trigger", p: bad},
			{name: "other flow", p: at(good, client2)},
			{name: "no TCP", p: echo},
			{name: "answer", p: answer, want: "drop"},
			{name: "trigger again", p: bad, want: "drop"},
			{name: "new connection", p: syn},
			{name: "harmless on it", p: good},
		}},
		{"reverse drop", &middlebox.Flagged{Trigger: isBad, Box: &middlebox.Dropper{On: middlebox.ToClient, Match: middlebox.Any}}, []step{
			{name: "answer before", p: answer},
			{name: "trigger", p: bad},
			{name: "ACK", p: ack},
			{name: "answer", p: answer, want: "drop"},
		}},
		{"forward drop", &middlebox.Flagged{Trigger: isBad, Box: all()}, []step{
			{name: "trigger", p: bad},
			{name: "answer", p: answer},
			{name: "its ACK", p: ack, want: "drop"},
		}},
		{"cut after two", &middlebox.Flagged{Trigger: isBad, Box: &middlebox.Cut{Pass: 2}}, []step{
			{name: "before", p: good},
			{name: "trigger", p: bad},
			{name: "first", p: answer},
			{name: "second", p: ack},
			{name: "third", p: answer, want: "drop"},
			{name: "fourth", p: ack, want: "drop"},
			{name: "no TCP", p: echo},
		}},
		{"needs the handshake", &middlebox.AfterHandshake{Box: &middlebox.Dropper{Match: isBad}}, []step{
			{name: "without", p: bad},
			{name: "SYN", p: syn},
			{name: "trigger", p: bad, want: "drop"},
			{name: "harmless", p: good},
			{name: "other flow", p: at(bad, client2)},
			{name: "no TCP", p: echo},
		}},
		{"acts on the retransmission", &middlebox.OnRetransmission{Box: &middlebox.Dropper{Match: isBad}}, []step{
			{name: "SYN", p: syn},
			{name: "first", p: bad},
			{name: "other data at another place", p: up(packet.Segment{Seq: 1010, Flags: packet.ACK, Payload: []byte("bad")})},
			{name: "second", p: bad, want: "drop"},
			{name: "harmless in its place", p: good},
			{name: "first of a new connection", p: syn},
			{name: "first on it", p: bad},
		}},
		{"drops the first and resets the second", &middlebox.OnRetransmission{
			First: &middlebox.Dropper{Match: isBad}, Box: &middlebox.Resetter{Match: isBad, Client: true, Follow: true},
		}, []step{
			{name: "first", p: bad, want: "drop"},
			{name: "second", p: bad, want: "R 5000/0+0 to client"},
			{name: "harmless", p: up(packet.Segment{Seq: 1010, Flags: packet.ACK, Payload: []byte("good")})},
		}},
		{"one way", &middlebox.OneWay{Box: both(), Only: middlebox.ToClient}, []step{
			{name: "there", p: bad},
			{name: "back", p: answer, want: "drop"},
		}},
		{"rewriter", &middlebox.Flagged{Trigger: isBad, Box: middlebox.Rewriter{}}, []step{
			{name: "answer before", p: answer},
			{name: "trigger", p: bad},
			{name: "ACK of the client", p: ack},
			{name: "answer", p: answer, want: "as R. 5000/1010+0"},
			{name: "genuine reset", p: down(packet.Segment{Seq: 5000, Flags: packet.RST})},
		}},
		{"volume", &middlebox.VolumeCut{After: 18}, []step{
			{name: "request", p: bad},
			{name: "9 bytes", p: answer},
			{name: "18 bytes", p: answer},
			{name: "their ACK", p: ack},
			{name: "27 bytes", p: answer, want: "drop"},
			{name: "ACK", p: ack, want: "drop"},
			{name: "other flow", p: at(answer, client2)},
			{name: "new connection", p: syn},
			{name: "9 bytes on it", p: answer},
		}},
		{"black hole", middlebox.BlackHole{Addr: server.Addr()}, []step{
			{name: "SYN", p: syn, want: "drop"},
			{name: "ICMP", p: echo, want: "drop"},
			{name: "what comes back", p: synAck},
		}},
		{"MTU", middlebox.MTU{Size: len(bad.Raw) - 1}, []step{
			{name: "fits", p: answer},
			{name: "too long", p: bad, want: "drop"},
		}},
		{"impostor", &middlebox.Impostor{Match: isBad, Says: func(b []byte) []byte { return append([]byte("no "), b...) }}, []step{
			{name: "harmless", p: good},
			{name: "the server's TTL", p: answer},
			{name: "trigger", p: bad, want: "P. 5000/1010+13 to client; drop"},
		}},
		{"Outage", &middlebox.Outage{For: time.Minute}, []step{
			{name: "it begins with the first packet", p: bad, want: "drop"},
			{name: "both ways", p: answer, want: "drop"},
		}},
		{"Outage later", &middlebox.Outage{After: time.Minute}, []step{{name: "not yet", p: bad}}},
		{"MTU to the client", middlebox.MTU{Size: 40, On: middlebox.ToClient}, []step{
			{name: "not its way", p: bad},
			{name: "too long", p: answer, want: "drop"},
			{name: "fits", p: sized(synAck)},
		}},
		{"MTU that reports", middlebox.MTU{Size: 40, Router: server.Addr()}, []step{
			{name: "too long", p: bad, want: "true from 198.51.100.1 to client; drop"},
			{name: "too long for the client", p: answer, want: "true from 198.51.100.1 to server; drop"},
		}},
		{"SYN/ACK", &middlebox.Resetter{
			On: middlebox.ToClient, Match: middlebox.SYNACKFrom(443, server.Addr()), Client: true, Server: true, Follow: true, ACK: true,
		}, []step{
			{name: "SYN", p: syn},
			{name: "SYN/ACK", p: synAck, want: "R. 5000/1000+0 to client; R. 1000/5000+0 to server"},
			{name: "ACK", p: ack},
			{name: "answer", p: answer},
		}},
		{"SYN/ACK of another port", &middlebox.Resetter{
			On: middlebox.ToClient, Match: middlebox.SYNACKFrom(80, server.Addr()), Client: true, Follow: true,
		}, []step{{name: "SYN/ACK", p: synAck}}},
		{"SYN/ACK taken out", &middlebox.Resetter{
			On: middlebox.ToClient, Match: middlebox.SYNACKFrom(0, server.Addr()), Client: true, Server: true, Follow: true, Drop: true,
		}, []step{{name: "SYN/ACK", p: synAck, want: "R. 4999/1000+0 to client; R. 1000/5000+0 to server; drop"}}},
		{"answer", &middlebox.Resetter{On: middlebox.ToClient, Match: middlebox.Contains("answer"), Client: true, Server: true, ACK: true}, []step{
			{name: "SYN", p: syn}, {name: "SYN/ACK", p: synAck},
			{name: "the word from the client", p: data("an answer?!")},
			{name: "answer", p: answer, want: "R. 5009/1011+0 to client; R. 1011/5000+0 to server"},
		}},
		{"first data of the server", &middlebox.Flagged{Trigger: isBad, Box: &middlebox.Dropper{On: middlebox.ToClient, Match: middlebox.HasData}}, []step{
			{name: "trigger", p: bad},
			{name: "its ACK", p: down(packet.Segment{Seq: 5000, Ack: 1010, Flags: packet.ACK})},
			{name: "answer", p: answer, want: "drop"},
		}},
	} {
		t.Run(c.name, func(t *testing.T) { play(t, c.box, c.steps) })
	}
}

func TestTimedScripts(t *testing.T) {
	bytes := len(answer.Raw) // 49
	for _, c := range []struct {
		name  string
		box   middlebox.Box
		steps []step
	}{
		{"policer", &middlebox.Policer{Rate: bytes, Burst: 2 * bytes}, []step{
			{name: "first", p: answer},
			{name: "second", p: answer},
			{name: "excess", p: answer, want: "drop"},
			{name: "other flow", p: at(answer, 40001)},
			{name: "not yet", p: answer, want: "drop", wait: 900 * time.Millisecond},
			{name: "refilled", p: answer, wait: 100 * time.Millisecond},
			{name: "excess again", p: answer, want: "drop"},
			{name: "full after long", p: answer, wait: time.Hour},
			{name: "and no fuller", p: answer},
			{name: "excess after long", p: answer, want: "drop"},
			{name: "no TCP", p: echo},
		}},
		{"policer of one way", &middlebox.Policer{On: middlebox.ToClient}, []step{
			{name: "there", p: bad},
			{name: "back", p: answer, want: "drop"},
		}},
		{"residual that traffic extends", &middlebox.Residual{
			Box: &middlebox.Dropper{Match: isBad}, During: both(), For: time.Minute, Extend: true,
		}, []step{
			{name: "trigger", p: bad, want: "drop"},
			{name: "after 50 s", p: good, want: "drop", wait: 50 * time.Second},
			{name: "after 50 s more", p: good, want: "drop", wait: 50 * time.Second},
			{name: "the server does not extend", p: answer, want: "drop", wait: 50 * time.Second},
			{name: "a minute after the client", p: good, wait: 10 * time.Second},
		}},
	} {
		t.Run(c.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) { play(t, c.box, c.steps) })
		})
	}
}

// TestSometimes: a flow has one fate, and the share is right.
func TestSometimes(t *testing.T) {
	for _, share := range []float64{0, 0.3, 1} {
		t.Run(fmt.Sprint(share), func(t *testing.T) {
			b := &middlebox.Sometimes{Box: all(), Share: share, Seed: 1}
			other := &middlebox.Sometimes{Box: all(), Share: share, Seed: 2}
			const flows = 2000
			hit, same := 0, 0
			for port := range uint16(flows) {
				p := at(bad, port)
				got := b.Handle(middlebox.ToServer, p).Drop
				if again := b.Handle(middlebox.ToServer, p).Drop; again != got {
					t.Fatalf("port %d: first %v, then %v", port, got, again)
				}
				if got {
					hit++
				}
				if got == other.Handle(middlebox.ToServer, p).Drop {
					same++
				}
			}
			if got := float64(hit) / flows; got < share-0.05 || got > share+0.05 {
				t.Errorf("share of flows %v, want %v", got, share)
			}
			if share == 0.3 && same == flows {
				t.Error("another seed chooses the same flows")
			}
		})
	}
}

// TestReassembled sends a hello in pieces.
func TestReassembled(t *testing.T) {
	b := hello(t, blocked, "")
	cut := len(b) / 2
	for i := range b[:len(b)-len(blocked)] {
		if string(b[i:i+len(blocked)]) == blocked {
			cut = i + 3
		}
	}
	part := func(from, to int) packet.Packet {
		return up(packet.Segment{Seq: packet.Seq(1000 + from), Ack: 5000, Flags: packet.ACK, Payload: b[from:to]})
	}
	whole := middlebox.NameIs(blocked)
	if whole(part(0, cut)) || whole(part(cut, len(b))) {
		t.Fatal("half a name matches by itself")
	}
	clean := up(packet.Segment{Seq: 1000, Ack: 5000, Flags: packet.ACK, Payload: hello(t, "control.example", "")})
	for _, c := range []struct {
		name string
		ps   []packet.Packet
		want []bool
	}{
		{"whole", []packet.Packet{syn, ack, part(0, len(b))}, []bool{false, false, true}},
		{"two", []packet.Packet{syn, part(0, cut), part(cut, len(b))}, []bool{false, false, true}},
		{"missed the opening", []packet.Packet{part(0, cut), part(cut, len(b))}, []bool{false, true}},
		{"the second first", []packet.Packet{syn, part(cut, len(b)), part(0, cut)}, []bool{false, false, true}},
		{"overlapping", []packet.Packet{syn, part(0, cut), part(cut-9, len(b))}, []bool{false, false, true}},
		{"never the first", []packet.Packet{syn, part(cut, len(b)), part(cut, len(b))}, []bool{false, false, false}},
		{"the first bytes count", []packet.Packet{syn, clean, part(0, len(b))}, []bool{false, false, false}},
		{"another connection", []packet.Packet{syn, part(0, cut), syn, part(cut, len(b))}, []bool{false, false, false, false}},
		{"another port", []packet.Packet{syn, part(0, cut), at(part(cut, len(b)), 40001)}, []bool{false, false, false}},
		{"no TCP", []packet.Packet{echo}, []bool{false}},
	} {
		t.Run(c.name, func(t *testing.T) {
			m := middlebox.Reassembled(middlebox.NameIs(blocked))
			for i, p := range c.ps {
				if got := m(p); got != c.want[i] {
					t.Errorf("packet %d: %v, want %v", i, got, c.want[i])
				}
			}
		})
	}
}

// TestFirstRecord cuts a hello inside its name into two records.
func TestFirstRecord(t *testing.T) {
	b := hello(t, blocked, "")
	const cut = 60 // before the name
	record := func(part []byte) []byte {
		return append([]byte{22, 3, 1, byte(len(part) >> 8), byte(len(part))}, part...)
	}
	two := append(record(b[5:cut]), record(b[cut:])...)
	request := []byte("GET / HTTP/1.1\r\nHost: " + blocked + "\r\n\r\n")
	for _, c := range []struct {
		name         string
		payload      []byte
		all, onlyOne bool
	}{
		{"one record", b, true, true},
		{"two records", two, true, false},
		{"a request", request, true, true},
		{"nothing", nil, false, false},
	} {
		p := up(packet.Segment{Flags: packet.ACK, Payload: c.payload})
		if got := middlebox.NameIs(blocked)(p); got != c.all {
			t.Errorf("%s: match %v, want %v", c.name, got, c.all)
		}
		if got := middlebox.FirstRecord(middlebox.NameIs(blocked))(p); got != c.onlyOne {
			t.Errorf("%s, first record: match %v, want %v", c.name, got, c.onlyOne)
		}
	}
}
