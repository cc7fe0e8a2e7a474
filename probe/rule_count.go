package probe

import (
	"encoding/binary"
	"fmt"
	"net/netip"
	"slices"
	"time"

	"github.com/rstprobe/rstprobe/internal/packet"
)

// hedgeStep is the least step of a guess at the window: a reset repeated by a
// host follows what it sent or what we acknowledged.
const hedgeStep = 500

func hedgedSequence(f *Findings) *Evidence {
	return f.each(func(o Observation) (string, []int) {
		for i, a := range o.Resets {
			for _, b := range o.Resets[i+1:] {
				// A host aborts with SND.NXT and the ACK flag, once, and answers
				// what comes later with our ACK and without the flag: two of one
				// kind cannot be so far apart.
				kind := a.Packet.TCP.Flags.Has(packet.ACK) == b.Packet.TCP.Flags.Has(packet.ACK)
				step := b.Packet.TCP.Seq.Sub(a.Packet.TCP.Seq)
				if kind && a.Packet.TCP.Seq != 0 && step >= hedgeStep && !sentUpTo(o.Data, b.Packet.TCP.Seq) {
					return fmt.Sprintf("%d resets, sequence numbers up to %d bytes apart, and no data of the server between them", len(o.Resets), step), numbers(o.Resets)
				}
			}
		}
		return "", nil
	})
}

func numbers(seen []Seen) []int {
	ns := make([]int, len(seen))
	for i, s := range seen {
		ns[i] = s.N
	}
	return ns
}

func sentUpTo(data []Seen, seq packet.Seq) bool {
	return slices.ContainsFunc(data, func(d Seen) bool {
		return !d.Packet.TCP.Seq.Add(d.Packet.TCP.Size()).Before(seq)
	})
}

func ackBeyondSent(f *Findings) *Evidence {
	return f.each(func(o Observation) (string, []int) {
		if len(o.Sent) == 0 {
			return "", nil
		}
		end := o.Sent[0].Packet.TCP.Seq
		for _, e := range o.Sent {
			if s := e.Packet.TCP; end.Before(s.Seq.Add(s.Len())) {
				end = s.Seq.Add(s.Len())
			}
		}
		for _, r := range o.Resets {
			s := r.Packet.TCP
			if s.Flags.Has(packet.ACK) && end.Before(s.Ack) {
				return fmt.Sprintf("it acknowledges %d bytes more than we ever sent", s.Ack.Sub(end)), []int{r.N}
			}
		}
		return "", nil
	})
}

// causes is how many genuine resets a connection can draw: one abort, and one
// answer to each packet of ours that finds it gone.
func (o *Observation) causes(until time.Duration) int {
	n := 1 + o.Retries
	for _, e := range o.Sent {
		if o.Stimulus != nil && e.At >= o.Stimulus.At && e.At <= until && (e.Packet.TCP.Size() > 0 || e.At > o.Stimulus.At) {
			n++
		}
	}
	return n
}

func moreResets(f *Findings) *Evidence {
	return f.each(func(o Observation) (string, []int) {
		if len(o.Resets) == 0 || o.Stimulus == nil || o.SYNACK == nil {
			return "", nil
		}
		most := o.causes(o.Resets[len(o.Resets)-1].At)
		if len(o.Resets) <= most {
			return "", nil
		}
		return fmt.Sprintf("%d different resets; our packets can have drawn %d", len(o.Resets), most), numbers(o.Resets)
	})
}

// rewrittenAnswer: resets take the places of the segments of an answer.
func rewrittenAnswer(f *Findings) *Evidence {
	return f.each(func(o Observation) (string, []int) {
		var acked []Seen
		for _, r := range o.Resets {
			if r.Packet.TCP.Flags.Has(packet.ACK) && f.ownTTL(r.Packet.TTL) {
				acked = append(acked, r)
			}
		}
		if len(acked) < 2 || len(o.Data) > 0 || o.Stimulus == nil {
			return "", nil
		}
		first, last := acked[0], acked[len(acked)-1]
		step, late := last.Packet.TCP.Seq.Sub(first.Packet.TCP.Seq), last.At-first.At
		if step <= 0 && late < retransmissionTimeout {
			return "", nil
		}
		return fmt.Sprintf("%d resets with the server's own TTL, %d bytes and %v apart, as the segments of an answer and their retransmissions would be", len(acked), step, late.Round(time.Millisecond)), numbers(acked)
	})
}

// idWindowAlgebra is the formula that ties identification and window of one
// family of injectors to the addresses.
func idWindowAlgebra(f *Findings) *Evidence {
	fits := map[[2]uint16]bool{} // the same pair again is no second coincidence
	var e Evidence
	for _, o := range f.Tests {
		for _, r := range o.Resets {
			if fitsAlgebra(r.Packet) {
				fits[[2]uint16{r.Packet.ID, r.Packet.TCP.Window}] = true
				e.Packets = append(e.Packets, r.N)
			}
		}
	}
	if len(fits) < 2 && (len(fits) == 0 || ttlDiffers(f) == nil && ttlRandom(f) == nil && moreResets(f) == nil && dfUnlike(f) == nil) {
		return nil
	}
	e.Detail = fmt.Sprintf("%d packets with %d different identifications fit ID = 65535 - 13 (window - server mod 13) + client mod window", len(e.Packets), len(fits))
	return &e
}

// fitsAlgebra reports whether a packet to us fits ID = 65535 − 13·(window −
// server mod 13) + client mod window, modulo 2^16, the addresses read as
// little-endian integers. It does by chance once in 65,536.
func fitsAlgebra(p packet.Packet) bool {
	window := uint32(p.TCP.Window)
	if !p.HasID || window == 0 {
		return false
	}
	client, server := littleEndian(p.Dst.Addr()), littleEndian(p.Src.Addr())
	return p.ID == uint16(65535-13*(window-server%13)+client%window) //nolint:gosec // modulo 2^16 on purpose
}

func littleEndian(a netip.Addr) uint32 {
	b := a.As4()
	return binary.LittleEndian.Uint32(b[:])
}
