package main

import (
	"context"
	"errors"
	"net"
	"net/netip"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"golang.org/x/net/dns/dnsmessage"
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
		noName        bool
	}{
		{"ip", "host.example", []netip.Addr{v4}, "", false},
		{"ip4", "host.example", []netip.Addr{v4}, "", false},
		{"ip6", "v6only.example", []netip.Addr{v6}, "", false},
		{"ip6", "host.example", nil, "there is no such name, or it has no address (asked ", true},
		{"ip4", "v6only.example", nil, "there is no such name, or it has no address (asked ", true},
		{"ip", "nosuch.example", nil, "there is no such name, or it has no address (asked ", true},
		{"ip", "broken.example", nil, "the resolver could not find out (server failure) (asked ", false},
		{"ip", "silent.example", nil, "the resolver did not answer in time", false},
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
			for i := range got {
				got[i] = got[i].Unmap()
			}
			if diff := cmp.Diff(tt.want, got, cmp.Comparer(func(a, b netip.Addr) bool { return a == b })); diff != "" {
				t.Errorf("-want +got:\n%s", diff)
			}
			if errors.Is(err, errNoName) != tt.noName {
				t.Errorf("%v: is errNoName: %v, want %v", err, !tt.noName, tt.noName)
			}
			if (err != nil) != (tt.err != "") || err != nil && !strings.HasPrefix(err.Error(), tt.err) {
				t.Errorf("error %v, want %q", err, tt.err)
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
