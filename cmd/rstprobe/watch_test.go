package main

import (
	"bytes"
	"context"
	"errors"
	"io"
	"log/slog"
	"net/netip"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/rstprobe/rstprobe/internal/diagnosis"
	"github.com/rstprobe/rstprobe/internal/watch/alert"
	"github.com/rstprobe/rstprobe/internal/watch/metrics"
	"github.com/rstprobe/rstprobe/internal/watch/store"
	"github.com/rstprobe/rstprobe/internal/watch/watchfile"
	"github.com/rstprobe/rstprobe/probe"
)

// TestLastGoodAnswer: it is used for as long as the resolver gives none, and
// the run says so.
func TestLastGoodAnswer(t *testing.T) {
	t.Parallel()
	one, two := netip.MustParseAddr("192.0.2.1"), netip.MustParseAddr("192.0.2.2")
	broken := errors.New("the resolver did not answer in time")
	book := &addressBook{last: map[string][]netip.Addr{}}
	for _, tt := range []struct {
		name   string
		gives  []netip.Addr
		err    error
		want   netip.Addr // invalid: the error, or what the resolver gave
		failed string
	}{
		{"nothing yet", nil, broken, netip.Addr{}, "the resolver did not answer in time"},
		{"an answer", []netip.Addr{one}, nil, one, ""},
		{"another", []netip.Addr{two}, nil, two, ""},
		{"no answer", nil, broken, two, "the resolver did not answer in time"},
		{"a blocking one", []netip.Addr{netip.IPv4Unspecified()}, nil, two, "the resolver gives 0.0.0.0, which is the address of no host"},
		{"an empty one", nil, nil, two, "there is no such name, or it has no address"},
		{"an answer again", []netip.Addr{one}, nil, one, ""},
	} {
		failed := ""
		ask := book.lookUp(func(context.Context, string, string) (diagnosis.Lookup, error) {
			return diagnosis.Lookup{Answers: tt.gives}, tt.err
		}, &failed)
		got, err := ask(t.Context(), "ip", "shop.example")
		switch {
		case failed != tt.failed:
			t.Errorf("%s: failed since %q, want %q", tt.name, failed, tt.failed)
		case !tt.want.IsValid() && !errors.Is(err, tt.err):
			t.Errorf("%s: %v", tt.name, err)
		case tt.want.IsValid() && (err != nil || len(got.Answers) != 1 || got.Answers[0] != tt.want):
			t.Errorf("%s: %v, %v; want %v", tt.name, got.Answers, err, tt.want)
		}
	}
	// Of another family, or of another name, nothing is known.
	failed := ""
	ask := book.lookUp(func(context.Context, string, string) (diagnosis.Lookup, error) { return diagnosis.Lookup{}, broken }, &failed)
	for _, q := range [][2]string{{"ip6", "shop.example"}, {"ip", "bank.example"}} {
		if got, err := ask(t.Context(), q[0], q[1]); len(got.Answers) > 0 || !errors.Is(err, broken) {
			t.Errorf("%v: %v, %v", q, got, err)
		}
	}
	// A resolver that is silent until our patience ends has failed.
	late, done := context.WithTimeout(t.Context(), 0)
	defer done()
	failed = ""
	if got, err := ask(late, "ip", "shop.example"); err != nil || len(got.Answers) != 1 || got.Answers[0] != one || failed != broken.Error() {
		t.Errorf("silent: %v, %v; failed since %q", got.Answers, err, failed)
	}
	// That we are told to stop is no failure of the resolver.
	ended, cancel := context.WithCancel(t.Context())
	cancel()
	failed = ""
	if _, err := ask(ended, "ip", "shop.example"); failed != "" || err == nil {
		t.Errorf("interrupted: %q, %v", failed, err)
	}
}

// TestReceiversWithoutARoomyDisk: what the store cannot take back keeps nobody
// from being told by the file as it is now.
func TestReceiversWithoutARoomyDisk(t *testing.T) {
	t.Parallel()
	s, err := store.Open(filepath.Join(t.TempDir(), "rstprobe.db"))
	if err != nil {
		t.Fatal(err)
	}
	var out bytes.Buffer
	a, err := newAlerting(s, watchfile.File{}, metrics.New("1").Alerts(), slog.New(slog.NewTextHandler(&out, nil)))
	if err != nil {
		t.Fatal(err)
	}
	if err := s.Close(); err != nil { // it takes nothing any more
		t.Fatal(err)
	}
	a.use(watchfile.File{Alerts: []alert.Receiver{{Name: "ops", Via: alert.Exec{Command: []string{"/bin/true"}}}}})
	if now := <-a.receivers; len(now.All) != 1 || now.All[0].Name != "ops" {
		t.Errorf("receivers: %+v", now)
	}
	if !strings.Contains(out.String(), "level=ERROR msg=\"what is gone from the watch file could not be taken back") {
		t.Errorf("log:\n%s", out.String())
	}
}

// TestCutShort: whatever fails when the time is over, there is a verdict.
func TestCutShort(t *testing.T) {
	t.Parallel()
	w := &watching{program: &program{sys: new(fakeSystem).system(), stderr: io.Discard, terminal: io.Discard}, kit: kit{counter: new(atomic.Uint64)}}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	c := watchfile.Check{Target: probe.Target{Input: "198.51.100.3", IP: netip.MustParseAddr("198.51.100.3"), Port: 443}} // to which finding a source fails
	doc, err := w.carryOut(ctx, c, options{}, w.sys.lookUp)
	if err != nil || !doc.Interrupted || doc.Verdict.Outcome != probe.OverallInconclusive || doc.Verdict.Summary == "" {
		t.Errorf("%v, interrupted %t, verdict %+v", err, doc.Interrupted, doc.Verdict)
	}
}

// TestRemarksAreLoggedOnce, however many runs make them.
func TestRemarksAreLoggedOnce(t *testing.T) {
	t.Parallel()
	var out bytes.Buffer
	n := &notes{log: slog.New(slog.NewTextHandler(&out, nil)), seen: map[string]bool{}}
	for range 5 {
		for _, line := range []string{"rstprobe: ordinary sockets are used\n", "rstprobe: warning: one\nrstprobe: warning: two\n"} {
			if _, err := n.Write([]byte(line)); err != nil {
				t.Fatal(err)
			}
		}
	}
	got := out.String()
	if strings.Count(got, "\n") != 3 || !strings.Contains(got, "level=INFO msg=\"ordinary sockets are used\"") || !strings.Contains(got, "level=WARN msg=two") {
		t.Errorf("log:\n%s", got)
	}
}
