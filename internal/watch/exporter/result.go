package exporter

import (
	"slices"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/rstprobe/rstprobe/probe"
	"github.com/rstprobe/rstprobe/report"
)

// The values of the labels; there are no others.
var (
	verdicts = []probe.Overall{probe.Clean, probe.Interference, probe.ServerRefuses, probe.OverallUnreachable, probe.OverallInconclusive}
	outcomes = []probe.Outcome{
		probe.OK, probe.Reset, probe.Fin, probe.Drop, probe.Stall, probe.InjectedResponse, probe.Alert, probe.Refused, probe.Unreachable, probe.Inconclusive,
	}
)

// result is a registry with what one request found out: the names of
// blackbox_exporter for what they mean there, and our own.
func result(doc report.Document, asked map[probe.Kind]int, timeout, took time.Duration) *prometheus.Registry {
	r := prometheus.NewRegistry()
	set := func(name, help string, value float64) {
		g := prometheus.NewGauge(prometheus.GaugeOpts{Name: name, Help: help})
		g.Set(value)
		r.MustRegister(g)
	}
	questions := 0
	for _, n := range asked {
		questions += n
	}
	lookup := 0.0
	if doc.Lookup != nil {
		lookup = doc.Lookup.DurationMS / 1000
	}
	spent := doc.DurationMS / 1000
	if doc.Lookup != nil && doc.StartedAt.After(doc.Lookup.StartedAt) {
		spent += lookup
	}
	set("probe_success", "1 if all that was asked was answered by the server, and nothing interferes; else 0.",
		bit(doc.Verdict.Outcome == probe.Clean && len(doc.Tests) == questions))
	set("probe_duration_seconds", "How long the probe took, waiting for its turn not included.", spent)
	set("probe_dns_lookup_time_seconds", "How long it took to resolve the name of the target; 0: there was none to resolve.", lookup)
	set("probe_timeout_seconds", "How long the probe might have taken.", timeout.Seconds())
	set("probe_ip_protocol", "The version of IP, 4 or 6; 0: the target has no address.", version(doc))
	set("rstprobe_probe_interference", "1 if something between us and the server interferes, as far as one probe without a trace of the path can tell; else 0.",
		bit(slices.ContainsFunc(doc.Tests, interferes)))
	set("rstprobe_probe_interrupted", "1 if the timeout ended the probe before all was done; else 0.", bit(doc.Interrupted))
	set("rstprobe_probe_packets", "Packets sent.", float64(doc.PacketsSent))
	set("rstprobe_probe_wait_seconds", "How long the probe waited for its turn.", max(0, took.Seconds()-spent))

	verdict := prometheus.NewGaugeVec(prometheus.GaugeOpts{
		Name: "rstprobe_probe_verdict", Help: "1 for the verdict of this probe alone, 0 for all others.",
	}, []string{"verdict"})
	for _, v := range verdicts {
		verdict.WithLabelValues(string(v)).Set(bit(doc.Verdict.Outcome == v))
	}
	tests := prometheus.NewGaugeVec(prometheus.GaugeOpts{
		Name: "rstprobe_probe_tests", Help: "Names and connections tested, by kind of the test and by what became of them.",
	}, []string{"kind", "outcome"})
	for kind := range asked {
		for _, o := range outcomes {
			tests.WithLabelValues(string(kind), string(o))
		}
	}
	for _, t := range doc.Tests {
		tests.WithLabelValues(string(t.Kind), string(t.Outcome)).Inc()
	}
	r.MustRegister(verdict, tests)
	return r
}

// interferes reports whether a test went as it does where something on the path
// is to blame, however sure that is: what would make it sure is mostly a trace.
func interferes(t report.Test) bool {
	return probe.Verdict{Outcome: t.Outcome, Author: t.Author}.Interferes()
}

// version is that of the IP that was spoken.
func version(doc report.Document) float64 {
	switch ip := doc.Target.IP; {
	case !ip.IsValid():
		return 0
	case ip.Is4():
		return 4
	}
	return 6
}

func bit(b bool) float64 {
	if b {
		return 1
	}
	return 0
}
