package packet

import (
	"encoding/hex"
	"net/netip"
	"strings"
)

// The hosts of the vectors: a client that probes a server, and a router
// between them.
var (
	client4 = netip.MustParseAddrPort("10.9.0.1:40000")
	server4 = netip.MustParseAddrPort("10.9.6.2:443")
	router4 = netip.MustParseAddrPort("10.9.3.1:0")
	client6 = netip.MustParseAddrPort("[fd00:9::1]:40000")
	server6 = netip.MustParseAddrPort("[fd00:9:6::2]:443")
	router6 = netip.MustParseAddrPort("[fd00:9:3::1]:0")
)

// The client's SYN as the router quotes it, its TTL used up.
var (
	quotedSYN4 = unhex(`
		4500003c0007400001065fa10a0900010a0906029c4001bb0000000100000000a002faf090f80000
		020405b40402080a010203040000000001030307`)
	quotedSYN6 = unhex(`
		6b81234500280601fd000009000000000000000000000001fd000009000600000000000000000002
		9c4001bb0000000100000000a002faf0b0f00000020405b40402080a010203040000000001030307`)

	fullQuote4 = Quote{
		Src: client4, Dst: server4, Proto: TCP, TTL: 1, ID: 7, HasID: true, TotalLen: 60,
		Seq: 1, Flags: SYN, Window: 64240, Options: quotedSYN4[40:], Full: true, Raw: quotedSYN4,
	}
	fullQuote6 = Quote{
		Src: client6, Dst: server6, Proto: TCP, TTL: 1, TOS: 0xb8, TotalLen: 80,
		Seq: 1, Flags: SYN, Window: 64240, Options: quotedSYN6[60:], Full: true, Raw: quotedSYN6,
	}
)

