package payload

import (
	"bufio"
	"bytes"
	"net/http"
	"strings"
	"testing"
)

func TestTwoRecords(t *testing.T) {
	const name = "blocked.example"
	config := serverConfig(t)
	for _, shape := range shapes {
		hello := mustHello(t, name, shape, 0, 1)
		middle, ok := NameMiddle(hello, name)
		if !ok {
			t.Fatalf("%s: the name has no middle", shape)
		}
		for _, at := range []int{middle, recordHeader + 1, len(hello) - 1} {
			b, err := TwoRecords(hello, at)
			if err != nil {
				t.Fatal(err)
			}
			if len(b) != len(hello)+RecordHeader {
				t.Errorf("%s cut at %d: %d bytes of %d", shape, at, len(b), len(hello))
			}
			if got, ok := ServerName(b); got != name || !ok {
				t.Errorf("%s cut at %d: ServerName = %q, %v", shape, at, got, ok)
			}
			info, answer, err := serve(config, b)
			if info == nil || info.ServerName != name || Recognise(answer).Kind != ServerHello {
				t.Errorf("%s cut at %d: crypto/tls answers %v: %v", shape, at, Recognise(answer), err)
			}
		}
		b, err := TwoRecords(hello, middle)
		if err != nil {
			t.Fatal(err)
		}
		if bytes.Contains(b, []byte(name)) {
			t.Errorf("%s: the name stands in one piece", shape)
		}
		if _, ok := serverName(b); ok {
			t.Errorf("%s: the name is in the first record", shape)
		}
		for _, at := range []int{-1, recordHeader, len(hello)} {
			if _, err := TwoRecords(hello, at); err == nil {
				t.Errorf("%s cut at %d: no error", shape, at)
			}
		}
	}
}

func TestNameMiddle(t *testing.T) {
	const name = "blocked.example"
	for what, b := range map[string][]byte{
		"hello":       mustHello(t, name, Plain, 0, 1),
		"in capitals": mustHello(t, strings.ToUpper(name), Plain, 0, 1),
		"request":     mustRequest(t, name, "", 0),
		"path":        mustRequest(t, "a.example", "/x/"+name, 0),
	} {
		at, ok := NameMiddle(b, name)
		if !ok {
			t.Errorf("%s: no middle", what)
			continue
		}
		if got := string(b[at-7 : at+8]); !strings.EqualFold(got, name) {
			t.Errorf("%s: around the middle stands %q", what, got)
		}
	}
	for _, name := range []string{"", "b", "other.example"} {
		if at, ok := NameMiddle(mustRequest(t, "b.example", "", 0), name); ok {
			t.Errorf("the middle of %q is at %d", name, at)
		}
	}
	// No byte of a hello is a letter by accident of decoding.
	if at, ok := NameMiddle([]byte("\xc4\xb0ab"), "ab"); at != 3 || !ok {
		t.Errorf("behind other bytes: %d, %v, want 3", at, ok)
	}
}

func TestClientHelloHiding(t *testing.T) {
	const name, control = "blocked.example", "control.example"
	config := serverConfig(t)
	for _, shape := range shapes {
		natural := 0
		for _, more := range []int{0, 1, 200} {
			length := 0
			if more > 0 {
				length = natural + more
			}
			b, err := ClientHelloHiding(control, name, shape, length, 1)
			if err != nil {
				t.Fatal(err)
			}
			if more == 0 {
				natural = len(b)
				if want := len(mustHello(t, control, shape, 0, 1)) + len(name); natural != want {
					t.Errorf("%s: natural length %d, want %d", shape, natural, want)
				}
			} else if len(b) != length {
				t.Errorf("%s: %d bytes, want %d", shape, len(b), length)
			}
			var padding []byte
			for kind, s := range helloExtensions(b) {
				if kind == extPadding {
					padding = b[s.lo:s.hi]
				}
			}
			if want := "\x00" + name + strings.Repeat("\x00", more); string(padding) != want {
				t.Errorf("%s: padding is %q, want %q", shape, padding, want)
			}
			if got, ok := ServerName(b); got != control || !ok {
				t.Errorf("%s: ServerName = %q, %v, want the control's", shape, got, ok)
			}
			info, answer, err := serve(config, b)
			if info == nil || info.ServerName != control || Recognise(answer).Kind != ServerHello {
				t.Errorf("%s: crypto/tls answers %v: %v", shape, Recognise(answer), err)
			}
		}
		if _, err := ClientHelloHiding(control, name, shape, natural-1, 1); err == nil {
			t.Errorf("%s: no room for the name and no error", shape)
		}
	}
}

func TestAbsoluteRequest(t *testing.T) {
	const host = "blocked.example"
	for _, length := range []int{0, 200} {
		b, err := AbsoluteRequest(host, "/x", length)
		if err != nil {
			t.Fatal(err)
		}
		if length > 0 && len(b) != length {
			t.Errorf("%d bytes, want %d", len(b), length)
		}
		r, err := http.ReadRequest(bufio.NewReader(bytes.NewReader(b)))
		if err != nil {
			t.Fatal(err)
		}
		if r.RequestURI != "http://blocked.example/x" || r.Host != host || r.Close {
			t.Errorf("read as %s at %q, close %v", r.RequestURI, r.Host, r.Close)
		}
		if n := strings.Count(string(b), host); n != 2 {
			t.Errorf("the host stands there %d times, want in target and Host", n)
		}
		if got, ok := HostHeader(b); got != host || !ok {
			t.Errorf("HostHeader = %q, %v", got, ok)
		}
	}
	if _, err := AbsoluteRequest("", "", 0); err == nil {
		t.Error("no host: no error")
	}
}
