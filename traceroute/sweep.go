package traceroute

import (
	"net/netip"
	"slices"
	"time"

	"github.com/rstprobe/rstprobe/internal/flow"
	"github.com/rstprobe/rstprobe/internal/packet"
	"github.com/rstprobe/rstprobe/probe"
)

// Sweep is what the copies of one TTL-limited trial drew.
type Sweep struct {
	TTLs    []uint8 // that were sent, ascending
	Replies map[int]Reply
	Stray   []probe.Seen // resets, closes and answers that follow the numbers of no copy
	Opened  packet.Seq   // the sequence number that our handshake's ACK expects of the peer; 0: there was no handshake
	Timed   bool         // one copy per step: attributed by time
	Apart   bool         // each copy had a connection of its own, so that what one drew does not end the others
	Altered []Alteration // what the routers' quotes show changed, ascending by TTL
}

// Reply is what one copy drew.
type Reply struct {
	Router  netip.Addr    // of the Time Exceeded; invalid: none
	RTT     time.Duration // of the Time Exceeded
	TTL     uint8         // the remaining TTL of the Time Exceeded
	Expired int           // its packet number; 0: none
	Drawn   []probe.Seen  // resets, closes, answers, ICMP errors other than Time Exceeded
}

// Read reads a sweep from its record.
func Read(rec flow.Record) Sweep {
	o := probe.Observe(rec)
	s := Sweep{Replies: map[int]Reply{}, Altered: Altered(rec)}
	s.Apart = rec.Source == flow.Kernel // see there
	timed := lastSent(o)
	for _, e := range o.Sent {
		if e.TTL > 0 {
			s.TTLs = append(s.TTLs, e.TTL)
		}
	}
	s.Timed = timed != nil
	if o.SYNACK != nil && o.Stimulus != nil {
		s.Opened = o.SYNACK.Packet.TCP.Seq.Add(1)
	}
	for _, e := range o.Expired {
		stamp := e.Stamp
		if s.Timed {
			stamp = timed(e.At)
		}
		r := s.Replies[int(stamp)]
		if stamp > 0 && r.Expired == 0 {
			r.Router, r.RTT, r.TTL, r.Expired = e.From(), e.Delay, e.Packet.TTL, e.N
			s.Replies[int(stamp)] = r
		}
	}
	for _, e := range slices.Concat(o.Resets, o.FINs, o.Data, o.Errors, answers(o)) {
		stamp := e.Stamp
		switch {
		case s.Timed && e.Packet.ICMP.Kind == 0 && o.Unprompted(e):
			stamp = 0
		case s.Timed:
			stamp = timed(e.At)
		}
		if stamp == 0 {
			s.Stray = append(s.Stray, e)
			continue
		}
		r := s.Replies[int(stamp)]
		r.Drawn = append(r.Drawn, e)
		s.Replies[int(stamp)] = r
	}
	return s
}

// answers is the SYN-ACK of a sweep of SYNs. In other sweeps the SYN-ACK is
// the handshake's.
func answers(o probe.Observation) []probe.Seen {
	if o.SYNACK == nil || o.Stimulus != nil {
		return nil
	}
	return []probe.Seen{*o.SYNACK}
}

// lastSent tells, for a timed sweep, which copy was the last one sent by a
// given time; nil for a stamped sweep.
func lastSent(o probe.Observation) func(time.Duration) uint8 {
	if o.Source == flow.Kernel {
		return nil // which copy drew it is known
	}
	var copies []flow.Event
	for _, e := range o.Sent {
		if e.TTL > 0 {
			copies = append(copies, e)
		}
	}
	if len(copies) == 0 || copies[0].Packet.TCP.Flags.Has(packet.SYN) {
		return nil
	}
	// Stamped copies differ in length; those of a timed sweep do not. A sweep
	// of one copy is attributed either way.
	if len(copies) > 1 && len(copies[0].Packet.TCP.Payload) != len(copies[1].Packet.TCP.Payload) {
		return nil
	}
	if len(copies) == 1 && (o.SYNACK == nil || copies[0].Packet.TCP.Ack != o.SYNACK.Packet.TCP.Seq.Add(1)) {
		return nil
	}
	return func(at time.Duration) uint8 {
		var ttl uint8
		for _, e := range copies {
			if e.At <= at {
				ttl = e.TTL
			}
		}
		return ttl
	}
}

// Lowest is the smallest TTL whose copy drew something of the peer's side;
// 0: none did.
func (s Sweep) Lowest() int {
	least := 0
	for ttl, r := range s.Replies {
		if len(r.Drawn) > 0 && (least == 0 || ttl < least) {
			least = ttl
		}
	}
	return least
}

// Summary reads a sweep of SYNs for the judge.
func (s Sweep) Summary() probe.SYNSweep {
	sum := probe.SYNSweep{Swept: true, Expired: map[int]int{}}
	var resetTTL uint8
	for ttl, r := range s.Replies {
		if r.Expired > 0 {
			sum.Expired[ttl] = r.Expired
		}
		for _, d := range r.Drawn {
			switch flags := d.Packet.TCP.Flags; {
			case d.Packet.ICMP.Kind != 0:
				sum.Errors = append(sum.Errors, d)
			case flags.Has(packet.SYN | packet.ACK):
				sum.Packets = append(sum.Packets, d.N)
				if sum.AnswerAt == 0 || ttl < sum.AnswerAt {
					sum.AnswerAt, sum.TTL = ttl, d.Packet.TTL
				}
			case flags.Has(packet.RST):
				sum.Packets = append(sum.Packets, d.N)
				if sum.ResetAt == 0 || ttl < sum.ResetAt {
					sum.ResetAt, resetTTL = ttl, d.Packet.TTL
				}
			}
		}
	}
	slices.Sort(sum.Packets)
	if sum.AnswerAt == 0 {
		sum.TTL = resetTTL
	}
	return sum
}
