package simnet

import (
	"fmt"

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
// order and answers whole requests, on TLS the ClientHello only. It reads on,
// and says no more, after a TLS answer or under PolicySilent.
func (c *conn) serve() {
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
		name := hostOf(c.read[:n], tls)
		c.read = c.read[n:]
		if d := c.srv.net.top.Server.Delay; d > 0 {
			c.busy = true
			c.srv.net.after(d, func() { c.answerLate(name, tls) })
			return
		}
		c.answer(name, tls)
	}
	if c.in.ended && !c.shut && !c.busy {
		c.finish()
	}
}

// answerLate answers unless the connection has ended by now.
func (c *conn) answerLate(name string, tls bool) {
	c.busy = false
	if !c.shut {
		c.answer(name, tls)
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

// answer does with a request what the server's policy says.
func (c *conn) answer(name string, tls bool) {
	behaviour := c.srv.net.top.Server
	policy := behaviour.Always
	if policy == lab.Serve && !behaviour.Known(name) {
		policy = behaviour.Unknown
	}
	switch policy {
	case lab.Serve:
		page := httpAnswer("200 OK", "keep-alive", behaviour.Page(name))
		if tls {
			page = payload.ServerHelloBytes()
		}
		c.write(page)
		c.deaf = tls
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
