package payload

import (
	"bytes"
	"encoding/binary"
	"iter"
	"strings"
)

// span is the part [lo, hi) of a payload.
type span struct{ lo, hi int }

// ServerName is the host_name (RFC 6066 §3) in the ClientHello that b begins
// with. The hello may be cut off behind the name, and may come in several
// records. False if there is no ClientHello, no name, or only part of it.
func ServerName(b []byte) (string, bool) {
	if s, ok := serverName(b); ok {
		return string(b[s.lo:s.hi]), true
	}
	joined, ok := joinRecords(b)
	if !ok {
		return "", false
	}
	s, ok := serverName(joined)
	return string(joined[s.lo:s.hi]), ok
}

// HostHeader is the host that the HTTP/1 request in b asks for, as written,
// port included: that of an absolute request target (RFC 9112 §3.2.2), else
// the value of the Host field. It is tolerant the way boxes are: b may begin
// within a request, lines may end in a bare LF, and blanks may stand before
// the colon. False if b is an answer, or the line is not complete.
func HostHeader(b []byte) (string, bool) {
	s, ok := host(b)
	return string(b[s.lo:s.hi]), ok
}

// NameOffset is where the name begins in a ClientHello of one record or in a
// request.
func NameOffset(b []byte) (int, bool) {
	s, ok := serverName(b)
	if !ok {
		s, ok = host(b)
	}
	return s.lo, ok
}

// serverName finds the host_name in a ClientHello, as far as its first record
// goes.
func serverName(b []byte) (span, bool) {
	for kind, s := range helloExtensions(b) {
		if kind != extServerName {
			continue
		}
		// A list of names, each with a type and a length.
		for at := s.lo + 2; at+3 <= s.hi; {
			kind, n := b[at], int(binary.BigEndian.Uint16(b[at+1:]))
			at += 3
			if kind == 0 && n > 0 {
				return span{at, at + n}.within(s.hi)
			}
			at += n
		}
		break
	}
	return span{}, false
}

// within is s if it ends at limit or before.
func (s span) within(limit int) (span, bool) {
	if s.hi > limit {
		return span{}, false
	}
	return s, true
}

// helloExtensions are the extensions of the ClientHello in the first record
// of b, in order: the type and the place of the data. It goes as far as b
// does; the data of the last one may be cut short.
func helloExtensions(b []byte) iter.Seq2[uint16, span] {
	be := binary.BigEndian
	return func(yield func(uint16, span) bool) {
		if len(b) < recordHeader+handshakeHeader || !handshakeRecord(b) || b[5] != messageClientHello {
			return
		}
		b := b[:min(len(b), recordHeader+int(be.Uint16(b[3:])))]
		if len(b) < recordHeader+handshakeHeader {
			return
		}
		b = b[:min(len(b), recordHeader+handshakeHeader+int(b[6])<<16+int(be.Uint16(b[7:])))]

		at := recordHeader + handshakeHeader + 2 + randomLength
		for _, width := range []int{1, 2, 1} { // session id, cipher suites, compression methods
			n, ok := length(b, at, width)
			if !ok {
				return
			}
			at += width + n
		}
		n, ok := length(b, at, 2)
		if !ok {
			return
		}
		at += 2
		b = b[:min(len(b), at+n)]
		for at+extensionHeader <= len(b) {
			kind, n := be.Uint16(b[at:]), int(be.Uint16(b[at+2:]))
			at += extensionHeader
			if !yield(kind, span{at, min(at+n, len(b))}) {
				return
			}
			at += n
		}
	}
}

// handshakeRecord reports whether b, of two bytes or more, begins with a
// handshake record. Its version means nothing (RFC 8446 §5.1); but as crypto/tls
// has it, from 0x1000 up it is something other than TLS.
func handshakeRecord(b []byte) bool { return b[0] == recordHandshake && b[1] < 0x10 }

// length reads the length of a vector, a number of width bytes at b[at].
func length(b []byte, at, width int) (int, bool) {
	switch {
	case at+width > len(b):
		return 0, false
	case width == 1:
		return int(b[at]), true
	}
	return int(binary.BigEndian.Uint16(b[at:])), true
}

// joinRecords is a handshake message that comes in several records (RFC 8446
// §5.1) as if it came in one, as far as b goes. False if it does not.
func joinRecords(b []byte) ([]byte, bool) {
	var joined []byte
	records := 0
	for ; len(b) >= recordHeader && handshakeRecord(b); records++ {
		end := min(len(b), recordHeader+int(binary.BigEndian.Uint16(b[3:])))
		if records == 0 {
			joined = append(joined, b[:recordHeader]...)
		}
		joined = append(joined, b[recordHeader:end]...)
		b = b[end:]
	}
	if records < 2 {
		return nil, false
	}
	// More than fits the field cannot be one hello of ours or of a browser.
	binary.BigEndian.PutUint16(joined[3:], uint16(min(len(joined)-recordHeader, 1<<16-1)))
	return joined, true
}

// host finds what HostHeader returns.
func host(b []byte) (span, bool) {
	if bytes.HasPrefix(b, []byte("HTTP/")) {
		return span{}, false
	}
	var blank = true // so far; empty lines may come before a request (RFC 9112 §2.2)
	for line := range lines(b) {
		text := string(b[line.lo:line.hi])
		switch {
		case text == "" && !blank:
			return span{}, false // the end of the head
		case text == "":
			continue
		case blank:
			if lo, hi, ok := authority(text); ok {
				return span{line.lo + lo, line.lo + hi}, true
			}
		}
		blank = false
		if lo, hi, ok := field(text, "host"); ok {
			return span{line.lo + lo, line.lo + hi}, lo < hi
		}
	}
	return span{}, false
}

// lines are the complete lines of b without their ends, CRLF or LF.
func lines(b []byte) iter.Seq[span] {
	return func(yield func(span) bool) {
		for lo := 0; ; {
			n := bytes.IndexByte(b[lo:], '\n')
			if n < 0 {
				return
			}
			hi := lo + n
			if hi > lo && b[hi-1] == '\r' {
				hi--
			}
			if !yield(span{lo, hi}) {
				return
			}
			lo += n + 1
		}
	}
}

// authority is where the host stands in a request line whose target is
// absolute, or that of a CONNECT (RFC 9112 §3.2.2 and §3.2.3).
func authority(line string) (lo, hi int, ok bool) {
	method, rest, ok := strings.Cut(line, " ")
	if !ok || strings.Contains(method, ":") { // a field line
		return 0, 0, false
	}
	target, _, _ := strings.Cut(rest, " ")
	lo = len(method) + 1
	if method != "CONNECT" {
		scheme, after, ok := strings.Cut(target, "://")
		if !ok || !strings.EqualFold(scheme, "http") && !strings.EqualFold(scheme, "https") {
			return 0, 0, false
		}
		lo += len(scheme) + len("://")
		target = after
	}
	if n := strings.IndexAny(target, "/?#"); n >= 0 {
		target = target[:n]
	}
	// A tab is no part of a host, though some servers take it for a space.
	return lo, lo + len(target), target != "" && !strings.Contains(target, "\t")
}

// field is where the value of the named field stands in a header line, blanks
// around it excluded.
func field(line, name string) (lo, hi int, ok bool) {
	const blanks = " \t"
	key, value, ok := strings.Cut(line, ":")
	if !ok || !strings.EqualFold(strings.Trim(key, blanks), name) {
		return 0, 0, false
	}
	hi = len(strings.TrimRight(line, blanks))
	lo = len(line) - len(strings.TrimLeft(value, blanks))
	return min(lo, hi), hi, true
}
