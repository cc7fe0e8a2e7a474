package diagnosis_test

import (
	"errors"
	"testing"
	"testing/synctest"
	"time"

	"github.com/rstprobe/rstprobe/internal/diagnosis"
	"github.com/rstprobe/rstprobe/internal/lab"
	"github.com/rstprobe/rstprobe/internal/lab/middlebox"
	"github.com/rstprobe/rstprobe/internal/residual"
	"github.com/rstprobe/rstprobe/probe"
)

// remembering is a path whose third router blocks all connections to the port
// for a minute after the blocked name.
func remembering(box func() (acts, during middlebox.Box)) lab.Topology {
	return lab.Topology{Routers: 6, RTT: rtt, Boxes: []lab.Placement{{Router: 3, New: func() middlebox.Box {
		acts, during := box()
		return &middlebox.Residual{Box: acts, During: during, For: time.Minute}
	}}}}
}

func resets() (acts, during middlebox.Box) {
	tap := middlebox.Resetter{Match: middlebox.NameIs(blocked), Client: true, Follow: true, ACK: true}
	all := tap
	all.Match = middlebox.HasData
	return &tap, &all
}

func swallows() (acts, during middlebox.Box) {
	return dropper(), &middlebox.Dropper{Match: middlebox.Any}
}

// TestBlockOutlastsWait: however short the time is that may be waited, what
// was poisoned has no vote, and what was not asked is not answered.
func TestBlockOutlastsWait(t *testing.T) {
	for _, wait := range []time.Duration{0, 5 * time.Second, 20 * time.Second, 100 * time.Second, 3 * time.Minute} {
		t.Run(wait.String(), func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				top := remembering(resets)
				e := connect(t, top)
				cfg := ask(top, e)
				cfg.MaxWait, cfg.Characterize = wait, true
				cfg.Questions = append(cfg.Questions, diagnosis.Question{Kind: probe.SNI, Name: "fine.example"})
				res, err := diagnosis.Run(t.Context(), cfg)
				if err := errors.Join(err, e.Close()); err != nil {
					t.Fatal(err)
				}
				first, second := res.Tests[0], res.Tests[1]
				if v := first.Verdict; res.Outcome != probe.Interference || v.Outcome != probe.Reset || v.Trigger != probe.TriggerSNI {
					t.Errorf("%v: %v by %v, want interference: a reset by the name", res.Outcome, v.Outcome, v.Trigger)
				}
				if loc := first.Location; loc == nil || loc.After.TTL > 2 || loc.At.TTL < 3 {
					t.Errorf("location %+v, want one that holds hop 3", loc)
				}
				if first.Residual.Scope == residual.FourTuple || first.Matrix != nil {
					t.Errorf("residual %+v and %d rows, want no block of one flow and no matrix", first.Residual, len(first.Matrix))
				}
				// Without a wait the block is not known, but its controls meet it as well.
				if v := second.Verdict; v.Trigger == probe.TriggerSNI || v.Interferes() && wait > 0 {
					t.Errorf("the other name: %v by %v and %v", v.Outcome, v.Trigger, v.Author)
				}
				if res.Waited > wait {
					t.Errorf("waited %v", res.Waited)
				}
			})
		})
	}
}

// TestOneAtATime: where each trial blocks the next one, each waits for the end
// of the block, and all of them count.
func TestOneAtATime(t *testing.T) {
	for name, world := range map[string]struct {
		box   func() (acts, during middlebox.Box)
		votes int // a lost copy tells less than a reset
	}{"resets": {resets, 3}, "swallows": {swallows, 2}} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				top := remembering(world.box)
				e := connect(t, top)
				cfg := ask(top, e)
				cfg.MaxWait = time.Hour
				res, err := diagnosis.Run(t.Context(), cfg)
				if err := errors.Join(err, e.Close()); err != nil {
					t.Fatal(err)
				}
				test := res.Tests[0]
				if v := test.Verdict; v.Confidence != probe.Proved || v.Trigger != probe.TriggerSNI {
					t.Errorf("%v by %v, want one proved, by the name", v.Confidence, v.Trigger)
				}
				if loc := test.Location; loc == nil || loc.After.TTL != 2 || loc.At.TTL != 3 || loc.Votes < world.votes {
					t.Errorf("location %+v, want hop 3 by at least %d votes", loc, world.votes)
				}
			})
		})
	}
}
