package report

import (
	"net/netip"
	"strings"
	"time"

	"github.com/rstprobe/rstprobe/internal/diagnosis"
	"github.com/rstprobe/rstprobe/internal/flow"
	"github.com/rstprobe/rstprobe/internal/packet"
	"github.com/rstprobe/rstprobe/probe"
)

// What servers say.
const (
	sayHello = "\x16\x03\x03\x00\x02\x02\x00"
	sayAlert = "\x15\x03\x03\x00\x02\x02\x70" // fatal, unrecognized_name
	sayPage  = "HTTP/1.1 403 Forbidden\r\n\r\nblocked"
)

// tape writes one attempt down, event by event, 10 ms between us and the
// server.
type tape struct {
	diagnosis.Attempt
	at time.Duration
	n  int
}

const rtt = 10 * time.Millisecond

// record begins an attempt for a question, started some time after the run.
func record(v6 bool, question int, role probe.Role, kind probe.Kind, name string, port uint16, started time.Duration) *tape {
	local, remote := source, server
	if v6 {
		local, remote = addr6(0), addr6(3)
	}
	return &tape{Attempt: diagnosis.Attempt{
		Question: question,
		Trial:    probe.Trial{Role: role, Remote: netip.AddrPortFrom(remote, port), Stimulus: probe.Stimulus{Kind: kind, Name: name}},
		Record: flow.Record{
			Source: flow.Raw, Start: base.Add(started),
			Key: packet.Key{Local: netip.AddrPortFrom(local, 40000), Remote: netip.AddrPortFrom(remote, port)},
		},
	}}
}

// base is when the runs of these examples started.
var base = time.Date(2026, 1, 2, 3, 4, 5, 678_000_000, time.UTC)

func addr6(n byte) netip.Addr {
	return netip.AddrFrom16([16]byte{0: 0x20, 1: 0x01, 2: 0x1d, 3: 0xb8, 15: n})
}

func (t *tape) event(kind flow.Kind, p packet.Packet, copied uint8) *tape {
	t.n++
	t.Record.Events = append(t.Record.Events, flow.Event{At: t.at, Kind: kind, Packet: p, N: t.n, TTL: copied})
	t.Record.End = t.at
	return t
}

func (t *tape) say(seg packet.Segment) *tape {
	return t.event(flow.Sent, packet.Packet{Src: t.Record.Key.Local, Dst: t.Record.Key.Remote, Proto: packet.TCP, TTL: 64, TCP: seg}, 0)
}

func (t *tape) hear(ttl uint8, seg packet.Segment) *tape {
	t.at += rtt
	return t.event(flow.Received, packet.Packet{Src: t.Record.Key.Remote, Dst: t.Record.Key.Local, Proto: packet.TCP, TTL: ttl, TCP: seg}, 0)
}

// icmp is an ICMP error about what was sent last.
func (t *tape) icmp(from netip.Addr, kind packet.ICMPKind, code uint8) *tape {
	t.at += rtt
	last := t.Record.Events[len(t.Record.Events)-1].Packet
	quote := packet.Quote{Src: last.Src, Dst: last.Dst, Proto: packet.TCP, Seq: last.TCP.Seq, Ack: last.TCP.Ack, Full: true, TotalLen: 40 + len(last.TCP.Payload)}
	return t.event(flow.Received, packet.Packet{
		Src: netip.AddrPortFrom(from, 0), Dst: netip.AddrPortFrom(t.Record.Key.Local.Addr(), 0), TTL: 62, ICMP: packet.ICMPError{Kind: kind, Code: code, Quote: quote},
	}, 0)
}

const (
	ourISS   packet.Seq = 1000
	theirISS packet.Seq = 5000
	said                = "0123456789" // stands for a stimulus
)

func (t *tape) syn() *tape { return t.say(packet.Segment{Seq: ourISS, Flags: packet.SYN}) }

// connected shakes hands.
func (t *tape) connected() *tape {
	return t.syn().hear(58, packet.Segment{Seq: theirISS, Ack: ourISS.Add(1), Flags: packet.SYN | packet.ACK})
}

// asked says the stimulus.
func (t *tape) asked() *tape {
	return t.connected().say(packet.Segment{Seq: ourISS.Add(1), Ack: theirISS.Add(1), Flags: packet.PSH | packet.ACK, Payload: []byte(said)})
}

