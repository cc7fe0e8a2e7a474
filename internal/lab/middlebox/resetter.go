package middlebox

import (
	"time"

	"github.com/rstprobe/rstprobe/internal/packet"
)

// Resetter ends a connection with forged resets when it sees a trigger. It
// imitates, by its fields:
//
//   - the Great Firewall of China: on-path, to both ends, three hedged
//     RST+ACK (Clayton, Murdoch and Watson, "Ignoring the Great Firewall of
//     China", PET 2006): Client, Server, Count 3, Hedge, ACK.
//   - the kernel packet filter's "reject with tcp reset": in-path, one bare
//     RST to the client at the trigger's acknowledgment number (Linux
//     nf_reject_ipv4.c): Client, Drop, Follow, DF.
//   - Comcast's traffic management of 2007: on-path, to both ends (EFF, "Packet
//     Forgery By ISPs", 2007): Client, Server.
type Resetter struct {
	Match          Match
	Client, Server bool // whom it resets

	Count int  // resets toward each end; 0: 1
	Hedge bool // the resets are at SEQ, SEQ+1460 and SEQ+4380, for data in flight
	ACK   bool // RST+ACK rather than a bare RST; an opening segment is always answered with RST+ACK
	Drop  bool // the trigger is taken out (in-path) rather than copied (on-path)

	// Follow takes the sequence numbers from the trigger. Without it the box
	// follows the connection from its opening and uses its own numbers: it
	// does not act where it missed the opening, and what it forges tells
	// nothing about which copy of a trigger it saw.
	Follow bool

	TTL     uint8         // initial; 0: 64
	CopyTTL bool          // the TTL is that of the trigger at the box instead
	ID      IDLaw         // nil: zero
	DF      bool          // IPv4 "don't fragment"
	Window  uint16        // in the window field
	Delay   time.Duration // after the trigger

	flows tracker
}

// hedges are the distances of hedged resets, in bytes: one and three full
// segments of an Ethernet path further on (Clayton et al.). Any more resets stay at the last.
var hedges = [...]int{0, 1460, 4380}

// Handle implements Box.
func (r *Resetter) Handle(dir Direction, p packet.Packet) Action {
	if dir != ToServer || !r.Match(p) {
		r.flows.observe(dir, p)
		return Action{}
	}
	// The tracker does not count triggers: the client's numbers stay those of
	// before the first, whatever the copies look like.
	f, ok := r.numbers(p)
	if !ok {
		return Action{}
	}
	act := Action{Drop: r.Drop}
	if r.Client {
		r.inject(&act, ToClient, p, f.server, f.client)
	}
	if r.Server {
		next := end(p.TCP) // where the server will stand when the trigger is there
		if r.Drop {
			next = p.TCP.Seq
		}
		r.inject(&act, ToServer, p, next, f.server)
	}
	return act
}

// numbers are where the two ends stand: what the client expects next and has
// sent.
func (r *Resetter) numbers(p packet.Packet) (stand, bool) {
	if r.Follow {
		return stand{client: end(p.TCP), server: p.TCP.Ack}, true
	}
	return r.flows.of(p)
}

func (r *Resetter) inject(act *Action, toward Direction, trigger packet.Packet, seq, ack packet.Seq) {
	for i := range max(r.Count, 1) {
		at := seq
		if r.Hedge {
			at = seq.Add(hedges[min(i, len(hedges)-1)])
		}
		ttl := r.TTL
		if r.CopyTTL {
			ttl = trigger.TTL
		}
		f := forge(toward, trigger, ttl, reset(at, ack, r.ACK || opens(trigger.TCP)))
		f.DF = r.DF && f.HasID
		f.TCP.Window = r.Window
		if r.ID != nil && f.HasID {
			f.ID = r.ID(trigger)
		}
		act.Inject = append(act.Inject, Injection{Packet: f, Toward: toward, Delay: r.Delay})
	}
}
