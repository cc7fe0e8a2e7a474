package explain

import (
	"runtime"
	"slices"
	"sync"
	"time"

	"github.com/rstprobe/rstprobe/internal/explain/join"
	"github.com/rstprobe/rstprobe/internal/flow"
	"github.com/rstprobe/rstprobe/internal/packet"
	"github.com/rstprobe/rstprobe/probe"
)

// DefaultMaxFlows is how many conversations are explained where no limit is
// given.
const DefaultMaxFlows = 10000

// Explainer takes conversations as they end and explains them once all are
// known: what a host usually does shows in those before and after. The zero
// value is not usable; see New. It keeps in detail only conversations with
// something to explain, and of those no more than its limit.
type Explainer struct {
	max      int
	facts    *facts
	reader   reader
	kept     []flow.Conversation   // read again when all are known: their events take a quarter of what reading makes of them
	asked    func(packet.Key) bool // what is explained; nil: everything
	seen     int
	answered int // of those seen: the server sent something
	omitted  int
	where    votes
	cut      bool
	reasons  join.Reasons
	sockets  join.Sockets
}

// New is an explainer that explains at most maxFlows conversations; 0:
// DefaultMaxFlows. Those beyond are counted.
func New(maxFlows int) *Explainer {
	if maxFlows == 0 {
		maxFlows = DefaultMaxFlows
	}
	return &Explainer{max: maxFlows, facts: newFacts(), where: votes{}}
}

// Only limits what is explained, and counted, to the conversations that are
// asked for by their key, whose Local is the client. The others still tell
// what hosts usually do. Call it before the first conversation comes.
func (e *Explainer) Only(asked func(packet.Key) bool) { e.asked = asked }

// Cut says that the capture could not be read to its end: what seems to have
// broken off may have gone on.
func (e *Explainer) Cut() { e.cut = true }

// count counts a conversation, and reports whether it was asked for.
func (e *Explainer) count(k packet.Key, answered bool) bool {
	if e.asked != nil && !e.asked(k) {
		return false
	}
	e.seen++
	if answered {
		e.answered++
	}
	return true
}

// Add takes one conversation.
func (e *Explainer) Add(c flow.Conversation) {
	s := e.reader.read(&c)
	if len(s.segs) == 0 {
		return
	}
	asked := e.count(c.Key, s.first(server, 0, any1) != nil)
	e.facts.learn(s)
	e.where[e.facts.place(s)]++
	e.facts.add(summary(s))
	switch {
	case !asked, !s.notable():
	case len(e.kept) >= e.max:
		e.omitted++
	default:
		e.kept = append(e.kept, c)
	}
}

// Wants reports whether the events of a conversation are needed, from its
// sums alone, for flow.Config.Want: those of one that was closed in order are
// not, once enough like it are known. It then counts as seen, and Add must not
// be called with it.
func (e *Explainer) Wants(c *flow.Conversation) bool {
	for _, of := range []struct {
		flow.Side
		host *habits
	}{{c.Client, e.facts.hosts[c.Key.Local.Addr()]}, {c.Server, e.facts.hosts[c.Key.Remote.Addr()]}} {
		sent := of.End.Sub(of.ISN) // SYN and FIN take a number each
		switch {
		case of.Resets > 0, of.FINs == 0, of.SYNs == 0, c.ICMP > 0:
			return true
		case of.Bytes > int64(sent):
			return true // something was sent twice, or two things in one place
		case of.host == nil || len(of.host.healthy) < maxHealthy:
			return true
		}
	}
	e.count(c.Key, true)
	e.facts.add(sums(c))
	return false
}

// notable reports whether there is anything to explain.
func (s *scene) notable() bool {
	if len(s.resets()) > 0 || s.brokenOff() {
		return true
	}
	for i := range s.icmp {
		if s.icmp[i].Packet.ICMP.Kind == packet.Unreachable {
			return true
		}
	}
	x := &matter{scene: s}
	return s.contested() || loss(x) != nil || oneDirection(x) != nil
}

// contested reports whether something besides the server may have spoken in
// its name: there is data for a place that was filled before, or behind a
// FIN, or the FIN comes from another distance than the SYN/ACK.
func (s *scene) contested() bool {
	var closed *seg
	for i := range s.segs {
		g := &s.segs[i]
		switch {
		case g.from != server || g.has(packet.RST):
		case isFIN(g) && s.oddFIN(g), isData(g) && closed != nil && closed.end.Before(g.end):
			return true
		case isData(g) && g.again && s.first(server, 0, func(o *seg) bool { return conflicts(o, g) }) != nil:
			return true
		case isFIN(g):
			closed = g
		}
	}
	return false
}

