package report

import (
	"cmp"
	"fmt"
	"math"
	"net/netip"
	"slices"
	"strconv"
	"strings"

	"github.com/rstprobe/rstprobe/probe"
	"github.com/rstprobe/rstprobe/traceroute"
)

// overallText is the summary of a result that brings none of its own.
var overallText = map[probe.Overall]string{
	probe.Clean:               "Nothing interferes with the tested connections.",
	probe.Interference:        "Something between us and the server interferes.",
	probe.ServerRefuses:       "The server itself refuses; nothing on the path interferes.",
	probe.OverallUnreachable:  "The target cannot be reached.",
	probe.OverallInconclusive: "The measurement does not allow a verdict.",
}

var authorText = map[probe.Author]string{
	probe.Server:       "the server itself",
	probe.ServerSide:   "gear in front of the server",
	probe.OnPath:       "a box that sees a copy of the packets",
	probe.InPath:       "a box in the path, which takes packets out",
	probe.OnOrInPath:   "a box on the path, in-path or tap not told apart",
	probe.OwnSide:      "our own side",
	probe.Undetermined: "the evidence does not tell",
}

var methodText = map[traceroute.Method]string{
	traceroute.CodedBurst:        "one connection, one stamped copy per TTL",
	traceroute.TimedSteps:        "one connection, one copy per step",
	traceroute.OwnFlows:          "a connection per TTL",
	traceroute.DarkZone:          "where test copies stop drawing ICMP errors and control copies go on",
	traceroute.SYNSweep:          "bare SYNs, one per TTL",
	traceroute.CopiedTTLs:        "half of the routers that its copied TTL counts, there and back",
	traceroute.TriggerRead:       "a copy that dies on the way, then a harmless packet whose fate tells whether the box saw it",
	traceroute.ResponseDirection: "by what it sent, as far as that is away on the way back",
}

var answerText = map[traceroute.Answer]string{
	traceroute.NotSent:      "-",
	traceroute.Silent:       "silent",
	traceroute.TimeExceeded: "expired",
	traceroute.ResetAnswer:  "RESET",
	traceroute.BothAnswers:  "RESET+ICMP",
	traceroute.Injected:     "INJECTED",
	traceroute.Unreachable:  "unreachable",
	traceroute.FromServer:   "server",
}

// legend says how to read the path table.
const legend = "Each row: what packets that end at that hop drew. expired: its ICMP time exceeded; -: nothing sent; *: silent"

// field is one labelled part of what a document says about a test.
type field struct {
	label string
	items []string // at least one
}

// fields is what to say about a test, for any kind of text.
func (t Test) fields(verbose bool) []field {
	out := []field{{"outcome", []string{t.happened()}}}
	if t.Outcome != probe.OK {
		out = append(out,
			field{"author", []string{join(": ", string(t.Author), authorText[t.Author])}},
			field{"cause", []string{cmp.Or(join(": ", string(t.Cause), CauseText(t.Cause)), "none named")}})
	}
	out = append(out, field{"confidence", []string{t.sureness(verbose)}})
	if l := t.Location; l != nil {
		items := []string{l.place()}
		if network := l.Network.text(); network != "" {
			items = append(items, "in the network of "+network)
		}
		items = append(append(items, l.how()), evidenceItems(t.placeEvidence(), verbose)...)
		out = append(out, field{"place", items})
	}
	if len(t.Boxes) > 0 {
		out = append(out, field{"boxes", boxItems(t.Boxes, verbose)})
	}
	if len(t.Flows) > 0 {
		out = append(out, field{"paths", flowItems(t.Flows, verbose)})
	}
	if t.Residual != nil {
		out = append(out, field{"residual", []string{t.Residual.text()}})
	}
	out = append(out,
		field{"for", orNone(evidenceItems(t.Evidence, verbose))},
		field{"against", orNone(evidenceItems(t.Against, verbose))})
	if t.Next != "" {
		out = append(out, field{"next", []string{t.Next}})
	}
	return out
}

func orNone(items []string) []string {
	if len(items) == 0 {
		return []string{"nothing"}
	}
	return items
}

func evidenceItems(evidence []Evidence, verbose bool) []string {
	var out []string
	for _, e := range evidence {
		s := join(": ", string(e.Rule), e.Detail)
		if e.Decisive {
			s = "[decisive] " + s
		}
		if len(e.Packets) > 0 {
			s += " (" + packetList(e.Packets) + ")"
		}
		if verbose && e.Supports != probe.Undetermined {
			s += " -> " + string(e.Supports)
		}
		out = append(out, s)
	}
	return out
}