func (t *tape) answered(text string) diagnosis.Attempt {
	return t.asked().hear(58, packet.Segment{
		Seq: theirISS.Add(1), Ack: ourISS.Add(1 + len(said)), Flags: packet.PSH | packet.ACK, Payload: []byte(text),
	}).over()
}

// reset is ended by a box three routers away.
func (t *tape) reset() diagnosis.Attempt {
	return t.asked().hear(61, packet.Segment{Seq: theirISS.Add(1), Ack: ourISS.Add(1 + len(said)), Flags: packet.RST | packet.ACK}).over()
}

// silent waits a second in vain.
func (t *tape) silent() diagnosis.Attempt {
	t.at += time.Second
	return t.event(flow.Expired, packet.Packet{}, 0).over()
}

func (t *tape) over() diagnosis.Attempt { return t.Attempt }

// swept is a burst of one stamped copy per TTL: routers below box let theirs
// expire, what is at or behind it is reset; box 0: there is none.
func (t *tape) swept(box uint8) diagnosis.Attempt {
	t.connected()
	for ttl := uint8(1); ttl <= 6; ttl++ {
		t.Trial.TTLs = append(t.Trial.TTLs, ttl)
		length := len(said) + int(ttl)
		p := packet.Packet{Src: t.Record.Key.Local, Dst: t.Record.Key.Remote, Proto: packet.TCP, TTL: ttl, TCP: packet.Segment{
			Seq: ourISS.Add(1), Ack: theirISS.Add(1 - int(ttl)), Flags: packet.PSH | packet.ACK, Payload: []byte(strings.Repeat("x", length)),
		}}
		p.Raw = make([]byte, 40+length) // what a quote gives as its length
		t.event(flow.Sent, p, ttl)
		hop := router(int(ttl))
		if t.Record.Key.Local.Addr().Is6() {
			hop = addr6(100 + ttl)
		}
		if box == 0 || ttl < box {
			t.icmp(hop, packet.TimeExceeded, 0)
		} else {
			t.hear(61, packet.Segment{Seq: p.TCP.Ack, Ack: p.TCP.Seq.Add(length), Flags: packet.RST | packet.ACK})
		}
	}
	return t.over()
}

// dressedUp is an attempt that no evidence cites: a request in another form,
// answered, and reset all the same.
func dressedUp() diagnosis.Attempt {
	t := record(false, 1, probe.Test, probe.Host, "blocked.example", 80, 300*time.Millisecond)
	t.Trial.Stimulus.Form = probe.UpperCase
	t.answered(sayPage)
	t.hear(61, packet.Segment{Seq: theirISS.Add(1), Ack: ourISS.Add(1 + len(said)), Flags: packet.RST | packet.ACK, Window: 1024})
	for i := range t.Record.Events {
		t.Record.Events[i].N = 0 // not in the capture
	}
	return t.over()
}

// attempted is a result of one question with what was carried out for it.
func attempted(outcome probe.Overall, test diagnosis.Test, attempts ...diagnosis.Attempt) diagnosis.Result {
	res := result(outcome, "A sentence about "+source.String()+".", test)
	res.Started, res.Attempts = base, attempts
	if attempts[0].Record.Key.Local.Addr().Is6() {
		res.Source, res.Target.IP = addr6(0), addr6(3)
		res.Target.Input = "example.com:443@" + addr6(3).String()
	}
	return res
}

