// Package dialogue holds the two ends of a conversation inside TLS without any
// I/O: they are given what arrived and say what to send. It exists because
// crypto/tls wants a connection that it can block on, and the TCP of a trial
// has none.
package dialogue

import (
	"io"
	"net"
	"time"
)

// End is one end of a conversation. Its methods are not to be called at the
// same time.
type End struct {
	talk    func(net.Conn)
	started bool
	over    bool
	in      chan []byte
	waiting chan struct{} // the talk has said all it can before it hears more
	done    chan struct{} // closed when the talk is over
	quit    chan struct{} // closed by Close
	stop    <-chan struct{}

	out    []byte // said since the last Hear
	unread []byte
	heard  int // bytes of the peer's stream so far
}

// New is an end that talks as talk does on a connection; talk is to return
// soon after a read of it fails. It ends with Close, or when stop, which may be
// nil, is closed.
func New(talk func(net.Conn), stop <-chan struct{}) *End {
	return &End{
		talk: talk, stop: stop,
		in: make(chan []byte), waiting: make(chan struct{}),
		done: make(chan struct{}), quit: make(chan struct{}),
	}
}

// Hear takes the next bytes of the peer's stream, which may be none, and
// returns what this end says before it wants to hear more.
func (e *End) Hear(b []byte) []byte {
	if e.over {
		return nil
	}
	e.heard += len(b)
	if !e.started {
		e.started = true
		e.unread = b
		go func() {
			defer close(e.done)
			e.talk(conn{e})
		}()
	} else {
		if len(b) == 0 {
			return nil
		}
		select {
		case e.in <- b:
		case <-e.done:
		}
	}
	select {
	case <-e.waiting:
	case <-e.done:
		e.over = true
	}
	said := e.out
	e.out = nil
	return said
}

// Over reports whether this end has nothing more to say or to hear.
func (e *End) Over() bool { return e.over }

// Close ends the conversation where it stands. To do it twice is harmless.
func (e *End) Close() {
	if !e.over {
		e.over = true
		close(e.quit)
		if e.started {
			<-e.done
		}
	}
}

// conn is the connection that an end's talk blocks on.
type conn struct{ e *End }

func (c conn) Read(p []byte) (int, error) {
	e := c.e
	for len(e.unread) == 0 {
		select {
		case e.waiting <- struct{}{}:
		case <-e.quit:
			return 0, io.EOF
		case <-e.stop:
			return 0, io.EOF
		}
		select {
		case e.unread = <-e.in:
		case <-e.quit:
			return 0, io.EOF
		case <-e.stop:
			return 0, io.EOF
		}
	}
	n := copy(p, e.unread)
	e.unread = e.unread[n:]
	return n, nil
}

func (c conn) Write(p []byte) (int, error) {
	c.e.out = append(c.e.out, p...)
	return len(p), nil
}

// The rest of net.Conn, of which nothing here makes use: no deadline is ever
// needed, since Close ends a read.

func (conn) Close() error                     { return nil }
func (conn) LocalAddr() net.Addr              { return nowhere{} }
func (conn) RemoteAddr() net.Addr             { return nowhere{} }
func (conn) SetDeadline(time.Time) error      { return nil }
func (conn) SetReadDeadline(time.Time) error  { return nil }
func (conn) SetWriteDeadline(time.Time) error { return nil }

type nowhere struct{}

func (nowhere) Network() string { return "none" }
func (nowhere) String() string  { return "none" }
