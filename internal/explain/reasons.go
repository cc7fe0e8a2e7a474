package explain

import (
	"fmt"
	"time"

	"github.com/rstprobe/rstprobe/internal/packet"
	"github.com/rstprobe/rstprobe/probe"
)

// matter is one thing to explain: a reset, or how a conversation ended
// without one.
type matter struct {
	*scene
	facts    *facts
	position Position
	boxed    time.Time // when a box last ended something between the two hosts; zero: never
	r        *seg      // nil: not a reset
	d        draw
	why      reasons
}

// reasons are what speaks for a box and what for the host in whose name the
// reset came.
type reasons struct {
	forBox, forHost []probe.Evidence
	decisive        bool                  // one item for a box excludes the host by itself
	families        map[probe.Family]bool // of decisive and strong items for a box
}

// planned are the rules that compare tests with controls as somebody chose
// them. In a capture the conversations to explain are chosen for having
// failed: that others did not says nothing.
var planned = map[probe.RuleID]bool{
	"name-differs": true, "answered-and-reset": true, "never-acknowledged": true, "fails-after-test": true,
	"cut-at-volume": true, "slower-than-control": true, "acks-vanish": true, "late-reset": true, "acknowledged-then-silent": true,
	"controls-alike": true, "unknown-names-alike": true, "fails-by-count": true, "small-passes": true,
}

// rules are those of probe, by their names.
var rules = func() map[probe.RuleID]probe.Rule {
	m := map[probe.RuleID]probe.Rule{}
	for _, r := range probe.Rules() {
		m[r.ID] = r
	}
	return m
}()

// from is the side in whose name the reset came.
func (x *matter) from() side { return x.r.from }

// inName is the side in whose name a box would have spoken: that of the reset,
// or else the server.
func (x *matter) inName() side {
	if x.r == nil {
		return server
	}
	return x.from()
}

// weigh lets the rules of probe judge one reset, or the conversation's end,
// as the side saw it that it came to: the conversation is the test, whole
// conversations with the same host, or its prefix, are the controls.
func (x *matter) weigh() reasons {
	from := x.inName()
	o := *x.saw(from.other())
	if x.r != nil {
		o.Resets = x.volley(o.Resets)
	}
	all := probe.Findings{
		Kind: probe.SNI, Leading: x.facts.healthyWith(x.addr(from).Addr()), Tests: []probe.Observation{o},
	}.Reasons()
	why := reasons{families: map[probe.Family]bool{}}
	for _, e := range all.ForServer {
		if !planned[e.Rule] {
			why.forHost = append(why.forHost, e)
		}
	}
	if x.sentHere(from) {
		return why
	}
	for _, e := range all.ForBox {
		if !planned[e.Rule] {
			why.add(e, rules[e.Rule].Class, rules[e.Rule].Family)
		}
	}
	if e := x.expired(); e != nil {
		why.add(*e, probe.Decisive, probe.FamilyPath)
	}
	if e := x.bothEnds(); e != nil {
		why.add(*e, probe.Strong, probe.FamilyCount)
	}
	if e := x.denied(); e != nil {
		why.add(*e, probe.Strong, probe.FamilyStream)
	}
	return why
}

// add takes one item for a box.
func (w *reasons) add(e probe.Evidence, class probe.Class, family probe.Family) {
	w.forBox = append(w.forBox, e)
	w.decisive = w.decisive || class == probe.Decisive
	if class == probe.Decisive || class == probe.Strong {
		w.families[family] = true
	}
}

// volley are the resets that came together with the one to explain. How long
// it took is counted from the packet that drew it, where its numbers name one
// that its sender answered.
func (x *matter) volley(all []probe.Seen) []probe.Seen {
	var out []probe.Seen
	for _, s := range all {
		if s.At < x.r.at-burst || s.At > x.r.at+burst {
			continue
		}
		if x.d.by != nil && (x.d.link == bySYN || x.d.link == byEnd || x.d.link == byACK) {
			s.Delay = s.At - x.d.by.at
		}
		out = append(out, s)
	}
	return out
}

// expired: the packet that the reset acknowledges died on the way. A router
// says so.
func (x *matter) expired() *probe.Evidence {
	if x.r == nil || x.d.by == nil || x.d.link != byEnd && x.d.link != bySYN {
		return nil
	}
	for _, e := range x.icmp {
		if q := e.Packet.ICMP.Quote; e.Packet.ICMP.Kind == packet.TimeExceeded && q.Seq == x.d.by.p.TCP.Seq && q.Src == x.d.by.p.Src &&
			(!q.HasID || q.ID == x.d.by.p.ID) {
			return &probe.Evidence{
				Rule: "expired-and-reset", Supports: probe.OnPath, Decisive: true, Packets: []int{x.d.by.n, e.N, x.r.n},
				Detail: fmt.Sprintf("the packet that the reset acknowledges expired at %v, before it could reach the %v", e.Packet.Src.Addr(), x.from()),
			}
		}
	}
	return nil
}

