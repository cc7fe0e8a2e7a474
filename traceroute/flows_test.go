package traceroute

import (
	"net/netip"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/rstprobe/rstprobe/internal/packet"
)

// way is a sweep of SYNs: a letter per router, '.' where one is silent, and
// the server behind the last, unless lost says that its answers were.
func way(routers string, answers bool) Sweep {
	s := raw(false).syns(1, len(routers)+1)
	for i, r := range routers {
		if r != '.' {
			s.expire(i + 1)
			last := &s.rec.Events[len(s.rec.Events)-1].Packet
			last.Src = netip.AddrPortFrom(netip.AddrFrom4([4]byte{203, 0, byte(i), byte(r)}), 0) //nolint:gosec // ASCII
		}
	}
	if answers {
		s.get(packet.Segment{Seq: theirISS, Ack: s.sent[len(routers)+1].TCP.Seq.Add(1), Flags: packet.SYN | packet.ACK}, serverTTL)
	}
	return s.read()
}

func TestClasses(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		name   string
		ways   []string // of the ports 1, 2, 3 …
		want   [][]uint16
		differ []int
	}{
		{"none", nil, nil, nil},
		{"one way", []string{"abc", "abc", "abc"}, [][]uint16{{1, 2, 3}}, nil},
		{"two ways, the larger first", []string{"abc", "adc", "adc"}, [][]uint16{{2, 3}, {1}}, []int{2}},
		{"two as large, the lower port first", []string{"adc", "abc", "adc", "abc"}, [][]uint16{{1, 3}, {2, 4}}, []int{2}},
		{"silence keeps nobody apart", []string{"abc", "a.c", "..."}, [][]uint16{{1, 2, 3}}, nil},
		{"silence goes where it fits alone", []string{"abx", "cdy", "cdy", ".d."}, [][]uint16{{2, 3, 4}, {1}}, []int{1, 2, 3}},
		{"silence that fits two ways goes nowhere", []string{"abx", "ady", "ady", "a.."}, [][]uint16{{2, 3}, {1}}, []int{2, 3}},
		{"another length", []string{"abc", "abcd"}, [][]uint16{{1}, {2}}, []int{4}},
		{"three ways", []string{"abc", "adc", "aec"}, [][]uint16{{1}, {2}, {3}}, []int{2}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			var sweeps []PortSweep
			for i, w := range tt.ways {
				sweeps = append(sweeps, PortSweep{Port: uint16(i + 1), Sweep: way(w, true)}) //nolint:gosec // few
			}
			classes := Classes(sweeps)
			var ports [][]uint16
			for _, c := range classes {
				ports = append(ports, c.Ports)
			}
			if diff := cmp.Diff(tt.want, ports); diff != "" {
				t.Errorf("ports: -want +got:\n%s", diff)
			}
			if diff := cmp.Diff(tt.differ, Disagreement(classes)); diff != "" {
				t.Errorf("disagreement: -want +got:\n%s", diff)
			}
		})
	}
}

func TestClassKnowsAll(t *testing.T) {
	t.Parallel()
	classes := Classes([]PortSweep{{1, way("a..", true)}, {2, way(".b.", false)}, {3, way("..c", true)}})
	if len(classes) != 1 || classes[0].ServerTTL != 4 || classes[0].known() != 3 {
		t.Errorf("%+v", classes)
	}
}

func TestChanged(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		name          string
		before, after Sweep
		ttls          []int
		changed       bool
	}{
		{"the same", way("abcd", true), way("abcd", true), nil, false},
		{"silence", way("abcd", true), way("a...", true), nil, false},
		{"one router", way("abcd", true), way("abxd", true), []int{3}, false},
		{"two routers", way("abcd", true), way("axyd", true), []int{2, 3}, true},
		{"the server is nearer", way("abcd", true), way("abc", true), []int{4}, true},
		{"the server is farther", way("abc", true), way("abcd", true), []int{4}, true},
		{"the server's answer got lost", way("abcd", true), way("abcd", false), nil, false},
		{"nothing heard", way("....", false), way("abcd", true), nil, false},
	} {
		ttls, changed := Changed(tt.before, tt.after)
		if diff := cmp.Diff(tt.ttls, ttls); diff != "" || changed != tt.changed {
			t.Errorf("%s: changed %v, want %v; TTLs: -want +got:\n%s", tt.name, changed, tt.changed, diff)
		}
	}
}
