package explain

import (
	"net/netip"
	"slices"
	"time"

	"github.com/rstprobe/rstprobe/internal/flow"
	"github.com/rstprobe/rstprobe/internal/packet"
	"github.com/rstprobe/rstprobe/probe"
)

// maxAttempts bounds what is remembered of conversations beside those
// explained, the oldest forgotten first: some 20 MB.
const maxAttempts = 1 << 16

// attempt is one conversation as others may refer to it.
type attempt struct {
	key           packet.Key
	started, over time.Time
	n             int // number of its first packet
	opened        bool
	synacked      bool
	served        bool // the server said something
	closed        bool // both ends closed it in order
	refused       bool // the SYN drew a reset
	expired       bool // something of it expired on the way, as a path tracer's SYN does
	reset         [2]bool
	asked, got    int           // bytes of the client's and of the server's stream
	idle          time.Duration // longest pause at its end, before the reset
	stalled       bool          // broken off without FIN or RST
	next          [2]packet.Seq // behind what each side sent
	name          string
}

func summary(s *scene) attempt {
	n := len(s.segs)
	a := attempt{
		key: s.conv.Key, started: s.start(), over: s.finish(), opened: s.opened != nil, synacked: s.synack != nil,
		asked: s.bytes(client, n), got: s.bytes(server, n),
	}
	a.served = a.got > 0
	if n > 0 {
		a.n = s.segs[0].n
	}
	for _, of := range []side{client, server} {
		a.next[of], _ = s.next(of, n)
		a.reset[of] = s.last(of, n, isRST) != nil
	}
	fins := s.last(client, n, isFIN) != nil && s.last(server, n, isFIN) != nil
	a.closed = fins && !a.reset[client] && !a.reset[server]
	a.refused = a.reset[server] && !a.synacked
	a.expired = slices.ContainsFunc(s.icmp, func(e flow.Event) bool { return e.Packet.ICMP.Kind == packet.TimeExceeded })
	a.stalled = !fins && !a.reset[client] && !a.reset[server] && s.brokenOff()
	for _, r := range s.resets() {
		a.idle = max(a.idle, s.idleBefore(r))
	}
	if g := s.first(client, 0, isData); g != nil {
		_, a.name = asked(g.p.TCP.Payload)
	}
	return a
}

// sums is what the sums of a conversation tell where its events are not
// needed: it was closed in order.
func sums(c *flow.Conversation) attempt {
	a := attempt{
		key: c.Key, started: c.Start, over: c.Start.Add(c.End), n: c.First, opened: true, synacked: c.Server.SYNs > 0,
		served: c.Server.Bytes > 0, closed: true, asked: int(c.Client.Bytes), got: int(c.Server.Bytes),
	}
	a.next[client], a.next[server] = c.Client.End, c.Server.End
	return a
}

// idleBefore is the pause that a reset ended: between the last two packets
// before it more than three round trips apart, or between the last and it.
func (s *scene) idleBefore(r *seg) time.Duration {
	if r.i == 0 {
		return 0
	}
	pause := r.at - s.segs[r.i-1].at
	if r.i >= 2 {
		pause = max(pause, s.segs[r.i-1].at-s.segs[r.i-2].at)
	}
	return pause
}

// facts are what other conversations tell about one.
type facts struct {
	baselines
	attempts []attempt
	oldest   int // where the next one goes once there are maxAttempts

	byTime   []*attempt // when they began
	byKey    map[packet.Key][]*attempt
	byServer map[netip.AddrPort][]*attempt
	byClient map[netip.Addr][]*attempt
	byHost   map[netip.Addr][]*attempt
}

func newFacts() *facts {
	return &facts{baselines: newBaselines()}
}

func (f *facts) add(a attempt) {
	if len(f.attempts) < maxAttempts {
		f.attempts = append(f.attempts, a)
		return
	}
	f.attempts[f.oldest] = a
	f.oldest = (f.oldest + 1) % maxAttempts
}

// index sorts the attempts by time, once all are known, for what will be asked
// about some conversations.
func (f *facts) index(about []flow.Conversation) {
	f.byTime = make([]*attempt, len(f.attempts))
	for i := range f.attempts {
		f.byTime[i] = &f.attempts[i]
	}
	slices.SortStableFunc(f.byTime, func(a, b *attempt) int { return a.started.Compare(b.started) })
	f.byKey, f.byServer = map[packet.Key][]*attempt{}, map[netip.AddrPort][]*attempt{}
	f.byClient, f.byHost = map[netip.Addr][]*attempt{}, map[netip.Addr][]*attempt{}
	for i := range about {
		k := about[i].Key
		f.byKey[k], f.byServer[k.Remote], f.byHost[k.Remote.Addr()] = nil, nil, nil
		f.byClient[k.Local.Addr()], f.byClient[k.Remote.Addr()] = nil, nil // a server may be the client of others
	}
	for _, a := range f.byTime {
		file(f.byKey, a.key, a)
		file(f.byServer, a.key.Remote, a)
		file(f.byClient, a.key.Local.Addr(), a)
		file(f.byHost, a.key.Remote.Addr(), a)
	}
}

// file adds an attempt to a list that was asked for.
func file[K comparable](m map[K][]*attempt, k K, a *attempt) {
	if list, ok := m[k]; ok {
		m[k] = append(list, a)
	}
}

// around is how many conversations before one, and how many after it, are
// asked about it: enough for what happens at one time.
const around = 512

// tally counts the other attempts of a list, those nearest in time, that have
// a property.
func (x *matter) tally(list []*attempt, is func(*attempt) bool) (n int, first *attempt) {
	at, _ := slices.BinarySearchFunc(list, x.start(), func(a *attempt, t time.Time) int { return a.started.Compare(t) })
	for _, a := range list[max(0, at-around):min(len(list), at+around)] {
		if a.key == x.conv.Key && a.started.Equal(x.start()) || !is(a) {
			continue
		}
		n++
		if first == nil {
			first = a
		}
	}
	return n, first
}

// previous is the conversation with the same four numbers that ended last
// before this one began; nil: none.
func (x *matter) previous() *attempt {
	var best *attempt
	for _, a := range x.facts.byKey[x.conv.Key] {
		if !a.over.After(x.start()) && (best == nil || a.over.After(best.over)) && a.started.Before(x.start()) {
			best = a
		}
	}
	return best
}

// healthyWith are whole conversations with a host, or else with its prefix,
// as its other end saw them.
func (f *facts) healthyWith(a netip.Addr) []probe.Observation {
	if h := f.about(a); h != nil {
		return h.healthy
	}
	return nil
}

// near are the attempts that began within a time of another.
func (f *facts) near(at time.Time, within time.Duration) []*attempt {
	i, _ := slices.BinarySearchFunc(f.byTime, at.Add(-within), func(a *attempt, t time.Time) int { return a.started.Compare(t) })
	end := i
	for end < len(f.byTime) && !f.byTime[end].started.After(at.Add(within)) {
		end++
	}
	return f.byTime[i:end]
}
