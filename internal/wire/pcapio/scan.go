package pcapio

import (
	"compress/gzip"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"math"
	"math/bits"
	"time"
)

// Bounds of what a scanner takes for a packet, so that a forged length costs
// neither memory nor time.
const (
	// maxPacket is the most bytes of one packet: MAXIMUM_SNAPLEN of libpcap,
	// which writes and reads no more.
	maxPacket = 262144

	// maxBlock is the most bytes of a block whose contents matter: a packet
	// and room for its comments. The buffer never grows much beyond.
	maxBlock = 1 << 20
)

// Record is one packet as a capture file holds it.
type Record struct {
	N         int       // its number in the file, from 1, through all sections
	At        time.Time // zero where the file does not say (simple packet blocks) or says nonsense
	Link      LinkType  // what Data begins with
	Interface int       // index in its section; 0 in a pcap file
	Data      []byte    // as far as captured; valid until the next call of Next
	Wire      int       // length on the wire in bytes, at least len(Data)
	Offset    int64     // where its block begins, from the start of the capture (decompressed)
}

// Scanner reads the packets of a pcap or pcapng capture one by one, in
// constant memory. It allocates nothing per packet.
type Scanner struct {
	in     *source
	off    int64 // of the next byte of in
	format format
	rec    Record
	err    error // what ended it
}

// format reads one kind of file.
type format interface {
	// next fills in s.rec, but for N. The error is io.EOF exactly at the end
	// of the last block; otherwise s.off is where the block in question
	// begins.
	next(s *Scanner) error

	// dropped is how many packets the capturing host reports as lost.
	dropped() uint64
}

// NewScanner reads the beginning of a capture: pcap with microseconds or
// nanoseconds or pcapng, in either byte order, or one of them inside gzip.
func NewScanner(r io.Reader) (*Scanner, error) {
	in := newSource(r)
	if magic, err := in.peek(2); err == nil && magic[0] == 0x1f && magic[1] == 0x8b { // RFC 1952 §2.3.1
		unzipped, err := gzip.NewReader(in)
		if err != nil {
			return nil, fmt.Errorf("pcapio: read gzip header: %w", err)
		}
		in = newSource(unzipped)
	}
	magic, err := in.peek(4)
	if err != nil {
		return nil, fmt.Errorf("pcapio: no capture file: shorter than its first four bytes: %w", err)
	}
	s := &Scanner{in: in}
	switch {
	case binary.BigEndian.Uint32(magic) == blockSection:
		s.format = &pcapng{}
	default:
		if s.format, err = openPcap(s, magic); err != nil {
			return nil, err
		}
	}
	return s, nil
}

// Link is the link type of all packets; false for pcapng, where every
// interface has its own.
func (s *Scanner) Link() (LinkType, bool) {
	p, ok := s.format.(*pcap)
	if !ok {
		return 0, false
	}
	return p.link, true
}

// Dropped is how many packets the capturing host says it lost, by the
// statistics of the file read so far; 0 as well where it does not say.
func (s *Scanner) Dropped() uint64 { return s.format.dropped() }

// Next returns the next packet, which the call after overwrites. The error is
// io.EOF at the end of the capture or a *Damage, and stays.
func (s *Scanner) Next() (*Record, error) {
	if s.err != nil {
		return nil, s.err
	}
	if err := s.format.next(s); err != nil {
		if !errors.Is(err, io.EOF) {
			err = &Damage{Offset: s.off, Packet: s.rec.N + 1, Err: err}
		}
		s.err = err
		return nil, err
	}
	s.rec.N++
	return &s.rec, nil
}

// peek returns the next n ≤ maxBlock bytes without consuming them. The error
// is io.EOF only if there is not a single byte left.
func (s *Scanner) peek(n int) ([]byte, error) { return s.in.peek(n) }

// skip consumes n bytes. What peek returned stays valid if it reached as far.
func (s *Scanner) skip(n int) error {
	if err := s.in.skip(n); err != nil {
		return err
	}
	s.off += int64(n)
	return nil
}

// order is a byte order: true for big endian. Its methods are inlined, as
// those of binary.ByteOrder are not.
type order bool

func (big order) u16(b []byte) uint16 {
	if big {
		return binary.BigEndian.Uint16(b)
	}
	return binary.LittleEndian.Uint16(b)
}

func (big order) u32(b []byte) uint32 {
	if big {
		return binary.BigEndian.Uint32(b)
	}
	return binary.LittleEndian.Uint32(b)
}

func (big order) u64(b []byte) uint64 {
	if big {
		return binary.BigEndian.Uint64(b)
	}
	return binary.LittleEndian.Uint64(b)
}

// length is a length field as an int of any platform.
func length(n uint32) int { return int(min(n, math.MaxInt32)) }

// lastSecond is the last second, since 1970, that is taken for the time of a
// capture: 2^33 is in the year 2242, and later ones overflow nanoseconds.
const lastSecond = 1 << 33

// unix is a time of a capture; zero if no capture can be from then.
func unix(sec int64, nsec uint64) time.Time {
	if sec < 0 || sec >= lastSecond || nsec >= 1e9 {
		return time.Time{}
	}
	return time.Unix(sec, int64(nsec)).UTC() //nolint:gosec // below 1e9
}

// resolution is the unit of timestamps as if_tsresol gives it: 10^-n s, or
// 2^-n s if the highest bit is set.
type resolution uint8

const (
	microseconds resolution = 6
	nanoseconds  resolution = 9
)

// split turns a timestamp into seconds and nanoseconds.
func (r resolution) split(stamp uint64) (sec int64, nsec uint64) {
	const binaryUnit = 0x80
	n := uint(r &^ binaryUnit)
	if r&binaryUnit != 0 {
		if n > 63 {
			return 0, 0 // the range of such stamps ends within the first second
		}
		hi, lo := bits.Mul64(stamp&(1<<n-1), 1e9)
		return int64(min(stamp>>n, lastSecond)), hi<<(64-n) | lo>>n //nolint:gosec // bounded
	}
	switch {
	case n <= 9:
		unit := pow10(n)
		return int64(min(stamp/unit, lastSecond)), stamp % unit * pow10(9-n) //nolint:gosec // bounded
	case n <= 19:
		unit := pow10(n)
		return int64(min(stamp/unit, lastSecond)), stamp % unit / pow10(n-9) //nolint:gosec // bounded
	case n <= 28:
		return 0, stamp / pow10(n-9)
	}
	return 0, 0
}

// pow10 is 10^n for n ≤ 19.
func pow10(n uint) uint64 {
	p := uint64(1)
	for range n {
		p *= 10
	}
	return p
}
