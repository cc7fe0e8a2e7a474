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
//   - the Great Firewall's newer kind, which answers with three equal RST+ACK
//     whose identification, window and addresses go together: Client, Server,
//     Count 3, ACK, DF, Looks Family.
//   - the Great Firewall on 20 August 2025, when it answered SYN/ACKs of a port
//     with three RST+ACK (GFW Report, "Analysis of the GFW's Unconditional Port
//     443 Block", 2025): Match SYNACKFrom, On ToClient, Client, Server, Follow,
//     Count 3, ACK.
type Resetter struct {
	Match          Match
	On             Direction // of the triggers; 0: ToServer
	Client, Server bool      // whom it resets

	Count int  // resets toward each end; 0: 1
	Hedge bool // the resets are at SEQ, SEQ+1460 and SEQ+4380, for data in flight; otherwise all are equal
	ACK   bool // RST+ACK rather than a bare RST; whom a SYN does not reach, or reaches as the answer to one, gets RST+ACK always
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
	Looks   []Look        // change each reset further, in this order
	Delay   time.Duration // after the trigger

	flows tracker
}

// hedges are the distances of hedged resets, in bytes: one and three full
// segments of an Ethernet path further on (Clayton et al.). Any more resets stay at the last.
var hedges = [...]int{0, 1460, 4380}

// Handle implements Box.
func (r *Resetter) Handle(dir Direction, p packet.Packet) Action {
	if !r.On.sees(dir) || p.Proto != packet.TCP || !r.Match(p) {
		r.flows.observe(dir, p)
		return Action{}
	}
	// The tracker does not count triggers: the sender's numbers stay those of
	// before the first, whatever the copies look like.
	f, ok := r.numbers(dir, p)
	if !ok {
		return Action{}
	}
	act := Action{Drop: r.Drop}
	if r.Client {
		r.inject(&act, ToClient, dir, p, f)
	}
	if r.Server {
		r.inject(&act, ToServer, dir, p, f)
	}
	return act
}

// numbers are where the two ends stand.
func (r *Resetter) numbers(dir Direction, p packet.Packet) (stand, bool) {
	switch {
	case !r.Follow:
		return r.flows.of(dir, p)
	case dir == ToServer:
		return stand{client: end(p.TCP), server: p.TCP.Ack}, true
	}
	return stand{client: p.TCP.Ack, server: end(p.TCP)}, true
}

func (r *Resetter) inject(act *Action, toward, dir Direction, trigger packet.Packet, f stand) {
	seq, ack := f.server, f.client
	if toward == ToServer {
		seq, ack = f.client, f.server
	}
	if toward == dir { // where the receiver will stand when the trigger is there, or is not
		seq = end(trigger.TCP)
		if r.Drop {
			seq = trigger.TCP.Seq
		}
	}
	withACK := r.ACK || opens(trigger.TCP) || r.Drop && trigger.TCP.Flags.Has(packet.SYN)
	for i := range max(r.Count, 1) {
		at := seq
		if r.Hedge {
			at = seq.Add(hedges[min(i, len(hedges)-1)])
		}
		ttl := r.TTL
		if r.CopyTTL {
			ttl = trigger.TTL
		}
		f := forge(toward, dir, trigger, ttl, reset(at, ack, withACK))
		f.DF = r.DF && f.HasID
		f.TCP.Window = r.Window
		if r.ID != nil && f.HasID {
			f.ID = r.ID(trigger)
		}
		for _, look := range r.Looks {
			look(&f, toward, trigger, i)
		}
		act.Inject = append(act.Inject, Injection{Packet: f, Toward: toward, Delay: r.Delay})
	}
}
