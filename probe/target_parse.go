package probe

import (
	"errors"
	"fmt"
	"net/netip"
	"strconv"
	"strings"
	"unicode"
	"unicode/utf8"

	"github.com/rstprobe/rstprobe/internal/payload"
)

// The ports of a target that names none.
const (
	portHTTP  = 80
	portHTTPS = 443
)

// ParseTarget reads a target as it is typed:
//
//	target    = [ ( "http" / "https" ) "://" ] authority [ path ]
//	authority = host [ ":" port ] [ "@" address ]
//	host      = name / IPv4 / "[" IPv6 "]" / IPv6
//
// A path needs a scheme, an IPv6 address with a port or a scheme its
// brackets. "@" pins the address of a name. The port is 443, or 80 behind
// http://, unless given. Names become lower case. Nothing is resolved: IP is
// valid only where an address was written.
//
// The error is a *TargetError. One target is one host; networks, ranges and
// lists are refused.
func ParseTarget(s string) (Target, error) {
	p := targetParser{in: s}
	t, err := p.target()
	if err != nil {
		return Target{}, &TargetError{Target: s, Character: 1 + utf8.RuneCountInString(s[:p.pos]), Err: err}
	}
	return t, nil
}

// TargetError is for the person who typed a target: it says where it is wrong
// and what to write instead.
type TargetError struct {
	Target    string
	Character int // that is wrong, from 1
	Err       error
}

func (e *TargetError) Error() string {
	return fmt.Sprintf("target %.200q, character %d: %v", e.Target, e.Character, e.Err)
}

// Unwrap returns the reason.
func (e *TargetError) Unwrap() error { return e.Err }

// targetParser reads one target; pos is the offset of what is being read.
type targetParser struct {
	in  string
	pos int
}

func (p *targetParser) target() (Target, error) {
	t := Target{Input: p.in, Port: portHTTPS}
	rest := p.in
	scheme, after, isURL := strings.Cut(rest, "://")
	if isURL {
		switch strings.ToLower(scheme) {
		case "https":
			t.HTTPS = true
		case "http":
			t.HTTP, t.Port = true, portHTTP
		default:
			return t, fmt.Errorf("the scheme %q is not known: write https:// or http://, or host:port", scheme)
		}
		p.pos = len(scheme) + len("://")
		rest = after
	}
	shown := rest // what errors may quote; a path has a check of its own
	if i := strings.IndexAny(rest, "/?#"); i >= 0 && isURL {
		shown = rest[:i]
	}
	if err := p.printable(shown); err != nil {
		return t, err
	}
	if i := strings.IndexAny(rest, "/?#"); i >= 0 {
		path := rest[i:]
		rest = rest[:i]
		if !isURL {
			p.pos = i
			return t, noPath(rest, p.in)
		}
		at := p.pos
		p.pos += i
		var err error
		if t.Path, err = p.path(path); err != nil {
			return t, err
		}
		p.pos = at
	}
	return t, p.authority(&t, rest, isURL)
}

// printable refuses what would do something to a terminal that shows it.
func (p *targetParser) printable(s string) error {
	for i, r := range s {
		if !unicode.IsPrint(r) || r == utf8.RuneError {
			p.pos += i
			return fmt.Errorf("%q cannot be in a target: write host, host:port or https://host/path", r)
		}
	}
	return nil
}

// noPath is the error for a "/" behind what is no URL.
func noPath(before, whole string) error {
	if _, err := netip.ParseAddr(strings.Trim(before, "[]")); err == nil {
		return fmt.Errorf("a network is not a target: write one address, such as %s", before)
	}
	return fmt.Errorf("a path needs a scheme: write https://%s", whole)
}

// path checks what stands behind the authority; a fragment stays at home
// (RFC 9110 §7.1).
func (p *targetParser) path(s string) (string, error) {
	s, _, _ = strings.Cut(s, "#")
	for i, c := range []byte(s) {
		if c <= ' ' || c >= 0x7f {
			p.pos += i
			return "", fmt.Errorf("%q cannot be in a path: write it as %%%02X", c, c)
		}
	}
	if strings.HasPrefix(s, "?") {
		s = "/" + s
	}
	return s, nil
}

// authority reads host, port and pinned address into t.
func (p *targetParser) authority(t *Target, s string, isURL bool) error {
	host, pin, pinned := strings.Cut(s, "@")
	if pinned && isURL && !isAddress(pin) {
		return fmt.Errorf("a user name or password is not taken: write %s", strings.Replace(p.in, s, pin, 1))
	}
	start := p.pos
	if err := p.hostPort(t, host, isURL); err != nil {
		return err
	}
	if !pinned {
		return nil
	}
	p.pos = start + len(host) + len("@")
	if t.Name == "" {
		return fmt.Errorf("%s is an address already: write name:port@address, or %s alone", t.Host, host)
	}
	ip, err := netip.ParseAddr(unbracket(pin))
	if err != nil {
		if _, err := netip.ParseAddrPort(pin); err == nil {
			return errors.New("the port belongs to the name: write name:port@address")
		}
		return fmt.Errorf("%q is not an address: write name:port@address, such as %s:%d@192.0.2.1", pin, t.Name, t.Port)
	}
	return t.setIP(ip)
}

