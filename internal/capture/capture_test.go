package capture_test

import (
	"bytes"
	"encoding/binary"
	"encoding/hex"
	"errors"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/rstprobe/rstprobe/internal/capture"
	"github.com/rstprobe/rstprobe/internal/capture/capturetest"
	"github.com/rstprobe/rstprobe/internal/packet"
)

var (
	syn4 = unhex(`
		4500003c00074000400620a10a0900010a0906029c4001bb0000000100000000a002faf090f80000
		020405b40402080a010203040000000001030307`)
	syn6 = unhex(`
		6b81234500280640fd000009000000000000000000000001fd000009000600000000000000000002
		9c4001bb0000000100000000a002faf0b0f00000020405b40402080a010203040000000001030307`)
	data4 = unhex(`
		45480039beef4000390668730a0906020a09000101bb9c40ffffffff00000002853801f573aa0003
		0101080a000000090000000168656c6c6f`)  // 5 bytes of payload
	offload4 = unhex(`
		4500000000004000400620e40a0900010a0906029c4001bb00000005000000065018000932de0000
		61626364`)  // announces no length
	udp4      = unhex(`4500001c00004000401120bd0a0900010a090602003514e900080000`)
	exceeded4 = unhex(`
		45c00038006300003e01648f0a0903010a0900010b005703000000004500003c0007400001065fa1
		0a0900010a0906029c4001bb00000001`)
	echo4 = unhex(`4500002000004000400120c90a0900010a0906020800192c0001000270696e67`)
)

func unhex(s string) []byte {
	b, err := hex.DecodeString(strings.Join(strings.Fields(s), ""))
	if err != nil {
		panic(err)
	}
	return b
}

const linkRaw, linkEthernet = 101, 1

