package cases

import (
	"fmt"
	"slices"

	"github.com/rstprobe/rstprobe/internal/diagnosis"
)

// Check compares a diagnosis with what the case expects and says what
// differs; empty: nothing does.
func (c Case) Check(r diagnosis.Result) []string {
	var wrong []string
	differ := func(what string, got, want any) {
		if got != want {
			wrong = append(wrong, fmt.Sprintf("%s is %v, want %v", what, got, want))
		}
	}
	differ("overall outcome", r.Outcome, c.Want.Overall)
	if len(r.Tests) != 1 {
		return append(wrong, fmt.Sprintf("%d tests, want 1", len(r.Tests)))
	}
	t := r.Tests[0]
	differ("outcome", t.Verdict.Outcome, c.Want.Outcome)
	if !slices.Contains(c.Want.Authors, t.Verdict.Author) {
		wrong = append(wrong, fmt.Sprintf("author is %v, want %v", t.Verdict.Author, c.Want.Authors))
	}
	switch {
	case !t.Verdict.Interferes() && t.Location == nil:
	case c.Want.At == 0:
		differ("located", t.Location != nil, false)
	case t.Location == nil:
		wrong = append(wrong, fmt.Sprintf("not located, want between %d and %d", c.Want.After, c.Want.At))
	default:
		differ("segment", [2]int{t.Location.After.TTL, t.Location.At.TTL}, [2]int{c.Want.After, c.Want.At})
		if t.Location.Device != nil {
			box := c.box()
			differ("device", t.Location.Device.TTL, box)
		}
	}
	return wrong
}

// box is the router that holds the box; 0: there is none.
func (c Case) box() int {
	switch {
	case len(c.Topology.Boxes) > 0:
		return c.Topology.Boxes[0].Router
	case len(c.Topology.Kernel) > 0:
		return c.Topology.Kernel[0].Router
	}
	return 0
}
