package privilege

import (
	"os/exec"
	"regexp"
	"testing"
)

// TestShed: a program that is started within has no capability and can gain
// none, whatever we have and whether or not the bounding set is ours to empty;
// we keep ours.
func TestShed(t *testing.T) {
	for name, left := range map[string]sets{
		"superuser":           now(t),
		"bounding set stays":  {raw | files, raw | files},
		"permitted, not used": {0, raw},
		"nothing":             {},
	} {
		t.Run(name, func(t *testing.T) {
			onThread(t, left, func() {
				var status []byte
				err := Shed(func() (err error) {
					status, err = exec.CommandContext(t.Context(), "/bin/cat", "/proc/self/status").Output()
					return err
				})
				if err != nil {
					t.Error(err) // this is no goroutine to end the test from
				}
				for _, set := range []string{"CapInh", "CapPrm", "CapEff", "CapAmb"} {
					if !regexp.MustCompile(set + `:\s+0+\n`).Match(status) {
						t.Errorf("%s is not empty:\n%s", set, status)
					}
				}
				if !regexp.MustCompile(`NoNewPrivs:\s+1\n`).Match(status) {
					t.Errorf("it may gain privileges:\n%s", status)
				}
				if got := now(t); got != left {
					t.Errorf("we have %v afterwards, had %v", got, left)
				}
			})
		})
	}
}
