package twoends

import (
	"fmt"
	"time"

	"github.com/rstprobe/rstprobe/internal/packet"
	"github.com/rstprobe/rstprobe/probe"
)

// The rules of evidence that two captures add to those of package probe.
const (
	ruleNeverSent probe.RuleID = "never-sent"             // D4 of the method: seen here, never sent there
	ruleWentOn    probe.RuleID = "sender-went-on"         // its supposed sender sent other things later
	ruleBothEnds  probe.RuleID = "both-ends"              // the other end got one as well
	ruleTTL       probe.RuleID = "ttl-unlike-sender"      // TTL of none of the sender's packets that arrived
	ruleID        probe.RuleID = "id-unlike-sender"       // an identification that breaks the sender's law
	ruleSameID    probe.RuleID = "same-id-at-both-ends"   // one author for the packets to both ends
	ruleTooFast   probe.RuleID = "faster-than-path"       // no answer of the other end could be here yet
	ruleReplaced  probe.RuleID = "replaced-in-place"      // with the identification of a packet that was taken out
	ruleArrived   probe.RuleID = "trigger-arrived"        // the trigger went on to the other end
	ruleTaken     probe.RuleID = "trigger-taken"          // it did not
	ruleMissed    probe.RuleID = "capture-missed"         // the capture is known to have missed packets
	ruleSentHere  probe.RuleID = "sent-by-host"           // it left the host itself
	ruleGear      probe.RuleID = "ttl-unlike-host"        // it passed the capture with a TTL unlike the host's
	ruleAfterKill probe.RuleID = "after-earlier-reset"    // the connection was dead when the packet came that drew it
	ruleSelective probe.RuleID = "others-arrived"         // other packets of the same sender arrived meanwhile
	ruleAbsent    probe.RuleID = "conversation-not-there" // the other capture holds others with this server, not this one
)

// evidence makes an item about packets of either capture.
func evidence(rule probe.RuleID, a probe.Author, decisive bool, detail string, about ...*seg) Evidence {
	e := Evidence{Evidence: probe.Evidence{Rule: rule, Supports: a, Decisive: decisive, Detail: detail}}
	for _, g := range about {
		switch {
		case g == nil || g.n == 0:
		case g.in == Client:
			e.Packets = insert(e.Packets, g.n)
		default:
			e.AtServer = insert(e.AtServer, g.n)
		}
	}
	return e
}

// insert puts a number into an ascending list, once.
func insert(list []int, n int) []int {
	i := 0
	for i < len(list) && list[i] < n {
		i++
	}
	if i < len(list) && list[i] == n {
		return list
	}
	return append(list[:i:i], append([]int{n}, list[i:]...)...)
}

// called is a packet as a reader of the captures finds it.
func called(g *seg) string { return fmt.Sprintf("packet %d (%v's capture)", g.n, g.in) }

func calledZH(g *seg) string { return fmt.Sprintf("%s抓包第 %d 号包", endZH(g.in), g.n) }

func endZH(e End) string {
	if e == Client {
		return "客户端"
	}
	return "服务器"
}

// what names a packet by what it does.
func what(g *seg) string {
	switch {
	case g.has(packet.RST):
		return "reset"
	case g.has(packet.SYN | packet.ACK):
		return "SYN/ACK"
	case g.has(packet.SYN):
		return "SYN"
	case g.size > 0:
		return "data"
	case g.has(packet.FIN):
		return "FIN"
	}
	return "acknowledgment"
}

func whatZH(g *seg) string {
	switch w := what(g); w {
	case "reset":
		return "RST"
	case "data":
		return "数据包"
	case "acknowledgment":
		return "ACK"
	default:
		return w
	}
}

// String words a distance with its limits.
func (d *Distance) String() string {
	by := "taking the initial TTL for " + d.Initial.String()
	if d.Both {
		by = fmt.Sprintf("initial TTL %v from both ends", d.Initial)
	}
	return fmt.Sprintf("%v of %d routers from the client (%s), if packets are sent where they are read", d.FromClient, d.Path, by)
}

// String is one number, or two with a dash.
func (s Span) String() string {
	if s.Low == s.High {
		return fmt.Sprint(s.Low)
	}
	return fmt.Sprintf("%d–%d", s.Low, s.High)
}

// brief rounds a time for reading.
func brief(d time.Duration) time.Duration {
	if d.Abs() >= 10*time.Millisecond {
		return d.Round(time.Millisecond)
	}
	return d.Round(10 * time.Microsecond)
}
