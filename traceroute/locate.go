package traceroute

import (
	"fmt"
	"slices"

	"github.com/rstprobe/rstprobe/internal/packet"
	"github.com/rstprobe/rstprobe/probe"
)

// Merge builds the path from sweeps: who answers at which TTL, for control
// and test.
func Merge(serverTTL, maxTTL int, syn []Sweep, control, test []Sweep) Path {
	p := Path{ServerTTL: serverTTL, Hops: []Hop{}}
	last := serverTTL
	if last == 0 {
		for _, s := range slices.Concat(syn, control, test) {
			for ttl, r := range s.Replies {
				if r.Expired > 0 {
					last = max(last, ttl)
				}
			}
		}
	}
	last = min(last, maxTTL)
	for ttl := 1; ttl <= last; ttl++ {
		h := Hop{TTL: ttl}
		for _, s := range slices.Concat(syn, control, test) {
			r := s.Replies[ttl]
			if r.Router.IsValid() && !h.Addr.IsValid() {
				h.Addr = r.Router
			}
			if r.Expired > 0 && r.Router == h.Addr && (h.RTT == 0 || r.RTT < h.RTT) {
				h.RTT = r.RTT
			}
		}
		h.Control = answerAt(ttl, control)
		if h.Control == NotSent {
			h.Control = answerAt(ttl, syn)
		}
		h.Test = answerAt(ttl, test)
		p.Hops = append(p.Hops, h)
	}
	return p
}

// answerAt sums up what the copies with one TTL drew.
func answerAt(ttl int, sweeps []Sweep) Answer {
	answer := NotSent
	var expired, drawn bool
	for _, s := range sweeps {
		if !slices.Contains(s.TTLs, uint8(ttl)) { //nolint:gosec // 1 … 64
			continue
		}
		answer = Silent
		r := s.Replies[ttl]
		expired = expired || r.Expired > 0
		for _, d := range r.Drawn {
			drawn = true
			switch tcp := d.Packet.TCP; {
			case d.Packet.ICMP.Kind != 0:
				answer = Unreachable
			case len(tcp.Payload) > 0 || tcp.Flags.Has(packet.FIN):
				answer = Injected
			case tcp.Flags.Has(packet.SYN):
				answer = FromServer
			default:
				answer = ResetAnswer
			}
			if answer != ResetAnswer {
				return answer
			}
		}
	}
	switch {
	case drawn && expired:
		return BothAnswers
	case drawn:
		return ResetAnswer
	case expired:
		return TimeExceeded
	}
	return answer
}

// Search is what is needed to place a box.
type Search struct {
	Path    Path                // with ServerTTL
	Control []Sweep             // with the control stimulus, TTLs below ServerTTL
	Test    []Sweep             // with the test stimulus, likewise; one vote each
	Timed   *Sweep              // the confirming timed step; nil: none
	Silence bool                // the test stimulus itself is lost: what ends it draws nothing
	Full    []probe.Observation // the full-TTL tests: what they drew comes from the box, too
}

// Facts sums the sweeps up for the judge.
func (s Search) Facts() probe.Sweeps {
	// A sweep whose connection never stood sent no copy and has no vote.
	s.Test = slices.DeleteFunc(slices.Clone(s.Test), func(t Sweep) bool { return len(t.TTLs) == 0 })
	f := probe.Sweeps{ServerTTL: s.Path.ServerTTL, Rounds: len(s.Test)}
	if f.Rounds == 0 || f.ServerTTL == 0 {
		return f
	}
	votes := map[int]int{}
	for _, t := range s.Test {
		at := t.Lowest()
		if at == 0 && s.Silence {
			at = s.dark()
		}
		switch {
		case at > 0:
			votes[at]++
		case s.Silence || len(t.Stray) == 0:
			votes[f.ServerTTL]++ // nothing below the server's distance reached it
		}
		for _, r := range t.Replies {
			for _, d := range r.Drawn {
				f.Hits = append(f.Hits, d.N)
			}
		}
	}
	for at, n := range votes {
		if n > f.Votes || n == f.Votes && at < f.At {
			f.At, f.Votes = at, n
		}
	}
	// A copy that got lost makes a round point too far, never too near: the
	// segment begins where the nearest round says.
	nearest := f.At
	for at := range votes {
		nearest = min(nearest, at)
	}
	if s.Timed != nil {
		step := s.Timed.Lowest()
		f.Confirmed = step == f.At
		if step > 0 {
			nearest = min(nearest, step)
		}
	}
	f.After = s.after(nearest)
	beyond := func(ttl int) bool { return f.At > 0 && ttl >= f.At }
	for _, t := range s.Test {
		for ttl, r := range t.Replies {
			if beyond(ttl) && r.Expired > 0 {
				f.Passed = append(f.Passed, r.Expired)
			}
		}
	}
	for _, c := range s.Control {
		for ttl, r := range c.Replies {
			if beyond(ttl) && r.Expired > 0 {
				f.Control = append(f.Control, r.Expired)
			}
			for _, d := range r.Drawn {
				f.ControlHits = append(f.ControlHits, d.N)
			}
		}
	}
	for _, ns := range [][]int{f.Hits, f.ControlHits, f.Passed, f.Control} {
		slices.Sort(ns)
	}
	return f
}

