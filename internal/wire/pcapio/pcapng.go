package pcapio

import (
	"fmt"
	"iter"
)

// The blocks that matter (draft-ietf-opsawg-pcapng §4). blockSection is the
// same in either byte order: no pcap file begins so.
const (
	blockInterface  = 1
	blockPacket     = 2 // obsolete
	blockSimple     = 3
	blockStatistics = 5
	blockEnhanced   = 6
	blockSection    = 0x0a0d0d0a
)

// The options that matter (draft-ietf-opsawg-pcapng §3.5 and §4).
const (
	optEnd       = 0
	optIfResol   = 9  // of an interface: unit of time
	optIfOffset  = 14 // of an interface: seconds to add
	optStatDrops = 5  // of statistics: lost by the interface
	optStatOS    = 7  // of statistics: lost by the operating system
)

const (
	byteOrderMagic = 0x1a2b3c4d
	minBlock       = 12 // type, length, length again

	// maxInterfaces of one section: the obsolete packet block could name no
	// more, and every one costs memory.
	maxInterfaces = 1 << 16
)

// iface is what an interface description block says.
type iface struct {
	link    LinkType
	snaplen int // bytes; 0: none
	resol   resolution
	offset  int64 // seconds to add to timestamps
	dropped uint64
}

// pcapng reads the block format.
type pcapng struct {
	order  order
	ifaces []iface // of the section
	lost   uint64  // in the sections before
}

func (p *pcapng) dropped() uint64 {
	n := p.lost
	for _, i := range p.ifaces {
		n += i.dropped
	}
	return n
}

func (p *pcapng) next(s *Scanner) error {
	for {
		packet, err := p.block(s)
		if packet || err != nil {
			return err
		}
	}
}

// block reads one block and tells whether it was a packet, which is then in
// s.rec.
func (p *pcapng) block(s *Scanner) (packet bool, err error) {
	b, err := s.peek(minBlock)
	if err != nil {
		return false, err // io.EOF: the capture ends between blocks
	}
	kind := p.order.u32(b)
	if kind == blockSection {
		if err := p.section(b); err != nil {
			return false, err
		}
	}
	size := p.order.u32(b[4:])
	if size < minBlock || size%4 != 0 {
		return false, fmt.Errorf("block of type %#x has an impossible length of %d bytes", kind, size)
	}
	switch kind {
	case blockSection, blockInterface, blockPacket, blockSimple, blockStatistics, blockEnhanced:
	default:
		return false, p.pass(s, kind, size)
	}
	if size > maxBlock {
		return false, fmt.Errorf("block of type %#x has %d bytes, at most %d are possible", kind, size, maxBlock)
	}
	if b, err = s.peek(int(size)); err != nil {
		return false, fmt.Errorf("block of type %#x and %d bytes: %w", kind, size, cutOff(err))
	}
	if err := p.checkEnd(kind, size, b[size-4:]); err != nil {
		return false, err
	}
	packet, err = p.read(&s.rec, kind, b[8:size-4:size-4])
	if err != nil {
		return false, err
	}
	s.rec.Offset = s.off
	return packet, s.skip(int(size))
}

// section starts a new section by the first bytes of its header, which alone
// tell the byte order.
func (p *pcapng) section(b []byte) error {
	switch {
	case order(false).u32(b[8:]) == byteOrderMagic:
		p.order = false
	case order(true).u32(b[8:]) == byteOrderMagic:
		p.order = true
	default:
		return fmt.Errorf("section header has the byte-order magic %x", b[8:12])
	}
	return nil
}

// pass leaves out a block whose contents do not matter, whatever its length.
func (p *pcapng) pass(s *Scanner, kind, size uint32) error {
	start := s.off
	err := s.skip(int(size) - 4)
	if err == nil {
		var end []byte
		if end, err = s.peek(4); err == nil {
			err = p.checkEnd(kind, size, end)
		}
	}
	if err == nil {
		err = s.skip(4)
	}
	if err != nil {
		s.off = start
		return fmt.Errorf("block of type %#x and %d bytes: %w", kind, size, cutOff(err))
	}
	return nil
}

// checkEnd compares the length at the end of a block with that at its start.
func (p *pcapng) checkEnd(kind, size uint32, end []byte) error {
	if again := p.order.u32(end); again != size {
		return fmt.Errorf("block of type %#x has %d bytes at its start and %d at its end", kind, size, again)
	}
	return nil
}

