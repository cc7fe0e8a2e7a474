package report

import (
	"bytes"
	"net/netip"
)

// plainAddr is an address as it is compared: IPv4 as such, without a zone.
func plainAddr(a netip.Addr) netip.Addr { return a.Unmap().WithZone("") }

// longestAddress is the longest text of one in bytes: eight groups of four,
// the last two written as IPv4.
const longestAddress = len("0000:0000:0000:0000:0000:ffff:255.255.255.255")

// findAddresses shows visit every IP address in text, in whatever spelling,
// with a port behind it or without, as tcpdump writes one too: where it stands
// and the plain address. While visit says no, shorter ones at the same place
// and those within are tried, too; within an IPv4 address there is none, only
// the port behind it makes it look so: in 10.9.6.2.80 there is no 9.6.2.80.
func findAddresses(text []byte, visit func(from, to int, a netip.Addr) bool) {
	for i := 0; i < len(text); i++ {
		if !startsAddress(text, i) {
			continue
		}
		for end := i + addressRun(text[i:]); end >= i+len("::"); end-- {
			a, err := netip.ParseAddr(string(text[i:end]))
			if err == nil && endsAddress(text, end, a) && (visit(i, end, plainAddr(a)) || a.Is4()) {
				i = end - 1
				break
			}
		}
	}
}

// replaceAddresses puts what swap says in the place of every address in text;
// those for which it says false stay.
func replaceAddresses(text []byte, swap func(netip.Addr) (string, bool)) []byte {
	var out []byte
	done := 0 // of text, as far as it is in out
	findAddresses(text, func(from, to int, a netip.Addr) bool {
		s, ok := swap(a)
		if ok {
			out = append(append(out, text[done:from]...), s...)
			done = to
		}
		return ok
	})
	if done == 0 {
		return text
	}
	return append(out, text[done:]...)
}

func digit(c byte) bool { return '0' <= c && c <= '9' }

func hex(c byte) bool { return digit(c) || 'a' <= c && c <= 'f' || 'A' <= c && c <= 'F' }

// startsAddress reports whether an address may begin at text[i]: not in the
// middle of a number. What is behind a JSON escape is no part of it.
func startsAddress(text []byte, i int) bool {
	switch {
	case !hex(text[i]) && text[i] != ':':
		return false
	case i == 0, !hex(text[i-1]):
		return true
	case i >= 6 && bytes.HasPrefix(text[i-6:], []byte(`\u`)):
		return true
	}
	return digit(text[i]) && !digit(text[i-1]) // "x10.0.0.1"
}

// endsAddress reports whether a ends before text[end], rather than being the
// beginning of another.
func endsAddress(text []byte, end int, a netip.Addr) bool {
	if end == len(text) {
		return true
	}
	if a.Is4() || a.Is4In6() {
		return !digit(text[end])
	}
	return !hex(text[end])
}

// addressRun is how many bytes at the start of text can be of an address; 0:
// too few separators for one.
func addressRun(text []byte) int {
	n, dots, colons := 0, 0, 0
	for ; n < min(len(text), longestAddress); n++ {
		c := text[n]
		if c == '.' {
			dots++
		} else if c == ':' {
			colons++
		} else if !hex(c) {
			break
		}
	}
	if dots < 3 && colons < 2 {
		return 0
	}
	return n
}
