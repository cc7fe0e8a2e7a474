package probe

import (
	"fmt"
	"slices"

	"github.com/rstprobe/rstprobe/internal/packet"
)

// oddHeader finds resets with a property that no genuine reset of the host
// has. Where there is none to compare with, hosts in general do.
func (f *Findings) oddHeader(odd func(Observation, packet.Packet) string) *Evidence {
	return f.each(func(o Observation) (string, []int) {
		for _, rst := range o.Resets {
			if detail := odd(o, rst.Packet); detail != "" {
				return detail, []int{rst.N}
			}
		}
		return "", nil
	})
}

// unlike finds resets with a property that, of the host's genuine ones of the
// same kind, all lack: it needs one at least. A stack fills the header of an
// abort, with the ACK flag, otherwise than that of an answer to a packet
// without a connection, without it (Linux: window, identification, options).
func (f *Findings) unlike(has func(packet.Packet) bool, detail func(packet.Packet) string) *Evidence {
	return f.oddHeader(func(_ Observation, rst packet.Packet) string {
		if !has(rst) {
			return ""
		}
		kin := 0
		for _, g := range f.genuine() {
			if !sameKind(g.Packet, rst) {
				continue
			}
			if has(g.Packet) {
				return ""
			}
			kin++
		}
		if kin == 0 {
			return ""
		}
		return fmt.Sprintf("%s; not so in %d genuine resets of its kind", detail(rst), kin)
	})
}

func idEchoed(f *Findings) *Evidence {
	return f.oddHeader(func(o Observation, rst packet.Packet) string {
		ours := o.Stimulus
		if ours != nil && rst.HasID && rst.ID != 0 && (rst.ID == ours.Packet.ID || rst.ID == ours.Packet.ID+1) {
			return fmt.Sprintf("identification %d, ours was %d", rst.ID, ours.Packet.ID)
		}
		return ""
	})
}

// idConstant: one identification on every flow, where the host's law is
// another.
func idConstant(f *Findings) *Evidence {
	var ids []uint16
	for _, o := range f.Tests {
		if len(o.Resets) > 0 && o.Resets[0].Packet.HasID {
			ids = append(ids, o.Resets[0].Packet.ID)
		}
	}
	if len(ids) < 3 || LawOfIDs(ids, nil).Kind != IDConstant {
		return nil
	}
	return f.unlike(func(p packet.Packet) bool { return p.HasID && p.ID == ids[0] },
		func(packet.Packet) string { return fmt.Sprintf("identification %d on %d flows", ids[0], len(ids)) })
}

// idBreaksCounter: the host counts its packets, all flows in one, and the
// reset is no part of the count.
func idBreaksCounter(f *Findings) *Evidence {
	own := f.ownIDs()
	ids := make([]uint16, len(own))
	for i, s := range own {
		ids[i] = s.id
	}
	law := LawOfIDs(ids, nil)
	if law.Kind != IDCounter {
		return nil
	}
	return f.each(func(o Observation) (string, []int) {
		for _, rst := range o.Resets {
			i := slices.IndexFunc(own, func(s numbered) bool { return s.n > rst.N })
			if i > 0 && !law.Between(ids[i-1], rst.Packet.ID, ids[i]) {
				return fmt.Sprintf("identification %d between %d and %d of the host's own count", rst.Packet.ID, ids[i-1], ids[i]), []int{own[i-1].n, rst.N, own[i].n}
			}
		}
		return "", nil
	})
}

// numbered is the identification of a numbered packet.
type numbered struct {
	n  int
	id uint16
}

// ownIDs are the identifications of the host's own packets, each once, in the
// order of their numbers.
func (f *Findings) ownIDs() []numbered {
	var own []numbered
	low, high := f.ttlRange()
	add := func(list []Seen) {
		for i := range list {
			s := &list[i]
			if s.N != 0 && s.Packet.HasID && s.Packet.TTL >= low && s.Packet.TTL <= high {
				own = append(own, numbered{s.N, s.Packet.ID})
			}
		}
	}
	for _, list := range append(f.lists(), f.Stray) {
		for i := range list {
			o := &list[i]
			if o.SYNACK != nil {
				add([]Seen{*o.SYNACK})
			}
			add(o.Acks)
			add(o.Data)
			add(o.FINs)
		}
	}
	for i := range f.Stray {
		add(f.Stray[i].Resets)
	}
	slices.SortFunc(own, func(a, b numbered) int { return a.n - b.n })
	return slices.CompactFunc(own, func(a, b numbered) bool { return a.n == b.n })
}

