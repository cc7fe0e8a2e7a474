package report

import (
	"fmt"
	"strings"

	"github.com/rstprobe/rstprobe/traceroute"
)

// Alteration is a field of our packets that something on the way rewrote.
type Alteration struct {
	Change traceroute.Change `json:"change"`
	After  int               `json:"after"` // the last hop that saw it as it was sent; 0: none
	TTL    int               `json:"ttl"`   // the first that saw it changed
	Quotes int               `json:"quotes"`
	Packet int               `json:"packet"` // 0: it is in the capture of the control
	Detail string            `json:"detail"`
}

func newAltered(found []traceroute.Alteration) List[Alteration] {
	out := List[Alteration]{}
	for _, a := range found {
		out = append(out, Alteration(a))
	}
	return out
}

// changeText names what was rewritten.
var changeText = map[traceroute.Change]string{
	traceroute.ServiceChange:  "TOS (DSCP and ECN)",
	traceroute.IDChange:       "IP identification",
	traceroute.LengthChange:   "packet length",
	traceroute.AddressChange:  "addresses",
	traceroute.PortChange:     "ports",
	traceroute.SequenceChange: "sequence number",
	traceroute.AckChange:      "acknowledgment number",
	traceroute.FlagsChange:    "TCP flags",
	traceroute.WindowChange:   "TCP window",
	traceroute.MSSChange:      "MSS option",
	traceroute.OptionsChange:  "TCP options",
}

// text is the sentence for a person.
func (a Alteration) text() string {
	s := fmt.Sprintf("our %s changed: %s", changeText[a.Change], a.Detail)
	if a.Packet > 0 {
		s += fmt.Sprintf(" (packet %d)", a.Packet)
	}
	if a.Quotes < 2 {
		return fmt.Sprintf("hop %d alone sees %s; it may have quoted wrongly", a.TTL, s)
	}
	s = fmt.Sprintf("hop %d and beyond see %s", a.TTL, s)
	if a.After > 0 {
		s += fmt.Sprintf("; hop %d still sees it as it was sent", a.After)
	}
	return s
}

// remarks are what else is to say about the path, one sentence each.
func (d Document) remarks() []string {
	var out, rates []string
	if d.Mode == "kernel" {
		out = append(out, "measured with ordinary sockets: numbers count what the kernel told, of which no capture exists; headers, a second reset, and all that comes behind a reset were not seen")
	}
	for _, h := range d.Path.Hops {
		if h.Answered > 0 && h.Answered < h.Sent { // a silent one is marked as such
			rates = append(rates, fmt.Sprintf("hop %d answered %d of %d control packets", h.TTL, h.Answered, h.Sent))
		}
		for _, a := range h.Altered {
			out = append(out, a.text())
		}
	}
	if len(rates) > 0 {
		out = append(out, strings.Join(rates, ", ")+": packets were lost, or the router limits its ICMP errors")
	}
	return out
}

// rerouted warns of a route that changed; "": it did not.
func (d Document) rerouted() string {
	if len(d.Rerouted) == 0 {
		return ""
	}
	return fmt.Sprintf("the route changed at %s %s during the measurement; boxes were located once more, but counts and evidence may mix both routes.",
		plural(len(d.Rerouted), "hop", "hops"), ranges(d.Rerouted))
}
