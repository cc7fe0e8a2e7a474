package terminal

import (
	"strings"
	"testing"
	"unicode"
)

func TestClean(t *testing.T) {
	for _, tt := range []struct{ in, ascii, unicode string }{
		{"plain text", "plain text", "plain text"},
		{"\x1b[2J\r\n\t", `\x1b[2J\r\n\t`, `\x1b[2J\r\n\t`},
		{"\u009b31m", `\u009b31m`, `\u009b31m`},                      // CSI as one character
		{"\u202egnp.exe", `\u202egnp.exe`, `\u202egnp.exe`},          // right-to-left override
		{"a\u200bb\ufeff", `a\u200bb\ufeff`, `a\u200bb\ufeff`},       // no width, no sight
		{"bücher 例え", `b\u00fccher \u4f8b\u3048`, "bücher 例え"},       // letters
		{"\xff", `\ufffd`, "\ufffd"},                                 // no UTF-8
		{"\U000e0041\u00ad", `\U000e0041\u00ad`, `\U000e0041\u00ad`}, // tags, soft hyphen
	} {
		if got := Clean(tt.in, false); got != tt.ascii {
			t.Errorf("Clean(%q) = %q, want %q", tt.in, got, tt.ascii)
		}
		if got := Clean(tt.in, true); got != tt.unicode {
			t.Errorf("Clean(%q), with Unicode, = %q, want %q", tt.in, got, tt.unicode)
		}
	}
}

func TestWidth(t *testing.T) {
	for s, want := range map[string]int{
		"": 0, "abc": 3, "bücher": 6, "例え": 4, "e\u0301": 1, "ﾊﾝ": 2, "ＡＢ": 4, "한글": 4, "🚫x": 3, "│": 1, "●": 1,
	} {
		if got := Width(s); got != want {
			t.Errorf("Width(%q) = %d, want %d", s, got, want)
		}
	}
}

func TestFit(t *testing.T) {
	for _, tt := range []struct {
		in   string
		n    int
		want string
	}{
		{"short", 5, "short"}, {"longer", 5, "lon.."}, {"例え例え", 7, "例え.."}, {"例え例え", 6, "例え.."},
		{"例え例え", 5, "例.."}, {"abc", 2, ".."}, {"abc", 1, ""}, {"abc", -1, ""}, {"e\u0301e\u0301e\u0301", 2, ".."},
	} {
		if got := Fit(tt.in, tt.n); got != tt.want {
			t.Errorf("Fit(%q, %d) = %q, want %q", tt.in, tt.n, got, tt.want)
		}
	}
}

// FuzzFit: whatever the text, what is printed takes no more room than there
// is, and nothing in it moves the cursor.
func FuzzFit(f *testing.F) {
	f.Add("core1.例え.example", 9, true)
	f.Add("\x1b[2J", 3, false)
	f.Fuzz(func(t *testing.T, s string, n int, unicodeToo bool) {
		got := Fit(Clean(s, unicodeToo), n)
		if w := Width(got); w > max(n, 0) {
			t.Errorf("%q takes %d columns, want at most %d", got, w, n)
		}
		if strings.ContainsFunc(got, func(r rune) bool { return !unicode.IsPrint(r) }) {
			t.Errorf("%q is not printable", got)
		}
	})
}