func windowMirrored(f *Findings) *Evidence {
	return f.oddHeader(func(o Observation, rst packet.Packet) string {
		ours := o.Stimulus
		if ours != nil && rst.TCP.Window != 0 && rst.TCP.Window == ours.Packet.TCP.Window {
			return fmt.Sprintf("window %d, as in our packet", rst.TCP.Window)
		}
		return ""
	})
}

func windowUnlike(f *Findings) *Evidence {
	return f.unlike(func(p packet.Packet) bool { return p.TCP.Window != 0 },
		func(p packet.Packet) string { return fmt.Sprintf("window %d", p.TCP.Window) })
}

func dfUnlike(f *Findings) *Evidence {
	for _, df := range []bool{true, false} {
		words := map[bool]string{true: `"don't fragment" is set`, false: `"don't fragment" is not set`}[df]
		if e := f.unlike(func(p packet.Packet) bool { return p.HasID && p.DF == df }, func(packet.Packet) string { return words }); e != nil {
			return e
		}
	}
	return nil
}

func reservedBits(f *Findings) *Evidence {
	has := func(p packet.Packet) bool { return p.TCP.Reserved != 0 }
	if f.genuinely(has) {
		return nil
	}
	return f.oddHeader(func(_ Observation, rst packet.Packet) string {
		if !has(rst) {
			return ""
		}
		return fmt.Sprintf("reserved bits %#x", rst.TCP.Reserved)
	})
}

func resetPayload(f *Findings) *Evidence {
	has := func(p packet.Packet) bool { return len(p.TCP.Payload) > 0 }
	if f.genuinely(has) {
		return nil
	}
	return f.oddHeader(func(_ Observation, rst packet.Packet) string {
		if !has(rst) {
			return ""
		}
		return fmt.Sprintf("%d bytes of payload", len(rst.TCP.Payload))
	})
}

func ackUnflagged(f *Findings) *Evidence {
	has := func(p packet.Packet) bool { return p.TCP.Ack != 0 && !p.TCP.Flags.Has(packet.ACK) }
	return f.unlike(has, func(p packet.Packet) string { return "an acknowledgment number without the ACK flag" })
}

func flagsUnlike(f *Findings) *Evidence {
	return f.oddHeader(func(_ Observation, rst packet.Packet) string {
		if len(f.genuine()) == 0 || f.genuinely(func(p packet.Packet) bool { return sameKind(p, rst) }) {
			return ""
		}
		return fmt.Sprintf("%v; none of %d genuine resets has these flags", rst.TCP.Flags, len(f.genuine()))
	})
}

func optionsUnlike(f *Findings) *Evidence {
	return f.unlike(func(p packet.Packet) bool { return len(p.TCP.Options) == 0 },
		func(packet.Packet) string { return "no TCP options" })
}

// genuineReset: the reset is, field by field, what the host itself sends.
func genuineReset(f *Findings) *Evidence {
	genuine := f.genuine()
	rtt, _ := f.minRTT()
	var ids []uint16
	for _, g := range genuine {
		ids = append(ids, g.Packet.ID)
	}
	law := LawOfIDs(ids, nil)
	like := func(a, b packet.Packet) bool {
		// The ID of one reset says little; a law says more.
		fixed := law.Kind == IDZero || law.Kind == IDConstant || len(ids) == 1 && ids[0] == 0
		return a.TTL == b.TTL && a.DF == b.DF && a.TCP.Window == b.TCP.Window && a.TCP.Reserved == b.TCP.Reserved &&
			len(a.TCP.Payload) == len(b.TCP.Payload) && (!fixed || a.ID == b.ID)
	}
	misfit := false // one is enough
	e := f.each(func(o Observation) (string, []int) {
		if len(o.Resets) == 0 {
			return "", nil
		}
		for _, rst := range o.Resets {
			if rst.Delay < rtt*7/10 || !slices.ContainsFunc(genuine, func(g Seen) bool { return like(g.Packet, rst.Packet) }) {
				misfit = true
				return "", nil
			}
		}
		first := o.Resets[0]
		return fmt.Sprintf("TTL %d, window %d and the other fields as in %d genuine resets of this host, a round trip or more after the stimulus",
			first.Packet.TTL, first.Packet.TCP.Window, len(genuine)), []int{first.N}
	})
	if misfit {
		return nil
	}
	return e
}
