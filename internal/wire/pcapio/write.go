package pcapio

import (
	"bufio"
	"cmp"
	"encoding/binary"
	"fmt"
	"io"
	"runtime"
	"slices"
	"strings"
	"time"
)

// maxComment is the longest comment written, in bytes. The length of a
// pcapng option is a 16-bit number and readers pad it to four bytes.
const maxComment = 1 << 15

// Write writes frames as pcapng in the order of their numbers, with
// nanosecond timestamps, so that packet N of the file is frame N. comment
// goes into the section header, cut at 32 KiB. Which frames were sent is not
// in the file: their addresses tell.
//
// Numbers must be 1 … len(frames) without gaps, since a reader counts packets
// by itself; anything else is an error, and then nothing is written.
func Write(w io.Writer, frames []Frame, comment string) error {
	frames = slices.Clone(frames)
	slices.SortStableFunc(frames, func(a, b Frame) int { return cmp.Compare(a.N, b.N) })
	for i, f := range frames {
		if err := check(f, i+1); err != nil {
			return fmt.Errorf("pcapio: write: %w", err)
		}
	}
	out := NewWriter(w, comment)
	for _, f := range frames {
		out.Add(f)
	}
	return out.Flush()
}

// check reports why f cannot be packet number n of a file.
func check(f Frame, n int) error {
	switch {
	case f.N > n:
		return fmt.Errorf("packet %d is missing", n)
	case f.N < 1:
		return fmt.Errorf("packet number %d is below 1", f.N)
	case f.N < n:
		return fmt.Errorf("two packets have the number %d", f.N)
	}
	return checkBytes(f)
}

func checkBytes(f Frame) error {
	switch {
	case len(f.Raw) == 0:
		return fmt.Errorf("packet %d is empty", f.N)
	case len(f.Raw) > maxPacket:
		return fmt.Errorf("packet %d has %d bytes, at most %d can be read again", f.N, len(f.Raw), maxPacket)
	case f.At.Before(time.Unix(0, 0)) || f.At.Unix() >= lastSecond: // pcapng counts unsigned from 1970
		return fmt.Errorf("packet %d has no valid time (%v)", f.N, f.At)
	}
	return nil
}

// Writer writes frames as pcapng one by one: packet i of the file is the i-th
// frame, whatever its N.
type Writer struct {
	w   *bufio.Writer
	buf []byte // the block under construction, reused
	err error  // the first; nothing is written after it
}

// NewWriter starts a file with comment in its header, cut at 32 KiB. Nothing
// is sure to be written before Flush.
func NewWriter(w io.Writer, comment string) *Writer {
	out := &Writer{w: bufio.NewWriterSize(w, 1<<16)}
	out.section(comment)
	out.iface()
	return out
}

// Add writes a frame with its comment, if any, cut at 32 KiB. An error waits
// for Flush.
func (w *Writer) Add(f Frame) {
	if w.err != nil {
		return
	}
	if err := checkBytes(f); err != nil {
		w.err = fmt.Errorf("pcapio: write: %w", err)
		return
	}
	stamp := uint64(f.At.UnixNano()) //nolint:gosec // checked: not before 1970
	w.begin(blockEnhanced)
	w.u32(0) // the interface
	w.u32(uint32(stamp >> 32))
	w.u32(uint32(stamp)) //nolint:gosec // the lower half
	w.u32(uint32(len(f.Raw)))
	w.u32(uint32(max(f.Wire, len(f.Raw)))) //nolint:gosec // lengths of packets
	w.buf = append(w.buf, f.Raw...)
	w.pad()
	if f.Comment != "" {
		w.option(optComment, cut(f.Comment, maxComment))
		w.option(optEnd, "")
	}
	w.end()
}

// Flush writes what is buffered and returns the first error of any call.
func (w *Writer) Flush() error {
	if w.err == nil {
		if err := w.w.Flush(); err != nil {
			w.err = fmt.Errorf("pcapio: write: %w", err)
		}
	}
	return w.err
}

// section writes a section header block (draft-ietf-opsawg-pcapng §4.1).
func (w *Writer) section(comment string) {
	const unknownLength = 0xffffffff // both halves: -1
	w.begin(blockSection)
	w.u32(byteOrderMagic)
	w.u32(1) // version 1.0, minor in the upper half
	w.u32(unknownLength)
	w.u32(unknownLength)
	if comment = cut(comment, maxComment); comment != "" {
		w.option(optComment, comment)
	}
	w.option(optHardware, runtime.GOARCH)
	w.option(optOS, runtime.GOOS)
	w.option(optApplication, "rstprobe")
	w.option(optEnd, "")
	w.end()
}

// iface writes an interface description block (§4.2). There is one only:
// libpcap 1.10 refuses a file with a second raw IP interface ("an interface
// has a type 101 different from the first").
func (w *Writer) iface() {
	w.begin(blockInterface)
	w.u32(uint32(LinkRaw)) // and 16 reserved bits
	w.u32(0)               // no snapshot length
	w.option(optIfName, "rstprobe")
	w.option(optIfResol, string([]byte{byte(nanoseconds)}))
	w.option(optEnd, "")
	w.end()
}

// The options that only a writer needs (§3.5, §4.1, §4.2).
const (
	optComment     = 1
	optHardware    = 2 // of a section
	optOS          = 3
	optApplication = 4
	optIfName      = 2 // of an interface
)

// begin starts a block; its length follows in end.
func (w *Writer) begin(kind uint32) {
	w.buf = w.buf[:0]
	w.u32(kind)
	w.u32(0)
}

// end completes the block by both its lengths and hands it on.
func (w *Writer) end() {
	size := uint32(len(w.buf) + 4) //nolint:gosec // bounded by checkBytes and maxComment
	binary.LittleEndian.PutUint32(w.buf[4:], size)
	w.u32(size)
	if w.err != nil {
		return
	}
	if _, err := w.w.Write(w.buf); err != nil {
		w.err = fmt.Errorf("pcapio: write: %w", err)
	}
}

func (w *Writer) u32(v uint32) { w.buf = binary.LittleEndian.AppendUint32(w.buf, v) }

func (w *Writer) option(code uint16, value string) {
	w.buf = binary.LittleEndian.AppendUint16(w.buf, code)
	w.buf = binary.LittleEndian.AppendUint16(w.buf, uint16(len(value))) //nolint:gosec // at most maxComment
	w.buf = append(w.buf, value...)
	w.pad()
}

// pad fills the block up to whole words.
func (w *Writer) pad() {
	for len(w.buf)%4 != 0 {
		w.buf = append(w.buf, 0)
	}
}

// cut shortens s to at most n bytes of valid UTF-8.
func cut(s string, n int) string {
	if len(s) > n {
		s = s[:n]
	}
	return strings.ToValidUTF8(s, "")
}
