package report

import (
	"math"
	"strconv"
	"strings"
	"testing"
)

// TestColorContrast: every colour can be read on a light and on a dark
// background, at the contrast that WCAG 2.2 asks of bold text (§1.4.3, §1.4.11).
func TestColorContrast(t *testing.T) {
	const least = 3.0
	for name, sgr := range map[string]string{"red": red, "green": green, "yellow": yellow} {
		index, ok := strings.CutPrefix(sgr, "1;38;5;")
		n, err := strconv.Atoi(index)
		if !ok || err != nil || n < 16 || n > 231 {
			t.Fatalf("%s is %q, want a bold colour of the cube", name, sgr)
		}
		l := luminance(n)
		if black, white := (l+0.05)/0.05, 1.05/(l+0.05); black < least || white < least {
			t.Errorf("%s: contrast %.1f with black and %.1f with white, want %.0f", name, black, white, least)
		}
	}
}

// luminance is that of a colour of xterm's 6×6×6 cube (WCAG 2.2, relative
// luminance).
func luminance(index int) float64 {
	levels := [6]float64{0, 95, 135, 175, 215, 255}
	linear := func(level int) float64 {
		return math.Pow((levels[level]/255+0.055)/1.055, 2.4)
	}
	n := index - 16
	return 0.2126*linear(n/36) + 0.7152*linear(n/6%6) + 0.0722*linear(n%6)
}
