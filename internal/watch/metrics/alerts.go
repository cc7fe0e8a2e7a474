package metrics

import (
	"slices"
	"sync"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/rstprobe/rstprobe/internal/watch/alert"
)

// Alerts are the metrics of the receivers of alerts. They implement
// deliver.Observer.
type Alerts struct {
	mu      sync.Mutex
	names   []string
	sent    *prometheus.CounterVec
	pending *prometheus.GaugeVec
}

func newAlerts() *Alerts {
	return &Alerts{
		sent: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "rstprobe_alerts_total", Help: "Alerts that were delivered or given up, and attempts that failed.",
		}, []string{"receiver", "result"}),
		pending: prometheus.NewGaugeVec(prometheus.GaugeOpts{
			Name: "rstprobe_alerts_pending", Help: "Alerts that have not arrived yet, or not when they were last repeated.",
		}, []string{"receiver"}),
	}
}

// Alerts are told what becomes of alerts.
func (m *Metrics) Alerts() *Alerts { return m.alerts }

// Receivers begins the series of new receivers, and ends those of receivers
// that are gone.
func (a *Alerts) Receivers(names []string) {
	a.mu.Lock()
	defer a.mu.Unlock()
	for _, name := range names {
		for _, r := range []alert.Result{alert.Delivered, alert.Failed, alert.GivenUp} {
			a.sent.WithLabelValues(name, string(r))
		}
		a.pending.WithLabelValues(name)
	}
	for _, name := range a.names {
		if !slices.Contains(names, name) {
			a.sent.DeletePartialMatch(prometheus.Labels{"receiver": name})
			a.pending.DeletePartialMatch(prometheus.Labels{"receiver": name})
		}
	}
	a.names = slices.Clone(names)
}

// Sent counts.
func (a *Alerts) Sent(receiver string, r alert.Result) {
	a.sent.WithLabelValues(receiver, string(r)).Inc()
}

// Pending shows how many have not arrived.
func (a *Alerts) Pending(receiver string, n int) {
	a.pending.WithLabelValues(receiver).Set(float64(n))
}
