package flow

import "encoding/binary"

// store is memory in chunks, for very many logs that grow a little at a time.
// Chunks are named by numbers, so that the garbage collector has nothing to
// follow, and used again; none is given back.
type store struct {
	slabs [][]byte
	free  uint32 // first of a chain of chunks that are not used
	fresh uint32 // number of the next chunk that never was; numbers begin at 1
	used  int    // chunks
}

const (
	chunkSize = 512 // bytes; the first four are the number of the next in its chain, or 0
	chunkHead = 4
	chunkData = chunkSize - chunkHead
	slabBits  = 11 // 2048 chunks, 1 MiB
)

// log is a sequence of bytes in a store. The zero log is empty.
type log struct {
	first, last uint32 // chunks
	room        int    // bytes left in the last one
	size        int    // bytes in all
}

func (s *store) chunk(n uint32) []byte {
	i := (n - 1) & (1<<slabBits - 1) * chunkSize
	return s.slabs[(n-1)>>slabBits][i : i+chunkSize]
}

func (s *store) next(n uint32) uint32 { return binary.LittleEndian.Uint32(s.chunk(n)) }

func (s *store) link(n, next uint32) { binary.LittleEndian.PutUint32(s.chunk(n), next) }

// alloc returns a chunk that ends its chain.
func (s *store) alloc() uint32 {
	s.used++
	n := s.free
	if n != 0 {
		s.free = s.next(n)
	} else {
		if s.fresh>>slabBits == uint32(len(s.slabs)) { //nolint:gosec // as many as there is memory
			s.slabs = append(s.slabs, make([]byte, chunkSize<<slabBits))
		}
		s.fresh++
		n = s.fresh
	}
	s.link(n, 0)
	return n
}

// append puts the parts at the end of l, one after the other.
func (s *store) append(l *log, head, body []byte) {
	n := len(head) + len(body)
	l.size += n
	if 0 < n && n <= l.room { // mostly
		to := s.chunk(l.last)[chunkSize-l.room:]
		copy(to[copy(to, head):], body)
		l.room -= n
		return
	}
	s.spread(l, head)
	s.spread(l, body)
}

// spread puts b into as many chunks as it takes.
func (s *store) spread(l *log, b []byte) {
	for len(b) > 0 {
		if l.room == 0 {
			n := s.alloc()
			if l.first == 0 {
				l.first = n
			} else {
				s.link(l.last, n)
			}
			l.last, l.room = n, chunkData
		}
		n := copy(s.chunk(l.last)[chunkSize-l.room:], b)
		l.room -= n
		b = b[n:]
	}
}

// read is a copy of l.
func (s *store) read(l log) []byte {
	b := make([]byte, 0, l.size)
	for n := l.first; n != 0; n = s.next(n) {
		b = append(b, s.chunk(n)[chunkHead:][:min(chunkData, l.size-len(b))]...)
	}
	return b
}

// release takes the chunks of l back.
func (s *store) release(l *log) {
	if l.first != 0 {
		s.link(l.last, s.free)
		s.free = l.first
		s.used -= (l.size + chunkData - 1) / chunkData
	}
	*l = log{}
}
