package cases_test

import (
	"testing"

	"github.com/rstprobe/rstprobe/internal/lab/cases"
	"github.com/rstprobe/rstprobe/internal/testenv"
)

// TestThirdParty runs the cases whose box or server is somebody else's
// program.
func TestThirdParty(t *testing.T) {
	testenv.Need(t, "root", "raw", "netns")
	for _, family := range []struct {
		name string
		v6   bool
	}{{"ipv4", false}, {"ipv6", true}} {
		t.Run(family.name, func(t *testing.T) {
			for _, c := range cases.ThirdParty(family.v6) {
				t.Run(c.Name, func(t *testing.T) {
					testenv.Need(t, c.Needs()...)
					t.Parallel()
					check(t, c, measure(t, c))
				})
			}
		})
	}
}
