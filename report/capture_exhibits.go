package report

import (
	"cmp"
	"errors"
	"fmt"
	"io"
	"net/netip"
	"slices"
	"strings"
	"time"

	"github.com/rstprobe/rstprobe/internal/packet"
	"github.com/rstprobe/rstprobe/internal/wire/pcapio"
	"github.com/rstprobe/rstprobe/probe"
)

// errOnce is why a capture that came through a pipe lacks packets in a report.
var errOnce = errors.New("the capture can be read only once: write the name of a file")

// Reread reads the capture that was explained once more, from its first
// packet on until look wants no more. Packets have the numbers that the
// explanation cites; p is valid until look returns. A nil Reread says that
// the capture cannot be read twice.
type Reread func(look func(n int, at time.Time, p *packet.Packet) (more bool)) error

// reason is one thing that a packet is cited for.
type reason struct {
	role   string       // what the packet is, or of what it is evidence
	about  string       // the rest of the latter, in words
	rule   probe.RuleID // "": the packet speaks for itself
	detail string
	flow   *CaptureFlow // nil: both captures, or a sweep, say it
}

func (r reason) String() string { return join(": ", r.role, r.about, string(r.rule), r.detail) }

func (f *CaptureFlow) ends() string { return fmt.Sprintf("%s -> %s", f.Client, f.Server) }

// exhibits are the packets that an explanation cites, by number, and for what.
type exhibits map[int][]reason

// exhibits are all that c cites of its own file.
func (c *Capture) exhibits() exhibits {
	x := exhibits{}
	for i := range c.Flows {
		f := &c.Flows[i]
		for k := range f.Resets {
			r := &f.Resets[k]
			one := finding{flow: f, reset: r, Judgement: &r.Judgement}
			x.cite(f, fmt.Sprintf("reset by %s (%s), %s", r.Author, r.Confidence, one.kind()), r.Packet)
			x.cite(f, fmt.Sprintf("copy of the reset in packet %d", r.Packet), r.Copies...)
			if r.TriggerPacket > 0 {
				x.cite(f, fmt.Sprintf("drew the reset in packet %d", r.Packet), r.TriggerPacket)
			}
			x.weigh(f, one.Judgement)
		}
		if j := f.Ending; j != nil {
			x.weigh(f, j)
		}
	}
	if c.Sweep != nil {
		x.sweep(&c.Sweep.Test)
	}
	if c.BothEnds != nil {
		x.bothEnds(c.BothEnds)
	}
	return x
}

// cite notes what packets are.
func (x exhibits) cite(f *CaptureFlow, role string, packets ...int) {
	x.add(reason{role: role, flow: f}, packets)
}

func (x exhibits) add(r reason, packets []int) {
	for _, n := range packets {
		if n > 0 { // 0: not in this capture
			x[n] = append(x[n], r)
		}
	}
}

// weigh cites the evidence of a judgement.
func (x exhibits) weigh(f *CaptureFlow, j *Judgement) {
	code, title := cmp.Or(string(j.Cause), "what is unexplained"), cmp.Or(patternTitles[j.Pattern], CauseText(j.Cause))
	x.evidence(reason{role: "for " + code, about: title, flow: f}, j.Evidence)
	x.evidence(reason{role: "against " + code, about: title, flow: f}, j.Against)
}

// evidence cites the packets of items of r.
func (x exhibits) evidence(r reason, items []Evidence) {
	for _, e := range items {
		r.rule, r.detail = e.Rule, e.Detail
		x.add(r, e.Packets)
	}
}

// sweep cites what places the box.
func (x exhibits) sweep(t *Test) {
	x.evidence(reason{role: "for the verdict of the sweep", about: t.title()}, t.Evidence)
	x.evidence(reason{role: "against the verdict of the sweep", about: t.title()}, t.Against)
	if t.Location != nil {
		x.evidence(reason{role: "for the place of the box", about: t.Location.place()}, t.Location.Evidence)
	}
	for i, b := range t.Boxes {
		x.cite(nil, fmt.Sprintf("sent by box %d of the sweep", i+1), b.Packets...)
	}
}

// bothEnds cites what both captures together show, as far as the packets are
// those of the first.
func (x exhibits) bothEnds(e *BothEnds) {
	evidence := func(r reason, items []EndsEvidence) {
		for _, one := range items {
			numbers := one.Packets
			if e.Swapped {
				numbers = one.AtServer
			}
			r.rule, r.detail = one.Rule, one.Detail
			x.add(r, numbers)
		}
	}
	weigh := func(f *EndsFinding) {
		code := cmp.Or(string(f.Cause), "what is unexplained")
		evidence(reason{role: "by both captures, for " + code, about: CauseText(f.Cause)}, f.Evidence)
		evidence(reason{role: "by both captures, against " + code, about: CauseText(f.Cause)}, f.Against)
	}
	for i := range e.Pairs {
		p := &e.Pairs[i]
		for k := range p.Foreign {
			f := &p.Foreign[k]
			if (f.At == "server") == e.Swapped {
				text := fmt.Sprintf("never sent by %s, in whose name it came", f.From)
				x.cite(nil, text, f.Packet)
				x.cite(nil, fmt.Sprintf("copy of packet %d, %s", f.Packet, text), f.Copies...)
			}
			x.cite(nil, fmt.Sprintf("drew packet %d at the %s, which nobody sent", f.Packet, f.At), e.mine(f.TriggerPacket))
			weigh(&f.EndsFinding)
		}
		for k := range p.Resets {
			x.cite(nil, fmt.Sprintf("reset of the %s's own", p.Resets[k].From), e.mine(p.Resets[k].Packet))
			weigh(&p.Resets[k].EndsFinding)
		}
		if p.Silence != nil {
			weigh(p.Silence)
		}
	}
	for i := range e.Missing {
		m := &e.Missing[i]
		if !e.Swapped {
			x.cite(nil, "reset of a conversation of which the server knows nothing", m.Packet)
			x.cite(nil, "drew a reset of which the server knows nothing", m.TriggerPacket)
		}
		weigh(&m.EndsFinding)
	}
}

