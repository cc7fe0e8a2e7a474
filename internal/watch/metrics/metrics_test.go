package metrics

import (
	"os"
	"strings"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus/testutil"

	"github.com/rstprobe/rstprobe/internal/watch/state"
	"github.com/rstprobe/rstprobe/internal/watch/store"
	"github.com/rstprobe/rstprobe/internal/watch/watchfile"
	"github.com/rstprobe/rstprobe/probe"
	"github.com/rstprobe/rstprobe/report"
)

func ran(check string, v probe.Overall) store.Run {
	at := time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)
	return store.Run{Check: check, Started: at, Ended: at.Add(2 * time.Second), Document: report.Document{Verdict: report.Verdict{Outcome: v}, PacketsSent: 100}}
}

// expect compares the named metrics with what Prometheus would read.
func expect(t *testing.T, m *Metrics, want string, names ...string) {
	t.Helper()
	if err := testutil.GatherAndCompare(m.registry, strings.NewReader(want), names...); err != nil {
		t.Error(err)
	}
}

func TestMetrics(t *testing.T) {
	t.Parallel()
	m := New("1.2.3")
	m.Watched([]watchfile.Check{
		{Name: "shop", Target: probe.Target{Input: "shop.example"}, Labels: map[string]string{"team": "a"}},
		{Name: "bank", Target: probe.Target{Input: "bank.example"}, Labels: map[string]string{"site": "b"}},
	})
	for _, c := range []string{"shop", "bank"} {
		m.Known(c, nil)
	}
	m.Ran(ran("shop", probe.Clean), 0, nil)
	m.Ran(ran("shop", probe.Interference), 0, []state.Change{{}})
	m.Known("shop", state.Machines{
		{Kind: probe.SNI, Name: "a"}: {Confirmed: state.Axes{Outcome: probe.Reset, Author: probe.InPath, Place: state.Place{AfterTTL: 5, AtTTL: 6}}},
		{Kind: probe.SNI, Name: "b"}: {Confirmed: state.Axes{Outcome: probe.Reset, Author: probe.InPath, Place: state.Place{AfterTTL: 3, AtTTL: 4}}},
		{Kind: probe.SNI, Name: "c"}: {Confirmed: state.Axes{Outcome: probe.Reset, Author: probe.Server, Place: state.Place{AfterTTL: 1, AtTTL: 2}}},
	})
	m.Missed("shop", 3)
	m.Network(true)
	m.Reloaded(time.Unix(100, 0), true)
	m.Reloaded(time.Unix(200, 0), false)
	expect(t, m, `
# HELP rstprobe_interference 1 if something between us and the server interferes, in the confirmed state; else 0.
# TYPE rstprobe_interference gauge
rstprobe_interference{check="bank"} 0
rstprobe_interference{check="shop"} 1
# HELP rstprobe_injector_hop The smallest TTL at which the box acts, in the confirmed state; NaN if there is none, or it is not located.
# TYPE rstprobe_injector_hop gauge
rstprobe_injector_hop{check="bank"} NaN
rstprobe_injector_hop{check="shop"} 4
# HELP rstprobe_last_run_timestamp_seconds When the last run ended, in seconds of Unix time.
# TYPE rstprobe_last_run_timestamp_seconds gauge
rstprobe_last_run_timestamp_seconds{check="shop"} 1.767323047e+09
# HELP rstprobe_missed_slots_total Runs that were not made, since their time went by.
# TYPE rstprobe_missed_slots_total counter
rstprobe_missed_slots_total{check="bank"} 0
rstprobe_missed_slots_total{check="shop"} 3
# HELP rstprobe_own_network_trouble 1 while no check shows any life beyond our own network; else 0.
# TYPE rstprobe_own_network_trouble gauge
rstprobe_own_network_trouble 1
# HELP rstprobe_packets_sent_total Packets sent.
# TYPE rstprobe_packets_sent_total counter
rstprobe_packets_sent_total 200
# HELP rstprobe_state_changes_total Confirmed changes.
# TYPE rstprobe_state_changes_total counter
rstprobe_state_changes_total{check="bank"} 0
rstprobe_state_changes_total{check="shop"} 1
# HELP rstprobe_config_last_reload_successful 1 if the last reading of the watch file succeeded; else 0.
# TYPE rstprobe_config_last_reload_successful gauge
rstprobe_config_last_reload_successful 0
# HELP rstprobe_config_last_reload_success_timestamp_seconds When the watch file was last read with success, in seconds of Unix time.
# TYPE rstprobe_config_last_reload_success_timestamp_seconds gauge
rstprobe_config_last_reload_success_timestamp_seconds 100
# HELP rstprobe_check_info 1; the labels are those of the check in the watch file.
# TYPE rstprobe_check_info gauge
rstprobe_check_info{check="bank",site="b",target="bank.example",team=""} 1
rstprobe_check_info{check="shop",site="",target="shop.example",team="a"} 1
`, "rstprobe_interference", "rstprobe_injector_hop", "rstprobe_last_run_timestamp_seconds", "rstprobe_missed_slots_total", "rstprobe_own_network_trouble",
		"rstprobe_packets_sent_total", "rstprobe_state_changes_total", "rstprobe_config_last_reload_successful",
		"rstprobe_config_last_reload_success_timestamp_seconds", "rstprobe_check_info")
}

