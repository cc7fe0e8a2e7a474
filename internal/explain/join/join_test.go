package join

import (
	"errors"
	"net/netip"
	"strings"
	"testing"
	"testing/iotest"

	"github.com/google/go-cmp/cmp"

	"github.com/rstprobe/rstprobe/probe"
)

func direction(from, to string) Direction {
	return Direction{netip.MustParseAddrPort(from), netip.MustParseAddrPort(to)}
}

var (
	v4 = direction("10.0.0.1:443", "10.0.0.2:51000")
	v6 = direction("[2001:db8::1]:443", "[2001:db8::2]:51000")
)

func TestParseReasons(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		name, line string
		of         Direction
		sent       []string
		received   int
	}{
		{"trace_pipe", "  nginx-812 [001] ..s.. 5123.456789: tcp_send_reset: skbaddr=000000007f skaddr=00000000aa src=10.0.0.1:443 dest=10.0.0.2:51000 state=TCP_ESTABLISHED reason=TCP_ABORT_ON_DATA", v4, []string{"TCP_ABORT_ON_DATA"}, 0},
		{"perf", "swapper 0 [000] 99.1: tcp:tcp_send_reset: skbaddr=0x0 skaddr=(nil) src=[2001:db8::1]:443, dest=[2001:db8::2]:51000, state=UNKNOWN, rstreason=SK_RST_REASON_NO_SOCKET", v6, []string{NoSocket}, 0},
		{"without reason", "tcp_send_reset: src=10.0.0.1:443 dest=10.0.0.2:51000 state=TCP_ESTABLISHED", v4, []string{""}, 0},
		{"unspecified reason", "tcp_send_reset: src=10.0.0.1:443 dest=10.0.0.2:51000 reason=NOT_SPECIFIED", v4, []string{""}, 0},
		{"no name of a reason", "tcp_send_reset: src=10.0.0.1:443 dest=10.0.0.2:51000 reason=\x1b[31mX", v4, []string{""}, 0},
		{"mapped", "tcp_send_reset: src=[::ffff:10.0.0.1]:443 dest=[::ffff:10.0.0.2]:51000", v4, []string{""}, 0},
		{"fields apart", "tcp_send_reset: skbaddr=0x1 skaddr=0x2 family=AF_INET sport=443 dport=51000 saddr=10.0.0.1 daddr=10.0.0.2 saddrv6=::ffff:10.0.0.1 daddrv6=::ffff:10.0.0.2 state=TCP_CLOSE", v4, []string{""}, 0},
		{"IPv4 alone", "tcp_send_reset: sport=443 dport=51000 saddr=10.0.0.1 daddr=10.0.0.2", v4, []string{""}, 0},
		{"IPv6 apart", "tcp_send_reset: family=AF_INET6 sport=443 dport=51000 saddr=127.0.0.6 daddr=127.0.0.6 saddrv6=2001:db8::1 daddrv6=2001:db8::2", v6, []string{""}, 0},
		{"received by the other end", "curl-9 [000] ..s1. 1.0: tcp_receive_reset: family=AF_INET sport=51000 dport=443 saddr=10.0.0.2 daddr=10.0.0.1 saddrv6=::ffff:10.0.0.2 daddrv6=::ffff:10.0.0.1 sock_cookie=9", v4, nil, 1},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			got, err := ParseReasons(strings.NewReader("# tracer: nop\n\nwhat is this\n" + tt.line + "\r\n"))
			if err != nil || got.Skipped != 1 {
				t.Fatalf("%d lines skipped, error %v; want 1 and none", got.Skipped, err)
			}
			if diff := cmp.Diff(tt.sent, got.Sent(tt.of)); diff != "" {
				t.Errorf("-want +got:\n%s", diff)
			}
			if n := got.Received(tt.of); n != tt.received {
				t.Errorf("%d received, want %d", n, tt.received)
			}
			if len(got.Sent(tt.of.back())) != 0 || got.Received(tt.of.back()) != 0 {
				t.Error("it counts for the other direction")
			}
		})
	}
}

