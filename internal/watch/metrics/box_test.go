package metrics

import (
	"net/netip"
	"testing"

	"github.com/rstprobe/rstprobe/internal/watch/state"
	"github.com/rstprobe/rstprobe/internal/watch/watchfile"
	"github.com/rstprobe/rstprobe/probe"
	"github.com/rstprobe/rstprobe/report"
)

// TestInjectorInfo: of each check one series at most says where its box is,
// and none of where it was.
func TestInjectorInfo(t *testing.T) {
	t.Parallel()
	m := New("1.2.3")
	m.Watched([]watchfile.Check{{Name: "shop"}, {Name: "bank"}})
	first, second := netip.MustParseAddr("192.0.2.4"), netip.MustParseAddr("192.0.2.6")
	run := ran("shop", probe.Interference)
	hop := report.Hop{TTL: 4, IP: first}
	hop.ASN = 64500
	run.Document.Path.Hops = report.List[report.Hop]{hop, {TTL: 6, IP: second}}
	at := func(place state.Place) state.Machines {
		return state.Machines{{Kind: probe.SNI, Name: "a"}: {Confirmed: state.Axes{Outcome: probe.Reset, Author: probe.InPath, Place: place}}}
	}
	const head = `
# HELP rstprobe_injector_info 1 if the box is located, in the confirmed state; ip is the router at or before which it acts, asn who runs that, each empty if it is not known.
# TYPE rstprobe_injector_info gauge
`
	m.Ran(run, 0, nil)
	m.Known("shop", at(state.Place{AfterTTL: 3, AtTTL: 4, AtIP: first}))
	expect(t, m, head+`rstprobe_injector_info{asn="AS64500",check="shop",ip="192.0.2.4"} 1
`, "rstprobe_injector_info")

	m.Known("shop", at(state.Place{AfterTTL: 5, AtTTL: 6, AtIP: second}))
	m.Known("bank", at(state.Place{AfterTTL: 1, AtTTL: 2}))
	expect(t, m, head+`rstprobe_injector_info{asn="",check="bank",ip=""} 1
rstprobe_injector_info{asn="",check="shop",ip="192.0.2.6"} 1
`, "rstprobe_injector_info")

	m.Known("shop", at(state.Place{}))
	m.Watched([]watchfile.Check{{Name: "shop"}})
	expect(t, m, "", "rstprobe_injector_info")
}

// TestHandshake: the fastest handshake of a run is counted; a run without one
// is not.
func TestHandshake(t *testing.T) {
	t.Parallel()
	m := New("1.2.3")
	run := ran("shop", probe.Clean)
	m.Ran(run, 0, nil)
	slow, fast := 70.0, 30.0
	target := report.Target{IP: netip.MustParseAddr("192.0.2.7"), Port: 443}
	run.Document.Target = target
	for _, ms := range []*float64{&slow, &fast, nil} {
		run.Document.Attempts = append(run.Document.Attempts, report.Attempt{IP: target.IP, Port: target.Port, Manner: report.Ordinary, ConnectedMS: ms})
	}
	m.Ran(run, 0, nil)
	expect(t, m, `
# HELP rstprobe_handshake_duration_seconds How long the fastest handshake with the target took in each run: from SYN to SYN-ACK (connect).
# TYPE rstprobe_handshake_duration_seconds histogram
rstprobe_handshake_duration_seconds_bucket{stage="connect",le="0.001"} 0
rstprobe_handshake_duration_seconds_bucket{stage="connect",le="0.0025"} 0
rstprobe_handshake_duration_seconds_bucket{stage="connect",le="0.005"} 0
rstprobe_handshake_duration_seconds_bucket{stage="connect",le="0.01"} 0
rstprobe_handshake_duration_seconds_bucket{stage="connect",le="0.025"} 0
rstprobe_handshake_duration_seconds_bucket{stage="connect",le="0.05"} 1
rstprobe_handshake_duration_seconds_bucket{stage="connect",le="0.1"} 1
rstprobe_handshake_duration_seconds_bucket{stage="connect",le="0.25"} 1
rstprobe_handshake_duration_seconds_bucket{stage="connect",le="0.5"} 1
rstprobe_handshake_duration_seconds_bucket{stage="connect",le="1"} 1
rstprobe_handshake_duration_seconds_bucket{stage="connect",le="3"} 1
rstprobe_handshake_duration_seconds_bucket{stage="connect",le="+Inf"} 1
rstprobe_handshake_duration_seconds_sum{stage="connect"} 0.03
rstprobe_handshake_duration_seconds_count{stage="connect"} 1
`, "rstprobe_handshake_duration_seconds")
}
