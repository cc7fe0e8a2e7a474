// Package capture reads the TCP segments and ICMP errors out of a capture
// file, in one pass and bounded memory: link layers taken off, fragments put
// together, segments cut by a snapshot length with their true lengths.
//
// It knows packets, not connections: those are made of its frames by
// flow.Table. Package pcapio reads the file formats below it.
package capture

import (
	"errors"
	"fmt"
	"io"
	"os"
	"time"

	"github.com/rstprobe/rstprobe/internal/flow"
	"github.com/rstprobe/rstprobe/internal/packet"
	"github.com/rstprobe/rstprobe/internal/wire/pcapio"
)

// Frame is one TCP segment or ICMP message of a capture.
type Frame struct {
	N         int           // its number in the file, from 1, as other programs count; of fragments, that of the last to come
	At        time.Time     // as in the file; of a packet without a time, that of the packet before
	Packet    packet.Packet // Raw is without link padding and, like all slices in it, valid until the next call of Next
	Truncated bool          // the end of the datagram was not captured; Packet.TCP.Missing says how much payload
	Fragments int           // how many fragments Packet was put together from; 0: it came whole
	Ends      flow.Ends     // whose Packet is, for flow.Table.AddOf
	Interface int           // in a pcapng file the index of the interface in its section, else 0
}

// Damage says where in the file reading had to stop; all frames before were
// yielded. It is what Next ends with instead of io.EOF, for errors.As.
type Damage = pcapio.Damage

// ErrLinkType is wrapped by the error about a capture of which no packet can
// be read because its link type, which the message names, is not known.
var ErrLinkType = errors.New("unknown link type")

// Stats says what was in a file, as far as it was read.
type Stats struct {
	Packets    int           // in the file; the number of the last one
	Frames     int           // yielded
	Other      int           // of other protocols than TCP and ICMP
	Unreadable int           // TCP or ICMP, or seeming so, that is malformed or cut within its header
	Foreign    int           // of an unknown link type, on one of several interfaces
	Truncated  int           // frames of which the end was not captured
	Fragments  int           // fragments of TCP or ICMP
	Incomplete int           // datagrams of which a fragment is missing
	Untimed    int           // packets for which the file has no time
	Dropped    uint64        // packets that the capturing host says it lost; 0 also where it does not say
	Backward   Backward      // where the clock went back
	Start, End time.Time     // the earliest and the latest time of a packet
	Duration   time.Duration // End less Start
}

// Backward says how often a packet is older than the one before it in the
// file. Milliseconds come from capturing on several interfaces or queues; more
// is a clock that was set.
type Backward struct {
	Count int
	First int           // the number of the first such packet
	Most  time.Duration // by how much at most
	At    int           // the number of the packet where that was
}

// Reader yields the frames of a capture. It is not safe for concurrent use.
type Reader struct {
	scan    *pcapio.Scanner
	closer  io.Closer // the file, if Open opened it
	frame   Frame     // what Next returns
	last    time.Time // of the packet before
	pieces  fragments
	batch   *batch // what datagrams are copied to; nil: they are not
	stats   Stats
	foreign pcapio.LinkType // the first unknown one, valid iff stats.Foreign > 0
}

// Open reads the capture file at path. The caller closes it.
func Open(path string) (*Reader, error) {
	file, err := os.Open(path)
	if err != nil {
		return nil, fmt.Errorf("capture: %w", err)
	}
	r, err := NewReader(file)
	if err != nil {
		return nil, fmt.Errorf("capture: %s: %w", path, errors.Join(err, file.Close()))
	}
	r.closer = file
	return r, nil
}

// NewReader reads a capture from in: pcap with microseconds or nanoseconds, or
// pcapng, in either byte order; either may be inside gzip.
func NewReader(in io.Reader) (*Reader, error) {
	scan, err := pcapio.NewScanner(in)
	if err != nil {
		return nil, err
	}
	if link, one := scan.Link(); one && !known(link) {
		return nil, fmt.Errorf("capture: %w: %v", ErrLinkType, link)
	}
	return &Reader{scan: scan}, nil
}

// Close closes the file that Open opened.
func (r *Reader) Close() error {
	if r.closer == nil {
		return nil
	}
	if err := r.closer.Close(); err != nil {
		return fmt.Errorf("capture: %w", err)
	}
	return nil
}

// Stats sums up what was read so far.
func (r *Reader) Stats() Stats {
	s := r.stats
	s.Dropped = r.scan.Dropped()
	s.Incomplete += len(r.pieces.open)
	s.Duration = s.End.Sub(s.Start)
	return s
}

