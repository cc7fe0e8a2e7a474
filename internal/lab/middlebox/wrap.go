package middlebox

import "github.com/rstprobe/rstprobe/internal/packet"

// Flagged hands a flow over to its Box once a trigger has passed. The trigger
// itself and all before it pass unseen, a new connection on the same ports
// begins unflagged. Around a Cut it is the Russian TSPU's SNI-II, around a
// Policer its throttling of 2021, around a Rewriter its SNI-I (Xue et al.,
// "TSPU: Russia's Decentralized Censorship System", IMC 2022).
type Flagged struct {
	Trigger Match // of packets to the server
	Box     Box

	flows flows[bool]
}

// Handle implements Box.
func (f *Flagged) Handle(dir Direction, p packet.Packet) Action {
	if p.Proto != packet.TCP {
		return Action{}
	}
	flagged := f.flows.of(dir, p)
	if *flagged {
		return f.Box.Handle(dir, p)
	}
	*flagged = dir == ToServer && f.Trigger(p)
	return Action{}
}

// AfterHandshake hides from its Box the flows whose opening SYN it has not
// seen pass: a box that follows connections, as most do that keep state (Wang
// et al., "Your State is Not Mine", IMC 2017).
type AfterHandshake struct {
	Box Box

	open flows[bool]
}

// Handle implements Box.
func (a *AfterHandshake) Handle(dir Direction, p packet.Packet) Action {
	if p.Proto != packet.TCP {
		return Action{}
	}
	open := a.open.of(dir, p)
	*open = *open || dir == ToServer && opens(p.TCP)
	if !*open {
		return Action{}
	}
	return a.Box.Handle(dir, p)
}

// OnRetransmission tells the first copy of the client's data from the second:
// segments with data at a sequence number not yet seen go to First, those that
// begin where an earlier one began, and all that has no data, to Box. First nil
// lets them pass: a box that is too slow for the first. First a Dropper, Box a
// Resetter: one that swallows the request and resets its retransmission.
type OnRetransmission struct {
	First Box
	Box   Box

	seen flows[map[packet.Seq]bool]
}

// Handle implements Box.
func (o *OnRetransmission) Handle(dir Direction, p packet.Packet) Action {
	if p.Proto != packet.TCP {
		return Action{}
	}
	seen := o.seen.of(dir, p)
	if dir == ToClient || len(p.TCP.Payload) == 0 || (*seen)[p.TCP.Seq] {
		return o.Box.Handle(dir, p)
	}
	if *seen == nil {
		*seen = make(map[packet.Seq]bool)
	}
	(*seen)[p.TCP.Seq] = true
	if o.First == nil {
		return Action{}
	}
	return o.First.Handle(dir, p)
}

// Sometimes shows its Box a share of the flows, always the same ones for the
// same Seed: one of several machines behind a load balancer, or an overloaded
// one (Ensafi et al., "Analyzing the Great Firewall of China Over Space and
// Time", PETS 2015).
type Sometimes struct {
	Box   Box
	Share float64 // of the flows, by both addresses and ports; 0 … 1
	Seed  uint64
}

// Handle implements Box.
func (s *Sometimes) Handle(dir Direction, p packet.Packet) Action {
	if k := key(dir, p); Lot(s.Seed, k.Local, k.Remote) >= s.Share {
		return Action{}
	}
	return s.Box.Handle(dir, p)
}

// OneWay shows its Box the packets of one direction alone, as a router does
// that only the way there or the way back leads through.
type OneWay struct {
	Box  Box
	Only Direction
}

// Handle implements Box.
func (o *OneWay) Handle(dir Direction, p packet.Packet) Action {
	if dir != o.Only {
		return Action{}
	}
	return o.Box.Handle(dir, p)
}
