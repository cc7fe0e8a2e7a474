package payload

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"net/netip"
	"strings"
	"unicode/utf8"

	"golang.org/x/net/idna"
)

const (
	maxLabel = 63  // bytes (RFC 1035 §2.3.4)
	maxName  = 253 // characters: 255 bytes on the wire (RFC 1035 §2.3.4)
)

// The domains set aside for examples (RFC 2606 §3), all of one length.
var reserved = []string{"example.com", "example.org", "example.net"}

// controlWords begin with different letters, so that names stay different
// even when there is room for only one.
var controlWords = []string{"control", "harmless", "neutral", "ordinary", "plain", "sample", "usual", "www"}

// DefaultControl is the n-th harmless name to compare name with, n from 0:
// under example.com or example.org, as long as name, and never name itself.
// There are at least 15 before they repeat. For a name too short for that, it
// is one of the bare example domains: padding makes the payloads equally
// long.
func DefaultControl(name string, n int) string {
	var candidates []string
	add := func(s string) {
		if !strings.EqualFold(s, name) {
			candidates = append(candidates, s)
		}
	}
	if room := labelRoom(len(name)); room > 0 {
		for _, word := range controlWords {
			for _, domain := range reserved[:2] {
				labels := []byte(strings.Repeat(word, room/len(word)+1)[:room])
				dots(labels)
				add(string(labels) + "." + domain)
			}
		}
	} else {
		for _, domain := range reserved {
			add(domain)
		}
	}
	return candidates[max(n, 0)%len(candidates)]
}

// RandomName is a name that nobody knows, under example.org: length bytes
// long, or 20 when length leaves no room for a label. One seed gives one name.
func RandomName(length int, seed uint64) string {
	const letters = "abcdefghijklmnopqrstuvwxyz"
	const roomy = 8 // letters; equal length is lost anyway
	room := labelRoom(length)
	if room <= 0 {
		room = roomy
	}
	r := rand.New(source(seed))
	labels := make([]byte, room)
	for i := range labels {
		labels[i] = letters[r.IntN(len(letters))]
	}
	dots(labels)
	return string(labels) + ".example.org"
}

// labelRoom is what length leaves for labels under a reserved domain.
func labelRoom(length int) int { return length - len(".example.com") }

// dots turns letters into dots where a label would get too long.
func dots(labels []byte) {
	const half = maxLabel / 2 // what remains is never too short for a label
	for len(labels) > maxLabel {
		labels[half] = '.'
		labels = labels[half+1:]
	}
}

// CheckName tells what is wrong with s as a host name to be put into a
// server_name (RFC 6066 §3) or a Host field: letters, digits and hyphens in
// labels of 1 to 63 (RFC 1123 §2.1), at most 253 in all, no address, no port
// and no dot at the end.
func CheckName(s string) error {
	if err := checkName(s); err != nil {
		return fmt.Errorf("payload: name %q: %w", s, err)
	}
	return nil
}

func checkName(s string) error {
	if s == "" {
		return errors.New("empty")
	}
	if addr := strings.TrimSuffix(strings.TrimPrefix(s, "["), "]"); isAddress(addr) {
		return errors.New("an address: write a host name")
	}
	start := 0 // of the label
	for i, c := range s {
		switch {
		case c == '.':
			if err := checkLabel(s, start, i); err != nil {
				return err
			}
			start = i + 1
		case c == '-', '0' <= c && c <= '9', 'a' <= c && c <= 'z', 'A' <= c && c <= 'Z':
		case c >= 0x80:
			if ascii, err := idna.Lookup.ToASCII(s); err == nil && utf8.ValidString(s) {
				return fmt.Errorf("character %d (%q) is not ASCII: write %q", i+1, c, ascii)
			}
			return fmt.Errorf("character %d (%q) is not ASCII: write the name in punycode (xn--...)", i+1, c)
		case c == ':':
			return fmt.Errorf("character %d (%q): write the name without a port or scheme", i+1, c)
		default:
			return fmt.Errorf("character %d (%q) cannot be in a host name: write letters, digits, hyphens and dots", i+1, c)
		}
	}
	if start == len(s) && start > 1 {
		return fmt.Errorf("character %d is a dot at the end: write %q", start, s[:start-1])
	}
	if err := checkLabel(s, start, len(s)); err != nil {
		return err
	}
	if len(s) > maxName {
		return fmt.Errorf("has %d characters: everything from character %d on is too much", len(s), maxName+1)
	}
	return nil
}

// checkLabel tells what is wrong with the length and the ends of s[lo:hi].
func checkLabel(s string, lo, hi int) error {
	switch {
	case lo == hi:
		return fmt.Errorf("an empty label at character %d", lo+1)
	case hi-lo > maxLabel:
		return fmt.Errorf("the label at character %d has %d characters: write at most %d", lo+1, hi-lo, maxLabel)
	case s[lo] == '-':
		return fmt.Errorf("character %d is a hyphen at the start of a label", lo+1)
	case s[hi-1] == '-':
		return fmt.Errorf("character %d is a hyphen at the end of a label", hi)
	}
	return nil
}

func isAddress(s string) bool {
	_, err := netip.ParseAddr(s)
	return err == nil
}