// bothEnds: one of two resets in the same name has the host's own TTL and
// answers, a round trip later, what the other end had said, as a host does
// whose connection was ended behind its back.
func (x *matter) bothEnds() *probe.Evidence {
	if x.r == nil || !x.oddTTL(x.r) {
		return nil
	}
	for _, e := range x.resets() {
		if e.i <= x.r.i || e.from != x.r.from || e.has(packet.ACK) || x.oddTTL(e) {
			continue
		}
		if d := x.drawn(e); d.by != nil && d.link == byACK && !fasterThanPath(d.wait, x.rtt(e.from.other())) {
			return &probe.Evidence{
				Rule: "dead-at-both-ends", Supports: probe.OnOrInPath, Packets: []int{x.r.n, d.by.n, e.n},
				Detail: fmt.Sprintf("the %v's own TCP answers packet %d, %v later, as one without the connection: it was reset too, and not by its peer", e.from, d.by.n, brief(d.wait)),
			}
		}
	}
	return nil
}

// denied: one packet was answered, and denied by a reset that knows of no
// connection, at the same time: two senders use the name.
func (x *matter) denied() *probe.Evidence {
	for _, r := range x.resets() {
		if x.r != nil && x.r != r || r.has(packet.ACK) {
			continue
		}
		d := x.drawn(r)
		if d.link != byACK || !isData(d.by) || d.by.again {
			continue
		}
		answer := x.last(r.from, r.i, func(g *seg) bool {
			return g.i > d.by.i && isData(g) && g.has(packet.ACK) && !g.p.TCP.Ack.Before(d.by.end) && r.at-g.at < burst
		})
		if answer == nil || x.first(r.from.other(), answer.i, func(g *seg) bool { return g.i < r.i }) != nil {
			continue
		}
		return &probe.Evidence{
			Rule: "answered-and-denied", Supports: probe.OnOrInPath, Packets: []int{d.by.n, answer.n, r.n},
			Detail: fmt.Sprintf("packet %d answers packet %d (TTL %d), and packet %d, %v later, knows of no connection (TTL %d)", answer.n, d.by.n, answer.p.TTL, r.n, brief(r.at-answer.at), r.p.TTL),
		}
	}
	return nil
}

// ttlSlack is how far one host's packets differ by themselves (see package
// probe, ttl-differs).
const ttlSlack = 2

// oddTTL reports whether a segment's TTL lies outside the spread of its
// sender's other packets.
func (x *matter) oddTTL(g *seg) bool {
	low, high := x.span(g.from)
	slack := max(ttlSlack, int(high)-int(low))
	return high > 0 && (int(g.p.TTL) < int(low)-slack || int(g.p.TTL) > int(high)+slack)
}

// suspicion is how much speaks for a box: 0 nothing, 1 something, 2 enough to
// call it likely, 3 one item excludes the host.
func (x *matter) suspicion() int {
	n := len(x.why.families)
	if x.why.genuine() {
		n-- // one oddity beside the host's own distance and timing is the host's
	}
	switch {
	case x.why.decisive:
		return 3
	case n >= 2:
		return 2
	case n == 1:
		return 1
	}
	return 0
}

// genuine reports whether the reset looks the way this host's own do.
func (w *reasons) genuine() bool {
	for _, e := range w.forHost {
		if e.Rule == "genuine-reset" || e.Rule == "server-ttl" {
			return true
		}
	}
	return false
}

// shows reports whether a rule found something that speaks for a box.
func (w *reasons) shows(rule probe.RuleID) *probe.Evidence {
	for i := range w.forBox {
		if w.forBox[i].Rule == rule {
			return &w.forBox[i]
		}
	}
	return nil
}

// brief is a duration with three significant digits or so.
func brief(d time.Duration) time.Duration {
	switch {
	case d >= 10*time.Second:
		return d.Round(100 * time.Millisecond)
	case d >= time.Second:
		return d.Round(10 * time.Millisecond)
	case d >= time.Millisecond:
		return d.Round(100 * time.Microsecond)
	}
	return d.Round(time.Microsecond)
}
