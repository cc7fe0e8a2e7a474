package probe

import (
	"fmt"
	"slices"
	"time"

	"github.com/rstprobe/rstprobe/internal/packet"
)

func serverGoesOn(f *Findings) *Evidence {
	low, high := f.ttlRange()
	var e Evidence
	n := 0
	for _, o := range f.Tests {
		for _, rst := range o.Resets {
			i := slices.IndexFunc(o.Data, func(d Seen) bool {
				s := d.Packet.TCP
				return d.At > rst.At && d.Packet.TTL >= low && d.Packet.TTL <= high && !s.Seq.Before(rst.Packet.TCP.Seq)
			})
			if i >= 0 {
				e.Packets = append(e.Packets, rst.N, o.Data[i].N)
				e.Detail = fmt.Sprintf("data arrived %v after the reset, with the server's own TTL %d", (o.Data[i].At - rst.At).Round(time.Microsecond), o.Data[i].Packet.TTL)
				n++
				break
			}
		}
	}
	if !enough(n, len(f.Tests)) {
		return nil
	}
	return &e
}

func twoAnswers(f *Findings) *Evidence {
	var e Evidence
	n := 0
	for _, o := range f.Tests {
		if a, b, ok := conflicting(o.Data); ok {
			e.Packets = append(e.Packets, a.N, b.N)
			e.Detail = fmt.Sprintf("the same sequence numbers arrive with different bytes, TTL %d and TTL %d", a.Packet.TTL, b.Packet.TTL)
			n++
		} else if a, b, ok := dataAfterFIN(o); ok {
			e.Packets = append(e.Packets, a.N, b.N)
			e.Detail = fmt.Sprintf("data arrives at a sequence number that a FIN (TTL %d) had closed (TTL %d)", a.Packet.TTL, b.Packet.TTL)
			n++
		}
	}
	if !enough(n, len(f.Tests)) {
		return nil
	}
	return &e
}

// conflicting finds two segments that give different bytes to the same
// sequence number.
func conflicting(data []Seen) (a, b Seen, ok bool) {
	for i, x := range data {
		for _, y := range data[i+1:] {
			from := max(0, y.Packet.TCP.Seq.Sub(x.Packet.TCP.Seq))
			back := max(0, x.Packet.TCP.Seq.Sub(y.Packet.TCP.Seq))
			n := min(len(x.Packet.TCP.Payload)-from, len(y.Packet.TCP.Payload)-back)
			if n > 0 && string(x.Packet.TCP.Payload[from:from+n]) != string(y.Packet.TCP.Payload[back:back+n]) {
				return x, y, true
			}
		}
	}
	return a, b, false
}

// dataAfterFIN finds data beyond the sequence number of a FIN.
func dataAfterFIN(o Observation) (fin, data Seen, ok bool) {
	for _, f := range o.FINs {
		end := f.Packet.TCP.Seq.Add(f.Packet.TCP.Len())
		for _, d := range o.Data {
			if end.Before(d.Packet.TCP.Seq.Add(len(d.Packet.TCP.Payload))) {
				return f, d, true
			}
		}
	}
	return fin, data, false
}

// Below minLight our own scheduling is of the size of the round trip itself.
const minLight = 5 * time.Millisecond

func fasterThanPath(f *Findings) *Evidence {
	rtt, n := minRTT(f.all())
	if n < 5 || rtt < minLight {
		return nil
	}
	limit := rtt * 7 / 10
	// A server that resets on accept does so before it can have our stimulus,
	// whatever the name.
	habit := count(f.controls(), func(o Observation) bool { return len(o.Resets) > 0 }) > 0
	var e Evidence
	hits := 0
	for _, o := range f.Tests {
		for _, rst := range o.Resets {
			prompted := rst.Packet.TCP.Flags.Has(packet.ACK) || !habit
			if rst.Delay < limit && prompted && !o.Unprompted(rst) {
				e.Packets = append(e.Packets, rst.N)
				e.Detail = fmt.Sprintf("%v after the stimulus; the fastest of %d round trips took %v", rst.Delay.Round(10*time.Microsecond), n, rtt.Round(10*time.Microsecond))
				hits++
				break
			}
		}
	}
	if !enough(hits, len(f.Tests)) {
		return nil
	}
	return &e
}

func answeredAndReset(f *Findings) *Evidence {
	both := func(o Observation) bool { return len(o.Data) > 0 && len(o.Resets) > 0 }
	if !enough(count(f.Tests, both), len(f.Tests)) || count(f.controls(), both) > 0 {
		return nil
	}
	var e Evidence
	for _, o := range f.Tests {
		if both(o) {
			e.Packets = append(e.Packets, o.Data[0].N, o.Resets[0].N)
		}
	}
	e.Detail = "controls are answered and not reset"
	return &e
}
