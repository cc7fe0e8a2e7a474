package pcapio

import (
	"errors"
	"io"
)

// source is a buffer in front of a file. Unlike a bufio.Reader it grows for
// those who look far ahead, and reads a little at a time, so that packets are
// looked at while they are in the cache of the processor.
type source struct {
	r     io.Reader
	buf   []byte
	start int // of what is not consumed
	end   int
	err   error // of r, once it failed
}

// sip is how much is read at a time, if there is room for it.
const sip = 128 << 10

func newSource(r io.Reader) *source {
	return &source{r: r, buf: make([]byte, 2*sip)}
}

// peek returns the next n bytes, valid until the next call. With fewer comes an
// error: io.EOF exactly if there are none at all.
func (s *source) peek(n int) ([]byte, error) {
	if s.end-s.start >= n {
		return s.buf[s.start : s.start+n], nil
	}
	return s.fill(n)
}

func (s *source) fill(n int) ([]byte, error) {
	buf := s.buf
	if n+sip > len(buf) {
		buf = make([]byte, n+sip)
	}
	s.end = copy(buf, s.buf[s.start:s.end])
	s.buf, s.start = buf, 0
	for idle := 0; s.end < n && s.err == nil; {
		var m int
		m, s.err = s.r.Read(s.buf[s.end : s.end+min(sip, len(s.buf)-s.end)])
		s.end += m
		if idle++; m > 0 {
			idle = 0
		} else if idle == 100 && s.err == nil { // as bufio.Reader does
			s.err = io.ErrNoProgress
		}
	}
	if s.end >= n {
		return s.buf[:n], nil
	}
	if s.end > 0 {
		return s.buf[:s.end], cutOff(s.err)
	}
	return nil, s.err
}

// skip consumes n bytes. What peek returned stays valid if it reached as far.
func (s *source) skip(n int) error {
	for n > s.end-s.start {
		n -= s.end - s.start
		s.start = s.end
		if _, err := s.peek(1); err != nil {
			return cutOff(err)
		}
	}
	s.start += n
	return nil
}

// Read consumes what is buffered, or reads on.
func (s *source) Read(b []byte) (int, error) {
	if _, err := s.peek(1); err != nil {
		return 0, err
	}
	n := copy(b, s.buf[s.start:s.end])
	s.start += n
	return n, nil
}

// cutOff is the end of the file where more should follow.
func cutOff(err error) error {
	if errors.Is(err, io.EOF) {
		return io.ErrUnexpectedEOF
	}
	return err
}
