package payload

import (
	"bytes"
	"encoding/binary"
	"testing"
)

func TestServerNameOfTruncatedHello(t *testing.T) {
	const name = "blocked.example"
	for _, shape := range shapes {
		b := mustHello(t, name, shape, 0, 1)
		at, ok := NameOffset(b)
		if !ok || string(b[at:at+len(name)]) != name {
			t.Fatalf("%s: NameOffset = %d, %v", shape, at, ok)
		}
		for n := range len(b) + 1 {
			got, ok := ServerName(b[:n:n])
			want := ""
			if n >= at+len(name) {
				want = name
			}
			if got != want || ok != (want != "") {
				t.Errorf("%s cut to %d bytes: ServerName = %q, %v, want %q", shape, n, got, ok, want)
			}
		}
	}
}

// records puts the message in a one-record hello into several records of
// size bytes.
func records(b []byte, size int) []byte {
	var out []byte
	for rest := b[recordHeader:]; len(rest) > 0; {
		n := min(size, len(rest))
		out = binary.BigEndian.AppendUint16(append(out, b[:3]...), uint16(n))
		out = append(out, rest[:n]...)
		rest = rest[n:]
	}
	return out
}

func TestServerNameOverSeveralRecords(t *testing.T) {
	const name = "blocked.example"
	config := serverConfig(t)
	for _, shape := range shapes {
		b := mustHello(t, name, shape, 0, 1)
		for _, size := range []int{1, 7, 64, 128, len(b) - recordHeader - 1} {
			parts := records(b, size)
			if got, ok := ServerName(parts); got != name || !ok {
				t.Errorf("%s in records of %d: ServerName = %q, %v", shape, size, got, ok)
			}
			if size < 7 {
				continue // crypto/tls gives up after 16 records without progress
			}
			if info, _, err := serve(config, parts); info == nil || info.ServerName != name {
				t.Errorf("%s in records of %d: crypto/tls: %v", shape, size, err)
			}
		}
	}
}

func TestServerNameOfOtherThings(t *testing.T) {
	hello := mustHello(t, "a.example", Plain, 0, 1)
	edit := func(at int, to ...byte) []byte {
		b := bytes.Clone(hello)
		copy(b[at:], to)
		return b
	}
	at, _ := NameOffset(hello)
	for name, b := range map[string][]byte{
		"nothing":            nil,
		"no name":            mustHello(t, "", Plain, 0, 1),
		"request":            []byte("GET / HTTP/1.1\r\nHost: a.example\r\n\r\n"),
		"ServerHello":        ServerHelloBytes(),
		"alert":              AlertBytes(112),
		"record of no bytes": edit(3, 0, 0),
		"name of no bytes":   edit(at-2, 0, 0),
		"name too long":      edit(at-2, 0xff, 0xff),
		"another name type":  edit(at-3, 1),
		"session id too big": edit(recordHeader+handshakeHeader+2+randomLength, 0xff),
	} {
		if got, ok := ServerName(b); ok || got != "" {
			t.Errorf("%s: ServerName = %q, %v, want none", name, got, ok)
		}
	}
}

