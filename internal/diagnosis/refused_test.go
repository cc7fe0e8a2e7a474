package diagnosis_test

import (
	"context"
	"strings"
	"testing"
	"testing/synctest"

	"github.com/rstprobe/rstprobe/internal/diagnosis"
	"github.com/rstprobe/rstprobe/internal/flow"
	"github.com/rstprobe/rstprobe/probe"
)

// refusing is an exchanger of a machine that after some batches sends nothing
// any more.
type refusing struct {
	probe.Exchanger
	after int
	why   flow.Refusal
	batch int
}

func (r *refusing) Exchange(ctx context.Context, trials ...probe.Trial) ([]flow.Record, error) {
	if r.batch++; r.batch <= r.after {
		return r.Exchanger.Exchange(ctx, trials...)
	}
	recs := make([]flow.Record, len(trials))
	for i := range recs {
		recs[i] = flow.Record{Source: flow.Raw, Cut: true, Refused: r.why}
	}
	return recs, nil
}

// TestRefused: whenever this machine begins to refuse to send, that is the
// result, and not an error: nothing is said of the network, nor that all is
// well.
func TestRefused(t *testing.T) {
	for why, says := range map[flow.Refusal]string{
		flow.Forbidden: "Next: look at sudo nft list ruleset", flow.NoWay: "Next: look at ip route get", flow.NoRoom: "a lower --rate",
	} {
		for after := range 3 {
			synctest.Test(t, func(t *testing.T) {
				top := path(0, nil)
				e := connect(t, top)
				res, err := diagnosis.Run(t.Context(), ask(top, &refusing{Exchanger: e, after: after, why: why}))
				if err != nil || res.Interrupted || res.Outcome != probe.OverallUnreachable || !strings.Contains(res.Summary, says) {
					t.Errorf("after %d: error %v, outcome %v: %s; want %v, and %q", after, err, res.Outcome, res.Summary, probe.OverallUnreachable, says)
				}
				if err := e.Close(); err != nil {
					t.Error(err)
				}
			})
		}
	}
}
