package report

import (
	"cmp"
	"fmt"
	"net/netip"
	"slices"
	"strings"
	"time"

	"github.com/rstprobe/rstprobe/internal/packet"
	"github.com/rstprobe/rstprobe/probe"
)

// How much is drawn. What is left out is said.
const (
	maxLadders = 50 // of one capture
	maxRungs   = 24 // packets of one ladder
	maxCited   = 16 // of them, cited ones
	opening    = 4  // packets at the beginning of a connection that are drawn in any case
	around     = 2  // packets before and behind one that is cited
)

// ladder is a conversation, packet by packet, between the lines of its ends.
type ladder struct {
	client, server netip.AddrPort
	places         int    // lines: 2, or 3 with the path between both captures
	rungs          []rung // by time
	more           int    // cited packets that are not drawn
	cited          []note // what those that are drawn are evidence for
}

// rung is one packet.
type rung struct {
	packet   string        // its number, or numbers
	at, till time.Duration // since the first: when it left, and arrived where that is known
	right    bool          // toward the server
	from, to float64       // places where it begins and ends: 0 the client, 1 the server
	label    string        // flags, numbers, lengths and TTL
	mark     string        // why it is no genuine packet; "": nothing says so
	dashed   bool          // nobody is known to have sent or received it
	note     int           // of the list below the ladder, from 1; 0: it is not cited
	reasons  []reason
	skipped  int // packets before it that are not drawn
	index    int // among the packets of the conversation
	weight   int // by which some are drawn and some not, the most important 0
}

// handshakeLen is how many packets open a connection.
const handshakeLen = 3

// The words for a packet that an end did not send, or never got.
const (
	forgedMark  = "FORGED"
	suspectMark = "FORGED?"
	lostMark    = "LOST"
	routerMark  = "ICMP"
)

// Places between the lines of the ends, and how many lines there are.
const (
	clientPlace = 0.0
	middle      = 0.5
	serverPlace = 1.0
	twoPlaces   = 2
	threePlaces = 3
)

// sketch is a ladder while a capture is read again.
type sketch struct {
	ladder
	flow    *CaptureFlow
	cited   map[int]int // the weight of each packet to draw, the most important 0
	reasons exhibits
	marks   map[int]string // packets that are forged, by number
	suspect string         // mark of the first answer of the server that is cited; "": none
	left    int            // cited packets yet to come
	recent  []rung         // the last packets that are not drawn
	trail   int            // packets yet to draw behind the last cited one
	seen    int            // packets of the conversation
	numbers numbering
	start   time.Time
}

// ladders draws the conversations of findings, in their order, as far as a
// second reading of the capture shows them.
func (c *Capture) ladders(told []finding, reread Reread) (map[*CaptureFlow]*ladder, error) {
	out := map[*CaptureFlow]*ladder{}
	if reread == nil {
		return out, nil
	}
	byEnds := map[conversation][]*sketch{}
	cited := c.exhibits()
	for _, f := range told {
		if out[f.flow] != nil || len(out) == maxLadders {
			continue
		}
		s := newSketch(f.flow, cited)
		out[f.flow] = &s.ladder
		k := conversation{f.flow.Client, f.flow.Server}
		byEnds[k] = append(byEnds[k], s)
	}
	open := len(out)
	for _, list := range byEnds {
		slices.SortStableFunc(list, func(a, b *sketch) int { return a.flow.StartedAt.Compare(b.flow.StartedAt) })
	}
	err := reread(func(n int, at time.Time, p *packet.Packet) bool {
		list, byClient, ok := ofConversation(byEnds, p)
		if !ok {
			return open > 0 && n < c.Packets
		}
		s := begun(list, at, func(s *sketch) time.Time { return s.flow.StartedAt })
		if i := slices.IndexFunc(list, func(s *sketch) bool { _, ok := s.cited[n]; return ok }); i >= 0 {
			s = list[i]
		}
		if s != nil && !s.done() {
			if s.look(n, at, p, byClient); s.done() {
				open--
			}
		}
		return open > 0 && n < c.Packets
	})
	if err != nil {
		return nil, fmt.Errorf("report: draw conversations: %w", err)
	}
	for _, list := range byEnds {
		for _, s := range list {
			s.finish()
		}
	}
	return out, nil
}

