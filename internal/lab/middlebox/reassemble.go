package middlebox

import "github.com/rstprobe/rstprobe/internal/packet"

// maxStream is how much of a stream a box keeps, in bytes: a record of TLS is
// no longer (RFC 8446 §5.1).
const maxStream = 16 << 10

// Reassembled shows m the client's stream as far as it has come, in the payload
// of the segment that brings more of it, or the same again: the box finds a name
// that is split over segments. Of bytes that come twice the first count. The
// stream begins at the SYN, or, where that was missed, at the first data.
func Reassembled(m Match) Match {
	streams := make(map[packet.Key]*stream)
	return func(p packet.Packet) bool {
		k := p.FromUs()
		switch {
		case p.Proto != packet.TCP:
			return m(p)
		case opens(p.TCP):
			streams[k] = &stream{next: end(p.TCP)}
			return m(p)
		case len(p.TCP.Payload) == 0:
			return m(p)
		case streams[k] == nil:
			streams[k] = &stream{next: p.TCP.Seq}
		}
		p.TCP.Payload = streams[k].add(p.TCP.Seq, p.TCP.Payload)
		return m(p)
	}
}

// stream is one side's data in order.
type stream struct {
	next packet.Seq // what is missing first
	data []byte     // before that
	held []piece    // behind a gap
}

type piece struct {
	at   packet.Seq
	data []byte
}

// add takes a segment and returns what is in order.
func (s *stream) add(at packet.Seq, data []byte) []byte {
	s.held = append(s.held, piece{at, data})
	for again := true; again; {
		again = false
		rest := s.held[:0:0]
		for _, h := range s.held {
			switch gap := s.next.Sub(h.at); {
			case gap < 0:
				rest = append(rest, h)
			case gap < len(h.data) && len(s.data) < maxStream:
				s.data = append(s.data, h.data[gap:]...)
				s.next = h.at.Add(len(h.data))
				again = true
			}
		}
		s.held = rest
	}
	return s.data
}
