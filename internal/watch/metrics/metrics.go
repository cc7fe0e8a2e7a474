// Package metrics shows the present of rstprobe watch to Prometheus. The number
// of series depends on the configuration only, never on what is seen in the
// network. docs/watch.md lists the metrics.
package metrics

import (
	"math"
	"net/http"
	"runtime"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/collectors"
	"github.com/prometheus/client_golang/prometheus/promhttp"

	"github.com/rstprobe/rstprobe/internal/watch/period"
	"github.com/rstprobe/rstprobe/internal/watch/state"
	"github.com/rstprobe/rstprobe/internal/watch/store"
	"github.com/rstprobe/rstprobe/internal/watch/watchfile"
	"github.com/rstprobe/rstprobe/probe"
	"github.com/rstprobe/rstprobe/report"
)

// verdicts are the values of the label of that name.
var verdicts = []probe.Overall{probe.Clean, probe.Interference, probe.ServerRefuses, probe.OverallUnreachable, probe.OverallInconclusive}

// Metrics implements watch.Observer. Of a check that went from the file while
// it ran, a run that ends later begins no series again.
type Metrics struct {
	registry *prometheus.Registry
	watched  map[string]bool // by check
	infos    *infos
	alerts   *Alerts
	boxes    boxes

	interference, injectorHop, lastRun, lag, interval, flapping, suspected *prometheus.GaugeVec
	runs, changes, missed, lookups, failures, denied, probes               *prometheus.CounterVec
	duration, handshake                                                    *prometheus.HistogramVec
	packets, dropped                                                       prometheus.Counter
	trouble, reloaded, reloadedAt                                          prometheus.Gauge
}

// durations are the buckets of the length of a run in seconds: a clean one on
// a short path takes less than one, waiting for residual blocks minutes.
var durations = []float64{0.25, 0.5, 1, 2.5, 5, 10, 30, 60, 120, 300}

// handshakes are those of a handshake, from a neighbour to the other side of
// the world with a SYN that was lost.
var handshakes = []float64{0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 3}

