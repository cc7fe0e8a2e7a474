package probe

import (
	"slices"
	"strings"
	"testing"

	"github.com/rstprobe/rstprobe/internal/flow"
)

// asSockets are findings as ordinary sockets would have made them, as far as
// that concerns who may speak about them.
func (f Findings) asSockets() Findings {
	for _, list := range []*[]Observation{&f.Leading, &f.Trailing, &f.Tests} {
		*list = slices.Clone(*list)
		for i := range *list {
			(*list)[i].Source = flow.Kernel
		}
	}
	return f
}

// Rules that read headers speak about packets, and never about records of
// ordinary sockets, where a field that is zero is not known.
func TestHeaderRulesNeedPackets(t *testing.T) {
	t.Parallel()
	f := swept(asking().wait(rtt/4).rst(0, ttl(boxTTL), id(ourID), window(ourWin)).rst(1460, ttl(boxTTL)).wait(rtt).data(0, hello), hitsAt3)
	headers := map[RuleID]bool{}
	for _, r := range Rules() {
		headers[r.ID] = r.Headers
	}
	spoke := func(it items) (n int) {
		for _, e := range slices.Concat(it.forBox, it.forServer) {
			if headers[e.Rule] {
				n++
			}
		}
		return n
	}
	if n := spoke(f.evidence()); n < 4 {
		t.Fatalf("%d rules about headers speak about packets: the example is a poor one", n)
	}
	f = f.asSockets()
	it := f.evidence()
	if n := spoke(it); n != 0 {
		t.Errorf("%d rules about headers speak about sockets: %v", n, it.has)
	}
	if !it.has["below-server-ttl"] {
		t.Error("below-server-ttl needs no header, and is silent")
	}
}

// What no socket can hear is no evidence.
func TestDecideOnSockets(t *testing.T) {
	t.Parallel()
	control := func(s *Sweeps) {
		hitsAt3(s)
		s.Control = []int{20, 21}
	}
	raw := swept(resetAfter(rtt/4, ttl(boxTTL)), control)
	if v := Decide(raw); v.Author != InPath {
		t.Fatalf("with packets the author is %s", v.Author)
	}
	v := Decide(raw.asSockets())
	if v.Author != OnOrInPath || v.Confidence != Proved || !v.Interferes() {
		t.Errorf("author %s, %s", v.Author, v.Confidence)
	}
	if !strings.Contains(v.Next, "cap_net_raw") {
		t.Errorf("next %q does not say how to have the rest", v.Next)
	}
	anyName := swept(resetAfter(rtt, ttl(boxTTL)), func(s *Sweeps) {
		hitsAt3(s)
		s.ControlHits = []int{5}
	})
	if v := Decide(anyName.asSockets()); v.Confidence == Proved {
		t.Errorf("control copies draw it too, so it may be the server's own accord: %s", v.Confidence)
	}
	if v := Decide(about(served()).asSockets()); v.Outcome != OK || v.Next != "" {
		t.Errorf("%s, next %q", v.Outcome, v.Next)
	}
}

// Remaining TTLs are compared where they were measured, and only there.
func TestTTLOnSockets(t *testing.T) {
	t.Parallel()
	hidden := func(o Observation) Observation {
		s := *o.SYNACK
		s.Packet.TTL = 0
		o.SYNACK = &s
		o.Resets = slices.Clone(o.Resets)
		for i := range o.Resets {
			o.Resets[i].Packet.TTL = 0
		}
		return o
	}
	f := about(resetAfter(rtt, ttl(boxTTL))).asSockets()
	for _, list := range [][]Observation{f.Leading, f.Trailing, f.Tests} {
		for i := range list {
			list[i] = hidden(list[i])
			for k := range list[i].Data {
				list[i].Data[k].Packet.TTL = 0
			}
		}
	}
	if ttlDiffers(&f) != nil || serverTTL(&f) != nil || f.Differ() != f.Failed() {
		t.Error("TTLs that are not known are compared")
	}
	f.Exact = []Observation{about(resetAfter(rtt, ttl(boxTTL))).Tests[0]}
	if ttlDiffers(&f) == nil {
		t.Error("a measured TTL that differs is passed over")
	}
}
