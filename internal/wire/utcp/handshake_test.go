package utcp

import (
	"net/netip"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/rstprobe/rstprobe/internal/packet"
)

func TestHandshake(t *testing.T) {
	h := begin(t, Config{Copies: stimulus(300)})
	h.want("the trial opens with a SYN", "S seq 0")
	h.at(rtt)
	h.hear(packet.SYN|packet.ACK, 0, 1, "")
	h.want("the SYN-ACK is acknowledged and the stimulus follows at once",
		". seq 1 ack 1", "P. seq 1 ack 1 len 300")
	h.at(2 * rtt)
	h.hear(packet.ACK, 1, 301, "")
	h.want("an acknowledgment asks for nothing")
	h.hear(packet.PSH|packet.ACK, 1, 301, "hello")
	h.want("the answer is acknowledged", ". seq 301 ack 6")
	h.at(time.Second)
	h.wantEnd("an answer ends the trial after Linger", 2*rtt+20*ms)
	h.wantLog("the end resets the connection exactly in sequence",
		"0s S seq 0", "50ms . seq 1 ack 1", "50ms P. seq 1 ack 1 len 300", "100ms . seq 301 ack 6", "120ms R. seq 301 ack 6")
}

// TestStaleConnection: the peer has not heard that an earlier trial between
// the same ports is over.
func TestStaleConnection(t *testing.T) {
	h := begin(t, Config{Copies: stimulus(300), Timeout: time.Second, RTO: 200 * ms})
	h.want("the trial opens with a SYN", "S seq 0")
	h.at(rtt)
	h.hear(packet.ACK, 700, 900, "")
	h.want("a challenge is answered with the reset that it asks for", "R seq 900")
	h.at(250 * ms)
	h.hear(packet.SYN|packet.ACK, 0, 1, "")
	h.at(time.Minute)
	h.wantLog("the SYN goes again and opens a connection like any other", "0s S seq 0", "50ms R seq 900", "200ms S seq 0 again",
		"250ms . seq 1 ack 1", "250ms P. seq 1 ack 1 len 300", "650ms P. seq 1 ack 1 len 300 again", "1.25s expired", "1.25s R. seq 1 ack 1", "1.25s R. seq 301 ack 1")
}

// TestHeaders checks the fields that imitate a kernel's client.
func TestHeaders(t *testing.T) {
	type fields struct {
		IP                 int // length of the IP header
		TCP                int // length of the TCP header
		Window             uint16
		MSS, TSVal, TSEcho int
		DF, SACK           bool
	}
	for name, c := range map[string]struct {
		cfg       Config
		peer      []byte
		syn, data fields
	}{
		"IPv4": {
			cfg:  Config{},
			peer: packet.SYNOptions(1400, 77, 7),
			syn:  fields{IP: 20, TCP: 40, Window: 64240, MSS: 1460, TSVal: 1000, DF: true, SACK: true},
			data: fields{IP: 20, TCP: 32, Window: 501, TSVal: 1050, TSEcho: 77, DF: true},
		},
		"IPv4, peer without timestamps": {
			peer: mss(1400),
			syn:  fields{IP: 20, TCP: 40, Window: 64240, MSS: 1460, TSVal: 1000, DF: true, SACK: true},
			data: fields{IP: 20, TCP: 20, Window: 501, DF: true},
		},
		"IPv6": {
			cfg:  Config{Local: netip.MustParseAddrPort("[fd09::1]:40000"), Remote: netip.MustParseAddrPort("[fd09::2]:443")},
			peer: packet.SYNOptions(1400, 77, 7),
			syn:  fields{IP: 40, TCP: 40, Window: 64240, MSS: 1440, TSVal: 1000, SACK: true},
			data: fields{IP: 40, TCP: 32, Window: 501, TSVal: 1050, TSEcho: 77},
		},
		"bare": {
			cfg:  Config{Bare: true},
			syn:  fields{IP: 20, TCP: 20, Window: 64240, DF: true},
			data: fields{IP: 20, TCP: 20, Window: 64240, DF: true},
		},
	} {
		t.Run(name, func(t *testing.T) {
			read := func(p packet.Packet) fields {
				s := p.TCP
				f := fields{TCP: 20 + len(s.Options), Window: s.Window, DF: p.DF, SACK: s.SACKPermitted()}
				f.IP = len(p.Raw) - f.TCP - len(s.Payload)
				if n, ok := s.MSS(); ok {
					f.MSS = int(n)
				}
				if val, echo, ok := s.Timestamps(); ok {
					f.TSVal, f.TSEcho = int(val), int(echo)
				}
				return f
			}
			c.cfg.Copies = stimulus(10)
			h := begin(t, c.cfg)
			h.open(c.peer...)
			h.leave()
			want := map[string]fields{"SYN": c.syn, "ACK": c.data, "data": c.data}
			got := map[string]fields{"SYN": read(h.sent[0]), "ACK": read(h.sent[1]), "data": read(h.sent[2])}
			if d := cmp.Diff(want, got); d != "" {
				t.Errorf("headers (-want +got):\n%s", d)
			}
			for _, p := range h.sent {
				if p.TTL != 64 {
					t.Errorf("%v has TTL %d, want the system's", p, p.TTL)
				}
			}
		})
	}
}

