package cases_test

import (
	"encoding/json"
	"os"
	"slices"
	"testing"
	"testing/synctest"

	"github.com/rstprobe/rstprobe/internal/diagnosis"
	"github.com/rstprobe/rstprobe/internal/lab/cases"
	"github.com/rstprobe/rstprobe/internal/lab/simnet"
	"github.com/rstprobe/rstprobe/internal/wire/engine"
	"github.com/rstprobe/rstprobe/probe"
)

// TestSimulated runs every case on the simulated path, in virtual time.
func TestSimulated(t *testing.T) {
	for _, family := range []struct {
		name string
		v6   bool
	}{{"ipv4", false}, {"ipv6", true}} {
		t.Run(family.name, func(t *testing.T) {
			for _, c := range cases.Matrix(family.v6) {
				if c.RealKernel() {
					continue // a real kernel's; run by TestKernel
				}
				t.Run(c.Name, func(t *testing.T) {
					synctest.Test(t, func(t *testing.T) { check(t, c, simulate(t, c, 1)) })
				})
			}
		})
	}
}

// simulate runs one case on the simulated path; the caller is in a bubble.
func simulate(t *testing.T, c cases.Case, seed uint64) diagnosis.Result {
	t.Helper()
	ports := make([]uint16, 64)
	for i := range ports {
		ports[i] = uint16(40000 + i)
	}
	return diagnose(t, c, engine.Config{Wire: simnet.New(c.Topology, seed), Ports: ports, Seed: seed})
}

// diagnose asks the case's question over a wire.
func diagnose(t *testing.T, c cases.Case, cfg engine.Config) diagnosis.Result {
	t.Helper()
	cfg.Source, cfg.Trace = c.Topology.Client(), trace(t)
	e, err := engine.New(cfg)
	if err != nil {
		t.Fatal(err)
	}
	defer func() {
		if err := e.Close(); err != nil {
			t.Error(err)
		}
	}()
	ask := c.Config()
	ask.Exchanger = e
	res, err := diagnosis.Run(t.Context(), ask)
	if err != nil {
		t.Fatal(err)
	}
	return res
}

// trace logs every packet where RSTPROBE_TRACE=packets asks for it.
func trace(t *testing.T) func(string) {
	if os.Getenv("RSTPROBE_TRACE") != "packets" {
		return nil
	}
	return func(line string) { t.Log(line) }
}

// check fails the test where the diagnosis is not the expected one.
func check(t *testing.T, c cases.Case, res diagnosis.Result) {
	t.Helper()
	wrong := c.Check(res)
	for _, w := range wrong {
		t.Error(w)
	}
	if len(wrong) > 0 {
		b, err := json.MarshalIndent(res.Tests, "", " ")
		if err != nil {
			t.Fatal(err)
		}
		t.Logf("%s\n%s\nserver at %d\n%s", c.Doc, res.Summary, res.Path.ServerTTL, b)
	}
}

// TestLossNeverBlamesTwins loses 5 % of the packets, many times over: no
// innocent world may ever be called interference.
func TestLossNeverBlamesTwins(t *testing.T) {
	for _, c := range cases.All() {
		if c.RealKernel() || slices.Contains(c.Want.Overall, probe.Interference) {
			continue
		}
		c.Topology.Loss = 0.05
		t.Run(c.Name, func(t *testing.T) {
			t.Parallel()
			for seed := range uint64(twinSeeds) {
				synctest.Test(t, func(t *testing.T) {
					if res := simulate(t, c, seed); res.Outcome == probe.Interference {
						check(t, c, res)
						t.Fatalf("seed %d", seed)
					}
				})
			}
		})
	}
}

// TestLossNeverClearsBoxes loses 5 % of the packets: a box may come out as
// inconclusive now and then, and never as the server's doing or as nothing at
// all. Where it is found, it is placed, too.
func TestLossNeverClearsBoxes(t *testing.T) {
	for _, c := range cases.All() {
		if c.RealKernel() || !slices.Contains(c.Want.Overall, probe.Interference) {
			continue
		}
		c.Topology.Loss = 0.05
		t.Run(c.Name, func(t *testing.T) {
			t.Parallel()
			found, placed := 0, 0
			for seed := range uint64(boxSeeds) {
				synctest.Test(t, func(t *testing.T) {
					res := simulate(t, c, seed)
					switch res.Outcome {
					case probe.Clean, probe.ServerRefuses:
						check(t, c, res)
						t.Errorf("seed %d: %s", seed, res.Summary)
					case probe.Interference:
						found++
						if located(t, c, res, seed) {
							placed++
						}
					case probe.OverallInconclusive, probe.OverallUnreachable:
					}
				})
			}
			t.Logf("found in %d of %d runs, placed in %d", found, boxSeeds, placed)
			least := boxSeeds - boxSeeds/10 - 1 // large transfers suffer most
			if c.Want.Within {
				least = boxSeeds - boxSeeds/4 - 1 // it acts by chance itself
			}
			if found < least || c.Want.At > 0 && placed < least {
				t.Errorf("found in %d of %d runs, placed in %d, want %d at least", found, boxSeeds, placed, least)
			}
		})
	}
}

// located reports whether a diagnosis names a segment, and fails the test where
// that does not hold the box.
func located(t *testing.T, c cases.Case, res diagnosis.Result, seed uint64) bool {
	t.Helper()
	if len(res.Tests) != 1 || res.Tests[0].Location == nil {
		return false
	}
	if l := res.Tests[0].Location; l.After.TTL > c.Want.After || l.At.TTL < c.Want.At {
		t.Errorf("seed %d: placed between %d and %d, stands between %d and %d (%s)", seed, l.After.TTL, l.At.TTL, c.Want.After, c.Want.At, l.Method)
	}
	return true
}