// isAddress reports whether s is an address, with or without a port.
func isAddress(s string) bool {
	_, err := netip.ParseAddr(unbracket(s))
	_, errPort := netip.ParseAddrPort(s)
	return err == nil || errPort == nil
}

// hostPort reads a name or an address and a port into t.
func (p *targetParser) hostPort(t *Target, s string, isURL bool) error {
	if s == "" {
		return errors.New("the host is missing: write host, host:port or https://host/path")
	}
	if ip, err := netip.ParseAddr(s); err == nil && ip.Is6() {
		if isURL {
			return fmt.Errorf("an IPv6 address in a URL needs brackets: write [%s]", s)
		}
		t.Host = ip.Unmap().String()
		return t.setIP(ip)
	}
	host, port, hasPort := s, "", false
	if s[0] == '[' {
		inside, after, ok := strings.Cut(s[1:], "]")
		if !ok {
			return fmt.Errorf("the closing bracket is missing: write [%s]", inside)
		}
		host = s[:len(inside)+2]
		port, hasPort = strings.CutPrefix(after, ":")
		if after != "" && !hasPort {
			p.pos += len(host)
			return fmt.Errorf("%q behind the bracket: write %s:port", after, host)
		}
	} else {
		host, port, hasPort = strings.Cut(s, ":")
		if strings.Contains(port, ":") {
			return fmt.Errorf("%q is neither host:port nor an IPv6 address: write [address]:port for the latter", s)
		}
	}
	if err := p.host(t, host); err != nil {
		return err
	}
	if !hasPort {
		return nil
	}
	p.pos += len(host) + len(":")
	n, err := strconv.ParseUint(port, 10, 16)
	if err != nil || n == 0 {
		return fmt.Errorf("%q is not a port: write a number from 1 to 65535, such as %s:443", port, host)
	}
	t.Port = uint16(n)
	return nil
}

// host reads a name, an IPv4 address or a bracketed IPv6 address into t.
func (p *targetParser) host(t *Target, s string) error {
	if s == "" {
		return errors.New("the host is missing: write host:port")
	}
	ip, err := netip.ParseAddr(unbracket(s))
	if err == nil {
		if s[0] == '[' && !ip.Is6() {
			return fmt.Errorf("brackets are for IPv6: write %s", ip)
		}
		t.Host = ip.Unmap().String()
		return t.setIP(ip)
	}
	if s[0] == '[' {
		return fmt.Errorf("%s is not an IPv6 address: write [2001:db8::1] or a name without brackets", s)
	}
	if err := severalHosts(s); err != nil {
		return err
	}
	if err := payload.CheckName(s); err != nil {
		return fmt.Errorf("the host %q: %w", s, errors.Unwrap(err))
	}
	if last := s[strings.LastIndexByte(s, '.')+1:]; strings.Trim(last, "0123456789") == "" {
		return fmt.Errorf("%q is neither a name nor an IPv4 address: write four numbers from 0 to 255, such as 192.0.2.1", s)
	}
	t.Name = strings.ToLower(s)
	t.Host = t.Name
	return nil
}

// severalHosts is the error for what would be more than one host elsewhere.
func severalHosts(s string) error {
	if strings.Contains(s, ",") {
		return errors.New("a list is not a target: write the targets as separate words, or one per line in a file for -f")
	}
	first, _, hasDash := strings.Cut(s, "-")
	if _, err := netip.ParseAddr(first); hasDash && err == nil {
		return fmt.Errorf("a range is not a target: write one address, such as %s", first)
	}
	if strings.Contains(s, "*") {
		return errors.New("a pattern is not a target: write one name or address")
	}
	return nil
}

// setIP sets the address of t, unless nobody can be reached there.
func (t *Target) setIP(ip netip.Addr) error {
	ip = ip.Unmap()
	switch {
	case ip.Zone() != "":
		return fmt.Errorf("a zone is not part of a target: write %s and --interface %s", ip.WithZone(""), ip.Zone())
	case !OneHost(ip):
		return fmt.Errorf("%s is not the address of one host: write such an address, or a name", ip)
	}
	t.IP = ip
	return nil
}

// OneHost reports whether an address can be that of one host.
func OneHost(ip netip.Addr) bool {
	ip = ip.Unmap()
	return ip.IsValid() && !ip.IsUnspecified() && !ip.IsMulticast() && ip != netip.AddrFrom4([4]byte{255, 255, 255, 255})
}

// unbracket takes the brackets off an IPv6 address.
func unbracket(s string) string {
	if inside, ok := strings.CutPrefix(s, "["); ok {
		if inside, ok := strings.CutSuffix(inside, "]"); ok {
			return inside
		}
	}
	return s
}