// title is the question of the test.
func (t Test) title() string {
	s := string(t.Kind)
	if t.Name != "" {
		s += " " + t.Name
	}
	if len(t.ControlNames) > 0 {
		s += ", against " + strings.Join(t.ControlNames, ", ")
	}
	return s
}

// place says where the box sits.
func (l Location) place() string {
	if l.DeviceTTL != nil {
		device := hopText(*l.DeviceTTL, *l.DeviceIP)
		switch *l.DeviceTTL {
		case l.AfterTTL:
			return "in " + device + ", after its TTL check"
		case l.AtTTL:
			return "in " + device + ", before its TTL check"
		}
		return "in " + device
	}
	return "between " + hopText(l.AfterTTL, l.AfterIP) + " and " + hopText(l.AtTTL, l.AtIP)
}

// how says how the place was found.
func (l Location) how() string {
	s := fmt.Sprintf("by %s", l.Method)
	if text := methodText[l.Method]; text != "" {
		s += " (" + text + ")"
	}
	s += fmt.Sprintf(", %d of %s agree", l.Votes, count(l.Rounds, "round", "rounds"))
	if l.ForwardHops > 0 {
		s += fmt.Sprintf("; %s out", count(l.ForwardHops, "hop", "hops"))
	}
	if l.ReverseHops > 0 {
		s += fmt.Sprintf("; %s back", count(l.ReverseHops, "hop", "hops"))
	}
	return s
}

func hopText(ttl int, ip netip.Addr) string {
	switch {
	case ttl == 0:
		return "this machine"
	case !ip.IsValid():
		return fmt.Sprintf("hop %d (silent)", ttl)
	}
	return fmt.Sprintf("hop %d (%s)", ttl, ip)
}

// pathTitle heads the path.
func (d Document) pathTitle() string {
	switch {
	case len(d.Path.Hops) == 0:
		return "Path: not traced"
	case d.Path.ServerTTL == 0:
		return "Path: the server did not answer"
	case d.standsIn():
		return fmt.Sprintf("Path: the server did not answer; the control address %s is hop %d", d.serverIP(), d.Path.ServerTTL)
	}
	return fmt.Sprintf("Path: the server is hop %d", d.Path.ServerTTL)
}

// cells are the columns of a hop but its name and network.
func (h Hop) cells() []string {
	address, rtt := "*", "-"
	if h.IP.IsValid() {
		address = h.IP.String()
	}
	switch {
	case h.RTTMS <= 0:
	case h.RTTMS < 9.995: // three digits, rounded
		rtt = strconv.FormatFloat(h.RTTMS, 'f', 2, 64)
	case h.RTTMS < 99.95:
		rtt = strconv.FormatFloat(h.RTTMS, 'f', 1, 64)
	default:
		rtt = strconv.FormatFloat(h.RTTMS, 'f', 0, 64)
	}
	return []string{strconv.Itoa(h.TTL), address, rtt, answer(h.Control), answer(h.Test)}
}

func answer(a traceroute.Answer) string { return cmp.Or(answerText[a], string(a)) }

// target is what was probed, in the user's words and as an address.
func (d Document) target() (input, address string) {
	if !d.Target.IP.IsValid() {
		return d.Target.Input, "not resolved"
	}
	return d.Target.Input, netip.AddrPortFrom(d.Target.IP, d.Target.Port).String()
}

func (d Document) targetText() string {
	input, address := d.target()
	return input + " (" + address + ")"
}

// share is "bad of total", verbosely with its 95 % Wilson score interval:
// a few trials say little about the share that a longer run would find.
func share(bad, total int, verbose bool) string {
	s := fmt.Sprintf("%d of %d", bad, total)
	if !verbose || total == 0 {
		return s
	}
	const z = 1.96
	n, p := float64(total), float64(bad)/float64(total)
	middle := p + z*z/(2*n)
	reach := z * math.Sqrt(p*(1-p)/n+z*z/(4*n*n))
	low, high := (middle-reach)/(1+z*z/n), (middle+reach)/(1+z*z/n)
	return fmt.Sprintf("%s (95 %% interval %.0f..%.0f %%)", s, 100*max(0, low), 100*min(1, high))
}

// join joins the parts that are not empty.
func join(sep string, parts ...string) string {
	return strings.Join(slices.DeleteFunc(parts, func(s string) bool { return s == "" }), sep)
}

func plural(n int, one, many string) string {
	if n == 1 {
		return one
	}
	return many
}

func count(n int, one, many string) string { return strconv.Itoa(n) + " " + plural(n, one, many) }
