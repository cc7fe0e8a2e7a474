package traceroute

import (
	"net/netip"
	"slices"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/rstprobe/rstprobe/internal/flow"
	"github.com/rstprobe/rstprobe/internal/packet"
	"github.com/rstprobe/rstprobe/probe"
)

// The emulated path: routers 1 to 6, the server at TTL 7.
const (
	serverAt              = 7
	serverTTL  uint8      = 64 - 6
	ourISS     packet.Seq = 1000
	theirISS   packet.Seq = 5000
	asked                 = 100 // bytes of the stimulus
	rttPerHop             = 4 * time.Millisecond
	synAckedAt            = 30 * time.Millisecond
)

// ttlFrom is the remaining TTL of what router n sends with an initial 64.
func ttlFrom(n int) uint8 { return uint8(64 - (n - 1)) } //nolint:gosec // 1 … 7

// script writes the record of one sweep down.
type script struct {
	rec  flow.Record
	at   time.Duration
	n    int
	sent map[int]packet.Packet
}

// begin is a sweep whose connection stands.
func begin(v6 bool) *script {
	s := raw(v6)
	s.event(flow.Sent, s.ours(packet.Segment{Seq: ourISS, Flags: packet.SYN}, 0), 0)
	s.at = synAckedAt
	s.get(packet.Segment{Seq: theirISS, Ack: ourISS.Add(1), Flags: packet.SYN | packet.ACK}, serverTTL)
	return s
}

// raw is a record with nothing in it.
func raw(v6 bool) *script {
	s := &script{sent: map[int]packet.Packet{}, rec: flow.Record{Source: flow.Raw, Key: packet.Key{
		Local: netip.MustParseAddrPort("192.0.2.1:40000"), Remote: netip.MustParseAddrPort("198.51.100.7:443"),
	}}}
	if v6 {
		s.rec.Key.Local = netip.MustParseAddrPort("[2001:db8::1]:40000")
		s.rec.Key.Remote = netip.MustParseAddrPort("[2001:db8:7::7]:443")
	}
	return s
}

func (s *script) event(kind flow.Kind, p packet.Packet, stamp int) {
	s.n++
	s.rec.Events = append(s.rec.Events, flow.Event{At: s.at, Kind: kind, Packet: p, N: s.n, TTL: uint8(stamp)}) //nolint:gosec // 0 … 7
	s.rec.End = s.at
}

func (s *script) ours(seg packet.Segment, ttl int) packet.Packet {
	p := packet.Packet{Src: s.rec.Key.Local, Dst: s.rec.Key.Remote, Proto: packet.TCP, TTL: uint8(ttl), TCP: seg} //nolint:gosec // 0 … 7
	p.HasID = p.Src.Addr().Is4()
	header := 40
	if !p.HasID {
		header = 60
	}
	p.Raw = make([]byte, header+len(seg.Payload))
	return p
}

// burst sends stamped copies with the TTLs from first to last.
func (s *script) burst(first, last int) *script {
	for k := first; k <= last; k++ {
		s.copyOf(k, packet.Segment{Seq: ourISS.Add(1), Ack: theirISS.Add(1 - k), Flags: packet.ACK | packet.PSH, Payload: make([]byte, asked+k)})
	}
	return s
}

// step sends one unstamped copy.
func (s *script) step(ttl int) *script {
	s.copyOf(ttl, packet.Segment{Seq: ourISS.Add(1), Ack: theirISS.Add(1), Flags: packet.ACK | packet.PSH, Payload: make([]byte, asked)})
	return s
}

// syns sends a sweep of SYNs.
func (s *script) syns(first, last int) *script {
	for k := first; k <= last; k++ {
		s.copyOf(k, packet.Segment{Seq: ourISS.Add(-k), Flags: packet.SYN})
	}
	return s
}

func (s *script) copyOf(ttl int, seg packet.Segment) {
	p := s.ours(seg, ttl)
	s.sent[ttl] = p
	s.event(flow.Sent, p, ttl)
}

func (s *script) wait(d time.Duration) *script {
	s.at += d
	return s
}

func (s *script) get(seg packet.Segment, ttl uint8) *script {
	p := packet.Packet{Src: s.rec.Key.Remote, Dst: s.rec.Key.Local, Proto: packet.TCP, TTL: ttl, TCP: seg}
	p.HasID = p.Src.Addr().Is4()
	s.event(flow.Received, p, 0)
	return s
}

// router is the address of router n.
func (s *script) router(n int) netip.Addr {
	if s.rec.Key.Local.Addr().Is4() {
		return netip.AddrFrom4([4]byte{203, 0, 113, byte(n)}) //nolint:gosec // 1 … 7
	}
	a := s.rec.Key.Remote.Addr().As16()
	a[5], a[15] = 0xff, byte(n) //nolint:gosec // 1 … 7
	return netip.AddrFrom16(a)
}

