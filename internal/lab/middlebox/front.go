package middlebox

import (
	"math/rand/v2"
	"net/netip"
	"time"

	"github.com/rstprobe/rstprobe/internal/packet"
)

// Front is the gear that stands in front of a server and belongs to it: a load
// balancer, a host firewall, another stack. It says how the server's packets
// look, and which connections get through. All of it is genuine. The labs put
// it between the last router and the server.
type Front struct {
	// Initial TTLs; 0: as the server sends it, 64. Load balancers are seen to
	// send SYN/ACKs and resets with 102 where the data has the server's.
	TTL, SynAckTTL, ResetTTL uint8
	AbortTTL                 uint8 // of resets with the ACK flag, where what stands in front ends connections itself; 0: as other resets
	NoDF                     bool  // without IPv4's "don't fragment"
	IDs                      IDs   // IPv4 identifications

	// Overflow is the share of connections that are reset as their handshake
	// completes, with a bare RST at the sequence number that the client
	// acknowledges: a full accept queue under Linux's tcp_abort_on_overflow.
	// 0 … 1; which ones follows Seed and their order.
	Overflow float64

	// Limit is how many connections of one address get through; 0: all.
	// What is beyond is refused for LimitFor from the first that is, and then
	// counting begins anew; 0: for good.
	Limit    int
	LimitFor time.Duration
	Refusal  Refusal

	Seed uint64 // of what is random here

	ids     idState
	opened  int
	clients map[netip.Addr]*visits
	fates   flows[fate]
}

// Refusal is how connections beyond the limit are refused.
type Refusal uint8

// The refusals.
const (
	RefuseSYN    Refusal = iota // RST+ACK answers the SYN: a rate limit of a host firewall
	RefuseSilent                // everything of the client's is dropped, on whichever connection: an anti-scan ban
	RefuseData                  // the handshake is completed, the first data draws RST+ACK: a busy proxy
)

// visits are the connections of one address.
type visits struct {
	count int
	since time.Time // of the first that was refused; zero: none was
}

// fate is what becomes of a connection.
type fate struct {
	iss      packet.Seq
	known    bool
	refused  bool
	overflow bool
}

// Handle implements Box.
func (f *Front) Handle(dir Direction, p packet.Packet) Action {
	if p.Proto != packet.TCP {
		return Action{}
	}
	if dir == ToClient {
		p = f.dress(p)
		return Action{Instead: &p}
	}
	act := f.admit(p)
	for i, inj := range act.Inject {
		if inj.Toward == ToClient {
			act.Inject[i].Packet = f.dress(inj.Packet)
		}
	}
	return act
}

// admit decides over a packet of the client's.
func (f *Front) admit(p packet.Packet) Action {
	s := p.TCP
	if opens(s) {
		f.visit(p)
	}
	if v := f.clients[p.Src.Addr()]; f.Refusal == RefuseSilent && v != nil && f.banned(v) {
		return Action{Drop: true}
	}
	t := f.fates.known[p.FromUs()]
	switch {
	case t == nil:
	case t.refused && opens(s) && f.Refusal == RefuseSYN:
		return f.refuse(p, reset(0, end(s), true))
	case t.refused && f.Refusal == RefuseData && len(s.Payload) > 0:
		t.refused = false // by now the server knows no such connection itself
		return f.refuse(p, reset(s.Ack, end(s), true))
	case t.overflow && s.Flags&(packet.SYN|packet.ACK|packet.RST) == packet.ACK:
		t.overflow = false
		return f.refuse(p, reset(s.Ack, 0, false))
	}
	return Action{}
}

