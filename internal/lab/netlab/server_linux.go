package netlab

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/netip"
	"os"
	"slices"
	"sync"
	"time"

	"github.com/rstprobe/rstprobe/internal/lab"
)

// server is the lab.Server on real sockets.
type server struct {
	behaviour lab.Server
	listeners []net.Listener
	wait      sync.WaitGroup
	done      chan struct{} // closed with the server
	death     *time.Timer   // nil: it lives until it is closed

	mu     sync.Mutex
	conns  map[*net.TCPConn]struct{}
	closed bool
	failed error // the first failure to accept
}

// startServer listens on all of the server's addresses.
func (n *Net) startServer() (*server, error) {
	s := &server{behaviour: n.top.Server, conns: make(map[*net.TCPConn]struct{}), done: make(chan struct{})}
	network := "tcp4"
	if n.top.IPv6 {
		network = "tcp6"
	}
	// As plain as most servers: neither multipath TCP nor keepalive probes.
	config := net.ListenConfig{KeepAlive: -1}
	config.SetMultipathTCP(false)
	err := inside(n.nodes[len(n.nodes)-1], func() error {
		for _, p := range []service{tlsService, httpService} {
			if slices.Contains(slices.Concat(s.behaviour.Closed, n.top.Taken()), p.port) {
				continue
			}
			l, err := config.Listen(context.Background(), network, fmt.Sprint(":", p.port))
			if err != nil {
				return fmt.Errorf("netlab: start the server: %w", err)
			}
			s.listeners = append(s.listeners, l)
			s.wait.Go(func() { s.accept(l, p) })
		}
		return nil
	})
	if err != nil {
		return nil, errors.Join(err, s.close())
	}
	if d := s.behaviour.Dies; d > 0 {
		s.death = time.AfterFunc(d, func() {
			if err := s.die(); err != nil {
				s.mu.Lock()
				s.failed = cmp.Or(s.failed, err)
				s.mu.Unlock()
			}
		})
	}
	return s, nil
}

// close ends all connections and waits for their goroutines.
func (s *server) close() error {
	if s.death != nil {
		s.death.Stop()
	}
	err := s.die()
	close(s.done)
	s.wait.Wait()
	s.mu.Lock()
	defer s.mu.Unlock()
	return errors.Join(err, s.failed)
}

// die ends all connections, and listens no more. To do it twice is harmless.
func (s *server) die() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.closed {
		return nil
	}
	s.closed = true
	var errs []error
	for _, l := range s.listeners {
		errs = append(errs, l.Close())
	}
	for c := range s.conns {
		abort(c)
	}
	return errors.Join(errs...)
}

func (s *server) accept(l net.Listener, p service) {
	for {
		c, err := l.Accept()
		s.mu.Lock()
		if s.closed || err != nil {
			if err == nil {
				abort(c.(*net.TCPConn))
			} else if s.failed == nil && !errors.Is(err, net.ErrClosed) {
				s.failed = fmt.Errorf("netlab: server: %w", err)
			}
			s.mu.Unlock()
			return
		}
		conn := c.(*net.TCPConn)
		s.conns[conn] = struct{}{}
		s.wait.Go(func() { s.serve(conn, p) })
		s.mu.Unlock()
	}
}

// serve treats one connection as the policy for its name says, and ends it.
func (s *server) serve(conn *net.TCPConn, p service) {
	err := s.treat(&stream{
		Conn: conn, tcp: conn, idle: s.behaviour.IdleReset, abortEnd: s.behaviour.AbortEnd, lingers: s.behaviour.Lingers,
	}, p)
	s.mu.Lock()
	delete(s.conns, conn)
	s.mu.Unlock()
	// Any other error is the peer's way to leave.
	if errors.Is(err, errAbort) || errors.Is(err, os.ErrDeadlineExceeded) {
		abort(conn)
	} else {
		_ = conn.Close() // fails only if the server closed it first
	}
}

// treat follows the policy, request by request, up to the point where the
// connection is to be closed: with an RST if the error is errAbort or a
// timeout.
func (s *server) treat(conn *stream, p service) error {
	if s.behaviour.CloseAtOnce {
		return nil
	}
	if d := s.behaviour.KeepAlive; d > 0 {
		probes := net.KeepAliveConfig{Enable: true, Idle: d, Interval: d, Count: keepAlives}
		if err := conn.tcp.SetKeepAliveConfig(probes); err != nil {
			return err
		}
	}
	for {
		request, err := conn.peek(p.length)
		if errors.Is(err, io.EOF) {
			return conn.finish(nil)
		}
		if err != nil {
			return err
		}
		if err := s.ponder(); err != nil {
			return err
		}
		name, _ := p.name(request)
		policy := s.behaviour.Policy(name, endOf(conn.RemoteAddr()), endOf(conn.LocalAddr()))
		switch policy {
		case lab.Serve:
			if err := p.answer(conn, request, s.behaviour.Page(name)); err != nil {
				return err
			}
			continue
		case lab.PolicyUnread:
			return nil
		}
		if err := skip(conn, request); err != nil {
			return err
		}
		switch policy {
		case lab.PolicyReset:
			return errAbort
		case lab.PolicyAlert:
			return conn.finish(p.refusal)
		case lab.PolicyFIN:
			return conn.finish(nil)
		}
		return drain(conn)
	}
}

// endOf is an address of package net as one of netip.
func endOf(a net.Addr) netip.AddrPort {
	end := a.(*net.TCPAddr).AddrPort()
	return netip.AddrPortFrom(end.Addr().Unmap(), end.Port())
}

// keepAlives is how many probes may go without an answer.
const keepAlives = 3

// ponder takes the server's time over an answer.
func (s *server) ponder() error {
	if s.behaviour.Delay == 0 {
		return nil
	}
	select {
	case <-time.After(s.behaviour.Delay):
		return nil
	case <-s.done:
		return errAbort
	}
}

// skip reads what has been peeked at.
func skip(r io.Reader, request []byte) error {
	_, err := io.CopyN(io.Discard, r, int64(len(request)))
	return err
}

// drain waits until the peer leaves.
func drain(r io.Reader) error {
	_, err := io.Copy(io.Discard, r)
	return err
}

// abort closes the connection with an RST (RFC 9293 §3.10.5).
func abort(c *net.TCPConn) {
	// These fail only on a connection that is closed already.
	_ = c.SetLinger(0)
	_ = c.Close()
}
