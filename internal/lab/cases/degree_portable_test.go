//go:build linux && portable

package cases_test

import (
	"fmt"
	"regexp"
	"slices"
	"strings"

	"github.com/rstprobe/rstprobe/internal/diagnosis"
	"github.com/rstprobe/rstprobe/internal/lab/cases"
	"github.com/rstprobe/rstprobe/probe"
)

// The sockets that every system has place what answers a name at once and
// always. What they cannot see: who refuses a SYN, what became of a packet
// that nobody answers, and a box that acts on the second copy only. One that
// copies our TTL is placed too far by them, and one behind the last router not
// at all.
var (
	placedAnywhere = regexp.MustCompile(`^(sni|host)-(reset-(on-path|both-ends|tap-behind-ttl|slow|late|stateful|after-handshake|in-path)|reject-behind-ttl|page-.*|impostor|look-[^c].*)/`)
	misplaced      = regexp.MustCompile(`^(sni|host)-look-copied-ttl/`)
)

// onThisSystem checks a diagnosis by the ordinary sockets of this build.
func onThisSystem(c cases.Case, r diagnosis.Result) []string {
	box := slices.Equal(c.Want.Overall, []probe.Overall{probe.Interference})
	located := len(r.Tests) == 1 && r.Tests[0].Location != nil
	switch {
	case placedAnywhere.MatchString(c.Name) && !strings.Contains(c.Name, "behind-ttl/router-6"):
		return c.CheckOnSockets(r)
	case !box && r.Outcome == probe.Interference && !slices.Contains(c.Want.Overall, r.Outcome):
		return []string{fmt.Sprintf("what is innocent is called %s", r.Outcome)}
	case located && c.Want.At > 0 && !misplaced.MatchString(c.Name):
		if l := r.Tests[0].Location; l.At.TTL < c.Want.After || l.After.TTL > c.Want.At {
			return []string{fmt.Sprintf("the segment is %d to %d, want %d to %d", l.After.TTL, l.At.TTL, c.Want.After, c.Want.At)}
		}
	}
	return nil
}
