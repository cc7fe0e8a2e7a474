package capture_test

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/rstprobe/rstprobe/internal/capture"
	"github.com/rstprobe/rstprobe/internal/capture/capturetest"
)

// some is a capture of more packets than are read ahead.
func some(t *testing.T) []byte {
	t.Helper()
	var file bytes.Buffer
	if _, err := (capturetest.Traffic{Flows: 500, Segments: 3, Open: 20, ResetEvery: 7, Gap: time.Millisecond, Seed: 3}).Write(&file); err != nil {
		t.Fatal(err)
	}
	return file.Bytes()
}

// TestBatches: what is read ahead is what Next returns, and so are the sums
// and the error.
func TestBatches(t *testing.T) {
	t.Parallel()
	file := some(t)
	for _, size := range []int{len(file), len(file) - 11, len(file) / 3, 24} {
		one, err := capture.NewReader(bytes.NewReader(file[:size]))
		if err != nil {
			t.Fatal(err)
		}
		many, err := capture.NewReader(bytes.NewReader(file[:size]))
		if err != nil {
			t.Fatal(err)
		}
		got := many.Batches(func(frames []capture.Frame) bool {
			for i := range frames {
				want, err := one.Next()
				if err != nil {
					t.Fatalf("after packet %d: %v", one.Stats().Packets, err)
				}
				if w, g := fmt.Sprintf("%+v", *want), fmt.Sprintf("%+v", frames[i]); w != g {
					t.Fatalf("read one by one\n%s\nread ahead\n%s", w, g)
				}
			}
			return true
		})
		_, want := one.Next()
		if want == nil || fmt.Sprint(want) != fmt.Sprint(got) || errors.Is(want, io.EOF) != errors.Is(got, io.EOF) {
			t.Errorf("%d bytes: error %v, want %v", size, got, want)
		}
		if diff := cmp.Diff(one.Stats(), many.Stats()); diff != "" {
			t.Errorf("%d bytes: stats (-want +got):\n%s", size, diff)
		}
	}
}

// TestBatchesStop: who has enough gets no more, and the sums are about what
// was yielded.
func TestBatchesStop(t *testing.T) {
	t.Parallel()
	in, err := capture.NewReader(bytes.NewReader(some(t)))
	if err != nil {
		t.Fatal(err)
	}
	calls, seen := 0, 0
	err = in.Batches(func(frames []capture.Frame) bool {
		calls++
		seen += len(frames)
		return calls < 2
	})
	if err != nil || calls != 2 || seen == 0 || in.Stats().Frames != seen {
		t.Errorf("%d calls with %d frames, %d in the sums, error %v; want 2, and the same number twice", calls, seen, in.Stats().Frames, err)
	}
}
