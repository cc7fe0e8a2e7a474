package rawsock

import (
	"net/netip"
	"testing"
	"time"

	"github.com/vishvananda/netlink"
	"golang.org/x/sys/unix"

	"github.com/rstprobe/rstprobe/internal/packet"
	"github.com/rstprobe/rstprobe/internal/wire"
)

// BenchmarkSend compares Send with the least that could send the same: a loop
// around sendmmsg on a like socket, its batch made once and no times asked
// for. Both send in turn, so that the machine's moods meet both alike, into a
// namespace of its own. The "ratio" is Send's rate over the loop's.
//
// The drop device (ifb) frees each datagram at once and stamps none: the
// nearest thing to no network. A veth pair does stamp, into a stack that has
// no route for what arrives: there the cost of the stamps, and of the
// Receive that takes them, is in the ratio.
func BenchmarkSend(b *testing.B) {
	b.Run("drop", func(b *testing.B) {
		enterNamespace(b)
		benchmarkSend(b, &netlink.Ifb{LinkAttrs: netlink.LinkAttrs{Name: "out0"}})
	})
	b.Run("veth", func(b *testing.B) {
		enterNamespace(b)
		benchmarkSend(b, &netlink.Veth{LinkAttrs: netlink.LinkAttrs{Name: "out0"}, PeerName: "in0"})
	})
}

func benchmarkSend(b *testing.B, out netlink.Link) {
	local, peer := netip.MustParseAddr("192.0.2.1"), netip.MustParseAddr("192.0.2.2")
	lines(b, out, local, peer)
	c := open(b, Config{Source: local, Ports: 1})
	bare, err := unix.Socket(unix.AF_INET, unix.SOCK_RAW|unix.SOCK_CLOEXEC, unix.IPPROTO_RAW)
	if err != nil {
		b.Fatal(err)
	}
	defer unix.Close(bare) //nolint:errcheck // the namespace goes with it
	if err := unix.Bind(bare, sockaddr(local, 0, 0)); err != nil {
		b.Fatal(err)
	}
	syn := buildSegment(b, netip.AddrPortFrom(local, c.Ports()[0]), netip.AddrPortFrom(peer, 443), packet.SYN)
	var raws [batchSize][]byte
	batch := newOutbox()
	for i := range raws {
		raws[i] = syn
		batch.set(i, syn, false, 0)
	}
	frames := make([]wire.Frame, batchSize)

	const turn = 32 // batches, long enough to read the clock for
	var ours, theirs time.Duration
	stamps := 0
	for range (b.N + turn*batchSize - 1) / (turn * batchSize) {
		start := time.Now()
		for range turn {
			if n, err := batch.write(bare, batchSize); n != batchSize || err != nil {
				b.Fatal(n, err)
			}
		}
		middle := time.Now()
		for range turn {
			if _, err := c.Send(raws[:]); err != nil {
				b.Fatal(err)
			}
			n, err := c.Receive(frames, start)
			if err != nil {
				b.Fatal(err)
			}
			stamps += n
		}
		theirs += middle.Sub(start)
		ours += time.Since(middle)
	}
	sent := float64((b.N + turn*batchSize - 1) / (turn * batchSize) * turn * batchSize)
	b.ReportMetric(0, "ns/op") // of both together: means nothing
	b.ReportMetric(float64(ours.Nanoseconds())/sent, "ns/datagram")
	b.ReportMetric(float64(theirs.Nanoseconds())/sent, "bare-ns/datagram")
	b.ReportMetric(float64(theirs)/float64(ours), "ratio")
	b.ReportMetric(float64(stamps)/sent, "stamps/datagram")
}

// lines brings out up, with local on it and peer known beyond it.
func lines(b *testing.B, out netlink.Link, local, peer netip.Addr) {
	b.Helper()
	if err := netlink.LinkAdd(out); err != nil {
		b.Fatal(err)
	}
	if veth, ok := out.(*netlink.Veth); ok {
		in, err := netlink.LinkByName(veth.PeerName)
		if err != nil {
			b.Fatal(err)
		}
		if err := netlink.LinkSetUp(in); err != nil {
			b.Fatal(err)
		}
	}
	if err := netlink.LinkSetUp(out); err != nil {
		b.Fatal(err)
	}
	link, err := netlink.LinkByName(out.Attrs().Name)
	if err != nil {
		b.Fatal(err)
	}
	addr, err := netlink.ParseAddr(netip.PrefixFrom(local, 24).String())
	if err != nil {
		b.Fatal(err)
	}
	if err := netlink.AddrAdd(link, addr); err != nil {
		b.Fatal(err)
	}
	if err := netlink.NeighSet(&netlink.Neigh{
		LinkIndex: link.Attrs().Index, State: netlink.NUD_PERMANENT, IP: peer.AsSlice(),
		HardwareAddr: []byte{2, 0, 0, 0, 0, 2},
	}); err != nil {
		b.Fatal(err)
	}
}

// BenchmarkOpen is what a command with one target pays for its sockets, with
// a guard of 40 ports.
func BenchmarkOpen(b *testing.B) {
	enterNamespace(b)
	for b.Loop() {
		c, err := Open(Config{Source: loopbacks["IPv4"], Ports: 40})
		if err != nil {
			b.Fatal(err)
		}
		if err := c.Close(); err != nil {
			b.Fatal(err)
		}
	}
}
