//go:build unix

package kernelconn

import (
	"errors"
	"fmt"
	"net/netip"
	"syscall"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"github.com/rstprobe/rstprobe/internal/flow"
	"github.com/rstprobe/rstprobe/internal/packet"
)

// TestTold: what the numbers of a system mean before a connection stands, once
// it does, and for who would not send.
func TestTold(t *testing.T) {
	t.Parallel()
	expired4 := packet.ICMPError{Kind: packet.TimeExceeded, Type: 11}
	expired6 := packet.ICMPError{Kind: packet.TimeExceeded, Type: 3}
	unreachable := func(icmpType, code uint8) packet.ICMPError {
		return packet.ICMPError{Kind: packet.Unreachable, Type: icmpType, Code: code}
	}
	for _, tt := range []struct {
		errno       syscall.Errno
		connecting  error            // told; nil: as it was
		standing    error            // toldStanding; nil: an ICMP error, or as it was
		limited4    packet.ICMPError // zero: none
		unlimited6  packet.ICMPError
		ourRefusing flow.Refusal
	}{
		{errno: syscall.ECONNREFUSED, connecting: errReset, limited4: unreachable(3, 3), unlimited6: unreachable(1, 4)},
		{errno: syscall.ECONNRESET, connecting: errReset, standing: errReset},
		{errno: syscall.EPIPE, connecting: errReset, standing: errReset},
		{errno: syscall.ETIMEDOUT, connecting: errTimeout, standing: errTimeout},
		{errno: syscall.EHOSTUNREACH, limited4: expired4, unlimited6: unreachable(1, 3), ourRefusing: flow.NoWay},
		{errno: syscall.ENETUNREACH, limited4: unreachable(3, 0), unlimited6: unreachable(1, 0), ourRefusing: flow.NoWay},
		{errno: syscall.EACCES, limited4: unreachable(3, 13), unlimited6: unreachable(1, 1), ourRefusing: flow.Forbidden},
		{errno: syscall.EPERM, ourRefusing: flow.Forbidden},
		{errno: syscall.ENETDOWN, ourRefusing: flow.NoWay},
		{errno: syscall.ENOBUFS, ourRefusing: flow.NoRoom},
		{errno: syscall.EINVAL},
	} {
		t.Run(tt.errno.Error(), func(t *testing.T) {
			t.Parallel()
			err := fmt.Errorf("wrapped: %w", tt.errno)
			same := func(what string, got, want error) {
				t.Helper()
				if want == nil {
					want = tt.errno
				}
				if !errors.Is(got, want) {
					t.Errorf("%s: %v, want %v", what, got, want)
				}
			}
			same("connecting", told(err), tt.connecting)
			icmp := func(limited, v6 bool) packet.ICMPError {
				got := toldStanding(err, limited, v6)
				if e := (icmpError{}); errors.As(got, &e) {
					return e.icmp
				}
				same("standing", got, tt.standing)
				return packet.ICMPError{}
			}
			if diff := cmp.Diff([]packet.ICMPError{tt.limited4, tt.unlimited6}, []packet.ICMPError{icmp(true, false), icmp(false, true)}, cmpopts.EquateComparable(netip.AddrPort{})); diff != "" {
				t.Errorf("ICMP errors (-want +got):\n%s", diff)
			}
			if got := refusal(err); got != tt.ourRefusing {
				t.Errorf("refusal %v, want %v", got, tt.ourRefusing)
			}
		})
	}
	if e, ok := errnoICMP(syscall.EHOSTUNREACH, true, true); !ok || e.Kind != expired6.Kind || e.Type != expired6.Type {
		t.Errorf("an expired copy with IPv6: %+v, %v", e, ok)
	}
}
