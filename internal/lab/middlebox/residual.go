package middlebox

import (
	"net/netip"
	"time"

	"github.com/rstprobe/rstprobe/internal/packet"
)

// Residual makes a box remember: for a while after it has acted, another box
// handles what the client sends to the same place. Residual blocking by
// addresses and port, or by the whole flow, was measured for China, Iran and
// Kazakhstan (Bock et al., "Your Censor is My Censor", WOOT 2021). What is
// blocked stays out of Box's sight.
type Residual struct {
	Box
	During Box           // handles packets of what is blocked, in place of Box
	For    time.Duration // from the last time that Box acted
	Flow   bool          // blocks the client's port too (four-tuple); otherwise any port of the client (three-tuple)
	Extend bool          // every packet of the client's that is blocked starts the time anew

	until map[packet.Key]time.Time
}

// Handle implements Box.
func (r *Residual) Handle(dir Direction, p packet.Packet) Action {
	k := key(dir, p)
	if !r.Flow {
		k.Local = netip.AddrPortFrom(k.Local.Addr(), 0)
	}
	now := time.Now()
	if now.Before(r.until[k]) {
		if r.Extend && dir == ToServer {
			r.until[k] = now.Add(r.For)
		}
		return r.During.Handle(dir, p)
	}
	act := r.Box.Handle(dir, p)
	if act.Drop || len(act.Inject) > 0 {
		if r.until == nil {
			r.until = make(map[packet.Key]time.Time)
		}
		r.until[k] = now.Add(r.For)
	}
	return act
}
