// Package terminal knows what text does on a terminal: which characters are
// safe to print, and how many columns they take.
//
// It opens none and sends no escape sequence. Whoever prints what came from a
// network or from a command line cleans it here first.
package terminal

import (
	"strconv"
	"strings"
	"unicode"
	"unicode/utf8"
)

// Clean makes s safe for a terminal: control and formatting characters, and
// without unicodeToo all but ASCII, become visible escapes as in a Go string.
func Clean(s string, unicodeToo bool) string {
	var b strings.Builder
	for _, r := range s {
		if r >= ' ' && r <= '~' || unicodeToo && unicode.IsPrint(r) {
			b.WriteRune(r)
			continue
		}
		quoted := strconv.QuoteRuneToASCII(r)
		b.WriteString(quoted[1 : len(quoted)-1])
	}
	return b.String()
}

// Width is how many columns s takes, which is clean.
func Width(s string) int {
	n := 0
	for _, r := range s {
		n += columns(r)
	}
	return n
}

// Fit is s, which is clean, cut to n columns or fewer; what was cut shows as
// "..".
func Fit(s string, n int) string {
	if Width(s) <= n {
		return s
	}
	const mark = ".."
	if n < len(mark) {
		return ""
	}
	room, end := n-len(mark), 0
	for i, r := range s {
		if room -= columns(r); room < 0 {
			break
		}
		end = i + utf8.RuneLen(r)
	}
	return s[:end] + mark
}

// columns is the width of a printable character: none where it is drawn onto
// the one before, two where it is wide.
func columns(r rune) int {
	switch {
	case r < 0x300:
		return 1
	case unicode.In(r, unicode.Mn, unicode.Me):
		return 0
	case unicode.Is(wide, r):
		return 2
	}
	return 1
}

// wide are the characters of two columns: those of the East Asian Width
// classes W and F (Unicode Standard Annex #11), in blocks. A block that is
// wide only in part counts whole: a line may then end early, never late.
var wide = &unicode.RangeTable{
	R16: []unicode.Range16{
		{0x1100, 0x115f, 1}, // Hangul Jamo, leading
		{0x231a, 0x231b, 1}, {0x23e9, 0x23f3, 1}, {0x25fd, 0x25fe, 1}, {0x2614, 0x2615, 1},
		{0x2648, 0x2653, 1}, {0x26a1, 0x26ce, 1}, {0x2705, 0x2705, 1}, {0x274c, 0x274e, 1},
		{0x2753, 0x2757, 1}, {0x2795, 0x2797, 1}, {0x2b1b, 0x2b1c, 1}, {0x2b50, 0x2b55, 1},
		{0x2e80, 0x303e, 1}, // CJK radicals, punctuation
		{0x3041, 0xa4cf, 1}, // kana, CJK ideographs, Yi
		{0xa960, 0xa97f, 1}, // Hangul Jamo extended A
		{0xac00, 0xd7a3, 1}, // Hangul syllables
		{0xf900, 0xfaff, 1}, // CJK compatibility ideographs
		{0xfe10, 0xfe6f, 1}, // vertical and small forms
		{0xff00, 0xff60, 1}, // fullwidth forms
		{0xffe0, 0xffe6, 1},
	},
	R32: []unicode.Range32{
		{0x16fe0, 0x1b2ff, 1}, // Tangut, Khitan, kana supplements
		{0x1f000, 0x1faff, 1}, // pictographs, emoji
		{0x20000, 0x3fffd, 1}, // CJK ideographs beyond the first plane
	},
}
