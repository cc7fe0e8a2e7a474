package diagnosis_test

import (
	"errors"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/rstprobe/rstprobe/internal/diagnosis"
	"github.com/rstprobe/rstprobe/internal/lab"
	"github.com/rstprobe/rstprobe/internal/lab/middlebox"
	"github.com/rstprobe/rstprobe/internal/residual"
	"github.com/rstprobe/rstprobe/probe"
)

// TestCharacterize: the matrix tells boxes apart that all block one name. What
// is expected are the rows that act; every other row must have been tried and
// must not.
func TestCharacterize(t *testing.T) {
	wall := func(m func() middlebox.Match) func() middlebox.Box {
		return func() middlebox.Box {
			return &middlebox.Resetter{Match: m(), Client: true, Follow: true, Drop: true}
		}
	}
	for _, tt := range []struct {
		name string
		kind probe.Kind
		box  func() middlebox.Box
		acts []string
	}{
		{"reads the name in single packets", probe.SNI,
			wall(func() middlebox.Match { return middlebox.NameIs(blocked) }),
			[]string{"exact", "upper_case", "no_handshake", "twice", "bare_syn", "other_port", "tls_records", "as_host", "other_address"}},
		{"puts segments together", probe.SNI,
			wall(func() middlebox.Match { return middlebox.Reassembled(middlebox.NameIs(blocked)) }),
			[]string{"exact", "upper_case", "two_segments", "two_segments_slow", "no_handshake", "twice", "bare_syn", "other_port", "tls_records", "as_host", "other_address"}},
		{"follows connections", probe.SNI,
			func() middlebox.Box {
				return &middlebox.AfterHandshake{Box: &middlebox.Resetter{Match: middlebox.NameIs(blocked), Client: true, Follow: true, Drop: true}}
			},
			[]string{"exact", "upper_case", "twice", "bare_syn", "other_port", "tls_records", "as_host", "other_address"}},
		{"reads the first TLS record", probe.SNI,
			wall(func() middlebox.Match { return middlebox.FirstRecord(middlebox.NameIs(blocked)) }),
			[]string{"exact", "upper_case", "no_handshake", "twice", "bare_syn", "other_port", "as_host", "other_address"}},
		{"searches for bytes", probe.Host,
			wall(func() middlebox.Match { return middlebox.Contains(blocked) }),
			[]string{"exact", "trailing_dot", "subdomain", "glued", "prefix", "no_handshake", "twice", "bare_syn", "other_port", "in_path", "absolute_form", "as_sni", "other_address"}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				top := lab.Topology{Routers: 6, RTT: rtt, Boxes: []lab.Placement{{Router: 3, New: tt.box}}}
				e := connect(t, top)
				defer func() {
					if err := e.Close(); err != nil {
						t.Error(err)
					}
				}()
				cfg := ask(top, e)
				cfg.Characterize, cfg.ControlAddress = true, top.ServerAddr2()
				cfg.Questions[0].Kind = tt.kind
				if tt.kind == probe.Host {
					cfg.Target.Port = 80
				}
				res, err := diagnosis.Run(t.Context(), cfg)
				if err != nil {
					t.Fatal(err)
				}
				var acts []string
				for _, row := range res.Tests[0].Matrix {
					if row.Acted > 0 {
						acts = append(acts, row.Name)
					}
					if row.Total == 0 || row.Acted != 0 && row.Acted != row.Total {
						t.Errorf("%s: acted in %d of %d (%v)", row.Name, row.Acted, row.Total, row.Ends)
					}
				}
				if diff := cmp.Diff(tt.acts, acts); diff != "" {
					t.Errorf("what triggers (-want +got):\n%s", diff)
				}
			})
		})
	}
}

// TestResidualMeasured: a block of the same flow is measured where everything
// is to be known, and the next run takes it from the ledger.
func TestResidualMeasured(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		box := func() middlebox.Box {
			tap := middlebox.Resetter{Match: middlebox.NameIs(blocked), Client: true, Follow: true, ACK: true}
			during := tap
			during.Match = middlebox.HasData
			return &middlebox.Residual{Box: &tap, During: &during, For: 75 * time.Second, Flow: true}
		}
		top := lab.Topology{Routers: 6, RTT: rtt, Boxes: []lab.Placement{{Router: 3, New: box}}}
		var ledger residual.Ledger
		for i, waits := range []bool{true, false} {
			e := connect(t, top)
			cfg := ask(top, e)
			cfg.Characterize, cfg.MaxWait, cfg.Ledger = true, 20*time.Minute, &ledger
			res, err := diagnosis.Run(t.Context(), cfg)
			if err := errors.Join(err, e.Close()); err != nil {
				t.Fatal(err)
			}
			fact := res.Tests[0].Residual
			if fact.Scope != residual.FourTuple || fact.Min >= 75*time.Second || fact.Max < 75*time.Second || fact.Max > 2*time.Minute {
				t.Errorf("run %d: %+v, want a block of the same flow for 75 s", i, fact)
			}
			if waited := res.Waited > time.Minute; waited != waits {
				t.Errorf("run %d: waited %v", i, res.Waited)
			}
		}
	})
}

// TestNotCharacterized: nothing interferes, or nobody asked.
func TestNotCharacterized(t *testing.T) {
	for name, world := range map[string]struct {
		top lab.Topology
		ask bool
	}{"clean": {path(0, nil), true}, "not asked": {path(3, inPath), false}} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				e := connect(t, world.top)
				defer func() {
					if err := e.Close(); err != nil {
						t.Error(err)
					}
				}()
				cfg := ask(world.top, e)
				cfg.Characterize = world.ask
				res, err := diagnosis.Run(t.Context(), cfg)
				if err != nil || res.Tests[0].Matrix != nil {
					t.Errorf("%d rows, error %v", len(res.Tests[0].Matrix), err)
				}
			})
		})
	}
}
