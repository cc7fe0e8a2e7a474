package middlebox

import (
	"net/netip"
	"time"

	"github.com/rstprobe/rstprobe/internal/packet"
)

// BlackHole drops everything to an address, whatever the protocol: a null
// route, as announced on request of the network under attack (RFC 7999) or of
// a censor.
type BlackHole struct{ Addr netip.Addr }

// Handle implements Box.
func (b BlackHole) Handle(dir Direction, p packet.Packet) Action {
	return Action{Drop: dir == ToServer && p.Dst.Addr() == b.Addr}
}

// Outage drops everything, both ways, for some time: a link that goes down and
// comes up again.
type Outage struct {
	After, For time.Duration // the first since the first packet

	began time.Time
}

// Handle implements Box.
func (o *Outage) Handle(Direction, packet.Packet) Action {
	if o.began.IsZero() {
		o.began = time.Now()
	}
	since := time.Since(o.began) - o.After
	return Action{Drop: since >= 0 && since < o.For}
}

// MTU drops what does not fit the next link: datagrams longer than Size. It
// fragments nothing, whether it may or not. Without an address to report from
// it is the path MTU black hole of RFC 2923 §2.1.
type MTU struct {
	Size   int        // bytes, from the IP header
	On     Direction  // that it limits; 0: both
	Router netip.Addr // from which it tells the client (RFC 1191 §4, RFC 4443 §3.2); invalid: silent
}

// Handle implements Box.
func (m MTU) Handle(dir Direction, p packet.Packet) Action {
	if m.On != 0 && m.On != dir || len(p.Raw) <= m.Size {
		return Action{}
	}
	act := Action{Drop: true}
	if m.Router.IsValid() {
		toward := ToClient
		if dir == ToClient {
			toward = ToServer
		}
		act.Inject = []Injection{{Packet: m.report(p), Toward: toward}}
	}
	return act
}

// report is the ICMP error about a datagram. It panics if Size is none or
// Router of the other family.
func (m MTU) report(p packet.Packet) packet.Packet {
	raw, err := packet.BuildTooBig(m.Router, m.Size, p.Raw, quoted)
	if err != nil {
		panic(err)
	}
	return parse(raw)
}

// quoted is how many bytes an ICMP error of a box repeats (RFC 4884 §5.1).
const quoted = 128

// parse reads what was built here, or parsed before.
func parse(raw []byte) packet.Packet {
	p, err := packet.Parse(raw)
	if err != nil {
		panic(err)
	}
	return p
}
