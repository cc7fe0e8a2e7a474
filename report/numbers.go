package report

import (
	"fmt"
	"slices"
	"strconv"
	"strings"
)

// maxRanges is how many ranges of packet numbers a person is shown: what
// thousands of packets show, a few of them show as well.
const maxRanges = 6

// packetList names packets, the first of them where they are many.
func packetList(numbers []int) string {
	shown, more := numbers, 0
	if ends := rangeEnds(numbers); len(ends) > maxRanges {
		shown = numbers[:ends[maxRanges-1]]
		more = len(numbers) - len(shown)
	}
	s := plural(len(numbers), "packet", "packets") + " " + ranges(shown)
	if more > 0 {
		s += fmt.Sprintf(" ... %d more, see the JSON", more)
	}
	return s
}

// ranges writes ascending numbers as 1-3, 7.
func ranges(numbers []int) string {
	var b strings.Builder
	from := 0
	for _, to := range rangeEnds(numbers) {
		if from > 0 {
			b.WriteString(", ")
		}
		b.WriteString(strconv.Itoa(numbers[from]))
		if to > from+1 {
			b.WriteString("-" + strconv.Itoa(numbers[to-1]))
		}
		from = to
	}
	return b.String()
}

// rangeEnds are the indices behind each run of numbers that follow each other.
func rangeEnds(numbers []int) []int {
	var out []int
	for i, n := range numbers {
		if i == len(numbers)-1 || numbers[i+1] != n+1 {
			out = append(out, i+1)
		}
	}
	return out
}

// placeEvidence is what tells the place, without the packets that the verdict
// relies on as well: they are named there.
func (t Test) placeEvidence() []Evidence {
	out := slices.Clone([]Evidence(t.Location.Evidence))
	for i, e := range out {
		if slices.ContainsFunc(slices.Concat(t.Evidence, t.Against), func(v Evidence) bool { return slices.Equal(v.Packets, e.Packets) }) {
			out[i].Packets = nil
		}
	}
	return out
}