func TestParseSockets(t *testing.T) {
	t.Parallel()
	const head = "State  Recv-Q Send-Q  Local Address:Port  Peer Address:Port Process\n"
	for _, tt := range []struct {
		name, text string
		of         Direction
		want       Socket
	}{
		{"heading", head + "ESTAB 5 12 10.0.0.1:443 10.0.0.2:51000\n", v4, Socket{State: "ESTAB", Unread: 5, Unsent: 12}},
		{"no heading, IPv6", "CLOSE-WAIT 1 0 [2001:db8::1]:443 [2001:db8::2]:51000", v6, Socket{State: "CLOSE-WAIT", Unread: 1}},
		{"mapped, interface", "tcp ESTAB 0 0 [::ffff:10.0.0.1]%eth0:443 [::ffff:10.0.0.2]:51000", v4, Socket{State: "ESTAB"}},
		{"one state", "0 7 10.0.0.1%lo:443 10.0.0.2:51000", v4, Socket{Unsent: 7}},
		{
			"information", "LISTEN 0 128 0.0.0.0:443 0.0.0.0:*\n\t cubic lost:9\nESTAB 0 7 10.0.0.1:443 10.0.0.2:51000 timer:(on,2sec,3) ino:0\n\t cubic rto:204 unacked:2 retrans:1/4\n", v4,
			Socket{State: "ESTAB", Unsent: 7, Info: []string{"timer:(on,2sec,3)", "unacked:2", "retrans:1/4"}},
		},
		{"listed again", "ESTAB 0 7 10.0.0.1:443 10.0.0.2:51000\nTIME-WAIT 0 0 10.0.0.1:443 10.0.0.2:51000", v4, Socket{State: "TIME-WAIT"}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			got, err := ParseSockets(strings.NewReader(tt.text))
			sock, ok := got.Of(tt.of)
			// What is below a listener is not understood, but belongs to none.
			skipped := strings.Count(tt.text, "lost:9")
			if err != nil || !ok || got.Skipped != skipped {
				t.Fatalf("found %v, %d lines skipped, error %v; want %d skipped", ok, got.Skipped, err, skipped)
			}
			if diff := cmp.Diff(tt.want, sock); diff != "" {
				t.Errorf("-want +got:\n%s", diff)
			}
		})
	}
	const want = "in state ESTAB with 5 bytes unread and 12 not acknowledged (unacked:2)"
	if got := (Socket{State: "ESTAB", Unread: 5, Unsent: 12, Info: []string{"unacked:2"}}).String(); got != want {
		t.Errorf("%q, want %q", got, want)
	}
}

// TestNothing: a text without a usable line is another file than was meant;
// one that fails is reported as such.
func TestNothing(t *testing.T) {
	t.Parallel()
	for _, text := range []string{
		"", "hello\n", "tcp_send_reset: src=10.0.0.1:0 dest=10.0.0.2:51000", "tcp_receive_reset: sport=1 dport=70000 saddr=10.0.0.1 daddr=10.0.0.2",
		"ESTAB 0 x 10.0.0.1:443 10.0.0.2:51000", "LISTEN 0 0 10.0.0.1:443 0.0.0.0:*", strings.Repeat("x", 3*maxLine) + "\n",
	} {
		if r, err := ParseReasons(strings.NewReader(text)); !errors.Is(err, ErrNothing) || r.Skipped > 1 {
			t.Errorf("reasons of %.40q: %d skipped, error %v", text, r.Skipped, err)
		}
		if s, err := ParseSockets(strings.NewReader(text)); !errors.Is(err, ErrNothing) || s.Skipped > 1 {
			t.Errorf("sockets of %.40q: %d skipped, error %v", text, s.Skipped, err)
		}
	}
	broken := errors.New("broken")
	if _, err := ParseReasons(iotest.ErrReader(broken)); !errors.Is(err, broken) {
		t.Errorf("error %v, want %v", err, broken)
	}
}

func TestCauses(t *testing.T) {
	t.Parallel()
	for reason, want := range map[string]probe.Cause{
		NoSocket: "S5", "TCP_ABORT_ON_CLOSE": "S7", "TCP_ABORT_ON_LINGER": "S8", "TCP_DISCONNECT_WITH_DATA": "S8", "TCP_ABORT_ON_DATA": "S9",
		"TCP_ABORT_ON_MEMORY": "S2", "TCP_ABORT_ON_TIMEOUT": "S6", "TCP_KEEPALIVE_TIMEOUT": "S21", "TCP_TIMEWAIT_SOCKET": "S11", "TCP_FLAGS": "", "": "",
	} {
		got := append(Causes(reason), "")[0]
		if got != want {
			t.Errorf("%s means %q, want %q", reason, got, want)
		}
	}
}

// FuzzParse: no text makes the parsers panic, lines are never counted twice,
// and what they pass on can be printed.
func FuzzParse(f *testing.F) {
	f.Add("tcp_send_reset: src=10.0.0.1:443 dest=10.0.0.2:51000 reason=NO_SOCKET\ntcp_receive_reset: sport=1 dport=2 saddrv6=2001:db8::1 daddrv6=[2001:db8::2]")
	f.Add("ESTAB 0 7 10.0.0.1%lo:443 [::ffff:10.0.0.2]:51000 timer:(on,2sec,3)\n\tunacked:2\n")
	f.Fuzz(func(t *testing.T, text string) {
		plain := func(s string) bool { return !strings.ContainsFunc(s, func(c rune) bool { return c < ' ' || c > '~' }) }
		most := strings.Count(text, "\n") + 1
		reasons, err := ParseReasons(strings.NewReader(text))
		if (err != nil) != (len(reasons.sent)+len(reasons.received) == 0) || reasons.Skipped > most {
			t.Errorf("%d skipped, error %v", reasons.Skipped, err)
		}
		for d, list := range reasons.sent {
			if !d.From.IsValid() || !d.To.IsValid() || !plain(strings.Join(list, "")) {
				t.Errorf("%v: %q", d, list)
			}
		}
		sockets, err := ParseSockets(strings.NewReader(text))
		if (err != nil) != (len(sockets.list) == 0) || sockets.Skipped > most {
			t.Errorf("%d skipped, error %v", sockets.Skipped, err)
		}
		for d, s := range sockets.list {
			if !d.From.IsValid() || !d.To.IsValid() || !plain(s.String()) {
				t.Errorf("%v: %q", d, s)
			}
		}
	})
}