// expire lets the copies with these TTLs draw Time Exceeded.
func (s *script) expire(ttls ...int) *script {
	for _, k := range ttls {
		s.icmp(k, packet.TimeExceeded)
	}
	return s
}

func (s *script) icmp(k int, kind packet.ICMPKind) *script {
	p := s.sent[k]
	s.event(flow.Received, packet.Packet{
		Src: netip.AddrPortFrom(s.router(k), 0), Dst: netip.AddrPortFrom(p.Src.Addr(), 0), Proto: packet.ICMP, TTL: ttlFrom(k),
		ICMP: packet.ICMPError{Kind: kind, Quote: packet.Quote{
			Src: p.Src, Dst: p.Dst, Proto: packet.TCP, Seq: p.TCP.Seq, TotalLen: len(p.Raw),
		}},
	}, 0)
	return s
}

// resets lets a box at router n reset us for each of these copies, with the
// copy's own numbers (RFC 9293 §3.10.7.4).
func (s *script) resets(n int, ttls ...int) *script {
	for _, k := range ttls {
		s.get(packet.Segment{Seq: s.sent[k].TCP.Ack, Flags: packet.RST}, ttlFrom(n))
	}
	return s
}

func (s *script) read() Sweep { return Read(s.rec) }

// drawn are the TTLs whose copies drew something of the peer's side, and
// expired those that drew Time Exceeded.
func drawn(s Sweep) (drawn, expired []int) {
	for ttl, r := range s.Replies {
		if len(r.Drawn) > 0 {
			drawn = append(drawn, ttl)
		}
		if r.Expired > 0 {
			expired = append(expired, ttl)
		}
	}
	slices.Sort(drawn)
	slices.Sort(expired)
	return drawn, expired
}

func TestRead(t *testing.T) {
	t.Parallel()
	follow := func(s *script, k int, flags packet.Flags, data string) *script {
		return s.get(packet.Segment{Seq: theirISS.Add(1), Ack: s.sent[k].TCP.Seq.Add(s.sent[k].TCP.Len()), Flags: flags | packet.ACK, Payload: []byte(data)}, ttlFrom(3))
	}
	idle := packet.Segment{Seq: theirISS.Add(1), Ack: ourISS.Add(1), Flags: packet.RST | packet.ACK}
	for _, family := range []struct {
		name string
		v6   bool
	}{{"IPv4", false}, {"IPv6", true}} {
		begin := func() *script { return begin(family.v6) }
		for _, tt := range []struct {
			name           string
			script         *script
			drawn, expired []int
			stray          int
			timed          bool
			lowest         int
		}{
			{"nothing answers", begin().burst(1, 6), nil, nil, 0, false, 0},
			{"routers answer", begin().burst(1, 6).expire(1, 2, 4), nil, []int{1, 2, 4}, 0, false, 0},
			{"a router answers twice", begin().burst(1, 6).expire(2, 2), nil, []int{2}, 0, false, 0},
			{"a tap", begin().burst(1, 6).expire(1, 2, 3, 4, 5, 6).resets(3, 3, 4, 5, 6), []int{3, 4, 5, 6}, []int{1, 2, 3, 4, 5, 6}, 0, false, 3},
			{"a tap whose resets come in front of the errors", begin().burst(1, 6).resets(3, 3, 4, 5, 6).expire(6, 1), []int{3, 4, 5, 6}, []int{1, 6}, 0, false, 3},
			{"a slow tap, out of order", begin().burst(1, 6).expire(1, 2).wait(time.Second).resets(3, 6, 4, 3), []int{3, 4, 6}, []int{1, 2}, 0, false, 3},
			{"a filter behind the TTL check acts one TTL late", begin().burst(1, 6).expire(1, 2, 3).resets(3, 4, 5, 6), []int{4, 5, 6}, []int{1, 2, 3}, 0, false, 4},
			{"resets that acknowledge the copy", follow(begin().burst(1, 6), 5, packet.RST, ""), []int{5}, nil, 0, false, 5},
			{"a close", follow(begin().burst(1, 6), 3, packet.FIN, ""), []int{3}, nil, 0, false, 3},
			{"a page", follow(begin().burst(1, 6), 3, packet.PSH, "blocked"), []int{3}, nil, 0, false, 3},
			{"an ICMP ban", begin().burst(1, 6).icmp(3, packet.Unreachable), []int{3}, nil, 0, false, 3},
			{"the server's own reset of an idle connection", begin().burst(1, 6).expire(1).get(idle, serverTTL), nil, []int{1}, 1, false, 0},
			{"a box with numbers of its own", begin().burst(1, 6).get(packet.Segment{Seq: theirISS.Add(1), Flags: packet.RST}, ttlFrom(3)), nil, nil, 1, false, 0},

			{"timed: a box with numbers of its own", begin().step(1).wait(time.Second).step(2).wait(time.Second).step(3).wait(rttPerHop).resets(3, 3), []int{3}, nil, 0, true, 3},
			{"timed: routers answer", begin().step(1).wait(rttPerHop).expire(1).wait(time.Second).step(2).wait(rttPerHop).expire(2), nil, []int{1, 2}, 0, true, 0},
			{"timed: nothing in front of the first copy", begin().get(packet.Segment{Seq: theirISS.Add(1), Flags: packet.RST}, ttlFrom(3)).wait(time.Millisecond).step(1).step(2), nil, nil, 1, true, 0},
			{"timed: the server resets on accept", begin().step(1).step(2).get(idle, serverTTL), nil, nil, 1, true, 0},
			{"timed: a box says the same from nearer", begin().step(1).wait(time.Second).step(2).get(idle, ttlFrom(2)), []int{2}, nil, 0, true, 2},
			{"one unstamped copy is timed", begin().step(3).resets(3, 3), []int{3}, nil, 0, true, 3},
			{"one stamped copy is not", begin().burst(3, 3).resets(3, 3), []int{3}, nil, 0, false, 3},
			{"no copy was sent", begin(), nil, nil, 1, false, 0}, // the SYN-ACK answers none
			{"a copy without a handshake", raw(family.v6).step(3), nil, nil, 0, false, 0},
		} {
			t.Run(family.name+"/"+tt.name, func(t *testing.T) {
				t.Parallel()
				s := tt.script.read()
				hit, expired := drawn(s)
				if diff := cmp.Diff([]any{tt.drawn, tt.expired, tt.stray, tt.timed, tt.lowest}, []any{hit, expired, len(s.Stray), s.Timed, s.Lowest()}); diff != "" {
					t.Errorf("drawn, expired, strays, timed, lowest: -want +got:\n%s", diff)
				}
				if len(s.TTLs) != len(tt.script.sent) || !slices.IsSorted(s.TTLs) {
					t.Errorf("TTLs %v", s.TTLs)
				}
			})
		}
	}
}

