package pcapio

import (
	"errors"
	"fmt"
	"io"
	"slices"
)

// Read reads a capture of raw IP packets (LINKTYPE_RAW, _IPV4 or _IPV6) and
// numbers them from 1. Sent is always false: such files do not say which
// packets were ours. With an error that wraps *Damage come the packets before
// the damage.
func Read(r io.Reader) ([]Frame, error) {
	s, err := NewScanner(r)
	if err != nil {
		return nil, err
	}
	var frames []Frame
	for {
		rec, err := s.Next()
		if errors.Is(err, io.EOF) {
			return frames, nil
		}
		if err != nil {
			return frames, err
		}
		switch rec.Link {
		case LinkRaw, LinkIPv4, LinkIPv6:
		default:
			return nil, fmt.Errorf("pcapio: read packet %d: link type %v is not raw IP (%d)", rec.N, rec.Link, LinkRaw)
		}
		f := Frame{N: rec.N, At: rec.At, Raw: slices.Clone(rec.Data)}
		if rec.Wire > len(rec.Data) {
			f.Wire = rec.Wire
		}
		frames = append(frames, f)
	}
}
