package diagnosis_test

import (
	"context"
	"encoding/json"
	"errors"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/rstprobe/rstprobe/internal/diagnosis"
	"github.com/rstprobe/rstprobe/internal/flow"
	"github.com/rstprobe/rstprobe/internal/lab"
	"github.com/rstprobe/rstprobe/probe"
)

var worlds = map[string]struct {
	top  lab.Topology
	want probe.Overall
}{
	"clean":   {path(0, nil), probe.Clean},
	"tap":     {path(10, tap), probe.Interference},
	"in-path": {path(routers, inPath), probe.Interference},
	"late":    {path(10, late), probe.Interference},
	"dropper": {path(3, dropper), probe.Interference},
}

// TestInterrupted cuts diagnoses short at many moments: what is said is
// valid, and never wrong.
func TestInterrupted(t *testing.T) {
	for name, world := range worlds {
		t.Run(name, func(t *testing.T) {
			whole := time.Duration(0)
			synctest.Test(t, func(t *testing.T) {
				res, err := run(t.Context(), t, world.top, nil)
				if err != nil || res.Outcome != world.want || res.Interrupted {
					t.Fatalf("uninterrupted: %v, %v; want %v", res.Outcome, err, world.want)
				}
				whole = res.Duration
			})
			// Who runs first within a moment is not fixed, so the end itself is not
			// met to the microsecond.
			for after := time.Duration(0); after < whole-5*time.Millisecond; after += whole / 40 {
				synctest.Test(t, func(t *testing.T) {
					ctx, cancel := context.WithTimeout(t.Context(), after)
					defer cancel()
					res, err := run(ctx, t, world.top, nil)
					if err != nil || !res.Interrupted {
						t.Errorf("after %v: error %v and interrupted %v, want none and true", after, err, res.Interrupted)
					}
					valid(t, res)
					if res.Outcome != world.want && res.Outcome != probe.OverallInconclusive {
						t.Errorf("after %v of %v: %v (%s)", after, whole, res.Outcome, res.Summary)
					}
					// What is open is closed at the usual rate: a millisecond each.
					if late := res.Duration - after; late > 150*time.Millisecond {
						t.Errorf("interrupted after %v, over %v later", after, late)
					}
				})
			}
		})
	}
}

// valid checks what every result promises.
func valid(t *testing.T, r diagnosis.Result) {
	t.Helper()
	if r.Summary == "" || r.Tests == nil || r.Path.Hops == nil || r.Started.IsZero() {
		t.Errorf("result lacks a summary, tests, hops or a start: %+v", r)
	}
	overall := []probe.Overall{probe.Clean, probe.Interference, probe.ServerRefuses, probe.OverallUnreachable, probe.OverallInconclusive}
	if !slices.Contains(overall, r.Outcome) {
		t.Errorf("overall outcome %q", r.Outcome)
	}
	for _, test := range r.Tests {
		v := test.Verdict
		for what, word := range map[string]string{
			"outcome": string(v.Outcome), "stage": string(v.Stage), "trigger": string(v.Trigger),
			"author": string(v.Author), "confidence": string(v.Confidence),
		} {
			if word == "" {
				t.Errorf("%s %q has no %s: %+v", test.Kind, test.Name, what, v)
			}
		}
		if test.ControlNames == nil {
			t.Errorf("%s %q: no list of control names: %+v", test.Kind, test.Name, test)
		}
	}
	if _, err := json.Marshal(r); err != nil {
		t.Errorf("result does not marshal: %v", err)
	}
}

// TestExchangerFails: the error is returned with what was measured until then.
func TestExchangerFails(t *testing.T) {
	errBroken := errors.New("socket broken")
	failing := func(after int64) func(probe.Exchanger) probe.Exchanger {
		return func(x probe.Exchanger) probe.Exchanger {
			var n atomic.Int64
			return exchanger(func(ctx context.Context, trials ...probe.Trial) ([]flow.Record, error) {
				good := int(min(after-min(after, n.Load()), int64(len(trials))))
				n.Add(int64(len(trials)))
				recs := make([]flow.Record, len(trials))
				done, err := x.Exchange(ctx, trials[:good]...)
				copy(recs, done)
				if err == nil && good < len(trials) {
					err = errBroken
				}
				return recs, err
			})
		}
	}
	for name, world := range worlds {
		t.Run(name, func(t *testing.T) {
			for after := int64(0); ; after++ {
				over := false
				synctest.Test(t, func(t *testing.T) {
					res, err := run(t.Context(), t, world.top, failing(after))
					valid(t, res)
					if over = err == nil; over {
						if res.Outcome != world.want {
							t.Errorf("with all %d trials: %v, want %v", after, res.Outcome, world.want)
						}
						return
					}
					if !errors.Is(err, errBroken) || !strings.Contains(err.Error(), "10.9.20.2:443") {
						t.Errorf("after %d trials: error %q, want %q and the target", after, err, errBroken)
					}
					if res.Interrupted {
						t.Errorf("after %d trials: interrupted, but nobody did", after)
					}
					if (after > 0) != (res.PacketsSent > 0) {
						t.Errorf("after %d trials: %d packets sent", after, res.PacketsSent)
					}
					if res.Outcome != probe.OverallInconclusive && (res.Outcome != world.want || world.want != probe.Interference) {
						t.Errorf("after %d trials: %v (%s)", after, res.Outcome, res.Summary)
					}
				})
				if over {
					return
				}
			}
		})
	}
}

func TestIncompleteConfig(t *testing.T) {
	top := path(0, nil)
	none := exchanger(func(context.Context, ...probe.Trial) ([]flow.Record, error) { return nil, nil })
	for name, change := range map[string]func(*diagnosis.Config){
		"no exchanger": func(c *diagnosis.Config) { c.Exchanger = nil },
		"no target":    func(c *diagnosis.Config) { c.Target = probe.Target{} },
		"no question":  func(c *diagnosis.Config) { c.Questions = nil },
	} {
		cfg := ask(top, none)
		change(&cfg)
		for what, ask := range map[string]func(context.Context, diagnosis.Config) (diagnosis.Result, error){
			"Run": diagnosis.Run, "Trace": diagnosis.Trace,
		} {
			if _, err := ask(t.Context(), cfg); err == nil {
				t.Errorf("%s with %s: no error", what, name)
			}
		}
	}
}

// TestTrace draws the path without a verdict.
func TestTrace(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		top := path(10, tap)
		e := connect(t, top)
		defer func() {
			if err := e.Close(); err != nil {
				t.Error(err)
			}
		}()
		res, err := diagnosis.Trace(t.Context(), ask(top, e))
		if err != nil {
			t.Fatal(err)
		}
		if len(res.Tests) != 0 || res.Path.ServerTTL != routers+1 || len(res.Path.Hops) != routers+1 {
			t.Errorf("%d tests, server at %d, %d hops; want none, %d and %d",
				len(res.Tests), res.Path.ServerTTL, len(res.Path.Hops), routers+1, routers+1)
		}
		for i, h := range res.Path.Hops[:routers] {
			if h.Addr != top.Router(i+1) {
				t.Errorf("hop %d is %v, want %v", i+1, h.Addr, top.Router(i+1))
			}
		}
	})
}