// visit counts a connection, once, and settles its fate.
func (f *Front) visit(p packet.Packet) {
	if t := f.fates.known[p.FromUs()]; t != nil && t.known && t.iss == p.TCP.Seq {
		return // the SYN again
	}
	t := f.fates.of(ToServer, p)
	t.iss, t.known = p.TCP.Seq, true
	t.overflow = fraction(f.Seed<<32|uint64(f.opened)+1) < f.Overflow //nolint:gosec // a count
	f.opened++
	if f.Limit == 0 {
		return
	}
	v := f.clients[p.Src.Addr()]
	if v == nil {
		v = new(visits)
		if f.clients == nil {
			f.clients = make(map[netip.Addr]*visits)
		}
		f.clients[p.Src.Addr()] = v
	}
	if !v.since.IsZero() && !f.banned(v) {
		*v = visits{}
	}
	v.count++
	if v.count > f.Limit {
		t.refused = true
		if v.since.IsZero() {
			v.since = time.Now()
		}
	}
}

// banned reports whether an address is refused now.
func (f *Front) banned(v *visits) bool {
	return !v.since.IsZero() && (f.LimitFor == 0 || time.Since(v.since) < f.LimitFor)
}

// refuse answers the client's packet with a reset and ends the connection
// toward the server.
func (f *Front) refuse(p packet.Packet, s packet.Segment) Action {
	rst := forge(ToClient, ToServer, p, 0, s)
	rst.DF = rst.HasID
	act := Action{Drop: true, Inject: []Injection{{Packet: rst, Toward: ToClient}}}
	if !opens(p.TCP) {
		act.Inject = append(act.Inject, Injection{
			Packet: forge(ToServer, ToServer, p, 0, reset(p.TCP.Seq, 0, false)), Toward: ToServer,
		})
	}
	return act
}

// dress gives a packet to the client its look.
func (f *Front) dress(p packet.Packet) packet.Packet {
	switch {
	case p.TCP.Flags.Has(packet.RST|packet.ACK) && f.AbortTTL != 0:
		p.TTL = f.AbortTTL
	case p.TCP.Flags.Has(packet.RST) && f.ResetTTL != 0:
		p.TTL = f.ResetTTL
	case p.TCP.Flags.Has(packet.SYN) && f.SynAckTTL != 0:
		p.TTL = f.SynAckTTL
	case f.TTL != 0:
		p.TTL = f.TTL
	}
	if p.HasID {
		p.DF = p.DF && !f.NoDF
		p.ID = f.ids.next(f.IDs, f.Seed, p)
	}
	return p
}

// IDs is a law of IPv4 identifications, which RFC 6864 §4.1 leaves open for
// datagrams that are not fragmented (Salutari, Cicalese and Rossi, "A Closer
// Look at IP-ID Behavior in the Wild", PAM 2018).
type IDs uint8

// The laws.
const (
	IDsAsSent  IDs = iota // as the server sends them: Linux, zero without a connection and counting within one
	IDsZero               // always zero
	IDsGlobal             // one counter for everything, as Windows has long had
	IDsPerFlow            // a counter for each connection, its resets included
	IDsRandom             // as the BSDs
)

// idState is where the counters stand.
type idState struct {
	global uint16
	flows  map[packet.Key]uint16
	rng    *rand.Rand
}

// next is the identification of a packet to the client.
func (s *idState) next(law IDs, seed uint64, p packet.Packet) uint16 {
	switch law {
	case IDsAsSent:
		return p.ID
	case IDsZero:
		return 0
	case IDsGlobal:
		s.global++
		return uint16(seed) + s.global //nolint:gosec // where the counter starts
	case IDsPerFlow:
		k := p.ToUs()
		id, ok := s.flows[k]
		if !ok {
			id = uint16(Lot(seed, k.Local, k.Remote) * (1 << 16))
		}
		if s.flows == nil {
			s.flows = make(map[packet.Key]uint16)
		}
		s.flows[k] = id + 1
		return id
	case IDsRandom:
		if s.rng == nil {
			s.rng = rand.New(rand.NewPCG(seed, 5)) //nolint:gosec // must be repeatable
		}
		return uint16(s.rng.Uint32()) //nolint:gosec // any
	}
	return p.ID
}
