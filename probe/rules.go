package probe

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/rstprobe/rstprobe/internal/packet"
)

// A rule looks at the findings of one question for one kind of evidence.
type rule struct {
	id       RuleID
	decisive bool
	family   string // items of the same family are no independent reasons
	doc      string
	find     func(*Findings) *Evidence // nil: does not apply
}

// Families of evidence. Two strong items of different families make likely
// what one makes possible.
const (
	famPath   = "path"
	famTime   = "time"
	famTTL    = "ttl"
	famHeader = "header"
	famCount  = "count"
	famName   = "name"
	famServer = "server"
)

// rules in the order in which they are reported.
var rules = []rule{
	{"below-server-ttl", true, famPath, "a copy of the stimulus whose TTL was too small to reach the server drew a reset, a close or an answer", belowServerTTL},
	{"lost-before-server", true, famPath, "copies of the test stimulus stop drawing Time Exceeded at a router that goes on answering control copies", lostBeforeServer},
	{"router-forbids", true, famPath, "a router answers the test stimulus with an ICMP error that it does not send to a control", routerForbids},
	{"server-goes-on", true, famTime, "after a reset in its name the server sends data at or beyond the reset's own sequence number: it never sent that reset", serverGoesOn},
	{"two-answers", true, famTime, "two different answers claim the same place in the server's stream", twoAnswers},
	{"faster-than-path", true, famTime, "the reset came sooner than any packet of the server can (RFC 9293 asks for one round trip)", fasterThanPath},
	{"ahead-of-sequence", true, famPath, "a stimulus that the server's application cannot have read, since a byte before it is missing, was acted on", aheadOfSequence},
	{"same-at-control-address", true, famPath, "the test name meets the same end at an address that is known to serve any name", sameElsewhere},
	{"hedged-sequence", true, famCount, "several resets step their sequence number past bytes that the server never sent", hedgedSequence},
	{"never-acknowledged", false, famPath, "the server's TCP never acknowledged the test stimulus, whatever its application thinks of it, and acknowledged the controls", neverAcknowledged},
	{"ttl-differs", false, famTTL, "the remaining TTL lies outside the range of the server's own packets", ttlDiffers},
	{"id-echoed", false, famHeader, "the IPv4 identification repeats ours", idEchoed},
	{"window-mirrored", false, famHeader, "a reset carries the window of our own packet", windowMirrored},
	{"name-differs", false, famName, "only the test name fails; controls, a random name and no name are served", nameDiffers},
	{"answered-and-reset", false, famTime, "the server answered, and a reset came all the same", answeredAndReset},
	{"unknown-names-alike", false, famServer, "a random name, which no list can hold, meets the same end: the server refuses names that it does not know", unknownNamesAlike},
	{"controls-alike", false, famServer, "the controls meet the same end: the name makes no difference", controlsAlike},
	{"tls-alert", false, famServer, "the peer said why in a TLS alert", tlsAlert},
	{"server-ttl", false, famServer, "the ending packet arrives with the TTL of the server's own packets, no sooner than a round trip", serverTTL},
}

// serverRules speak for the server; all others for something before it.
func (r rule) forServer() bool { return r.family == famServer }

// evidence runs all rules.
func (f *Findings) evidence() (forBox, forServer []Evidence, families map[string]bool, decisive bool) {
	families = map[string]bool{}
	for _, r := range rules {
		e := r.find(f)
		if e == nil {
			continue
		}
		e.Rule, e.Decisive = r.id, r.decisive
		slices.Sort(e.Packets)
		e.Packets = slices.Compact(e.Packets)
		if e.Packets == nil {
			e.Packets = []int{}
		}
		if r.forServer() {
			e.Supports = Server
			forServer = append(forServer, *e)
			continue
		}
		families[r.family] = true
		decisive = decisive || r.decisive
		forBox = append(forBox, *e)
	}
	return forBox, forServer, families, decisive
}

// enough is the share of trials in which an item must show: two of three.
func enough(n, of int) bool { return n > 0 && 3*n >= 2*of }

func belowServerTTL(f *Findings) *Evidence {
	s := f.Sweeps
	if len(s.Hits) == 0 || s.At == 0 || s.At >= s.ServerTTL || !enough(s.Votes, s.Rounds) {
		return nil
	}
	detail := fmt.Sprintf("drawn at TTL %d and above in %d of %d sweeps; the server is at TTL %d", s.At, s.Votes, s.Rounds, s.ServerTTL)
	if s.Confirmed {
		detail += "; a single timed copy drew nothing one TTL lower and the same at this one"
	}
	if len(s.ControlHits) > 0 {
		detail += "; control copies drew it too, so the name is not what matters"
	}
	return &Evidence{Packets: s.Hits, Detail: detail}
}

