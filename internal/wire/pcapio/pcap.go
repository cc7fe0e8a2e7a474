package pcapio

import (
	"encoding/binary"
	"fmt"
)

// The magic numbers of pcap files, which tell the byte order and the unit of
// time (draft-ietf-opsawg-pcap §4).
const (
	magicMicroseconds = 0xa1b2c3d4
	magicNanoseconds  = 0xa1b23c4d
)

// Lengths of the headers of a pcap file, in bytes.
const (
	pcapFileHeader   = 24
	pcapPacketHeader = 16
)

// linkMask takes the link type from its field, which may say the length of
// frame check sequences as well (draft-ietf-opsawg-pcap §4).
const linkMask = 0x03ffffff

// pcap reads the classic format.
type pcap struct {
	order order
	unit  uint64 // nanoseconds of the fraction's unit
	link  LinkType
}

// openPcap reads the file header. magic is its first four bytes.
func openPcap(s *Scanner, magic []byte) (*pcap, error) {
	p := &pcap{unit: 1000}
	for _, big := range []order{false, true} {
		switch big.u32(magic) {
		case magicNanoseconds:
			p.unit = 1
			fallthrough
		case magicMicroseconds:
			p.order = big
			return p, p.open(s)
		}
	}
	return nil, fmt.Errorf("pcapio: no capture file: it begins with the bytes %x, magic number of neither pcap nor pcapng", binary.BigEndian.Uint32(magic))
}

func (p *pcap) open(s *Scanner) error {
	b, err := s.peek(pcapFileHeader)
	if err != nil {
		return fmt.Errorf("pcapio: read pcap file header: %w", err)
	}
	p.link = LinkType(p.order.u32(b[20:]) & linkMask)
	return s.skip(pcapFileHeader)
}

func (p *pcap) next(s *Scanner) error {
	b, err := s.peek(pcapPacketHeader)
	if err != nil {
		return err
	}
	sec, frac := p.order.u32(b), p.order.u32(b[4:])
	captured, wire := length(p.order.u32(b[8:])), length(p.order.u32(b[12:]))
	if captured > maxPacket {
		return fmt.Errorf("packet of %d captured bytes, at most %d are possible", captured, maxPacket)
	}
	size := pcapPacketHeader + captured
	if b, err = s.peek(size); err != nil {
		return fmt.Errorf("packet of %d captured bytes: %w", captured, cutOff(err))
	}
	s.rec.At = unix(int64(sec), uint64(frac)*p.unit)
	s.rec.Link = p.link
	s.rec.Data = b[pcapPacketHeader:size:size]
	s.rec.Wire = max(wire, captured)
	s.rec.Offset = s.off
	return s.skip(size)
}

func (*pcap) dropped() uint64 { return 0 }
