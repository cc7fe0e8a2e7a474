package explain

import (
	"net/netip"
	"slices"
	"time"

	"github.com/rstprobe/rstprobe/probe"
)

// What is kept of a host, and of how many. Healthy conversations are what its
// resets are compared with; the rules of probe ask for five round trips.
const (
	maxHosts   = 1 << 14
	maxHealthy = 6
	maxPorts   = 64
	maxTimes   = 16
	longRecord = 200 // events; longer conversations are not kept as samples
)

// habits are what the packets of one host, or of one prefix, look like when
// nothing is wrong.
type habits struct {
	low, high uint8               // remaining TTLs; high 0: none seen
	healthy   []probe.Observation // whole conversations, seen from the other end
}

func (h *habits) ttl(t uint8) {
	if h.high == 0 {
		h.low, h.high = t, t
	}
	h.low, h.high = min(h.low, t), max(h.high, t)
}

// sample keeps a whole conversation, of its lists no more than the rules of
// probe compare: TTLs and identifications of a few packets say it all.
func (h *habits) sample(o probe.Observation) {
	const few = 2
	o.Sent = slices.Clone(o.Sent[:min(len(o.Sent), 1)])
	for _, list := range []*[]probe.Seen{&o.Data, &o.Acks, &o.FINs} {
		*list = slices.Clone((*list)[:min(len(*list), few)])
		for i := range *list {
			(*list)[i].Packet.Raw, (*list)[i].Packet.TCP.Payload = nil, nil
		}
	}
	h.healthy = append(h.healthy, o)
}

// baselines are the habits of hosts and prefixes, bounded.
type baselines struct {
	hosts    map[netip.Addr]*habits
	prefixes map[netip.Prefix]*habits
}

func newBaselines() baselines {
	return baselines{hosts: map[netip.Addr]*habits{}, prefixes: map[netip.Prefix]*habits{}}
}

// neighbourhood is the prefix whose hosts are taken to be as far away as each
// other: /24, or /48.
func neighbourhood(a netip.Addr) netip.Prefix {
	bits := 48
	if a.Is4() {
		bits = 24
	}
	p, err := a.Prefix(bits)
	if err != nil { // an address with a zone has none
		return netip.PrefixFrom(a, a.BitLen())
	}
	return p
}

func entry[K comparable](m map[K]*habits, k K) *habits {
	h := m[k]
	if h == nil && len(m) < maxHosts {
		h = &habits{}
		m[k] = h
	}
	return h
}

// learn adds what a conversation shows of its two hosts.
func (b baselines) learn(s *scene) {
	healthy := s.healthy()
	usual := func(g *seg) bool {
		switch {
		case isSYN(g):
			return g.from == server || s.opened != nil // a SYN alone may be a path tracer's
		case isData(g):
			return healthy && !s.limited[g.n]
		}
		return false
	}
	for _, of := range []side{client, server} {
		addr := s.addr(of).Addr()
		for _, h := range []*habits{entry(b.hosts, addr), entry(b.prefixes, neighbourhood(addr))} {
			if h == nil {
				continue
			}
			for i := range s.segs {
				if g := &s.segs[i]; g.from == of && usual(g) {
					h.ttl(g.p.TTL)
				}
			}
			if healthy && len(s.conv.Events) <= longRecord && len(h.healthy) < maxHealthy {
				h.sample(*s.saw(of.other()))
			}
		}
	}
}

// about is what is known of a host, or else of its prefix; nil: nothing.
func (b baselines) about(a netip.Addr) *habits {
	if h := b.hosts[a]; h != nil && len(h.healthy) > 0 {
		return h
	}
	if h := b.prefixes[neighbourhood(a)]; h != nil && len(h.healthy) > 0 {
		return h
	}
	return b.hosts[a]
}

func (s *scene) addr(of side) netip.AddrPort {
	if of == client {
		return s.conv.Key.Local
	}
	return s.conv.Key.Remote
}

// healthy reports whether a conversation went as it should: opened, both
// sides spoke, nobody reset it.
func (s *scene) healthy() bool {
	return s.synack != nil && s.opened != nil && len(s.resets()) == 0 && len(s.icmp) == 0 &&
		s.bytes(server, len(s.segs)) > 0 && s.bytes(client, len(s.segs)) > 0
}

// span is the range of remaining TTLs that a side's packets come with: what
// is known of its host, and the packets of this conversation that nobody can
// have forged without being asked, those of the handshake. Without any of
// them, all but resets.
func (x *matter) span(of side) (low, high uint8) {
	h := habits{}
	for i := range x.segs {
		if g := &x.segs[i]; g.from == of && isSYN(g) {
			h.ttl(g.p.TTL)
		}
	}
	if known := x.facts.about(x.addr(of).Addr()); known != nil && known.high > 0 {
		h.ttl(known.low)
		h.ttl(known.high)
	}
	if h.high > 0 {
		return h.low, h.high
	}
	for i := range x.segs {
		if g := &x.segs[i]; g.from == of && alive(g) {
			h.ttl(g.p.TTL)
		}
	}
	return h.low, h.high
}

// start is when a conversation began, by the wall clock.
func (s *scene) start() time.Time { return s.conv.Start }

// finish is when its last segment passed.
func (s *scene) finish() time.Time {
	if n := len(s.segs); n > 0 {
		return s.conv.Start.Add(s.segs[n-1].at)
	}
	return s.conv.Start
}
