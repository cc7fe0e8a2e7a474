package traceroute

import (
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"github.com/rstprobe/rstprobe/internal/packet"
)

// quotesOf is a sweep whose routers quote all of the copies; from TTL k on
// the packet was rewritten.
func quotesOf(v6, syn bool, k int, rewrite func(*packet.Quote), silent ...int) *script {
	var s *script
	if syn {
		s = raw(v6).syns(1, 6)
	} else {
		s = begin(v6).burst(1, 6)
	}
	for i := range s.rec.Events {
		e := &s.rec.Events[i].Packet
		e.ID, e.TOS, e.TCP.Window = uint16(100+i), 0, 64240 //nolint:gosec // small
		e.TCP.Options = packet.SYNOptions(1460, 1, 7)
		if e.Src == s.rec.Key.Local && len(s.sent) > 0 {
			for ttl := range s.sent {
				if s.sent[ttl].TCP.Seq == e.TCP.Seq && len(s.sent[ttl].Raw) == len(e.Raw) {
					s.sent[ttl] = *e
				}
			}
		}
	}
	for _, ttl := range all {
		p := s.sent[ttl]
		q := packet.Quote{
			Src: p.Src, Dst: p.Dst, Proto: packet.TCP, TTL: 1, TOS: p.TOS, ID: p.ID, HasID: p.HasID, TotalLen: len(p.Raw),
			Seq: p.TCP.Seq, Ack: p.TCP.Ack, Flags: p.TCP.Flags, Window: p.TCP.Window, Options: p.TCP.Options, Full: true,
		}
		if ttl >= k {
			rewrite(&q)
		}
		quiet := false
		for _, n := range silent {
			quiet = quiet || n == ttl
		}
		if !quiet {
			s.icmp(ttl, packet.TimeExceeded)
			s.rec.Events[len(s.rec.Events)-1].Packet.ICMP.Quote = q
		}
	}
	return s
}

func TestAltered(t *testing.T) {
	t.Parallel()
	type want struct {
		Change             Change
		After, TTL, Quotes int
	}
	for _, family := range []struct {
		name string
		v6   bool
	}{{"IPv4", false}, {"IPv6", true}} {
		for _, tt := range []struct {
			name    string
			at      int
			rewrite func(*packet.Quote)
			silent  []int
			want    []want
		}{
			{"nothing", 9, nil, nil, nil},
			{"a remarked DSCP", 4, func(q *packet.Quote) { q.TOS = 0x28 }, nil, []want{{ServiceChange, 3, 4, 3}}},
			{"behind silent routers", 4, func(q *packet.Quote) { q.TOS = 0x28 }, []int{3, 4}, []want{{ServiceChange, 2, 5, 2}}},
			{"from the first hop on", 1, func(q *packet.Quote) { q.TOS = 4 }, nil, []want{{ServiceChange, 0, 1, 6}}},
			{"a clamped MSS", 3, func(q *packet.Quote) { q.Options = packet.SYNOptions(1400, 1, 7) }, nil, []want{{MSSChange, 2, 3, 4}}},
			{"another window scale", 3, func(q *packet.Quote) { q.Options = packet.SYNOptions(1460, 1, 2) }, nil, []want{{OptionsChange, 2, 3, 4}}},
			{"a cut quote", 3, func(q *packet.Quote) { q.Options = nil }, nil, nil},
			{"eight octets", 3, func(q *packet.Quote) { q.Full, q.Ack, q.Flags, q.Window, q.Options = false, 0, 0, 0, nil }, nil, nil},
			{"a translated port", 2, func(q *packet.Quote) { q.Src = q.Dst }, nil, []want{{AddressChange, 1, 2, 5}, {PortChange, 1, 2, 5}}},
			{"a window and flags", 6, func(q *packet.Quote) { q.Window, q.Flags = 1, packet.RST }, nil, []want{{FlagsChange, 5, 6, 1}, {WindowChange, 5, 6, 1}}},
			{"another acknowledgment", 5, func(q *packet.Quote) { q.Ack++ }, nil, []want{{AckChange, 4, 5, 2}}},
		} {
			t.Run(family.name+"/"+tt.name, func(t *testing.T) {
				t.Parallel()
				s := quotesOf(family.v6, false, tt.at, tt.rewrite, tt.silent...)
				var got []want
				for _, a := range Altered(s.rec) {
					got = append(got, want{a.Change, a.After, a.TTL, a.Quotes})
					if a.Packet == 0 || a.Detail == "" || a.InPath() != (a.Quotes > 1) {
						t.Errorf("%+v", a)
					}
				}
				if diff := cmp.Diff(tt.want, got); diff != "" {
					t.Errorf("-want +got:\n%s", diff)
				}
			})
		}
	}
}

// Of IPv4 copies, one of sequence number, identification and length may be
// rewritten and the copy is still known by the other two.
func TestAlteredNumbers(t *testing.T) {
	t.Parallel()
	for want, rewrite := range map[Change]func(*packet.Quote){
		IDChange:       func(q *packet.Quote) { q.ID = 0 },
		LengthChange:   func(q *packet.Quote) { q.TotalLen += 4 },
		SequenceChange: func(q *packet.Quote) { q.Seq += 77777 },
	} {
		got := Altered(quotesOf(false, true, 3, rewrite).rec)
		if len(got) != 1 || got[0].Change != want || got[0].After != 2 || got[0].TTL != 3 {
			t.Errorf("%s: %+v", want, got)
		}
	}
	strange := func(q *packet.Quote) { q.Seq, q.ID, q.TotalLen = 1, 2, 3 }
	if got := Altered(quotesOf(false, true, 1, strange).rec); got != nil {
		t.Errorf("quotes of no copy of ours: %+v", got)
	}
}

// One router that misquotes is not the path.
func TestAlteredMisquoted(t *testing.T) {
	t.Parallel()
	s := quotesOf(false, false, 9, nil)
	s.rec.Events[len(s.rec.Events)-4].Packet.ICMP.Quote.TOS = 8
	if got := Altered(s.rec); got != nil {
		t.Errorf("%+v", got)
	}
}

func TestMergeAltered(t *testing.T) {
	t.Parallel()
	sweep := quotesOf(false, false, 3, func(q *packet.Quote) { q.TOS = 8 }).read()
	p := Merge(serverAt, 30, nil, []Sweep{sweep, sweep}, nil)
	for _, h := range p.Hops {
		var want []Alteration
		if h.TTL == 3 {
			want = []Alteration{{Change: ServiceChange, After: 2, TTL: 3, Quotes: 4}}
		}
		if diff := cmp.Diff(want, h.Altered, cmpopts.IgnoreFields(Alteration{}, "Packet", "Detail")); diff != "" {
			t.Errorf("hop %d: -want +got:\n%s", h.TTL, diff)
		}
	}
}