// expiredAt reports whether any sweep drew Time Exceeded at a TTL.
func expiredAt(sweeps []Sweep, ttl int) bool {
	return slices.ContainsFunc(sweeps, func(s Sweep) bool { return s.Replies[ttl].Expired > 0 })
}

// dark is the smallest TTL from which on control copies draw Time Exceeded
// and test copies never do; 0: none.
func (s Search) dark() int {
	at := 0
	for ttl := s.Path.ServerTTL - 1; ttl > 0; ttl-- {
		if expiredAt(s.Test, ttl) {
			break
		}
		if expiredAt(s.Control, ttl) {
			at = ttl
		}
	}
	return at
}

// after is the largest TTL below at that is known to lie before the box.
// Where the box answers, silence at at-1 is knowledge: its copy was sent and
// drew nothing. Where it only swallows, a router must have spoken.
func (s Search) after(at int) int {
	if !s.Silence || at == 0 {
		return max(0, at-1)
	}
	for ttl := at - 1; ttl > 0; ttl-- {
		if expiredAt(s.Test, ttl) {
			return ttl
		}
	}
	return 0
}

// Locate places the box of which the facts tell; nil when they do not.
func (s Search) Locate(f probe.Sweeps, method Method) *Location {
	if f.At == 0 || f.Votes*3 < f.Rounds*2 {
		return nil
	}
	loc := &Location{
		After: s.point(f.After), At: s.point(f.At), Method: method,
		Votes: f.Votes, Rounds: f.Rounds, ForwardHops: f.At - 1,
	}
	s.measureReverse(loc, f)
	return loc
}

func (s Search) point(ttl int) Point {
	p := Point{TTL: ttl}
	if ttl >= 1 && ttl <= len(s.Path.Hops) {
		p.Addr = s.Path.Hops[ttl-1].Addr
	}
	return p
}

// measureReverse is the second ruler: how many routers the box's own packet
// crossed on its way to us, held against what the routers' ICMP errors
// crossed. It names the device only where exactly one end of the segment
// fits.
func (s Search) measureReverse(loc *Location, f probe.Sweeps) {
	crossed := map[int]int{}
	for _, t := range s.Test {
		for _, r := range t.Replies {
			for _, d := range r.Drawn {
				crossed[routersCrossed(d.Packet.TTL)]++
			}
		}
	}
	if len(crossed) == 0 {
		for _, o := range s.Full {
			for _, d := range slices.Concat(o.Resets, o.FINs) {
				crossed[routersCrossed(d.Packet.TTL)]++
			}
		}
	}
	if len(crossed) != 1 {
		return // nothing to measure, several senders, or a random TTL
	}
	var hops int
	for n := range crossed {
		hops = n
	}
	loc.ReverseHops = hops + 1
	if loc.At.TTL-loc.After.TTL != 1 {
		return
	}
	before := loc.After.TTL > 0 && s.crossedFrom(loc.After.TTL) == hops
	at := s.crossedFrom(loc.At.TTL) == hops
	switch {
	case before && !at:
		loc.Device = &loc.After
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
			Detail: fmt.Sprintf("what it sent crossed %d routers on the way back, as ICMP errors of hop %d do", hops, device.TTL),
		})
		return
	}
	loc.Evidence = append(loc.Evidence, probe.Evidence{
		Rule: "rulers-disagree", Packets: []int{},
		Detail: fmt.Sprintf("what it sent crossed %d routers on the way back by its TTL, which fits neither end of the segment: the TTL is not its own, or the way back is another", hops),
	})
}

// crossedFrom is how many routers the ICMP errors of hop ttl cross on their
// way to us; where the hop is silent, as many as our packets cross to it.
func (s Search) crossedFrom(ttl int) int {
	for _, sweep := range slices.Concat(s.Test, s.Control) {
		if r := sweep.Replies[ttl]; r.Expired > 0 {
			return routersCrossed(r.TTL)
		}
	}
	if ttl == s.Path.ServerTTL {
		for _, o := range s.Full {
			if o.SYNACK != nil {
				return routersCrossed(o.SYNACK.Packet.TTL)
			}
		}
	}
	return ttl - 1
}

func routersCrossed(ttl uint8) int { return probe.InitialTTL(ttl) - int(ttl) }
