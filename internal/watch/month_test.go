package watch

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/rstprobe/rstprobe/internal/watch/metrics"
	"github.com/rstprobe/rstprobe/internal/watch/store"
	"github.com/rstprobe/rstprobe/internal/watch/watchfile"
	"github.com/rstprobe/rstprobe/probe"
	"github.com/rstprobe/rstprobe/report"
)

// footprint is what a process takes that goes on for months.
type footprint struct {
	heap       uint64 // bytes in use after a collection
	goroutines int
	files      int // open; 0: not to be seen on this system
	series     int // of the metrics
	store      int64
	resident   int64 // bytes, with what the database has outside of the heap; 0: not to be seen
}

func (f footprint) String() string {
	return fmt.Sprintf("heap %.2f MiB, resident %.1f MiB, %d goroutines, %d open files, %d series, store %.1f MiB",
		float64(f.heap)/(1<<20), float64(f.resident)/(1<<20), f.goroutines, f.files, f.series, float64(f.store)/(1<<20))
}

// TestBoundedMonth: for a month, watched by the real scheduler, kept in a
// real database and shown to Prometheus, boxes come and go, one check flaps, our
// own network and the resolver fail, measuring does, and the file is read again
// twice a day with another guest in it. What that takes does not grow from the
// third day to the last.
//
// It is not parallel: the heap of other tests would be counted, too.
func TestBoundedMonth(t *testing.T) {
	const checks, interval = 22, 3 * time.Hour
	if testing.Short() {
		t.Skip("takes a while")
	}
	clean, blocked := sample(t, "clean"), sample(t, "everything")
	path := filepath.Join(t.TempDir(), "rstprobe.db")
	synctest.Test(t, func(t *testing.T) {
		s, err := store.Open(path)
		if err != nil {
			t.Fatal(err)
		}
		defer func() {
			if err := s.Close(); err != nil {
				t.Error(err)
			}
		}()
		m, log, start := metrics.New("1.2.3"), &counting{lines: map[string]int{}}, time.Now()
		w, err := New(Config{
			Measure: func(_ context.Context, c watchfile.Check) Measured {
				return weather(c, time.Since(start), clean, blocked)
			},
			Store: s, Observer: m, Log: slog.New(slog.NewJSONHandler(log, &slog.HandlerOptions{Level: slog.LevelDebug})), Concurrency: 4,
			Retention: watchfile.Retention{Age: 2 * day, Bytes: 1 << 30}, Secret: 7,
		})
		if err != nil {
			t.Fatal(err)
		}
		with := func(guest int) (all []watchfile.Check) {
			for i := range checks {
				c := check(fmt.Sprint("check ", i), fmt.Sprintf("h%d.example", i/2), interval)
				c.Retest = []time.Duration{3 * time.Second, 30 * time.Second, 30 * time.Minute}
				all = append(all, c)
			}
			return append(all, check(fmt.Sprint("guest ", guest), "guest.example", interval))
		}
		ctx, cancel := context.WithCancel(t.Context())
		reloads, done := make(chan []watchfile.Check), make(chan struct{})
		go func() {
			defer close(done)
			w.Run(ctx, with(0), reloads)
		}()
		var early footprint
		for half := 1; half <= 60; half++ {
			time.Sleep(12 * time.Hour)
			reloads <- with(half)
			synctest.Wait()
			now := measureFootprint(t, m, path)
			switch half {
			case 6:
				early = now
				t.Logf("day 3: %v", now)
			case 60:
				t.Logf("day 30: %v; lines of the log: %v", now, log.lines)
				if now.heap > early.heap+early.heap/4+1<<20 {
					t.Errorf("the heap grew from %.2f to %.2f MiB", float64(early.heap)/(1<<20), float64(now.heap)/(1<<20))
				}
				if now.goroutines > early.goroutines || now.files > early.files || now.series > early.series {
					t.Errorf("it grew from %v to %v", early, now)
				}
				if now.resident > early.resident+early.resident/2 {
					t.Errorf("resident memory grew from %.1f to %.1f MiB", float64(early.resident)/(1<<20), float64(now.resident)/(1<<20))
				}
			}
		}
		cancel()
		<-done
		if want := int(30*day/interval) * checks; log.lines["run"] < want {
			t.Errorf("%d runs, want %d at least", log.lines["run"], want)
		}
		for _, msg := range []string{
			"change", "flapping", "perhaps a change", "no change after all", "old results deleted", "could not measure", "the name cannot be resolved", "the name can be resolved again",
			"nothing answers any check: our own network is in trouble, and no change is believed until it is not", "our own network works again",
		} {
			if log.lines[msg] == 0 {
				t.Errorf("the log never says %q: the month is too quiet", msg)
			}
		}
	})
}

