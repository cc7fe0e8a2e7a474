package probe

import (
	"net/netip"
	"strconv"
	"strings"
	"time"

	"github.com/rstprobe/rstprobe/internal/flow"
	"github.com/rstprobe/rstprobe/internal/packet"
)

// abortAt is a reset as a host aborts with, off bytes into its stream: SEQ is
// SND.NXT, and the ACK flag is set (RFC 9293 §3.10.7.4).
func abortAt(off int) packet.Segment {
	return packet.Segment{Seq: theirISS.Add(1 + off), Ack: ourISS.Add(1 + len(asked)), Flags: packet.RST | packet.ACK}
}

// stray is a host's reset to an ACK without a connection.
func stray(changes ...change) *script {
	s := begin(false)
	s.event(flow.Sent, s.ours(packet.Segment{Seq: ourISS, Ack: theirISS.Add(1), Flags: packet.ACK}), 0)
	return s.wait(rtt).rst(0, changes...)
}

// genuinely adds genuine resets.
func genuinely(s *script) func(*Findings) {
	return func(f *Findings) { f.Stray = times(3, s) }
}

func df(p *packet.Packet)       { p.DF = true }
func reserved(p *packet.Packet) { p.TCP.Reserved = 1 }
func garbage(p *packet.Packet)  { p.TCP.Ack = 99 }
func flags(f packet.Flags) change {
	return func(p *packet.Packet) { p.TCP.Flags = f }
}
func payloadOf(b string) change  { return func(p *packet.Packet) { p.TCP.Payload = []byte(b) } }
func optionsOf(b ...byte) change { return func(p *packet.Packet) { p.TCP.Options = b } }
func addresses(p *packet.Packet) { p.Dst, p.Src = archiveClient, archiveServer }
func reading(r ReadSweep) Findings {
	return with(about(stalled()), func(f *Findings) { f.Read = r })
}

// Addresses of a public capture whose resets fit the algebra.
var archiveClient, archiveServer = netip.MustParseAddrPort("141.212.123.145:40000"), netip.MustParseAddrPort("222.138.4.221:443")

// numbered starts a script's packet numbers at n.
func (s *script) numbered(n int) Observation {
	rec := s.rec
	rec.Events = append(rec.Events[:0:0], rec.Events...)
	for i := range rec.Events {
		if rec.Events[i].N > 0 {
			rec.Events[i].N += n
		}
	}
	return Observe(rec)
}

// history is a run in order: one letter per trial, t or c for a test or
// control that is served, T or C for one that fails. What stands before the
// bar was asked first, and what stands behind the second one afterwards.
func history(order string) Findings {
	f := about(unwanted())
	f.Leading, f.Trailing, f.Tests, f.Random, f.NoName = nil, nil, nil, nil, nil
	phase := 0
	for i, letter := range order {
		s := served()
		if letter == 'T' || letter == 'C' {
			s = dropped()
		}
		o := s.numbered(100 * i)
		switch {
		case letter == '|':
			phase++
		case letter == 't' || letter == 'T':
			f.Tests = append(f.Tests, o)
		case phase == 0:
			f.Leading = append(f.Leading, o)
		case phase == 1:
			f.Trailing = append(f.Trailing, o)
		default:
			f.Later = append(f.Later, o)
		}
	}
	return f
}

// sloped are tests with a reset each, the stimulus sent with the TTLs given
// and answered with those that of gives.
func sloped(of func(sent uint8) uint8, sent ...uint8) Findings {
	f := about(resetAfter(rtt, ttl(of(64))))
	for _, n := range sent {
		s := begin(false).syn().synack()
		p := s.ours(packet.Segment{Seq: ourISS.Add(1), Ack: theirISS.Add(1), Flags: packet.ACK | packet.PSH, Payload: []byte(asked)})
		p.TTL = n
		f.Sloped = append(f.Sloped, s.event(flow.Sent, p, 0).wait(rtt).rst(0, ttl(of(n))).observe())
	}
	return f
}

// counting are findings about a host that counts its packets, all flows in
// one; the resets of the test carry the count given by of.
func counting(of func(next uint16) uint16) Findings {
	next, n := uint16(65530), 0
	trial := func(test bool) Observation {
		s := begin(false).syn()
		s.n = n + 1
		take := func(p *packet.Packet) { next += 3; p.ID = next }
		s.wait(rtt).get(packet.Segment{Seq: theirISS, Ack: ourISS.Add(1), Flags: packet.SYN | packet.ACK}, take).ask(asked).wait(rtt)
		if test {
			s.rst(0, func(p *packet.Packet) { p.ID = of(next + 1); next++ })
		} else {
			s.data(0, hello, take)
		}
		n += 100
		return s.observe()
	}
	f := Findings{Kind: SNI, Leading: []Observation{trial(false)}, Random: []Observation{trial(false)}}
	for range 3 {
		f.Tests = append(f.Tests, trial(true))
		f.Trailing = append(f.Trailing, trial(false))
	}
	return f
}

// fetched is a page of size bytes of which only so many come, and then the
// end that ends it.
func fetched(size, come int, end func(*script) *script) *script {
	head := "HTTP/1.1 200 OK\r\nContent-Length: " + strconv.Itoa(size) + "\r\n\r\n"
	body := head + strings.Repeat("x", size)
	body = body[:min(len(body), come)]
	s := asking().wait(rtt)
	for off := 0; off < len(body); off += 1460 {
		s.data(off, body[off:min(len(body), off+1460)]).wait(time.Millisecond)
	}
	return end(s)
}

func quiet(s *script) *script   { return s.wait(2*time.Second).event(flow.Expired, packet.Packet{}, 0) }
func running(s *script) *script { return s.wait(rtt).event(flow.Expired, packet.Packet{}, 0) }

// slow is a page that takes a while.
func slow(size int, gap time.Duration) *script {
	s := asking().wait(rtt)
	for off := 0; off < size; off += 1460 {
		s.data(off, strings.Repeat("x", 1460)).wait(gap)
	}
	return s
}

// deaf is a server that goes on repeating its answer, though we acknowledge
// it.
func deaf(times int) *script {
	s := asking().wait(rtt).data(0, hello)
	s.acknowledge(1 + len(hello))
	for range times {
		s.wait(300*time.Millisecond).data(0, hello)
	}
	return s
}

// bytesOf is how much a script's server has said.
func (s *script) bytesOf() int {
	n := 0
	for _, e := range s.rec.Packets(flow.Received) {
		n += len(e.Packet.TCP.Payload)
	}
	return n
}

func closedShort(s *script) *script { return s.fin(s.bytesOf()) }
func resetShort(s *script) *script  { return s.rst(s.bytesOf()) }

// acknowledge sends an ACK of ours for off bytes of the peer's stream, its
// SYN among them.
func (s *script) acknowledge(off int) {
	s.event(flow.Sent, s.ours(packet.Segment{Seq: ourISS.Add(1 + s.said), Ack: theirISS.Add(off), Flags: packet.ACK}), 0)
}
