package simnet

import (
	"fmt"
	"net"

	"github.com/rstprobe/rstprobe/internal/dialogue"
	"github.com/rstprobe/rstprobe/internal/lab"
	"github.com/rstprobe/rstprobe/internal/payload"
)

// The server's ports.
const (
	portTLS  = 443
	portHTTP = 80
)

// TLS as far as the server speaks it (RFC 8446).
const (
	recordHandshake = 22  // content type of a ClientHello's record, §5.1
	alertUnexpected = 10  // unexpected_message, §6.2
	alertName       = 112 // unrecognized_name (RFC 6066 §3)
)

// serve is the application above a connection: it reads what has arrived in
// order and answers whole requests. Where its pages are small it answers of TLS the
// ClientHello only, and goes through the whole handshake where they are large. It
// reads on, and says no more, after a TLS answer or under PolicySilent.
func (c *conn) serve() {
	if c.talk != nil {
		c.converse(c.read)
		c.read = nil
	}
	for !c.shut && !c.deaf && !c.busy && len(c.read) > 0 {
		tls := c.local.Port() == portTLS
		if tls && c.read[0] != recordHandshake {
			c.write(payload.AlertBytes(alertUnexpected))
			c.finish()
			return
		}
		length := lab.HeadLength
		if tls {
			length = lab.HelloLength
		}
		n := length(c.read)
		if n == 0 {
			break
		}
		request := c.read[:n]
		c.read = c.read[n:]
		if d := c.srv.net.top.Server.Delay; d > 0 {
			c.busy = true
			c.srv.net.after(d, func() { c.answerLate(request, tls) })
			return
		}
		c.answer(request, tls)
	}
	if c.in.ended && !c.shut && !c.busy {
		c.finish()
	}
}

// answerLate answers unless the connection has ended by now.
func (c *conn) answerLate(request []byte, tls bool) {
	c.busy = false
	if !c.shut {
		c.answer(request, tls)
		c.serve()
	}
}

// hostOf is the name that a request asks for, or "".
func hostOf(request []byte, tls bool) string {
	name, _ := payload.HostHeader(request)
	if tls {
		name, _ = payload.ServerName(request)
	}
	return name
}

// converse lets the application hear and say something inside TLS.
func (c *conn) converse(b []byte) {
	if said := c.talk.Hear(b); len(said) > 0 {
		c.write(said)
	}
}

// answer does with a request what the server's policy says.
func (c *conn) answer(request []byte, tls bool) {
	name := hostOf(request, tls)
	behaviour := c.srv.net.top.Server
	switch behaviour.Policy(name, c.remote, c.local) {
	case lab.Serve:
		switch page := behaviour.Page(name); {
		case tls && behaviour.Body > 0: // a page that somebody may want to see whole
			c.talk = dialogue.New(func(raw net.Conn) { _ = lab.ServeTLS(raw, page) }, c.srv.net.done) // its error is the peer's way to leave
			c.converse(request)
		case tls:
			c.write(payload.ServerHelloBytes())
			c.deaf = true
		default:
			c.write(httpAnswer("200 OK", "keep-alive", page))
		}
		if behaviour.AbortEnd {
			c.abort()
		}
	case lab.PolicyReset, lab.PolicyUnread:
		// Linux sends the same reset for linger 0 and for unread data; it has
		// acknowledged the request before.
		c.abort()
	case lab.PolicyAlert:
		refusal := httpAnswer("421 Misdirected Request", "close", "")
		if tls {
			refusal = payload.AlertBytes(alertName)
		}
		c.write(refusal)
		c.finish()
	case lab.PolicyFIN:
		c.finish()
	case lab.PolicySilent:
		c.deaf = true
	}
}

func httpAnswer(status, connection, body string) []byte {
	return fmt.Appendf(nil, "HTTP/1.1 %s\r\nContent-Type: text/plain\r\nContent-Length: %d\r\nConnection: %s\r\n\r\n%s",
		status, len(body), connection, body)
}
