package traceroute

import (
	"fmt"
	"slices"

	"github.com/rstprobe/rstprobe/probe"
)

// measureReverse is the second ruler: how many routers the box's own packet
// crossed on its way to us, held against what the routers' ICMP errors
// crossed. It names the device only where exactly one end of the segment
// fits.
func (s Search) measureReverse(loc *Location, f probe.Sweeps) {
	ttl, ok := s.senderTTL()
	if !ok {
		return // nothing to measure, several senders, or a random TTL
	}
	hops := s.crossedWith(ttl, loc.After.TTL, loc.At.TTL)
	loc.ReverseHops = hops + 1
	if loc.At.TTL-loc.After.TTL != 1 {
		return
	}
	before := loc.After.TTL > 0 && s.crossedFrom(loc.After.TTL) == hops
	at := s.crossedFrom(loc.At.TTL) == hops
	switch {
	case before && !at:
		loc.Device = &loc.After
	case at && !before && loc.After.TTL == 0:
		// A filter of this machine itself crosses no router either.
		loc.Evidence = append(loc.Evidence, probe.Evidence{
			Rule: "no-router-crossed", Packets: []int{},
			Detail: "what it sent crossed no router on the way back: it comes from hop 1, or from this machine itself",
		})
		return
	case at && !before && loc.At.TTL < f.ServerTTL:
		loc.Device = &loc.At
	case at && !before:
		return // as far as the server: its own gear, which no ruler tells apart
	}
	if loc.Device != nil {
		device := *loc.Device
		loc.Device = &device
		loc.ForwardHops = device.TTL
		loc.Evidence = append(loc.Evidence, probe.Evidence{
			Rule: "two-rulers", Packets: []int{},
			Detail: fmt.Sprintf("what it sent crossed %s on the way back, as ICMP errors of hop %d do", routers(hops), device.TTL),
		})
		return
	}
	loc.Evidence = append(loc.Evidence, probe.Evidence{
		Rule: "rulers-disagree", Packets: []int{},
		Detail: fmt.Sprintf("what it sent crossed %s on the way back by its TTL, which fits neither end of the segment: the TTL is not its own, or the way back is another", routers(hops)),
	})
}

// senderTTL is the one TTL with which all that the box sent arrived: what the
// copies drew, or where they drew nothing, what ended the full-TTL tests.
func (s Search) senderTTL() (uint8, bool) {
	ttls := map[uint8]bool{}
	for _, t := range s.Test {
		for _, r := range t.Replies {
			for _, d := range r.Drawn {
				if d.Packet.TTL > 0 { // else it is not known
					ttls[d.Packet.TTL] = true
				}
			}
		}
	}
	if len(ttls) == 0 {
		for _, o := range s.Full {
			for _, d := range slices.Concat(o.Resets, o.FINs) {
				if d.Packet.TTL > 0 {
					ttls[d.Packet.TTL] = true
				}
			}
		}
	}
	for ttl := range ttls {
		return ttl, len(ttls) == 1
	}
	return 0, false
}

// crossedWith is how many routers a packet crossed that arrived with a TTL and
// came from between two hops: the initial TTL is the one that fits the ways
// back from there best, or the next usual one where none fits.
func (s Search) crossedWith(ttl uint8, after, at int) int {
	best, off := routersCrossed(ttl), snap+1
	for hop := max(1, after); hop <= at; hop++ {
		back := s.crossedFrom(hop)
		if first, ok := InitialTTL(ttl, back); ok {
			if d := max(first-int(ttl)-back, back-first+int(ttl)); d < off {
				best, off = first-int(ttl), d
			}
		}
	}
	return best
}

// crossedFrom is how many routers the ICMP errors of hop ttl cross on their
// way to us; where the hop is silent, as many as our packets cross to it.
func (s Search) crossedFrom(ttl int) int {
	if n, ok := s.measuredFrom(ttl); ok {
		return n
	}
	return ttl - 1
}

// measuredFrom is crossedFrom where the hop said something.
func (s Search) measuredFrom(ttl int) (int, bool) {
	for _, sweep := range slices.Concat(s.Test, s.Control, s.Known) {
		if r := sweep.Replies[ttl]; r.Expired > 0 && r.TTL > 0 {
			return routersCrossed(r.TTL), true
		}
	}
	if ttl == s.Path.ServerTTL {
		for _, o := range s.Full {
			if o.SYNACK != nil && o.SYNACK.Packet.TTL > 0 {
				return routersCrossed(o.SYNACK.Packet.TTL), true
			}
		}
	}
	return 0, false
}

// routers is that many of them, in words.
func routers(n int) string {
	if n == 1 {
		return "1 router"
	}
	return fmt.Sprintf("%d routers", n)
}
