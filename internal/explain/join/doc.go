// Package join reads what others than the capture say of its connections: the
// resets that a Linux kernel traced, and the sockets that ss listed. Both come
// as text that people paste, cut and filter; what is not understood is counted
// and skipped.
package join

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"net/netip"
	"strings"
)

// ErrNothing is returned for a text without one usable line.
var ErrNothing = errors.New("join: no usable line")

// Direction is from whom a segment came to whom.
type Direction struct{ From, To netip.AddrPort }

// back is the other direction.
func (d Direction) back() Direction { return Direction{d.To, d.From} }

// maxLine is the longest line that is looked at, in bytes; ss -i prints some
// 600.
const maxLine = 16 << 10

// lines calls each for every line that is not blank, without its end. Lines
// longer than maxLine are cut.
func lines(r io.Reader, each func(string)) error {
	b := bufio.NewReaderSize(r, maxLine)
	for cut := false; ; {
		line, more, err := b.ReadLine()
		if errors.Is(err, io.EOF) {
			return nil
		}
		if err != nil {
			return fmt.Errorf("join: %w", err)
		}
		if s := string(line); !cut && strings.TrimSpace(s) != "" {
			each(s)
		}
		cut = more // the next is the rest of this one
	}
}

// end reads one end of a connection: 192.0.2.1:80, [2001:db8::1]:80, and with
// an interface as ss writes it. A mapped IPv4 address is an IPv4 address. A
// wildcard is no end.
func end(s string) (netip.AddrPort, bool) {
	host, port, ok := cutLast(s, ":")
	if !ok {
		return netip.AddrPort{}, false
	}
	host, _, _ = strings.Cut(host, "%")
	return endOf(strings.Trim(host, "[]"), port)
}

// endOf is the end with an address and a port.
func endOf(host, port string) (netip.AddrPort, bool) {
	ip, err := netip.ParseAddr(host)
	n, ok := number(port)
	if err != nil || !ok || n == 0 || n > 0xffff || ip.IsUnspecified() {
		return netip.AddrPort{}, false
	}
	return netip.AddrPortFrom(ip.Unmap().WithZone(""), uint16(n)), true
}

func cutLast(s, sep string) (before, after string, ok bool) {
	i := strings.LastIndex(s, sep)
	if i < 0 {
		return s, "", false
	}
	return s[:i], s[i+len(sep):], true
}
