package report

import (
	"fmt"
	"net/netip"
	"strings"
	"time"

	"github.com/rstprobe/rstprobe/internal/diagnosis"
	"github.com/rstprobe/rstprobe/probe"
	"github.com/rstprobe/rstprobe/traceroute"
)

// example is a result as the diagnosis gives it.
type example struct {
	name string
	res  diagnosis.Result
}

var meta = Meta{RunID: "01JGZ0000000000000000000EX", Version: "0.1.0", Mode: "raw", Who: who, Settings: someSettings, Platform: Platform{"linux", "amd64", "go1.26.0"}}

// someSettings are those of the examples.
var someSettings = []Setting{
	{Name: "control-address", Value: "10.9.6.3", Given: true},
	{Name: "hello", Value: "plain"},
	{Name: "timeout"},
	{Name: "seed", Value: "4", Given: true},
	{Name: "characterize", Value: "true", Given: true},
}

// bad is what a network should not get onto a terminal.
const bad = "\x1b[2J\n>>>> BOX\r\u009b31m\u202e|`<b>\xff\x00\x7f bücher"

// who knows some of the addresses of the examples.
func who(ip netip.Addr) Identity {
	if ip.Is6() {
		return Identity{Name: "cut.example"}
	}
	telecom := Network{ASN: 64500, ASOwner: "Example Telecom", Country: "DE"}
	return map[netip.Addr]Identity{
		router(3): {Name: "core1.a-rather-long-router-name.isp.example", Network: telecom},
		router(4): {Network: telecom},
		server:    {Name: "web7.hosting.example", Network: Network{ASN: 64501, ASOwner: "Example Hosting", Country: "NL"}},
		badRouter: {Name: bad, Network: Network{ASN: 64502, ASOwner: bad}},
	}[ip]
}

// examples are results of every kind. Their documents are the goldens.
func examples() []example {
	return []example{
		{"in_path_reset", inPathReset()},
		{"on_path_reset", onPathReset()},
		{"drop_wide", dropWide()},
		{"first_segment_v6", firstSegmentV6()},
		{"closed_port", closedPort()},
		{"alert", alert()},
		{"unreachable", unreachable()},
		{"clean", nothingInterferes()},
		{"inconclusive", inconclusive()},
		{"interrupted", interrupted()},
		{"everything", everything()},
		{"interim", interim()},
		{"hostile", hostile()},
		{"empty", diagnosis.Result{}},
	}
}

var (
	source = netip.MustParseAddr("10.9.0.1")
	server = netip.MustParseAddr("10.9.6.2")

	badRouter = netip.MustParseAddr("10.9.66.6")
	target    = probe.Target{Input: "example.com:443", Host: "example.com", Name: "example.com", IP: server, Port: 443}
)

// result is a measured one without tests; 7 hops to the server.
func result(outcome probe.Overall, summary string, tests ...diagnosis.Test) diagnosis.Result {
	return diagnosis.Result{
		Target:      target,
		Started:     time.Date(2026, 1, 2, 3, 4, 5, 678_912_345, time.FixedZone("", 3600)),
		Duration:    412*time.Millisecond + 345*time.Microsecond + 678,
		Source:      source,
		Outcome:     outcome,
		Summary:     summary,
		Tests:       tests,
		PacketsSent: 134,
	}
}

func router(n int) netip.Addr { return netip.AddrFrom4([4]byte{10, 9, byte(n - 1), 2}) }

// path is 7 hops long: the control expires on 6 routers, and the test draws
// what test says at each TTL; hops beyond it were not tested.
func path(test ...traceroute.Answer) traceroute.Path {
	p := traceroute.Path{ServerTTL: 7, Server: server}
	for ttl := 1; ttl <= 7; ttl++ {
		h := traceroute.Hop{TTL: ttl, Addr: router(ttl), RTT: time.Duration(ttl) * 1234 * time.Microsecond, Control: traceroute.TimeExceeded}
		if ttl == 7 {
			h.Control = traceroute.FromServer
		}
		if ttl <= len(test) {
			h.Test = test[ttl-1]
		}
		p.Hops = append(p.Hops, h)
	}
	return p
}

