package join

import (
	"fmt"
	"io"
	"net/netip"
	"strconv"
	"strings"

	"github.com/rstprobe/rstprobe/probe"
)

// Reasons are the resets that kernels traced. The zero value holds none.
type Reasons struct {
	Skipped  int // lines that were not understood
	sent     map[Direction][]string
	received map[Direction]int
}

// Sent are the reasons of the resets that the kernel of From says it sent to
// To, in the order of the trace: names of include/net/rstreason.h without
// SK_RST_REASON_; "": none was given (kernels before 6.10 know none).
func (r Reasons) Sent(d Direction) []string { return r.sent[d] }

// Received is how many resets from From the kernel of To says it received.
func (r Reasons) Received(d Direction) int { return r.received[d] }

// The tracepoints (include/trace/events/tcp.h).
const (
	sendReset    = "tcp_send_reset:"
	receiveReset = "tcp_receive_reset:"
)

// ParseReasons reads lines of the tracepoints tcp:tcp_send_reset and
// tcp:tcp_receive_reset, as trace-cmd, perf script and trace_pipe print them.
func ParseReasons(text io.Reader) (Reasons, error) {
	r := Reasons{sent: map[Direction][]string{}, received: map[Direction]int{}}
	err := lines(text, func(line string) {
		if !strings.HasPrefix(line, "#") && !r.add(line) {
			r.Skipped++
		}
	})
	if err == nil && len(r.sent) == 0 && len(r.received) == 0 {
		err = fmt.Errorf("%w: none of %d is of tcp_send_reset or tcp_receive_reset", ErrNothing, r.Skipped)
	}
	return r, err
}

// add takes one line.
func (r *Reasons) add(line string) bool {
	_, text, sent := strings.Cut(line, sendReset)
	if !sent {
		_, rest, received := strings.Cut(line, receiveReset)
		if !received {
			return false
		}
		text = rest
	}
	f := map[string]string{}
	for _, word := range strings.Fields(text) {
		if name, value, ok := strings.Cut(word, "="); ok {
			f[name] = strings.TrimSuffix(value, ",")
		}
	}
	// The socket's own end is the source in both: who receives a reset sees
	// its sender as the destination.
	own, ok1 := endIn(f, "src", "saddr", "saddrv6", "sport")
	peer, ok2 := endIn(f, "dest", "daddr", "daddrv6", "dport")
	if !ok1 || !ok2 {
		return false
	}
	d := Direction{own, peer}
	if sent {
		r.sent[d] = append(r.sent[d], reason(f))
	} else {
		r.received[d.back()]++
	}
	return true
}

// endIn is one end of a line: in one field, or address and port apart. The
// field for IPv6 counts first: it maps IPv4, while that for IPv4 holds
// 127.0.0.6 for sockets of IPv6.
func endIn(f map[string]string, whole, v4, v6, port string) (netip.AddrPort, bool) {
	if e, ok := end(f[whole]); ok {
		return e, true
	}
	if e, ok := endOf(strings.Trim(f[v6], "[]"), f[port]); ok {
		return e, true
	}
	return endOf(f[v4], f[port])
}

// reason is the reason in a line, or "". Other than names are none.
func reason(f map[string]string) string {
	s := f["reason"]
	if s == "" {
		s = f["rstreason"]
	}
	s = strings.TrimPrefix(s, "SK_RST_REASON_")
	other := func(c rune) bool { return c != '_' && (c < 'A' || c > 'Z') && (c < '0' || c > '9') }
	const longest = 64
	if len(s) > longest || strings.ContainsFunc(s, other) || s == "NOT_SPECIFIED" {
		return ""
	}
	return s
}

// NoSocket is the reason of a kernel that knows no such connection, or no
// longer: it is also how a host answers after somebody else ended one.
const NoSocket = "NO_SOCKET"

// Causes are the codes of the table of causes that a reason agrees with, the
// one that it means by itself first; none: it means no single one.
func Causes(reason string) []probe.Cause {
	switch reason {
	case NoSocket:
		return []probe.Cause{"S5", "S1", "S10", "S13", "S19", "S20"}
	case "TCP_ABORT_ON_CLOSE":
		return []probe.Cause{"S7"}
	case "TCP_ABORT_ON_LINGER", "TCP_DISCONNECT_WITH_DATA":
		return []probe.Cause{"S8"}
	case "TCP_ABORT_ON_DATA":
		return []probe.Cause{"S9", "S19"}
	case "TCP_ABORT_ON_MEMORY":
		return []probe.Cause{"S2"}
	case "TCP_ABORT_ON_TIMEOUT":
		return []probe.Cause{"S6"}
	case "TCP_KEEPALIVE_TIMEOUT":
		return []probe.Cause{"S21"}
	case "TCP_TIMEWAIT_SOCKET":
		return []probe.Cause{"S11"}
	}
	return nil
}

// number reads a count.
func number(s string) (int, bool) {
	n, err := strconv.ParseUint(s, 10, 32)
	return int(n), err == nil //nolint:gosec // of 32 bits
}