// New is a set of metrics for one process of a version of rstprobe.
func New(version string) *Metrics {
	gauge := func(name, help string) *prometheus.GaugeVec {
		return prometheus.NewGaugeVec(prometheus.GaugeOpts{Name: name, Help: help}, []string{"check"})
	}
	counter := func(name, help string, labels ...string) *prometheus.CounterVec {
		return prometheus.NewCounterVec(prometheus.CounterOpts{Name: name, Help: help}, labels)
	}
	one := func(name, help string) prometheus.Gauge {
		return prometheus.NewGauge(prometheus.GaugeOpts{Name: name, Help: help})
	}
	m := &Metrics{
		registry: prometheus.NewRegistry(), watched: map[string]bool{}, infos: &infos{}, alerts: newAlerts(), boxes: newBoxes(),

		interference: gauge("rstprobe_interference", "1 if something between us and the server interferes, in the confirmed state; else 0."),
		injectorHop:  gauge("rstprobe_injector_hop", "The smallest TTL at which the box acts, in the confirmed state; NaN if there is none, or it is not located."),
		lastRun:      gauge("rstprobe_last_run_timestamp_seconds", "When the last run ended, in seconds of Unix time."),
		lag:          gauge("rstprobe_schedule_lag_seconds", "How late the last run began."),
		interval:     gauge("rstprobe_check_interval_seconds", "From the beginning of one run to that of the next, as the watch file has it."),
		flapping:     gauge("rstprobe_flapping", "1 while what is seen changes too often to be told each time; else 0."),
		suspected:    gauge("rstprobe_change_suspected", "1 while a change waits for confirmation; else 0."),
		runs:         counter("rstprobe_runs_total", "Runs by what they alone showed.", "check", "verdict"),
		changes:      counter("rstprobe_state_changes_total", "Confirmed changes.", "check"),
		missed:       counter("rstprobe_missed_slots_total", "Runs that were not made, since their time went by.", "check"),
		lookups:      counter("rstprobe_lookup_failures_total", "Runs in which the target's name could not be resolved.", "check"),
		failures:     counter("rstprobe_failures_total", "Runs that rstprobe itself could not make (measure) or keep (store).", "check", "step"),
		denied:       counter("rstprobe_http_denied_total", "Requests that were turned away, by why.", "reason"),
		probes:       counter("rstprobe_probes_total", "Requests of /probe that were measured, by what they showed.", "verdict"),
		duration: prometheus.NewHistogramVec(prometheus.HistogramOpts{
			Name: "rstprobe_run_duration_seconds", Help: "How long runs take, waiting included.", Buckets: durations,
		}, []string{"check"}),
		handshake: prometheus.NewHistogramVec(prometheus.HistogramOpts{
			Name: "rstprobe_handshake_duration_seconds", Help: "How long the fastest handshake with the target took in each run: from SYN to SYN-ACK (connect).", Buckets: handshakes,
		}, []string{"stage"}),
		packets: prometheus.NewCounter(prometheus.CounterOpts{Name: "rstprobe_packets_sent_total", Help: "Packets sent."}),
		dropped: prometheus.NewCounter(prometheus.CounterOpts{Name: "rstprobe_capture_dropped_total", Help: "Received packets that our own kernel dropped."}),
		trouble: one("rstprobe_own_network_trouble", "1 while no check shows any life beyond our own network; else 0."),

		reloaded:   one("rstprobe_config_last_reload_successful", "1 if the last reading of the watch file succeeded; else 0."),
		reloadedAt: one("rstprobe_config_last_reload_success_timestamp_seconds", "When the watch file was last read with success, in seconds of Unix time."),
	}
	m.handshake.WithLabelValues("connect")
	for _, v := range verdicts {
		m.probes.WithLabelValues(string(v))
	}
	build := prometheus.NewGaugeFunc(prometheus.GaugeOpts{
		Name: "rstprobe_build_info", Help: "1; the labels say what runs.",
		ConstLabels: prometheus.Labels{"version": version, "goversion": runtime.Version()},
	}, func() float64 { return 1 })
	m.registry.MustRegister(
		m.interference, m.injectorHop, m.lastRun, m.lag, m.interval, m.flapping, m.suspected, m.runs, m.changes, m.missed, m.lookups, m.failures, m.denied, m.probes,
		m.duration, m.handshake, m.boxes.info, m.packets, m.dropped, m.trouble, m.reloaded, m.reloadedAt, m.infos, m.alerts.sent, m.alerts.pending, build,
		collectors.NewGoCollector(), collectors.NewProcessCollector(collectors.ProcessCollectorOpts{}),
	)
	return m
}

// Handler answers scrapes.
func (m *Metrics) Handler() http.Handler {
	return promhttp.InstrumentMetricHandler(m.registry, promhttp.HandlerFor(m.registry, promhttp.HandlerOpts{Registry: m.registry}))
}

// Reloaded notes whether the watch file could be read.
func (m *Metrics) Reloaded(at time.Time, ok bool) {
	if !ok {
		m.reloaded.Set(0)
		return
	}
	m.reloaded.Set(1)
	m.reloadedAt.Set(seconds(at))
}

// Watched begins the series of new checks, and ends those of checks that are
// gone.
func (m *Metrics) Watched(checks []watchfile.Check) {
	now := map[string]bool{}
	for _, c := range checks {
		now[c.Name] = true
		m.interval.WithLabelValues(c.Name).Set(c.Interval.Seconds())
		for _, v := range verdicts {
			m.runs.WithLabelValues(c.Name, string(v))
		}
		m.changes.WithLabelValues(c.Name)
		m.missed.WithLabelValues(c.Name)
		m.lookups.WithLabelValues(c.Name)
		m.failures.WithLabelValues(c.Name, "measure")
		m.failures.WithLabelValues(c.Name, "store")
	}
	for name := range m.watched {
		if !now[name] {
			m.forget(name)
		}
	}
	m.watched = now
	m.infos.set(checks)
}