// conflicts reports whether two segments begin at one place with different
// bytes.
func conflicts(a, b *seg) bool {
	n := min(len(a.p.TCP.Payload), len(b.p.TCP.Payload))
	return a.i < b.i && a.p.TCP.Seq == b.p.TCP.Seq && n > 0 && string(a.p.TCP.Payload[:n]) != string(b.p.TCP.Payload[:n])
}

// brokenOff reports whether a conversation ended with something outstanding:
// a SYN, data or FIN that was not acknowledged, a request without an answer,
// or a handshake without a request. A connection that is merely idle did not
// break off.
func (s *scene) brokenOff() bool {
	n := len(s.segs)
	fins := s.last(client, n, isFIN) != nil && s.last(server, n, isFIN) != nil
	if fins || !s.silent(server) {
		return false
	}
	if s.saw(client).Short > 0 {
		return true // in the middle of an answer that announced its length
	}
	least := 1
	if s.syn == nil {
		least = 2 // of the tail of a conversation a capture may just miss the end
	}
	if len(s.run(client, n)) >= least || len(s.run(server, n)) >= least {
		return true
	}
	request := s.last(client, n, isData)
	if s.syn == nil {
		return false
	}
	if request == nil {
		return s.opened != nil && s.bytes(server, n) == 0
	}
	return s.first(server, request.i, func(g *seg) bool { return isData(g) || isFIN(g) }) == nil
}

// Finish explains what was kept.
func (e *Explainer) Finish() Report {
	e.facts.index(e.kept)
	rep := Report{Position: e.where.winner(), Conversations: e.seen, Omitted: e.omitted, Flows: []Flow{}}
	slices.SortStableFunc(e.kept, func(a, b flow.Conversation) int { return a.Start.Compare(b.Start) })
	for _, f := range e.each(rep.Position) {
		if f != nil {
			rep.Flows = append(rep.Flows, *f)
		}
	}
	e.join(rep.Flows) // first: what a host owns up to confirms no box
	confirm(rep.Flows)
	rep.Verdict = e.verdict(rep)
	return rep
}

// each explains what was kept, one conversation each; nil: there is nothing to
// say about it. What a box did between two hosts matters to what comes later
// between them, but not to others, so that pairs of hosts are explained side
// by side.
func (e *Explainer) each(at Position) []*Flow {
	pairs := map[packet.Key][]int{}
	for i := range e.kept {
		k := pair(e.kept[i].Key)
		pairs[k] = append(pairs[k], i)
	}
	work := make(chan []int, len(pairs))
	for _, list := range pairs {
		work <- list
	}
	close(work)
	flows := make([]*Flow, len(e.kept))
	var wg sync.WaitGroup
	for range runtime.GOMAXPROCS(0) {
		wg.Go(func() {
			var rd reader
			for list := range work {
				var boxed time.Time
				for _, i := range list {
					s := rd.read(&e.kept[i])
					f := e.explain(s, at, &boxed)
					if len(f.Resets) > 0 || f.Ending.Cause != "" || s.brokenOff() {
						flows[i] = &f
					}
				}
			}
		})
	}
	wg.Wait()
	return flows
}

// pair is the key of all conversations of the client's host with the server.
func pair(k packet.Key) packet.Key {
	k.Local = portless(k.Local)
	return k
}

// explain explains one conversation. It keeps account of when a box last
// ended something between the two hosts.
func (e *Explainer) explain(s *scene, at Position, boxed *time.Time) Flow {
	own := e.facts.place(s)
	if own == UnknownPosition {
		own = at
	}
	f := Flow{
		Client: s.addr(client), Server: s.addr(server), Guessed: s.conv.Guessed, Start: s.start(), Position: own,
		Outcome: s.saw(client).Outcome, Stage: s.saw(client).Stage, Signature: s.signatures(), Trigger: probe.TriggerNone,
		Resets: []Reset{}, Artefact: s.artefact(),
	}
	for _, r := range s.resets() {
		x := &matter{scene: s, facts: e.facts, position: own, boxed: *boxed, r: r, d: s.drawn(r)}
		x.why = x.weigh()
		res := x.reset()
		f.Resets = append(f.Resets, res)
		if at := x.start().Add(r.at); res.byBox() && at.After(*boxed) {
			*boxed = at
		}
	}
	x := &matter{scene: s, facts: e.facts, position: own, boxed: *boxed}
	if s.contested() {
		x.why = x.weigh()
	}
	f.Ending, _ = x.judge()
	f.Trigger, f.Name = e.trigger(s)
	return f
}

