package cases_test

import (
	"fmt"
	"strings"
	"testing"
	"testing/synctest"

	"github.com/rstprobe/rstprobe/internal/lab/cases"
	"github.com/rstprobe/rstprobe/report"
	"github.com/rstprobe/rstprobe/traceroute"
)

// TestPathOfDroppedSYNs: what bare SYNs to the target met is the test, what
// those to the control address met the control, and the loss is the box's.
func TestPathOfDroppedSYNs(t *testing.T) {
	c, ok := cases.Find("syn-drop-address")
	if !ok {
		t.Fatal("no such case")
	}
	synctest.Test(t, func(t *testing.T) {
		d := report.New(simulate(t, c, 1), report.Meta{})
		l := d.Tests[0].Location
		if l == nil {
			t.Fatal("not located")
		}
		if d.Path.ServerIP != c.Config().ControlAddress {
			t.Errorf("%v answered, want the control address %v", d.Path.ServerIP, c.Config().ControlAddress)
		}
		for _, h := range d.Path.Hops {
			want := fmt.Sprint(traceroute.TimeExceeded, " ", traceroute.TimeExceeded)
			if h.TTL >= l.AtTTL {
				want = fmt.Sprint(traceroute.TimeExceeded, " ", traceroute.Silent)
			}
			if h.TTL == d.Path.ServerTTL {
				want = fmt.Sprint(traceroute.FromServer, " ", traceroute.Silent)
			}
			if got := fmt.Sprint(h.Control, " ", h.Test); got != want {
				t.Errorf("hop %d: control and test are %s, want %s", h.TTL, got, want)
			}
			if h.TTL < d.Path.ServerTTL && h.Answered < h.Sent {
				t.Errorf("hop %d answered %d of %d control packets", h.TTL, h.Answered, h.Sent)
			}
		}
		var text strings.Builder
		if err := report.Text(&text, d, report.Style{}); err != nil {
			t.Fatal(err)
		}
		if strings.Contains(text.String(), "packets were lost") {
			t.Errorf("blames loss:\n%s", text.String())
		}
	})
}
