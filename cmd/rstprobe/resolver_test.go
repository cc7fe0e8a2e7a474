package main

import (
	"bytes"
	"context"
	"errors"
	"net"
	"net/netip"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"golang.org/x/net/dns/dnsmessage"

	"github.com/rstprobe/rstprobe/internal/diagnosis"
	"github.com/rstprobe/rstprobe/report"
)

// nameServer answers on loopback, until the test ends: as its names begin, and
// not at all to those that begin with "silent".
func nameServer(t *testing.T) *resolver {
	t.Helper()
	conn, err := net.ListenPacket("udp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	done := make(chan struct{})
	t.Cleanup(func() {
		if err := conn.Close(); err != nil {
			t.Error(err)
		}
		<-done
	})
	go func() {
		defer close(done)
		buf := make([]byte, 1500)
		for {
			n, from, err := conn.ReadFrom(buf)
			if err != nil {
				return
			}
			if answer := answerTo(buf[:n]); answer != nil {
				_, _ = conn.WriteTo(answer, from)
			}
		}
	}()
	return &resolver{net.Resolver{PreferGo: true, Dial: func(ctx context.Context, _, _ string) (net.Conn, error) {
		return systemResolver.Dial(ctx, "udp", conn.LocalAddr().String())
	}}}
}

func answerTo(query []byte) []byte {
	var m dnsmessage.Message
	if err := m.Unpack(query); err != nil || len(m.Questions) != 1 {
		return nil
	}
	q := m.Questions[0]
	m.Response, m.RecursionAvailable, m.Additionals = true, true, nil
	head := dnsmessage.ResourceHeader{Name: q.Name, Class: q.Class, Type: q.Type, TTL: 60}
	first, _, _ := strings.Cut(q.Name.String(), ".")
	switch {
	case first == "silent":
		return nil
	case first == "broken":
		m.RCode = dnsmessage.RCodeServerFailure
	case first == "nosuch":
		m.RCode = dnsmessage.RCodeNameError
	case q.Type == dnsmessage.TypeA && first != "v6only":
		m.Answers = []dnsmessage.Resource{{Header: head, Body: &dnsmessage.AResource{A: [4]byte{192, 0, 2, 7}}}}
	case q.Type == dnsmessage.TypeAAAA && first == "v6only":
		m.Answers = []dnsmessage.Resource{{Header: head, Body: &dnsmessage.AAAAResource{AAAA: netip.MustParseAddr("2001:db8::7").As16()}}}
	case q.Type == dnsmessage.TypePTR:
		m.Answers = []dnsmessage.Resource{{Header: head, Body: &dnsmessage.PTRResource{PTR: dnsmessage.MustNewName("r1.isp.example.")}}}
	}
	out, err := m.Pack()
	if err != nil {
		return nil
	}
	return out
}

// TestLookUp: what a resolver says, in words.
func TestLookUp(t *testing.T) {
	t.Parallel()
	r := nameServer(t)
	v4, v6 := netip.MustParseAddr("192.0.2.7"), netip.MustParseAddr("2001:db8::7")
	for _, tt := range []struct {
		network, name string
		want          []netip.Addr
		err           string // begins so
		failure       diagnosis.LookupFailure
	}{
		{"ip", "host.example", []netip.Addr{v4}, "", ""},
		{"ip4", "host.example", []netip.Addr{v4}, "", ""},
		{"ip6", "v6only.example", []netip.Addr{v6}, "", ""},
		{"ip6", "host.example", nil, "there is no such name, or it has no address (asked ", diagnosis.NoSuchName},
		{"ip4", "v6only.example", nil, "there is no such name, or it has no address (asked ", diagnosis.NoSuchName},
		{"ip", "nosuch.example", nil, "there is no such name, or it has no address (asked ", diagnosis.NoSuchName},
		{"ip", "broken.example", nil, "the resolver could not find out (server failure) (asked ", diagnosis.ResolverFails},
		{"ip", "silent.example", nil, "the resolver did not answer in time", diagnosis.ResolverSilent},
	} {
		t.Run(tt.network+" "+tt.name, func(t *testing.T) {
			t.Parallel()
			ctx := t.Context()
			if strings.HasPrefix(tt.name, "silent") {
				var cancel context.CancelFunc
				ctx, cancel = context.WithTimeout(ctx, 50*time.Millisecond)
				defer cancel()
			}
			got, err := r.lookUp(ctx, tt.network, tt.name+".") // with the dot, so that no suffix is tried
			if diff := cmp.Diff(tt.want, got.Answers, cmp.Comparer(func(a, b netip.Addr) bool { return a == b })); diff != "" {
				t.Errorf("-want +got:\n%s", diff)
			}
			if got.Failure != tt.failure || errors.Is(err, errNoName) != (tt.failure == diagnosis.NoSuchName) {
				t.Errorf("%v: failure %q, want %q", err, got.Failure, tt.failure)
			}
			if tt.failure != diagnosis.ResolverSilent && !got.Resolver.Addr().IsLoopback() || got.Duration <= 0 {
				t.Errorf("asked %v, for %v", got.Resolver, got.Duration)
			}
			if (err != nil) != (tt.err != "") || err != nil && !strings.HasPrefix(err.Error(), tt.err) {
				t.Errorf("error %v, want %q", err, tt.err)
			}
		})
	}
}

// TestLookUpIsReported: what a resolver said reaches the result and OONI's
// format in the words that each has for it.
func TestLookUpIsReported(t *testing.T) {
	t.Parallel()
	for name, want := range map[string]string{
		"nosuch.example": `"failed_operation":"resolve","failure":"dns_nxdomain_error"`,
		"broken.example": `"failed_operation":"resolve","failure":"dns_server_misbehaving"`,
		"v6only.example": `"failed_operation":"resolve","failure":"dns_no_answer"`,
		"host.example":   `"answers":[{"answer_type":"A","ipv4":"192.0.2.7","ttl":null}]`,
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			var f fakeSystem
			sys := f.system()
			sys.lookUp = nameServer(t).lookUp
			file := filepath.Join(t.TempDir(), "x.ooni.jsonl")
			var stdout, stderr bytes.Buffer
			run(t.Context(), []string{"rstprobe", name, "-4", "-q", "--json", "-o", file}, strings.NewReader(""), &stdout, &stderr, sys)
			lines, err := os.ReadFile(file)
			if err != nil {
				t.Fatalf("%v: %s", err, &stderr)
			}
			if first, _, _ := strings.Cut(string(lines), "\n"); !strings.Contains(first, want) {
				t.Errorf("there is no %s in %s", want, first)
			}
			d, err := report.Read(&stdout)
			if err != nil {
				t.Fatal(err)
			}
			if d.Lookup == nil || d.DurationMS < d.Lookup.DurationMS || !d.Lookup.Resolver.Addr().IsLoopback() {
				t.Errorf("it took %v ms, the look-up %+v", d.DurationMS, d.Lookup)
			}
		})
	}
}

// TestNamesOf: a lookup gives the names, and ends when it is to end.
func TestNamesOf(t *testing.T) {
	t.Parallel()
	r := nameServer(t)
	got, err := r.namesOf(t.Context(), netip.MustParseAddr("192.0.2.1"))
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff([]string{"r1.isp.example."}, got); diff != "" {
		t.Errorf("-want +got:\n%s", diff)
	}
}
