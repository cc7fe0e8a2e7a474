package pcapio

import (
	"bytes"
	"compress/gzip"
	"encoding/binary"
	"errors"
	"io"
	"runtime"
	"slices"
	"strings"
	"testing"
	"testing/iotest"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/gopacket"
	"github.com/google/gopacket/layers"
	"github.com/google/gopacket/pcapgo"
)

// byteOrder is what both encodes and appends.
type byteOrder interface {
	binary.ByteOrder
	binary.AppendByteOrder
}

var orders = map[string]byteOrder{"little endian": binary.LittleEndian, "big endian": binary.BigEndian}

// scan reads all records, and the error that ended it.
func scan(r io.Reader) ([]Record, error) {
	s, err := NewScanner(r)
	if err != nil {
		return nil, err
	}
	var all []Record
	for {
		rec, err := s.Next()
		if err != nil {
			if _, again := s.Next(); !errors.Is(again, err) {
				return all, errors.New("the error does not stay")
			}
			return all, err
		}
		kept := *rec
		kept.Data = slices.Clone(rec.Data)
		all = append(all, kept)
	}
}

// words encodes 32-bit words.
func words(o byteOrder, ws ...uint32) []byte {
	var b []byte
	for _, w := range ws {
		b = o.AppendUint32(b, w)
	}
	return b
}

// block is a pcapng block.
func block(o byteOrder, kind uint32, body ...[]byte) []byte {
	b := bytes.Join(body, nil)
	b = append(b, make([]byte, -len(b)&3)...)
	size := uint32(len(b) + minBlock)
	return bytes.Join([][]byte{words(o, kind, size), b, words(o, size)}, nil)
}

// option is a pcapng option.
func option(o byteOrder, code uint16, value ...byte) []byte {
	b := o.AppendUint16(nil, code)
	b = o.AppendUint16(b, uint16(len(value)))
	b = append(b, value...)
	return append(b, make([]byte, -len(b)&3)...)
}

func section(o byteOrder) []byte {
	return block(o, blockSection, words(o, byteOrderMagic, 1, 0xffffffff, 0xffffffff))
}

func description(o byteOrder, link LinkType, snaplen uint32, options ...[]byte) []byte {
	head := o.AppendUint16(nil, uint16(link))
	head = append(head, 0, 0)
	return block(o, blockInterface, append([][]byte{head, words(o, snaplen)}, options...)...)
}

func enhanced(o byteOrder, id uint32, stamp uint64, wire int, data []byte, options ...[]byte) []byte {
	data = slices.Clone(data)
	head := words(o, id, uint32(stamp>>32), uint32(stamp), uint32(len(data)), uint32(wire))
	padded := append(data, make([]byte, -len(data)&3)...)
	return block(o, blockEnhanced, append([][]byte{head, padded}, options...)...)
}

func TestScanPcap(t *testing.T) {
	for name, o := range orders {
		for _, unit := range []struct {
			magic uint32
			frac  uint32
		}{{magicMicroseconds, 678901}, {magicNanoseconds, 678901000}} {
			file := words(o, unit.magic, 0x00040002, 0, 0, 65535, 0xf4000000|uint32(LinkEthernet))
			file = append(file, words(o, 1000, unit.frac, 3, 60)...)
			file = append(file, "abc"...)
			file = append(file, words(o, 1001, 2e9, 0, 0)...)
			got, err := scan(bytes.NewReader(file))
			if !errors.Is(err, io.EOF) {
				t.Errorf("%s: ended by %v", name, err)
			}
			want := []Record{
				{N: 1, At: time.Unix(1000, 678901000).UTC(), Link: LinkEthernet, Data: []byte("abc"), Wire: 60, Offset: 24},
				{N: 2, Link: LinkEthernet, Data: []byte{}, Offset: 24 + 16 + 3}, // no such fraction
			}
			if diff := cmp.Diff(want, got); diff != "" {
				t.Errorf("%s, magic %x (-want +got):\n%s", name, unit.magic, diff)
			}
		}
	}
}

