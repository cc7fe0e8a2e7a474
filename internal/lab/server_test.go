package lab_test

import (
	"testing"

	"github.com/rstprobe/rstprobe/internal/lab"
)

func TestKnown(t *testing.T) {
	some := lab.Server{Names: []string{"a.example", "b.example"}, Refused: []string{"b.example"}}
	for _, c := range []struct {
		server lab.Server
		name   string
		want   bool
	}{
		{lab.Server{}, "", true},
		{lab.Server{}, "a.example", true},
		{lab.Server{Refused: []string{"a.example"}}, "a.example", false},
		{lab.Server{Refused: []string{"a.example"}}, "not-a.example", true},
		{some, "a.example", true},
		{some, "A.EXAMPLE.", true},
		{some, "a.example:80", true},
		{some, "b.example", false},
		{some, "", false},
	} {
		if got := c.server.Known(c.name); got != c.want {
			t.Errorf("%+v knows %q: %v, want %v", c.server, c.name, got, c.want)
		}
	}
}

func TestPage(t *testing.T) {
	if got, want := (lab.Server{}).Page("a.example"), "hello from a.example\n"; got != want {
		t.Errorf("page %q, want %q", got, want)
	}
	for _, n := range []int{1, 64, 1 << 16} {
		if got := len(lab.Server{Body: n}.Page("a.example")); got != n {
			t.Errorf("page of %d bytes, want %d", got, n)
		}
	}
	one := lab.Server{Body: 64, Large: "a.example"}
	if a, b := len(one.Page("a.example")), len(one.Page("b.example")); a != 64 || b == 64 {
		t.Errorf("pages of %d and %d bytes, want the first alone 64", a, b)
	}
}

// records is a ClientHello of 24 bytes in records of so many.
func records(size int) []byte {
	message := append([]byte{1, 0, 0, 20}, make([]byte, 20)...)
	var b []byte
	for len(message) > 0 {
		n := min(size, len(message))
		b = append(append(b, 22, 3, 1, 0, byte(n)), message[:n]...)
		message = message[n:]
	}
	return b
}

func TestHelloLength(t *testing.T) {
	for _, b := range [][]byte{records(24), records(10), records(1)} {
		for n := range b {
			if got := lab.HelloLength(b[:n]); got != 0 {
				t.Errorf("length of the first %d bytes is %d, want 0", n, got)
			}
		}
		if got := lab.HelloLength(append(b, 23, 3, 3)); got != len(b) {
			t.Errorf("length is %d, want %d", got, len(b))
		}
	}
	if got := lab.HelloLength([]byte("GET / HTTP/1.1")); got != 14 {
		t.Errorf("length of what is no TLS is %d, want 14", got)
	}
}

func TestHeadLength(t *testing.T) {
	request := []byte("GET / HTTP/1.1\r\nHost: a.example\r\n\r\n")
	for n := range request {
		if got := lab.HeadLength(request[:n]); got != 0 {
			t.Errorf("length of the first %d bytes is %d, want 0", n, got)
		}
	}
	if got := lab.HeadLength(append(request, "more"...)); got != len(request) {
		t.Errorf("length is %d, want %d", got, len(request))
	}
}
