package packet

import "testing"

// TestSeq: numbers compare around zero (RFC 9293 §3.4).
func TestSeq(t *testing.T) {
	tests := []struct {
		s, t   Seq
		sub    int
		before bool
	}{
		{0, 0, 0, false},
		{1, 2, -1, true},
		{0xffffffff, 0, -1, true},
		{0, 0xffffffff, 1, false},
		{0x7fffffff, 0, 1<<31 - 1, false},
		{0x80000000, 0, -1 << 31, true},
	}
	for _, tt := range tests {
		if got := tt.s.Sub(tt.t); got != tt.sub {
			t.Errorf("%d - %d = %d, want %d", tt.s, tt.t, got, tt.sub)
		}
		if got := tt.s.Before(tt.t); got != tt.before {
			t.Errorf("%d before %d: %v, want %v", tt.s, tt.t, got, tt.before)
		}
		if got := tt.t.Add(tt.sub); got != tt.s {
			t.Errorf("%d + %d = %d, want %d", tt.t, tt.sub, got, tt.s)
		}
	}
}

func TestSegmentLen(t *testing.T) {
	tests := []struct {
		in   Segment
		want int
	}{
		{Segment{Flags: ACK}, 0},
		{Segment{Flags: SYN}, 1},
		{Segment{Flags: PSH | ACK, Payload: []byte("abc")}, 3},
		{Segment{Flags: SYN | FIN, Payload: []byte("abc")}, 5},
		{Segment{Flags: ACK | FIN, Payload: []byte("abc"), Missing: 1445}, 1449},
		{Segment{Flags: RST, Payload: []byte("why")}, 3},
	}
	for _, tt := range tests {
		if got := tt.in.Len(); got != tt.want {
			t.Errorf("%v, %d bytes: length %d, want %d", tt.in.Flags, len(tt.in.Payload), got, tt.want)
		}
	}
}

// TestKeys: a datagram, its answer and an ICMP error about it are one flow.
func TestKeys(t *testing.T) {
	want := Key{Local: client4, Remote: server4}
	if got := packetOf("ipv4 SYN").FromUs(); got != want {
		t.Errorf("sent: %v, want %v", got, want)
	}
	if got := packetOf("ipv4 link padding").ToUs(); got != want {
		t.Errorf("received: %v, want %v", got, want)
	}
	if got := packetOf("icmp time exceeded, eight octets").ICMP.Quote.Key(); got != want {
		t.Errorf("quoted: %v, want %v", got, want)
	}
}

// TestSum is the example of RFC 1071 §3, and an odd octet.
func TestSum(t *testing.T) {
	if got := sum(unhex("0001 f203 f4f5 f6f7")); got != 0xddf2 {
		t.Errorf("%#x, want 0xddf2", got)
	}
	if got := sum(unhex("0001 f2")); got != 0xf201 {
		t.Errorf("%#x, want 0xf201", got)
	}
}
