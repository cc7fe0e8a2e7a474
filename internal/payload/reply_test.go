package payload

import (
	"bufio"
	"bytes"
	"crypto/tls"
	"errors"
	"io"
	"net/http"
	"testing"

	"github.com/google/go-cmp/cmp"
)

func TestRecognise(t *testing.T) {
	hello := ServerHelloBytes()
	warning := []byte{recordAlert, 3, 3, 0, 2, 1, 112}
	for name, test := range map[string]struct {
		in    []byte
		want  Reply
		words string
	}{
		"nothing":              {nil, Reply{}, "no reply"},
		"ServerHello":          {hello, Reply{Kind: ServerHello}, "ServerHello"},
		"first bytes of it":    {hello[:3], Reply{Kind: ServerHello}, "ServerHello"},
		"one byte of it":       {hello[:1], Reply{Kind: OtherReply}, "neither TLS nor HTTP"},
		"fatal alert":          {AlertBytes(112), Reply{Kind: AlertReply, Level: 2, Alert: 112}, "fatal alert unrecognized_name (112)"},
		"warning alert":        {warning, Reply{Kind: AlertReply, Level: 1, Alert: 112}, "warning alert unrecognized_name (112)"},
		"warning, then hello":  {append(bytes.Clone(warning), hello...), Reply{Kind: ServerHello}, "ServerHello"},
		"warning, then fatal":  {append(bytes.Clone(warning), AlertBytes(40)...), Reply{Kind: AlertReply, Level: 2, Alert: 40}, "fatal alert handshake_failure (40)"},
		"fatal, then hello":    {append(AlertBytes(40), hello...), Reply{Kind: AlertReply, Level: 2, Alert: 40}, "fatal alert handshake_failure (40)"},
		"close_notify":         {AlertBytes(0), Reply{Kind: AlertReply, Level: 1}, "warning alert close_notify (0)"},
		"alert without a name": {AlertBytes(200), Reply{Kind: AlertReply, Level: 2, Alert: 200}, "fatal alert alert 200 (200)"},
		"encrypted alert":      {append([]byte{recordAlert, 3, 3, 0, 26}, make([]byte, 26)...), Reply{Kind: OtherReply}, "neither TLS nor HTTP"},
		"alert cut off":        {AlertBytes(40)[:6], Reply{Kind: OtherReply}, "neither TLS nor HTTP"},
		"ClientHello":          {mustHello(t, "a.example", Plain, 0, 1), Reply{Kind: OtherReply}, "neither TLS nor HTTP"},
		"block page":           {BlockPage(403, "no"), Reply{Kind: HTTPReply, Status: 403, Total: 91}, "HTTP 403"},
		"redirect":             {[]byte("HTTP/1.1 302 Found\r\nServer: x\r\nlocation:http://warn.example/\x1b[2J\r\n\r\n"), Reply{Kind: HTTPReply, Status: 302, Location: "http://warn.example/\x1b[2J"}, `HTTP 302 to "http://warn.example/\x1b[2J"`},
		"location cut off":     {[]byte("HTTP/1.1 302 Found\r\nLocation: http://wa"), Reply{Kind: HTTPReply, Status: 302}, "HTTP 302"},
		"location in the body": {[]byte("HTTP/1.1 200 OK\r\n\r\nLocation: x\r\n"), Reply{Kind: HTTPReply, Status: 200}, "HTTP 200"},
		"status line cut off":  {[]byte("HTTP/1.1 30"), Reply{Kind: HTTPReply}, "HTTP"},
		"status line, no end":  {[]byte("HTTP/1.0 400"), Reply{Kind: HTTPReply, Status: 400}, "HTTP 400"},
		"status of letters":    {[]byte("HTTP/1.1 +40 x\r\n"), Reply{Kind: HTTPReply}, "HTTP"},
		"page without head":    {[]byte("<html>"), Reply{Kind: OtherReply}, "neither TLS nor HTTP"},
	} {
		got := Recognise(test.in)
		if diff := cmp.Diff(test.want, got); diff != "" {
			t.Errorf("%s (-want +got):\n%s", name, diff)
		}
		if got.String() != test.words {
			t.Errorf("%s: String = %q, want %q", name, got, test.words)
		}
	}
}

// A client of crypto/tls must go on from our ServerHello, and stop only
// because nothing follows.
func TestServerHelloBytesIsAccepted(t *testing.T) {
	conn := &memoryConn{in: bytes.NewReader(ServerHelloBytes())}
	err := tls.Client(conn, &tls.Config{ServerName: "a.example", MaxVersion: tls.VersionTLS12}).Handshake()
	if !errors.Is(err, io.EOF) && !errors.Is(err, io.ErrUnexpectedEOF) {
		t.Errorf("client gave up with %v, want the end of input", err)
	}
}

func TestAlertBytesIsRead(t *testing.T) {
	conn := &memoryConn{in: bytes.NewReader(AlertBytes(112))}
	err := tls.Client(conn, &tls.Config{ServerName: "a.example"}).Handshake()
	if err == nil {
		t.Fatal("client saw no alert")
	}
	if want := "remote error: tls: unrecognized name"; err.Error() != want {
		t.Errorf("client saw %q, want %q", err, want)
	}
}

func TestBlockPageIsRead(t *testing.T) {
	r, err := http.ReadResponse(bufio.NewReader(bytes.NewReader(BlockPage(451, "<h1>no</h1>"))), nil)
	if err != nil {
		t.Fatal(err)
	}
	defer r.Body.Close()
	body, err := io.ReadAll(r.Body)
	if err != nil {
		t.Fatal(err)
	}
	if r.StatusCode != 451 || string(body) != "<h1>no</h1>" || !r.Close {
		t.Errorf("read as %s with %q, close %v", r.Status, body, r.Close)
	}
}

func TestReplyTotal(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		name, answer string
		want         int
	}{
		{"announced", "HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\n0123", 17 + 20 + 2 + 10},
		{"bare line feeds", "HTTP/1.1 200 OK\ncontent-length:10\n\n", 16 + 18 + 1 + 10},
		{"not announced", "HTTP/1.1 200 OK\r\n\r\n", 0},
		{"head cut off", "HTTP/1.1 200 OK\r\nContent-Length: 10\r\n", 0},
		{"no number", "HTTP/1.1 200 OK\r\nContent-Length: ten\r\n\r\n", 0},
		{"beyond any page", "HTTP/1.1 200 OK\r\nContent-Length: 99999999999999\r\n\r\n", 0},
		{"behind a redirect", "HTTP/1.1 302 Found\r\nLocation: /x\r\nContent-Length: 1\r\n\r\n", 20 + 14 + 19 + 2 + 1},
	} {
		if got := Recognise([]byte(tt.answer)).Total; got != tt.want {
			t.Errorf("%s: %d, want %d", tt.name, got, tt.want)
		}
	}
}