// weather is what a check finds at a time since the start.
func weather(c watchfile.Check, at time.Duration, clean, blocked report.Document) Measured {
	const takes = 2 * time.Second
	started := time.Now()
	time.Sleep(takes)
	hour, n := int(at/time.Hour), 0
	_, _ = fmt.Sscanf(c.Name, "check %d", &n) // a guest is like the first one
	flaps := n == 5 && hour%48 < 6
	var out Measured
	switch {
	case hour%179 < 4: // our own network fails
		out.Document = document(c, started, "", false)
	case n == 3 && hour%97 == 50:
		out.Document = document(c, started, "", false)
		out.Err = errors.New("too many open files")
	case flaps && at/(10*time.Minute)%2 == 0, !flaps && (hour+3*n)/37%3 == 2:
		out.Document = blocked
		if (hour+3*n)/37%2 == 0 { // it sits at another hop
			moved := *blocked.Tests[0].Location
			moved.AfterTTL, moved.AtTTL = 1, 2
			out.Document.Tests = slices.Clone(blocked.Tests)
			out.Document.Tests[0].Location = &moved
		}
	default:
		out.Document = clean
	}
	if n == 4 && hour%29 < 2 {
		out.Lookup = "the resolver did not answer in time"
	}
	if len(out.Document.Tests) > 0 {
		out.Document.Tests = slices.Clone(out.Document.Tests)
		out.Document.Tests[0].Kind, out.Document.Tests[0].Name = c.Questions[0].Kind, c.Questions[0].Name
	}
	out.Document.StartedAt = started
	return out
}

// sample is a result as it is measured, with its packets and all.
func sample(t *testing.T, name string) report.Document {
	t.Helper()
	b, err := os.ReadFile("../../report/testdata/" + name + ".json")
	if err != nil {
		t.Fatal(err)
	}
	var doc report.Document
	if err := json.Unmarshal(b, &doc); err != nil {
		t.Fatal(err)
	}
	i := slices.IndexFunc(doc.Tests, func(t report.Test) bool { return t.Kind == probe.SNI })
	if i < 0 {
		t.Fatalf("%s has no test of a server name", name)
	}
	doc.Tests = doc.Tests[i : i+1]
	return doc
}

func measureFootprint(t *testing.T, m *metrics.Metrics, path string) footprint {
	t.Helper()
	f := footprint{goroutines: runtime.NumGoroutine()} // before the request, which begins some that end behind it
	answer := httptest.NewRecorder()
	m.Handler().ServeHTTP(answer, httptest.NewRequest(http.MethodGet, "/metrics", nil))
	for line := range strings.Lines(answer.Body.String()) {
		if strings.HasPrefix(line, "rstprobe_") {
			f.series++
		}
	}
	if files, err := os.ReadDir("/proc/self/fd"); err == nil {
		f.files = len(files)
	}
	if status, err := os.ReadFile("/proc/self/status"); err == nil {
		_, after, _ := strings.Cut(string(status), "VmRSS:")
		if _, err := fmt.Sscan(after, &f.resident); err != nil {
			t.Fatal(err)
		}
		f.resident <<= 10
	}
	for _, suffix := range []string{"", "-wal"} {
		info, err := os.Stat(path + suffix)
		if err != nil {
			t.Fatal(err)
		}
		f.store += info.Size()
	}
	answer = nil
	var stats runtime.MemStats
	runtime.GC() // what finalizers free
	runtime.GC()
	runtime.ReadMemStats(&stats)
	f.heap = stats.HeapAlloc
	return f
}

// counting counts the lines of a log as JSON, by message; of changes, those
// that tell of flapping once more.
type counting struct {
	mu    sync.Mutex
	lines map[string]int
}

// Write implements io.Writer: slog writes whole lines.
func (c *counting) Write(b []byte) (int, error) {
	var line struct {
		Msg      string
		Flapping bool
	}
	if err := json.Unmarshal(b, &line); err != nil {
		return 0, err
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	c.lines[line.Msg]++
	if line.Flapping {
		c.lines["flapping"]++
	}
	return len(b), nil
}
