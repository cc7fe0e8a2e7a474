package flow

import (
	"time"

	"github.com/rstprobe/rstprobe/internal/packet"
)

// Conversation is what a capture holds of one TCP connection: a record, and
// what is known of it beyond the events that were kept.
//
// In its record Key.Local is the client. Sent are the segments of the client,
// Received those of the server; an ICMP error is Received if it quotes a
// segment of the client, and else Sent. Events carry the packet's number in
// the capture. Their Raw is the beginning of the datagram, headers at least,
// and TCP.Missing the payload that was not captured or not kept. Where the
// clock of the capture was set back, At counts on from before. Record.Cut says
// that more may have followed: Ended is Evicted or Flushed.
type Conversation struct {
	Record
	Client, Server Side
	Ended          Ended
	Guessed        bool  // no SYN and no SYN/ACK was seen: who is the client was guessed by the ports
	Mirrored       bool  // the capture shows packets more than once. If not, the copy of a reset may well have been sent as such
	First, Last    int   // the numbers of its first and its last packet
	ICMP           int   // ICMP errors that quote it
	Skipped        int   // packets, of all kinds, that are not in Events
	Steps          int   // how often in its course the clock of the capture was set back
	Prior          Prior // the connection before it on the same addresses and ports
}

// OneWay reports whether segments of one side only were captured.
func (c *Conversation) OneWay() bool { return (c.Client.Packets == 0) != (c.Server.Packets == 0) }

// Side sums up what one end of a connection sent. Packets that are the copy of
// another count in Copies and nowhere else.
type Side struct {
	Packets int
	Bytes   int64 // of payload, sent again or not
	Copies  int
	SYNs    int // SYN/ACKs of a server included
	FINs    int
	Resets  int
	ISN     packet.Seq // valid iff SYNs > 0
	End     packet.Seq // the furthest SEG.SEQ + SEG.LEN of any segment but resets, valid iff HasEnd
	HasEnd  bool
	MSS     uint16 // as its SYN announced, what it takes; 0: unknown
	Largest int    // bytes of the largest payload; above the MSS of the other side it was merged by an interface
}

// Ended says why a conversation ends where it does.
type Ended uint8

// The ends.
const (
	Closed  Ended = iota + 1 // closed by FINs or a reset, or never opened, and silent for Config.Linger
	Idle                     // open, and silent for Config.Idle
	Reused                   // a new connection began on the same addresses and ports
	Evicted                  // the table needed its memory
	Flushed                  // the capture ends
)

// String is the name of the end in lower case.
func (e Ended) String() string {
	switch e {
	case Closed:
		return "closed"
	case Idle:
		return "idle"
	case Reused:
		return "reused"
	case Evicted:
		return "evicted"
	case Flushed:
		return "flushed"
	}
	return "unknown"
}

// Prior is what a conversation left behind for the next one on its addresses
// and ports. It is zero if there was none, or it was long over.
type Prior struct {
	Last           int           // the number of its last packet; 0: there is no prior conversation
	Gap            time.Duration // from its last packet to the first of the new one
	Client, Server Side          // of the new conversation's client and server
}
