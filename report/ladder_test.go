package report

import (
	"bytes"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/rstprobe/rstprobe/internal/explain"
	"github.com/rstprobe/rstprobe/internal/packet"
	"github.com/rstprobe/rstprobe/internal/wire/pcapio"
	"github.com/rstprobe/rstprobe/probe"
)

// long is a conversation of n packets, one each millisecond, of which the
// last is the reset of a box; cited are further packets of evidence.
func long(n int, cited ...int) (Capture, Reread) {
	f := explainedReset(0)
	r := &f.Resets[0]
	r.Packet, r.TriggerPacket, r.Copies = n, n-1, nil
	r.Evidence = []probe.Evidence{{Rule: "data-triggered", Detail: r.Summary, Packets: cited}}
	meta := captureMeta
	meta.Packets = n + 5
	return NewCapture(explain.Report{Flows: []explain.Flow{f}}, meta), func(look func(int, time.Time, *packet.Packet) bool) error {
		for i := 1; i <= meta.Packets; i++ {
			p := packet.Packet{Src: f.Client, Dst: f.Server, TTL: 64, Proto: packet.TCP, TCP: packet.Segment{Seq: packet.Seq(i), Flags: packet.ACK, Missing: 1}}
			if i == n {
				p.Src, p.Dst, p.TTL, p.TCP.Flags = f.Server, f.Client, 58, packet.RST
			}
			raw, err := packet.Build(p)
			if err != nil {
				return err
			}
			p.Raw = raw
			if !look(i, f.Start.Add(time.Duration(i)*time.Millisecond), &p) {
				return nil
			}
		}
		return nil
	}
}

// drawn is the drawing of a long conversation.
func drawn(t *testing.T, n int, cited ...int) *ladder {
	t.Helper()
	c, reread := long(n, cited...)
	told, _ := c.told(true)
	all, err := c.ladders(told, reread)
	if err != nil {
		t.Fatal(err)
	}
	return all[&c.Flows[0]]
}

// TestLadderBounds: of a long conversation the beginning is drawn, and what
// is around the packets that are cited; what is not is counted.
func TestLadderBounds(t *testing.T) {
	many := []int{}
	for n := 100; n < 400; n += 10 {
		many = append(many, n)
	}
	for _, tt := range []struct {
		name  string
		cited []int
		want  []int // packets, in order; nil: too many to list
		more  int
	}{
		{"reset only", nil, []int{1, 2, 3, 4, 497, 498, 499, 500, 501, 502}, 0},
		{"evidence", []int{200}, []int{1, 2, 3, 4, 198, 199, 200, 201, 202, 497, 498, 499, 500, 501, 502}, 0},
		{"much evidence", many, nil, len(many) + 2 - maxCited},
	} {
		t.Run(tt.name, func(t *testing.T) {
			l := drawn(t, 500, tt.cited...)
			var got []int
			total, cited := 0, map[int]bool{}
			for _, r := range l.rungs {
				var n int
				if _, err := fmt.Sscanf(r.packet, "#%d", &n); err != nil {
					t.Fatal(err)
				}
				total += r.skipped + 1
				if total != n {
					t.Errorf("packet %d is drawn behind %d packets", n, total-1)
				}
				got = append(got, n)
				cited[n] = r.note > 0
			}
			if tt.want != nil {
				if diff := cmp.Diff(tt.want, got); diff != "" {
					t.Errorf("packets (-want +got):\n%s", diff)
				}
			}
			if len(got) > maxRungs || !cited[499] || !cited[500] || cited[1] {
				t.Errorf("packets %v, want at most %d and the reset among them", got, maxRungs)
			}
			if !slices.Contains(got, 1) || !slices.Contains(got, handshakeLen) {
				t.Errorf("packets %v, want the beginning among them", got)
			}
			if l.more != tt.more {
				t.Errorf("%d cited packets are said not to be drawn, want %d", l.more, tt.more)
			}
		})
	}
}

// TestLadderAtOneTime: packets with one and the same time are drawn level, each
// with its label above it.
func TestLadderAtOneTime(t *testing.T) {
	d := New(everything(), meta)
	same := 0
	for i, e := range d.Exchanges {
		l := d.ladder(e, d.Tests[e.Tests[0]-1])
		for k, a := range l.svg().Arrows {
			if k > 0 && l.rungs[k].at == l.rungs[k-1].at {
				same++
			}
			if l.rungs[k].till == l.rungs[k].at && a.Y1 != a.Y2 {
				t.Errorf("exchange %d: packet %s slants from %d to %d", i, a.Packet.Text, a.Y1, a.Y2)
			}
		}
	}
	if same == 0 {
		t.Error("no two packets of the examples have the same time")
	}
}

// TestLadderHeights: time runs down, to scale where packets are far apart.
func TestLadderHeights(t *testing.T) {
	d := drawn(t, 500).svg()
	last := 0
	for i, a := range d.Arrows {
		if a.Y1 < last+minGap && i > 0 {
			t.Errorf("arrow %d at %d, after one at %d", i, a.Y1, last)
		}
		last = a.Y1
		if a.Y2 > d.Height || a.Label.Y < svgTop-svgBottom {
			t.Errorf("arrow %d is outside of the drawing", i)
		}
	}
	if gap := d.Arrows[4].Y1 - d.Arrows[3].Y1; gap < timeSpan*9/10 {
		t.Errorf("%d between packets that 99%% of the time is between, want %d about", gap, timeSpan)
	}
	if len(d.Skips) != 1 || !strings.Contains(d.Skips[0].Text, "492 packets not shown") {
		t.Errorf("captions %+v, want one on what is left out", d.Skips)
	}
}

