package explain

import (
	"github.com/rstprobe/rstprobe/probe"
)

// artefactCauses are those of the capture, not of the network.
func artefactCauses() []Cause {
	return []Cause{
		{
			Code: "C7", Pattern: "one-way-capture", Author: probe.Undetermined, Ceiling: probe.Proved,
			Title:   "The capture has one direction only",
			Story:   "The other direction takes another way, another interface, or was filtered out. What looks like silence may be a conversation in the best of health.",
			Look:    "Acknowledgment numbers that move although no packet of the other end is there.",
			Twin:    "Real silence does not acknowledge anything new.",
			Next:    "capture on all interfaces (any), or at the host itself",
			English: "packets of the %[1]v only; its acknowledgments (packet %[2]d) show that the other end talks: the capture misses that direction",
			Chinese: "抓包中只有 %[1]v 一个方向的报文,但其确认号在增长(第 %[2]d 号包):抓包缺失另一方向",
			find: func(x *matter) *Finding {
				for _, of := range []side{client, server} {
					if x.packets(of.other()) > 0 || len(x.resets()) > 0 || x.r != nil {
						continue
					}
					first := x.first(of, 0, func(g *seg) bool { return g.plainACK() && g.p.TCP.Ack != 0 })
					if first == nil {
						continue
					}
					moved := x.first(of, first.i, func(g *seg) bool { return g.plainACK() && g.p.TCP.Ack != first.p.TCP.Ack || x.syn != nil })
					if moved != nil {
						return &Finding{Confidence: probe.Proved, Packets: numbers(first, moved), Args: []any{of, moved.n}, Decisive: true}
					}
				}
				return nil
			},
		},
		{
			Code: "C7", Pattern: "captured-twice", Author: probe.Undetermined, Ceiling: probe.Proved,
			Title:   "Packets captured twice",
			Story:   "A mirror port or a capture on several interfaces shows each packet more than once. Analysers take the copies for retransmissions.",
			Look:    "Packets with the same IP ID, numbers and length within a millisecond; a TTL one lower means a router in between.",
			Twin:    "A retransmission comes later and with a new IP ID.",
			Next:    "capture on one interface, or remove duplicates (editcap -d)",
			English: "%[1]d of %[2]d packets are copies made by the capture (packet %[3]d of packet %[4]d): not retransmissions",
			Chinese: "%[2]d 个包中有 %[1]d 个是抓包产生的重复(第 %[3]d 号是第 %[4]d 号的副本),并非重传",
			find: func(x *matter) *Finding {
				copies := 0
				var first *seg
				for i := range x.segs {
					if n := len(x.segs[i].copies); n > 0 {
						copies += n
						if first == nil {
							first = &x.segs[i]
						}
					}
				}
				// A few copies explain nothing.
				if x.r != nil || len(x.resets()) > 0 || copies*2 < len(x.segs) || copies < 3 {
					return nil
				}
				return &Finding{
					Confidence: probe.Proved, Packets: []int{first.n, first.copies[0]},
					Args: []any{copies, copies + len(x.segs), first.copies[0], first.n},
				}
			},
		},
		{
			Code: "C7", Pattern: "begins-too-late", Author: probe.Undetermined, Ceiling: probe.Possible,
			Title:   "The capture begins after what drew the reset",
			Story:   "The reset is the first that the capture has of the conversation. What led to it came before the capture began, or took another way.",
			Look:    "No packet of the other end before the reset.",
			Twin:    "A blind attack sends resets without a conversation, too, and more than one.",
			Next:    "capture again, for longer, and on all interfaces",
			English: "packet %[1]d: the capture has nothing of the %[2]v before this reset",
			Chinese: "第 %[1]d 号 RST 之前没有 %[2]v 的任何报文:抓包开始得太晚或缺失另一方向",
			find: func(x *matter) *Finding {
				if x.r == nil || x.last(x.from().other(), x.r.i, any1) != nil || len(x.resets()) > 2 {
					return nil
				}
				return &Finding{Confidence: probe.Possible, Packets: numbers(x.r), Args: []any{x.r.n, x.from().other()}}
			},
		},
	}
}
