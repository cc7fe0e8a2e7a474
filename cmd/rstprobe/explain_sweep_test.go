package main

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/rstprobe/rstprobe/internal/packet"
	"github.com/rstprobe/rstprobe/report"
)

// Where the recorded sweeps find the box and the server.
const (
	boxAt    = 3
	serverAt = 6
)

// swept is a TTL-limited sweep that asks for a host. Beyond the box, a copy
// draws a reset if the host is censored; at the server, the page.
func swept(t *testing.T, host string, censored bool) *recording {
	r := record(t)
	ask := "GET / HTTP/1.1\r\nHost: " + host + "\r\n\r\n"
	for ttl := uint8(1); ttl <= serverAt+1; ttl++ {
		r.open().send(time.Millisecond, true, packet.PSH|packet.ACK, ttl, ask)
		switch {
		case censored && ttl >= boxAt:
			r.send(trip/4, false, packet.RST|packet.ACK, boxTTL, "")
		case ttl >= serverAt:
			r.answered()
		default: // it died on the way: the server knows nothing of it
			unseen := r.next[0]
			r.client(3*time.Second, packet.FIN|packet.ACK, "")
			r.next[0] = unseen.Add(-len(ask))
			r.server(trip, packet.ACK, "")
		}
	}
	return r
}

func TestExplainControl(t *testing.T) {
	t.Parallel()
	test, control := saved(t, swept(t, "blocked.example", true).bytes()), saved(t, swept(t, "control.example", false).bytes())
	var f fakeSystem
	got := f.run(t.Context(), "", "explain", test, "--control", control, "--json")
	doc := explained(t, got.stdout)
	if got.code != 10 || got.stderr != "" {
		t.Errorf("exit code %d, standard error %q; want 10 and nothing", got.code, got.stderr)
	}
	if doc.Sweep == nil || doc.Sweep.ControlFile != control || doc.Sweep.Server.String() != serverEnd || doc.Sweep.Test.Name != "blocked.example" {
		t.Fatalf("sweep %+v", doc.Sweep)
	}
	if l := doc.Location; l == nil || l.AtTTL != boxAt || l.AfterTTL >= boxAt {
		t.Fatalf("location %+v, want before hop %d", l, boxAt)
	}
	var hits []int
	for _, h := range doc.Location.Hits {
		if h.Hits > 0 {
			hits = append(hits, h.TTL)
		}
		if h.ControlHits > 0 {
			t.Errorf("control copies hit: %+v", h)
		}
	}
	if diff := cmp.Diff([]int{3, 4, 5, 6}, hits); diff != "" {
		t.Errorf("TTLs with hits: -want +got:\n%s", diff)
	}
	text := f.run(t.Context(), "", "explain", test, "--control", control).stdout
	for _, want := range []string{"\nSweep to 198.51.100.7:80: host blocked.example, against", "\n  hits        test copies at TTL 3-6; control copies at no TTL\n", "\n1. packet "} {
		if !strings.Contains(text, want) {
			t.Errorf("the text lacks %q:\n%s", want, text)
		}
	}
	without := explained(t, f.run(t.Context(), "", "explain", test, "--json").stdout)
	if without.Sweep != nil || without.Location != nil {
		t.Errorf("sweep %+v at %+v without a control", without.Sweep, without.Location)
	}
	if diff := cmp.Diff(asJSON(t, report.Capture{Flows: without.Flows}), asJSON(t, report.Capture{Flows: doc.Flows})); diff != "" {
		t.Errorf("flows: -without a control +with it:\n%s", diff)
	}
}

// TestExplainBadControl: a control that is none is the user's mistake.
func TestExplainBadControl(t *testing.T) {
	t.Parallel()
	test, control := saved(t, swept(t, "blocked.example", true).bytes()), saved(t, swept(t, "control.example", false).bytes())
	plain := saved(t, censored(t).bytes())
	for _, tt := range []struct {
		name string
		line []string
		want string
	}{
		{"no such file", []string{test, "--control", plain + "x"}, "there is no file"},
		{"no name", []string{test, "--control="}, "write the name of a capture file"},
		{"control is no sweep", []string{test, "--control", plain}, "no TTL-limited sweep in the control capture"},
		{"test is no sweep", []string{plain, "--control", control}, "no TTL-limited sweep in the test capture"},
		{"the same name", []string{test, "--control", test}, "with another name than"},
		{"standard input twice", []string{"-", "--control", "-"}, "can be read only once"},
		{"control and server", []string{test, "--control", control, "--server", control}, "exclude each other"},
		{"too many connections", []string{test, "--control", control, "--max-flows", "5"}, "narrow it with --host"},
		{"filtered out", []string{test, "--control", control, "--host", "203.0.113.9"}, "no TTL-limited sweep"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			var f fakeSystem
			got := f.run(t.Context(), "", append([]string{"explain"}, tt.line...)...)
			if got.code != exitUsage || got.stdout != "" || !strings.Contains(got.stderr, tt.want) {
				t.Errorf("exit code %d, standard output %q, standard error %q; want 2, nothing and %q", got.code, got.stdout, got.stderr, tt.want)
			}
		})
	}
}

// TestExplainSweeps: sweeps of real networks; see TestExplainCaptures.
func TestExplainSweeps(t *testing.T) {
	t.Parallel()
	dir := os.Getenv("RSTPROBE_CAPTURES")
	if dir == "" {
		t.Skip("RSTPROBE_CAPTURES is not set: no real captures")
	}
	for _, tt := range []struct {
		test, control string
		at            int // 0: no box
	}{
		{"222.138.4.221_archive.org_archive.org.pcap", "222.138.4.221_archive.org_example.com.pcap", 13},
		{"195.46.232.198_minecraft.net_minecraft.net.pcap", "195.46.232.198_minecraft.net_example.com.pcap", 14},
		{"103.93.208.20_bisexual.org_bisexual.org.pcap", "103.93.208.20_bisexual.org_example.com.pcap", 17},
		{"94.20.71.165_www.pokerstars.com_www.pokerstars.com_0.pcap", "94.20.71.165_www.pokerstars.com_example.com_0.pcap", 18},
		{"95.167.150.101_sohu.com_sohu.com.pcap", "95.167.150.101_sohu.com_example.com.pcap", 0},
		{"200.115.176.142_binance.com_binance.com.pcap", "200.115.176.142_binance.com_example.com.pcap", 0},
		{"85.209.148.79_bridges.torproject.org_bridges.torproject.org.pcap", "85.209.148.79_bridges.torproject.org_example.com.pcap", 0},
		{"123.30.89.9_youtube.com_youtube.com_0.pcap", "123.30.89.9_youtube.com_example.com_0.pcap", 0},
	} {
		t.Run(tt.test, func(t *testing.T) {
			t.Parallel()
			var f fakeSystem
			got := f.run(t.Context(), "", "explain", filepath.Join(dir, tt.test), "--control", filepath.Join(dir, tt.control), "--json")
			doc := explained(t, got.stdout)
			at := 0
			if doc.Location != nil {
				at = doc.Location.AtTTL
			}
			if at != tt.at || (got.code == 10) != (tt.at > 0) {
				t.Errorf("exit code %d, located at TTL %d; want %d: %s", got.code, at, tt.at, doc.Verdict.Summary)
			}
		})
	}
}
