package probe

import (
	"testing"

	"github.com/rstprobe/rstprobe/internal/payload"
)

// TestDiffer: which answers are a reason to look closer.
func TestDiffer(t *testing.T) {
	t.Parallel()
	tls := func(said int) Observation {
		return Observation{Outcome: OK, Reply: payload.Reply{Kind: payload.ServerHello}, Said: said}
	}
	page := func(status, said, fins int) Observation {
		return Observation{Outcome: OK, Reply: payload.Reply{Kind: payload.HTTPReply, Status: status}, Said: said, FINs: make([]Seen, fins)}
	}
	for _, tt := range []struct {
		name          string
		control, test Observation
		want          int
	}{
		{"the same page", page(200, 500, 1), page(200, 500, 1), 0},
		{"a page of another length", page(200, 500, 1), page(200, 501, 1), 1},
		{"a page of another kind", page(200, 500, 1), page(403, 500, 1), 1},
		{"a page and a close", page(200, 500, 0), page(200, 500, 1), 1},
		{"the same flight", tls(1400), tls(1400), 0},
		{"signatures of other lengths", tls(1400), tls(1403), 0},
		{"the same, shorter", tls(1403), tls(1400), 0},
		{"another certificate", tls(1400), tls(1900), 1},
		{"nothing", tls(1400), Observation{Outcome: Drop}, 1},
	} {
		f := Findings{Leading: []Observation{tt.control}, Tests: []Observation{tt.test}}
		if got := f.Differ(); got != tt.want {
			t.Errorf("%s: %d differ, want %d", tt.name, got, tt.want)
		}
	}
}
