package probe

import (
	"fmt"
	"net/netip"
	"strings"
	"testing"
	"unicode"

	"github.com/google/go-cmp/cmp"

	"github.com/rstprobe/rstprobe/internal/payload"
)

var compareAddrs = cmp.Comparer(func(a, b netip.Addr) bool { return a == b })

func TestParseTarget(t *testing.T) {
	t.Parallel()
	v4, v6 := netip.MustParseAddr("192.0.2.7"), netip.MustParseAddr("2001:db8::7")
	for _, tt := range []struct {
		in   string
		want Target
	}{
		{"example.com", Target{Host: "example.com", Name: "example.com", Port: 443}},
		{"Example.COM:8443", Target{Host: "example.com", Name: "example.com", Port: 8443}},
		{"localhost:1", Target{Host: "localhost", Name: "localhost", Port: 1}},
		{"192.0.2.7", Target{Host: "192.0.2.7", IP: v4, Port: 443}},
		{"192.0.2.7:65535", Target{Host: "192.0.2.7", IP: v4, Port: 65535}},
		{"2001:db8::7", Target{Host: "2001:db8::7", IP: v6, Port: 443}},
		{"2001:DB8:0::7", Target{Host: "2001:db8::7", IP: v6, Port: 443}},
		{"[2001:db8::7]", Target{Host: "2001:db8::7", IP: v6, Port: 443}},
		{"[2001:db8::7]:80", Target{Host: "2001:db8::7", IP: v6, Port: 80}},
		{"::ffff:192.0.2.7", Target{Host: "192.0.2.7", IP: v4, Port: 443}},
		{"https://example.com", Target{Host: "example.com", Name: "example.com", Port: 443, HTTPS: true}},
		{"HTTPS://example.com/", Target{Host: "example.com", Name: "example.com", Port: 443, Path: "/", HTTPS: true}},
		{"https://example.com:8443/a/b?c=d#e", Target{Host: "example.com", Name: "example.com", Port: 8443, Path: "/a/b?c=d", HTTPS: true}},
		{"http://example.com/a@b:c", Target{Host: "example.com", Name: "example.com", Port: 80, Path: "/a@b:c", HTTP: true}},
		{"http://example.com?q", Target{Host: "example.com", Name: "example.com", Port: 80, Path: "/?q", HTTP: true}},
		{"https://example.com#top", Target{Host: "example.com", Name: "example.com", Port: 443, HTTPS: true}},
		{"http://[2001:db8::7]:8080/", Target{Host: "2001:db8::7", IP: v6, Port: 8080, Path: "/", HTTP: true}},
		{"example.com:8443@192.0.2.7", Target{Host: "example.com", Name: "example.com", IP: v4, Port: 8443}},
		{"example.com@192.0.2.7", Target{Host: "example.com", Name: "example.com", IP: v4, Port: 443}},
		{"example.com:80@2001:db8::7", Target{Host: "example.com", Name: "example.com", IP: v6, Port: 80}},
		{"example.com:80@[2001:db8::7]", Target{Host: "example.com", Name: "example.com", IP: v6, Port: 80}},
		{"http://example.com@192.0.2.7/x", Target{Host: "example.com", Name: "example.com", IP: v4, Port: 80, Path: "/x", HTTP: true}},
		{"xn--bcher-kva.example", Target{Host: "xn--bcher-kva.example", Name: "xn--bcher-kva.example", Port: 443}},
		{"1-2.example", Target{Host: "1-2.example", Name: "1-2.example", Port: 443}},
	} {
		t.Run(tt.in, func(t *testing.T) {
			t.Parallel()
			tt.want.Input = tt.in
			got, err := ParseTarget(tt.in)
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(tt.want, got, compareAddrs); diff != "" {
				t.Errorf("-want +got:\n%s", diff)
			}
		})
	}
}