func lostBeforeServer(f *Findings) *Evidence {
	s := f.Sweeps
	if len(s.Hits) > 0 || s.At == 0 || s.At >= s.ServerTTL || len(s.Control) == 0 || len(s.Passed) > 0 || !enough(s.Votes, s.Rounds) {
		return nil
	}
	return &Evidence{Packets: s.Control, Detail: fmt.Sprintf("no Time Exceeded about test copies from TTL %d on in %d of %d sweeps, %d about control copies", s.At, s.Votes, s.Rounds, len(s.Control))}
}

func routerForbids(f *Findings) *Evidence {
	var e Evidence
	n := 0
	for _, o := range f.Tests {
		for _, icmp := range o.Errors {
			if o.SYNACK != nil && o.Stimulus != nil && icmp.From() != o.SYNACK.From() {
				e.Packets = append(e.Packets, icmp.N)
				e.Detail = fmt.Sprintf("ICMP type %d code %d from %v", icmp.Packet.ICMP.Type, icmp.Packet.ICMP.Code, icmp.From())
				n++
				break
			}
		}
	}
	if !enough(n, len(f.Tests)) || count(f.controls(), func(o Observation) bool { return len(o.Errors) > 0 }) > 0 {
		return nil
	}
	return &e
}

func serverGoesOn(f *Findings) *Evidence {
	low, high := f.ttlRange()
	var e Evidence
	n := 0
	for _, o := range f.Tests {
		for _, rst := range o.Resets {
			i := slices.IndexFunc(o.Data, func(d Seen) bool {
				s := d.Packet.TCP
				return d.At > rst.At && d.Packet.TTL >= low && d.Packet.TTL <= high && !s.Seq.Before(rst.Packet.TCP.Seq)
			})
			if i >= 0 {
				e.Packets = append(e.Packets, rst.N, o.Data[i].N)
				e.Detail = fmt.Sprintf("data arrived %v after the reset, with the server's own TTL %d", (o.Data[i].At - rst.At).Round(time.Microsecond), o.Data[i].Packet.TTL)
				n++
				break
			}
		}
	}
	if !enough(n, len(f.Tests)) {
		return nil
	}
	return &e
}

func twoAnswers(f *Findings) *Evidence {
	var e Evidence
	n := 0
	for _, o := range f.Tests {
		if a, b, ok := conflicting(o.Data); ok {
			e.Packets = append(e.Packets, a.N, b.N)
			e.Detail = fmt.Sprintf("the same sequence numbers arrive with different bytes, TTL %d and TTL %d", a.Packet.TTL, b.Packet.TTL)
			n++
		} else if a, b, ok := dataAfterFIN(o); ok {
			e.Packets = append(e.Packets, a.N, b.N)
			e.Detail = fmt.Sprintf("data arrives at a sequence number that a FIN (TTL %d) had closed (TTL %d)", a.Packet.TTL, b.Packet.TTL)
			n++
		}
	}
	if !enough(n, len(f.Tests)) {
		return nil
	}
	return &e
}

// conflicting finds two segments that give different bytes to the same
// sequence number.
func conflicting(data []Seen) (a, b Seen, ok bool) {
	for i, x := range data {
		for _, y := range data[i+1:] {
			from := max(0, y.Packet.TCP.Seq.Sub(x.Packet.TCP.Seq))
			back := max(0, x.Packet.TCP.Seq.Sub(y.Packet.TCP.Seq))
			n := min(len(x.Packet.TCP.Payload)-from, len(y.Packet.TCP.Payload)-back)
			if n > 0 && string(x.Packet.TCP.Payload[from:from+n]) != string(y.Packet.TCP.Payload[back:back+n]) {
				return x, y, true
			}
		}
	}
	return a, b, false
}

// dataAfterFIN finds data beyond the sequence number of a FIN.
func dataAfterFIN(o Observation) (fin, data Seen, ok bool) {
	for _, f := range o.FINs {
		end := f.Packet.TCP.Seq.Add(f.Packet.TCP.Len())
		for _, d := range o.Data {
			if end.Before(d.Packet.TCP.Seq.Add(len(d.Packet.TCP.Payload))) {
				return f, d, true
			}
		}
	}
	return fin, data, false
}

// Below minLight our own scheduling is of the size of the round trip itself.
const minLight = 5 * time.Millisecond

