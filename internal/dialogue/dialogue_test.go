package dialogue

import (
	"bytes"
	"io"
	"net"
	"strings"
	"testing"

	"github.com/rstprobe/rstprobe/internal/lab"
	"github.com/rstprobe/rstprobe/internal/payload"
)

// page is what the server of the tests has, longer than one TLS record.
var page = strings.Repeat("0123456789", 4000)

func fetch(t *testing.T) *Client {
	t.Helper()
	c, err := NewClient(Fetch{ServerName: "blocked.example", Host: "site.example", Path: "/"})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(c.Close)
	return c
}

func serve(t *testing.T) *End {
	s := New(func(raw net.Conn) { _ = lab.ServeTLS(raw, page) }, nil)
	t.Cleanup(s.Close)
	return s
}

// meet lets two ends talk in pieces of some bytes until both are silent, or
// the client has heard limit bytes, and returns how many those are.
func meet(c *Client, s *End, piece, limit int) (heard int) {
	toServer, toClient := c.Hear(nil), []byte(nil)
	for len(toServer)+len(toClient) > 0 {
		for len(toServer) > 0 {
			n := min(piece, len(toServer))
			toClient = append(toClient, s.Hear(toServer[:n])...)
			toServer = toServer[n:]
		}
		for len(toClient) > 0 {
			n := min(piece, len(toClient), limit-heard)
			if n == 0 {
				return heard
			}
			toServer = append(toServer, c.Hear(toClient[:n])...)
			toClient, heard = toClient[n:], heard+n
		}
	}
	return heard
}

func TestFetch(t *testing.T) {
	for _, piece := range []int{1, 1448, 1 << 20} {
		c := fetch(t)
		heard := meet(c, serve(t), piece, 1<<30)
		if !c.Over() || c.Total() != heard || heard < len(page) {
			t.Errorf("in pieces of %d bytes: over %v, %d bytes heard of %d, of which %d are the page", piece, c.Over(), heard, c.Total(), len(page))
		}
	}
}

// TestCut: what was announced shows how much is missing.
func TestCut(t *testing.T) {
	const cut = 20_000
	c := fetch(t)
	heard := meet(c, serve(t), 1448, cut)
	if c.Over() || heard != cut || c.Total() < len(page) || c.Total() > len(page)+2*(16<<10) {
		t.Errorf("over %v, %d bytes heard of %d", c.Over(), heard, c.Total())
	}
	c.Close()
	if got := c.Hear([]byte("more")); got != nil || !c.Over() {
		t.Errorf("a closed end says %q", got)
	}
}

func TestHello(t *testing.T) {
	hello := fetch(t).Hear(nil)
	if name, ok := payload.ServerName(hello); !ok || name != "blocked.example" {
		t.Errorf("the ClientHello says %q", name)
	}
	if bytes.Contains(hello, []byte("site.example")) {
		t.Error("the ClientHello has the host that is asked for inside")
	}
}

func TestForged(t *testing.T) {
	for name, answer := range map[string][]byte{
		"a page in the clear": payload.BlockPage(403, "blocked"),
		"an alert":            payload.AlertBytes(112),
		"a lone ServerHello":  payload.ServerHelloBytes(),
		"noise":               bytes.Repeat([]byte{0xff}, 4000),
	} {
		c := fetch(t)
		c.Hear(nil)
		c.Hear(answer)
		if c.Total() != 0 {
			t.Errorf("%s: %d bytes announced", name, c.Total())
		}
	}
}

func TestBadFetch(t *testing.T) {
	if _, err := NewClient(Fetch{ServerName: "a.example", Host: "a b", Path: "/"}); err == nil || !strings.Contains(err.Error(), `"a b"`) {
		t.Errorf("error %v", err)
	}
}

// TestStop: an end whose stop is closed while it waits ends.
func TestStop(t *testing.T) {
	stop := make(chan struct{})
	e := New(func(c net.Conn) { _, _ = io.Copy(c, c) }, stop)
	if got := e.Hear([]byte("hello")); string(got) != "hello" {
		t.Errorf("echo says %q", got)
	}
	close(stop)
	<-e.done
	if got := e.Hear([]byte("again")); got != nil || !e.Over() {
		t.Errorf("after the end: %q, over %v", got, e.Over())
	}
}
