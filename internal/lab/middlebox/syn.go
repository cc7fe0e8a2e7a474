package middlebox

import (
	"net/netip"
	"time"

	"github.com/rstprobe/rstprobe/internal/packet"
)

// SYNDropper takes out the segments that open connections: an address or port
// blocked by a null route or an access list.
type SYNDropper struct {
	Port uint16     // 0: any
	Addr netip.Addr // zero: any
}

// Handle implements Box.
func (d *SYNDropper) Handle(dir Direction, p packet.Packet) Action {
	return Action{Drop: dir == ToServer && SYNTo(d.Port, d.Addr)(p)}
}

// SYNResetter answers the segments that open connections as a closed port
// would, with RST+ACK at sequence number 0: a packet filter's "reject with
// tcp reset", which cannot be told from the server by its numbers.
type SYNResetter struct {
	Port uint16     // 0: any
	Addr netip.Addr // zero: any

	Drop  bool          // the SYN is taken out; otherwise the server answers too
	TTL   uint8         // initial; 0: 64
	Delay time.Duration // after the SYN
}

// Handle implements Box.
func (r *SYNResetter) Handle(dir Direction, p packet.Packet) Action {
	if dir != ToServer || !SYNTo(r.Port, r.Addr)(p) {
		return Action{}
	}
	f := forge(ToClient, ToServer, p, r.TTL, reset(0, end(p.TCP), true))
	return Action{Drop: r.Drop, Inject: []Injection{{Packet: f, Toward: ToClient, Delay: r.Delay}}}
}
