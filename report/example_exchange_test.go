package report

import (
	"net/netip"
	"time"

	"github.com/rstprobe/rstprobe/internal/diagnosis"
	"github.com/rstprobe/rstprobe/internal/flow"
	"github.com/rstprobe/rstprobe/internal/packet"
	"github.com/rstprobe/rstprobe/probe"
)

// scripted makes records of attempts, packet by packet.
type scripted struct {
	next     int // number of a packet
	attempts []diagnosis.Attempt
}

// begin starts an attempt from a port.
func (a *scripted) begin(role probe.Role, name string, port uint16, ttls ...uint8) {
	remote := netip.AddrPortFrom(server, 443)
	n := len(a.attempts)
	a.attempts = append(a.attempts, diagnosis.Attempt{
		Trial: probe.Trial{Role: role, Remote: remote, Stimulus: probe.Stimulus{Kind: probe.SNI, Name: name}, TTLs: ttls},
		Record: flow.Record{
			Key: packet.Key{Local: netip.AddrPortFrom(source, port), Remote: remote}, Source: flow.Raw,
			Start: result("", "").Started.Add(time.Duration(n) * 50 * time.Millisecond), End: 100 * time.Millisecond,
		},
	})
}

func (a *scripted) event(at time.Duration, kind flow.Kind, p packet.Packet) *flow.Event {
	a.next++
	rec := &a.attempts[len(a.attempts)-1].Record
	rec.Events = append(rec.Events, flow.Event{At: at, Kind: kind, Packet: p, N: a.next})
	return &rec.Events[len(rec.Events)-1]
}

func (a *scripted) segment(at time.Duration, ours bool, ttl uint8, flags packet.Flags, seq, ack packet.Seq, size int) *flow.Event {
	key := a.attempts[len(a.attempts)-1].Record.Key
	p := packet.Packet{
		Src: key.Local, Dst: key.Remote, Proto: packet.TCP, TTL: ttl,
		TCP: packet.Segment{Seq: seq, Ack: ack, Flags: flags, Payload: make([]byte, size)},
	}
	if ours {
		return a.event(at, flow.Sent, p)
	}
	p.Src, p.Dst = p.Dst, p.Src
	return a.event(at, flow.Received, p)
}

// handshake opens the connection: three packets. Our numbers begin at 1000,
// the server's at 9000.
func (a *scripted) handshake() {
	a.segment(0, true, 64, packet.SYN, 1000, 0, 0)
	a.segment(9*time.Millisecond, false, 58, packet.SYN|packet.ACK, 9000, 1001, 0)
	a.segment(9100*time.Microsecond, true, 64, packet.ACK, 1001, 9001, 0)
}

// expire has a router answer the last packet of ours.
func (a *scripted) expire(at time.Duration, n int) {
	events := a.attempts[len(a.attempts)-1].Record.Events
	var ours packet.Packet
	for _, e := range events {
		if e.Kind == flow.Sent {
			ours = e.Packet
		}
	}
	a.event(at, flow.Received, packet.Packet{
		Src: netip.AddrPortFrom(router(n), 0), Dst: netip.AddrPortFrom(source, 0), Proto: packet.ICMP, TTL: uint8(65 - n),
		ICMP: packet.ICMPError{
			Kind: packet.TimeExceeded, Type: 11,
			Quote: packet.Quote{Src: ours.Src, Dst: ours.Dst, Proto: packet.TCP, Seq: ours.TCP.Seq, Ack: ours.TCP.Ack, Flags: ours.TCP.Flags, Full: true},
		},
	})
}

// citedAttempts are the attempts that everything cites by the numbers of packets: an
// ordinary test with resets in packets 12 and 14 to 16, a control beside it,
// and a sweep.
func citedAttempts() []diagnosis.Attempt {
	const data = packet.PSH | packet.ACK
	const reset = packet.RST | packet.ACK
	var a scripted
	a.begin(probe.Control, "control.example", 40000)
	a.handshake()
	a.segment(9200*time.Microsecond, true, 64, data, 1001, 9001, 517)
	a.segment(18*time.Millisecond, false, 58, packet.ACK, 9001, 1518, 0)
	a.segment(19*time.Millisecond, false, 58, data, 9001, 1518, 1200)
	a.begin(probe.Test, "blocked.example", 40001)
	a.handshake() // 7 to 9
	a.segment(9100*time.Microsecond, true, 64, data, 1001, 9001, 517)
	a.segment(12*time.Millisecond, false, 58, packet.ACK, 9001, 1518, 0)
	a.segment(13*time.Millisecond, false, 62, reset, 9001, 1518, 0)
	a.segment(13100*time.Microsecond, false, 58, data, 9001, 1518, 1200)
	for i := range 3 { // 14 to 16
		a.segment(13200*time.Microsecond+time.Duration(i/2)*50*time.Microsecond, false, 62, reset, 9001, 1518, 0)
	}
	a.attempts[1].Record.Events = append(a.attempts[1].Record.Events, flow.Event{At: 100 * time.Millisecond, Kind: flow.Expired})
	a.begin(probe.Test, "blocked.example", 40002, 3, 4)
	a.handshake() // 17 to 19
	a.segment(9200*time.Microsecond, true, 3, data, 1001, 8998, 520).TTL = 3
	a.expire(13*time.Millisecond, 3) // 21
	a.segment(13100*time.Microsecond, true, 4, data, 1001, 8997, 521).TTL = 4
	a.event(19*time.Millisecond, flow.Received, packet.Packet{ // 23
		Src: netip.AddrPortFrom(router(5), 0), Dst: netip.AddrPortFrom(source, 0), Proto: packet.ICMP, TTL: 60,
		ICMP: packet.ICMPError{Kind: packet.Unreachable, Type: 3, Code: 13},
	})
	for range 59 {
		a.segment(20*time.Millisecond, false, 58, packet.ACK, 9001, 1001, 0)
	}
	return a.attempts
}
