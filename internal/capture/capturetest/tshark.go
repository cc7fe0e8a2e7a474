package capturetest

import (
	"bytes"
	"math"
	"os/exec"
	"testing"
	"time"
)

// TShark is how long the faster of two runs of tshark takes to look for
// nothing but resets in a capture: the peer that benchmarks are held against.
// It must find as many as there are. The caller makes sure that tshark is there.
func TShark(tb testing.TB, path string, resets int) time.Duration {
	tb.Helper()
	fastest := time.Duration(math.MaxInt64)
	for range 2 {
		start := time.Now()
		out, err := exec.CommandContext(tb.Context(), "tshark", "-r", path, "-Y", "tcp.flags.reset==1").Output()
		fastest = min(fastest, time.Since(start))
		if err != nil {
			tb.Fatalf("tshark: %v", err)
		}
		if n := bytes.Count(out, []byte("\n")); n != resets {
			tb.Fatalf("tshark finds %d resets, want %d", n, resets)
		}
	}
	return fastest
}
