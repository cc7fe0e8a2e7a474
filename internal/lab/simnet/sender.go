package simnet

import (
	"time"

	"github.com/rstprobe/rstprobe/internal/packet"
)

// Retransmission as Linux does it.
const (
	initialRTO = time.Second            // RFC 6298 §2.1
	minRTO     = 200 * time.Millisecond // above the round trip; TCP_RTO_MIN
	maxRTO     = 120 * time.Second      // TCP_RTO_MAX
	synRetries = 5                      // net.ipv4.tcp_synack_retries
	retries    = 15                     // net.ipv4.tcp_retries2
)

// sender is what a connection has to say: SND of RFC 9293 §3.3.1, and its
// retransmission. Its answers are
// small: it knows no congestion window, and no probes of a closed window.
type sender struct {
	c         *conn
	una, next packet.Seq // SND.UNA, SND.NXT; una is the SYN's while the connection opens
	data      []byte     // from una on, without the SYN
	fin       bool       // a FIN follows the data
	finSent   bool
	finAcked  bool
	first     bool // the FIN went before the client's
	window    int  // the client's, in bytes
	widest    int  // largest so far
	total     int  // bytes acknowledged so far
	mss       int  // payload of one segment
	shift     uint8

	timer    *event
	rto      time.Duration
	tries    int        // in a row
	recovery packet.Seq // what was sent before the last timeout ends here
	began    time.Time
}

func newSender(c *conn, iss packet.Seq, syn packet.Segment) sender {
	o := sender{
		c: c, una: iss, next: iss + 1,
		window: int(syn.Window), widest: int(syn.Window),
		mss: 536, // RFC 9293 §3.7.1
		rto: initialRTO, began: c.srv.net.now,
	}
	if !c.remote.Addr().Is4() {
		o.mss = 1220
	}
	if mss, ok := syn.MSS(); ok {
		o.mss = min(int(mss), ownMSS(c))
	}
	o.mss -= len(c.stamp.option())
	if shift, ok := syn.WindowScale(); ok {
		o.shift = min(shift, 14) // RFC 7323 §2.3
		c.scale = true
	}
	return o
}

// synAck sends the SYN/ACK: options as far as the client offers them, and, as
// there is no socket yet, identification 0.
func (o *sender) synAck() {
	c := o.c
	c.srv.send(c.local, c.remote, 0, packet.Segment{
		Seq: o.next - 1, Ack: c.in.next, Flags: packet.SYN | packet.ACK,
		Window: window, Options: synAckOptions(c),
	})
}

// acked takes the acknowledgment and window of a segment. It reports whether
// the acknowledgment is one that the rest of the segment may be believed by.
func (o *sender) acked(s packet.Segment, scaled bool) bool {
	far := o.widest
	if !o.c.srv.net.OldACK {
		far = min(far, o.total)
	}
	if o.next.Before(s.Ack) || s.Ack.Before(o.una.Add(-far)) {
		return false
	}
	if s.Ack.Before(o.una) {
		return true
	}
	o.window = int(s.Window)
	if scaled {
		o.window <<= o.shift
	}
	o.widest = max(o.widest, o.window)
	o.advance(s.Ack)
	o.push()
	return true
}

// opened takes note that the client has acknowledged the SYN.
func (o *sender) opened() {
	if o.tries == 0 { // Karn's rule, RFC 6298 §3
		rtt := o.c.srv.net.now.Sub(o.began)
		o.rto = rtt + max(minRTO, 2*rtt) // RFC 6298 §2.2 with Linux's least variance
	}
	o.una, o.recovery = o.next, o.next
	o.rest()
}

// advance moves SND.UNA up to ack.
func (o *sender) advance(ack packet.Seq) {
	n := ack.Sub(o.una)
	if n == 0 {
		return
	}
	o.total += n
	o.finAcked = n > len(o.data)
	o.data = o.data[min(n, len(o.data)):]
	o.una = ack
	o.rest()
	if o.una == o.next {
		return
	}
	o.arm()
	if o.una.Before(o.recovery) {
		o.retransmit() // the rest of what was lost with it (RFC 6582)
	}
}

// rest stops the retransmission timer and its backoff.
func (o *sender) rest() {
	o.timer.stop()
	o.timer, o.tries = nil, 0
}

func (o *sender) write(b []byte) {
	o.data = append(o.data, b...)
	o.push()
}

// finish sends a FIN behind the data; first says that the client's has not
// come yet.
func (o *sender) finish(first bool) {
	if !o.fin {
		o.fin, o.first = true, first
		o.push()
	}
}

// push sends what the client's window admits.
func (o *sender) push() {
	for {
		sent := o.next.Sub(o.una)
		n := min(len(o.data)-sent, o.window-sent, o.mss)
		if n <= 0 || o.finSent {
			break
		}
		flags := packet.ACK
		if sent+n == len(o.data) {
			flags |= packet.PSH
		}
		o.c.send(flags, o.next, o.data[sent:sent+n])
		o.next = o.next.Add(n)
		o.arm()
	}
	if o.fin && !o.finSent && o.next.Sub(o.una) == len(o.data) {
		o.c.send(packet.FIN|packet.ACK, o.next, nil)
		o.next++
		o.finSent = true
		o.arm()
	}
}

// arm starts the retransmission timer unless it runs.
func (o *sender) arm() {
	if o.timer == nil {
		o.timer = o.c.srv.net.after(o.wait(), o.timeout)
	}
}

// wait is the timeout with its backoff (RFC 6298 §5.5).
func (o *sender) wait() time.Duration { return min(o.rto<<o.tries, maxRTO) }

func (o *sender) timeout() {
	o.timer = nil
	limit, giveUp := retries, o.c.end
	switch n := o.c.srv.net.top.Server.GiveUp; {
	case !o.c.open:
		limit = synRetries
	case n > 0:
		limit, giveUp = n, o.c.abort
	}
	if o.tries++; o.tries > limit {
		giveUp()
		return
	}
	o.recovery = o.next
	o.retransmit()
	o.arm()
}

// retransmit sends the first unacknowledged segment again.
func (o *sender) retransmit() {
	if !o.c.open {
		o.synAck()
		return
	}
	n := min(len(o.data), o.mss, o.next.Sub(o.una))
	flags := packet.ACK
	switch {
	case n == len(o.data) && o.finSent:
		flags |= packet.FIN
	case n == len(o.data):
		flags |= packet.PSH
	}
	o.c.send(flags, o.una, o.data[:n])
}
