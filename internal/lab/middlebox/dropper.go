package middlebox

import "github.com/rstprobe/rstprobe/internal/packet"

// Dropper takes out triggers and says nothing. With Flow it imitates Iran's
// protocol filter, which also drops all that follows on the connection (Bock
// et al., "Detecting and Evading Censorship-in-Depth: A Case Study of Iran's
// Protocol Filter", FOCI 2020); without, a packet filter's drop rule.
type Dropper struct {
	Match Match
	On    Direction // of the triggers; 0: ToServer
	Flow  bool      // after a trigger, everything on its connection, both ways

	dead map[packet.Key]bool
}

// Handle implements Box. A SYN that is no trigger begins a new connection.
func (d *Dropper) Handle(dir Direction, p packet.Packet) Action {
	k := key(dir, p)
	switch {
	case p.Proto != packet.TCP:
		return Action{}
	case d.On.sees(dir) && d.Match(p):
		if d.Flow {
			if d.dead == nil {
				d.dead = make(map[packet.Key]bool)
			}
			d.dead[k] = true
		}
		return Action{Drop: true}
	case dir == ToServer && opens(p.TCP):
		delete(d.dead, k)
	}
	return Action{Drop: d.dead[k]}
}
