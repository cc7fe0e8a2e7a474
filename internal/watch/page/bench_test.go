package page

import (
	"fmt"
	"net/http"
	"net/http/httptest"
	"testing"
	"time"

	"github.com/rstprobe/rstprobe/internal/watch/period"
	"github.com/rstprobe/rstprobe/internal/watch/state"
	"github.com/rstprobe/rstprobe/internal/watch/store"
	"github.com/rstprobe/rstprobe/internal/watch/watchfile"
	"github.com/rstprobe/rstprobe/probe"
)

// noHistory is an empty one, which fails a test that asks it for anything, but
// for what is needed at the start.
type noHistory struct {
	History // nil: whatever else is asked for panics
	started bool
	testing.TB
}

func (h *noHistory) Entries(string, int) ([]store.Entry, error) {
	if h.started {
		h.Error("the history was asked for runs")
	}
	return nil, nil
}

func (h *noHistory) Hours(string, time.Time, time.Time) ([]period.Hour, error) {
	if h.started {
		h.Error("the history was asked for roll-ups")
	}
	return nil, nil
}

// most is a page with as many checks as there can be, of which every tenth is
// not well, with a whole day of runs.
func most(tb testing.TB) *Page {
	h := &noHistory{TB: tb}
	p := New(Config{History: h, Version: "1.2.3", Zone: time.UTC, Now: func() time.Time { return now }})
	w := world{TB: tb, page: p, known: map[string]state.Machines{}}
	var checks []watchfile.Check
	for i := range watchfile.MaxChecks {
		checks = append(checks, check(fmt.Sprintf("check-%04d", i), fmt.Sprintf("site%04d.example:443", i), map[string]string{"team": fmt.Sprint("team-", i%20)}, probe.SYN, probe.SNI))
	}
	p.Watched(checks)
	h.started = true
	for i, c := range checks {
		kind := clean
		if i%10 == 0 {
			kind = resetAt4
		}
		docs := [2]store.Run{{Check: c.Name, Document: document(c, clean, now)}, {Check: c.Name, Document: document(c, kind, now)}}
		for hour := range hours {
			r := docs[hour%2]
			r.Started = now.Add(-time.Duration(hours-hour) * time.Hour / 2)
			r.Ended = r.Started.Add(time.Second)
			w.judge(c, &r)
			p.Ran(r, 0, nil)
		}
		p.Known(c.Name, w.known[c.Name])
	}
	return p
}

// BenchmarkMatrix shows the present of 1000 checks. bytes is the size of the
// page, packed its size on the wire.
func BenchmarkMatrix(b *testing.B) {
	p := most(b)
	req := httptest.NewRequestWithContext(b.Context(), http.MethodGet, "/", nil)
	req.Header.Set("Accept-Encoding", "gzip")
	size := func(r *http.Request) float64 {
		out := httptest.NewRecorder()
		p.ServeHTTP(out, r)
		return float64(out.Body.Len())
	}
	for b.Loop() {
		size(req)
	}
	b.ReportMetric(size(req), "packed")
	b.ReportMetric(size(httptest.NewRequestWithContext(b.Context(), http.MethodGet, "/", nil)), "bytes")
}

// TestMostChecks: as many as there can be make a page that a browser shows
// without effort, and no history is read for it.
func TestMostChecks(t *testing.T) {
	p := most(t)
	out := httptest.NewRecorder()
	p.ServeHTTP(out, httptest.NewRequestWithContext(t.Context(), http.MethodGet, "/", nil))
	const limit = 2 << 20
	if n := out.Body.Len(); out.Code != http.StatusOK || n > limit {
		t.Errorf("%d, %d bytes, want %d at most", out.Code, n, limit)
	}
}
