package cases_test

import (
	"reflect"
	"strings"
	"testing"
	"testing/synctest"

	"github.com/rstprobe/rstprobe/internal/lab/cases"
)

// TestPlaceIsTheNearestBoxs: where there are several boxes, the sentence, the
// path and the list of boxes place the first of them alike.
func TestPlaceIsTheNearestBoxs(t *testing.T) {
	c, ok := cases.Find("two-taps")
	if !ok {
		t.Fatal("no such case")
	}
	synctest.Test(t, func(t *testing.T) {
		res := simulate(t, c, 1)
		test := res.Tests[0]
		if len(test.Boxes) < 2 || test.Location == nil {
			t.Fatalf("%d boxes, location %v", len(test.Boxes), test.Location)
		}
		if !reflect.DeepEqual(test.Location, test.Boxes[0].Location) {
			t.Errorf("the place is %+v, that of the first box %+v", test.Location, test.Boxes[0].Location)
		}
		if d := test.Location.Device; d == nil || !strings.Contains(res.Summary, d.Addr.String()) {
			t.Errorf("device %v; %s", d, res.Summary)
		}
	})
}
