package payload

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

func TestDefaultControl(t *testing.T) {
	for length := 1; length <= maxName; length++ {
		name := RandomName(max(length, len("a.example.org")), uint64(length))[:length]
		seen := map[string]bool{}
		for n := range 15 {
			got := DefaultControl(name, n)
			if got == name {
				t.Errorf("control %d of %q is the name itself", n, name)
			}
			if length > len(".example.com") && len(got) != length {
				t.Errorf("control %d of %q has %d bytes, want %d", n, name, len(got), length)
			}
			if length > len(".example.com") && seen[got] {
				t.Errorf("control %d of %q: %q comes twice", n, name, got)
			}
			seen[got] = true
			if err := CheckName(got); err != nil {
				t.Errorf("control %d of %q: %v", n, name, err)
			}
			if again := DefaultControl(name, n); again != got {
				t.Errorf("control %d of %q: %q, then %q", n, name, got, again)
			}
		}
	}
}

func TestDefaultControlIsNeverTheName(t *testing.T) {
	for _, name := range []string{"example.com", "Example.ORG", "c.example.com", "control.example.com", "CONTROL.example.org"} {
		for n := -1; n < 40; n++ {
			if got := DefaultControl(name, n); strings.EqualFold(got, name) {
				t.Errorf("control %d of %q is the name itself", n, name)
			}
		}
	}
}

func TestRandomName(t *testing.T) {
	for length := range maxName + 1 {
		got := RandomName(length, 1)
		want := length
		if length < len("a.example.org") {
			want = 20
		}
		if len(got) != want || !strings.HasSuffix(got, ".example.org") {
			t.Errorf("length %d: %q has %d bytes, want %d under example.org", length, got, len(got), want)
		}
		if err := CheckName(got); err != nil {
			t.Errorf("length %d: %v", length, err)
		}
	}
	if a, b := RandomName(30, 1), RandomName(30, 1); a != b {
		t.Errorf("one seed gives %q and %q", a, b)
	}
	if a, b := RandomName(30, 1), RandomName(30, 2); a == b {
		t.Errorf("two seeds give %q", a)
	}
}

func TestCheckName(t *testing.T) {
	long := strings.Repeat("a", 64)
	for name, want := range map[string]string{
		"example.com":                        "",
		"EXAMPLE.com":                        "",
		"localhost":                          "",
		"xn--bcher-kva.com":                  "",
		"1.example":                          "",
		"a--b.example":                       "",
		long[:63] + ".com":                   "",
		"":                                   `empty`,
		".":                                  `an empty label at character 1`,
		"a..b":                               `an empty label at character 3`,
		".a":                                 `an empty label at character 1`,
		"a.example.":                         `character 10 is a dot at the end: write "a.example"`,
		"a..":                                `an empty label at character 3`,
		"-a.example":                         `character 1 is a hyphen at the start of a label`,
		"a.b-.example":                       `character 4 is a hyphen at the end of a label`,
		"a_b.example":                        `character 2 ('_') cannot be in a host name: write letters, digits, hyphens and dots`,
		"a b":                                `character 2 (' ') cannot be in a host name: write letters, digits, hyphens and dots`,
		"a\x00b":                             `character 2 ('\x00') cannot be in a host name: write letters, digits, hyphens and dots`,
		"a.example:443":                      `character 10 (':'): write the name without a port or scheme`,
		"https://a.example":                  `character 6 (':'): write the name without a port or scheme`,
		"a.bücher.example":                   `character 4 ('ü') is not ASCII: write "a.xn--bcher-kva.example"`,
		"a\xff":                              `character 2 ('�') is not ASCII: write the name in punycode (xn--...)`,
		"192.0.2.1":                          `an address: write a host name`,
		"2001:db8::1":                        `an address: write a host name`,
		"[2001:db8::1]":                      `an address: write a host name`,
		long + ".com":                        `the label at character 1 has 64 characters: write at most 63`,
		strings.Repeat("abcd.", 50) + "abcd": `has 254 characters: everything from character 254 on is too much`,
	} {
		got := ""
		if err := CheckName(name); err != nil {
			got = err.Error()
			_, rest, ok := strings.Cut(got, ": ")
			if _, tail, cut := strings.Cut(rest, `": `); !ok || !cut {
				t.Errorf("%q: error %q lacks the name", name, got)
			} else {
				got = tail
			}
		}
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("%q (-want +got):\n%s", name, diff)
		}
	}
}
