package flow

import (
	"cmp"
	"encoding/binary"
	"slices"

	"github.com/rstprobe/rstprobe/internal/packet"
)

// What is kept of packets, in bytes.
const (
	maxHead = 512 // of the headers: more is a chain of extension headers that nobody sends
	minData = 64  // of the payload of SYNs, FINs and resets, when Config.Payload is used up
)

// The packets last seen, kept for the case that a reset follows.
const (
	tailLen  = 24  // fifteen retransmissions (tcp_retries2 of Linux) and what is between them
	tailSize = 256 // bytes of each: a request up to its Host
)

// weight is how much it matters to keep a packet.
type weight uint8

const (
	plain   weight = iota
	special        // SYN, FIN, ICMP error
	ending         // reset: matters together with what was before it
)

// mark is what is known of a kept packet besides its bytes.
type mark struct {
	at    int64 // ns, by the clock of the table
	n     int   // its number
	of    int   // the number of the packet that it is a copy of; 0: none
	size  int   // bytes of payload that were sent
	bytes int   // bytes kept, from the IP header on
	from  uint8 // the end that sent it
}

// kept are the packets of a conversation that are kept, each as the beginning
// of its datagram: the first, then those that matter, and the last.
type kept struct {
	log     log   // of marks and bytes
	marks   int   // in log
	at      int64 // of the last mark in log
	n       int
	tail    *tail  // nil while all are in log
	room    [2]int // bytes of payload of either end that may be kept yet
	skipped int
}

// tail is a ring of the last packets that are not in the log.
type tail struct {
	marks [tailLen]mark
	data  [tailLen][tailSize]byte
	next  int // where the next goes
	len   int
	free  *tail // the next in a chain of those not used
}

// keeper keeps packets for all conversations of a table.
type keeper struct {
	store
	events  int // at most, of a conversation
	payload int // bytes, of a client
	tails   *tail
	tailed  int // tails used
}

// size is the memory used, in bytes.
func (r *keeper) size() int64 {
	const mark, tail = 48, tailLen * (48 + tailSize)
	return int64(r.used)*chunkSize + int64(r.tailed)*tail
}

// rooms are the bytes of payload to keep of either end. A server's first are
// enough to tell what it answered.
func (r *keeper) rooms(client uint8) (room [2]int) {
	room[client], room[1-client] = r.payload, r.payload/4
	return room
}

// keep keeps a packet, if it fits. Of the bytes of raw, head are headers.
func (r *keeper) keep(k *kept, m *mark, w weight, raw []byte, head int) {
	if head <= 0 || head > maxHead {
		k.skipped++
		return
	}
	if k.marks >= r.events/2 && (w == plain || k.len() >= r.events) {
		r.keepLast(k, m, raw, head)
		return
	}
	if w == ending {
		r.drain(k)
	}
	room := k.room[m.from]
	if w != plain {
		room = max(room, minData)
	}
	if m.of > 0 {
		room = 0 // the first has it
	}
	data := min(len(raw)-head, room)
	k.room[m.from] = max(k.room[m.from]-data, 0)
	r.write(k, m, raw[:head+data])
}

// len is how many packets are kept.
func (k *kept) len() int {
	if k.tail != nil {
		return k.marks + k.tail.len
	}
	return k.marks
}

// keepLast keeps a packet until tailLen others came.
func (r *keeper) keepLast(k *kept, m *mark, raw []byte, head int) {
	if head > tailSize {
		k.skipped++
		return
	}
	t := k.tail
	if t == nil {
		if t = r.tails; t == nil {
			t = new(tail)
		}
		r.tails, t.free = t.free, nil
		r.tailed++
		k.tail = t
	}
	if t.len == tailLen {
		k.skipped++
	} else {
		t.len++
	}
	m.bytes = copy(t.data[t.next][:], raw)
	t.marks[t.next] = *m
	t.next = (t.next + 1) % tailLen
}

// drain moves the last packets to those that stay.
func (r *keeper) drain(k *kept) {
	t := k.tail
	if t == nil {
		return
	}
	for i := range t.len {
		j := (t.next - t.len + i + tailLen) % tailLen
		r.write(k, &t.marks[j], t.data[j][:t.marks[j].bytes])
	}
	t.len = 0
}

// write puts a packet into the log: its mark, most of it as differences from
// the one before, and its bytes.
func (r *keeper) write(k *kept, m *mark, b []byte) {
	var of int
	if m.of > 0 {
		of = m.n - m.of
	}
	var buf [5 * binary.MaxVarintLen64]byte
	n := binary.PutVarint(buf[:], m.at-k.at)
	n += binary.PutVarint(buf[n:], int64(m.n-k.n))
	n += binary.PutVarint(buf[n:], int64(of))
	n += binary.PutVarint(buf[n:], int64(m.size))
	n += binary.PutVarint(buf[n:], int64(len(b)<<1|int(m.from)))
	r.append(&k.log, buf[:n], b)
	k.at, k.n = m.at, m.n
	k.marks++
}

// found is a kept packet.
type found struct {
	mark
	data []byte
}

// read is all that is kept, in the order of time.
func (r *keeper) read(k *kept) []found {
	r.drain(k)
	b := r.store.read(k.log)
	varint := func() int64 {
		v, n := binary.Varint(b)
		b = b[n:]
		return v
	}
	all := make([]found, k.marks)
	var before mark
	for i := range all {
		m := &all[i].mark
		m.at = before.at + varint()
		m.n = before.n + int(varint())
		if of := int(varint()); of != 0 {
			m.of = m.n - of
		}
		m.size = int(varint())
		v := varint()
		m.bytes, m.from = int(v>>1), uint8(v&1) //nolint:gosec // one bit
		all[i].data, b = b[:m.bytes:m.bytes], b[m.bytes:]
		before = *m
	}
	slices.SortFunc(all, func(a, b found) int {
		return cmp.Or(cmp.Compare(a.at, b.at), cmp.Compare(a.n, b.n))
	})
	return all
}

// parse reads the packet again. It parsed before, and is cut on purpose: the
// error says nothing new.
func (f *found) parse() packet.Packet {
	p, _ := packet.Parse(f.data)
	if p.Proto == packet.TCP {
		p.TCP.Missing = f.size - len(p.TCP.Payload)
	}
	return p
}

// forget takes the memory of k back.
func (r *keeper) forget(k *kept) {
	r.release(&k.log)
	if t := k.tail; t != nil {
		t.len, t.next = 0, 0
		t.free, r.tails = r.tails, t
		r.tailed--
	}
	*k = kept{}
}
