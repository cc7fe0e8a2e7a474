package sweep_test

import (
	"errors"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/rstprobe/rstprobe/internal/capture"
	"github.com/rstprobe/rstprobe/internal/explain/sweep"
	"github.com/rstprobe/rstprobe/internal/flow"
	"github.com/rstprobe/rstprobe/probe"
	"github.com/rstprobe/rstprobe/traceroute"
)

// fromFile reads a capture of a real network. They are not part of the
// project: RSTPROBE_CAPTURES names the directory that holds them.
func fromFile(t *testing.T, name string) []flow.Conversation {
	t.Helper()
	dir := os.Getenv("RSTPROBE_CAPTURES")
	if dir == "" {
		t.Skip("RSTPROBE_CAPTURES is not set: no real captures")
	}
	r, err := capture.Open(filepath.Join(dir, name))
	if err != nil {
		t.Fatal(err)
	}
	defer func() {
		if err := r.Close(); err != nil {
			t.Error(err)
		}
	}()
	var all []flow.Conversation
	table := flow.NewTable(flow.Config{Yield: func(c *flow.Conversation) { all = append(all, *c) }})
	for {
		f, err := r.Next()
		if errors.Is(err, io.EOF) {
			table.Flush()
			return all
		}
		if err != nil {
			t.Fatal(err)
		}
		table.Add(f.N, f.At, &f.Packet)
	}
}

// TestCaptures: the README of the captures says what is true of each pair.
func TestCaptures(t *testing.T) {
	type want struct {
		Outcome probe.Overall
		Author  probe.Author // "": any that blames nobody on the path
		Cause   probe.Cause
		At      int // 0: no location
		Method  traceroute.Method
		Server  int
		Rules   []probe.RuleID
		Packet  int // of the test capture, cited by the first of the rules; 0: not asked
	}
	for _, tt := range []struct {
		test, control string
		want          want
	}{
		{"222.138.4.221_archive.org_archive.org.pcap", "222.138.4.221_archive.org_example.com.pcap", want{
			probe.Interference, probe.OnPath, "M4", 13, traceroute.TimedSteps, 18,
			[]probe.RuleID{"below-server-ttl", "read-below-server-ttl", "reset-in-our-name", "id-window-algebra", "ttl-random"}, 117}},
		{"195.46.232.198_minecraft.net_minecraft.net.pcap", "195.46.232.198_minecraft.net_example.com.pcap", want{
			probe.Interference, probe.InPath, "M3", 14, traceroute.TimedSteps, 15,
			[]probe.RuleID{"below-server-ttl", "ttl-differs", "window-mirrored"}, 128}},
		{"103.93.208.20_bisexual.org_bisexual.org.pcap", "103.93.208.20_bisexual.org_example.com.pcap", want{
			probe.Interference, probe.OnPath, "M3", 17, traceroute.TimedSteps, 22,
			[]probe.RuleID{"below-server-ttl", "ttl-differs", "answered-and-reset"}, 166}},
		{"94.20.71.165_www.pokerstars.com_www.pokerstars.com_0.pcap", "94.20.71.165_www.pokerstars.com_example.com_0.pcap", want{
			probe.Interference, probe.InPath, "M6", 18, traceroute.DarkZone, 20,
			[]probe.RuleID{"lost-before-server", "never-acknowledged"}, 186}},
		{"95.167.150.101_sohu.com_sohu.com.pcap", "95.167.150.101_sohu.com_example.com.pcap", want{
			Outcome: probe.Clean, Author: probe.Server, Server: 16}},
		{"200.115.176.142_binance.com_binance.com.pcap", "200.115.176.142_binance.com_example.com.pcap", want{
			Outcome: probe.ServerRefuses, Author: probe.Server, Cause: "S1", Rules: []probe.RuleID{"refused"}, Packet: 2}},
		{"85.209.148.79_bridges.torproject.org_bridges.torproject.org.pcap", "85.209.148.79_bridges.torproject.org_example.com.pcap", want{
			Outcome: probe.Clean, Author: probe.Server, Server: 24}},
		// Its resets answer our FINs, after control copies as well. The test
		// name meets silence from the server's own last router on: its gear.
		{"123.30.89.9_youtube.com_youtube.com_0.pcap", "123.30.89.9_youtube.com_example.com_0.pcap", want{
			Outcome: probe.ServerRefuses, Author: probe.ServerSide, Server: 21,
			Rules: []probe.RuleID{"never-acknowledged"}}},
	} {
		t.Run(tt.test, func(t *testing.T) {
			res, err := sweep.Explain(fromFile(t, tt.test), fromFile(t, tt.control))
			if err != nil {
				t.Fatal(err)
			}
			t.Logf("%s %s", res.Summary, res.Chinese)
			got := want{Outcome: res.Outcome, Author: res.Verdict.Author, Cause: res.Verdict.Cause, Server: res.Path.ServerTTL, Packet: tt.want.Packet}
			for i, e := range res.Verdict.Evidence {
				if slices.Contains(tt.want.Rules, e.Rule) {
					got.Rules = append(got.Rules, e.Rule)
				}
				if i == 0 && tt.want.Packet > 0 && !slices.Contains(e.Packets, tt.want.Packet) {
					t.Errorf("%s cites packets %v, want %d among them", e.Rule, e.Packets, tt.want.Packet)
				}
			}
			if l := res.Location; l != nil {
				got.At, got.Method = l.At.TTL, l.Method
				after := l.At.TTL - 1
				for after > 0 && !res.Path.Hops[after-1].Addr.IsValid() {
					after--
				}
				if l.Votes < 1 || l.After.TTL != after {
					t.Errorf("location %+v, want it behind hop %d", l, after)
				}
			}
			if diff := cmp.Diff(tt.want, got); diff != "" {
				t.Errorf("-want +got:\n%s\n%+v", diff, res.Verdict)
			}
			for _, s := range res.Steps {
				if acts := tt.want.At > 0 && s.TTL >= tt.want.At; acts && s.Test.Hits < s.Test.Copies {
					t.Errorf("TTL %d: %+v, want all copies from TTL %d on hit", s.TTL, s.Test, tt.want.At)
				}
				if s.Control.Hits > 0 {
					t.Errorf("TTL %d: control copies %+v, want none hit", s.TTL, s.Control)
				}
			}
		})
	}
}

