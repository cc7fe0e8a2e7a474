package report

import (
	"strings"
	"testing"

	"github.com/rstprobe/rstprobe/probe"
)

// TestControlsThatExist: nobody claims controls where there were none, and
// with a control address it is named.
func TestControlsThatExist(t *testing.T) {
	var explained, page, md strings.Builder
	d := elsewhere()
	d.Tests[0].Confidence = probe.Proved
	for _, err := range []error{Explain(&explained, d, Style{}), HTML(&page, []Document{d}), Markdown(&md, d)} {
		if err != nil {
			t.Fatal(err)
		}
	}
	for name, got := range map[string]string{"explanation": explained.String(), "page": page.String(), "markdown": md.String()} {
		for _, no := range []string{"controls were healthy", "in turn with controls", "control 0 of 0", "Controls: 0 of 0", "the name cannot be blamed", "a control that fails"} {
			if strings.Contains(got, no) {
				t.Errorf("%s says %q", name, no)
			}
		}
		if name != "markdown" && !strings.Contains(strings.Join(strings.Fields(got), " "), "the control address 10.9.6.3") {
			t.Errorf("%s does not name the control address", name)
		}
	}
}

// TestSlowedAndCut: what is slowed or cut is called that, and has no interval.
func TestSlowedAndCut(t *testing.T) {
	for cause, want := range map[probe.Cause]string{"M10": "slowed or held back", "M14": "cut off"} {
		test := Test{Outcome: probe.Stall, Stage: probe.StageResponse, Cause: cause, Counts: Counts{TestBad: 3, TestTotal: 3, ControlTotal: 4}}
		if got := test.fared(true); !strings.HasPrefix(got, "3 of 3 were "+want) {
			t.Errorf("%s: %s", cause, got)
		}
		if got := test.happened() + test.sureness(true); strings.Contains(got, "silence") || strings.Contains(got, "interval") {
			t.Errorf("%s: %s", cause, got)
		}
	}
}