func fasterThanPath(f *Findings) *Evidence {
	rtt, n := minRTT(f.all())
	if n < 5 || rtt < minLight {
		return nil
	}
	limit := rtt * 7 / 10
	var e Evidence
	hits := 0
	for _, o := range f.Tests {
		for _, rst := range o.Resets {
			if rst.Delay < limit {
				e.Packets = append(e.Packets, rst.N)
				e.Detail = fmt.Sprintf("%v after the stimulus; the fastest of %d round trips took %v", rst.Delay.Round(10*time.Microsecond), n, rtt.Round(10*time.Microsecond))
				hits++
				break
			}
		}
	}
	if !enough(hits, len(f.Tests)) {
		return nil
	}
	return &e
}

func aheadOfSequence(f *Findings) *Evidence {
	var e Evidence
	n := 0
	for _, o := range f.Gap {
		for _, seen := range slices.Concat(o.Resets, o.FINs, o.Data) {
			e.Packets = append(e.Packets, seen.N)
			e.Detail = fmt.Sprintf("answered %v after it was sent, one byte ahead of sequence (TTL %d)", seen.Delay.Round(time.Microsecond), seen.Packet.TTL)
			n++
			break
		}
	}
	if !enough(n, len(f.Gap)) {
		return nil
	}
	return &e
}

func sameElsewhere(f *Findings) *Evidence {
	outcome, _ := most(f.Tests)
	same := count(f.Elsewhere, func(o Observation) bool { return o.Outcome == outcome })
	if outcome == OK || !enough(same, len(f.Elsewhere)) || len(f.ElsewhereControl) == 0 ||
		count(f.ElsewhereControl, worked) < len(f.ElsewhereControl) {
		return nil
	}
	return &Evidence{Detail: fmt.Sprintf("%s in %d of %d trials at the control address, where the control name is served", outcome, same, len(f.Elsewhere))}
}

func hedgedSequence(f *Findings) *Evidence {
	var e Evidence
	n := 0
	for _, o := range f.Tests {
		if len(o.Resets) < 2 {
			continue
		}
		first, last := o.Resets[0].Packet.TCP.Seq, o.Resets[len(o.Resets)-1].Packet.TCP.Seq
		// A step of 500 bytes or more is a guess at the window: a reset
		// repeated by a host follows what it sent.
		if last.Sub(first) >= 500 && !sentUpTo(o.Data, last) {
			for _, r := range o.Resets {
				e.Packets = append(e.Packets, r.N)
			}
			e.Detail = fmt.Sprintf("%d resets, sequence numbers up to %d bytes apart, and no data of the server between them", len(o.Resets), last.Sub(first))
			n++
		}
	}
	if !enough(n, len(f.Tests)) {
		return nil
	}
	return &e
}

func sentUpTo(data []Seen, seq packet.Seq) bool {
	return slices.ContainsFunc(data, func(d Seen) bool {
		return !d.Packet.TCP.Seq.Add(len(d.Packet.TCP.Payload)).Before(seq)
	})
}

func neverAcknowledged(f *Findings) *Evidence {
	n := count(f.Tests, func(o Observation) bool { return o.Outcome == Drop && o.Stage == StageData })
	if !enough(n, len(f.Tests)) || !f.served() {
		return nil
	}
	return &Evidence{Detail: fmt.Sprintf("not acknowledged in %d of %d trials, each sent again; controls were answered", n, len(f.Tests))}
}

// ttlSlack is how far TTLs of one host's packets are seen to differ behind
// load balancers; larger natural differences exist (4 in a public capture),
// so that a deviation alone proves nothing.
const ttlSlack = 2

func ttlDiffers(f *Findings) *Evidence {
	low, high := f.ttlRange()
	if high == 0 {
		return nil
	}
	var e Evidence
	n := 0
	for _, o := range f.Tests {
		for _, seen := range slices.Concat(o.Resets, o.FINs, o.Data) {
			ttl := seen.Packet.TTL
			if int(ttl) < int(low)-ttlSlack || int(ttl) > int(high)+ttlSlack {
				e.Packets = append(e.Packets, seen.N)
				e.Detail = fmt.Sprintf("TTL %d; the server's packets arrive with %s", ttl, span(low, high))
				n++
				break
			}
		}
	}
	if !enough(n, len(f.Tests)) {
		return nil
	}
	return &e
}

func span(low, high uint8) string {
	if low == high {
		return fmt.Sprint(low)
	}
	return fmt.Sprintf("%d to %d", low, high)
}

