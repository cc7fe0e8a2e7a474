package cases

import (
	"fmt"
	"slices"
	"strings"

	"github.com/rstprobe/rstprobe/internal/diagnosis"
	"github.com/rstprobe/rstprobe/probe"
)

// Sockets is how far ordinary sockets, without any privilege, get with a case.
type Sockets string

// The degrees.
const (
	// SocketsSolve: the same answer as with packets, the segment included, but
	// that a box beside the path may not be told from one in it.
	SocketsSolve Sockets = "solved"
	// SocketsFind: something interferes; where is not told.
	SocketsFind Sockets = "found, not placed"
	// SocketsDoubt: something is wrong; who did it is not told.
	SocketsDoubt Sockets = "left open"
)

// Boxes that act on what follows the name, or on what the server answers, are
// placed by what only packets show: a harmless packet behind a copy, or the
// TTL of a reset that comes behind data.
var (
	foundOnSockets   = []string{"rewrite", "volume-cut"}
	doubtedOnSockets = []string{"mute", "mute-server", "mute-after-one", "headless", "throttle", "tap-on-answer", "synack-reset"}
)

// OnSockets is how far ordinary sockets get with the case.
func (c Case) OnSockets() Sockets {
	name, _, _ := strings.Cut(c.Name, "/")
	bare := strings.TrimPrefix(strings.TrimPrefix(name, string(probe.SNI)+"-"), string(probe.Host)+"-")
	atServer := c.Want.At > routers // behind the last router's TTL check, where a server's own filter stands as well
	switch {
	case slices.Contains(doubtedOnSockets, bare):
		return SocketsDoubt
	case slices.Contains(foundOnSockets, bare), atServer && slices.Contains(c.Want.Outcome, probe.Drop):
		return SocketsFind
	}
	return SocketsSolve
}

// CheckOnSockets is Check for a diagnosis by ordinary sockets.
func (c Case) CheckOnSockets(r diagnosis.Result) []string {
	w := c.Want
	w.Causes, w.Boxes = nil, 0
	if len(w.Authors) > 0 {
		w.Authors = append(slices.Clone(w.Authors), probe.OnOrInPath)
	}
	located := len(r.Tests) == 1 && r.Tests[0].Location != nil
	switch degree := c.OnSockets(); {
	case degree == SocketsFind:
		w.After, w.At = 0, 0
	case degree == SocketsDoubt:
		if r.Outcome == probe.Clean {
			return []string{fmt.Sprintf("overall outcome is %s", r.Outcome)}
		}
		w.Overall, w.Outcome, w.Authors = nil, nil, nil
		if !located {
			w.After, w.At = 0, 0
		}
	case w.Within && !located: // it acts by chance, and may have left all copies alone
		w.After, w.At = 0, 0
	case slices.Contains(w.Outcome, probe.Unreachable):
		w.Outcome = append(slices.Clone(w.Outcome), probe.Drop) // a router's error is one connection's luck
	}
	c.Want = w
	return c.Check(r)
}
