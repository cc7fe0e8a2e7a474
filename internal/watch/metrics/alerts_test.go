package metrics

import (
	"testing"

	"github.com/rstprobe/rstprobe/internal/watch/alert"
)

func TestAlerts(t *testing.T) {
	t.Parallel()
	m := New("1.2.3")
	a := m.Alerts()
	a.Receivers([]string{"ops", "gone"})
	a.Sent("gone", alert.Failed)
	a.Pending("gone", 3)
	a.Receivers([]string{"ops", "am"})
	a.Sent("ops", alert.Failed)
	a.Sent("ops", alert.Delivered)
	a.Sent("ops", alert.GivenUp)
	a.Sent("ops", alert.GivenUp)
	a.Pending("ops", 2)
	expect(t, m, `
# HELP rstprobe_alerts_total Alerts that were delivered or given up, and attempts that failed.
# TYPE rstprobe_alerts_total counter
rstprobe_alerts_total{receiver="am",result="delivered"} 0
rstprobe_alerts_total{receiver="am",result="failed"} 0
rstprobe_alerts_total{receiver="am",result="given_up"} 0
rstprobe_alerts_total{receiver="ops",result="delivered"} 1
rstprobe_alerts_total{receiver="ops",result="failed"} 1
rstprobe_alerts_total{receiver="ops",result="given_up"} 2
# HELP rstprobe_alerts_pending Alerts that have not arrived yet, or not when they were last repeated.
# TYPE rstprobe_alerts_pending gauge
rstprobe_alerts_pending{receiver="am"} 0
rstprobe_alerts_pending{receiver="ops"} 2
`, "rstprobe_alerts_total", "rstprobe_alerts_pending")
}
