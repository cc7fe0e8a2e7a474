package packet

import (
	"errors"
	"fmt"
	"math"
	"net/netip"

	"github.com/google/gopacket"
	"github.com/google/gopacket/layers"
)

const (
	maxOptions  = 40 // bytes; a data offset of 15 words less the fixed header
	maxReserved = 15
)

// Build crafts the TCP datagram that p describes by Src, Dst, TTL, TOS, ID, DF
// and TCP, with lengths and checksums; it ignores the other fields, and for
// IPv6 also ID and DF. Proto may be left zero. Options (at most 40 bytes) go out
// as they are, filled up with zeros (end of list) to whole words. Both addresses
// must be of one family; IPv4-mapped IPv6 addresses, which belong on no wire
// (RFC 4291 §2.5.5.2), are refused. The datagram has at most 65535 bytes.
func Build(p Packet) ([]byte, error) {
	ip, err := network(p.Src.Addr(), p.Dst.Addr(), TCP)
	if err != nil {
		return nil, fmt.Errorf("packet: build TCP %v > %v: %w", p.Src, p.Dst, err)
	}
	s := p.TCP
	switch {
	case p.Proto != TCP && p.Proto != 0:
		return nil, fmt.Errorf("packet: build TCP %v > %v: the packet is %v", p.Src, p.Dst, p.Proto)
	case len(s.Options) > maxOptions:
		return nil, fmt.Errorf("packet: build TCP %v > %v: %d bytes of options, at most %d fit", p.Src, p.Dst, len(s.Options), maxOptions)
	case s.Reserved > maxReserved:
		return nil, fmt.Errorf("packet: build TCP %v > %v: reserved bits %#x do not fit in four bits", p.Src, p.Dst, s.Reserved)
	}
	ip.set(p)
	tcp := &layers.TCP{
		SrcPort: layers.TCPPort(p.Src.Port()),
		DstPort: layers.TCPPort(p.Dst.Port()),
		Seq:     uint32(s.Seq),
		Ack:     uint32(s.Ack),
		Window:  s.Window,
		Urgent:  s.Urgent,
		// The option list re-encodes what it is given; padding goes out as it
		// is, and a prober must be able to send any bytes.
		Padding: padded(s.Options),
	}
	if err := tcp.SetNetworkLayerForChecksum(ip.layer); err != nil {
		return nil, fmt.Errorf("packet: build TCP %v > %v: %w", p.Src, p.Dst, err)
	}
	raw, err := ip.serialize(tcp, gopacket.Payload(s.Payload))
	if err != nil {
		return nil, fmt.Errorf("packet: build TCP %v > %v: %w", p.Src, p.Dst, err)
	}
	// Data offset, reserved bits and flags share a word, of which the
	// serializer knows no more than one reserved bit.
	seg := raw[ip.size:]
	replace(seg, 12, 16, uint16(seg[12]&0xf0|s.Reserved)<<8|uint16(s.Flags))
	return raw, nil
}

// padded is options filled up with zeros to whole 32-bit words.
func padded(options []byte) []byte {
	n := (len(options) + 3) &^ 3
	if n == len(options) {
		return options
	}
	b := make([]byte, n)
	copy(b, options)
	return b
}

// ipLayer is the IP header of a datagram under construction.
type ipLayer struct {
	layer interface {
		gopacket.NetworkLayer
		gopacket.SerializableLayer
	}
	v4   *layers.IPv4 // exactly one of v4 and v6 is set
	v6   *layers.IPv6
	size int // bytes of the header
}

// network starts a datagram with a TTL of 64.
func network(src, dst netip.Addr, proto Proto) (ipLayer, error) {
	switch {
	case !src.IsValid() || !dst.IsValid():
		return ipLayer{}, errors.New("no address")
	case src.Is4In6() || dst.Is4In6():
		return ipLayer{}, errors.New("IPv4-mapped address")
	case src.Is4() != dst.Is4():
		return ipLayer{}, errors.New("addresses of two families")
	case src.Is4():
		ip := &layers.IPv4{
			Version:  4,
			TTL:      defaultTTL,
			Protocol: layers.IPProtocol(proto),
			SrcIP:    src.AsSlice(),
			DstIP:    dst.AsSlice(),
		}
		return ipLayer{layer: ip, v4: ip, size: ipv4Len}, nil
	}
	ip := &layers.IPv6{
		Version:    6,
		HopLimit:   defaultTTL,
		NextHeader: layers.IPProtocol(proto),
		SrcIP:      src.AsSlice(),
		DstIP:      dst.AsSlice(),
	}
	return ipLayer{layer: ip, v6: ip, size: ipv6Len}, nil
}

// defaultTTL is the IANA recommended default (RFC 1700, "IP TIME TO LIVE").
const defaultTTL = 64

// set takes over what p says of its IP header.
func (ip ipLayer) set(p Packet) {
	if ip.v6 != nil {
		ip.v6.HopLimit, ip.v6.TrafficClass = p.TTL, p.TOS
		return
	}
	ip.v4.TTL, ip.v4.TOS, ip.v4.Id = p.TTL, p.TOS, p.ID
	if p.DF {
		ip.v4.Flags = layers.IPv4DontFragment
	}
}

// serialize writes the datagram with lengths and checksums.
func (ip ipLayer) serialize(transport gopacket.SerializableLayer, payload gopacket.Payload) ([]byte, error) {
	const headers = ipv6Len + tcpLen + maxOptions // no datagram here has more
	buf := gopacket.NewSerializeBufferExpectedSize(headers+len(payload), 0)
	opts := gopacket.SerializeOptions{FixLengths: true, ComputeChecksums: true}
	if err := gopacket.SerializeLayers(buf, opts, ip.layer, transport, payload); err != nil {
		return nil, err
	}
	raw := buf.Bytes()
	if len(raw) > math.MaxUint16 { // the serializer wraps the IPv4 length around
		return nil, fmt.Errorf("datagram of %d bytes, at most %d fit", len(raw), math.MaxUint16)
	}
	return raw, nil
}