func TestReadReply(t *testing.T) {
	t.Parallel()
	s := begin(false).burst(1, 3).wait(2 * rttPerHop).expire(2)
	r := s.read().Replies[2]
	if r.Router != s.router(2) || r.RTT != 2*rttPerHop || r.TTL != ttlFrom(2) || r.Expired != s.n {
		t.Errorf("reply of router 2: %+v", r)
	}
}

// A sweep of SYNs, for the judge.
func TestSummary(t *testing.T) {
	t.Parallel()
	synack := func(s *script, k int) *script {
		return s.get(packet.Segment{Seq: theirISS, Ack: s.sent[k].TCP.Seq.Add(1), Flags: packet.SYN | packet.ACK}, serverTTL)
	}
	refusal := func(s *script, n int, ks ...int) *script {
		for _, k := range ks {
			s.get(packet.Segment{Ack: s.sent[k].TCP.Seq.Add(1), Flags: packet.RST | packet.ACK}, ttlFrom(n))
		}
		return s
	}
	for _, tt := range []struct {
		name   string
		script *script
		want   probe.SYNSweep
	}{
		{"silence", raw(false).syns(1, 3), probe.SYNSweep{Swept: true, Expired: map[int]int{}}},
		{"routers, then the server", synack(raw(false).syns(1, 8).expire(1, 2), 7),
			probe.SYNSweep{Swept: true, AnswerAt: 7, TTL: serverTTL, Expired: map[int]int{1: 9, 2: 10}, Packets: []int{11}}},
		{"IPv6", synack(raw(true).syns(1, 8).expire(1), 7),
			probe.SYNSweep{Swept: true, AnswerAt: 7, TTL: serverTTL, Expired: map[int]int{1: 9}, Packets: []int{10}}},
		{"a box refuses, in disorder", refusal(raw(false).syns(1, 6), 3, 5, 3, 4, 6),
			probe.SYNSweep{Swept: true, ResetAt: 3, TTL: ttlFrom(3), Expired: map[int]int{}, Packets: []int{7, 8, 9, 10}}},
		{"a box refuses, the server answers", synack(refusal(raw(false).syns(1, 8), 3, 4), 7),
			probe.SYNSweep{Swept: true, ResetAt: 4, AnswerAt: 7, TTL: serverTTL, Expired: map[int]int{}, Packets: []int{9, 10}}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			if diff := cmp.Diff(tt.want, tt.script.read().Summary()); diff != "" {
				t.Errorf("-want +got:\n%s", diff)
			}
		})
	}
}
