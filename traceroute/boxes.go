package traceroute

import (
	"bytes"
	"cmp"
	"slices"

	"github.com/rstprobe/rstprobe/internal/packet"
	"github.com/rstprobe/rstprobe/probe"
)

// Box is one of several that answer on the same path.
type Box struct {
	Location   *Location // nil: too few rounds show it
	Prints     []Print   // the kinds of packet that it sends, the commonest first
	ID         probe.IDLaw
	PerTrigger int   // the most packets that one copy drew
	Packets    []int // that it sent, by number
}

// Print is what identical packets of a box have in common.
type Print struct {
	TTL     uint8 // as received
	Nearer  int   // TTL less that of the server's SYN-ACK; 0 where there is none
	Flags   packet.Flags
	Window  uint16
	DF      bool
	ZeroID  bool // IPv4 identification 0
	ICMP    packet.ICMPKind
	Payload string
}

// printOf reads what came. serverTTL is that of the SYN-ACK; 0: not known.
func printOf(s probe.Seen, serverTTL uint8) Print {
	p := s.Packet
	f := Print{TTL: p.TTL, DF: p.DF, ICMP: p.ICMP.Kind, Flags: p.TCP.Flags, Window: p.TCP.Window, ZeroID: p.HasID && p.ID == 0}
	if serverTTL > 0 {
		f.Nearer = int(p.TTL) - int(serverTTL)
	}
	// The first line tells pages apart; what follows may name us and the time.
	line, _, _ := bytes.Cut(p.TCP.Payload, []byte("\n"))
	f.Payload = string(line)
	return f
}

// flock is packets that are taken to come from one box, and whether each copy
// of each round drew one.
type flock struct {
	prints map[Print]int
	seen   []probe.Seen
	drew   map[[2]int]int // by round and TTL
	full   map[int]bool   // by full-TTL test
	after  int
	at     int
}

// Boxes tells the boxes on one path apart and places each. Packets of one
// kind come from one box; kinds whose segments overlap cannot be told apart by
// place and count as one box, as those of a box that sends several resets
// with other windows and TTLs for each trigger do. The nearest box is first.
func (s Search) Boxes(method Method) []Box {
	s.Test = slices.DeleteFunc(slices.Clone(s.Test), func(t Sweep) bool { return len(t.TTLs) == 0 })
	s.Timed = nil
	end := s.Path.ServerTTL
	if end == 0 {
		return nil
	}
	var found []*flock
	for _, one := range s.flocks() {
		s.settle(one, end)
		i := slices.IndexFunc(found, func(f *flock) bool { return one.after < f.at && f.after < one.at })
		if i < 0 {
			found = append(found, one)
			continue
		}
		found[i].join(one)
		s.settle(found[i], end)
	}
	slices.SortStableFunc(found, func(a, b *flock) int { return cmp.Compare(a.at, b.at) })
	var boxes []Box
	for _, f := range found {
		boxes = append(boxes, s.box(f, method))
	}
	return boxes
}

// Place is where the box of which the facts tell stands, and all of them where
// there are several. The place is then the nearest one's: what the others sent
// says nothing about it.
func (s Search) Place(f probe.Sweeps, method Method) (*Location, []Box) {
	boxes := s.Boxes(method)
	if len(boxes) < 2 {
		return s.Locate(f, method), nil
	}
	if l := boxes[0].Location; l != nil {
		return l, boxes
	}
	return s.Locate(f, method), boxes
}

// kind is what a print has in common with those of a box that makes up TTL
// and window anew for each packet.
func (p Print) kind() Print {
	p.TTL, p.Nearer, p.Window = 0, 0, 0
	return p
}

// together are the kinds of which one copy drew packets with several TTLs or
// windows: those numbers tell senders apart. Of the others each copy drew one
// packet, so one sender varies them.
func (s Search) together(server uint8) map[Print]bool {
	several := map[Print]bool{}
	for _, t := range s.Test {
		for _, r := range t.Replies {
			drew := map[Print]Print{}
			for _, d := range r.Drawn {
				p := printOf(d, server)
				if before, ok := drew[p.kind()]; ok && before != p {
					several[p.kind()] = true
				}
				drew[p.kind()] = p
			}
		}
	}
	return several
}