func (m *Metrics) forget(check string) {
	of := prometheus.Labels{"check": check}
	for _, v := range []interface {
		DeletePartialMatch(labels prometheus.Labels) int
	}{m.interference, m.injectorHop, m.lastRun, m.lag, m.interval, m.flapping, m.suspected, m.runs, m.changes, m.missed, m.lookups, m.failures, m.duration} {
		v.DeletePartialMatch(of)
	}
	m.boxes.forget(check)
}

// Known shows the confirmed state: of several questions, the nearest box.
func (m *Metrics) Known(check string, now state.Machines) {
	if !m.watched[check] {
		return
	}
	interferes, flaps, suspects, hop := false, false, false, math.NaN()
	nearest := state.Place{}
	for _, x := range now {
		flaps = flaps || x.Flapping
		suspects = suspects || x.Candidate != nil
		if !x.Confirmed.Interferes() {
			continue
		}
		interferes = true
		if at := x.Confirmed.Place.AtTTL; at > 0 && !(float64(at) >= hop) { // a comparison with NaN is false
			hop, nearest = float64(at), x.Confirmed.Place
		}
	}
	m.interference.WithLabelValues(check).Set(bit(interferes))
	m.injectorHop.WithLabelValues(check).Set(hop)
	m.boxes.known(check, nearest)
	m.flapping.WithLabelValues(check).Set(bit(flaps))
	m.suspected.WithLabelValues(check).Set(bit(suspects))
}

// Ran counts a run.
func (m *Metrics) Ran(run store.Run, lag time.Duration, changes []state.Change) {
	doc := run.Document
	m.packets.Add(float64(doc.PacketsSent))
	m.dropped.Add(float64(doc.PacketsDropped))
	if ms, ok := period.Connect(doc); ok {
		m.handshake.WithLabelValues("connect").Observe(ms / 1000)
	}
	if !m.watched[run.Check] {
		return
	}
	m.runs.WithLabelValues(run.Check, string(doc.Verdict.Outcome)).Inc()
	m.changes.WithLabelValues(run.Check).Add(float64(len(changes)))
	m.lastRun.WithLabelValues(run.Check).Set(seconds(run.Ended))
	m.lag.WithLabelValues(run.Check).Set(max(0, lag.Seconds()))
	m.duration.WithLabelValues(run.Check).Observe(run.Ended.Sub(run.Started).Seconds())
	m.boxes.ran(run.Check, doc)
	if run.Lookup != "" {
		m.lookups.WithLabelValues(run.Check).Inc()
	}
}

// Probed counts a request of /probe.
func (m *Metrics) Probed(doc report.Document) {
	m.probes.WithLabelValues(string(doc.Verdict.Outcome)).Inc()
	m.packets.Add(float64(doc.PacketsSent))
	m.dropped.Add(float64(doc.PacketsDropped))
}

// Denied counts requests that were turned away, for one of a few reasons. With
// none, the series of that begins.
func (m *Metrics) Denied(reason string, requests int) {
	m.denied.WithLabelValues(reason).Add(float64(requests))
}

// Missed counts runs that were not made.
func (m *Metrics) Missed(check string, slots int) {
	if !m.watched[check] {
		return
	}
	m.missed.WithLabelValues(check).Add(float64(slots))
}

// Network shows whether our own network is in trouble.
func (m *Metrics) Network(trouble bool) { m.trouble.Set(bit(trouble)) }

// Failed counts what rstprobe itself could not do.
func (m *Metrics) Failed(check string, measuring bool) {
	if !m.watched[check] {
		return
	}
	step := "store"
	if measuring {
		step = "measure"
	}
	m.failures.WithLabelValues(check, step).Inc()
}

func bit(b bool) float64 {
	if b {
		return 1
	}
	return 0
}

func seconds(t time.Time) float64 { return float64(t.UnixMilli()) / 1000 }