// newSketch decides which packets of a conversation are drawn.
func newSketch(f *CaptureFlow, all exhibits) *sketch {
	s := &sketch{
		ladder: ladder{client: f.Client, server: f.Server, places: twoPlaces},
		flow:   f, cited: map[int]int{}, reasons: all, marks: map[int]string{},
	}
	cite := func(weight int, numbers ...int) {
		for _, n := range numbers {
			if _, ok := s.cited[n]; ok || n == 0 {
				continue
			}
			if len(s.cited) == maxCited {
				s.more++
				continue
			}
			s.cited[n] = weight
		}
	}
	const main, support, other = 0, 1, 2
	for i := range f.Resets {
		r := &f.Resets[i]
		cite(main, r.Packet, r.TriggerPacket)
		if mark := forgery(&r.Judgement); mark != "" {
			for _, n := range append([]int{r.Packet}, r.Copies...) {
				s.marks[n] = mark
			}
		}
	}
	judgements := []*Judgement{}
	for i := range f.Resets {
		judgements = append(judgements, &f.Resets[i].Judgement)
	}
	if f.Ending != nil {
		judgements = append(judgements, f.Ending)
		if p := f.Ending.Pattern; p == "forged-answer" || p == "forged-fin" {
			s.suspect = forgery(f.Ending)
		}
	}
	for _, j := range judgements {
		for _, e := range j.Evidence {
			cite(support, e.Packets...)
		}
		for _, e := range j.Against {
			cite(other, e.Packets...)
		}
	}
	s.left = len(s.cited)
	return s
}

// forgery is how sure it is that a packet is a box's; "": nothing says so.
func forgery(j *Judgement) string {
	switch {
	case j.Author != probe.OnPath && j.Author != probe.InPath && j.Author != probe.OnOrInPath:
		return ""
	case degree(j.Confidence) >= degree(probe.Likely):
		return forgedMark
	}
	return suspectMark
}

func (s *sketch) done() bool { return s.left == 0 && s.trail == 0 && s.seen >= opening }

// look takes one packet of the conversation.
func (s *sketch) look(n int, at time.Time, p *packet.Packet, byClient bool) {
	if s.seen == 0 {
		s.start = at
	}
	r := s.rung(n, at, p, byClient)
	r.index = s.seen
	s.seen++
	weight, cited := s.cited[n]
	switch {
	case cited:
		r.weight = weight
	case r.index < handshakeLen:
		r.weight = maxCited
	default:
		r.weight = maxCited + 1
	}
	switch {
	case cited:
		s.rungs = append(append(s.rungs, s.recent...), r)
		s.recent, s.trail = s.recent[:0], around
		s.left--
	case r.index < opening:
		s.rungs = append(s.rungs, r)
	case s.trail > 0:
		s.rungs = append(s.rungs, r)
		s.trail--
	default:
		if len(s.recent) == around {
			s.recent = s.recent[1:]
		}
		s.recent = append(s.recent, r)
	}
}

// rung is the drawing of one packet.
func (s *sketch) rung(n int, at time.Time, p *packet.Packet, byClient bool) rung {
	r := rung{packet: fmt.Sprintf("#%d", n), at: at.Sub(s.start), right: byClient, from: serverPlace, to: clientPlace, mark: s.marks[n]}
	r.till = r.at
	if byClient {
		r.from, r.to = clientPlace, serverPlace
	}
	if p.ICMP.Kind != 0 {
		r.from, r.mark, r.dashed = middle, routerMark, true
		r.label = icmpLabel(p.ICMP.Type, p.ICMP.Code, p.Src.Addr())
	} else {
		r.label = s.label(p, byClient)
	}
	if _, ok := s.cited[n]; ok {
		for _, why := range s.reasons[n] {
			if why.flow == s.flow || why.flow == nil {
				r.reasons = append(r.reasons, why)
			}
		}
		if s.suspect != "" && !byClient && r.mark == "" && !p.TCP.Flags.Has(packet.SYN) {
			r.mark, s.suspect = s.suspect, ""
		}
	}
	if r.mark != "" {
		r.from, r.dashed = middle, true
	}
	return r
}

// label tells a segment as tcpdump does, its numbers from the first that was
// seen of that end on.
func (s *sketch) label(p *packet.Packet, byClient bool) string {
	seq, ack := s.numbers.of(p.TCP, byClient)
	return segmentLabel(p.TCP.Flags.String(), seq, ack, p.TCP.Size(), p.TTL)
}

// finish keeps the most important rungs and numbers those that are cited.
func (l *ladder) finish() {
	if len(l.rungs) > maxRungs {
		slices.SortStableFunc(l.rungs, func(a, b rung) int { return cmp.Compare(a.weight, b.weight) })
		for _, r := range l.rungs[maxRungs:] {
			if len(r.reasons) > 0 {
				l.more++
			}
		}
		l.rungs = l.rungs[:maxRungs]
		slices.SortFunc(l.rungs, func(a, b rung) int { return cmp.Compare(a.index, b.index) })
	}
	next := 0
	for i := range l.rungs {
		r := &l.rungs[i]
		r.skipped, next = r.index-next, r.index+1
		if len(r.reasons) == 0 {
			continue
		}
		why := r.why()
		at := slices.IndexFunc(l.cited, func(n note) bool { return n.why == why })
		if at < 0 {
			at = len(l.cited)
			l.cited = append(l.cited, note{why: why})
		}
		r.note = at + 1
		l.cited[at].packets = append(l.cited[at].packets, strings.TrimPrefix(r.packet, "#"))
	}
}