const (
	te  = traceroute.TimeExceeded
	rst = traceroute.ResetAnswer
)

func point(ttl int) traceroute.Point { return traceroute.Point{TTL: ttl, Addr: router(ttl)} }

// inPathReset is located, with its device, for two tests.
func inPathReset() diagnosis.Result {
	device := point(3)
	verdict := probe.Verdict{
		Outcome: probe.Reset, Stage: probe.StageData, Trigger: probe.TriggerSNI,
		Author: probe.InPath, Cause: "M5", Confidence: probe.Proved,
		Counts: probe.Counts{TestBad: 3, TestTotal: 3, ControlTotal: 4},
		Evidence: []probe.Evidence{
			{
				Rule: "below-server-ttl", Supports: probe.InPath, Decisive: true, Packets: []int{12, 14, 15, 16},
				Detail: "A copy that died at hop 4 of 7 was answered by a reset in 3 of 3 rounds, while the control copies drew nothing but time exceeded.",
			},
			{Rule: "rst-ttl-differs", Supports: probe.OnOrInPath, Packets: []int{14}, Detail: "The resets came with TTL 62, the SYN-ACKs with TTL 58."},
		},
		Against: []probe.Evidence{{Rule: "rst-ipid-zero", Supports: probe.Server, Packets: []int{14}, Detail: "IP ID 0 and DF, as in the server's own resets."}},
		Next:    "Repeat with --control-address, to see whether the name alone draws the reset on another address.",
	}
	location := &traceroute.Location{
		After: point(3), At: point(4), Device: &device, Method: traceroute.CodedBurst,
		Votes: 3, Rounds: 3, ForwardHops: 3, ReverseHops: 3,
		Evidence: []probe.Evidence{{Rule: "reset-hops", Supports: probe.InPath, Packets: []int{14}, Detail: "TTL 62 is 2 below 64: the sender is 3 hops away."}},
	}
	host := verdict
	host.Trigger, host.Evidence, host.Against, host.Next = probe.TriggerHost, verdict.Evidence[:1], nil, ""
	res := result(probe.Interference,
		"A box in router 10.9.2.2 (hop 3) resets connections to 10.9.6.2:443 that name blocked.example; other names pass.",
		diagnosis.Test{Kind: probe.SNI, Name: "blocked.example", ControlNames: []string{"control.example"}, Verdict: verdict, Location: location},
		diagnosis.Test{Kind: probe.Host, Name: "blocked.example", ControlNames: []string{"control.example"}, Verdict: host, Location: location})
	res.Path = path(te, te, te, rst, rst, rst)
	res.PacketsLost = 2
	return res
}

// onPathReset is located without a device.
func onPathReset() diagnosis.Result {
	res := result(probe.Interference, "A box between hop 3 (10.9.2.2) and hop 4 (10.9.3.2) forges resets for blocked.example.",
		diagnosis.Test{
			Kind: probe.SNI, Name: "blocked.example", ControlNames: []string{"control.example"},
			Verdict: probe.Verdict{
				Outcome: probe.Reset, Stage: probe.StageData, Trigger: probe.TriggerSNI,
				Author: probe.OnPath, Cause: "M3", Confidence: probe.Proved,
				Counts: probe.Counts{TestBad: 3, TestTotal: 3, ControlTotal: 4},
				Evidence: []probe.Evidence{{
					Rule: "server-goes-on", Supports: probe.OnPath, Decisive: true, Packets: []int{9, 11},
					Detail: "The ServerHello arrived 8.1 ms after the reset.",
				}},
			},
			Location: &traceroute.Location{
				After: point(3), At: point(4), Method: traceroute.TimedSteps, Votes: 2, Rounds: 3, ForwardHops: 3,
			},
		})
	res.Path = path(te, te, te, traceroute.BothAnswers, traceroute.BothAnswers, traceroute.BothAnswers)
	return res
}