func idEchoed(f *Findings) *Evidence {
	return headerOddity(f, func(o Observation, rst packet.Packet) string {
		ours := o.Stimulus
		if ours != nil && rst.HasID && rst.ID != 0 && (rst.ID == ours.Packet.ID || rst.ID == ours.Packet.ID+1) {
			return fmt.Sprintf("identification %d, ours was %d", rst.ID, ours.Packet.ID)
		}
		return ""
	})
}

func windowMirrored(f *Findings) *Evidence {
	return headerOddity(f, func(o Observation, rst packet.Packet) string {
		ours := o.Stimulus
		if ours != nil && rst.TCP.Window != 0 && rst.TCP.Window == ours.Packet.TCP.Window {
			return fmt.Sprintf("window %d, as in our packet", rst.TCP.Window)
		}
		return ""
	})
}

func headerOddity(f *Findings, odd func(Observation, packet.Packet) string) *Evidence {
	var e Evidence
	n := 0
	for _, o := range f.Tests {
		for _, rst := range o.Resets {
			if detail := odd(o, rst.Packet); detail != "" {
				e.Packets, e.Detail = append(e.Packets, rst.N), detail
				n++
				break
			}
		}
	}
	if !enough(n, len(f.Tests)) {
		return nil
	}
	return &e
}

func nameDiffers(f *Findings) *Evidence {
	outcome, _ := most(f.Tests)
	if !f.served() || !enough(f.Failed(), len(f.Tests)) || len(f.Random) == 0 || count(f.Random, worked) < len(f.Random) {
		return nil
	}
	names := []string{fmt.Sprintf("controls %d of %d", count(f.controls(), worked), len(f.controls())), fmt.Sprintf("a random name %d of %d", count(f.Random, worked), len(f.Random))}
	if len(f.NoName) > 0 {
		names = append(names, fmt.Sprintf("no name %d of %d", count(f.NoName, worked), len(f.NoName)))
	}
	return &Evidence{Detail: fmt.Sprintf("%s %d of %d; served: %s", outcome, f.Failed(), len(f.Tests), strings.Join(names, ", "))}
}

func answeredAndReset(f *Findings) *Evidence {
	both := func(o Observation) bool { return len(o.Data) > 0 && len(o.Resets) > 0 }
	if !enough(count(f.Tests, both), len(f.Tests)) || count(f.controls(), both) > 0 {
		return nil
	}
	var e Evidence
	for _, o := range f.Tests {
		if both(o) {
			e.Packets = append(e.Packets, o.Data[0].N, o.Resets[0].N)
		}
	}
	e.Detail = "controls are answered and not reset"
	return &e
}

func unknownNamesAlike(f *Findings) *Evidence {
	outcome, _ := most(f.Tests)
	alike := count(f.Random, func(o Observation) bool { return o.Outcome == outcome })
	if outcome == OK || !enough(alike, len(f.Random)) {
		return nil
	}
	return &Evidence{Detail: fmt.Sprintf("%s for a random name in %d of %d trials", outcome, alike, len(f.Random))}
}

func controlsAlike(f *Findings) *Evidence {
	outcome, _ := most(f.Tests)
	alike := count(f.Leading, func(o Observation) bool { return o.Outcome == outcome })
	if outcome == OK || !enough(alike, len(f.Leading)) {
		return nil
	}
	return &Evidence{Detail: fmt.Sprintf("%s in %d of %d controls before the test name was sent", outcome, alike, len(f.Leading))}
}

func tlsAlert(f *Findings) *Evidence {
	var e Evidence
	for _, o := range f.Tests {
		if o.Outcome == Alert && len(o.Data) > 0 {
			e.Packets = append(e.Packets, o.Data[0].N)
			e.Detail = o.Reply.String()
		}
	}
	if !enough(len(e.Packets), len(f.Tests)) {
		return nil
	}
	return &e
}

func serverTTL(f *Findings) *Evidence {
	low, high := f.ttlRange()
	rtt, _ := minRTT(f.all())
	var e Evidence
	n := 0
	for _, o := range f.Tests {
		endings := slices.Concat(o.Resets, o.FINs)
		if len(endings) == 0 {
			continue
		}
		first := endings[0]
		if first.Packet.TTL < low || first.Packet.TTL > high || first.Delay < rtt*7/10 {
			return nil // one that does not fit is enough
		}
		e.Packets = append(e.Packets, first.N)
		e.Detail = fmt.Sprintf("TTL %s, a round trip or more after the stimulus", span(low, high))
		n++
	}
	if !enough(n, len(f.Tests)) {
		return nil
	}
	return &e
}
