package middlebox

import "github.com/rstprobe/rstprobe/internal/packet"

// key names the flow of a packet from the client's side, whichever way the
// packet goes.
func key(dir Direction, p packet.Packet) packet.Key {
	if dir == ToServer {
		return p.FromUs()
	}
	return p.ToUs()
}

// stand is how far both sides of a flow have got.
type stand struct {
	client, server packet.Seq // the next that each will send
	both           bool       // the server has answered too
}

// tracker follows the connections that it sees open. The zero tracker is
// ready.
type tracker struct{ flows map[packet.Key]stand }

// observe takes note of a packet that passes.
func (t *tracker) observe(dir Direction, p packet.Packet) {
	if p.Proto != packet.TCP {
		return
	}
	k, s := key(dir, p), p.TCP
	f, known := t.flows[k]
	switch {
	case dir == ToServer && opens(s):
		f = stand{client: end(s)}
	case !known || s.Flags.Has(packet.RST):
		return
	case dir == ToServer:
		if f.client.Before(end(s)) {
			f.client = end(s)
		}
	case s.Flags.Has(packet.SYN|packet.ACK) && s.Ack == f.client:
		f.server, f.both = end(s), true
	case f.both && f.server.Before(end(s)):
		f.server = end(s)
	}
	if t.flows == nil {
		t.flows = make(map[packet.Key]stand)
	}
	t.flows[k] = f
}

// of is the state of the flow that a packet belongs to; ok is false unless the
// whole opening was seen.
func (t *tracker) of(dir Direction, p packet.Packet) (f stand, ok bool) {
	f = t.flows[key(dir, p)]
	return f, f.both
}
