package capture

import (
	"bytes"
	"errors"
	"io"
	"testing"
	"time"

	"github.com/rstprobe/rstprobe/internal/flow"
	"github.com/rstprobe/rstprobe/internal/packet"
	"github.com/rstprobe/rstprobe/internal/wire/pcapio"
)

// FuzzReader: no capture panics, every packet of it is accounted for, and all
// that is read fits into a table.
func FuzzReader(f *testing.F) {
	for _, l := range links {
		ip := syn4
		if l.ip == 6 {
			ip = syn6
		}
		frame := append(unhex(l.before), ip...)
		f.Add(record(pcapHeader(l.link), frame, len(frame)+7))
	}
	fragmented := pcapHeader(pcapio.LinkRaw)
	for _, v6 := range []bool{false, true} {
		for _, piece := range split(segment(v6, 100), 48) {
			fragmented = record(fragmented, piece, len(piece))
		}
	}
	f.Add(fragmented)
	f.Fuzz(func(t *testing.T, file []byte) {
		r, err := NewReader(bytes.NewReader(file))
		if err != nil {
			return
		}
		n, segments := 0, 0
		table := flow.NewTable(flow.Config{MaxFlows: 3, MaxEvents: 4, Yield: func(c *flow.Conversation) {
			for _, s := range []flow.Side{c.Client, c.Server} {
				n += s.Packets + s.Copies
			}
			if c.Prior.Last >= c.First {
				n-- // its SYN is in the one before as well
			}
		}})
		last := 0
		for {
			var fr *Frame
			if fr, err = r.Next(); err != nil {
				break
			}
			if fr.N <= last || !wanted(fr.Packet.Proto) || fr.Packet.TCP.Missing < 0 || !fr.Packet.Src.Addr().IsValid() {
				t.Fatalf("frame %+v after %d", fr, last)
			}
			last = fr.N
			if fr.Packet.Proto == packet.TCP {
				segments++
			}
			table.Add(fr.N, fr.At, &fr.Packet)
		}
		table.Flush()
		var damage *Damage
		if !errors.Is(err, io.EOF) && !errors.As(err, &damage) && !errors.Is(err, ErrLinkType) {
			t.Errorf("ended by %v", err)
		}
		s := r.Stats()
		if kept := s.Packets - s.Frames - s.Other - s.Unreadable - s.Foreign; kept < 0 || kept > s.Fragments {
			t.Errorf("%+v", s)
		}
		if n != segments {
			t.Errorf("%d segments in conversations, want %d", n, segments)
		}
	})
}

// pcapHeader begins a file of a link type.
func pcapHeader(link pcapio.LinkType) []byte {
	b := unhex("d4c3b2a1 02000400 00000000 00000000 00000400")
	return append(b, byte(link), byte(link>>8), 0, 0)
}

// record appends a packet, a second after 1970, to a file.
func record(file, data []byte, wire int) []byte {
	file = append(file, 1, 0, 0, 0, 0, 0, 0, 0)
	file = append(file, byte(len(data)), byte(len(data)>>8), 0, 0, byte(wire), byte(wire>>8), 0, 0)
	return append(file, data...)
}

// FuzzDatagram: no link layer panics, and what is found is the end of the
// packet.
func FuzzDatagram(f *testing.F) {
	for _, l := range links {
		f.Add(uint32(l.link), append(unhex(l.before), syn4...))
	}
	f.Fuzz(func(t *testing.T, link uint32, frame []byte) {
		ip, what := datagram(pcapio.LinkType(link), frame)
		if (what == datagramIP) != (len(ip) > 0) || !bytes.HasSuffix(frame, ip) {
			t.Errorf("content %d, %x", what, ip)
		}
		if what != foreign != known(pcapio.LinkType(link)) {
			t.Error("known depends on the packet")
		}
	})
}

// FuzzFragments: a datagram cut anywhere, its pieces in any order, some of them
// more than once, is the same when they are put together; and any other
// fragment among them does no harm.
func FuzzFragments(f *testing.F) {
	f.Add(false, 100, []byte{3, 1, 2, 0, 5}, []byte{})
	f.Add(true, 1000, []byte{9, 8, 7, 6, 5, 4, 3, 2, 1, 0, 250}, split(segment(true, 100), 48)[1])
	f.Add(false, 60, []byte{0, 0, 0, 1}, split(segment(false, 100), 48)[2])
	f.Fuzz(func(t *testing.T, v6 bool, size int, order, stranger []byte) {
		raw := segment(v6, max(size&0x7fff, 16))
		head := 20
		if v6 {
			head = 40
		}
		blocks := (len(raw) - head + 7) / 8
		var pieces fragments
		foreign := fragmentKey{}
		if fragmented(stranger) {
			if p, ok := parseFragment(stranger); ok {
				foreign = p.key
				pieces.add(p, time.Time{})
			}
		}
		// Each byte of order names a block to begin a piece with; the first
		// and the last always are among them.
		var got []byte
		add := func(from, to int) {
			p, ok := parseFragment(fragmentOf(raw, from*8, min(to*8, len(raw)-head)))
			if !ok || p.key == foreign {
				t.Skip("of the stranger")
			}
			whole, _, _ := pieces.add(p, time.Time{})
			if whole != nil {
				got = whole
			}
		}
		half := blocks / 2
		for _, o := range order[:min(len(order), 100)] {
			from := int(o) % half
			add(from, from+1)
		}
		add(half, blocks)
		if got == nil {
			add(0, half)
		}
		if got != nil && !sameBut(got, raw) {
			t.Errorf("put together:\n%x, want\n%x", got, raw)
		}
		if got == nil {
			t.Error("never whole")
		}
	})
}
