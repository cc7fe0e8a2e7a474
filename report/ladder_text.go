package report

import (
	"fmt"
	"strings"
	"time"
)

// text draws the ladder in letters of one width.
func (l *ladder) text() string {
	const lane = 56 // letters between the outer lines
	var b strings.Builder
	fmt.Fprintf(&b, "%-10s %12s  client%*s\n", "packet", "ms", lane-4, "server")
	for _, r := range l.rungs {
		if r.skipped > 0 {
			fmt.Fprintf(&b, "%-10s %12s  :%*s\n", "", "", lane+1, ":")
			fmt.Fprintf(&b, "%-10s %12s  :  %-*s:\n", "", "", lane-2, count(r.skipped, "packet", "packets")+" not shown")
		}
		label := " " + join(" ", r.mark, r.label) + " "
		if r.note > 0 {
			label += fmt.Sprintf("[%d] ", r.note)
		}
		fmt.Fprintf(&b, "%-10s %12s  |%s|\n", r.packet, ms(r.at), r.arrow(label, lane))
	}
	return b.String()
}

// arrow is a rung of width letters: dashed where nobody is known to have sent
// or received it, with an x where it begins or ends on the way.
func (r rung) arrow(label string, width int) string {
	shaft := "-"
	if r.dashed {
		shaft = "- "
	}
	onTheWay := func(place float64) bool { return place > clientPlace && place < serverPlace }
	cut := onTheWay(r.from) || onTheWay(r.to)
	if cut {
		label = "x" + label // or behind it: as long
	}
	free := max(0, width-len(label)-2)
	line := func(n int) string { return strings.Repeat(shaft, n)[:n] }
	left, right := line(free/2), line(free-free/2)
	begin, end := "-", ">"
	if !r.right {
		begin, end = "<", "-"
	}
	if cut {
		blank, rest := strings.Repeat(" ", free/2), line(free-free/2)
		if missing := r.right == onTheWay(r.from); missing { // the left half is
			begin, left, right = " ", blank, rest
		} else {
			end, left, right = " ", rest, blank
			label = label[1:] + "x"
		}
	}
	return begin + left + label + right + end
}

// ms is a time in milliseconds, to the microsecond.
func ms(d time.Duration) string {
	return fmt.Sprintf("%.3f", float64(d.Microseconds())/1000)
}
