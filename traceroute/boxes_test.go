package traceroute

import (
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/rstprobe/rstprobe/internal/packet"
	"github.com/rstprobe/rstprobe/probe"
)

// send is one packet that a box sends for a trigger.
type send struct {
	from   int // TTL from which on the box sees copies
	ttl    func(copyTTL, n int) uint8
	flags  packet.Flags
	window uint16
}

func fixed(ttl uint8) func(int, int) uint8 { return func(int, int) uint8 { return ttl } }

// crowd is a sweep past boxes that send these packets for each copy they see,
// but for the copies in lost.
func crowd(v6 bool, sends []send, lost ...int) Sweep {
	s := begin(v6).burst(1, 6).expire(all...)
	for _, k := range all {
		for i, b := range sends {
			if k < b.from || len(lost) > i && lost[i] == k {
				continue
			}
			seg := packet.Segment{Seq: s.sent[k].TCP.Ack, Flags: b.flags, Window: b.window}
			if b.flags.Has(packet.ACK) {
				seg.Ack = s.sent[k].TCP.Seq.Add(s.sent[k].TCP.Len())
			}
			s.get(seg, b.ttl(k, s.n))
		}
	}
	return s.read()
}

func TestBoxes(t *testing.T) {
	t.Parallel()
	rst, rstAck := packet.RST, packet.RST|packet.ACK
	near := send{from: 2, ttl: fixed(63), flags: rst, window: 100}
	far := send{from: 5, ttl: fixed(124), flags: rstAck, window: 200}
	hedged := []send{
		{from: 3, ttl: fixed(100), flags: rstAck, window: 1000},
		{from: 3, ttl: fixed(101), flags: rstAck, window: 1100},
		{from: 3, ttl: fixed(102), flags: rstAck, window: 1200},
	}
	rising := []send{{from: 4, ttl: func(k, _ int) uint8 { return uint8(70 + k) }, flags: rst}}        //nolint:gosec // small
	random := []send{{from: 3, ttl: func(_, n int) uint8 { return uint8(40 + n*37%180) }, flags: rst}} //nolint:gosec // small
	for _, family := range []struct {
		name string
		v6   bool
	}{{"IPv4", false}, {"IPv6", true}} {
		for _, tt := range []struct {
			name  string
			sends []send
			lost  []int    // of the second round: which copy drew nothing from each of the senders
			want  [][3]int // after, at, packets per trigger
		}{
			{"nobody", nil, nil, nil},
			{"one", []send{near}, nil, [][3]int{{1, 2, 1}}},
			{"two", []send{far, near}, nil, [][3]int{{1, 2, 1}, {4, 5, 1}}},
			{"one that sends three, of other windows and TTLs", hedged, nil, [][3]int{{2, 3, 3}}},
			{"one that sends three, one of them lost", hedged, []int{3}, [][3]int{{2, 3, 3}}},
			{"TTLs that rise with the trigger's", rising, nil, [][3]int{{3, 4, 1}}},
			{"random TTLs", random, nil, [][3]int{{2, 3, 1}}},
			{"three of one behind another", append([]send{{from: 6, ttl: fixed(59), flags: rst}}, hedged...), nil, [][3]int{{2, 3, 3}, {5, 6, 1}}},
			{"two alike but for the TTL", []send{{from: 2, ttl: fixed(63), flags: rst}, {from: 5, ttl: fixed(60), flags: rst}}, nil, [][3]int{{1, 2, 1}, {4, 5, 1}}},
		} {
			t.Run(family.name+"/"+tt.name, func(t *testing.T) {
				t.Parallel()
				s := search(harmless(), crowd(family.v6, tt.sends), crowd(family.v6, tt.sends, tt.lost...), crowd(family.v6, tt.sends))
				var got [][3]int
				for _, b := range s.Boxes(CodedBurst) {
					if b.Location == nil {
						t.Fatalf("not located: %+v", b)
					}
					got = append(got, [3]int{b.Location.After.TTL, b.Location.At.TTL, b.PerTrigger})
				}
				if diff := cmp.Diff(tt.want, got); diff != "" {
					t.Errorf("after, at, packets per trigger: -want +got:\n%s", diff)
				}
			})
		}
	}
	s := search(harmless(), crowd(false, hedged), crowd(false, hedged), crowd(false, hedged))
	if b := s.Boxes(CodedBurst); len(b) != 1 || b[0].ID.Kind != probe.IDZero || len(b[0].Packets) != 36 || len(b[0].Prints) != 3 || b[0].Prints[0].Window != 1000 {
		t.Errorf("the box that hedges: %+v", b)
	}
	s.Path.ServerTTL = 0
	if b := s.Boxes(CodedBurst); b != nil {
		t.Errorf("boxes at no distance: %+v", b)
	}
}
