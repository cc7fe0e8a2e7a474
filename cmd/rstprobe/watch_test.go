package main

import (
	"bytes"
	"context"
	"errors"
	"log/slog"
	"net/netip"
	"strings"
	"testing"

	"github.com/rstprobe/rstprobe/internal/diagnosis"
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
	// That we are told to stop is no failure of the resolver.
	ended, cancel := context.WithCancel(t.Context())
	cancel()
	failed = ""
	if _, err := ask(ended, "ip", "shop.example"); failed != "" || err == nil {
		t.Errorf("interrupted: %q, %v", failed, err)
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
