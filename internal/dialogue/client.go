package dialogue

import (
	"bufio"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
)

// Fetch is what a client asks for.
type Fetch struct {
	ServerName string // in the clear, in the ClientHello; "" for none
	Host       string // of the request, which nobody on the path can read
	Path       string // begins with /
}

// Client is the end that fetches a page over TLS with HTTP/1.1.
type Client struct {
	*End
	total int
}

// NewClient is a client. It believes any certificate: who answers is not what
// it is there to find out.
func NewClient(f Fetch) (*Client, error) {
	request, err := http.NewRequest(http.MethodGet, "https://"+f.Host+f.Path, nil)
	if err != nil {
		return nil, fmt.Errorf("dialogue: fetch %s from %q: %w", f.Path, f.Host, err)
	}
	request.Header.Set("User-Agent", "Mozilla/5.0")
	c := &Client{}
	c.End = New(func(raw net.Conn) {
		secure := tls.Client(raw, &tls.Config{
			ServerName: f.ServerName, NextProtos: []string{"http/1.1"},
			InsecureSkipVerify: true, //nolint:gosec // see above
		})
		// How it ends, if it does before the page is there, is in the record
		// of the connection.
		if request.Write(secure) != nil {
			return
		}
		if answer, err := http.ReadResponse(bufio.NewReader(secure), request); err == nil {
			c.follow(answer)
		}
	}, nil)
	return c, nil
}

// follow reads the body of an answer to its end, and keeps count of how much of
// the stream is still to come.
func (c *Client) follow(answer *http.Response) {
	left := answer.ContentLength
	if left < 0 {
		return
	}
	buf := make([]byte, 16<<10)
	for {
		c.total = c.heard + int(left)
		n, err := answer.Body.Read(buf)
		left -= int64(n)
		if errors.Is(err, io.EOF) {
			c.total = c.heard
		}
		if err != nil {
			return
		}
	}
}

// Total is how many bytes of the peer's stream the answer takes, as its
// Content-Length announces (RFC 9110 §8.6); before the last of them is there,
// within a TLS record or two (RFC 8446 §5.1: 16 KiB each). 0: not announced, or
// not known yet.
func (c *Client) Total() int { return c.total }
