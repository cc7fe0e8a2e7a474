package explain_test

import (
	"errors"
	"io"
	"os"
	"path/filepath"
	"testing"

	"github.com/rstprobe/rstprobe/internal/capture"
	"github.com/rstprobe/rstprobe/internal/explain"
	"github.com/rstprobe/rstprobe/internal/flow"
	"github.com/rstprobe/rstprobe/probe"
)

// fromFile explains a capture of a real network. They are not part of the
// project: RSTPROBE_CAPTURES names the directory that holds them.
func fromFile(t *testing.T, name string) explain.Report {
	t.Helper()
	dir := os.Getenv("RSTPROBE_CAPTURES")
	if dir == "" {
		t.Skip("RSTPROBE_CAPTURES is not set: no real captures")
	}
	r, err := capture.Open(filepath.Join(dir, name))
	if err != nil {
		t.Fatal(err)
	}
	defer func() {
		if err := r.Close(); err != nil {
			t.Error(err)
		}
	}()
	e := explain.New(0)
	table := flow.NewTable(flow.Config{Yield: func(c *flow.Conversation) { e.Add(*c) }})
	for {
		f, err := r.Next()
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			t.Fatal(err)
		}
		table.Add(f.N, f.At, &f.Packet)
	}
	table.Flush()
	return e.Finish()
}

func blamesBox(a probe.Author) bool {
	return a == probe.OnPath || a == probe.OnOrInPath || a == probe.InPath
}

// TestGenuineResets: real servers that reset by themselves.
func TestGenuineResets(t *testing.T) {
	for _, tt := range []struct {
		file  string
		cause probe.Cause
	}{
		{"95.167.150.101_sohu.com_sohu.com.pcap", "S6"},
		{"200.115.176.142_binance.com_binance.com.pcap", "S1"},
		{"200.115.176.142_binance.com_example.com.pcap", "S1"},
		{"123.30.89.9_youtube.com_youtube.com_0.pcap", "S5"},
		{"123.30.89.9_youtube.com_example.com_0.pcap", "S5"},
	} {
		t.Run(tt.file, func(t *testing.T) {
			rep := fromFile(t, tt.file)
			if rep.Position != explain.AtClient {
				t.Errorf("position %q, want %q", rep.Position, explain.AtClient)
			}
			causes := map[probe.Cause]int{}
			for _, f := range rep.Flows {
				for _, r := range f.Resets {
					causes[r.Cause]++
					if blamesBox(r.Author) {
						t.Errorf("packet %d: author %q (%s, %s), want nobody in the middle", r.Packet, r.Author, r.Cause, r.Confidence)
					}
				}
			}
			t.Logf("%v; %s", causes, rep.Verdict.Summary)
			if causes[tt.cause] == 0 {
				t.Errorf("causes %v, want %s among them", causes, tt.cause)
			}
			if rep.Verdict.Outcome == probe.Interference {
				t.Errorf("verdict %+v, want no interference", rep.Verdict)
			}
		})
	}
}

// TestForgedResets: captures of boxes. Where something decisive is in the
// file, no forged packet may be called the server's.
func TestForgedResets(t *testing.T) {
	for _, file := range []string{
		"222.138.4.221_archive.org_archive.org.pcap",
		"195.46.232.198_minecraft.net_minecraft.net.pcap",
		"103.93.208.20_bisexual.org_bisexual.org.pcap",
	} {
		t.Run(file, func(t *testing.T) {
			rep := fromFile(t, file)
			boxes := 0
			for _, f := range rep.Flows {
				for _, r := range f.Resets {
					t.Logf("%d %s %s %s ttl %d/%d: %s", r.Packet, r.Cause, r.Author, r.Confidence, r.TTL, r.SenderTTL, r.Summary)
					if blamesBox(r.Author) {
						boxes++
					}
					if r.SenderTTL != 0 && r.TTL != r.SenderTTL && (r.Author == probe.Server || r.Author == probe.ServerSide) {
						t.Errorf("packet %d, TTL %d where the server's have %d, is called the server's (%s)", r.Packet, r.TTL, r.SenderTTL, r.Cause)
					}
				}
				if f.Ending.Cause != "" {
					t.Logf("end %s %s %s: %s", f.Ending.Cause, f.Ending.Author, f.Ending.Confidence, f.Ending.Summary)
				}
			}
			if rep.Verdict.Outcome != probe.Interference {
				t.Errorf("verdict %+v, want interference; %d resets of boxes", rep.Verdict, boxes)
			}
		})
	}
}
