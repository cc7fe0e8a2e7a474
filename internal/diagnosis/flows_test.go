package diagnosis_test

import (
	"errors"
	"testing"
	"testing/synctest"

	"github.com/rstprobe/rstprobe/internal/diagnosis"
	"github.com/rstprobe/rstprobe/internal/lab"
	"github.com/rstprobe/rstprobe/internal/lab/middlebox"
	"github.com/rstprobe/rstprobe/probe"
)

// TestFlowsApart: a box stands on one of two paths. That path's verdict and
// place are its own, and nothing of them falls on the other.
func TestFlowsApart(t *testing.T) {
	for name, box := range map[string]func() middlebox.Box{"tap": tap, "in-path": inPath, "dropper": dropper} {
		for _, leg := range []lab.Branch{lab.Trunk, lab.SecondLeg} {
			t.Run(name, func(t *testing.T) {
				synctest.Test(t, func(t *testing.T) {
					top := lab.Topology{Routers: 8, RTT: rtt, Fork: &lab.Fork{From: 2, To: 6}, Boxes: []lab.Placement{{Router: 4, Branch: leg, New: box}}}
					router := top.Router(4)
					if leg == lab.SecondLeg {
						router = top.SecondRouter(4)
					}
					e := connect(t, top)
					cfg := ask(top, e)
					cfg.Flows = 2
					res, err := diagnosis.Run(t.Context(), cfg)
					if err := errors.Join(err, e.Close()); err != nil {
						t.Fatal(err)
					}
					flows := res.Tests[0].Flows
					if len(flows) != 2 {
						t.Fatalf("%d flows, want 2", len(flows))
					}
					for _, f := range flows {
						if f.Routers[3] != router {
							if f.Verdict.Outcome != probe.OK || f.Location != nil {
								t.Errorf("the free path: %v by %v, %+v", f.Verdict.Outcome, f.Verdict.Author, f.Location)
							}
							continue
						}
						if f.Verdict.Confidence != probe.Proved || f.Location == nil || f.Location.After.TTL != 3 || f.Location.At.TTL != 4 {
							t.Errorf("the path of the box: %v (%v), location %+v, want hop 4", f.Verdict.Outcome, f.Verdict.Confidence, f.Location)
						}
					}
				})
			})
		}
	}
}
