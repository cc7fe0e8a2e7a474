package probe

import (
	"fmt"
	"slices"
	"time"

	"github.com/rstprobe/rstprobe/internal/packet"
)

// Below minLight our own scheduling is of the size of the round trip itself.
const minLight = 5 * time.Millisecond

func fasterThanPath(f *Findings) *Evidence {
	rtt, n := f.minRTT()
	tooSoon := f.tooSoon()
	return f.each(func(o Observation) (string, []int) {
		s := tooSoon(o)
		if s == nil {
			return "", nil
		}
		return fmt.Sprintf("%v after the stimulus; the fastest of %d round trips took %v", s.Delay.Round(10*time.Microsecond), n, rtt.Round(10*time.Microsecond)), []int{s.N}
	})
}

// tooSoon finds in a trial what ends or answers it sooner than any packet of
// the server can come back.
func (f *Findings) tooSoon() func(Observation) *Seen {
	rtt, n := f.minRTT()
	limit := rtt*7/10 - 3*f.jitter()
	if n < 5 || rtt < minLight {
		limit = 0
	}
	soon := func(list []Seen, prompted func(Seen) bool) *Seen {
		if i := slices.IndexFunc(list, func(s Seen) bool { return s.Delay < limit && prompted(s) }); i >= 0 {
			return &list[i]
		}
		return nil
	}
	said := func(o Observation) *Seen {
		return soon(slices.Concat(o.FINs, o.Data), o.replies)
	}
	// A server that resets on accept does so before it can have our stimulus,
	// whatever the name. What completes the handshakes of a whole site late, or
	// from farther away, may answer sooner, whatever the name.
	habit := count(f.controls(), func(o Observation) bool { return len(o.Resets) > 0 }) > 0
	near := count(f.controls(), func(o Observation) bool { return said(o) != nil }) > 0
	return func(o Observation) *Seen {
		rst := soon(o.Resets, func(s Seen) bool {
			return (s.Packet.TCP.Flags.Has(packet.ACK) || !habit) && !o.Unprompted(s)
		})
		if rst != nil || near {
			return rst
		}
		return said(o)
	}
}

// replies reports whether a packet acknowledges some of the stimulus.
func (o *Observation) replies(s Seen) bool {
	return o.Stimulus != nil && s.Packet.TCP.Flags.Has(packet.ACK) && o.Stimulus.Packet.TCP.Seq.Before(s.Packet.TCP.Ack)
}

// burstGap is how close the packets of an injector's burst follow each other;
// 50 to 200 µs have been measured.
const burstGap = time.Millisecond

// leastBurst is how many resets make a burst: a host may send two at once, one
// per packet that it gets, and of two numbers one is always the larger.
const leastBurst = 3

func risingBurst(f *Findings) *Evidence {
	return f.each(func(o Observation) (string, []int) {
		if len(o.Resets) < leastBurst {
			return "", nil
		}
		ttl, window := true, true
		for i, r := range o.Resets[1:] {
			before := o.Resets[i]
			if r.At-before.At > burstGap {
				return "", nil
			}
			ttl = ttl && r.Packet.TTL > before.Packet.TTL
			window = window && r.Packet.TCP.Window > before.Packet.TCP.Window
		}
		first, last := o.Resets[0].Packet, o.Resets[len(o.Resets)-1].Packet
		switch {
		case ttl && int(last.TTL)-int(first.TTL) > ttlSlack:
			return fmt.Sprintf("%d resets in %v, their TTLs rising from %d to %d", len(o.Resets), o.Resets[len(o.Resets)-1].At-o.Resets[0].At, first.TTL, last.TTL), numbers(o.Resets)
		case window:
			return fmt.Sprintf("%d resets in %v, their windows rising from %d to %d", len(o.Resets), o.Resets[len(o.Resets)-1].At-o.Resets[0].At, first.TCP.Window, last.TCP.Window), numbers(o.Resets)
		}
		return "", nil
	})
}

// lateReset: a host that resets upon a packet does so when it arrives.
func lateReset(f *Findings) *Evidence {
	rtt, n := f.minRTT()
	if n == 0 {
		return nil
	}
	limit := 2*rtt + 50*time.Millisecond
	return f.each(func(o Observation) (string, []int) {
		if len(o.Resets) == 0 || o.Resets[0].Delay < limit {
			return "", nil
		}
		return fmt.Sprintf("%v after the stimulus; a round trip takes %v", o.Resets[0].Delay.Round(time.Millisecond), rtt.Round(10*time.Microsecond)), []int{o.Resets[0].N}
	})
}

func answeredAndReset(f *Findings) *Evidence {
	both := func(o Observation) bool { return len(o.Data) > 0 && len(o.Resets) > 0 }
	if count(f.controls(), both) > 0 {
		return nil
	}
	return f.each(func(o Observation) (string, []int) {
		if !both(o) {
			return "", nil
		}
		return "controls are answered and not reset", []int{o.Data[0].N, o.Resets[0].N}
	})
}
