package main

import (
	"bytes"
	"errors"
	"fmt"
	"math"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/rstprobe/rstprobe/internal/capture/capturetest"
	"github.com/rstprobe/rstprobe/internal/testenv"
)

// BenchmarkExplain times the whole command on a capture as a customer may
// send it, on one of what goes wrong, on one of short connections and on one of
// long ones; then, twice on the same file, tshark
// that only looks for resets. tshark/own is the ratio of the fastest rounds of
// the two.
func BenchmarkExplain(b *testing.B) {
	testenv.Need(b, "tshark")
	for _, traffic := range []struct {
		name string
		capturetest.Traffic
	}{{"usual", capturetest.Usual}, {"resets", capturetest.Resets}, {"short", capturetest.Short}, {"long", capturetest.Long}} {
		b.Run(traffic.name, func(b *testing.B) { benchmarkExplain(b, traffic.Traffic) })
	}
}

func benchmarkExplain(b *testing.B, traffic capturetest.Traffic) {
	path := filepath.Join(b.TempDir(), "traffic.pcap")
	file, err := os.Create(path)
	if err != nil {
		b.Fatal(err)
	}
	sums, err := traffic.Write(file)
	if err := errors.Join(err, file.Close()); err != nil {
		b.Fatal(err)
	}
	all := fmt.Appendf(nil, `"conversations":%d,`, traffic.Flows)

	own := time.Duration(math.MaxInt64)
	b.ReportAllocs()
	for b.Loop() {
		start := time.Now()
		got := new(fakeSystem).run(b.Context(), "", "explain", path, "--json")
		own = min(own, time.Since(start))
		if got.stderr != "" || !bytes.Contains([]byte(got.stdout), all) {
			b.Fatalf("exit code %d, standard error %q, standard output %.300s", got.code, got.stderr, got.stdout)
		}
	}
	b.ReportMetric(float64(own.Nanoseconds())/float64(sums.Packets), "ns/packet")

	tshark := capturetest.TShark(b, path, sums.Resets)
	b.ReportMetric(float64(tshark)/float64(own), "tshark/own")
}
