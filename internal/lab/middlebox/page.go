package middlebox

import (
	"time"

	"github.com/rstprobe/rstprobe/internal/packet"
	"github.com/rstprobe/rstprobe/internal/payload"
)

// BlockPage answers a request in the server's name with a web page and the
// end of the connection, in one segment. It imitates the boxes of Indian
// providers, "wiretap" ones on-path and "interceptive" ones in-path, some of
// which send a reset after the page (Yadav et al., "Where The Light Gets In",
// IMC 2018). A trigger that is no HTTP request gets the same bytes.
type BlockPage struct {
	Match Match
	Body  string // of the page, at most 1200 bytes, so that it fits one segment

	Drop    bool          // the request is taken out
	ThenRST bool          // a bare RST follows, right after the page's FIN
	TTL     uint8         // initial; 0: 64
	Delay   time.Duration // after the trigger
}

// Handle implements Box.
func (b *BlockPage) Handle(dir Direction, p packet.Packet) Action {
	if dir != ToServer || !b.Match(p) {
		return Action{}
	}
	page := packet.Segment{
		Seq: p.TCP.Ack, Ack: end(p.TCP), Window: p.TCP.Window,
		Flags:   packet.PSH | packet.ACK | packet.FIN,
		Payload: payload.BlockPage(200, b.Body),
	}
	act := Action{Drop: b.Drop, Inject: []Injection{{Packet: forge(ToClient, ToServer, p, b.TTL, page), Toward: ToClient, Delay: b.Delay}}}
	if b.ThenRST {
		rst := forge(ToClient, ToServer, p, b.TTL, reset(end(page), 0, false))
		act.Inject = append(act.Inject, Injection{Packet: rst, Toward: ToClient, Delay: b.Delay})
	}
	return act
}

// FinInjector closes the connection toward the client in the server's name,
// without a word: FIN+ACK and no data, as a box does that shuts a connection
// down gracefully where others reset it.
type FinInjector struct {
	Match Match

	Drop  bool          // the trigger is taken out
	TTL   uint8         // initial; 0: 64
	Delay time.Duration // after the trigger
}

// Handle implements Box.
func (b *FinInjector) Handle(dir Direction, p packet.Packet) Action {
	if dir != ToServer || !b.Match(p) {
		return Action{}
	}
	fin := packet.Segment{Seq: p.TCP.Ack, Ack: end(p.TCP), Window: p.TCP.Window, Flags: packet.FIN | packet.ACK}
	return Action{Drop: b.Drop, Inject: []Injection{{Packet: forge(ToClient, ToServer, p, b.TTL, fin), Toward: ToClient, Delay: b.Delay}}}
}

// Impostor takes the request out and says something in the server's stead, with
// the TTL that the server's own packets have when they pass, and leaves the
// connection open: what a man in the middle begins with.
type Impostor struct {
	Match Match
	Says  func(request []byte) []byte

	ttl flows[uint8]
}

// Handle implements Box.
func (b *Impostor) Handle(dir Direction, p packet.Packet) Action {
	if p.Proto != packet.TCP {
		return Action{}
	}
	ttl := b.ttl.of(dir, p)
	if dir == ToClient {
		*ttl = p.TTL - 1 // the router that it stands in counts what passes, and not what is made there
	}
	if dir == ToClient || !b.Match(p) {
		return Action{}
	}
	answer := packet.Segment{Seq: p.TCP.Ack, Ack: end(p.TCP), Window: p.TCP.Window, Flags: packet.PSH | packet.ACK, Payload: b.Says(p.TCP.Payload)}
	return Action{Drop: true, Inject: []Injection{{Packet: forge(ToClient, ToServer, p, *ttl, answer), Toward: ToClient}}}
}
