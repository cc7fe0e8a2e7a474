package probe

import (
	"fmt"
	"time"

	"github.com/rstprobe/rstprobe/internal/packet"
)

// Below minLight our own scheduling is of the size of the round trip itself.
const minLight = 5 * time.Millisecond

func fasterThanPath(f *Findings) *Evidence {
	rtt, n := f.minRTT()
	limit := rtt*7/10 - 3*f.jitter()
	if n < 5 || rtt < minLight || limit <= 0 {
		return nil
	}
	// A server that resets on accept does so before it can have our stimulus,
	// whatever the name.
	habit := count(f.controls(), func(o Observation) bool { return len(o.Resets) > 0 }) > 0
	return f.each(func(o Observation) (string, []int) {
		for _, rst := range o.Resets {
			prompted := rst.Packet.TCP.Flags.Has(packet.ACK) || !habit
			if rst.Delay < limit && prompted && !o.Unprompted(rst) {
				return fmt.Sprintf("%v after the stimulus; the fastest of %d round trips took %v", rst.Delay.Round(10*time.Microsecond), n, rtt.Round(10*time.Microsecond)), []int{rst.N}
			}
		}
		return "", nil
	})
}

// burstGap is how close the packets of an injector's burst follow each other;
// 50 to 200 µs have been measured.
const burstGap = time.Millisecond

func risingBurst(f *Findings) *Evidence {
	return f.each(func(o Observation) (string, []int) {
		if len(o.Resets) < 2 {
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
