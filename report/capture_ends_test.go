package report

import (
	"bytes"
	"testing"
	"time"

	"github.com/rstprobe/rstprobe/internal/explain/twoends"
	"github.com/rstprobe/rstprobe/probe"
)

// bothEnds is one of everything that two captures can show.
func bothEnds() twoends.Result {
	judged := twoends.Judgement{
		Author: probe.OnPath, Cause: "M4", Confidence: probe.Proved, Next: "locate it",
		Evidence: []twoends.Evidence{{
			Evidence: probe.Evidence{Rule: "never-sent", Supports: probe.OnPath, Decisive: true, Detail: "it is not at the server", Packets: []int{53}}, AtServer: []int{54, 55},
		}},
		Against: []twoends.Evidence{{Evidence: probe.Evidence{Rule: "capture-missed", Detail: "evil\u009b2J"}}},
		Summary: "the reset was never sent", Chinese: "该 RST 并非服务器所发",
	}
	at := [2]time.Duration{39 * time.Millisecond, 33 * time.Millisecond}
	pair := twoends.Pair{
		Start: [2]time.Time{captureMeta.Start, captureMeta.Start.Add(time.Hour)}, By: twoends.ByNumbers, Both: true,
		Sent: [2]twoends.Counts{{twoends.Arrived: 5, twoends.Lost: 1}, {twoends.Arrived: 7, twoends.Injected: 1}},
		Foreign: []twoends.Foreign{{
			At: twoends.Client, Packet: 53, From: endpoint("198.51.100.7:443"), Kind: twoends.ResetPacket, TTL: 58, Genuine: twoends.Span{Low: 51, High: 52},
			Trigger: [2]int{52, 52}, Name: "blocked.example", Wait: 7500 * time.Microsecond,
			Distance:  &twoends.Distance{Initial: twoends.Span{Low: 64, High: 64}, FromClient: twoends.Span{Low: 6, High: 6}, FromServer: twoends.Span{Low: 5, High: 6}, Path: 12, Usual: true},
			Judgement: judged,
		}},
		Resets:  []twoends.Reset{{From: twoends.Server, Packet: [2]int{57, 58}, Fate: twoends.Arrived, Drawn: [2]int{53, 0}, Judgement: judged}},
		Silence: &judged,
	}
	pair.Keys[twoends.Client].Local, pair.Keys[twoends.Client].Remote = endpoint("10.0.0.1:40000"), endpoint("198.51.100.7:443")
	pair.Keys[twoends.Server].Local, pair.Keys[twoends.Server].Remote = endpoint("203.0.113.9:1024"), endpoint("198.51.100.7:443")
	for n := range 10 {
		row := twoends.Row{From: twoends.Client, Packet: [2]int{48 + n, 48 + n}, At: at, TTL: [2]uint8{64, 52}, Flags: 0x18, Seq: 1, Size: 517, Fate: twoends.Arrived}
		if n == 5 {
			row.From, row.Packet[twoends.Server], row.Fate, row.Flags = twoends.Server, 0, twoends.Injected, 0x14
		}
		pair.Rows = append(pair.Rows, row)
	}
	missing := twoends.Missing{Start: captureMeta.Start, Packet: 91, Trigger: 90, Judgement: judged}
	missing.Key.Local, missing.Key.Remote = endpoint("[2001:db8::1]:50000"), endpoint("[2001:db8:7::7]:443")
	quiet := pair
	quiet.Rows, quiet.Foreign, quiet.Resets, quiet.Silence = nil, nil, nil, nil
	return twoends.Result{
		Pairs: []twoends.Pair{quiet, pair}, Missing: []twoends.Missing{missing}, Alone: [2]int{1, 2}, Omitted: [2]int{3, 0}, Missed: [2]int{0, 4},
		Clock:   twoends.Clock{Known: true, Offset: time.Hour, Error: 15 * time.Millisecond, RTT: 30 * time.Millisecond, Drift: 1.5, Steps: 2},
		Verdict: probe.Interference, Summary: "Something between the ends interferes.", Chinese: "中间设备存在干预。",
	}
}

// TestBothEnds: what two captures show, in every kind of text.
func TestBothEnds(t *testing.T) {
	rep := interfered()
	rep.Flows = nil
	doc := NewCapture(rep, captureMeta).WithServer(bothEnds(), "server.pcap")
	line, err := doc.JSON()
	if err != nil {
		t.Fatal(err)
	}
	if err := validate(t, compiled(t, CaptureSchema), line); err != nil {
		t.Error(err)
	}
	if n := len(doc.BothEnds.Pairs); doc.BothEnds.Matched != 2 || n != 1 {
		t.Errorf("%d conversations of which %d are told, want 2 and the one with packets to show", doc.BothEnds.Matched, n)
	}
	golden(t, "capture_ends.txt", []byte(captureText(t, doc, CaptureStyle{})))
	var md bytes.Buffer
	if err := CaptureMarkdown(&md, doc, CaptureStyle{Chinese: true}); err != nil {
		t.Fatal(err)
	}
	golden(t, "capture_ends.md", md.Bytes())
}
