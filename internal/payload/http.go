package payload

import (
	"errors"
	"fmt"
	"strings"
)

// HTTPRequest is a GET (RFC 9112 §3) for path at host, with Host as the first
// field; host "" leaves that field out and path "" is "/". It is exactly
// length bytes, which a filler field makes up; that field is always there, so
// that every length from the natural one up to MaxLength can be reached.
// Length 0 asks for the natural one. Many servers refuse a field of more than
// 8 KiB.
func HTTPRequest(host, path string, length int) ([]byte, error) {
	return httpRequest(host, path, length, "")
}

// AbsoluteRequest is an HTTPRequest that names the host, which must not be "",
// in its target as well, as to a proxy (RFC 9112 §3.2.2). Servers accept that.
func AbsoluteRequest(host, path string, length int) ([]byte, error) {
	if host == "" {
		return nil, errors.New("payload: a request in absolute-form needs a host")
	}
	return httpRequest(host, path, length, "http://"+host)
}

// httpRequest puts prefix in front of the path.
func httpRequest(host, path string, length int, prefix string) ([]byte, error) {
	const filler = "a" // at least that much
	if path == "" {
		path = "/"
	}
	if err := checkText("host", host); err != nil {
		return nil, err
	}
	if err := checkText("path", path); err != nil {
		return nil, err
	}
	if path[0] != '/' {
		return nil, fmt.Errorf("payload: path %q: write it with a leading /", path)
	}
	b := append([]byte("GET "+prefix), path...)
	b = append(b, " HTTP/1.1\r\n"...)
	if host != "" {
		b = append(b, "Host: "...)
		b = append(b, host...)
		b = append(b, "\r\n"...)
	}
	b = append(b, "User-Agent: Mozilla/5.0 (compatible; rstprobe)\r\nAccept: */*\r\nX-Fill: "+filler...)
	const end = "\r\n\r\n"
	switch natural := len(b) + len(end); {
	case length == 0:
		length = natural
	case length < natural:
		return nil, fmt.Errorf("payload: request for %q: %d bytes are too few, it takes %d", host, length, natural)
	}
	if length > MaxLength {
		return nil, fmt.Errorf("payload: request for %q: %d bytes are too many, at most %d", host, length, MaxLength)
	}
	b = append(b, strings.Repeat(filler, length-len(b)-len(end))...)
	return append(b, end...), nil
}

// checkText refuses what would end a line or a word of the request.
func checkText(what, s string) error {
	for i, c := range []byte(s) {
		if c <= ' ' || c >= 0x7f {
			return fmt.Errorf("payload: %s %q: byte %d (0x%02x) cannot stand in a request as it is", what, s, i+1, c)
		}
	}
	return nil
}
