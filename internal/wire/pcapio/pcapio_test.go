package pcapio

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
	"github.com/google/gopacket"
	"github.com/google/gopacket/pcapgo"

	"github.com/rstprobe/rstprobe/internal/testenv"
)

var start = time.Date(2026, 1, 2, 3, 4, 5, 678901234, time.UTC)

// syn and rst are 10.9.0.1:40000 > 10.9.6.2:443 and the reset to it; empty6 is
// an IPv6 header with no next header, 2001:db8::1 > 2001:db8::2.
var (
	syn = []byte{
		0x45, 0, 0, 40, 0, 1, 0x40, 0, 64, 6, 0x20, 0xbb, 10, 9, 0, 1, 10, 9, 6, 2,
		0x9c, 0x40, 0x01, 0xbb, 0, 0, 0, 1, 0, 0, 0, 0, 0x50, 0x02, 0xff, 0xff, 0, 0, 0, 0,
	}
	rst = []byte{
		0x45, 0, 0, 40, 0, 0, 0, 0, 61, 6, 0x63, 0xbc, 10, 9, 6, 2, 10, 9, 0, 1,
		0x01, 0xbb, 0x9c, 0x40, 0, 0, 0, 0, 0, 0, 0, 2, 0x50, 0x14, 0, 0, 0, 0, 0, 0,
	}
	empty6 = []byte{
		0x60, 0, 0, 0, 0, 0, 59, 64,
		0x20, 0x01, 0x0d, 0xb8, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1,
		0x20, 0x01, 0x0d, 0xb8, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 2,
	}
)

func frames() []Frame {
	return []Frame{
		{N: 1, At: start, Raw: syn, Sent: true},
		{N: 2, At: start.Add(1234567 * time.Nanosecond), Raw: rst},
		{N: 3, At: start.Add(-time.Nanosecond), Raw: empty6, Sent: true}, // a transmit stamp may lie before its neighbour's
	}
}

// asRead is what a file keeps of frames: no direction.
func asRead(frames []Frame) []Frame {
	out := slices.Clone(frames)
	for i := range out {
		out[i].Sent = false
	}
	return out
}

func TestRoundTrip(t *testing.T) {
	for _, test := range []struct {
		name   string
		frames []Frame
	}{
		{"none", nil},
		{"both directions and families", frames()},
	} {
		t.Run(test.name, func(t *testing.T) {
			var b bytes.Buffer
			if err := Write(&b, test.frames, "rstprobe example.com:443"); err != nil {
				t.Fatal(err)
			}
			got, err := Read(&b)
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(asRead(test.frames), got); diff != "" {
				t.Errorf("frames (-want +got):\n%s", diff)
			}
		})
	}
}

// TestOrder: packet N of the file is frame N, whatever the order given.
func TestOrder(t *testing.T) {
	in := frames()
	shuffled := []Frame{in[2], in[0], in[1]}
	var b bytes.Buffer
	if err := Write(&b, shuffled, ""); err != nil {
		t.Fatal(err)
	}
	got, err := Read(&b)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(asRead(in), got); diff != "" {
		t.Errorf("frames (-want +got):\n%s", diff)
	}
	if diff := cmp.Diff([]Frame{in[2], in[0], in[1]}, shuffled); diff != "" {
		t.Errorf("Write changed its argument (-want +got):\n%s", diff)
	}
}

func TestWriteRefuses(t *testing.T) {
	for _, test := range []struct {
		name   string
		change func([]Frame) []Frame
		want   string
	}{
		{"first missing", func(f []Frame) []Frame { return f[1:] }, "packet 1 is missing"},
		{"gap", func(f []Frame) []Frame { return []Frame{f[0], f[2]} }, "packet 2 is missing"},
		{"twice", func(f []Frame) []Frame { return append(f, f[1]) }, "two packets have the number 2"},
		{"number 0", func(f []Frame) []Frame { f[0].N = 0; return f }, "packet number 0 is below 1"},
		{"empty", func(f []Frame) []Frame { f[1].Raw = nil; return f }, "packet 2 is empty"},
		{"no time", func(f []Frame) []Frame { f[2].At = time.Time{}; return f }, "packet 3 has no valid time"},
	} {
		t.Run(test.name, func(t *testing.T) {
			var b bytes.Buffer
			err := Write(&b, test.change(frames()), "")
			if err == nil || !strings.Contains(err.Error(), test.want) {
				t.Errorf("error = %v, want one with %q", err, test.want)
			}
			if b.Len() != 0 {
				t.Errorf("%d bytes were written", b.Len())
			}
		})
	}
}

