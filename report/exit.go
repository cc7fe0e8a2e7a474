package report

import (
	"slices"

	"github.com/rstprobe/rstprobe/probe"
)

// Exit codes of a measurement.
const (
	exitClean        = 0  // measured, nothing interferes
	exitInterference = 10 // interference found
	exitUnknown      = 11 // not measurable, or inconclusive
)

// ExitCode is what the process says about one target: 0, 10 or 11. A server
// that refuses by itself is no interference.
func ExitCode(o probe.Overall) int {
	switch o {
	case probe.Clean, probe.ServerRefuses:
		return exitClean
	case probe.Interference:
		return exitInterference
	case probe.OverallUnreachable, probe.OverallInconclusive:
	}
	return exitUnknown
}

// Worst is the exit code for several targets: 10 if any is 10, else 11 if any
// is 11, else the highest; 0 for none.
func Worst(codes ...int) int {
	for _, c := range []int{exitInterference, exitUnknown} {
		if slices.Contains(codes, c) {
			return c
		}
	}
	worst := exitClean
	for _, c := range codes {
		worst = max(worst, c)
	}
	return worst
}
