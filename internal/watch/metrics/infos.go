package metrics

import (
	"maps"
	"slices"
	"sync"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/rstprobe/rstprobe/internal/watch/watchfile"
)

// infos are rstprobe_check_info: the labels that the watch file gives checks.
// Which labels there are changes with the file, so it is collected without a
// description made beforehand.
type infos struct {
	mu     sync.Mutex
	checks []watchfile.Check
}

func (i *infos) set(checks []watchfile.Check) {
	i.mu.Lock()
	defer i.mu.Unlock()
	i.checks = checks
}

// Describe implements prometheus.Collector: nothing is known beforehand.
func (i *infos) Describe(chan<- *prometheus.Desc) {}

// Collect implements prometheus.Collector. All series have all labels; one
// that a check lacks is empty.
func (i *infos) Collect(out chan<- prometheus.Metric) {
	i.mu.Lock()
	defer i.mu.Unlock()
	names := map[string]bool{}
	for _, c := range i.checks {
		for name := range c.Labels {
			names[name] = true
		}
	}
	more := slices.Sorted(maps.Keys(names))
	desc := prometheus.NewDesc("rstprobe_check_info", "1; the labels are those of the check in the watch file.", append([]string{"check", "target"}, more...), nil)
	for _, c := range i.checks {
		values := []string{c.Name, c.Target.Input}
		for _, name := range more {
			values = append(values, c.Labels[name])
		}
		out <- prometheus.MustNewConstMetric(desc, prometheus.GaugeValue, 1, values...)
	}
}
