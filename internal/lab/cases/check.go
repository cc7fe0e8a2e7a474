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
	among(&wrong, "overall outcome", r.Outcome, c.Want.Overall)
	if len(r.Tests) != 1 {
		return append(wrong, fmt.Sprintf("%d tests, want 1", len(r.Tests)))
	}
	t := r.Tests[0]
	among(&wrong, "outcome", t.Verdict.Outcome, c.Want.Outcome)
	among(&wrong, "author", t.Verdict.Author, c.Want.Authors)
	among(&wrong, "cause", t.Verdict.Cause, c.Want.Causes)
	if c.Want.Paths > 0 {
		failed := 0
		for _, f := range t.Flows {
			if f.Verdict.Interferes() {
				failed++
			}
		}
		differ("number of paths", len(t.Flows), c.Want.Paths)
		differ("number of paths on which the tests fail", failed, 1)
	}
	if c.Want.Boxes > 0 {
		differ("number of boxes", len(t.Boxes), c.Want.Boxes)
	}
	if c.Want.Scope != "" {
		differ("scope of what is left behind", t.Residual.Scope, c.Want.Scope)
	}
	switch {
	case !t.Verdict.Interferes() && t.Location == nil:
	case c.Want.At == 0:
		differ("located", t.Location != nil, false)
	case t.Location == nil:
		wrong = append(wrong, fmt.Sprintf("not located, want between %d and %d", c.Want.After, c.Want.At))
	case c.Want.Within && t.Location.After.TTL <= c.Want.After && t.Location.At.TTL >= c.Want.At:
	default:
		differ("segment", [2]int{t.Location.After.TTL, t.Location.At.TTL}, [2]int{c.Want.After, c.Want.At})
		if t.Location.Device != nil && c.Want.Device > 0 {
			differ("device", t.Location.Device.TTL, c.Want.Device)
		}
	}
	return wrong
}

// among notes a value that is none of those wanted; no wish accepts any.
func among[T comparable](wrong *[]string, what string, got T, want []T) {
	if len(want) > 0 && !slices.Contains(want, got) {
		*wrong = append(*wrong, fmt.Sprintf("%s is %v, want %v", what, got, want))
	}
}
