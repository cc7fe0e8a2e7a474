package rawsock

import (
	"encoding/binary"
	"errors"
	"math"
	"net/netip"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/nftables"
	"github.com/google/nftables/expr"
	"golang.org/x/sys/unix"

	"github.com/rstprobe/rstprobe/internal/packet"
	"github.com/rstprobe/rstprobe/internal/wire"
)

func TestTransmitStamps(t *testing.T) {
	eachFamily(t, func(t *testing.T, local netip.Addr) {
		_, remote := listen(t, local)
		c := open(t, Config{Source: local, Ports: 1})
		us := netip.AddrPortFrom(local, c.Ports()[0])
		syn := buildSegment(t, us, remote, packet.SYN)

		before := time.Now()
		send(t, c, syn)
		_, answer, stamps := next(t, c, func(p packet.Packet) bool { return p.TCP.Flags.Has(packet.SYN | packet.ACK) })
		if len(stamps) == 0 {
			stamps = stampsOf(t, c, 1)
		}
		if len(stamps) == 0 {
			t.FailNow()
		}
		if stamp := stamps[0]; stamp.Tx != 0 || stamp.At.Before(before) || stamp.At.After(answer.At) {
			t.Errorf("stamp = %d at %v, want 0 between %v and the answer at %v", stamp.Tx, stamp.At, before, answer.At)
		}

		// More than a batch, in two calls: the numbers go on.
		reset := buildSegment(t, us, remote, packet.RST)
		send(t, c, slices.Repeat([][]byte{reset}, batchSize+10)...)
		send(t, c, reset)
		checkStamps(t, stampsOf(t, c, batchSize+11), 1)
	})
}

// Numbers count what left, whatever was refused in between: by the routing
// table, before the kernel numbers a datagram, or by a firewall, after that.
func TestTransmitStampsAfterRefusals(t *testing.T) {
	eachFamily(t, func(t *testing.T, local netip.Addr) {
		const forbidden = 81
		forbid(t, forbidden)
		c := open(t, Config{Source: local, Ports: 1})
		us := netip.AddrPortFrom(local, c.Ports()[0])
		nowhere := netip.MustParseAddr("192.0.2.1")
		if local.Is6() {
			nowhere = netip.MustParseAddr("2001:db8::1")
		}
		good := buildSegment(t, us, netip.AddrPortFrom(local, 80), packet.RST)
		refused := []struct {
			name string
			raw  []byte
			dst  netip.Addr
			want error
		}{
			{"firewall", buildSegment(t, us, netip.AddrPortFrom(local, forbidden), packet.RST), local, unix.EPERM},
			{"no route", buildSegment(t, us, netip.AddrPortFrom(nowhere, 80), packet.RST), nowhere, unix.ENETUNREACH},
		}
		sent := 0
		for round := range 3 {
			for _, bad := range refused {
				n, err := c.Send([][]byte{good, good, bad.raw, good})
				sent += n
				if n != 2 || !errors.Is(err, bad.want) {
					t.Fatalf("round %d, %s: Send = %d, %v, want 2, %v", round, bad.name, n, err, bad.want)
				}
				if !strings.Contains(err.Error(), bad.dst.String()) {
					t.Errorf("%s: error %q does not name %v", bad.name, err, bad.dst)
				}
			}
		}
		send(t, c, good)
		sent++
		checkStamps(t, stampsOf(t, c, sent), 0)
	})
}

func TestSendRefusesWhatIsNoDatagram(t *testing.T) {
	eachFamily(t, func(t *testing.T, local netip.Addr) {
		c := open(t, Config{Source: local, Ports: 1})
		us := netip.AddrPortFrom(local, c.Ports()[0])
		good := buildSegment(t, us, netip.AddrPortFrom(local, 80), packet.RST)
		other := loopbacks["IPv4"]
		if local.Is4() {
			other = loopbacks["IPv6"]
		}
		for name, bad := range map[string][]byte{
			"nothing":          nil,
			"cut short":        good[:19],
			"the other family": buildSegment(t, netip.AddrPortFrom(other, 1), netip.AddrPortFrom(other, 2), packet.RST),
		} {
			if n, err := c.Send([][]byte{good, bad, good}); n != 1 || err == nil {
				t.Errorf("%s: Send = %d, %v, want 1 and an error", name, n, err)
			}
		}
		if n, err := c.Send(nil); n != 0 || err != nil {
			t.Errorf("Send of nothing = %d, %v", n, err)
		}
	})
}

// The kernel's numbers wrap at 2^32; ours do not.
func TestStampIndex(t *testing.T) {
	if math.MaxInt == math.MaxInt32 {
		t.Skip("an int does not hold the numbers")
	}
	at := func(n int64) int { return int(n) }
	for _, tt := range []struct {
		name       string
		base, sent int64
		id         uint32
		want       int64
	}{
		{"the first", 0, 1, 0, 0},
		{"the last of many", 0, 100, 99, 99},
		{"of a socket opened later", 500, 510, 3, 503},
		{"before a wrap", 0, 1<<32 + 5, math.MaxUint32, 1<<32 - 1},
		{"after a wrap", 0, 1<<32 + 5, 4, 1<<32 + 4},
		{"after a wrap of a socket opened later", 7, 1<<32 + 12, 4, 1<<32 + 11},
	} {
		t.Run(tt.name, func(t *testing.T) {
			s := &sender{base: at(tt.base), sent: at(tt.sent)}
			if got := s.index(tt.id); got != at(tt.want) {
				t.Errorf("index = %d, want %d", got, tt.want)
			}
		})
	}
}

// checkStamps wants the stamps of the datagrams from first on, in order.
func checkStamps(t *testing.T, stamps []wire.Frame, first int) {
	t.Helper()
	var got, want []int
	for i, stamp := range stamps {
		got, want = append(got, stamp.Tx), append(want, first+i)
		if i > 0 && stamp.At.Before(stamps[i-1].At) {
			t.Errorf("datagram %d left at %v, before the one before it at %v", stamp.Tx, stamp.At, stamps[i-1].At)
		}
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("transmit stamps (-want +got):\n%s", diff)
	}
}

// forbid makes the namespace's firewall drop what leaves for a TCP port.
func forbid(t *testing.T, port uint16) {
	t.Helper()
	conn, err := nftables.New()
	if err != nil {
		t.Fatal(err)
	}
	table := conn.AddTable(&nftables.Table{Family: nftables.TableFamilyINet, Name: "test"})
	chain := conn.AddChain(&nftables.Chain{
		Name: "output", Table: table, Type: nftables.ChainTypeFilter,
		Hooknum: nftables.ChainHookOutput, Priority: nftables.ChainPriorityFilter,
	})
	conn.AddRule(&nftables.Rule{Table: table, Chain: chain, Exprs: []expr.Any{
		&expr.Payload{DestRegister: 1, Base: expr.PayloadBaseTransportHeader, Offset: 2, Len: 2},
		&expr.Cmp{Op: expr.CmpOpEq, Register: 1, Data: binary.BigEndian.AppendUint16(nil, port)},
		&expr.Verdict{Kind: expr.VerdictDrop},
	}})
	if err := conn.Flush(); err != nil {
		t.Fatal(err)
	}
}
