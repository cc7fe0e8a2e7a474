package kernelconn

import (
	"context"
	"errors"
	"net/netip"
	"testing"
	"testing/synctest"
	"time"
)

// TestKnock: connections to one port are asked for one after the other, with a
// gap between them; what goes to another port waits for none of them.
func TestKnock(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		x := &Exchanger{free: map[netip.AddrPort]time.Time{}}
		one, other := netip.MustParseAddrPort("192.0.2.1:443"), netip.MustParseAddrPort("192.0.2.1:80")
		start := time.Now()
		knock := func(to netip.AddrPort, want time.Duration) {
			t.Helper()
			if err := x.knock(t.Context(), to); err != nil {
				t.Fatal(err)
			}
			if got := time.Since(start); got != want {
				t.Errorf("let in after %v, want %v", got, want)
			}
		}
		knock(one, 0)
		knock(one, spacing)
		knock(other, spacing)
		knock(one, 2*spacing)
		time.Sleep(time.Second)
		knock(one, time.Second+2*spacing)
		ctx, cancel := context.WithCancel(t.Context())
		cancel()
		if err := x.knock(ctx, one); !errors.Is(err, context.Canceled) {
			t.Errorf("interrupted: %v", err)
		}
	})
}
