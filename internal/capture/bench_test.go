package capture_test

import (
	"errors"
	"io"
	"math"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/rstprobe/rstprobe/internal/capture"
	"github.com/rstprobe/rstprobe/internal/capture/capturetest"
	"github.com/rstprobe/rstprobe/internal/flow"
	"github.com/rstprobe/rstprobe/internal/testenv"
)

func write(b *testing.B) (path string, sums capturetest.Sums) {
	b.Helper()
	path = filepath.Join(b.TempDir(), "traffic.pcap")
	file, err := os.Create(path)
	if err != nil {
		b.Fatal(err)
	}
	sums, err = capturetest.Usual.Write(file)
	if err := errors.Join(err, file.Close()); err != nil {
		b.Fatal(err)
	}
	return path, sums
}

// read reads the file and returns how many frames there were.
func read(tb testing.TB, path string, each func(*capture.Frame)) int {
	tb.Helper()
	r, err := capture.Open(path)
	if err != nil {
		tb.Fatal(err)
	}
	defer r.Close()
	for {
		f, err := r.Next()
		if errors.Is(err, io.EOF) {
			return r.Stats().Frames
		}
		if err != nil {
			tb.Fatal(err)
		}
		each(f)
	}
}

func perPacket(b *testing.B, packets int) {
	b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N*packets), "ns/packet")
}

// BenchmarkRead times reading alone.
func BenchmarkRead(b *testing.B) {
	path, sums := write(b)
	b.ReportAllocs()
	for b.Loop() {
		if n := read(b, path, func(*capture.Frame) {}); n != sums.Packets {
			b.Fatalf("%d packets, want %d", n, sums.Packets)
		}
	}
	perPacket(b, sums.Packets)
}

// resets reads the file into a table and returns the conversations with a
// reset.
func resets(tb testing.TB, path string) (n int) {
	table := flow.NewTable(flow.Config{
		Want:  func(c *flow.Conversation) bool { return c.Client.Resets+c.Server.Resets > 0 },
		Yield: func(*flow.Conversation) { n++ },
	})
	read(tb, path, func(f *capture.Frame) { table.AddOf(f.N, f.At, &f.Packet, &f.Ends) })
	table.Flush()
	return n
}

// BenchmarkTable times reading and splitting into conversations, of which those
// with resets are put together; then, twice on the same file, tshark that only
// looks for resets. tshark/own is the ratio of the fastest rounds of the two.
func BenchmarkTable(b *testing.B) {
	testenv.Need(b, "tshark")
	path, sums := write(b)
	own := time.Duration(math.MaxInt64)
	b.ReportAllocs()
	for b.Loop() {
		start := time.Now()
		if n := resets(b, path); n != sums.Resets {
			b.Fatalf("%d resets, want %d", n, sums.Resets)
		}
		own = min(own, time.Since(start))
	}
	perPacket(b, sums.Packets)

	tshark := capturetest.TShark(b, path, sums.Resets)
	b.ReportMetric(float64(tshark)/float64(own), "tshark/own")
	b.ReportMetric(float64(sums.Packets)/tshark.Seconds(), "tshark-packets/s")
}