// TestLadderText: the drawing in letters has lines of one width, and the
// forged packet is one by its word, its dashes and its cross.
func TestLadderText(t *testing.T) {
	text := drawn(t, 500).text()
	width := 0
	for line := range strings.Lines(text) {
		line = strings.TrimSuffix(line, "\n")
		if width == 0 {
			width = len(line)
		}
		if len(line) != width {
			t.Errorf("%d letters, want %d: %q", len(line), width, line)
		}
		if strings.Contains(line, "FORGED") != strings.HasPrefix(line, "#500 ") || strings.Contains(line, "x ") != strings.Contains(line, "FORGED") {
			t.Errorf("line %q", line)
		}
	}
	if !strings.Contains(text, "FORGED [R] ") || !strings.Contains(text, " 492 packets not shown ") {
		t.Errorf("the drawing:\n%s", text)
	}
}

// TestLadderOtherConversation: the next conversation on the same addresses
// and ports is not drawn into this one.
func TestLadderOtherConversation(t *testing.T) {
	first, second := explainedReset(0), explainedReset(0)
	second.Start = first.Start.Add(10 * time.Second)
	second.Resets = slices.Clone(second.Resets)
	second.Resets[0].Packet, second.Resets[0].TriggerPacket, second.Resets[0].Copies, second.Resets[0].Evidence = 12, 11, nil, nil
	meta := captureMeta
	meta.Packets = 12
	c := NewCapture(explain.Report{Flows: []explain.Flow{first, second}}, meta)
	told, _ := c.told(true)
	all, err := c.ladders(told, func(look func(int, time.Time, *packet.Packet) bool) error {
		for i := 1; i <= 12; i++ {
			at := first.Start.Add(time.Duration(i) * time.Millisecond)
			if i > 6 {
				at = at.Add(10 * time.Second)
			}
			look(i, at, &packet.Packet{Src: first.Client, Dst: first.Server, Proto: packet.TCP})
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	for i, want := range []string{"#1 #2 #3 #4 #5 #6", "#7 #8 #9 #10 #11 #12"} {
		var got []string
		for _, r := range all[&c.Flows[i]].rungs {
			got = append(got, r.packet)
		}
		if s := strings.Join(got, " "); s != want {
			t.Errorf("conversation %d has packets %s, want %s", i+1, s, want)
		}
	}
}

// TestCaptureEvidence: each packet that is cited is written once, with its
// time, whole length and a comment.
func TestCaptureEvidence(t *testing.T) {
	c, reread := long(500, 200)
	c.File = "evil\x1b[2J.pcap"
	var b bytes.Buffer
	if err := CaptureEvidence(&b, c, reread); err != nil {
		t.Fatal(err)
	}
	frames, err := pcapio.Read(bytes.NewReader(b.Bytes()))
	if err != nil {
		t.Fatal(err)
	}
	var at []time.Duration
	for _, f := range frames {
		at = append(at, f.At.Sub(captureMeta.Start)/time.Millisecond)
		if f.Wire != len(f.Raw)+1 {
			t.Errorf("packet at %v has %d bytes of %d, want one that was not captured", f.At, len(f.Raw), f.Wire)
		}
	}
	if diff := cmp.Diff([]time.Duration{200, 499, 500}, at); diff != "" {
		t.Errorf("milliseconds (-want +got):\n%s", diff)
	}
	for _, want := range []string{
		`packet 200 of evil\x1b[2J.pcap, 192.0.2.1:40000 -> 198.51.100.7:443` + "\nfor M3: A box objected to what was said (ClientHello, Host or content): data-triggered: ",
		"\ndrew the reset in packet 500", "\nreset by path (likely), M3: ",
	} {
		if !bytes.Contains(b.Bytes(), []byte(want)) {
			t.Errorf("no comment has %q", want)
		}
	}
	if err := CaptureEvidence(&b, c, nil); err == nil || !strings.Contains(err.Error(), "can be read only once") {
		t.Errorf("without a second reading: %v", err)
	}
	if err := CaptureEvidence(failing{}, c, reread); err == nil {
		t.Error("no error although nothing can be written")
	}
}

// TestLadderSteep: where an arrow ends is clear of the label of the packet that
// leaves there next, which mostly answers it.
func TestLadderSteep(t *testing.T) {
	const ms = time.Millisecond
	l := &ladder{places: threePlaces, rungs: []rung{
		{right: true, from: clientPlace, to: serverPlace, at: 0, till: 28 * ms, label: "S seq 0 len 0 TTL 62"},
		{from: serverPlace, to: clientPlace, at: 29 * ms, till: 83 * ms, label: "S. seq 0 len 0 TTL 62"},
		{right: true, from: clientPlace, to: serverPlace, at: 84 * ms, till: 84 * ms, label: ". seq 1 len 0 TTL 62"},
		{right: true, from: clientPlace, to: serverPlace, at: 85 * ms, till: 2000 * ms, label: "P. seq 1 len 41 TTL 62"},
		{right: true, from: clientPlace, to: serverPlace, at: 2001 * ms, till: 2001 * ms, label: "P. seq 42 len 41 TTL 62"},
	}}
	arrows := l.svg().Arrows
	for i, a := range arrows {
		if a.Y2 < a.Y1 {
			t.Errorf("packet %d arrives at %d, before it left at %d", i, a.Y2, a.Y1)
		}
		for k, o := range arrows[i+1:] {
			if a.Y2 > o.Label.Y-12 && a.Y2 < o.Label.Y+3 {
				t.Errorf("packet %d arrives at %d, in the label of packet %d at %d", i, a.Y2, i+1+k, o.Label.Y)
			}
		}
	}
}