func TestHostHeader(t *testing.T) {
	for name, test := range map[string]struct{ in, want string }{
		"plain":                     {"GET / HTTP/1.1\r\nHost: a.example\r\n\r\n", "a.example"},
		"with a port":               {"GET / HTTP/1.1\r\nHost: a.example:8080\r\n\r\n", "a.example:8080"},
		"later field":               {"GET / HTTP/1.1\r\nAccept: */*\r\nHost: a.example\r\n\r\n", "a.example"},
		"case and blanks":           {"GET / HTTP/1.1\r\nhOsT \t:\t a.example \t\r\n\r\n", "a.example"},
		"no blank":                  {"GET / HTTP/1.1\r\nHost:a.example\r\n\r\n", "a.example"},
		"bare LF":                   {"GET / HTTP/1.1\nHost: a.example\n\n", "a.example"},
		"empty lines before":        {"\r\n\r\nGET / HTTP/1.1\r\nHost: a.example\r\n\r\n", "a.example"},
		"cut after the line":        {"GET / HTTP/1.1\r\nHost: a.example\r\n", "a.example"},
		"cut in the line":           {"GET / HTTP/1.1\r\nHost: a.example", ""},
		"begins within a request":   {"TP/1.1\r\nHost: a.example\r\n\r\n", "a.example"},
		"begins with the field":     {"Host: a.example\r\n\r\n", "a.example"},
		"field that looks absolute": {"Referer: http://b.example/\r\nHost: a.example\r\n\r\n", "a.example"},
		"absolute target":           {"GET http://b.example/x HTTP/1.1\r\nHost: a.example\r\n\r\n", "b.example"},
		"absolute, alone":           {"GET HTTP://b.example HTTP/1.1\r\n", "b.example"},
		"another scheme":            {"GET ftp://b.example/ HTTP/1.1\r\nHost: a.example\r\n\r\n", "a.example"},
		"connect":                   {"CONNECT b.example:443 HTTP/1.1\r\n\r\n", "b.example:443"},
		"no field":                  {"GET / HTTP/1.1\r\nAccept: */*\r\n\r\n", ""},
		"empty field":               {"GET / HTTP/1.1\r\nHost: \r\n\r\n", ""},
		"in the body":               {"POST / HTTP/1.1\r\nAccept: */*\r\n\r\nHost: a.example\r\n", ""},
		"X-Host":                    {"GET / HTTP/1.1\r\nX-Host: a.example\r\n\r\n", ""},
		"answer":                    {"HTTP/1.1 200 OK\r\nHost: a.example\r\n\r\n", ""},
		"nothing":                   {"", ""},
		"hello":                     {string(mustHello(t, "a.example", Plain, 0, 1)), ""},
	} {
		got, ok := HostHeader([]byte(test.in))
		if got != test.want || ok != (test.want != "") {
			t.Errorf("%s: HostHeader = %q, %v, want %q", name, got, ok, test.want)
		}
	}
}

func TestHostHeaderOfTruncatedRequest(t *testing.T) {
	const host = "blocked.example"
	b := mustRequest(t, host, "/x", 0)
	at, ok := NameOffset(b)
	if !ok || string(b[at:at+len(host)]) != host {
		t.Fatalf("NameOffset = %d, %v", at, ok)
	}
	for n := range len(b) + 1 {
		got, ok := HostHeader(b[:n:n])
		want := ""
		if n >= at+len(host)+2 {
			want = host
		}
		if got != want || ok != (want != "") {
			t.Errorf("cut to %d bytes: HostHeader = %q, %v, want %q", n, got, ok, want)
		}
	}
}

func TestSplit(t *testing.T) {
	b := mustHello(t, "blocked.example", Plain, 0, 1)
	at, _ := NameOffset(b)
	for _, test := range []struct{ at, want int }{{-1, 0}, {0, 0}, {at + 4, at + 4}, {len(b), len(b)}, {len(b) + 1, len(b)}} {
		first, second := Split(b, test.at)
		if len(first) != test.want || !bytes.Equal(append(bytes.Clone(first), second...), b) {
			t.Errorf("Split at %d: %d and %d bytes", test.at, len(first), len(second))
		}
	}
	first, second := Split(bytes.Clone(b), at)
	_ = append(first, 'x')
	if !bytes.Equal(second, b[at:]) {
		t.Error("appending to the first part overwrites the second")
	}
	// Neither half alone names anything.
	first, second = Split(b, at+4)
	for _, part := range [][]byte{first, second} {
		if got, ok := ServerName(part); ok {
			t.Errorf("ServerName of a half = %q", got)
		}
	}
	if _, ok := NameOffset([]byte("neither")); ok {
		t.Error("NameOffset finds a name where there is none")
	}
}
