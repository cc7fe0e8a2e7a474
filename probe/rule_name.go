package probe

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/rstprobe/rstprobe/internal/flow"
	"github.com/rstprobe/rstprobe/internal/packet"
	"github.com/rstprobe/rstprobe/internal/payload"
)

func nameDiffers(f *Findings) *Evidence {
	outcome, _ := f.ending()
	controls := f.controls()
	if !f.served() || !enough(count(controls, worked), len(controls)) || !enough(f.Failed(), len(f.Tests)) || len(f.Random) == 0 || count(f.Random, worked) < len(f.Random) {
		return nil
	}
	names := []string{fmt.Sprintf("controls %d of %d", count(f.controls(), worked), len(f.controls())), fmt.Sprintf("a random name %d of %d", count(f.Random, worked), len(f.Random))}
	if len(f.NoName) > 0 {
		names = append(names, fmt.Sprintf("no name %d of %d", count(f.NoName, worked), len(f.NoName)))
	}
	return &Evidence{Detail: fmt.Sprintf("%s %d of %d; served: %s", outcome, f.Failed(), len(f.Tests), strings.Join(names, ", "))}
}

func unknownNamesAlike(f *Findings) *Evidence {
	outcome, _ := f.ending()
	alike := count(f.Random, func(o Observation) bool { return o.Outcome == outcome })
	if outcome == OK || !enough(alike, len(f.Random)) {
		return nil
	}
	return &Evidence{Detail: fmt.Sprintf("%s for a random name in %d of %d trials", outcome, alike, len(f.Random))}
}

// controlsAlike: the controls end as the test does, so it is not for the name.
// Where a random name is served, it is: the controls are then blocked, too.
func controlsAlike(f *Findings) *Evidence {
	outcome, _ := f.ending()
	if slices.ContainsFunc(f.Random, worked) {
		return nil
	}
	alike := count(f.Leading, func(o Observation) bool { return o.Outcome == outcome })
	if outcome == OK || !enough(alike, len(f.Leading)) {
		return nil
	}
	return &Evidence{Detail: fmt.Sprintf("%s in %d of %d controls before the test name was sent", outcome, alike, len(f.Leading))}
}

func tlsAlert(f *Findings) *Evidence {
	return f.each(func(o Observation) (string, []int) {
		if o.Outcome != Alert || len(o.Data) == 0 {
			return "", nil
		}
		return o.Reply.String(), []int{o.Data[0].N}
	})
}

// segmentationFlips: cut in two, the same stimulus is served every time;
// whole, never.
func segmentationFlips(f *Findings) *Evidence {
	controls := f.controls()
	if len(f.Split) < 3 || count(f.Split, worked) < len(f.Split) || f.Failed() < max(3, len(f.Tests)) ||
		len(controls) == 0 || count(controls, worked) < len(controls) {
		return nil
	}
	return &Evidence{Detail: fmt.Sprintf("whole it fails %d of %d times, cut inside the name it is served %d of %d times", f.Failed(), len(f.Tests), len(f.Split), len(f.Split))}
}

// closingTalk: before its reset, the server said itself that it would end the
// connection.
func closingTalk(f *Findings) *Evidence {
	return f.each(func(o Observation) (string, []int) {
		if len(o.Resets) == 0 {
			return "", nil
		}
		rst := o.Resets[0]
		before := func(s Seen) bool { return s.before(rst) && f.ownTTL(s.Packet.TTL) }
		if i := slices.IndexFunc(o.FINs, before); i >= 0 {
			return fmt.Sprintf("it had closed its own half %v before", (rst.At - o.FINs[i].At).Round(time.Microsecond)), []int{o.FINs[i].N, rst.N}
		}
		refused := o.Reply.Kind == payload.AlertReply || o.Reply.Kind == payload.HTTPReply && o.Reply.Status >= 400
		if i := slices.IndexFunc(o.Data, before); i >= 0 && refused {
			return o.Reply.String() + " came before", []int{o.Data[i].N, rst.N}
		}
		return "", nil
	})
}

// answersLateData: the reset is what RFC 9293 asks of a host that has closed,
// in answer to a packet of ours behind its FIN.
func answersLateData(f *Findings) *Evidence {
	return f.each(func(o Observation) (string, []int) {
		for _, fin := range o.FINs {
			for _, rst := range o.Resets {
				s := rst.Packet.TCP
				ours := slices.ContainsFunc(o.Sent, func(e flow.Event) bool {
					return e.At >= fin.At && e.At <= rst.At && e.Packet.TCP.Flags.Has(packet.ACK) && e.Packet.TCP.Ack == s.Seq
				})
				if ours && !s.Flags.Has(packet.ACK) && s.Ack == 0 && rst.At > fin.At && f.ownTTL(fin.Packet.TTL) {
					return "no ACK flag, and the sequence number is the acknowledgment of what we sent after the close", []int{fin.N, rst.N}
				}
			}
		}
		return "", nil
	})
}