func TestParseTargetRefuses(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		in   string
		at   int // the character that the error points at
		want string
	}{
		{"", 1, "the host is missing"},
		{":443", 1, "the host is missing: write host:port"},
		{"https://", 9, "the host is missing"},
		{"https:///path", 9, "the host is missing"},
		{"@192.0.2.7", 1, "the host is missing"},
		{"ftp://example.com", 1, `the scheme "ftp" is not known: write https:// or http://`},
		{"example.com/path", 12, "write https://example.com/path"},
		{"192.0.2.0/24", 10, "a network is not a target: write one address, such as 192.0.2.0"},
		{"2001:db8::/32", 11, "a network is not a target"},
		{"[2001:db8::]/32", 13, "a network is not a target"},
		{"192.0.2.1-192.0.2.9", 1, "a range is not a target: write one address, such as 192.0.2.1"},
		{"192.0.2.1-9:443", 1, "a range is not a target"},
		{"a.example,b.example", 1, "a list is not a target"},
		{"*.example.com", 1, "a pattern is not a target"},
		{"example.com:0", 13, "write a number from 1 to 65535, such as example.com:443"},
		{"example.com:65536", 13, `"65536" is not a port`},
		{"example.com:", 13, `"" is not a port`},
		{"example.com:https", 13, `"https" is not a port`},
		{"example.com:+80", 13, `"+80" is not a port`},
		{"[2001:db8::7]:x", 15, `"x" is not a port`},
		{"[2001:db8::7]443", 14, `write [2001:db8::7]:port`},
		{"[2001:db8::7", 1, "closing bracket is missing: write [2001:db8::7]"},
		{"[192.0.2.7]:443", 1, "write 192.0.2.7"},
		{"[example.com]", 1, "is not an IPv6 address"},
		{"[]", 1, "is not an IPv6 address"},
		{"https://2001:db8::7/", 9, "write [2001:db8::7]"},
		{"example.com:443:80", 1, "neither host:port nor an IPv6 address"},
		{"300.0.0.1", 1, "write four numbers from 0 to 255"},
		{"1.2.3", 1, "write four numbers"},
		{"fe80::1%eth0", 1, "write fe80::1 and --interface eth0"},
		{"0.0.0.0", 1, "is not the address of one host"},
		{"224.0.0.1:443", 1, "is not the address of one host"},
		{"example.com@example.net", 13, "is not an address: write name:port@address, such as example.com:443@192.0.2.1"},
		{"example.com@192.0.2.7:443", 13, "the port belongs to the name: write name:port@address"},
		{"example.com@[2001:db8::7]:443", 13, "the port belongs to the name"},
		{"example.com:443@", 17, "is not an address"},
		{"192.0.2.7:443@192.0.2.8", 15, "is an address already"},
		{"https://user:pass@example.com/", 9, "a user name or password is not taken: write https://example.com/"},
		{"http://user@example.com:8080/", 8, "a user name or password is not taken: write http://example.com:8080/"},
		{"https://example.com/a b", 22, "write it as %20"},
		{"https://example.com/\r\nX: y", 21, "write it as %0D"},
		{"exa mple.com", 1, "character 4"},
		{"a.example\x1b[2J/x", 10, `'\x1b' cannot be in a target`},
		{"https://a.example\u202e/x", 18, `'\u202e' cannot be in a target`},
		{"bü\xff.example", 3, `cannot be in a target`},
		{"-f", 1, ""},
		{"bücher.example", 1, "xn--bcher-kva.example"},
	} {
		t.Run(tt.in, func(t *testing.T) {
			t.Parallel()
			got, err := ParseTarget(tt.in)
			if err == nil {
				t.Fatalf("accepted as %+v", got)
			}
			if diff := cmp.Diff(Target{}, got, compareAddrs); diff != "" {
				t.Errorf("a target with an error: -want +got:\n%s", diff)
			}
			msg := err.Error()
			prefix := fmt.Sprintf("target %q, character %d: ", tt.in, tt.at)
			if !strings.HasPrefix(msg, prefix) || !strings.Contains(msg, tt.want) {
				t.Errorf("got  %s\nwant %s...%s...", msg, prefix, tt.want)
			}
		})
	}
}

// FuzzParseTarget: what is accepted is usable and means the same when it is
// written out in full.
func FuzzParseTarget(f *testing.F) {
	for _, s := range []string{
		"example.com", "Example.com:443", "[2001:db8::7]:443", "::1", "192.0.2.7:80", "\x1b[2J", "a/\x1b", "[\u202e]", "ftp\x00://a",
		"https://example.com:8443/p?q#f", "http://[::1]/", "a:1@192.0.2.7", "a@::1", "192.0.2.0/24",
	} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, in string) {
		got, err := ParseTarget(in)
		if err != nil {
			if strings.ContainsFunc(err.Error(), func(r rune) bool { return !unicode.IsPrint(r) }) {
				t.Fatalf("%q: the error is not safe to print: %q", in, err)
			}
			return
		}
		if got.Input != in || got.Port == 0 || (got.Name == "" && !got.IP.IsValid()) {
			t.Fatalf("%q: unusable: %+v", in, got)
		}
		if got.Name != "" {
			if err := payload.CheckName(got.Name); err != nil || got.Name != strings.ToLower(got.Name) {
				t.Fatalf("%q: name %q: %v", in, got.Name, err)
			}
		}
		full := writeTarget(got)
		again, err := ParseTarget(full)
		if err != nil {
			t.Fatalf("%q became %q, which is refused: %v", in, full, err)
		}
		again.Input = in
		if diff := cmp.Diff(got, again, compareAddrs); diff != "" {
			t.Fatalf("%q became %q: -first +second:\n%s", in, full, diff)
		}
	})
}

// writeTarget writes a target out as a URL with everything in it.
func writeTarget(t Target) string {
	var b strings.Builder
	switch {
	case t.HTTP:
		b.WriteString("http://")
	case t.HTTPS || t.Path != "":
		b.WriteString("https://")
	}
	if t.Name == "" {
		b.WriteString(netip.AddrPortFrom(t.IP, t.Port).String())
		return b.String() + t.Path
	}
	fmt.Fprintf(&b, "%s:%d", t.Name, t.Port)
	if t.IP.IsValid() {
		fmt.Fprintf(&b, "@[%s]", t.IP)
	}
	return b.String() + t.Path
}