// reset explains one reset.
func (x *matter) reset() Reset {
	r := Reset{
		Packet: x.r.n, Copies: x.r.copies, From: x.addr(x.from()), Toward: x.addr(x.from().other()),
		Link: string(x.d.link), Wait: x.d.wait, TTL: x.r.p.TTL, Hops: hops(x.r.p.TTL),
	}
	if x.d.by != nil {
		r.TriggerPacket = x.d.by.n
	}
	if low, high := x.span(x.from()); high > 0 {
		r.SenderTTL, r.SenderHops = low, hops(low)
	}
	r.Judgement, _ = x.judge()
	return r
}

// byBox reports whether a box ended something, likely at least.
func (j *Judgement) byBox() bool {
	return blamesBox(j.Author) && rank(j.Confidence) >= rank(probe.Likely)
}

// trigger is what the packet had to say that drew the first reset, or else
// the client's last words: before it had any, its SYN. Where the same name was
// served in another conversation, it is not the name: something in the request
// itself.
func (e *Explainer) trigger(s *scene) (probe.Trigger, string) {
	t := s.last(client, len(s.segs), isData)
	if t == nil && s.synack == nil {
		t = s.syn
	}
	if rs := s.resets(); len(rs) > 0 {
		x := &matter{scene: s, r: rs[0]}
		if t = s.drawn(rs[0]).by; t != nil && t.has(packet.SYN) && x.knowsMore() {
			t = nil
		}
	}
	switch {
	case t == nil:
		return probe.TriggerUnknown, ""
	case t.has(packet.SYN):
		return probe.TriggerSYN, ""
	}
	what, name := asked(t.p.TCP.Payload)
	if what == probe.TriggerHost {
		x := &matter{scene: s, facts: e.facts}
		n, _ := x.tally(e.facts.byHost[s.addr(server).Addr()], func(a *attempt) bool {
			return a.name == name && a.served && !a.reset[server] && !a.reset[client]
		})
		if n > 0 {
			what = probe.TriggerPath
		}
	}
	return what, name
}

// artefact words what about the capture may mislead.
func (s *scene) artefact() string {
	copies, merged := 0, 0
	for i := range s.segs {
		copies += len(s.segs[i].copies)
		if s.segs[i].data() > merged {
			merged = s.segs[i].data()
		}
	}
	const mostMSS = 9000 // of jumbo frames
	switch {
	case copies > 0:
		return "some packets are in the capture more than once; copies were left out"
	case merged > mostMSS:
		return "segments were merged or not yet cut when they were captured (offload): sizes and gaps are not those of the wire"
	case s.count(client, len(s.segs), any1) == 0 || s.count(server, len(s.segs), any1) == 0 && s.acknowledging(client):
		return "one direction only"
	}
	return ""
}

// acknowledging reports whether a side acknowledged anything.
func (s *scene) acknowledging(of side) bool {
	return s.first(of, 0, func(g *seg) bool { return g.plainACK() }) != nil
}

// confirm raises decisive findings to proof where three conversations with
// one server show the same cause: once may be chance.
func confirm(flows []Flow) {
	const trials = 3
	type key struct {
		server string
		cause  probe.Cause
	}
	times := map[key]int{}
	each := func(f *Flow, do func(key, *Reset)) {
		for i := range f.Resets {
			if r := &f.Resets[i]; blamesBox(r.Author) && r.Confidence == probe.Likely && decisive(r.Evidence[1:]) && !decisive(r.Against) {
				do(key{f.Server.String(), r.Cause}, r)
				return // one vote per conversation
			}
		}
	}
	for i := range flows {
		each(&flows[i], func(k key, _ *Reset) { times[k]++ })
	}
	for i := range flows {
		each(&flows[i], func(k key, r *Reset) {
			if times[k] >= trials {
				r.Confidence = lower(probe.Proved, ceiling(r.Pattern))
			}
		})
	}
}

func decisive(list []probe.Evidence) bool {
	return slices.ContainsFunc(list, func(e probe.Evidence) bool { return e.Decisive })
}

// ceiling is the most that the row of a pattern can show.
func ceiling(pattern string) probe.Confidence {
	i := slices.IndexFunc(causes, func(c Cause) bool { return c.Pattern == pattern })
	return causes[i].Ceiling
}