// attemptedExamples are results of every kind, with their attempts.
func attemptedExamples() []example {
	const name, harmless = "blocked.example", "control.example"
	sni := diagnosis.Test{Kind: probe.SNI, Name: name, ControlNames: []string{harmless}, Verdict: probe.Verdict{Outcome: probe.Reset}}
	host := diagnosis.Test{Kind: probe.Host, Name: name, ControlNames: []string{harmless}, Verdict: probe.Verdict{Outcome: probe.InjectedResponse}}
	syn := diagnosis.Test{Kind: probe.SYN}
	lookUp := diagnosis.Result{
		Target: probe.Target{Input: "no.example", Host: "no.example", Name: "no.example", Port: 443}, Started: base, Duration: time.Second,
		Outcome: probe.OverallInconclusive, Summary: "The name no.example could not be resolved: there is no such name, or it has no address (asked 10.9.0.53:53).",
		Lookup: &diagnosis.Lookup{Started: base, Duration: time.Second, Resolver: netip.MustParseAddrPort("10.9.0.53:53"), Failure: diagnosis.NoSuchName},
	}
	found := attempted(probe.Clean, syn, record(false, 0, probe.Test, probe.SYN, "", 443, 0).connected().over())
	found.Target.Name = found.Target.Host
	found.Lookup = &diagnosis.Lookup{
		Started: base.Add(-time.Second), Duration: 30 * time.Millisecond, Resolver: netip.MustParseAddrPort("10.9.0.53:53"), Answers: []netip.Addr{server, addr6(3)},
	}
	stopped := record(false, 1, probe.Test, probe.SNI, name, 443, rtt).asked()
	stopped.Record.Cut = true
	cut := attempted(probe.OverallInconclusive, sni, record(false, 1, probe.Control, probe.SNI, harmless, 443, 0).answered(sayHello), stopped.over())
	cut.Interrupted = true
	begun := diagnosis.Result{Target: target, Started: base, Interrupted: true}
	noRoute := diagnosis.Result{Target: target, Started: base, Outcome: probe.OverallUnreachable, Summary: "This machine has no route to 10.9.6.2."}
	ordinary := func(v6 bool, test func(*tape) diagnosis.Attempt) []diagnosis.Attempt {
		return []diagnosis.Attempt{
			record(v6, 0, probe.Test, probe.SYN, "", 443, 0).connected().over(),
			record(v6, 1, probe.Control, probe.SNI, harmless, 443, 20*time.Millisecond).answered(sayHello),
			record(v6, 1, probe.Baseline, probe.SNI, "", 443, 20*time.Millisecond).answered(sayAlert),
			record(v6, 1, probe.Baseline, probe.ACK, "", 443, 20*time.Millisecond).say(packet.Segment{Flags: packet.ACK}).hear(58, packet.Segment{Flags: packet.RST}).over(),
			test(record(v6, 1, probe.Test, probe.SNI, name, 443, 50*time.Millisecond)),
		}
	}
	located := func(v6 bool) []diagnosis.Attempt {
		return append(ordinary(v6, (*tape).reset),
			record(v6, 1, probe.Control, probe.SNI, harmless, 443, 100*time.Millisecond).swept(0),
			record(v6, 1, probe.Test, probe.SNI, name, 443, 200*time.Millisecond).swept(4))
	}
	return []example{
		{"clean", attempted(probe.Clean, sni, ordinary(false, func(t *tape) diagnosis.Attempt { return t.answered(sayHello) })...)},
		{"reset", attempted(probe.Interference, sni, located(false)...)},
		{"reset_v6", attempted(probe.Interference, sni, located(true)...)},
		{"drop", attempted(probe.Interference, sni, ordinary(false, func(t *tape) diagnosis.Attempt { return t.asked().silent() })...)},
		{"closed", attempted(probe.Interference, sni, ordinary(false, func(t *tape) diagnosis.Attempt {
			return t.asked().hear(58, packet.Segment{Seq: theirISS.Add(1), Ack: ourISS.Add(1), Flags: packet.FIN | packet.ACK}).over()
		})...)},
		{"alert", attempted(probe.ServerRefuses, sni, ordinary(false, func(t *tape) diagnosis.Attempt { return t.answered(sayAlert) })...)},
		{"injected_page", attempted(probe.Interference, host,
			record(false, 1, probe.Control, probe.Host, harmless, 80, 0).answered("HTTP/1.1 200 OK\r\n\r\nwelcome"),
			record(false, 1, probe.Test, probe.Host, name, 80, rtt).answered(sayPage),
			record(false, 1, probe.Test, probe.Host, name, 80, rtt).answered("SSH-2.0"))},
		{"closed_port", attempted(probe.ServerRefuses, syn, record(false, 0, probe.Test, probe.SYN, "", 443, 0).syn().
			hear(58, packet.Segment{Ack: ourISS.Add(1), Flags: packet.RST | packet.ACK}).over())},
		{"dns", lookUp},
		{"resolved", found},
		{"no_route", noRoute},
		{"interrupted", cut},
		{"interrupted_at_once", begun},
		{"empty", diagnosis.Result{}},
	}
}