// read takes the body of a block and tells whether it was a packet.
func (p *pcapng) read(rec *Record, kind uint32, b []byte) (packet bool, err error) {
	switch kind {
	case blockSection:
		p.lost = p.dropped()
		p.ifaces = p.ifaces[:0]
		return false, nil
	case blockInterface:
		return false, p.readInterface(b)
	case blockStatistics:
		return false, p.readStatistics(b)
	case blockSimple:
		return true, p.readSimple(rec, b)
	default: // blockEnhanced, blockPacket
		return true, p.readPacket(rec, kind, b)
	}
}

func tooShort(what string, b []byte) error {
	return fmt.Errorf("%s has a body of %d bytes", what, len(b))
}

// readPacket reads an enhanced packet block or an obsolete packet block, which
// differ in the number of the interface only.
func (p *pcapng) readPacket(rec *Record, kind uint32, b []byte) error {
	const fixed = 20
	if len(b) < fixed {
		return tooShort("packet block", b)
	}
	id := p.order.u32(b)
	if kind == blockPacket {
		id = uint32(p.order.u16(b)) // the other half counts drops
	}
	i, err := p.iface(id)
	if err != nil {
		return err
	}
	captured := p.order.u32(b[12:])
	if captured > maxPacket || int(captured) > len(b)-fixed {
		return fmt.Errorf("packet of %d captured bytes in a block that has room for %d", captured, len(b)-fixed)
	}
	sec, nsec := i.resol.split(uint64(p.order.u32(b[4:]))<<32 | uint64(p.order.u32(b[8:])))
	rec.At = unix(sec+i.offset, nsec)
	rec.Link = i.link
	rec.Interface = int(id)
	rec.Data = b[fixed : fixed+int(captured)]
	rec.Wire = max(length(p.order.u32(b[16:])), int(captured))
	return nil
}

// readSimple reads a simple packet block: of the first interface, without a
// time, cut to the interface's snapshot length.
func (p *pcapng) readSimple(rec *Record, b []byte) error {
	const fixed = 4
	if len(b) < fixed {
		return tooShort("simple packet block", b)
	}
	i, err := p.iface(0)
	if err != nil {
		return err
	}
	wire := length(p.order.u32(b))
	captured := min(wire, len(b)-fixed, maxPacket) // padding to four bytes may follow
	if i.snaplen > 0 {
		captured = min(captured, i.snaplen)
	}
	*rec = Record{N: rec.N, Link: i.link, Data: b[fixed : fixed+captured], Wire: max(wire, captured)}
	return nil
}

func (p *pcapng) iface(id uint32) (*iface, error) {
	if int64(id) >= int64(len(p.ifaces)) {
		return nil, fmt.Errorf("packet of interface %d, of which there are %d", id, len(p.ifaces))
	}
	return &p.ifaces[id], nil
}

func (p *pcapng) readInterface(b []byte) error {
	const fixed = 8
	if len(b) < fixed {
		return tooShort("interface description", b)
	}
	if len(p.ifaces) == maxInterfaces {
		return fmt.Errorf("section has more than %d interfaces", maxInterfaces)
	}
	i := iface{
		link:    LinkType(p.order.u16(b)),
		snaplen: int(min(p.order.u32(b[4:]), maxPacket)),
		resol:   microseconds,
	}
	for code, value := range p.options(b[fixed:]) {
		switch {
		case code == optIfResol && len(value) == 1:
			i.resol = resolution(value[0])
		case code == optIfOffset && len(value) == 8:
			// Two's complement; what is far off makes no valid time.
			i.offset = min(max(int64(p.order.u64(value)), -lastSecond), lastSecond) //nolint:gosec // bounded
		}
	}
	p.ifaces = append(p.ifaces, i)
	return nil
}

// readStatistics reads what was lost on an interface so far.
func (p *pcapng) readStatistics(b []byte) error {
	const fixed = 12
	if len(b) < fixed {
		return tooShort("interface statistics", b)
	}
	i, err := p.iface(p.order.u32(b))
	if err != nil {
		return fmt.Errorf("interface statistics: %w", err)
	}
	i.dropped = 0
	for code, value := range p.options(b[fixed:]) {
		if (code == optStatDrops || code == optStatOS) && len(value) == 8 {
			i.dropped += p.order.u64(value)
		}
	}
	return nil
}

// options yields code and value of each option up to the end of the list or
// the first that does not fit.
func (p *pcapng) options(b []byte) iter.Seq2[uint16, []byte] {
	return func(yield func(uint16, []byte) bool) {
		for len(b) >= 4 {
			code, n := p.order.u16(b), int(p.order.u16(b[2:]))
			if code == optEnd || n > len(b)-4 || !yield(code, b[4:4+n]) {
				return
			}
			b = b[min(4+(n+3)&^3, len(b)):]
		}
	}
}
