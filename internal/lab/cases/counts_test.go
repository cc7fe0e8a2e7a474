package cases_test

import (
	"strings"
	"testing"
	"testing/synctest"

	"github.com/rstprobe/rstprobe/internal/lab/cases"
	"github.com/rstprobe/rstprobe/probe"
)

// TestCountsBearTheVerdictOut: where a verdict says that something became of
// the tests, some of them are counted as bad: those that were slowed, cut and
// refused with an alert, too.
func TestCountsBearTheVerdictOut(t *testing.T) {
	for _, c := range cases.Matrix(false) {
		if _, router, many := strings.Cut(c.Name, "/"); c.RealKernel() || many && router != "router-3" {
			continue
		}
		t.Run(c.Name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				for _, test := range simulate(t, c, 1).Tests {
					v := test.Verdict
					good := v.Outcome == probe.OK || v.Outcome == probe.Inconclusive
					if n := v.Counts; n.TestTotal > 0 && !good && n.TestBad == 0 || v.Outcome == probe.OK && n.TestBad == n.TestTotal && n.TestBad > 0 {
						t.Errorf("%s %s: %v, cause %q, and %d of %d tests are bad, %d of %d controls", test.Kind, test.Name, v.Outcome, v.Cause, n.TestBad, n.TestTotal, n.ControlBad, n.ControlTotal)
					}
				}
			})
		})
	}
}