// TestScanPcapng: sections, interfaces, all kinds of packet blocks, and blocks
// that do not matter.
func TestScanPcapng(t *testing.T) {
	for name, o := range orders {
		t.Run(name, func(t *testing.T) {
			other := orders["little endian"]
			if o == other {
				other = orders["big endian"]
			}
			data := []byte("abcde")
			parts := [][]byte{
				section(o),
				description(o, LinkEthernet, 4),
				description(o, LinkRaw, 0, option(o, optComment, 'x'), option(o, optIfResol, 9), option(o, optEnd)),
				enhanced(o, 0, 1_000_000_000_001, 99, data, option(o, optComment, []byte("why")...)),
				block(o, 0x40000bad, make([]byte, 2*maxBlock)), // custom, and longer than any packet
				enhanced(o, 1, 1_000_000_000_000_000_001, 5, data),
				block(o, blockPacket, o.AppendUint16(o.AppendUint16(nil, 1), 7), words(o, 0, 2, 5, 5), data),
				block(o, blockSimple, words(o, 60), data),
				block(o, blockStatistics, words(o, 1, 0, 0), option(o, optStatDrops, o.AppendUint64(nil, 3)...), option(o, optStatOS, o.AppendUint64(nil, 4)...)),
				section(other),
				description(other, LinkLinuxSLL, 0, option(other, optIfOffset, other.AppendUint64(nil, 100)...)),
				enhanced(other, 0, 1_000_000, 5, data),
				block(other, blockStatistics, words(other, 0, 0, 0), option(other, optStatDrops, other.AppendUint64(nil, 10)...)),
			}
			offset := func(part int) (n int64) {
				for _, p := range parts[:part] {
					n += int64(len(p))
				}
				return n
			}
			want := []Record{
				{N: 1, At: time.Unix(1_000_000, 1000).UTC(), Link: LinkEthernet, Data: data, Wire: 99, Offset: offset(3)},
				{N: 2, At: time.Unix(1_000_000_000, 1).UTC(), Link: LinkRaw, Interface: 1, Data: data, Wire: 5, Offset: offset(5)},
				{N: 3, At: time.Unix(0, 2).UTC(), Link: LinkRaw, Interface: 1, Data: data, Wire: 5, Offset: offset(6)},
				{N: 4, Link: LinkEthernet, Data: data[:4], Wire: 60, Offset: offset(7)},
				{N: 5, At: time.Unix(101, 0).UTC(), Link: LinkLinuxSLL, Data: data, Wire: 5, Offset: offset(11)},
			}
			file := bytes.Join(parts, nil)
			for how, r := range map[string]io.Reader{
				"at once": bytes.NewReader(file), "in halves": iotest.HalfReader(bytes.NewReader(file)),
				"with the error": iotest.DataErrReader(bytes.NewReader(file)),
			} {
				got, err := scan(r)
				if !errors.Is(err, io.EOF) {
					t.Errorf("%s: ended by %v", how, err)
				}
				if diff := cmp.Diff(want, got); diff != "" {
					t.Errorf("%s (-want +got):\n%s", how, diff)
				}
			}
			s, err := NewScanner(bytes.NewReader(file))
			for err == nil {
				_, err = s.Next()
			}
			if n := s.Dropped(); n != 17 {
				t.Errorf("%d packets dropped, want 17", n)
			}
		})
	}
}

