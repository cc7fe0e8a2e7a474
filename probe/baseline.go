package probe

import (
	"slices"
	"time"

	"github.com/rstprobe/rstprobe/internal/packet"
)

// genuine are the resets that the host itself sent where no test name was
// involved: to ACKs without a connection, and on the leading controls. They
// are what a reset of the test is compared with.
func (f *Findings) genuine() []Seen {
	var all []Seen
	for _, list := range [][]Observation{f.Stray, f.Leading} {
		for i := range list {
			all = append(all, list[i].Resets...)
		}
	}
	return all
}

// calibrated reports whether each reset of the tests can be held against a
// genuine one of its kind. An abort, with the ACK flag, comes from whoever
// holds the connection, a load balancer maybe, and an answer to a packet without
// a connection, without the flag, from the host behind it: what the one looks
// like says nothing about the other.
func (f *Findings) calibrated() bool {
	return !slices.ContainsFunc(f.Tests, func(o Observation) bool {
		return slices.ContainsFunc(o.Resets, func(rst Seen) bool {
			return !f.genuinely(func(p packet.Packet) bool { return sameKind(p, rst.Packet) })
		})
	})
}

// sameKind reports whether two resets both have the ACK flag, or both lack it.
func sameKind(a, b packet.Packet) bool {
	return a.TCP.Flags.Has(packet.ACK) == b.TCP.Flags.Has(packet.ACK)
}

// genuinely reports whether some genuine reset has the property.
func (f *Findings) genuinely(has func(packet.Packet) bool) bool {
	return slices.ContainsFunc(f.genuine(), func(s Seen) bool { return has(s.Packet) })
}

// oddTTL reports whether a remaining TTL lies outside the spread of the
// server's own packets, and is not one of its genuine resets'. Servers behind
// several paths of unequal length spread by themselves.
func (f *Findings) oddTTL(ttl uint8) bool {
	low, high := f.ttlRange()
	if high == 0 || f.genuinely(func(p packet.Packet) bool { return p.TTL == ttl }) {
		return false
	}
	slack := max(ttlSlack, int(high)-int(low))
	return int(ttl) < int(low)-slack || int(ttl) > int(high)+slack
}

// ownTTL reports whether a remaining TTL is in the range of the server's own
// packets.
func (f *Findings) ownTTL(ttl uint8) bool {
	low, high := f.ttlRange()
	return ttl >= low && ttl <= high
}

// habit reports whether the server ends connections by itself, now and then
// and whatever is asked, as a full accept queue does: controls are reset like
// the tests, by what comes from as far as the server and no sooner.
func (f *Findings) habit() bool {
	rtt, _ := f.minRTT()
	like := func(o Observation) bool {
		return len(o.Resets) > 0 && (o.Unprompted(o.Resets[0]) || f.ownTTL(o.Resets[0].Packet.TTL) && o.Resets[0].Delay >= rtt*7/10)
	}
	reset := func(o Observation) bool { return len(o.Resets) > 0 }
	return count(f.controls(), like) > 0 && count(f.Tests, like) == count(f.Tests, reset)
}

// jitter is the median deviation of the handshake RTTs from the smallest.
func (f *Findings) jitter() time.Duration {
	least, _ := f.minRTT()
	var above []time.Duration
	for _, list := range f.lists() {
		for i := range list {
			if rtt := list[i].RTT; rtt > 0 {
				above = append(above, rtt-least)
			}
		}
	}
	if len(above) == 0 {
		return 0
	}
	slices.Sort(above)
	return above[len(above)/2]
}

// inOrder are the trials that show an order of events, by the number of their
// first packet; nil where packets are not numbered.
func (f *Findings) inOrder() []turn {
	var all []turn
	for _, list := range []struct {
		obs  []Observation
		test bool
	}{{f.Leading, false}, {f.Random, false}, {f.NoName, false}, {f.Trailing, false}, {f.Tests, true}, {f.Later, false}} {
		for _, o := range list.obs {
			if len(o.Sent) == 0 || o.Sent[0].N == 0 {
				return nil
			}
			all = append(all, turn{n: o.Sent[0].N, test: list.test, good: worked(o)})
		}
	}
	slices.SortStableFunc(all, func(a, b turn) int { return a.n - b.n })
	return all
}

// turn is one trial in the order of the run.
type turn struct {
	n          int // of its first packet
	test, good bool
}