// dropWide is placed on three segments, since two routers are silent.
func dropWide() diagnosis.Result {
	res := result(probe.Interference, "A box between hop 2 (10.9.1.2) and hop 5 (10.9.4.2) drops what names blocked.example.",
		diagnosis.Test{
			Kind: probe.SNI, Name: "blocked.example", ControlNames: []string{"control.example"},
			Verdict: probe.Verdict{
				Outcome: probe.Drop, Stage: probe.StageData, Trigger: probe.TriggerSNI,
				Author: probe.InPath, Cause: "M6", Confidence: probe.Likely,
				Counts: probe.Counts{TestBad: 5, TestTotal: 6, ControlTotal: 7},
				Evidence: []probe.Evidence{{
					Rule: "dark-zone", Supports: probe.InPath, Packets: []int{31},
					Detail: "From hop 5 on control copies draw time exceeded and test copies nothing.",
				}},
				Next: "Repeat with --repeat 6.",
			},
			Location: &traceroute.Location{
				After: point(2), At: point(5), Method: traceroute.DarkZone, Votes: 3, Rounds: 3, ForwardHops: 4,
			},
		})
	res.Path = path(te, te, traceroute.Silent, traceroute.Silent, traceroute.Silent, traceroute.Silent, traceroute.Silent)
	for _, i := range []int{2, 3} {
		h := &res.Path.Hops[i]
		h.Addr, h.RTT, h.Control = netip.Addr{}, 0, traceroute.Silent
	}
	return res
}

// firstSegmentV6 has the longest addresses, and its box right beside us.
func firstSegmentV6() diagnosis.Result {
	addr := func(n int) netip.Addr {
		return netip.MustParseAddr(fmt.Sprintf("2001:1db8:1000:2000:3000:4000:5000:600%d", n))
	}
	res := result(probe.Interference, "A box before the first router answers every SYN to this address with a reset.",
		diagnosis.Test{
			Kind: probe.SYN,
			Verdict: probe.Verdict{
				Outcome: probe.Refused, Stage: probe.StageSYN, Trigger: probe.TriggerAddress,
				Author: probe.OnOrInPath, Cause: "M1", Confidence: probe.Proved,
				Counts: probe.Counts{TestBad: 3, TestTotal: 3, ControlTotal: 4},
			},
			Location: &traceroute.Location{
				At: traceroute.Point{TTL: 1, Addr: addr(1)}, Method: traceroute.SYNSweep, Votes: 3, Rounds: 3,
			},
		})
	res.Source = addr(0)
	res.Target.Input, res.Target.IP = "[2001:1db8:1000:2000:3000:4000:5000:6003]:443", addr(3)
	res.Path.ServerTTL = 3
	for ttl := 1; ttl <= 3; ttl++ {
		res.Path.Hops = append(res.Path.Hops, traceroute.Hop{
			TTL: ttl, Addr: addr(ttl), RTT: 1234567 * time.Microsecond,
			Control: traceroute.Unreachable, Test: traceroute.BothAnswers,
		})
	}
	return res
}

func closedPort() diagnosis.Result {
	return result(probe.ServerRefuses, "Port 443 of 10.9.6.2 is closed; nothing on the path interferes.",
		diagnosis.Test{
			Kind: probe.SYN,
			Verdict: probe.Verdict{
				Outcome: probe.Refused, Stage: probe.StageSYN, Trigger: probe.TriggerPort,
				Author: probe.Server, Cause: "S1", Confidence: probe.Likely,
				Counts:   probe.Counts{TestBad: 3, TestTotal: 3},
				Evidence: []probe.Evidence{{Rule: "rst-like-host", Supports: probe.Server, Packets: []int{2, 4, 6}, Detail: "The resets have the TTL and the delay of the host."}},
				Next:     "Ask the owner whether a service should listen there.",
			},
		})
}

func alert() diagnosis.Result {
	return result(probe.ServerRefuses, "The server refuses the name unknown.example itself, by a TLS alert.",
		diagnosis.Test{
			Kind: probe.SNI, Name: "unknown.example", ControlNames: []string{"example.com", "q7x2k9w1.example"},
			Verdict: probe.Verdict{
				Outcome: probe.Alert, Stage: probe.StageResponse, Trigger: probe.TriggerSNI,
				Author: probe.Server, Cause: "S15", Confidence: probe.Proved,
				Counts:   probe.Counts{TestBad: 3, TestTotal: 3, ControlBad: 3, ControlTotal: 7},
				Evidence: []probe.Evidence{{Rule: "alert-on-random-name", Supports: probe.Server, Decisive: true, Packets: []int{5}, Detail: "Alert 112 (unrecognized_name) for a random name too."}},
			},
		})
}

