package probe

import (
	"fmt"
	"slices"
	"time"

	"github.com/rstprobe/rstprobe/internal/packet"
)

func serverGoesOn(f *Findings) *Evidence {
	return f.each(func(o Observation) (string, []int) {
		for _, rst := range o.Resets {
			for _, later := range slices.Concat(o.Data, o.Acks) {
				if later.At > rst.At && f.ownTTL(later.Packet.TTL) && o.createdAfter(rst, later) {
					what := "data"
					if later.Packet.TCP.Size() == 0 {
						what = "an acknowledgment"
					}
					return fmt.Sprintf("%s arrived %v after the reset, with the server's own TTL %d", what, (later.At - rst.At).Round(time.Microsecond), later.Packet.TTL), []int{rst.N, later.N}
				}
			}
		}
		return "", nil
	})
}

// createdAfter reports whether a packet that arrived after a reset cannot
// have been on its way already when a host gave the connection up.
func (o *Observation) createdAfter(rst, later Seen) bool {
	r, s := rst.Packet.TCP, later.Packet.TCP
	if s.Seq.Before(r.Seq) {
		return false // sent before, overtaken
	}
	if later.At-rst.At >= retransmissionTimeout || o.answersSince(rst.At, s) {
		return true
	}
	switch {
	case s.Size() == 0:
		return false
	case r.Flags.Has(packet.ACK):
		// Who aborts says where its stream ends: SND.NXT (RFC 9293 §3.10.7.4).
		// Nothing of it lies beyond.
		return true
	}
	// A reset without ACK says that no connection was there when our packet
	// came. That packet was the only one, and this answers it.
	n, end := o.said()
	return o.Retries == 0 && n == 1 && s.Ack == end
}

// answersSince reports whether a segment answers something that we sent after
// a time: by its acknowledgment number, or by our timestamp in it.
func (o *Observation) answersSince(at time.Duration, s packet.Segment) bool {
	_, echo, stamped := s.Timestamps()
	var newest packet.Seq
	var clock uint32
	for _, e := range o.Sent {
		if e.At > at {
			break
		}
		newest = e.Packet.TCP.Seq.Add(e.Packet.TCP.Len())
		clock, _, _ = e.Packet.TCP.Timestamps()
	}
	return newest.Before(s.Ack) || stamped && int32(echo-clock) > 0 //nolint:gosec // RFC 7323 §5.2 compares modulo 2^32
}

// said is in how many segments the stimulus left, and where it ends.
func (o *Observation) said() (segments int, end packet.Seq) {
	for _, e := range o.Sent {
		if s := e.Packet.TCP; s.Size() > 0 {
			segments, end = segments+1, s.Seq.Add(s.Size())
		}
	}
	return segments, end
}

func twoAnswers(f *Findings) *Evidence {
	return f.each(func(o Observation) (string, []int) {
		if a, b, ok := conflicting(o.Data); ok {
			return fmt.Sprintf("the same sequence numbers arrive with different bytes, TTL %d and TTL %d", a.Packet.TTL, b.Packet.TTL), []int{a.N, b.N}
		}
		if a, b, ok := dataAfterFIN(o); ok {
			return fmt.Sprintf("data arrives at a sequence number that a FIN (TTL %d) had closed (TTL %d)", a.Packet.TTL, b.Packet.TTL), []int{a.N, b.N}
		}
		return "", nil
	})
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
			if end.Before(d.Packet.TCP.Seq.Add(d.Packet.TCP.Size())) {
				return f, d, true
			}
		}
	}
	return fin, data, false
}

// cutSpread is how far cuts at one volume may lie apart: two full segments.
const cutSpread = 2 * 1460

// cutsAlike reports whether all of some answers were broken off after about
// the same number of bytes, and after how many.
func cutsAlike(obs []Observation) (low, high int, ok bool) {
	for i, o := range obs {
		if o.Short == 0 || o.Said == 0 || !o.brokenOff() && len(o.Resets) == 0 {
			return 0, 0, false
		}
		if i == 0 {
			low = o.Said
		}
		low, high = min(low, o.Said), max(high, o.Said)
	}
	return low, high, len(obs) > 1 && high-low <= cutSpread
}

func cutAtVolume(f *Findings) *Evidence {
	failed := f.failures()
	low, high, ok := cutsAlike(failed)
	more := count(f.controls(), func(o Observation) bool { return o.Said > high }) // whole, or still coming when we stopped listening
	if !ok || !enough(len(failed), len(f.Tests)) || more == 0 || count(f.controls(), worked) < len(f.controls()) {
		return nil
	}
	return &Evidence{Detail: fmt.Sprintf("%d of %d answers end after %d to %d bytes, short of what they announce; %d of %d controls bring more", len(failed), len(f.Tests), low, high, more, len(f.controls()))}
}

// throttleFactor is by how much a transfer must be slower to count: a busy
// path varies by two.
const throttleFactor = 4

func slowerThanControl(f *Findings) *Evidence {
	least := slowest(f.controls())
	if least == 0 {
		return nil
	}
	return f.each(func(o Observation) (string, []int) {
		r := o.Rate()
		if r == 0 || r*throttleFactor > least {
			return "", nil
		}
		return fmt.Sprintf("%.1f kB/s; the slowest control had %.1f kB/s", r/1000, least/1000), []int{o.Data[0].N, o.Data[len(o.Data)-1].N}
	})
}

// slowest is the lowest rate among some transfers; 0: none is known.
func slowest(obs []Observation) float64 {
	least := 0.0
	for _, o := range obs {
		if r := o.Rate(); r > 0 && (least == 0 || r < least) {
			least = r
		}
	}
	return least
}

func acksVanish(f *Findings) *Evidence {
	if count(f.controls(), func(o Observation) bool { return o.deafened() }) > 0 {
		return nil
	}
	return f.each(func(o Observation) (string, []int) {
		if !o.deafened() {
			return "", nil
		}
		return fmt.Sprintf("%d segments came again although we had acknowledged them a round trip before", o.Repeated), numbers(o.Data)
	})
}