func TestWriteError(t *testing.T) {
	broken := errors.New("disk full")
	if err := Write(failing{broken}, frames(), ""); !errors.Is(err, broken) {
		t.Errorf("error = %v, want %v in its chain", err, broken)
	}
}

type failing struct{ err error }

func (f failing) Write([]byte) (int, error) { return 0, f.err }

// TestComment: a comment of any length leaves a readable file.
func TestComment(t *testing.T) {
	for _, test := range []struct {
		name, comment, want string
	}{
		{"short", "rstprobe example.com:443", "rstprobe example.com:443"},
		{"cut between runes", strings.Repeat("ä", maxComment), strings.Repeat("ä", maxComment/2)},
		{"cut inside a rune", "x" + strings.Repeat("ä", maxComment), "x" + strings.Repeat("ä", maxComment/2-1)},
	} {
		t.Run(test.name, func(t *testing.T) {
			var b bytes.Buffer
			if err := Write(&b, frames(), test.comment); err != nil {
				t.Fatal(err)
			}
			rd, err := pcapgo.NewNgReader(&b, pcapgo.DefaultNgReaderOptions)
			if err != nil {
				t.Fatal(err)
			}
			if got := rd.SectionInfo().Comment; got != test.want {
				t.Errorf("comment has %d bytes, want %d", len(got), len(test.want))
			}
			if raw, _, err := rd.ReadPacketData(); err != nil || !bytes.Equal(raw, syn) {
				t.Errorf("first packet: %x, %v", raw, err)
			}
		})
	}
}

func pcapFile(t *testing.T, link LinkType) []byte {
	t.Helper()
	var b bytes.Buffer
	w := pcapgo.NewWriterNanos(&b)
	if err := w.WriteFileHeader(65535, 0); err != nil {
		t.Fatal(err)
	}
	for _, f := range frames()[:2] {
		info := gopacket.CaptureInfo{Timestamp: f.At, CaptureLength: len(f.Raw), Length: len(f.Raw)}
		if err := w.WritePacket(info, f.Raw); err != nil {
			t.Fatal(err)
		}
	}
	b.Bytes()[20] = byte(link) // network, little endian
	return b.Bytes()
}

func TestReadPcap(t *testing.T) {
	got, err := Read(bytes.NewReader(pcapFile(t, LinkRaw)))
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(asRead(frames()[:2]), got); diff != "" {
		t.Errorf("frames (-want +got):\n%s", diff)
	}
}

func TestReadRefuses(t *testing.T) {
	pcap := pcapFile(t, LinkRaw)
	for _, test := range []struct {
		name string
		in   []byte
		want error  // in the chain; nil: any
		text string // in the message
	}{
		{"nothing", nil, io.EOF, "no capture file"},
		{"text", []byte("this is no capture file at all"), nil, "magic"},
		{"ethernet", pcapFile(t, LinkEthernet), nil, "link type Ethernet (1) is not raw IP"},
		{"pcap cut in a packet", pcap[:len(pcap)-1], io.ErrUnexpectedEOF, "packet 2"},
	} {
		t.Run(test.name, func(t *testing.T) {
			got, err := Read(bytes.NewReader(test.in))
			if err == nil || !strings.Contains(err.Error(), test.text) {
				t.Fatalf("Read = %v, %v; want an error with %q", got, err, test.text)
			}
			if test.want != nil && !errors.Is(err, test.want) {
				t.Errorf("error = %v, want %v in its chain", err, test.want)
			}
		})
	}
}

