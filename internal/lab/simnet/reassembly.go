package simnet

import "github.com/rstprobe/rstprobe/internal/packet"

// block is a run of received data.
type block struct {
	from packet.Seq
	data []byte
	fin  bool // the peer's FIN follows the data
}

func (b block) end() packet.Seq { return b.from.Add(len(b.data)) }

// touches reports whether two blocks overlap or are adjacent.
func (b block) touches(o block) bool {
	return !o.end().Before(b.from) && !b.end().Before(o.from)
}

// join is both blocks, which touch, as one.
func (b block) join(o block) block {
	if o.from.Before(b.from) {
		b, o = o, b
	}
	if more := o.end().Sub(b.end()); more > 0 {
		b.data = append(b.data[:len(b.data):len(b.data)], o.data[len(o.data)-more:]...)
		b.fin = o.fin
	}
	b.fin = b.fin || o.fin && o.end() == b.end()
	return b
}

// reassembly puts the peer's data in order.
type reassembly struct {
	next  packet.Seq // RCV.NXT
	ended bool       // the FIN has been taken in order
	held  []block    // behind a gap, the latest received first
}

// insert takes a segment's data and FIN and returns what is now in order.
func (r *reassembly) insert(b block) (ready []byte) {
	if r.ended {
		return nil
	}
	rest := r.held[:0:0]
	for _, h := range r.held {
		if h.touches(b) {
			b = b.join(h)
		} else {
			rest = append(rest, h)
		}
	}
	if r.next.Before(b.from) {
		r.held = append([]block{b}, rest...)
		return nil
	}
	r.held = rest
	if fresh := b.end().Sub(r.next); fresh > 0 {
		ready = b.data[len(b.data)-fresh:]
		r.next = b.end()
	}
	if b.fin && b.end() == r.next {
		r.next++
		r.ended = true
	}
	return ready
}

// sack are the edges of what is held, as the SACK option wants them, the
// latest first (RFC 2018 §4).
func (r *reassembly) sack() [][2]packet.Seq {
	var edges [][2]packet.Seq
	for _, h := range r.held {
		if len(h.data) > 0 {
			edges = append(edges, [2]packet.Seq{h.from, h.end()})
		}
	}
	return edges
}
