package explain

import (
	"time"

	"github.com/rstprobe/rstprobe/internal/packet"
)

// Signature is one of the nineteen ways in which a connection is seen to end
// early, after Sundara Raman et al., "Global, Passive Detection of Connection
// Tampering" (SIGCOMM 2023). It names what was seen; whether that is
// tampering, the causes say.
type Signature string

// The signatures: what had come, then what ended it. "none" is silence; "="
// joins resets with the same numbers, "!=" ones whose numbers move, and RST0
// acknowledges 0.
const (
	NoSignature      Signature = ""
	SYNNone          Signature = "SYN -> none"
	SYNRst           Signature = "SYN -> RST"
	SYNRstAck        Signature = "SYN -> RST+ACK"
	SYNBoth          Signature = "SYN -> RST;RST+ACK"
	ACKNone          Signature = "SYN;ACK -> none"
	ACKRst           Signature = "SYN;ACK -> RST"
	ACKRsts          Signature = "SYN;ACK -> RST;RST"
	ACKRstAck        Signature = "SYN;ACK -> RST+ACK"
	ACKRstAcks       Signature = "SYN;ACK -> RST+ACK;RST+ACK"
	PSHNone          Signature = "PSH+ACK -> none"
	PSHRst           Signature = "PSH+ACK -> RST"
	PSHRstAck        Signature = "PSH+ACK -> RST+ACK"
	PSHBoth          Signature = "PSH+ACK -> RST;RST+ACK"
	PSHRstAcks       Signature = "PSH+ACK -> RST+ACK;RST+ACK"
	PSHRstsSame      Signature = "PSH+ACK -> RST=RST"
	PSHRstsDifferent Signature = "PSH+ACK -> RST!=RST"
	PSHRstsZero      Signature = "PSH+ACK -> RST;RST0"
	DataRst          Signature = "PSH+ACK;data -> RST"
	DataRstAck       Signature = "PSH+ACK;data -> RST+ACK"
)

// Signatures are the labels of one conversation, toward either end, with
// copies of one packet counted once, and as captured.
type Signatures struct {
	TowardServer, TowardClient       Signature
	RawTowardServer, RawTowardClient Signature
	Window                           time.Duration // how long nothing must have come to be silence
}

// silenceWindow is how long a side must have said nothing to be silent: the
// three seconds of the paper, which outlast the first two retransmissions.
const silenceWindow = 3 * time.Second

// signatures labels a conversation.
func (s *scene) signatures() Signatures {
	return Signatures{
		TowardServer: s.signature(client, false), TowardClient: s.signature(server, false),
		RawTowardServer: s.signature(client, true), RawTowardClient: s.signature(server, true),
		Window: silenceWindow,
	}
}

// stage is how far the client had come, by what passed the capture point.
type stage uint8

const (
	noStage stage = iota
	postSYN       // the SYN
	postACK       // the handshake's last ACK
	postPSH       // one segment of data
	later         // more of them
)

// signature labels the end of a conversation by the packets that from sent.
// How far it had come is always told by the client's packets: the same event
// has the same stage toward either end.
func (s *scene) signature(from side, raw bool) Signature {
	var at stage
	var bare, acked []*seg
	heard := false // from, after the packet that made the stage
	for i := range s.segs {
		g := &s.segs[i]
		switch {
		case g.has(packet.RST):
			if g.from != from {
				continue
			}
			n := 1
			if raw {
				n += len(g.copies)
			}
			for range n {
				if g.has(packet.ACK) {
					acked = append(acked, g)
				} else {
					bare = append(bare, g)
				}
			}
		case len(bare)+len(acked) > 0:
			continue
		case isFIN(g):
			return NoSignature // closed in order before any reset
		case g.from == client && s.advance(at, g) != at:
			at, heard = s.advance(at, g), false
		case g.from == from && !g.again && (from == client || !g.plain()):
			heard = true
		}
	}
	if len(bare)+len(acked) == 0 && (heard || !s.silent(from)) {
		return NoSignature
	}
	return label(at, bare, acked)
}

// advance is the stage after one more packet of the client's.
func (s *scene) advance(at stage, g *seg) stage {
	switch {
	case g.has(packet.SYN):
		return max(at, postSYN)
	case g.again:
		return at
	case isData(g) && at >= postPSH:
		return later
	case isData(g):
		return postPSH
	case g.has(packet.ACK) && at < postACK:
		return postACK
	}
	return at
}

// silent reports whether a side said nothing more for the window, although
// the other had something to hear, and no reset of the other's explains it.
func (s *scene) silent(of side) bool {
	if len(s.segs) == 0 || s.last(of.other(), len(s.segs), isRST) != nil {
		return false
	}
	quiet := s.conv.End
	if g := s.last(of, len(s.segs), any1); g != nil {
		quiet -= g.at
	}
	return quiet >= silenceWindow
}

// label names a stage and the resets that followed it.
func label(at stage, bare, acked []*seg) Signature {
	b, a := len(bare), len(acked)
	switch at {
	case postSYN:
		return pick(b, a, SYNNone, SYNRst, SYNRst, SYNRstAck, SYNRstAck, SYNBoth)
	case postACK:
		return pick(b, a, ACKNone, ACKRst, ACKRsts, ACKRstAck, ACKRstAcks, NoSignature)
	case postPSH:
		return pick(b, a, PSHNone, PSHRst, alike(bare), PSHRstAck, PSHRstAcks, PSHBoth)
	case later:
		return pick(b, a, NoSignature, DataRst, DataRst, DataRstAck, DataRstAck, NoSignature)
	case noStage:
	}
	return NoSignature
}

// pick chooses by the numbers of bare and of acknowledging resets.
func pick(bare, acked int, none, one, more, oneACK, moreACK, both Signature) Signature {
	switch {
	case bare == 0 && acked == 0:
		return none
	case bare > 0 && acked > 0:
		return both
	case bare == 1:
		return one
	case bare > 1:
		return more
	case acked == 1:
		return oneACK
	}
	return moreACK
}

// alike tells several bare resets apart by their numbers.
func alike(bare []*seg) Signature {
	if len(bare) == 0 {
		return NoSignature
	}
	same, zero, set := true, false, false
	first := bare[0].p.TCP
	for _, r := range bare {
		same = same && r.p.TCP.Seq == first.Seq && r.p.TCP.Ack == first.Ack
		zero = zero || r.p.TCP.Ack == 0
		set = set || r.p.TCP.Ack != 0
	}
	switch {
	case same:
		return PSHRstsSame
	case zero && set:
		return PSHRstsZero
	}
	return PSHRstsDifferent
}
