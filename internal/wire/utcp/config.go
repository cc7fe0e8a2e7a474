package utcp

import (
	"net/netip"
	"time"

	"github.com/rstprobe/rstprobe/internal/packet"
)

// Copy is one sending of the stimulus.
type Copy struct {
	TTL   uint8 // 0: Config.StimulusTTL, and no stamp
	Bytes []byte
}

// Reader follows the copies on the same connection, at the same sequence
// number and at the system's TTL, to see what they did. The zero value is
// none.
type Reader struct {
	Bytes  []byte
	FIN    bool // our FIN, without Bytes
	SYNACK bool // nothing, not even the acknowledgment of the handshake, until the peer repeats its SYN-ACK
}

func (r Reader) none() bool { return !r.FIN && !r.SYNACK && len(r.Bytes) == 0 }

// Talk goes on with what the stimulus, or the reader, began: it hears what the
// peer says in order and answers.
type Talk interface {
	Hear([]byte) []byte
	Over() bool // it has nothing more to say or to hear
	Total() int // bytes of the peer's stream that the answer takes; 0: not known
	Close()     // the trial is over
}

// Config says what one trial sends. Every field is required unless its
// comment gives the meaning of zero.
type Config struct {
	Local, Remote netip.AddrPort
	ISN           packet.Seq
	IPID          uint16 // identification of the first packet; copy k carries IPID+k
	TTL           uint8  // the system's
	Bare          bool   // no SYN options
	TSVal         uint32 // our timestamp clock at the start, ms
	MSS           uint16 // that we announce and keep to; 0: that of an Ethernet path

	// What is said. Of SYNCopies, Stray and Unconnected at most one is set;
	// none: Copies and Reader follow a handshake, and without both of them
	// the trial ends with it.
	SYNCopies   []uint8    // a bare SYN, once per TTL, and nothing else
	Stray       bool       // a bare ACK that belongs to no connection, and nothing else
	Unconnected bool       // Copies without a handshake; whatever comes is heard, not answered
	Ack         packet.Seq // made up, for what belongs to no connection
	Copies      []Copy     // the stimulus; several, or one with a TTL: a sweep
	StimulusTTL uint8      // of what carries the stimulus and no stamp; 0: TTL
	Twice       bool       // every packet of the stimulus, again at once
	Split       []int      // offsets, ascending, at which a stimulus without a stamp is cut into segments
	Ahead       int        // leave a gap of that many bytes before the stimulus
	Reader      Reader
	Talk        Talk // nil: nothing is said in answer

	// When.
	Step     time.Duration // between two copies; 0: a burst
	SplitGap time.Duration // between two segments of a Split
	Pause    time.Duration // between the last copy and the reader
	RTO      time.Duration // first retransmission timeout; 0: InitialRTO
	Timeout  time.Duration // silence limit, after the SYN and again after the stimulus
	Linger   time.Duration // listen that long after a reset, or whatever else ends the trial
	Watch    time.Duration // listen that long after an answer; 0: Linger
}

// InitialRTO is the retransmission timeout before any RTT is known (RFC 6298
// §2.1).
const InitialRTO = time.Second

// minRTO keeps a retransmission from racing a delayed acknowledgment; the
// figure is Linux's TCP_RTO_MIN.
const minRTO = 200 * time.Millisecond

// maxRetransmits bounds retransmissions of one segment within a trial. A
// client's kernel would go on longer; two are enough to tell loss from a drop.
const maxRetransmits = 2

// Our side of the stream.
const (
	// window is what we offer (scaled by 2^windowScale), always in full,
	// since nothing waits here to be read: 64 KiB per RTT.
	window      = 64240
	windowScale = 7
	minMSS      = 48   // Linux's tcp_min_snd_mss; timestamps leave room for data
	defaultMSS  = 536  // RFC 9293 §3.7.1: when no option comes
	mss4        = 1460 // 1500 − 20 − 20
	mss6        = 1440 // 1500 − 40 − 20
)

// mss is what we announce and keep to, in bytes.
func (c Config) mss() uint16 {
	switch {
	case c.MSS > 0:
		return max(minMSS, c.MSS)
	case c.Local.Addr().Is4():
		return mss4
	}
	return mss6
}

// bursts reports whether the stimulus is a burst of stamped copies and nothing
// follows: resets do not end that, since other copies are on their way.
func (c Config) bursts() bool {
	return len(c.Copies) > 0 && c.Copies[0].TTL > 0 && c.Step == 0 && c.Reader.none()
}