// Next returns the next frame, which the call after overwrites. The error is
// io.EOF at the end of the file, wraps ErrLinkType if no packet of it was of a
// known link type, or is a *Damage; it stays.
func (r *Reader) Next() (*Frame, error) {
	if err := r.next(&r.frame); err != nil {
		return nil, err
	}
	return &r.frame, nil
}

// next makes f the next frame.
func (r *Reader) next(f *Frame) error {
	for {
		rec, err := r.scan.Next()
		if err != nil {
			return r.end(err)
		}
		r.stats.Packets = rec.N
		at := r.clock(rec)
		ip, what := datagram(rec.Link, rec.Data)
		switch what {
		case foreign:
			if r.stats.Foreign == 0 {
				r.foreign = rec.Link
			}
			r.stats.Foreign++
			continue
		case other:
			r.stats.Other++
			continue
		case short:
			r.stats.Unreadable++
			continue
		}
		if !r.take(f, rec, at, ip) {
			continue
		}
		r.stats.Frames++
		return nil
	}
}

// end is what Next returns for the error that ended the scan.
func (r *Reader) end(err error) error {
	if errors.Is(err, io.EOF) && r.stats.Foreign > 0 && r.stats.Foreign == r.stats.Packets {
		return fmt.Errorf("capture: %w: %v", ErrLinkType, r.foreign)
	}
	return err
}

// clock is the time of a packet, and keeps the account of times.
func (r *Reader) clock(rec *pcapio.Record) time.Time {
	at := rec.At
	if at.IsZero() {
		r.stats.Untimed++
		return r.last
	}
	switch {
	case r.last.IsZero():
		r.stats.Start, r.stats.End = at, at
	case at.Before(r.last):
		b := &r.stats.Backward
		if b.Count == 0 {
			b.First = rec.N
		}
		b.Count++
		if back := r.last.Sub(at); back > b.Most {
			b.Most, b.At = back, rec.N
		}
		if at.Before(r.stats.Start) {
			r.stats.Start = at
		}
	case at.After(r.stats.End):
		r.stats.End = at
	}
	r.last = at
	return at
}

// take makes f of a datagram and reports whether it is one to yield.
func (r *Reader) take(f *Frame, rec *pcapio.Record, at time.Time, ip []byte) bool {
	missing := rec.Wire - len(rec.Data)
	ip, announced := packet.Trim(ip)
	count := 0
	if fragmented(ip) {
		if piece, ok := parseFragment(ip); ok {
			if ip, count = r.join(&piece, at); ip == nil {
				return false
			}
			ip, announced = packet.Trim(ip)
			missing = 0
		}
	}

	if r.batch != nil {
		ip = r.batch.own(ip)
	}
	p := &f.Packet
	err := p.Read(ip)
	cut := len(ip) < announced
	if announced == 0 && missing > 0 { // segmentation offload: what was captured is all that says the length
		cut = true
		p.TCP.Missing += missing
	}
	switch {
	case p.Src.Addr().IsValid() && !wanted(p.Proto):
		r.stats.Other++
		return false
	case err == nil, cut && errors.Is(err, packet.ErrTruncated) && usable(p):
	default:
		r.stats.Unreadable++
		return false
	}
	if cut {
		r.stats.Truncated++
	}
	f.Ends = flow.EndsOf(p)
	f.N, f.At, f.Truncated, f.Fragments, f.Interface = rec.N, at, cut, count, rec.Interface
	return true
}

// join keeps a fragment until it completes a datagram, which it returns with
// the number of its pieces.
func (r *Reader) join(p *piece, at time.Time) (whole []byte, count int) {
	if !wanted(p.key.proto) {
		r.stats.Other++
		return nil, 0
	}
	r.stats.Fragments++
	whole, count, lost := r.pieces.add(*p, at)
	r.stats.Incomplete += lost
	return whole, count
}

// wanted reports whether a protocol, maybe behind extension headers, is one
// that is yielded.
func wanted(p packet.Proto) bool {
	return p == packet.TCP || p == packet.ICMP || p == packet.ICMPv6
}

// usable reports whether enough of a datagram without its end was read: of a
// segment its fixed header, of an ICMP error what it is about.
func usable(p *packet.Packet) bool {
	if p.Proto == packet.TCP {
		return p.Src.Port() != 0 || p.Dst.Port() != 0
	}
	q := &p.ICMP.Quote
	return p.ICMP.Kind != 0 && (q.Src.Port() != 0 || q.Dst.Port() != 0)
}