func unreachable() diagnosis.Result {
	res := result(probe.OverallUnreachable, "Router 10.9.3.2 (hop 4) says that host 10.9.6.2 is unreachable.",
		diagnosis.Test{
			Kind: probe.SYN,
			Verdict: probe.Verdict{
				Outcome: probe.Unreachable, Stage: probe.StageSYN, Trigger: probe.TriggerAddress,
				Author: probe.Undetermined, Cause: "N1", Confidence: probe.Likely,
				Counts: probe.Counts{TestBad: 3, TestTotal: 3},
			},
		})
	res.Path = path(te, te, te, traceroute.Unreachable)
	res.Path.ServerTTL, res.Path.Hops = 0, res.Path.Hops[:4]
	return res
}

func nothingInterferes() diagnosis.Result {
	return result(probe.Clean, "Nothing interferes with example.com at 10.9.6.2:443.",
		diagnosis.Test{Kind: probe.SYN, Verdict: probe.Verdict{
			Outcome: probe.OK, Stage: probe.StageHandshake, Trigger: probe.TriggerNone, Author: probe.Undetermined,
			Confidence: probe.Proved, Counts: probe.Counts{TestTotal: 3, ControlTotal: 4},
		}},
		diagnosis.Test{Kind: probe.SNI, Name: "example.com", ControlNames: []string{"abc.example"}, Verdict: probe.Verdict{
			Outcome: probe.OK, Stage: probe.StageResponse, Trigger: probe.TriggerNone, Author: probe.Undetermined,
			Confidence: probe.Proved, Counts: probe.Counts{TestTotal: 3, ControlTotal: 4},
		}})
}

// inconclusive: the name did not resolve, nothing was sent.
func inconclusive() diagnosis.Result {
	res := result(probe.OverallInconclusive, "The name example.com could not be resolved: the resolver gives 0.0.0.0, which is the address of no host; resolvers that block a name answer so.")
	res.Target.IP, res.Source, res.PacketsSent = netip.Addr{}, netip.Addr{}, 0
	res.Lookup = &diagnosis.Lookup{
		Started: res.Started, Duration: res.Duration, Resolver: netip.MustParseAddrPort("10.9.0.53:53"),
		Answers: []netip.Addr{netip.IPv4Unspecified()}, Failure: diagnosis.UselessAddress,
	}
	return res
}

// interrupted after the first trials: the axes have no value yet.
func interrupted() diagnosis.Result {
	res := result("", "", diagnosis.Test{
		Kind: probe.SNI, Name: "blocked.example", ControlNames: []string{"control.example"},
		Verdict: probe.Verdict{Counts: probe.Counts{TestBad: 1, TestTotal: 1, ControlTotal: 1}},
	})
	res.Interrupted, res.PacketsSent = true, 1
	return res
}

// hostile has in every string what a network should not get onto a terminal.
func hostile() diagnosis.Result {
	res := inPathReset()
	res.Target.Input, res.Target.Host, res.Summary = bad, bad, bad
	res.Path.Hops[5].Addr = badRouter
	t := &res.Tests[0]
	t.Name, t.ControlNames, t.Verdict.Next = bad, []string{bad}, bad
	t.Verdict.Evidence[0].Detail = bad + strings.Repeat("x", 200)
	t.Verdict.Against[0].Rule = bad
	t.Boxes = []traceroute.Box{{Prints: []traceroute.Print{{Payload: bad}}}}
	t.Matrix = []diagnosis.Variant{{Name: bad, Doc: bad, Acted: 1, Total: 1, Ends: []probe.Outcome{probe.Reset}}}
	res.Path.Hops[0].Altered = []traceroute.Alteration{{Change: traceroute.ServiceChange, TTL: 1, Quotes: 1, Packet: 1, Detail: bad}}
	return res
}
