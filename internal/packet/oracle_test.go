package packet

import (
	"math/rand/v2"
	"net/netip"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/gopacket"
	"github.com/google/gopacket/layers"
)

// TestOracle: gopacket reads every TCP datagram as Parse does, but for the
// reserved bits, of which it knows one.
func TestOracle(t *testing.T) {
	var raws [][]byte
	for _, v := range vectors {
		switch v.name {
		case "ipv4 first fragment", "ipv6 all extension headers": // it reads no TCP in fragments
			continue
		}
		if v.want.Proto == TCP {
			raws = append(raws, v.raw)
		}
	}
	r := rand.New(rand.NewPCG(3, 4))
	for range 500 {
		p := randomPacket(r)
		p.TCP.Options = SYNOptions(uint16(r.Uint32()), r.Uint32(), 7) // it refuses lists that it cannot read
		raw, err := Build(p)
		if err != nil {
			t.Fatal(err)
		}
		raws = append(raws, raw)
	}
	for _, raw := range raws {
		want, ok := decode(raw)
		if !ok {
			t.Errorf("no oracle for %x", raw)
			continue
		}
		got, err := Parse(raw)
		if err != nil {
			t.Errorf("%v: %x", err, raw)
			continue
		}
		got.TCP.Reserved &= 1
		if diff := cmp.Diff(want, got, same); diff != "" {
			t.Errorf("%x (-gopacket +got):\n%s", raw, diff)
		}
	}
}

// decode reads a TCP datagram with gopacket.
func decode(raw []byte) (Packet, bool) {
	p := Packet{Raw: raw, Proto: TCP}
	first := layers.LayerTypeIPv4
	if raw[0]>>4 == 6 {
		first = layers.LayerTypeIPv6
	}
	pkt := gopacket.NewPacket(raw, first, gopacket.NoCopy)
	tcp, ok := pkt.Layer(layers.LayerTypeTCP).(*layers.TCP)
	if !ok {
		return p, false
	}
	var src, dst netip.Addr
	switch ip := pkt.NetworkLayer().(type) {
	case *layers.IPv4:
		src, _ = netip.AddrFromSlice(ip.SrcIP)
		dst, _ = netip.AddrFromSlice(ip.DstIP)
		p.TTL, p.TOS, p.ID, p.HasID = ip.TTL, ip.TOS, ip.Id, true
		p.DF = ip.Flags&layers.IPv4DontFragment != 0
	case *layers.IPv6:
		src, _ = netip.AddrFromSlice(ip.SrcIP)
		dst, _ = netip.AddrFromSlice(ip.DstIP)
		p.TTL, p.TOS = ip.HopLimit, ip.TrafficClass
	default:
		return p, false
	}
	p.Src = netip.AddrPortFrom(src, uint16(tcp.SrcPort))
	p.Dst = netip.AddrPortFrom(dst, uint16(tcp.DstPort))
	p.TCP = Segment{
		Seq: Seq(tcp.Seq), Ack: Seq(tcp.Ack), Window: tcp.Window, Urgent: tcp.Urgent,
		Options: tcp.Contents[tcpLen:], Payload: tcp.Payload,
	}
	for flag, set := range map[Flags]bool{
		FIN: tcp.FIN, SYN: tcp.SYN, RST: tcp.RST, PSH: tcp.PSH,
		ACK: tcp.ACK, URG: tcp.URG, ECE: tcp.ECE, CWR: tcp.CWR,
	} {
		if set {
			p.TCP.Flags |= flag
		}
	}
	if tcp.NS {
		p.TCP.Reserved = 1
	}
	return p, true
}
