package flow

import "math/rand/v2"

// index finds conversations by their pairs. It is a hash table with linear
// probing that keeps the hashes beside the pointers: of a table with very many
// conversations hardly anything is in the cache, and this costs one look at
// the index and one at the conversation.
type index struct {
	seed  [2]uint64 // secret, so that nobody can choose ends that collide
	slots []slot    // a power of two of them, at most three quarters full
	len   int
}

// slot is a place in an index; free if conv is nil.
type slot struct {
	hash uint64
	conv *conv
}

func newIndex() index {
	return index{seed: [2]uint64{rand.Uint64(), rand.Uint64()}, slots: make([]slot, 1<<10)}
}

func (x *index) hash(p *pair) uint64 {
	h := mix(p.addr[0].hi^x.seed[0], p.addr[0].lo^x.seed[1])
	h = mix(p.addr[1].hi^h, p.addr[1].lo^x.seed[1])
	return mix(h^uint64(p.port[0])<<16^uint64(p.port[1]), x.seed[0])
}

// find is the conversation of a pair with the given hash, or nil.
func (x *index) find(p *pair, hash uint64) *conv {
	mask := uint64(len(x.slots) - 1)
	for i := hash & mask; x.slots[i].conv != nil; i = (i + 1) & mask {
		if s := &x.slots[i]; s.hash == hash && s.conv.pair == *p {
			return s.conv
		}
	}
	return nil
}

// add puts in c, whose pair must not be there.
func (x *index) add(c *conv) {
	if x.len+1 > len(x.slots)/4*3 {
		old := x.slots
		x.slots = make([]slot, 2*len(old))
		for _, s := range old {
			if s.conv != nil {
				x.place(s)
			}
		}
	}
	x.place(slot{c.hash, c})
	x.len++
}

func (x *index) place(s slot) {
	mask := uint64(len(x.slots) - 1)
	i := s.hash & mask
	for x.slots[i].conv != nil {
		i = (i + 1) & mask
	}
	x.slots[i] = s
}

// remove takes out c, and moves up what could not stand where it should
// (Knuth, The Art of Computer Programming, volume 3, 6.4, algorithm R).
func (x *index) remove(c *conv) {
	mask := uint64(len(x.slots) - 1)
	hole := c.hash & mask
	for x.slots[hole].conv != c {
		hole = (hole + 1) & mask
	}
	for i := (hole + 1) & mask; x.slots[i].conv != nil; i = (i + 1) & mask {
		// It may move to the hole unless its own place lies between the
		// hole, excluded, and where it stands.
		if (i-x.slots[i].hash)&mask >= (i-hole)&mask {
			x.slots[hole] = x.slots[i]
			hole = i
		}
	}
	x.slots[hole] = slot{}
	x.len--
}
