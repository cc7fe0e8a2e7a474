package flow

// index finds conversations by their pairs. It is a hash table with linear
// probing that keeps the hashes beside the pointers: of a table with very many
// conversations hardly anything is in the cache, and this costs one look at
// the index and one at the conversation.
type index struct {
	slots []slot // a power of two of them, at most three quarters full
	len   int
}

// slot is a place in an index; free if conv is nil.
type slot struct {
	hash uint64
	conv *conv
}

func newIndex() index {
	return index{slots: make([]slot, 1<<10)}
}

// find is the conversation between two ends, or nil.
func (x *index) find(e *Ends) *conv {
	mask := uint64(len(x.slots) - 1)
	for i := e.hash & mask; x.slots[i].conv != nil; i = (i + 1) & mask {
		if s := &x.slots[i]; s.hash == e.hash && s.conv.pair == e.pair {
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
