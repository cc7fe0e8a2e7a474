package report

import (
	"slices"
	"strings"
	"testing"

	"github.com/rstprobe/rstprobe/internal/explain"
	"github.com/rstprobe/rstprobe/internal/explain/twoends"
	"github.com/rstprobe/rstprobe/probe"
)

// TestSettle: what two captures show of a reset is said of the reset, and what
// one said to the contrary speaks against it.
func TestSettle(t *testing.T) {
	one := func(author probe.Author, cause probe.Cause, degree probe.Confidence) explain.Judgement {
		return explain.Judgement{
			Author: author, Cause: cause, Pattern: "one-sided", Confidence: degree, Summary: "by one", Chinese: "一", Next: "one",
			Evidence: []probe.Evidence{{Rule: "one-sided", Supports: author, Detail: "by one", Packets: []int{53}}},
			Against:  []probe.Evidence{{Rule: "one-against", Detail: "con"}},
		}
	}
	both := func(author probe.Author, cause probe.Cause, degree probe.Confidence) twoends.Judgement {
		return twoends.Judgement{
			Author: author, Cause: cause, Confidence: degree, Summary: "by both", Chinese: "二", Next: "both",
			Evidence: []twoends.Evidence{{Evidence: probe.Evidence{Rule: "two-sided", Packets: []int{53}}, AtServer: []int{77}}},
		}
	}
	for _, tt := range []struct {
		name     string
		one      explain.Judgement
		both     twoends.Judgement
		own      bool // an end sent it
		swapped  bool
		want     string // author, cause, confidence, summary, pattern
		evidence []string
		against  []string
		next     string
	}{
		{"forged after all", one(probe.Server, "S5", probe.Possible), both(probe.OnOrInPath, "M3", probe.Proved), false, false,
			"path M3 proved by both ", []string{"two-sided", "one-against"}, []string{"one-sided"}, "both"},
		{"forged, in the wrong order", one(probe.Server, "S5", probe.Possible), both(probe.OnOrInPath, "M3", probe.Proved), false, true,
			"path M3 proved by both ", []string{"two-sided", "one-against"}, []string{"one-sided"}, "both"},
		{"forged, as it seemed", one(probe.OnPath, "M3", probe.Likely), both(probe.OnOrInPath, "M3", probe.Proved), false, false,
			"path M3 proved by both one-sided", []string{"two-sided", "one-sided"}, []string{"one-against"}, "both"},
		{"genuine after all", one(probe.OnPath, "M3", probe.Likely), both(probe.Server, "", probe.Proved), true, false,
			"server  proved by both ", []string{"two-sided", "one-against"}, []string{"one-sided"}, "both"},
		{"genuine, and why", one(probe.Server, "S8", probe.Possible), both(probe.Server, "", probe.Proved), true, false,
			"server S8 possible by one one-sided", []string{"one-sided", "two-sided"}, []string{"one-against"}, "one"},
		{"less sure", one(probe.Server, "S8", probe.Likely), both(probe.OnOrInPath, "M3", probe.Possible), false, false,
			"server S8 likely by one one-sided", []string{"one-sided"}, []string{"one-against"}, "one"},
		{"not known", one(probe.Server, "S8", probe.Likely), both(probe.Undetermined, "", probe.UndeterminedDegree), true, false,
			"server S8 likely by one one-sided", []string{"one-sided"}, []string{"one-against"}, "one"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			rep := interfered()
			rep.Flows = rep.Flows[:1]
			rep.Flows[0].Resets = rep.Flows[0].Resets[:1]
			r := &rep.Flows[0].Resets[0]
			r.Packet, r.Judgement = 53, tt.one
			res := bothEnds()
			res.Swapped, res.Missing = tt.swapped, nil
			pair := &res.Pairs[1]
			pair.Silence = nil
			pair.Foreign[0].Judgement, pair.Resets[0].Judgement = tt.both, tt.both
			if tt.own {
				pair.Foreign, pair.Resets[0].Packet = nil, [2]int{53, 77}
			} else {
				pair.Resets = nil
			}
			if tt.swapped {
				r.Packet, pair.Foreign[0].At, pair.Foreign[0].Packet = 77, twoends.Server, 77
			}
			doc := NewCapture(rep, captureMeta).WithServer(res, "server.pcap")
			got := doc.Flows[0].Resets[0]
			rules := func(list List[Evidence]) (all []string) {
				for _, e := range list {
					all = append(all, string(e.Rule))
				}
				return all
			}
			if s := strings.Join([]string{string(got.Author), string(got.Cause), string(got.Confidence), got.Summary, got.Pattern}, " "); s != tt.want || got.Next != tt.next ||
				!slices.Equal(rules(got.Evidence), tt.evidence) || !slices.Equal(rules(got.Against), tt.against) {
				t.Errorf("%q, next %q, for %v, against %v; want %q, %q, %v, %v", s, got.Next, rules(got.Evidence), rules(got.Against), tt.want, tt.next, tt.evidence, tt.against)
			}
			packet := 53
			if tt.swapped {
				packet = 77
			}
			for _, e := range got.Evidence {
				if e.Rule == "two-sided" && !slices.Equal(e.Packets, []int{packet}) {
					t.Errorf("evidence %+v, want packet %d of the file", e, packet)
				}
			}
			// Who sent it himself is counted, not told again.
			text := captureText(t, doc, CaptureStyle{})
			if own := tt.own && tt.both.Author == probe.Server; own != strings.Contains(text, "Resets that an end sent itself: 1 by the server (1x ") {
				t.Errorf("resets of an end's own counted: want %v\n%s", own, text)
			}
			if n := strings.Count(text, "\n* "); tt.own && tt.both.Author == probe.Server && n > 0 {
				t.Errorf("%d findings of both captures are told by themselves, want none\n%s", n, text)
			}
		})
	}
}