func TestResolution(t *testing.T) {
	for _, tt := range []struct {
		resol resolution
		stamp uint64
		want  time.Duration
	}{
		{0, 3, 3 * time.Second},
		{3, 1_002, 1002 * time.Millisecond},
		{6, 1_000_002, time.Second + 2*time.Microsecond},
		{9, 1_000_000_002, time.Second + 2},
		{12, 1_000_000_002_999, time.Second + 2},
		{19, 15_000_000_000_000_000_000, 1500 * time.Millisecond},
		{20, 15_000_000_000_000_000_000, 150 * time.Millisecond},
		{28, 15_000_000_000_000_000_000, 1},
		{29, 15_000_000_000_000_000_000, 0},
		{127, 15_000_000_000_000_000_000, 0},
		{0x80, 3, 3 * time.Second},
		{0x80 | 1, 3, 1500 * time.Millisecond},
		{0x80 | 32, 1<<32 | 1<<30, 1250 * time.Millisecond},
		{0x80 | 63, 1<<63 | 1<<62, 1500 * time.Millisecond},
		{0x80 | 64, 1 << 63, 0},
	} {
		sec, nsec := tt.resol.split(tt.stamp)
		if got := time.Unix(sec, int64(nsec)).Sub(time.Unix(0, 0)); got != tt.want || nsec >= 1e9 {
			t.Errorf("%d of unit %#x: %v, want %v", tt.stamp, uint8(tt.resol), got, tt.want)
		}
	}
	for _, sec := range []int64{-1, lastSecond} {
		if got := unix(sec, 0); !got.IsZero() {
			t.Errorf("%d s: %v, want none", sec, got)
		}
	}
	if got := unix(0, 1e9); !got.IsZero() {
		t.Errorf("10^9 ns: %v, want none", got)
	}
}

func TestScanGzip(t *testing.T) {
	var plain, zipped bytes.Buffer
	if err := Write(&plain, frames(), "comment"); err != nil {
		t.Fatal(err)
	}
	z := gzip.NewWriter(&zipped)
	if _, err := z.Write(plain.Bytes()); err != nil {
		t.Fatal(err)
	}
	if err := z.Close(); err != nil {
		t.Fatal(err)
	}
	want, err := scan(&plain)
	if !errors.Is(err, io.EOF) {
		t.Fatal(err)
	}
	whole := zipped.Bytes()
	got, err := scan(bytes.NewReader(whole))
	if !errors.Is(err, io.EOF) {
		t.Errorf("ended by %v", err)
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}

	// Cut off, and with a byte of its checksum changed.
	var damage *Damage
	_, err = scan(bytes.NewReader(whole[:len(whole)-9]))
	if !errors.As(err, &damage) || !errors.Is(err, io.ErrUnexpectedEOF) {
		t.Errorf("cut off: %v", err)
	}
	whole[len(whole)-8] ^= 1
	got, err = scan(bytes.NewReader(whole))
	if !errors.As(err, &damage) || !errors.Is(err, gzip.ErrChecksum) || len(got) != len(want) {
		t.Errorf("bad checksum: %d packets and %v", len(got), err)
	}
}

