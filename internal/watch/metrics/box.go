package metrics

import (
	"fmt"
	"net/netip"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/rstprobe/rstprobe/internal/watch/state"
	"github.com/rstprobe/rstprobe/report"
)

// boxes says at which router the box of a check acts: one series for each
// check that has one, so that what is seen in the network makes no more.
type boxes struct {
	info *prometheus.GaugeVec
	asns map[string]map[netip.Addr]int // of the routers in the last run that saw any, by check
}

func newBoxes() boxes {
	return boxes{asns: map[string]map[netip.Addr]int{}, info: prometheus.NewGaugeVec(prometheus.GaugeOpts{
		Name: "rstprobe_injector_info",
		Help: "1 if the box is located, in the confirmed state; ip is the router at or before which it acts, asn who runs that, each empty if it is not known.",
	}, []string{"check", "ip", "asn"})}
}

// ran learns who runs the routers.
func (b boxes) ran(check string, doc report.Document) {
	asns := map[netip.Addr]int{}
	for _, h := range doc.Path.Hops {
		if h.IP.IsValid() && h.ASN > 0 {
			asns[h.IP] = h.ASN
		}
	}
	if len(asns) > 0 {
		b.asns[check] = asns
	}
}

// known shows where the box of a check is, and no longer where it was.
func (b boxes) known(check string, place state.Place) {
	b.info.DeletePartialMatch(prometheus.Labels{"check": check})
	if place.AtTTL == 0 {
		return
	}
	ip, asn := "", ""
	if place.AtIP.IsValid() {
		ip = place.AtIP.String()
	}
	if n := b.asns[check][place.AtIP]; n > 0 {
		asn = fmt.Sprintf("AS%d", n)
	}
	b.info.WithLabelValues(check, ip, asn).Set(1)
}

func (b boxes) forget(check string) {
	b.known(check, state.Place{})
	delete(b.asns, check)
}
