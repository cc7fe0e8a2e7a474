package main

import (
	"bytes"
	"errors"
	"math"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/rstprobe/rstprobe/internal/capture/capturetest"
	"github.com/rstprobe/rstprobe/internal/testenv"
)

// traffic is the capture of the benchmark: about a million packets of a
// hundred thousand connections, a tenth of which are reset.
var traffic = capturetest.Traffic{
	Flows: 100_000, Segments: 2, Open: 1_000, ResetEvery: 10, Gap: 500 * time.Microsecond, Seed: 1,
}

// BenchmarkExplain times the whole command on a capture; then, twice on the
// same file, tshark that only looks for resets. tshark/own is the ratio of the
// fastest rounds of the two.
func BenchmarkExplain(b *testing.B) {
	testenv.Need(b, "tshark")
	path := filepath.Join(b.TempDir(), "traffic.pcap")
	file, err := os.Create(path)
	if err != nil {
		b.Fatal(err)
	}
	sums, err := traffic.Write(file)
	if err := errors.Join(err, file.Close()); err != nil {
		b.Fatal(err)
	}

	own := time.Duration(math.MaxInt64)
	b.ReportAllocs()
	for b.Loop() {
		start := time.Now()
		got := new(fakeSystem).run(b.Context(), "", "explain", path, "--json")
		own = min(own, time.Since(start))
		if got.stderr != "" || !bytes.Contains([]byte(got.stdout), []byte(`"conversations":100000,`)) {
			b.Fatalf("exit code %d, standard error %q, standard output %.300s", got.code, got.stderr, got.stdout)
		}
	}
	b.ReportMetric(float64(own.Nanoseconds())/float64(sums.Packets), "ns/packet")

	tshark := capturetest.TShark(b, path, sums.Resets)
	b.ReportMetric(float64(tshark)/float64(own), "tshark/own")
}
