package main

import (
	"net/netip"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/rstprobe/rstprobe/internal/diagnosis"
	"github.com/rstprobe/rstprobe/probe"
)

// TestPlan: a step is told once, however often it is reported, and trials alike
// on one line.
func TestPlan(t *testing.T) {
	server := netip.MustParseAddrPort("192.0.2.7:443")
	var got []string
	p := &plan{
		Exchanger: noExchanger{}, target: probe.Target{IP: server.Addr(), Port: server.Port()},
		tell: func(line string) { got = append(got, line) },
	}
	tests := diagnosis.Progress{Step: diagnosis.StepTests, Kind: probe.SNI, Name: "blocked.example"}
	p.update(tests)
	p.update(tests)
	trial := func(role probe.Role, name string) probe.Trial {
		return probe.Trial{Role: role, Remote: server, Stimulus: probe.Stimulus{Kind: probe.SNI, Name: name}}
	}
	sweep, odd, read := trial(probe.Test, "blocked.example\x1b[2J"), trial(probe.Baseline, ""), trial(probe.Test, "blocked.example")
	sweep.TTLs, sweep.Step, sweep.LocalPort = []uint8{1, 2, 3}, 20*time.Millisecond, 40000
	odd.Remote, odd.TTL, odd.Ahead, odd.Twice, odd.MSS = netip.MustParseAddrPort("192.0.2.7:80"), 60, 1, true, 536
	odd.Split, odd.SplitGap, odd.Unconnected, odd.Profile = []int{9}, time.Second, true, probe.BareSYN
	read.Reader, read.Read = probe.ReadStimulus, probe.Stimulus{Kind: probe.Host, Name: "control.example"}
	syn := probe.Trial{Role: probe.Baseline, Remote: server, Stimulus: probe.Stimulus{Kind: probe.SYN}}
	_, err := p.Exchange(t.Context(), trial(probe.Control, "control.example"), trial(probe.Test, "blocked.example"),
		trial(probe.Control, "control.example"), sweep, odd, read, syn)
	if err == nil {
		t.Error("the exchanger's error is lost")
	}
	p.update(diagnosis.Progress{Step: diagnosis.StepWait, Pause: 90 * time.Second})
	want := []string{
		"# what becomes of the test name? control and test in turn, in random order, alike but for the name",
		`#   2 x control: ClientHello "control.example"`,
		`#   1 x test: ClientHello "blocked.example"`,
		`#   1 x test: ClientHello "blocked.example\\x1b[2J", one copy per TTL 1 to 3, one every 20ms, from port 40000`,
		"#   1 x baseline: ClientHello without a name, to 192.0.2.7:80, with TTL 60, 1 ahead of sequence, each sent twice, cut into 2 segments, 1s apart, without a handshake, with an MSS of 536, opened without TCP options",
		`#   1 x test: ClientHello "blocked.example", then a HTTP request "control.example"`,
		"#   1 x baseline: bare SYN",
		"# is an earlier block over? nothing is sent, since any packet might prolong it; pausing for 1m30s",
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("plan (-want +got):\n%s", diff)
	}
}