// TestTimestamps follows both clocks through an exchange.
func TestTimestamps(t *testing.T) {
	h := begin(t, Config{Copies: stimulus(10)})
	h.open(packet.TimestampOption(500, 1000)...)
	h.leave()
	h.at(3 * rtt)
	h.hear(packet.PSH|packet.ACK, 1, 11, "x", packet.TimestampOption(600, 1050)...)
	h.leave()
	val, echo, _ := h.sent[len(h.sent)-1].TCP.Timestamps()
	if val != 1150 || echo != 600 {
		t.Errorf("the acknowledgment says %d and echoes %d, want 1150 and 600", val, echo)
	}
}

// TestMSS splits the stimulus as the peer asks for.
func TestMSS(t *testing.T) {
	for name, c := range map[string]struct {
		options []byte
		want    []string
	}{
		"the peer's": {mss(700), []string{"P. seq 1 ack 1 len 700", "P. seq 701 ack 1 len 500"}},
		"the peer's, less timestamps": {append(mss(712), packet.TimestampOption(1, 1)...),
			[]string{"P. seq 1 ack 1 len 700", "P. seq 701 ack 1 len 500"}},
		"the default where the peer gives none": {nil,
			[]string{"P. seq 1 ack 1 len 536", "P. seq 537 ack 1 len 536", "P. seq 1073 ack 1 len 128"}},
		"a nonsensical one is no option": {mss(0),
			[]string{"P. seq 1 ack 1 len 536", "P. seq 537 ack 1 len 536", "P. seq 1073 ack 1 len 128"}},
	} {
		t.Run(name, func(t *testing.T) {
			h := begin(t, Config{Copies: stimulus(1200)})
			h.open(c.options...)
			h.want("stimulus", append([]string{". seq 1 ack 1"}, c.want...)...)
		})
	}
}

func TestTinyMSS(t *testing.T) {
	h := begin(t, Config{Copies: stimulus(300)})
	h.open(append(mss(8), packet.TimestampOption(1, 1)...)...)
	h.leave()
	var said int
	for _, p := range h.sent {
		said += len(p.TCP.Payload)
	}
	if said != 300 {
		t.Errorf("an MSS below the timestamps' room: %d bytes said, want 300", said)
	}
}

// TestHandshakeOnly: without a stimulus the trial ends with the handshake.
func TestHandshakeOnly(t *testing.T) {
	h := begin(t, Config{})
	h.open()
	h.at(time.Second)
	h.wantEnd("handshake", rtt+20*ms)
	h.wantLog("the connection is reset", "0s S seq 0", "50ms . seq 1 ack 1", "70ms R. seq 1 ack 1")
}

func TestSYNACKOfAnother(t *testing.T) {
	h := begin(t, Config{Copies: stimulus(10)})
	h.leave()
	h.hear(packet.SYN|packet.ACK, 0, 2, "")
	h.hear(packet.ACK, 1, 1, "")
	h.want("what does not acknowledge our SYN is not answered")
	h.hear(packet.SYN|packet.ACK, 0, 1, "")
	h.want("what does, is", ". seq 1 ack 1", "P. seq 1 ack 1 len 10")
	h.hear(packet.SYN|packet.ACK, 0, 1, "")
	h.want("the SYN-ACK again: our ACK was lost", ". seq 11 ack 1")
}
