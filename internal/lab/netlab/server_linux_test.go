package netlab

import (
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"net"
	"regexp"
	"syscall"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/rstprobe/rstprobe/internal/lab"
	"github.com/rstprobe/rstprobe/internal/payload"
)

// say sends a request for the name to the service on a port.
func say(t *testing.T, c net.Conn, port uint16, name string) {
	t.Helper()
	var request []byte
	var err error
	if port == 443 {
		request, err = payload.ClientHello(name, payload.Plain, 0, 1)
	} else {
		request, err = payload.HTTPRequest(name, "/", 0)
	}
	if err != nil {
		t.Fatal(err)
	}
	if _, err := c.Write(request); err != nil {
		t.Fatal(err)
	}
}

// handshake makes TLS with the server by its name.
func handshake(c net.Conn, name string) error {
	return tls.Client(c, &tls.Config{ServerName: name, InsecureSkipVerify: true}).Handshake() //nolint:gosec // no one to trust
}

func TestPolicies(t *testing.T) {
	for _, tt := range []struct {
		name   string
		server lab.Server
		tls    string // how a request for an unknown name ends: what was read, and the error
		http   string
	}{
		{"reset", lab.Server{Unknown: lab.PolicyReset}, " ECONNRESET", " ECONNRESET"},
		{"alert", lab.Server{Unknown: lab.PolicyAlert}, "Alert EOF", "HTTP 421 EOF"},
		{"FIN", lab.Server{Unknown: lab.PolicyFIN}, " EOF", " EOF"},
		{"unread", lab.Server{Unknown: lab.PolicyUnread}, " ECONNRESET", " ECONNRESET"},
		{"silent", lab.Server{Unknown: lab.PolicySilent}, " EOF", " EOF"},
		{"serve", lab.Server{}, "ServerHello EOF", "HTTP 200 EOF"},
		{"abort", lab.Server{AbortEnd: true}, "ServerHello ECONNRESET", "HTTP 200 ECONNRESET"},
		{"no abort after alert", lab.Server{Unknown: lab.PolicyAlert, AbortEnd: true}, "Alert EOF", "HTTP 421 EOF"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			if tt.server.Unknown != lab.Serve {
				tt.server.Names = []string{control}
			}
			n := build(t, lab.Topology{Routers: 1, Server: tt.server})
			for port, want := range map[uint16]string{443: tt.tls, 80: tt.http} {
				c := mustDial(t, n, port)
				say(t, c, port, blocked)
				if got := ending(t, c, tt.name == "silent" || tt.name == "serve"); got != want {
					t.Errorf("port %d, unknown name: %q, want %q", port, got, want)
				}
			}
			if tt.server.AbortEnd {
				return
			}
			if err := handshake(mustDial(t, n, 443), control); err != nil {
				t.Errorf("known name: %v", err)
			}
		})
	}
}

// ending reads to the end and tells what came. A server that waits for us is
// sent our FIN first: it answers that with its own and nothing else.
func ending(t *testing.T, c *net.TCPConn, waits bool) string {
	t.Helper()
	if waits {
		if err := c.CloseWrite(); err != nil {
			t.Fatal(err)
		}
	}
	b, err := io.ReadAll(c)
	end := "EOF"
	if errors.Is(err, syscall.ECONNRESET) {
		end = "ECONNRESET"
	} else if err != nil {
		end = err.Error()
	}
	var what string
	switch r := payload.Recognise(b); r.Kind {
	case payload.NoReply:
	case payload.ServerHello:
		what = "ServerHello"
	case payload.AlertReply:
		what = "Alert"
	case payload.HTTPReply:
		what = fmt.Sprint("HTTP ", r.Status)
	default:
		what = fmt.Sprintf("%q", b)
	}
	return what + " " + end
}

func TestAlways(t *testing.T) {
	n := build(t, lab.Topology{Routers: 1, Server: lab.Server{Names: []string{control}, Always: lab.PolicyReset}})
	c := mustDial(t, n, 443)
	say(t, c, 443, control)
	if got := ending(t, c, false); got != " ECONNRESET" {
		t.Errorf("known name: %q, want a reset", got)
	}
}

func TestIdleReset(t *testing.T) {
	n := build(t, lab.Topology{Routers: 1, Server: lab.Server{IdleReset: 20 * time.Millisecond}})
	for _, request := range []string{"", control} {
		c := mustDial(t, n, 80)
		want := " ECONNRESET"
		if request != "" {
			say(t, c, 80, request)
			want = "HTTP 200 ECONNRESET"
		}
		if got := ending(t, c, false); got != want {
			t.Errorf("idle after %q: %q, want %q", request, got, want)
		}
	}
}

func TestClosedPort(t *testing.T) {
	n := build(t, lab.Topology{Routers: 1, Server: lab.Server{Closed: []uint16{80}}})
	if _, err := dial(n, n.top.ServerAddr(), 80); !errors.Is(err, syscall.ECONNREFUSED) {
		t.Errorf("closed port: got %v, want a refusal", err)
	}
	mustDial(t, n, 443)
}

func TestKeepAlive(t *testing.T) {
	n := build(t, lab.Topology{Routers: 1, Server: lab.Server{Names: []string{control}, Unknown: lab.PolicyAlert}})
	c := mustDial(t, n, 80)
	say(t, c, 80, control)
	say(t, c, 80, control)
	say(t, c, 80, blocked)
	b, err := io.ReadAll(c)
	if err != nil {
		t.Error(err)
	}
	got := regexp.MustCompile(`HTTP/1.1 \d+`).FindAllString(string(b), -1)
	if diff := cmp.Diff([]string{"HTTP/1.1 200", "HTTP/1.1 200", "HTTP/1.1 421"}, got); diff != "" {
		t.Errorf("answers (-want +got):\n%s", diff)
	}
}

// TestIncompleteRequest ends within a request: that is the end, not a reset.
func TestIncompleteRequest(t *testing.T) {
	n := build(t, lab.Topology{Routers: 1})
	for _, port := range []uint16{443, 80} {
		c := mustDial(t, n, port)
		if _, err := c.Write([]byte{22, 3, 1, 1, 0, 1}); err != nil {
			t.Fatal(err)
		}
		if got := ending(t, c, true); got != " EOF" {
			t.Errorf("port %d: %q, want an EOF", port, got)
		}
	}
}