// flocks are the kinds of packet that the copies drew, the commonest first.
func (s Search) flocks() []*flock {
	var server uint8
	for _, o := range s.Full {
		if o.SYNACK != nil {
			server = o.SYNACK.Packet.TTL
		}
	}
	several := s.together(server)
	var all []*flock
	byKey := map[Print]*flock{}
	of := func(d probe.Seen) *flock {
		p := printOf(d, server)
		key := p
		if !several[p.kind()] {
			key = p.kind()
		}
		f := byKey[key]
		if f == nil {
			f = &flock{prints: map[Print]int{}, drew: map[[2]int]int{}, full: map[int]bool{}}
			byKey[key] = f
			all = append(all, f)
		}
		f.prints[p]++
		return f
	}
	for round, t := range s.Test {
		for _, ttl := range t.TTLs {
			for _, d := range t.Replies[int(ttl)].Drawn {
				f := of(d)
				f.seen = append(f.seen, d)
				f.drew[[2]int{round, int(ttl)}]++
			}
		}
	}
	below := len(all)
	for i, o := range s.Full {
		for _, d := range slices.Concat(o.Resets, o.FINs, o.Errors) {
			of(d).full[i] = true
		}
	}
	all = all[:below] // what only the full TTL draws is the server's, or past its distance
	slices.SortStableFunc(all, func(a, b *flock) int { return cmp.Compare(len(b.seen), len(a.seen)) })
	return all
}

func (f *flock) join(g *flock) {
	for p, n := range g.prints {
		f.prints[p] += n
	}
	f.seen = append(f.seen, g.seen...)
	for k, n := range g.drew {
		f.drew[k] += n
	}
	for i := range g.full {
		f.full[i] = true
	}
}

// settle finds the segment of a flock.
func (s Search) settle(f *flock, end int) {
	var rounds []round
	for i, t := range s.Test {
		if len(t.Stray) > 0 && t.Lowest() == 0 {
			continue
		}
		var r round
		for _, ttl := range t.TTLs {
			r.sent = append(r.sent, int(ttl))
			if f.drew[[2]int{i, int(ttl)}] > 0 {
				r.hits = append(r.hits, int(ttl))
			}
		}
		if t.Apart {
			rounds = append(rounds, r.apart()...)
			continue
		}
		rounds = append(rounds, r)
	}
	for i := range s.Full {
		r := round{sent: []int{end}}
		if f.full[i] {
			r.hits = r.sent
		}
		rounds = append(rounds, r)
	}
	_, _, spoken := s.routers(end)
	f.after, f.at, _ = place(staircase(rounds, end, around(spoken, 20)))
}

// box describes a flock and places it.
func (s Search) box(f *flock, method Method) Box {
	var b Box
	for p := range f.prints {
		b.Prints = append(b.Prints, p)
	}
	slices.SortFunc(b.Prints, func(x, y Print) int {
		return cmp.Or(cmp.Compare(f.prints[y], f.prints[x]), cmp.Compare(x.TTL, y.TTL), cmp.Compare(x.Flags, y.Flags),
			cmp.Compare(x.Window, y.Window), cmp.Compare(x.ICMP, y.ICMP), cmp.Compare(x.Payload, y.Payload))
	})
	slices.SortFunc(f.seen, func(x, y probe.Seen) int { return cmp.Compare(x.N, y.N) })
	var ids []uint16
	for _, d := range f.seen {
		b.Packets = append(b.Packets, d.N)
		if d.Packet.HasID {
			ids = append(ids, d.Packet.ID)
		}
	}
	b.ID = probe.LawOfIDs(ids, nil)
	voted := map[int]bool{}
	for k, n := range f.drew {
		b.PerTrigger = max(b.PerTrigger, n)
		voted[k[0]] = true
	}
	facts := probe.Sweeps{ServerTTL: s.Path.ServerTTL, Rounds: len(s.Test), At: f.at, After: f.after, Votes: len(voted)}
	alone := s
	alone.Full, alone.Test = nil, []Sweep{{Replies: map[int]Reply{0: {Drawn: f.seen}}}}
	alone.Known = slices.Concat(s.Test, s.Known)
	b.Location = alone.Locate(facts, method)
	return b
}