// conversation names the two ends of a connection, the client first.
type conversation struct{ client, server netip.AddrPort }

// ofConversation finds the explained connection that a packet belongs to, whichever end
// sent it.
func ofConversation[T any](m map[conversation]T, p *packet.Packet) (found T, byClient, ok bool) {
	src, dst := p.Src, p.Dst
	if p.ICMP.Kind != 0 {
		dst, src = p.ICMP.Quote.Src, p.ICMP.Quote.Dst // toward who sent the packet that it quotes
	}
	if found, ok = m[conversation{src, dst}]; ok {
		return found, true, true
	}
	found, ok = m[conversation{dst, src}]
	return found, false, ok
}

// handshake notices the three segments that open one connection.
type handshake struct {
	flow *CaptureFlow
	isn  [2]packet.Seq // of client and server
	seen [2]bool
	done bool
}

// is reports which segment of the handshake p is; "": none.
func (h *handshake) is(p *packet.Packet, byClient bool) string {
	s, own := p.TCP, 1
	if byClient {
		own = 0
	}
	switch {
	case p.Proto != packet.TCP || s.Flags.Has(packet.RST):
		return ""
	case s.Flags.Has(packet.SYN) && (!h.seen[own] || h.isn[own] == s.Seq):
		h.seen[own], h.isn[own] = true, s.Seq
		return "handshake: " + s.Flags.String()
	case !h.done && byClient && h.seen[1] && s.Flags.Has(packet.ACK) && !s.Flags.Has(packet.SYN):
		h.done = true
		return "handshake: the client's first acknowledgement"
	}
	return ""
}

// handshakes are those of the connections explained, oldest first of those
// with one pair of ends.
func (c *Capture) handshakes() map[conversation][]*handshake {
	m := map[conversation][]*handshake{}
	for i := range c.Flows {
		f := &c.Flows[i]
		k := conversation{f.Client, f.Server}
		m[k] = append(m[k], &handshake{flow: f})
	}
	for _, list := range m {
		slices.SortStableFunc(list, func(a, b *handshake) int { return a.flow.StartedAt.Compare(b.flow.StartedAt) })
	}
	return m
}

// begun is the last of connections, oldest first, that had begun at a time;
// nil: none had.
func begun[T any](list []*T, at time.Time, start func(*T) time.Time) *T {
	for _, one := range slices.Backward(list) {
		if !start(one).After(at) {
			return one
		}
	}
	return nil
}

// mostReasons is how many reasons a comment gives.
const mostReasons = 12

// comment says what a packet is evidence for.
func comment(file string, n int, reasons []reason) string {
	home := reasons[0].flow
	lines := []string{fmt.Sprintf("packet %d of %s", n, file)}
	if home != nil {
		lines[0] += ", " + home.ends()
	}
	for _, r := range reasons[:min(len(reasons), mostReasons)] {
		s := r.String()
		if r.flow != nil && r.flow != home {
			s += " (" + r.flow.ends() + ")"
		}
		lines = append(lines, s)
	}
	if more := len(reasons) - mostReasons; more > 0 {
		lines = append(lines, fmt.Sprintf("and %d more", more))
	}
	for i, l := range lines {
		lines[i] = clean(l, true)
	}
	return strings.Join(lines, "\n")
}

// CaptureEvidence writes the packets that c cites, and the handshakes of the
// connections it explains, as pcapng. Each has a comment with its number in
// the capture and what it is evidence for. They have the times of the
// capture, nanoseconds included (1970 where it has none), and are what was
// read: IP datagrams, link layers taken off and fragments put together.
func CaptureEvidence(w io.Writer, c Capture, reread Reread) error {
	if reread == nil {
		return fmt.Errorf("report: write evidence: %w", errOnce)
	}
	cited, openings := c.exhibits(), c.handshakes()
	out := pcapio.NewWriter(w, clean("rstprobe explain "+c.File, true)+"\n"+clean(string(c.Verdict.Outcome)+": "+c.Verdict.Summary, true))
	err := reread(func(n int, at time.Time, p *packet.Packet) bool {
		reasons := cited[n]
		if list, byClient, ok := ofConversation(openings, p); ok {
			if h := begun(list, at, func(h *handshake) time.Time { return h.flow.StartedAt }); h != nil {
				if what := h.is(p, byClient); what != "" {
					reasons = append([]reason{{role: what, flow: h.flow}}, reasons...)
				}
			}
		}
		if len(reasons) > 0 {
			if at.IsZero() {
				at = time.Unix(0, 0)
			}
			out.Add(pcapio.Frame{At: at, Raw: p.Raw, Wire: len(p.Raw) + p.TCP.Missing, Comment: comment(c.File, n, reasons)})
		}
		return n < c.Packets
	})
	if err = cmp.Or(err, out.Flush()); err != nil {
		return fmt.Errorf("report: write evidence: %w", err)
	}
	return nil
}
