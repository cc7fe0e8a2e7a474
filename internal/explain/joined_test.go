package explain

import (
	"net/netip"
	"slices"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/rstprobe/rstprobe/internal/explain/join"
	"github.com/rstprobe/rstprobe/probe"
)

// TestClaimed: what a kernel's word for a reset makes of a judgement.
func TestClaimed(t *testing.T) {
	t.Parallel()
	server, client := netip.MustParseAddrPort("[2001:db8::1]:443"), netip.MustParseAddrPort("[2001:db8::2]:51000")
	type outcome struct {
		Author     probe.Author
		Cause      probe.Cause
		Pattern    string
		Confidence probe.Confidence
		For        []probe.RuleID
		Against    []probe.RuleID
	}
	rules := func(list []probe.Evidence) (ids []probe.RuleID) {
		for _, e := range list {
			ids = append(ids, e.Rule)
		}
		return ids
	}
	own := func(pattern string, decisive bool) []probe.Evidence {
		return []probe.Evidence{{Rule: probe.RuleID(pattern), Decisive: decisive}, {Rule: "other"}}
	}
	contrary := []probe.Evidence{{Rule: "contrary"}}
	box := func(decisive bool) Judgement {
		return Judgement{Author: probe.OnOrInPath, Cause: "M3", Pattern: "data-triggered", Confidence: probe.Likely, Evidence: own("data-triggered", decisive), Against: contrary}
	}
	died := Judgement{Author: probe.Server, Cause: "S10", Pattern: "process-died", Confidence: probe.Possible, Evidence: own("process-died", false), Against: contrary}
	for _, tt := range []struct {
		name, reason string
		stage        probe.Stage
		fromClient   bool
		before       Judgement
		want         outcome
	}{
		{
			"a box decisively, and yet", "TCP_ABORT_ON_CLOSE", probe.StageData, false, box(true),
			outcome{probe.Server, "S7", "unread-data", probe.Proved, []probe.RuleID{kernelReason, "contrary"}, []probe.RuleID{"data-triggered", "other"}},
		},
		{
			"no socket after a box", join.NoSocket, probe.StageData, false, box(true),
			outcome{probe.OnOrInPath, "M3", "data-triggered", probe.Likely, []probe.RuleID{"data-triggered", "other"}, []probe.RuleID{"contrary", kernelReason}},
		},
		{
			"no socket", join.NoSocket, probe.StageData, false, box(false),
			outcome{probe.Server, "S5", "no-such-connection", probe.Proved, []probe.RuleID{kernelReason, "contrary"}, []probe.RuleID{"data-triggered", "other"}},
		},
		{
			"closed port", join.NoSocket, probe.StageSYN, false, box(false),
			outcome{probe.Server, "S1", "closed-port", probe.Proved, []probe.RuleID{kernelReason, "contrary"}, []probe.RuleID{"data-triggered", "other"}},
		},
		{
			"the reason agrees", join.NoSocket, probe.StageData, false, died,
			outcome{probe.Server, "S10", "process-died", probe.Proved, []probe.RuleID{kernelReason, "process-died", "other"}, []probe.RuleID{"contrary"}},
		},
		{
			"the reason is another", "TCP_KEEPALIVE_TIMEOUT", probe.StageData, false, died,
			outcome{probe.Server, "S21", "keepalive-failed", probe.Proved, []probe.RuleID{kernelReason, "other"}, []probe.RuleID{"contrary", "process-died"}},
		},
		{
			"no code for the reason", "TCP_STATE", probe.StageData, false, died,
			outcome{probe.Server, "S10", "process-died", probe.Proved, []probe.RuleID{kernelReason, "process-died", "other"}, []probe.RuleID{"contrary"}},
		},
		{
			"the client's, for a server's reason", "TCP_TIMEWAIT_SOCKET", probe.StageData, true, box(true),
			outcome{probe.OwnSide, "", "", probe.Proved, []probe.RuleID{kernelReason, "contrary"}, []probe.RuleID{"data-triggered", "other"}},
		},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			r := Reset{Packet: 9, From: server, Toward: client, Judgement: tt.before}
			if tt.fromClient {
				r.From, r.Toward = client, server
			}
			r.Evidence, r.Against = slices.Clone(r.Evidence), slices.Clone(r.Against)
			r.claimed(&Flow{Client: client, Server: server, Stage: tt.stage}, tt.reason)
			got := outcome{r.Author, r.Cause, r.Pattern, r.Confidence, rules(r.Evidence), rules(r.Against)}
			if diff := cmp.Diff(tt.want, got); diff != "" {
				t.Errorf("-want +got:\n%s", diff)
			}
		})
	}
}