// TestReadTruncated: no prefix of a file makes Read panic or invent packets.
func TestReadTruncated(t *testing.T) {
	var b bytes.Buffer
	if err := Write(&b, frames(), "comment"); err != nil {
		t.Fatal(err)
	}
	for n := range b.Len() {
		got, err := Read(bytes.NewReader(b.Bytes()[:n]))
		if whole := len(got) == len(frames()); whole {
			t.Fatalf("prefix of %d bytes has all packets", n)
		}
		if n > 0 && err == nil && !ends(b.Bytes(), n) {
			t.Errorf("prefix of %d bytes ends in a block and gives no error", n)
		}
		if diff := cmp.Diff(asRead(frames())[:len(got)], got, cmpopts.EquateEmpty()); diff != "" {
			t.Fatalf("prefix of %d bytes (-want +got):\n%s", n, diff)
		}
	}
}

// ends reports whether a block ends at byte n of a little-endian pcapng file.
func ends(file []byte, n int) bool {
	at := 0
	for at < n {
		at += int(binary.LittleEndian.Uint32(file[at+4:]))
	}
	return at == n
}

func TestLog(t *testing.T) {
	var l Log
	want := frames()
	for i, f := range want {
		f.N, f.At = 99, f.At.Add(time.Duration(i)*time.Hour)
		if n := l.Add(f); n != i+1 {
			t.Errorf("frame %d got the number %d", i+1, n)
		}
	}
	l.SetTime(3, want[2].At)
	l.SetTime(2, want[1].At)
	l.SetTime(0, start)
	l.SetTime(99, start)
	got := l.Frames()
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("frames (-want +got):\n%s", diff)
	}
	got[0].N = 42
	if l.Frames()[0].N != 1 {
		t.Error("Frames gave away the log's own slice")
	}
}

func TestLogConcurrent(t *testing.T) {
	const writers, each = 8, 200
	var (
		l  Log
		wg sync.WaitGroup
	)
	for range writers {
		wg.Go(func() {
			for range each {
				n := l.Add(Frame{Raw: syn})
				l.SetTime(n, start.Add(time.Duration(n)))
				l.Frames()
			}
		})
	}
	wg.Wait()
	got := l.Frames()
	if len(got) != writers*each {
		t.Fatalf("%d frames, want %d", len(got), writers*each)
	}
	for i, f := range got {
		if f.N != i+1 || !f.At.Equal(start.Add(time.Duration(f.N))) {
			t.Fatalf("frame %d: number %d at %v", i, f.N, f.At)
		}
	}
}

// TestTcpdump: the file is read the same by a program that is not ours.
func TestTcpdump(t *testing.T) {
	testenv.Need(t, "tcpdump")
	file := filepath.Join(t.TempDir(), "run.pcapng")
	f, err := os.Create(file)
	if err != nil {
		t.Fatal(err)
	}
	if err := errors.Join(Write(f, frames(), "comment"), f.Close()); err != nil {
		t.Fatal(err)
	}
	cmd := exec.CommandContext(t.Context(), "tcpdump", "-n", "-tt", "--nano", "--number", "-r", file)
	out, err := cmd.Output()
	if err != nil {
		t.Fatalf("tcpdump: %v", err)
	}
	var got []string
	for line := range strings.Lines(string(out)) {
		got = append(got, strings.TrimSpace(line))
	}
	want := []string{
		fmt.Sprintf("1  %d.678901234 IP 10.9.0.1.40000 > 10.9.6.2.443: Flags [S]", start.Unix()),
		fmt.Sprintf("2  %d.680135801 IP 10.9.6.2.443 > 10.9.0.1.40000: Flags [R.]", start.Unix()),
		fmt.Sprintf("3  %d.678901233 IP6 2001:db8::1 > 2001:db8::2: no next header", start.Unix()),
	}
	if len(got) != len(want) {
		t.Fatalf("tcpdump printed %d packets, want %d:\n%s", len(got), len(want), out)
	}
	for i := range want {
		if !strings.Contains(got[i], want[i]) {
			t.Errorf("packet %d: %q, want %q", i+1, got[i], want[i])
		}
	}
}
