package utcp

import (
	"fmt"
	"net/netip"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/rstprobe/rstprobe/internal/flow"
	"github.com/rstprobe/rstprobe/internal/packet"
)

const (
	isn  = packet.Seq(0xfffffff0) // ours: every test crosses the wrap
	iss  = packet.Seq(0xffffff80) // the peer's
	ipID = uint16(0xfff8)         // likewise
	rtt  = 50 * time.Millisecond
	ms   = time.Millisecond
)

var start = time.Date(2025, 3, 1, 12, 0, 0, 0, time.UTC)

// harness is the world around one Conn: a clock moved by hand, and the peer.
type harness struct {
	*testing.T
	*Conn
	now  time.Time
	n    int             // packets numbered
	sent []packet.Packet // all that left
}

// Deadline is the trial's, not the test's.
func (h *harness) Deadline() time.Time { return h.Conn.Deadline() }

// begin starts a trial with usual values for what cfg leaves out.
func begin(t *testing.T, cfg Config) *harness {
	t.Helper()
	if !cfg.Local.IsValid() {
		cfg.Local = netip.MustParseAddrPort("10.9.0.1:40000")
		cfg.Remote = netip.MustParseAddrPort("10.9.6.2:443")
	}
	cfg.ISN, cfg.IPID, cfg.TTL, cfg.TSVal = isn, ipID, 64, 1000
	if cfg.Timeout == 0 {
		cfg.Timeout = 10 * time.Second
	}
	if cfg.Linger == 0 {
		cfg.Linger = 20 * ms
	}
	return &harness{T: t, Conn: New(cfg, start), now: start}
}

// at moves the clock to d after the start, running timers as they come due,
// and fails where a timer asks to be run without end.
func (h *harness) at(d time.Duration) {
	h.Helper()
	h.leave()
	for !h.Done() && !h.Deadline().After(start.Add(d)) {
		if due := h.Deadline(); due.After(h.now) {
			h.now = due
		}
		h.Tick(h.now)
		if !h.Done() && h.state != closed && !h.Deadline().After(h.now) {
			h.Fatalf("after Tick at %v the deadline is %v: it does not advance", h.now.Sub(start), h.Deadline().Sub(start))
		}
		h.leave()
	}
	h.now = start.Add(d)
}

// leave sends what is queued, and says how it looks.
func (h *harness) leave() []string {
	h.Helper()
	var out []string
	for {
		o, ok := h.Next()
		if !ok {
			return out
		}
		raw, err := packet.Build(o.Packet)
		if err != nil {
			h.Fatal(err)
		}
		p, err := packet.Parse(raw)
		if err != nil {
			h.Fatal(err)
		}
		h.n++
		h.Sent(h.now, o, p, h.n)
		h.sent = append(h.sent, p)
		out = append(out, say(o))
	}
}

// say is a packet of ours in short: numbers relative to the handshake's.
func say(o Out) string {
	s := o.Packet.TCP
	out := fmt.Sprintf("%v seq %d", s.Flags, s.Seq.Sub(isn))
	if s.Flags.Has(packet.ACK) {
		out += fmt.Sprintf(" ack %d", s.Ack.Sub(iss))
	}
	if len(s.Payload) > 0 {
		out += fmt.Sprintf(" len %d", len(s.Payload))
	}
	if o.Stamp > 0 {
		out += fmt.Sprintf(" ttl %d id +%d", o.Packet.TTL, o.Packet.ID-ipID)
	}
	if o.Retransmit {
		out += " again"
	}
	return out
}

// want checks what the trial sends now.
func (h *harness) want(reason string, want ...string) {
	h.Helper()
	if d := cmp.Diff(want, h.leave()); d != "" {
		h.Errorf("%s (-want +got):\n%s", reason, d)
	}
}

// wantLog checks all that was sent and when, or saw a deadline pass.
func (h *harness) wantLog(reason string, want ...string) {
	h.Helper()
	var got []string
	for _, e := range h.Record().Events {
		switch e.Kind {
		case flow.Received:
			continue
		case flow.Expired:
			got = append(got, fmt.Sprintf("%v expired", e.At))
		case flow.Sent, flow.Retransmitted:
			o := Out{Packet: e.Packet, Stamp: e.TTL, Retransmit: e.Kind == flow.Retransmitted}
			got = append(got, fmt.Sprintf("%v %s", e.At, say(o)))
		}
	}
	if d := cmp.Diff(want, got); d != "" {
		h.Errorf("%s (-want +got):\n%s", reason, d)
	}
}

// hear delivers a segment of the peer: seq and ack relative to the
// handshake's numbers.
func (h *harness) hear(flags packet.Flags, seq, ack int, data string, options ...byte) {
	h.Helper()
	h.receive(packet.Packet{
		Src: h.cfg.Remote, Dst: h.cfg.Local, Proto: packet.TCP, TTL: 60,
		TCP: packet.Segment{Seq: iss.Add(seq), Ack: isn.Add(ack), Flags: flags, Options: options, Payload: []byte(data)},
	})
}

func (h *harness) receive(p packet.Packet) {
	h.n++
	h.Receive(h.now, h.now, p, h.n)
}

// expire delivers the Time Exceeded of a router about sent packet i.
func (h *harness) expire(i int) {
	h.Helper()
	raw, err := packet.BuildTimeExceeded(netip.MustParseAddr("10.9.0.2"), h.sent[i].Raw, 28)
	if err != nil {
		h.Fatal(err)
	}
	p, err := packet.Parse(raw)
	if err != nil {
		h.Fatal(err)
	}
	h.receive(p)
}

// open completes a handshake of one rtt; what the trial says then is not
// taken yet.
func (h *harness) open(options ...byte) {
	h.Helper()
	h.leave()
	h.at(rtt)
	h.hear(packet.SYN|packet.ACK, 0, 1, "", options...)
}

// wantEnd checks that the trial is over, and when it stopped listening.
func (h *harness) wantEnd(reason string, end time.Duration) {
	h.Helper()
	if !h.Done() || h.Record().End != end {
		h.Errorf("%s: over %v at %v, want at %v", reason, h.Done(), h.Record().End, end)
	}
}

func stimulus(n int) []Copy { return []Copy{{Bytes: make([]byte, n)}} }

// copies are stamped copies, each its TTL longer than 100 bytes.
func copies(first, last int) []Copy {
	var out []Copy
	for ttl := first; ttl <= last; ttl++ {
		out = append(out, Copy{TTL: uint8(ttl), Bytes: make([]byte, 100+ttl)})
	}
	return out
}

// mss is the option of the peer's SYN-ACK.
func mss(n int) []byte { return []byte{2, 4, byte(n >> 8), byte(n)} }
