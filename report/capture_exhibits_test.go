package report

import (
	"bytes"
	"maps"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/rstprobe/rstprobe/internal/diagnosis"
	"github.com/rstprobe/rstprobe/internal/explain"
	"github.com/rstprobe/rstprobe/internal/explain/sweep"
	"github.com/rstprobe/rstprobe/internal/packet"
	"github.com/rstprobe/rstprobe/internal/wire/pcapio"
)

// TestExhibitsEnds: of what both captures show those packets are picked that
// are in the file that was explained, whichever end it is of.
func TestExhibitsEnds(t *testing.T) {
	rep := interfered()
	rep.Flows = nil
	for _, tt := range []struct {
		name    string
		swapped bool
		want    []int
	}{
		{"at the client", false, []int{52, 53, 57, 90, 91}},
		{"at the server", true, []int{52, 54, 55, 58}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			res := bothEnds()
			res.Swapped = tt.swapped
			doc := NewCapture(rep, captureMeta).WithServer(res, "other.pcap")
			if diff := cmp.Diff(tt.want, slices.Sorted(maps.Keys(doc.exhibits()))); diff != "" {
				t.Errorf("packets (-want +got):\n%s", diff)
			}
		})
	}
}

// TestExhibitsSweep: what places a box is picked.
func TestExhibitsSweep(t *testing.T) {
	test := everything().Tests[0]
	res := sweep.Result{
		Kind: test.Kind, Name: test.Name, Verdict: test.Verdict, Location: test.Location, Boxes: test.Boxes,
		Server: endpoint("198.51.100.7:443"), Path: everything().Path,
	}
	doc := NewCapture(explain.Report{}, captureMeta).WithSweep(res, "control.pcap")
	got := doc.exhibits()
	var want []int
	shown := New(diagnosis.Result{Tests: []diagnosis.Test{{Verdict: test.Verdict, Location: test.Location, Boxes: test.Boxes}}}, Meta{}).Tests[0]
	for _, e := range slices.Concat(shown.Evidence, shown.Against, shown.Location.Evidence) {
		want = append(want, e.Packets...)
	}
	for _, b := range shown.Boxes {
		want = append(want, b.Packets...)
	}
	slices.Sort(want)
	if diff := cmp.Diff(slices.Compact(want), slices.Sorted(maps.Keys(got))); diff != "" || len(want) == 0 {
		t.Errorf("packets (-want +got):\n%s", diff)
	}
	root, page := html(t, doc, CaptureStyle{}, nil)
	sane(t, root, page)
	if boxes := root.all("tr", "box"); len(boxes) < 2 || !strings.Contains(boxes[0].words(), "BOX ") {
		t.Errorf("%d boxes in the table of the path, want both", len(boxes))
	}
}

// TestCaptureEvidenceHandshake: the three packets that open a connection are
// picked, sent again or not, and nothing of the next connection on the same
// addresses and ports.
func TestCaptureEvidenceHandshake(t *testing.T) {
	f := explainedReset(0)
	f.Resets[0].Packet, f.Resets[0].TriggerPacket, f.Resets[0].Copies, f.Resets[0].Evidence = 8, 0, nil, nil
	meta := captureMeta
	meta.Packets = 20
	doc := NewCapture(explain.Report{Flows: []explain.Flow{f}}, meta)
	segments := []struct {
		byClient bool
		flags    packet.Flags
		seq      packet.Seq
	}{
		{true, packet.SYN, 99}, {true, packet.SYN, 99}, {false, packet.SYN | packet.ACK, 499}, {true, packet.ACK, 100},
		{true, packet.PSH | packet.ACK, 100}, {false, packet.ACK, 500}, {true, packet.ACK, 101}, {false, packet.RST, 500},
		{true, packet.SYN, 7777}, {false, packet.SYN | packet.ACK, 8888}, {true, packet.ACK, 7778},
	}
	var b bytes.Buffer
	err := CaptureEvidence(&b, doc, func(look func(int, time.Time, *packet.Packet) bool) error {
		for i, s := range segments {
			p := packet.Packet{Src: f.Client, Dst: f.Server, TTL: 64, Proto: packet.TCP, TCP: packet.Segment{Seq: s.seq, Flags: s.flags}}
			if !s.byClient {
				p.Src, p.Dst = p.Dst, p.Src
			}
			raw, err := packet.Build(p)
			if err != nil {
				return err
			}
			p.Raw = raw
			at := f.Start.Add(time.Duration(i) * time.Millisecond)
			if i == 7 {
				at = time.Time{} // a packet block without a time
			}
			look(i+1, at, &p)
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	frames, err := pcapio.Read(&b)
	if err != nil {
		t.Fatal(err)
	}
	var got []time.Time
	for _, frame := range frames {
		got = append(got, frame.At.UTC())
	}
	want := []time.Time{f.Start, f.Start.Add(time.Millisecond), f.Start.Add(2 * time.Millisecond), f.Start.Add(3 * time.Millisecond), time.Unix(0, 0).UTC()}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("times of the packets (-want +got):\n%s", diff)
	}
}
