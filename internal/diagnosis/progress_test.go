package diagnosis_test

import (
	"errors"
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/rstprobe/rstprobe/internal/diagnosis"
	"github.com/rstprobe/rstprobe/internal/lab"
	"github.com/rstprobe/rstprobe/internal/lab/middlebox"
	"github.com/rstprobe/rstprobe/probe"
)

// TestProgress: what is told while a diagnosis goes on, and what its result
// says afterwards of where packets and time went.
func TestProgress(t *testing.T) {
	name := func(step diagnosis.Step) diagnosis.StepTaken {
		return diagnosis.StepTaken{Step: step, Kind: probe.SNI, Name: blocked}
	}
	common := diagnosis.StepTaken{Step: diagnosis.StepPath}
	for _, tt := range []struct {
		name    string
		top     lab.Topology
		change  func(*diagnosis.Config)
		steps   []diagnosis.StepTaken // without their counts
		waits   bool
		reaches float64 // share told last
	}{
		{
			"a box", path(3, tap), func(*diagnosis.Config) {},
			[]diagnosis.StepTaken{common, name(diagnosis.StepControls), name(diagnosis.StepTests), name(diagnosis.StepLocate)}, false, 0.75,
		},
		{
			"what triggers", path(3, tap), func(cfg *diagnosis.Config) { cfg.Characterize = true },
			[]diagnosis.StepTaken{
				common, name(diagnosis.StepControls), name(diagnosis.StepTests), name(diagnosis.StepLocate), name(diagnosis.StepForms),
			}, false, 0.8,
		},
		{
			"no box", path(0, func() middlebox.Box { return nil }), func(*diagnosis.Config) {},
			[]diagnosis.StepTaken{common, name(diagnosis.StepControls), name(diagnosis.StepTests)}, false, 0.5,
		},
		{
			"a block to wait for", remembering(resets), func(cfg *diagnosis.Config) { cfg.MaxWait = time.Hour },
			[]diagnosis.StepTaken{
				common, name(diagnosis.StepControls), name(diagnosis.StepTests), name(diagnosis.StepHold), name(diagnosis.StepWait), name(diagnosis.StepLocate),
			}, true, 0.75,
		},
	} {
		t.Run(tt.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				e := connect(t, tt.top)
				cfg := ask(tt.top, e)
				tt.change(&cfg)
				var last diagnosis.Progress
				waited, heard := false, 0
				cfg.Progress = func(p diagnosis.Progress) {
					if p.Share < last.Share || p.Share > 1 || p.Packets < last.Packets {
						t.Errorf("progress goes back from %.2f, %d packets to %.2f, %d", last.Share, last.Packets, p.Share, p.Packets)
					}
					waited = waited || p.Pause > 0
					heard = max(heard, len(p.Hops))
					last = p
				}
				res, err := diagnosis.Run(t.Context(), cfg)
				if err := errors.Join(err, e.Close()); err != nil {
					t.Fatal(err)
				}
				var got []diagnosis.StepTaken
				trials, packets, took := 0, 0, time.Duration(0)
				for _, s := range res.Steps {
					trials, packets, took = trials+s.Trials, packets+s.Packets, took+s.Took
					got = append(got, diagnosis.StepTaken{Step: s.Step, Kind: s.Kind, Name: s.Name})
				}
				if diff := cmp.Diff(tt.steps, got); diff != "" {
					t.Errorf("steps (-want +got):\n%s", diff)
				}
				if trials != len(res.Attempts) || packets != res.PacketsSent || took != res.Duration {
					t.Errorf("steps add up to %d trials, %d packets, %v; want %d, %d, %v",
						trials, packets, took, len(res.Attempts), res.PacketsSent, res.Duration)
				}
				if last.Share != tt.reaches || waited != tt.waits || heard != len(res.Path.Hops) {
					t.Errorf("share %.2f, waited %v, %d hops; want %.2f, %v, %d", last.Share, waited, heard, tt.reaches, tt.waits, len(res.Path.Hops))
				}
				if tt.waits && !slices.ContainsFunc(res.Steps, func(s diagnosis.StepTaken) bool {
					return s.Step == diagnosis.StepWait && s.Trials == 0 && s.Took > 0
				}) {
					t.Errorf("steps %+v, want the wait apart from what it is for", res.Steps)
				}
			})
		})
	}
}
