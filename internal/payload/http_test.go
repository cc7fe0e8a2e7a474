package payload

import (
	"bufio"
	"bytes"
	"net/http"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

func mustRequest(t testing.TB, host, path string, length int) []byte {
	t.Helper()
	b, err := HTTPRequest(host, path, length)
	if err != nil {
		t.Fatal(err)
	}
	return b
}

func TestHTTPRequest(t *testing.T) {
	const want = "GET /x HTTP/1.1\r\nHost: a.example\r\nUser-Agent: Mozilla/5.0 (compatible; rstprobe)\r\nAccept: */*\r\nX-Fill: a\r\n\r\n"
	if diff := cmp.Diff(want, string(mustRequest(t, "a.example", "/x", 0))); diff != "" {
		t.Errorf("request (-want +got):\n%s", diff)
	}
}

func TestHTTPRequestIsUnderstoodAtEveryLength(t *testing.T) {
	for _, host := range []string{"a.example", "a.example:8080", "[2001:db8::1]", ""} {
		natural := len(mustRequest(t, host, "", 0))
		lengths := []int{0, MaxLength}
		for k := range 65 {
			lengths = append(lengths, natural+k)
		}
		for _, length := range lengths {
			b := mustRequest(t, host, "", length)
			if want := max(length, natural); len(b) != want {
				t.Fatalf("%q: %d bytes, want %d", host, len(b), want)
			}
			r, err := http.ReadRequest(bufio.NewReader(bytes.NewReader(b)))
			if err != nil {
				t.Fatalf("%q, length %d: %v", host, length, err)
			}
			if r.Host != host || r.Method != "GET" || r.URL.Path != "/" {
				t.Errorf("%q, length %d: read as %s %s at %q", host, length, r.Method, r.URL, r.Host)
			}
			if got, ok := HostHeader(b); got != host || ok != (host != "") {
				t.Errorf("%q, length %d: HostHeader = %q, %v", host, length, got, ok)
			}
		}
	}
}

func TestHTTPRequestErrors(t *testing.T) {
	for name, test := range map[string]struct {
		host, path string
		length     int
		want       string
	}{
		"too short":         {"a.example", "", 20, `payload: request for "a.example": 20 bytes are too few, it takes 107`},
		"too long":          {"a.example", "", MaxLength + 1, `payload: request for "a.example": 16385 bytes are too many, at most 16384`},
		"negative":          {"a.example", "", -1, `payload: request for "a.example": -1 bytes are too few, it takes 107`},
		"line end in host":  {"a.example\r\nX: y", "", 0, `payload: host "a.example\r\nX: y": byte 10 (0x0d) cannot stand in a request as it is`},
		"blank in path":     {"a.example", "/a b", 0, `payload: path "/a b": byte 3 (0x20) cannot stand in a request as it is`},
		"path not absolute": {"a.example", "x", 0, `payload: path "x": write it with a leading /`},
	} {
		_, err := HTTPRequest(test.host, test.path, test.length)
		if err == nil {
			t.Errorf("%s: no error", name)
			continue
		}
		if diff := cmp.Diff(test.want, err.Error()); diff != "" {
			t.Errorf("%s: error (-want +got):\n%s", name, diff)
		}
	}
	if _, err := HTTPRequest(strings.Repeat("a", MaxLength), "", 0); err == nil {
		t.Error("a host of 16 KiB: no error")
	}
}
