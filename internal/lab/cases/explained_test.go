package cases_test

import (
	"slices"
	"testing"
	"testing/synctest"

	"github.com/rstprobe/rstprobe/internal/explain"
	"github.com/rstprobe/rstprobe/internal/lab/cases"
	"github.com/rstprobe/rstprobe/probe"
)

// TestExplained explains what every case leaves in a capture at the client.
// No packet of an innocent server, and none of our own, may be a box's; and
// where there is a box, the capture is not called clean.
func TestExplained(t *testing.T) {
	innocent := []probe.Overall{probe.Clean, probe.ServerRefuses}
	for _, c := range cases.Matrix(false) {
		if c.RealKernel() {
			continue
		}
		t.Run(c.Name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				_, file := recorded(t, c)
				e := explain.New(0)
				for _, conv := range conversations(t, file) {
					e.Add(conv)
				}
				rep := e.Finish()
				if !slices.Contains(innocent, c.Want.Overall[0]) {
					if rep.Verdict.Outcome == probe.Clean {
						t.Errorf("%s, and want %s live", rep.Verdict.Summary, c.Want.Overall)
					}
					return
				}
				if rep.Verdict.Outcome == probe.Interference {
					t.Errorf("%s, and want %s live", rep.Verdict.Summary, c.Want.Overall)
				}
				for _, f := range rep.Flows {
					for _, r := range f.Resets {
						if boxed(r.Judgement) {
							t.Errorf("%s %s: %s; %+v", r.Cause, r.Confidence, r.Summary, r.Evidence)
						}
					}
					if boxed(f.Ending) {
						t.Errorf("%s %s: %s", f.Ending.Cause, f.Ending.Confidence, f.Ending.Summary)
					}
				}
			})
		})
	}
}

// boxed reports whether a judgement blames a box, and is likely at least.
func boxed(j explain.Judgement) bool {
	return slices.Contains([]probe.Author{probe.OnPath, probe.InPath, probe.OnOrInPath}, j.Author) &&
		slices.Contains([]probe.Confidence{probe.Likely, probe.Proved}, j.Confidence)
}
