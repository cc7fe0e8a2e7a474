package packet

import "testing"

func TestPacketString(t *testing.T) {
	tests := []struct{ vector, want string }{
		{"ipv4 SYN", "IP 10.9.0.1.40000 > 10.9.6.2.443: Flags [S], seq 1, win 64240, options [mss 1460,sackOK,TS val 16909060 ecr 0,nop,wscale 7], length 0, ttl 64, id 7"},
		{"ipv4 data with reserved bits, urgent and tos", "IP 10.9.6.2.443 > 10.9.0.1.40000: Flags [P.U], seq 4294967295:4, ack 2, win 501, urg 3, reserved 0x5, options [nop,nop,TS val 9 ecr 1], length 5, ttl 57, id 48879"},
		{"ipv6 SYN", "IP6 fd00:9::1.40000 > fd00:9:6::2.443: Flags [S], seq 1, win 64240, options [mss 1460,sackOK,TS val 16909060 ecr 0,nop,wscale 7], length 0, ttl 64"},
		{"udp", "IP 10.9.0.1.53 > 10.9.6.2.5353: UDP, ttl 64, id 0"},
		{"icmp echo", "IP 10.9.0.1 > 10.9.6.2: ICMP, ttl 64, id 0"},
		{"icmp time exceeded, eight octets", "IP 10.9.3.1 > 10.9.0.1: ICMP time exceeded, code 0 (quotes IP 10.9.0.1.40000 > 10.9.6.2.443: seq 1, length 28 of 60, ttl 1, id 7), ttl 62, id 99"},
		{"icmp fragmentation needed", "IP 10.9.3.1 > 10.9.0.1: ICMP packet too big, mtu 1400 (quotes IP 10.9.0.1.40000 > 10.9.6.2.443: Flags [S], seq 1, ack 0, win 64240, length 60 of 60, ttl 1, id 7), ttl 62, id 97"},
		{"icmpv6 time exceeded", "IP6 fd00:9:3::1 > fd00:9::1: ICMP time exceeded, code 0 (quotes IP6 fd00:9::1.40000 > fd00:9:6::2.443: Flags [S], seq 1, ack 0, win 64240, length 80 of 80, ttl 1), ttl 64"},
	}
	for _, tt := range tests {
		t.Run(tt.vector, func(t *testing.T) {
			if got := packetOf(tt.vector).String(); got != tt.want {
				t.Errorf("got  %s\nwant %s", got, tt.want)
			}
		})
	}
}

// TestSegmentString: what only odd segments show.
func TestSegmentString(t *testing.T) {
	tests := []struct {
		name string
		in   Segment
		want string
	}{
		{"no flags", Segment{}, "Flags [none], seq 0, win 0, length 0"},
		{"every flag", Segment{Flags: 0xff}, "Flags [FSRP.UEW], seq 0, ack 0, win 0, urg 0, length 0"},
		{"ack without the flag", Segment{Flags: RST, Ack: 9}, "Flags [R], seq 0, ack 9, win 0, length 0"},
		{"SACK", Segment{Flags: ACK, Options: unhex("0101 050a 00000001 00000002")}, "Flags [.], seq 0, ack 0, win 0, options [nop,nop,sack 1 {1:2}], length 0"},
		{"unknown options", Segment{Options: unhex("fd04cafe 0402 2202")}, "Flags [none], seq 0, win 0, options [opt-253 cafe,sackOK,opt-34], length 0"},
		{"bad option", Segment{Options: unhex("01 02ff 00")}, "Flags [none], seq 0, win 0, options [nop,bad 02ff00], length 0"},
		{"padding", Segment{Options: unhex("030307 00")}, "Flags [none], seq 0, win 0, options [wscale 7,eol], length 0"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			if got := string(tt.in.append(nil, numbering{})); got != tt.want {
				t.Errorf("got  %s\nwant %s", got, tt.want)
			}
		})
	}
}

func TestICMPErrorString(t *testing.T) {
	quote := Quote{Src: portless(client4), Dst: portless(server4), Proto: ICMP, TTL: 3, TotalLen: 84, Raw: quotedSYN4[:28]}
	const quoted = " (quotes IP 10.9.0.1 > 10.9.6.2: ICMP, length 28 of 84, ttl 3)"
	tests := []struct {
		in   ICMPError
		want string
	}{
		{ICMPError{Kind: Unreachable, Type: 3, Code: 13, Quote: quote}, "ICMP unreachable, code 13" + quoted},
		{ICMPError{Kind: OtherICMPError, Type: 12, Code: 1, Quote: quote}, "ICMP type 12, code 1" + quoted},
	}
	for _, tt := range tests {
		if got := string(tt.in.append(nil, numbering{})); got != tt.want {
			t.Errorf("got  %s\nwant %s", got, tt.want)
		}
	}
}

// TestPacketRelative: numbers are counted from the initial ones of both ends,
// whichever side of them they lie, also in quotes and selective
// acknowledgments.
func TestPacketRelative(t *testing.T) {
	segment := packetOf("ipv4 SYN")
	segment.TCP = Segment{Flags: PSH | ACK, Seq: 4, Ack: 98, Payload: []byte("hello"), Options: unhex("0101 050a 00000066 00000068")}
	quote := packetOf("icmpv6 time exceeded")
	eight := packetOf("icmp time exceeded, eight octets")
	for _, tt := range []struct {
		in        Packet
		isn, peer Seq
		want      string
	}{
		{segment, 3, 100, "IP 10.9.0.1.40000 > 10.9.6.2.443: Flags [P.], seq 1:6, ack -2, win 0, options [nop,nop,sack 1 {2:4}], length 5, ttl 64, id 7"},
		{segment, 0xfffffffe, 97, "IP 10.9.0.1.40000 > 10.9.6.2.443: Flags [P.], seq 6:11, ack 1, win 0, options [nop,nop,sack 1 {5:7}], length 5, ttl 64, id 7"},
		{quote, 0xffffffff, 9, "IP6 fd00:9:3::1 > fd00:9::1: ICMP time exceeded, code 0 (quotes IP6 fd00:9::1.40000 > fd00:9:6::2.443: Flags [S], seq 2, ack -9, win 64240, length 80 of 80, ttl 1), ttl 64"},
		{eight, 11, 0, "IP 10.9.3.1 > 10.9.0.1: ICMP time exceeded, code 0 (quotes IP 10.9.0.1.40000 > 10.9.6.2.443: seq -10, length 28 of 60, ttl 1, id 7), ttl 62, id 99"},
	} {
		if got := tt.in.Relative(tt.isn, tt.peer); got != tt.want {
			t.Errorf("got  %s\nwant %s", got, tt.want)
		}
	}
}