// pcap is a file of packets, one millisecond apart from second 1000 on.
func pcap(t testing.TB, link uint32, packets ...[]byte) []byte {
	t.Helper()
	var b bytes.Buffer
	w := capturetest.NewPcap(&b, link)
	for i, p := range packets {
		w.Add(time.Unix(1000, int64(i)*1e6), p, 0)
	}
	if err := w.Flush(); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

// frames reads all frames, and the error that ended them if that was not the
// end of the file.
func frames(t testing.TB, file []byte) ([]capture.Frame, capture.Stats, error) {
	t.Helper()
	r, err := capture.NewReader(bytes.NewReader(file))
	if err != nil {
		t.Fatal(err)
	}
	var all []capture.Frame
	for {
		f, err := r.Next()
		if errors.Is(err, io.EOF) {
			return all, r.Stats(), nil
		}
		if err != nil {
			return all, r.Stats(), err
		}
		kept := *f
		kept.Packet, _ = packet.Parse(bytes.Clone(f.Packet.Raw))
		kept.Packet.TCP.Missing = f.Packet.TCP.Missing
		all = append(all, kept)
	}
}

func TestReader(t *testing.T) {
	padded := append(bytes.Clone(capturetest.Ethernet(exceeded4)), make([]byte, 20)...)
	arp := unhex("ffffffffffff 020000000002 0806 0001")
	file := pcap(t, linkEthernet,
		capturetest.Ethernet(syn4), capturetest.Ethernet(udp4), arp, padded, capturetest.Ethernet(echo4),
		capturetest.Ethernet(syn6), capturetest.Ethernet(syn4[:30]), capturetest.Ethernet(syn4)[:13], capturetest.Ethernet(data4))
	got, stats, err := frames(t, file)
	if err != nil {
		t.Fatal(err)
	}
	want := []struct {
		n   int
		raw []byte
	}{{1, syn4}, {4, exceeded4}, {5, echo4}, {6, syn6}, {9, data4}}
	if len(got) != len(want) {
		t.Fatalf("%d frames, want %d", len(got), len(want))
	}
	for i, w := range want {
		f := got[i]
		at := time.Unix(1000, int64(w.n-1)*1e6)
		if f.N != w.n || !bytes.Equal(f.Packet.Raw, w.raw) || !f.At.Equal(at) || f.Truncated || f.Fragments != 0 {
			t.Errorf("frame %d: number %d at %v, truncated %v, %x", i, f.N, f.At, f.Truncated, f.Packet.Raw)
		}
	}
	wantStats := capture.Stats{
		Packets: 9, Frames: 5, Other: 2, Unreadable: 2,
		Start: time.Unix(1000, 0).UTC(), End: time.Unix(1000, 8e6).UTC(), Duration: 8 * time.Millisecond,
	}
	if diff := cmp.Diff(wantStats, stats); diff != "" {
		t.Errorf("stats (-want +got):\n%s", diff)
	}
}

// TestTruncated: of what a snapshot length cut all is read that is there, and
// a segment is as long as it was sent.
func TestTruncated(t *testing.T) {
	for _, tt := range []struct {
		name          string
		raw           []byte
		captured      int
		frame         bool
		size, missing int
	}{
		{"payload", data4, 54, true, 5, 3},
		{"all payload", data4, 52, true, 5, 5},
		{"options", data4, 45, true, 5, 5},
		{"the fixed header is left", data4, 40, true, 5, 5},
		{"the fixed header", data4, 39, false, 0, 0},
		{"options of a SYN", syn4, 50, true, 0, 0},
		{"segmentation offload", offload4, 42, true, 4, 2},
		{"of a quote, what matters is left", exceeded4, 56, true, 0, 0},
		{"a quote", exceeded4, 50, false, 0, 0},
	} {
		t.Run(tt.name, func(t *testing.T) {
			var b bytes.Buffer
			w := capturetest.NewPcap(&b, linkRaw)
			w.Add(time.Unix(1000, 0), tt.raw[:tt.captured], len(tt.raw))
			if err := w.Flush(); err != nil {
				t.Fatal(err)
			}
			got, stats, err := frames(t, b.Bytes())
			if err != nil {
				t.Fatal(err)
			}
			if !tt.frame {
				if len(got) != 0 || stats.Unreadable != 1 {
					t.Errorf("%d frames, %d unreadable", len(got), stats.Unreadable)
				}
				return
			}
			cut := tt.captured < len(tt.raw)
			if len(got) != 1 || got[0].Truncated != cut || (stats.Truncated == 1) != cut {
				t.Fatalf("%d frames, %d truncated", len(got), stats.Truncated)
			}
			if s := got[0].Packet.TCP; s.Size() != tt.size || s.Missing != tt.missing {
				t.Errorf("%d bytes of payload, %d missing; want %d, %d", s.Size(), s.Missing, tt.size, tt.missing)
			}
		})
	}
}

// TestMalformed: what nobody can have meant is counted, not yielded.
func TestMalformed(t *testing.T) {
	with := func(raw []byte, at int, v byte) []byte {
		raw = bytes.Clone(raw)
		raw[at] = v
		return raw
	}
	for name, raw := range map[string][]byte{
		"data offset behind the end": with(syn4, 32, 0xf0),
		"data offset of four words":  with(syn4, 32, 0x40),
		"header of four words":       with(syn4, 0, 0x44),
		"length within the header":   with(syn4, 3, 19),
	} {
		got, stats, err := frames(t, pcap(t, linkRaw, raw))
		if len(got) != 0 || stats.Unreadable != 1 || err != nil {
			t.Errorf("%s: %d frames, %d unreadable, %v", name, len(got), stats.Unreadable, err)
		}
	}
}

// TestReassembly: the datagram takes number and time of its last fragment.
func TestReassembly(t *testing.T) {
	first, second := bytes.Clone(data4[:20+24]), append(bytes.Clone(data4[:20]), data4[20+24:]...)
	binary.BigEndian.PutUint16(first[2:], uint16(len(first)))
	binary.BigEndian.PutUint16(first[6:], 0x2000)
	binary.BigEndian.PutUint16(second[2:], uint16(len(second)))
	binary.BigEndian.PutUint16(second[6:], 3)
	udp := bytes.Clone(first)
	udp[9] = 17
	lone := bytes.Clone(first)
	lone[4] ^= 1
	got, stats, err := frames(t, pcap(t, linkRaw, first, udp, lone, second, syn4))
	if err != nil {
		t.Fatal(err)
	}
	if len(got) != 2 || got[0].N != 4 || got[0].Fragments != 2 || got[1].N != 5 || got[1].Fragments != 0 {
		t.Fatalf("frames %+v", got)
	}
	if s := got[0].Packet.TCP; string(s.Payload) != "hello" || s.Missing != 0 {
		t.Errorf("payload %q, %d missing", s.Payload, s.Missing)
	}
	if stats.Fragments != 3 || stats.Incomplete != 1 || stats.Other != 1 {
		t.Errorf("%d fragments, %d incomplete, %d others; want 3, 1, 1", stats.Fragments, stats.Incomplete, stats.Other)
	}
}

func TestBackward(t *testing.T) {
	var b bytes.Buffer
	w := capturetest.NewPcap(&b, linkRaw)
	for _, ms := range []int64{5000, 5001, 4999, 5002, 1000, 1001} {
		w.Add(time.UnixMilli(ms), syn4, 0)
	}
	if err := w.Flush(); err != nil {
		t.Fatal(err)
	}
	_, stats, err := frames(t, b.Bytes())
	if err != nil {
		t.Fatal(err)
	}
	want := capture.Backward{Count: 2, First: 3, Most: 4002 * time.Millisecond, At: 5}
	if diff := cmp.Diff(want, stats.Backward); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
	if !stats.Start.Equal(time.UnixMilli(1000)) || !stats.End.Equal(time.UnixMilli(5002)) {
		t.Errorf("from %v to %v", stats.Start, stats.End)
	}
}

// TestDamage: what comes before it is yielded, and callers can tell it.
func TestDamage(t *testing.T) {
	file := pcap(t, linkRaw, syn4, syn6, syn4)
	got, stats, err := frames(t, file[:len(file)-1])
	var damage *capture.Damage
	if !errors.As(err, &damage) || !errors.Is(err, io.ErrUnexpectedEOF) {
		t.Fatalf("error %v", err)
	}
	if len(got) != 2 || stats.Packets != 2 || damage.Packet != 3 || damage.Offset != 24+16+60+16+80 {
		t.Errorf("%d frames, %d packets, %+v", len(got), stats.Packets, damage)
	}
}

// ng is a pcapng file with an interface per link type and a packet of each of
// the interfaces given.
func ng(t *testing.T, links []uint16, packets ...int) []byte {
	t.Helper()
	o := binary.LittleEndian
	block := func(kind uint32, body []byte) []byte {
		size := uint32(12 + len(body))
		b := o.AppendUint32(o.AppendUint32(nil, kind), size)
		return o.AppendUint32(append(b, body...), size)
	}
	words := func(ws ...uint32) (b []byte) {
		for _, w := range ws {
			b = o.AppendUint32(b, w)
		}
		return b
	}
	file := block(0x0a0d0d0a, words(0x1a2b3c4d, 1, 0xffffffff, 0xffffffff))
	for _, l := range links {
		file = append(file, block(1, words(uint32(l), 0))...)
	}
	for _, i := range packets {
		head := words(uint32(i), 0, 1000, uint32(len(syn4)), uint32(len(syn4)))
		file = append(file, block(6, append(head, syn4...))...)
	}
	return file
}

// TestLinkTypes: an unknown one is named, and does no harm beside others.
func TestLinkTypes(t *testing.T) {
	const radiotap = 127
	_, err := capture.NewReader(bytes.NewReader(pcap(t, radiotap, syn4)))
	if !errors.Is(err, capture.ErrLinkType) || !strings.Contains(err.Error(), "IEEE 802.11 with radiotap (127)") {
		t.Errorf("pcap: %v", err)
	}
	got, stats, err := frames(t, ng(t, []uint16{radiotap, linkRaw}, 0, 0, 1))
	if err != nil || len(got) != 1 || stats.Foreign != 2 || got[0].Interface != 1 || got[0].N != 3 {
		t.Errorf("beside another: %+v, %d foreign, %v", got, stats.Foreign, err)
	}
	_, _, err = frames(t, ng(t, []uint16{radiotap, 999}, 0, 1))
	if !errors.Is(err, capture.ErrLinkType) || !strings.Contains(err.Error(), "(127)") {
		t.Errorf("alone: %v", err)
	}
	if _, _, err = frames(t, ng(t, []uint16{radiotap})); err != nil {
		t.Errorf("without packets: %v", err)
	}
}

func TestOpen(t *testing.T) {
	dir := t.TempDir()
	if _, err := capture.Open(filepath.Join(dir, "none.pcap")); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("no file: %v", err)
	}
	path := filepath.Join(dir, "text.pcap")
	if err := os.WriteFile(path, []byte("this is no capture"), 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := capture.Open(path); err == nil || !strings.Contains(err.Error(), path) {
		t.Errorf("text: %v", err)
	}
	if err := os.WriteFile(path, pcap(t, linkRaw, syn4), 0o600); err != nil {
		t.Fatal(err)
	}
	r, err := capture.Open(path)
	if err != nil {
		t.Fatal(err)
	}
	if f, err := r.Next(); err != nil || f.Packet.TCP.Flags != packet.SYN {
		t.Errorf("frame %v, %v", f, err)
	}
	if err := r.Close(); err != nil {
		t.Error(err)
	}
	if err := r.Close(); !errors.Is(err, os.ErrClosed) {
		t.Errorf("closed twice: %v", err)
	}
}

// TestAllocations: reading costs no allocation per packet.
func TestAllocations(t *testing.T) {
	packets := make([][]byte, 1000)
	for i := range packets {
		packets[i] = capturetest.Ethernet([][]byte{syn4, syn6, exceeded4, udp4, data4}[i%5])
	}
	file := pcap(t, linkEthernet, packets...)
	n := testing.AllocsPerRun(5, func() {
		r, err := capture.NewReader(bytes.NewReader(file))
		for err == nil {
			_, err = r.Next()
		}
	})
	if n > 20 {
		t.Errorf("%v allocations for %d packets", n, len(packets))
	}
}