// vectors are datagrams written out field by field from the RFCs, checksums
// included, by other code than this package's. want leaves Raw out.
var vectors = []struct {
	name string
	raw  []byte
	want Packet
}{
	{
		name: "ipv4 SYN",
		raw: unhex(`
			4500003c00074000400620a10a0900010a0906029c4001bb0000000100000000a002faf090f80000
			020405b40402080a010203040000000001030307`),
		want: Packet{
			Src: client4, Dst: server4, Proto: TCP, TTL: 64, ID: 7, HasID: true, DF: true,
			TCP: Segment{Seq: 1, Flags: SYN, Window: 64240, Options: unhex("020405b40402080a010203040000000001030307")},
		},
	},
	{
		name: "ipv4 data with reserved bits, urgent and tos",
		raw: unhex(`
			45480039beef4000390668730a0906020a09000101bb9c40ffffffff00000002853801f573aa0003
			0101080a000000090000000168656c6c6f`),
		want: Packet{
			Src: server4, Dst: client4, Proto: TCP, TTL: 57, TOS: 0x48, ID: 0xbeef, HasID: true, DF: true,
			TCP: Segment{
				Seq: 0xffffffff, Ack: 2, Flags: PSH | ACK | URG, Reserved: 5, Window: 501, Urgent: 3,
				Options: unhex("0101080a0000000900000001"), Payload: []byte("hello"),
			},
		},
	},
	{
		name: "ipv4 options",
		raw: unhex(`
			47000030000100004006caae0a0900010a09060294040000000000009c40005000000064000000c8
			50100400f4030000`),
		want: Packet{
			Src: client4, Dst: netip.AddrPortFrom(server4.Addr(), 80), Proto: TCP, TTL: 64, ID: 1, HasID: true,
			TCP: Segment{Seq: 100, Ack: 200, Flags: ACK, Window: 1024},
		},
	},
	{
		name: "ipv4 link padding",
		raw: unhex(`
			4500002800004000400620bc0a0906020a09000101bb9c40000000050000000650140000f7b50000
			000000000000`),
		want: Packet{
			Src: server4, Dst: client4, Proto: TCP, TTL: 64, HasID: true, DF: true,
			TCP: Segment{Seq: 5, Ack: 6, Flags: RST | ACK},
		},
	},
	{
		name: "ipv4 first fragment",
		raw: unhex(`
			4500002c00032000400640b50a0906020a09000101bb9c4000000005000000065010000932e60000
			61626364`),
		want: Packet{
			Src: server4, Dst: client4, Proto: TCP, TTL: 64, ID: 3, HasID: true,
			TCP: Segment{Seq: 5, Ack: 6, Flags: ACK, Window: 9, Payload: []byte("abcd")},
		},
	},
	{
		name: "ipv4 length of segmentation offload",
		raw: unhex(`
			4500000000004000400620e40a0900010a0906029c4001bb00000005000000065018000932de0000
			61626364`),
		want: Packet{
			Src: client4, Dst: server4, Proto: TCP, TTL: 64, HasID: true, DF: true,
			TCP: Segment{Seq: 5, Ack: 6, Flags: PSH | ACK, Window: 9, Payload: []byte("abcd")},
		},
	},
	{
		name: "ipv6 SYN",
		raw: unhex(`
			6b81234500280640fd000009000000000000000000000001fd000009000600000000000000000002
			9c4001bb0000000100000000a002faf0b0f00000020405b40402080a010203040000000001030307`),
		want: Packet{
			Src: client6, Dst: server6, Proto: TCP, TTL: 64, TOS: 0xb8,
			TCP: Segment{Seq: 1, Flags: SYN, Window: 64240, Options: unhex("020405b40402080a010203040000000001030307")},
		},
	},
	{
		name: "ipv6 all extension headers",
		raw: unhex(`
			6000000000450040fd000009000000000000000000000001fd000009000600000000000000000002
			2b000104000000003c02000000000000fd0000090004000000000000000000012c00010400000000
			06000001000000079c4001bb0000000100000002501000039fb5000078`),
		want: Packet{
			Src: client6, Dst: server6, Proto: TCP, TTL: 64,
			TCP: Segment{Seq: 1, Ack: 2, Flags: ACK, Window: 3, Payload: []byte("x")},
		},
	},
	{
		name: "udp",
		raw:  unhex(`4500001c00004000401120bd0a0900010a090602003514e900080000`),
		want: Packet{
			Src:   netip.AddrPortFrom(client4.Addr(), 53),
			Dst:   netip.AddrPortFrom(server4.Addr(), 5353),
			Proto: UDP, TTL: 64, HasID: true, DF: true,
		},
	},
	{
		name: "icmp echo",
		raw:  unhex(`4500002000004000400120c90a0900010a0906020800192c0001000270696e67`),
		want: Packet{
			Src: portless(client4), Dst: portless(server4), Proto: ICMP, TTL: 64, HasID: true, DF: true,
		},
	},
	{
		name: "icmp time exceeded, eight octets",
		raw: unhex(`
			45c00038006300003e01648f0a0903010a0900010b005703000000004500003c0007400001065fa1
			0a0900010a0906029c4001bb00000001`),
		want: Packet{
			Src: router4, Dst: portless(client4), Proto: ICMP, TTL: 62, TOS: 0xc0, ID: 99, HasID: true,
			ICMP: ICMPError{Kind: TimeExceeded, Type: 11, Quote: Quote{
				Src: client4, Dst: server4, Proto: TCP, TTL: 1, ID: 7, HasID: true, TotalLen: 60, Seq: 1,
				Raw: quotedSYN4[:28],
			}},
		},
	},
	{
		name: "icmp time exceeded, RFC 4884",
		raw: unhex(`
			450000a8006200003e0164e00a0903010a0900010b000f23002000004500003c0007400001065fa1
			0a0900010a0906029c4001bb0000000100000000a002faf090f80000020405b40402080a01020304
			00000000010303070000000000000000000000000000000000000000000000000000000000000000
			0000000000000000000000000000000000000000000000000000000000000000000000002000edf3
			000801010001f101`),
		want: Packet{
			Src: router4, Dst: portless(client4), Proto: ICMP, TTL: 62, ID: 98, HasID: true,
			ICMP: ICMPError{Kind: TimeExceeded, Type: 11, Quote: fullQuote4},
		},
	},
	{
		name: "icmp fragmentation needed",
		raw: unhex(`
			45000058006100003e0165310a0903010a090001030411c7000005784500003c0007400001065fa1
			0a0900010a0906029c4001bb0000000100000000a002faf090f80000020405b40402080a01020304
			0000000001030307`),
		want: Packet{
			Src: router4, Dst: portless(client4), Proto: ICMP, TTL: 62, ID: 97, HasID: true,
			ICMP: ICMPError{Kind: PacketTooBig, Type: 3, Code: 4, MTU: 1400, Quote: fullQuote4},
		},
	},
	{
		name: "icmpv6 time exceeded",
		raw: unhex(`
			6000000000583a40fd000009000300000000000000000001fd000009000000000000000000000001
			03006d93000000006b81234500280601fd000009000000000000000000000001fd00000900060000
			00000000000000029c4001bb0000000100000000a002faf0b0f00000020405b40402080a01020304
			0000000001030307`),
		want: Packet{
			Src: router6, Dst: portless(client6), Proto: ICMPv6, TTL: 64,
			ICMP: ICMPError{Kind: TimeExceeded, Type: 3, Quote: fullQuote6},
		},
	},
	{
		name: "icmpv6 packet too big",
		raw: unhex(`
			6000000000583a40fd000009000300000000000000000001fd000009000000000000000000000001
			02006993000005006b81234500280601fd000009000000000000000000000001fd00000900060000
			00000000000000029c4001bb0000000100000000a002faf0b0f00000020405b40402080a01020304
			0000000001030307`),
		want: Packet{
			Src: router6, Dst: portless(client6), Proto: ICMPv6, TTL: 64,
			ICMP: ICMPError{Kind: PacketTooBig, Type: 2, MTU: 1280, Quote: fullQuote6},
		},
	},
	{
		name: "icmpv6 echo",
		raw: unhex(`
			60000000000c3a40fd000009000000000000000000000001fd000009000600000000000000000002
			8000a6c80001000270696e67`),
		want: Packet{
			Src: portless(client6), Dst: portless(server6), Proto: ICMPv6, TTL: 64,
		},
	},
}

// vector is the bytes of the named vector.
func vector(name string) []byte {
	for _, v := range vectors {
		if v.name == name {
			return v.raw
		}
	}
	panic("no vector " + name)
}

// packetOf is the packet of the named vector.
func packetOf(name string) Packet {
	p, err := Parse(vector(name))
	if err != nil {
		panic(err)
	}
	return p
}

// portless is a without its port, as in a packet that has none.
func portless(a netip.AddrPort) netip.AddrPort { return netip.AddrPortFrom(a.Addr(), 0) }

// unhex decodes hexadecimal digits, white space left out.
func unhex(s string) []byte {
	b, err := hex.DecodeString(strings.Join(strings.Fields(s), ""))
	if err != nil {
		panic(err)
	}
	return b
}
