package packet

import (
	"encoding/binary"
	"iter"
)

// TCP option kinds (IANA "TCP Option Kind Numbers").
const (
	optEnd           = 0
	optNOP           = 1
	optMSS           = 2 // RFC 9293 §3.7.1
	optWindowScale   = 3 // RFC 7323 §2.2
	optSACKPermitted = 4 // RFC 2018 §2
	optSACK          = 5 // RFC 2018 §3
	optTimestamps    = 8 // RFC 7323 §3.2
)

// SYNOptions are the options of a SYN in the order that Linux sends them: MSS
// (bytes), SACK permitted, timestamps (ecr 0), NOP, window scale (a shift,
// 0..14). They take 20 bytes.
func SYNOptions(mss uint16, tsval uint32, wscale uint8) []byte {
	b := make([]byte, 0, 20)
	b = append(b, optMSS, 4)
	b = binary.BigEndian.AppendUint16(b, mss)
	b = append(b, optSACKPermitted, 2)
	b = appendTimestamps(b, tsval, 0)
	return append(b, optNOP, optWindowScale, 3, wscale)
}

// TimestampOption is the timestamps option of a segment after the SYN, behind
// two NOPs (RFC 7323 appendix A). It takes 12 bytes.
func TimestampOption(val, ecr uint32) []byte {
	b := make([]byte, 0, 12)
	b = append(b, optNOP, optNOP)
	return appendTimestamps(b, val, ecr)
}

func appendTimestamps(b []byte, val, ecr uint32) []byte {
	b = append(b, optTimestamps, 10)
	b = binary.BigEndian.AppendUint32(b, val)
	return binary.BigEndian.AppendUint32(b, ecr)
}

// options yields kind and data of each option up to the end of the list or
// the first that does not fit, which ends the list as it does in a receiver.
// NOPs are yielded.
func options(b []byte) iter.Seq2[uint8, []byte] {
	return func(yield func(uint8, []byte) bool) {
		for len(b) > 0 && b[0] != optEnd {
			var data []byte
			if b[0] != optNOP {
				if len(b) < 2 || b[1] < 2 || int(b[1]) > len(b) {
					return
				}
				data = b[2:b[1]]
			}
			if !yield(b[0], data) {
				return
			}
			b = b[optionLen(b[0], data):]
		}
	}
}

// optionLen is how many bytes of the list an option takes.
func optionLen(kind uint8, data []byte) int {
	if kind == optNOP {
		return 1
	}
	return 2 + len(data)
}

// option finds the first option of a kind whose data is size bytes long.
func (s Segment) option(kind uint8, size int) ([]byte, bool) {
	for k, data := range options(s.Options) {
		if k == kind && len(data) == size {
			return data, true
		}
	}
	return nil, false
}

// MSS is the maximum segment size option, in bytes.
func (s Segment) MSS() (uint16, bool) {
	b, ok := s.option(optMSS, 2)
	if !ok {
		return 0, false
	}
	return binary.BigEndian.Uint16(b), true
}

// WindowScale is the shift of the window scale option as sent. A receiver
// takes values above 14 for 14 (RFC 7323 §2.3).
func (s Segment) WindowScale() (uint8, bool) {
	b, ok := s.option(optWindowScale, 1)
	if !ok {
		return 0, false
	}
	return b[0], true
}

// SACKPermitted reports whether the sender takes selective acknowledgments.
func (s Segment) SACKPermitted() bool {
	_, ok := s.option(optSACKPermitted, 0)
	return ok
}

// Timestamps are the two fields of the timestamps option, in ticks of their
// senders' clocks. ecr is valid iff the segment has ACK set (RFC 7323 §3.2).
func (s Segment) Timestamps() (val, ecr uint32, ok bool) {
	b, ok := s.option(optTimestamps, 8)
	if !ok {
		return 0, 0, false
	}
	return binary.BigEndian.Uint32(b), binary.BigEndian.Uint32(b[4:]), true
}

// SACKBlocks are the left and right edges of the SACK option's blocks, as
// sent; nil without any.
func (s Segment) SACKBlocks() [][2]Seq {
	for k, data := range options(s.Options) {
		if k != optSACK || len(data) == 0 || len(data)%8 != 0 {
			continue
		}
		blocks := make([][2]Seq, 0, len(data)/8)
		for ; len(data) > 0; data = data[8:] {
			blocks = append(blocks, [2]Seq{
				Seq(binary.BigEndian.Uint32(data)),
				Seq(binary.BigEndian.Uint32(data[4:])),
			})
		}
		return blocks
	}
	return nil
}