// TestCapturesSwapped: what interferes with the control is found out, whichever
// file has it; where nothing interferes, the order does not matter.
func TestCapturesSwapped(t *testing.T) {
	for _, tt := range []struct {
		test, control string
		at            int // 0: nothing interferes
	}{
		{"222.138.4.221_archive.org_archive.org.pcap", "222.138.4.221_archive.org_example.com.pcap", 13},
		{"195.46.232.198_minecraft.net_minecraft.net.pcap", "195.46.232.198_minecraft.net_example.com.pcap", 14},
		{"103.93.208.20_bisexual.org_bisexual.org.pcap", "103.93.208.20_bisexual.org_example.com.pcap", 17},
		{"94.20.71.165_www.pokerstars.com_www.pokerstars.com_0.pcap", "94.20.71.165_www.pokerstars.com_example.com_0.pcap", 18},
		{"95.167.150.101_sohu.com_sohu.com.pcap", "95.167.150.101_sohu.com_example.com.pcap", 0},
		{"85.209.148.79_bridges.torproject.org_bridges.torproject.org.pcap", "85.209.148.79_bridges.torproject.org_example.com.pcap", 0},
		{"123.30.89.9_youtube.com_youtube.com_0.pcap", "123.30.89.9_youtube.com_example.com_0.pcap", 20},
	} {
		t.Run(tt.test, func(t *testing.T) {
			res, err := sweep.Explain(fromFile(t, tt.control), fromFile(t, tt.test))
			if err != nil {
				t.Fatal(err)
			}
			want := probe.OverallInconclusive
			if tt.at == 0 {
				want = probe.Clean
			}
			if res.Outcome != want || res.ControlHit != tt.at || res.Location != nil || tt.at > 0 != strings.Contains(res.Summary, "are the files swapped?") {
				t.Errorf("%s, control hit from TTL %d on, location %v: %s; want %s from %d on", res.Outcome, res.ControlHit, res.Location, res.Summary, want, tt.at)
			}
		})
	}
}

// The server of one pair repeats its SYN-ACK until data comes: a reader that
// costs nothing.
func TestCapturedRepeats(t *testing.T) {
	res, err := sweep.Explain(fromFile(t, "94.20.71.165_www.pokerstars.com_www.pokerstars.com_0.pcap"), fromFile(t, "94.20.71.165_www.pokerstars.com_example.com_0.pcap"))
	if err != nil {
		t.Fatal(err)
	}
	if !slices.ContainsFunc(res.Location.Evidence, func(e probe.Evidence) bool { return strings.Contains(e.Detail, "repeats its SYN-ACK") }) {
		t.Errorf("evidence %+v, want the SYN-ACKs that stop", res.Location.Evidence)
	}
	if h := res.Path.Hops[16]; h.Addr.IsValid() || h.Control != traceroute.Silent {
		t.Errorf("hop 17 %+v, want it silent in the control, too", h)
	}
}
