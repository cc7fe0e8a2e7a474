package probe

import (
	"fmt"
	"slices"

	"github.com/rstprobe/rstprobe/internal/packet"
)

// ttlSlack is how far TTLs of one host's packets are seen to differ behind
// load balancers; larger natural differences exist (4 in a public capture),
// so that a deviation alone proves nothing.
const ttlSlack = 2

func ttlDiffers(f *Findings) *Evidence {
	low, high := f.ttlRange()
	if high == 0 {
		return nil
	}
	var e Evidence
	n := 0
	for _, o := range f.Tests {
		for _, seen := range slices.Concat(o.Resets, o.FINs, o.Data) {
			ttl := seen.Packet.TTL
			if int(ttl) < int(low)-ttlSlack || int(ttl) > int(high)+ttlSlack {
				e.Packets = append(e.Packets, seen.N)
				e.Detail = fmt.Sprintf("TTL %d; the server's packets arrive with %s", ttl, span(low, high))
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

func serverTTL(f *Findings) *Evidence {
	low, high := f.ttlRange()
	rtt, _ := minRTT(f.all())
	var e Evidence
	n := 0
	for _, o := range f.Tests {
		endings := slices.Concat(o.Resets, o.FINs)
		if len(endings) == 0 {
			continue
		}
		first := endings[0]
		if first.Packet.TTL < low || first.Packet.TTL > high || first.Delay < rtt*7/10 {
			return nil // one that does not fit is enough
		}
		e.Packets = append(e.Packets, first.N)
		e.Detail = fmt.Sprintf("TTL %s, a round trip or more after the stimulus", span(low, high))
		n++
	}
	if !enough(n, len(f.Tests)) {
		return nil
	}
	return &e
}

func span(low, high uint8) string {
	if low == high {
		return fmt.Sprint(low)
	}
	return fmt.Sprintf("%d to %d", low, high)
}

func idEchoed(f *Findings) *Evidence {
	return headerOddity(f, func(o Observation, rst packet.Packet) string {
		ours := o.Stimulus
		if ours != nil && rst.HasID && rst.ID != 0 && (rst.ID == ours.Packet.ID || rst.ID == ours.Packet.ID+1) {
			return fmt.Sprintf("identification %d, ours was %d", rst.ID, ours.Packet.ID)
		}
		return ""
	})
}

func windowMirrored(f *Findings) *Evidence {
	return headerOddity(f, func(o Observation, rst packet.Packet) string {
		ours := o.Stimulus
		if ours != nil && rst.TCP.Window != 0 && rst.TCP.Window == ours.Packet.TCP.Window {
			return fmt.Sprintf("window %d, as in our packet", rst.TCP.Window)
		}
		return ""
	})
}

func headerOddity(f *Findings, odd func(Observation, packet.Packet) string) *Evidence {
	var e Evidence
	n := 0
	for _, o := range f.Tests {
		for _, rst := range o.Resets {
			if detail := odd(o, rst.Packet); detail != "" {
				e.Packets, e.Detail = append(e.Packets, rst.N), detail
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

func hedgedSequence(f *Findings) *Evidence {
	var e Evidence
	n := 0
	for _, o := range f.Tests {
		if len(o.Resets) < 2 {
			continue
		}
		first, last := o.Resets[0].Packet.TCP.Seq, o.Resets[len(o.Resets)-1].Packet.TCP.Seq
		// A step of 500 bytes or more is a guess at the window: a reset
		// repeated by a host follows what it sent.
		if last.Sub(first) >= 500 && !sentUpTo(o.Data, last) {
			for _, r := range o.Resets {
				e.Packets = append(e.Packets, r.N)
			}
			e.Detail = fmt.Sprintf("%d resets, sequence numbers up to %d bytes apart, and no data of the server between them", len(o.Resets), last.Sub(first))
			n++
		}
	}
	if !enough(n, len(f.Tests)) {
		return nil
	}
	return &e
}

func sentUpTo(data []Seen, seq packet.Seq) bool {
	return slices.ContainsFunc(data, func(d Seen) bool {
		return !d.Packet.TCP.Seq.Add(len(d.Packet.TCP.Payload)).Before(seq)
	})
}
