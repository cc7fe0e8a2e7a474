package traceroute

import (
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/rstprobe/rstprobe/internal/flow"
	"github.com/rstprobe/rstprobe/internal/packet"
	"github.com/rstprobe/rstprobe/probe"
)

// fin is a trial that sends a copy with a TTL and then our FIN.
func fin(v6 bool, ttl int) *script {
	s := begin(v6).burst(ttl, ttl).wait(time.Second)
	s.event(flow.Sent, s.ours(packet.Segment{Seq: ourISS.Add(1), Ack: theirISS.Add(1), Flags: packet.FIN | packet.ACK}, 0), 0)
	return s.wait(rttPerHop)
}

// closes lets the server close in turn.
func (s *script) closes() *script {
	return s.get(packet.Segment{Seq: theirISS.Add(1), Ack: ourISS.Add(2), Flags: packet.FIN | packet.ACK}, serverTTL)
}

// gone lets a host reset a connection that it does not hold.
func (s *script) gone(ttl uint8) *script {
	return s.get(packet.Segment{Seq: theirISS.Add(1), Flags: packet.RST}, ttl)
}

func reading(ttl int, s *script) Reading {
	return Reading{TTL: uint8(ttl), Met: probe.Observe(s.rec)} //nolint:gosec // 1 … 6
}

// fins are one round of readers: those after copies of box and more meet end.
func fins(v6 bool, box int, end func(*script) *script) []Reading {
	var round []Reading
	for _, ttl := range all {
		s := fin(v6, ttl)
		if ttl < box {
			s.closes()
		} else {
			s = end(s)
		}
		round = append(round, reading(ttl, s))
	}
	return round
}

func TestReadings(t *testing.T) {
	t.Parallel()
	for _, v6 := range []bool{false, true} {
		swallowed := func(s *script) *script { return s }
		genuine := func(s *script) *script { return s.gone(serverTTL) }
		forged := func(s *script) *script { return s.gone(ttlFrom(3)) }
		early := func(s *script) *script {
			early := begin(v6).burst(3, 3).gone(ttlFrom(3))
			early.event(flow.Sent, early.ours(packet.Segment{Seq: ourISS.Add(1), Ack: theirISS.Add(1), Flags: packet.FIN | packet.ACK}, 0), 0)
			return early.wait(rttPerHop).closes()
		}
		harmless := fins(v6, 7, nil)
		three := func(box int, end func(*script) *script) [][]Reading {
			return [][]Reading{fins(v6, box, end), fins(v6, box, end), fins(v6, box, end)}
		}
		oneLost := three(4, swallowed)
		oneLost[1][1] = reading(2, fin(v6, 2)) // an innocent reader gets lost
		for _, tt := range []struct {
			name     string
			readings Readings
			want     []int // at, after, votes, rounds, controls, bad controls
			reset    bool
			located  bool
		}{
			{"a box that swallows what follows", Readings{Control: harmless, Test: three(4, swallowed)}, []int{4, 3, 3, 3, 6, 0}, false, true},
			{"a box that ended the connection in our name", Readings{Control: harmless, Test: three(3, genuine)}, []int{3, 2, 3, 3, 6, 0}, true, true},
			{"a box that resets the reader itself", Readings{Control: harmless, Test: three(5, forged)}, []int{5, 4, 3, 3, 6, 0}, false, true},
			{"a box that had reset before", Readings{Control: harmless, Test: three(3, early)}, []int{3, 2, 3, 3, 6, 0}, false, true},
			{"at router 1", Readings{Control: harmless, Test: three(1, swallowed)}, []int{1, 0, 3, 3, 6, 0}, false, true},
			{"nothing below the server", Readings{Control: harmless, Test: three(7, nil)}, []int{7, 0, 3, 3, 6, 0}, false, false},
			{"a lost reader moves nothing", Readings{Control: harmless, Test: oneLost}, []int{4, 3, 3, 3, 6, 0}, false, true},
			{"no controls", Readings{Test: three(4, swallowed)}, []int{0, 0, 0, 3, 0, 0}, false, false},
			{"no tests", Readings{Control: harmless}, []int{0, 0, 0, 0, 6, 0}, false, false},
			{"a server that resets after anything", Readings{Control: fins(v6, 1, genuine), Test: three(1, genuine)}, []int{7, 0, 3, 3, 6, 0}, false, false},
		} {
			t.Run(tt.name, func(t *testing.T) {
				t.Parallel()
				rs := tt.readings
				rs.Reader, rs.ServerTTL = probe.ReadFIN, serverAt
				f := rs.Facts()
				if diff := cmp.Diff(tt.want, []int{f.At, f.After, f.Votes, f.Rounds, f.Controls, f.ControlBad}); diff != "" {
					t.Errorf("at, after, votes, rounds, controls, bad controls: -want +got:\n%s", diff)
				}
				if f.ServerReset != tt.reset {
					t.Errorf("the server reset it itself: %v", f.ServerReset)
				}
				l := rs.Locate(search(dark(7)), f)
				switch {
				case (l != nil) != tt.located:
					t.Errorf("located %+v, want %v", l, tt.located)
				case l != nil && (l.Method != TriggerRead || l.After.TTL != f.After || l.At.TTL != f.At || l.Device != nil || len(l.Evidence) != 1):
					t.Errorf("located %+v", l)
				}
			})
		}
	}
}

// What readers behind full-TTL copies meet says how often the box acts: a
// reader that met the usual end cannot have been behind one that acts always.
func TestReadingsFull(t *testing.T) {
	t.Parallel()
	swallowed := func(s *script) *script { return s }
	round := fins(false, 5, swallowed)
	round[1] = reading(2, fin(false, 2)) // lost
	rs := Readings{Reader: probe.ReadFIN, ServerTTL: serverAt, Control: fins(false, 7, nil), Test: [][]Reading{round}}
	alone := rs.Facts()
	for range 40 {
		rs.Full = append(rs.Full, reading(serverAt, fin(false, serverAt)))
	}
	f := rs.Facts()
	if f.After < alone.After || f.At-f.After >= alone.At-alone.After || f.After >= 5 || f.At < 5 {
		t.Errorf("between %d and %d, without full-TTL copies between %d and %d; want it narrower around 5", f.After, f.At, alone.After, alone.At)
	}
	if f.Controls != 6 || f.Rounds != 1 {
		t.Errorf("%+v: full-TTL readers are neither controls nor rounds", f)
	}
	for i, want := range []bool{false, true, false, false, true, true} {
		if got := rs.Odd(round[i]); got != want {
			t.Errorf("reader behind TTL %d odd: %v, want %v", i+1, got, want)
		}
	}
}