// TestDamage: the packets before the damage are read, and the error says where
// it is.
func TestDamage(t *testing.T) {
	o := orders["little endian"]
	data := []byte("abcd")
	packet := enhanced(o, 0, 1, 4, data)
	start := append(section(o), description(o, LinkRaw, 0)...)
	pcap := words(o, magicMicroseconds, 0x00040002, 0, 0, 65535, uint32(LinkRaw))
	record := append(words(o, 1, 1, 4, 4), data...)
	with := func(b []byte, at int, v uint32) []byte {
		b = slices.Clone(b)
		o.PutUint32(b[at:], v)
		return b
	}
	for _, tt := range []struct {
		name string
		file [][]byte // the last part is the damaged one
		read int
		want error // in the chain, if any
		text string
	}{
		{"pcap: header cut off", [][]byte{pcap, record, record[:9]}, 1, io.ErrUnexpectedEOF, ""},
		{"pcap: data cut off", [][]byte{pcap, record, record[:18]}, 1, io.ErrUnexpectedEOF, "4 captured bytes"},
		{"pcap: forged length", [][]byte{pcap, record, with(record, 8, 0xfffffff0)}, 1, nil, "at most 262144"},
		{"header cut off", [][]byte{start, packet, packet[:5]}, 1, io.ErrUnexpectedEOF, ""},
		{"data cut off", [][]byte{start, packet, packet[:30]}, 1, io.ErrUnexpectedEOF, "36 bytes"},
		{"unknown block cut off", [][]byte{start, packet, block(o, 99, make([]byte, 500_000))[:400_000]}, 1, io.ErrUnexpectedEOF, "type 0x63"},
		{"forged length of a packet block", [][]byte{start, packet, with(packet, 4, 0xfffffffc)}, 1, nil, "at most 1048576"},
		{"forged length of an unknown block", [][]byte{start, packet, with(block(o, 99, data), 4, 0x7ffffffc)}, 1, io.ErrUnexpectedEOF, "type 0x63"},
		{"length of no words", [][]byte{start, packet, with(packet, 4, 37)}, 1, nil, "impossible length of 37"},
		{"length of nothing", [][]byte{start, packet, with(packet, 4, 8)}, 1, nil, "impossible length of 8"},
		{"lengths that differ", [][]byte{start, packet, with(packet, len(packet)-4, 40)}, 1, nil, "36 bytes at its start and 40 at its end"},
		{"lengths of an unknown block that differ", [][]byte{start, with(block(o, 99, data), 12, 99)}, 0, nil, "16 bytes at its start and 99 at its end"},
		{"forged capture length", [][]byte{start, packet, with(packet, 20, 5)}, 1, nil, "room for 4"},
		{"forged capture length, much", [][]byte{start, packet, with(packet, 20, 0xffffffff)}, 1, nil, "room for 4"},
		{"packet block without fields", [][]byte{start, block(o, blockEnhanced, data)}, 0, nil, "body of 4 bytes"},
		{"simple packet block without fields", [][]byte{start, block(o, blockSimple)}, 0, nil, "body of 0 bytes"},
		{"interface without fields", [][]byte{start, block(o, blockInterface)}, 0, nil, "body of 0 bytes"},
		{"statistics without fields", [][]byte{start, block(o, blockStatistics, data)}, 0, nil, "body of 4 bytes"},
		{"statistics of no interface", [][]byte{start, block(o, blockStatistics, words(o, 9, 0, 0))}, 0, nil, "interface 9"},
		{"packet of no interface", [][]byte{start, packet, with(packet, 8, 1)}, 1, nil, "interface 1, of which there are 1"},
		{"simple packet of no interface", [][]byte{section(o), block(o, blockSimple, words(o, 0))}, 0, nil, "interface 0"},
		{"interfaces end with their section", [][]byte{start, packet, section(o), packet}, 1, nil, "of which there are 0"},
		{"section without byte order", [][]byte{start, packet, with(section(o), 8, 7)}, 1, nil, "byte-order magic"},
		{"endless interfaces", [][]byte{start, bytes.Repeat(description(o, LinkRaw, 0), maxInterfaces-1), description(o, LinkRaw, 0)}, 0, nil, "more than 65536 interfaces"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			file := bytes.Join(tt.file, nil)
			got, err := scan(bytes.NewReader(file))
			var damage *Damage
			if !errors.As(err, &damage) {
				t.Fatalf("error %v, want *Damage", err)
			}
			at := int64(len(file) - len(tt.file[len(tt.file)-1]))
			if len(got) != tt.read || damage.Packet != tt.read+1 || damage.Offset != at {
				t.Errorf("%d packets, then damage at byte %d, packet %d; want %d, %d, %d",
					len(got), damage.Offset, damage.Packet, tt.read, at, tt.read+1)
			}
			if tt.want != nil && !errors.Is(err, tt.want) || !strings.Contains(err.Error(), tt.text) {
				t.Errorf("error %q, want %v and %q", err, tt.want, tt.text)
			}
		})
	}
}

// TestReadError: a file that cannot be read on is no end of the capture.
func TestReadError(t *testing.T) {
	broken := errors.New("disk on fire")
	file := pcapFile(t, LinkRaw)
	got, err := scan(io.MultiReader(bytes.NewReader(file), iotest.ErrReader(broken)))
	var damage *Damage
	if !errors.As(err, &damage) || !errors.Is(err, broken) || len(got) != 2 || damage.Offset != int64(len(file)) {
		t.Errorf("%d packets, then %v", len(got), err)
	}
	if _, err := scan(stuck{}); !errors.Is(err, io.ErrNoProgress) {
		t.Errorf("from a reader that returns nothing: %v", err)
	}
}

type stuck struct{}

func (stuck) Read([]byte) (int, error) { return 0, nil }

