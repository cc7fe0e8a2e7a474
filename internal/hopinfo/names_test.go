package hopinfo

import (
	"context"
	"errors"
	"net/netip"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"
)

// addrs are n addresses.
func addrs(n int) []netip.Addr {
	var out []netip.Addr
	for ip := netip.MustParseAddr("10.0.0.1"); len(out) < n; ip = ip.Next() {
		out = append(out, ip)
	}
	return out
}

// TestNames: each address is asked for once, a bounded number at a time, in
// the background.
func TestNames(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		var asked, running, most atomic.Int32
		n := NewNames(func(_ context.Context, ip netip.Addr) ([]string, error) {
			asked.Add(1)
			most.Store(max(most.Load(), running.Add(1)))
			defer running.Add(-1)
			time.Sleep(time.Second) // of virtual time
			if ip == netip.MustParseAddr("10.0.0.2") {
				return nil, errors.New("no such host")
			}
			return []string{ip.String() + ".example."}, nil
		})
		ips := addrs(3 * maxLookups)
		start := time.Now()
		for range 2 {
			for _, ip := range ips {
				n.Want(t.Context(), ip)
			}
		}
		if d := time.Since(start); d != 0 {
			t.Errorf("Want took %v", d)
		}
		if got := n.Name(ips[0]); got != "" {
			t.Errorf("a name before the answer: %q", got)
		}
		n.Wait(t.Context())
		for i, want := range []string{"10.0.0.1.example", "", "10.0.0.3.example"} {
			if got := n.Name(ips[i]); got != want {
				t.Errorf("the name of %s is %q, want %q", ips[i], got, want)
			}
		}
		n.Close()
		if asked.Load() != int32(len(ips)) || most.Load() != maxLookups {
			t.Errorf("%d lookups, %d at a time; want %d, %d at a time", asked.Load(), most.Load(), len(ips), maxLookups)
		}
		if got := n.Name(netip.MustParseAddr("192.0.2.1")); got != "" {
			t.Errorf("a name that nobody wanted: %q", got)
		}
	})
}

// TestNamesEnd: a resolver that does not answer is given up on, and what is
// known is told even then.
func TestNamesEnd(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		silent := errors.New("silent")
		n := NewNames(func(ctx context.Context, ip netip.Addr) ([]string, error) {
			if ip == netip.MustParseAddr("10.0.0.1") {
				return []string{"known.example"}, nil
			}
			<-ctx.Done()
			return nil, silent
		})
		run, stop := context.WithCancel(t.Context())
		ips := addrs(2)
		n.Want(run, ips[0])
		n.Want(run, ips[1])
		start := time.Now()
		impatient, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		n.Wait(impatient)
		if d := time.Since(start); d != time.Second {
			t.Errorf("waited %v, want 1s", d)
		}
		for i, want := range []string{"known.example", ""} {
			if got := n.Name(ips[i]); got != want {
				t.Errorf("the name of %s is %q, want %q", ips[i], got, want)
			}
		}
		n.Wait(t.Context())
		if d := time.Since(start); d != nameTimeout {
			t.Errorf("the lookup took %v, want %v", d, nameTimeout)
		}
		for _, ip := range addrs(2 * maxLookups)[2:] { // more than may run
			n.Want(run, ip)
		}
		synctest.Wait()
		start = time.Now()
		stop()
		n.Close()
		if d := time.Since(start); d != 0 {
			t.Errorf("Close took %v", d)
		}
	})
}

// TestHostileNames: what a DNS answer says is safe to print.
func TestHostileNames(t *testing.T) {
	t.Parallel()
	label := strings.Repeat("a", 63) + "."
	long := strings.Repeat(label, 10)
	for _, tt := range []struct {
		name  string
		names []string
		want  string
	}{
		{"ordinary", []string{"ae1.core-2.Example.NET."}, "ae1.core-2.Example.NET"},
		{"none", nil, ""},
		{"root", []string{"."}, ""},
		{"second", []string{".", "b.example."}, "b.example"},
		{"escape sequence", []string{"\x1b]0;owned\x07\x1b[2J.example"}, `\x1b]0;owned\a\x1b[2J.example`},
		{"C1 control", []string{"a\u009b31m"}, `a\u009b31m`},
		{"broken UTF-8", []string{"a\xff\x9bb"}, `a\ufffd\ufffdb`},
		{"right to left", []string{"a\u202egro.elpmaxe"}, `a\u202egro.elpmaxe`},
		{"look-alike", []string{"ex\u0430mple.org"}, `ex\u0430mple.org`},
		{"line feed", []string{"a\nb\x00c"}, `a\nb\x00c`},
		{"quotes", []string{`a"b\c`}, `a"b\c`},
		{"long", []string{long}, long[:251] + ".."},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			n := NewNames(func(context.Context, netip.Addr) ([]string, error) { return tt.names, nil })
			ip := netip.MustParseAddr("10.0.0.1")
			n.Want(t.Context(), ip)
			n.Close()
			if got := n.Name(ip); got != tt.want {
				t.Errorf("got  %q\nwant %q", got, tt.want)
			}
		})
	}
}
