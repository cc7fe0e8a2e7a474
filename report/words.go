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

// outcomeText says what happened; behind the word itself.
var outcomeText = map[probe.Outcome]string{
	probe.OK:               "answered like the control",
	probe.Reset:            "a TCP reset ended the connection",
	probe.Fin:              "the connection was closed without an answer",
	probe.Drop:             "a packet of ours was never acknowledged",
	probe.Stall:            "acknowledged, then silence",
	probe.InjectedResponse: "another answer came than the server's own",
	probe.Alert:            "a TLS alert refused it",
	probe.Refused:          "a reset answered our SYN",
	probe.Unreachable:      "an ICMP error says that the target cannot be reached",
	probe.Inconclusive:     "too few trials, or they do not agree",
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
	outcome := join(": ", fmt.Sprintf("%s at stage %s, trigger %s", t.Outcome, t.Stage, t.Trigger), outcomeText[t.Outcome])
	if t.Outcome == probe.OK {
		outcome = "ok, like the control"
	}
	out := []field{{"outcome", []string{outcome}}}
	if t.Outcome != probe.OK {
		out = append(out,
			field{"author", []string{join(": ", string(t.Author), authorText[t.Author])}},
			field{"cause", []string{cmp.Or(join(": ", string(t.Cause), CauseText(t.Cause)), "none named")}})
	}
	out = append(out, field{"confidence", []string{fmt.Sprintf("%s; bad: test %s, control %s", t.Confidence,
		share(t.Counts.TestBad, t.Counts.TestTotal, verbose),
		share(t.Counts.ControlBad, t.Counts.ControlTotal, verbose))}})
	if l := t.Location; l != nil {
		items := []string{l.place()}
		if network := l.Network.text(); network != "" {
			items = append(items, "in the network of "+network)
		}
		items = append(append(items, l.how()), evidenceItems(l.Evidence, verbose)...)
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
			s += " (" + plural(len(e.Packets), "packet", "packets") + " " + ranges(e.Packets) + ")"
		}
		if verbose {
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
	}
	return fmt.Sprintf("Path: the server is hop %d", d.Path.ServerTTL)
}

// cells are the columns of a hop but its note.
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

// note is what else is known about a hop.
func (h Hop) note() string {
	return join(" ", h.number(), h.Country, h.Name, h.ASOwner)
}

// settings says how the result came about.
func (d Document) settings(verbose bool) string {
	s := fmt.Sprintf("rstprobe %s, mode %s, started %s, took %s ms", d.Version, d.Mode,
		d.StartedAt.Format("2006-01-02T15:04:05.000Z07:00"), strconv.FormatFloat(d.DurationMS, 'f', -1, 64))
	if d.WaitedMS > 0 {
		s += fmt.Sprintf(" (%s s or %.0f %% of it waiting for blocks to end)", seconds(d.WaitedMS), 100*d.WaitShare)
	}
	s += fmt.Sprintf(", %s sent", count(d.PacketsSent, "packet", "packets"))
	if d.PacketsDropped > 0 {
		s += fmt.Sprintf(", %s DROPPED by our own kernel (confidence is lower)", count(d.PacketsDropped, "answer", "answers"))
	}
	if d.SourceIP.IsValid() {
		s += ", from " + d.SourceIP.String()
	}
	if d.Redacted != nil {
		s += ", REDACTED: stand-ins of 192.0.2.0/24 or 2001:db8::/32 for our address"
		if n := *d.Redacted; n > 0 {
			s += fmt.Sprintf(" and the first %s", count(n, "hop", "hops"))
		}
	}
	if verbose {
		s += ", run " + d.RunID
	}
	return s
}

// target is what was probed, in the user's words and as an address.
func (d Document) target() string {
	if !d.Target.IP.IsValid() {
		return d.Target.Input + " (not resolved)"
	}
	return fmt.Sprintf("%s (%s)", d.Target.Input, netip.AddrPortFrom(d.Target.IP, d.Target.Port))
}

// command asks the same questions again.
func (d Document) command() string {
	words := []string{"rstprobe", d.Target.Input}
	names := map[probe.Kind][]string{}
	for _, t := range d.Tests {
		names[t.Kind] = append(names[t.Kind], t.Name)
	}
	if _, ok := names[probe.SYN]; ok {
		words = append(words, "--syn")
	}
	for _, k := range []probe.Kind{probe.SNI, probe.Host} {
		if n := names[k]; len(n) > 0 {
			words = append(words, "--"+string(k)+"="+strings.Join(n, ","))
		}
	}
	for i, w := range words {
		words[i] = quote(w)
	}
	return strings.Join(words, " ")
}

// quote quotes a word for a POSIX shell where it has to be.
func quote(s string) string {
	plain := func(r rune) bool {
		return r >= 'a' && r <= 'z' || r >= 'A' && r <= 'Z' || r >= '0' && r <= '9' || strings.ContainsRune("-_.,:/@%+=", r)
	}
	if s != "" && strings.TrimFunc(s, plain) == "" {
		return s
	}
	return "'" + strings.ReplaceAll(s, "'", `'\''`) + "'"
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

// ranges writes ascending numbers as 1-3, 7.
func ranges(numbers []int) string {
	var b strings.Builder
	for i := 0; i < len(numbers); {
		j := i + 1
		for j < len(numbers) && numbers[j] == numbers[j-1]+1 {
			j++
		}
		if i > 0 {
			b.WriteString(", ")
		}
		b.WriteString(strconv.Itoa(numbers[i]))
		if j > i+1 {
			b.WriteString("-" + strconv.Itoa(numbers[j-1]))
		}
		i = j
	}
	return b.String()
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