// TestSeriesOfChecksThatAreGoneEnd, all of them.
func TestSeriesOfChecksThatAreGoneEnd(t *testing.T) {
	t.Parallel()
	m := New("1.2.3")
	m.Watched([]watchfile.Check{{Name: "shop"}, {Name: "bank"}})
	for _, c := range []string{"shop", "bank"} {
		m.Known(c, nil)
		m.Ran(ran(c, probe.Clean), 0, nil)
		m.Missed(c, 1)
		m.Failed(c, true)
	}
	m.Watched([]watchfile.Check{{Name: "bank"}})
	m.Failed("shop", true) // a run that was under way ends
	m.Ran(ran("shop", probe.Clean), 0, nil)
	m.Known("shop", nil)
	m.Missed("shop", 1)
	families, err := m.registry.Gather()
	if err != nil {
		t.Fatal(err)
	}
	of := map[string]int{}
	for _, f := range families {
		for _, series := range f.GetMetric() {
			for _, l := range series.GetLabel() {
				if l.GetName() == "check" {
					of[l.GetValue()]++
				}
			}
		}
	}
	if of["shop"] > 0 || of["bank"] == 0 {
		t.Errorf("series by check: %v", of)
	}
	if sent := testutil.ToFloat64(m.packets); sent != 300 {
		t.Errorf("%v packets sent, want those of all 3 runs", sent)
	}
}

// TestNamesAreAsPrometheusWantsThem.
func TestNamesAreAsPrometheusWantsThem(t *testing.T) {
	t.Parallel()
	m := New("1.2.3")
	m.Watched([]watchfile.Check{{Name: "shop"}})
	m.Alerts().Receivers([]string{"ops"})
	m.Known("shop", nil)
	m.Ran(ran("shop", probe.Clean), 0, nil)
	problems, err := testutil.GatherAndLint(m.registry)
	if err != nil {
		t.Fatal(err)
	}
	for _, p := range problems {
		if strings.HasPrefix(p.Metric, "rstprobe_") {
			t.Errorf("%s: %s", p.Metric, p.Text)
		}
	}
}

// TestDocument: docs/watch.md has every metric.
func TestDocument(t *testing.T) {
	t.Parallel()
	b, err := os.ReadFile("../../../docs/watch.md")
	if err != nil {
		t.Fatal(err)
	}
	m := New("1.2.3")
	m.Watched([]watchfile.Check{{Name: "shop"}})
	m.Alerts().Receivers([]string{"ops"})
	m.Known("shop", nil)
	m.Ran(ran("shop", probe.Clean), 0, nil)
	families, err := m.registry.Gather()
	if err != nil {
		t.Fatal(err)
	}
	for _, f := range families {
		if name := f.GetName(); strings.HasPrefix(name, "rstprobe_") && !strings.Contains(string(b), "\n| `"+name+"` |") {
			t.Errorf("docs/watch.md lacks %s", name)
		}
	}
}