func TestScanRefuses(t *testing.T) {
	for _, tt := range []struct {
		name, file string
		want       error
		text       string
	}{
		{"nothing", "", io.EOF, "no capture file"},
		{"three bytes", "\xd4\xc3\xb2", io.ErrUnexpectedEOF, "no capture file"},
		{"text", "GET / HTTP/1.1", nil, "47455420"},
		{"pcap header cut off", "\xd4\xc3\xb2\xa1\x02", io.ErrUnexpectedEOF, "pcap file header"},
		{"gzip header cut off", "\x1f\x8b\x08", io.ErrUnexpectedEOF, "gzip"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			_, err := NewScanner(strings.NewReader(tt.file))
			if err == nil || !strings.Contains(err.Error(), tt.text) || tt.want != nil && !errors.Is(err, tt.want) {
				t.Errorf("error %v, want %v and %q", err, tt.want, tt.text)
			}
		})
	}
}

// TestScanMemory: a scanner takes its buffer and nothing else, whatever lengths
// are forged.
func TestScanMemory(t *testing.T) {
	o := orders["little endian"]
	big := make([]byte, 8<<20)
	file := bytes.Join([][]byte{section(o), description(o, LinkRaw, 0), block(o, 99, big), enhanced(o, 0, 1, 4, syn)}, nil)
	forged := slices.Clone(file)
	o.PutUint32(forged[len(forged)-len(enhanced(o, 0, 1, 4, syn))+20:], 0xffffffff)
	for range 50 {
		file = append(file, enhanced(o, 0, 1, 4, syn)...)
	}
	for name, f := range map[string][]byte{"whole": file, "forged": forged} {
		var before, after runtime.MemStats
		runtime.ReadMemStats(&before)
		s, err := NewScanner(bytes.NewReader(f))
		for err == nil {
			_, err = s.Next()
		}
		runtime.ReadMemStats(&after)
		if n := after.TotalAlloc - before.TotalAlloc; n > 2*(maxBlock+sip) {
			t.Errorf("%s: %d bytes were allocated", name, n)
		}
	}
}

// TestPcapgo: another reader and another writer agree with ours.
func TestPcapgo(t *testing.T) {
	var b bytes.Buffer
	ng, err := pcapgo.NewNgWriterInterface(&b, pcapgo.NgInterface{LinkType: layers.LinkTypeRaw}, pcapgo.DefaultNgWriterOptions)
	if err != nil {
		t.Fatal(err)
	}
	for _, f := range frames() {
		info := gopacket.CaptureInfo{Timestamp: f.At, CaptureLength: len(f.Raw), Length: len(f.Raw) + 7}
		if err := ng.WritePacket(info, f.Raw); err != nil {
			t.Fatal(err)
		}
	}
	if err := ng.Flush(); err != nil {
		t.Fatal(err)
	}
	got, err := Read(&b)
	if err != nil {
		t.Fatal(err)
	}
	want := asRead(frames())
	for i := range want {
		want[i].Wire = len(want[i].Raw) + 7
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("written by pcapgo (-want +got):\n%s", diff)
	}

	b.Reset()
	w := NewWriter(&b, "")
	for i, f := range want {
		f.N = 7 // not looked at
		f.Comment = strings.Repeat("ä", i)
		w.Add(f)
	}
	if err := w.Flush(); err != nil {
		t.Fatal(err)
	}
	if o := orders["little endian"]; !bytes.Contains(b.Bytes(), append(option(o, optComment, []byte("ää")...), option(o, optEnd)...)) {
		t.Error("the comment of packet 3 is not in the file")
	}
	rd, err := pcapgo.NewNgReader(&b, pcapgo.DefaultNgReaderOptions)
	if err != nil {
		t.Fatal(err)
	}
	for i, f := range want {
		raw, info, err := rd.ReadPacketData()
		if err != nil {
			t.Fatal(err)
		}
		if !bytes.Equal(raw, f.Raw) || !info.Timestamp.Equal(f.At) || info.Length != f.Wire {
			t.Errorf("packet %d as pcapgo reads it: %x at %v of %d bytes", i+1, raw, info.Timestamp, info.Length)
		}
	}
}
