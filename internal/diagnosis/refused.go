package diagnosis

import (
	"fmt"

	"github.com/rstprobe/rstprobe/internal/flow"
	"github.com/rstprobe/rstprobe/probe"
)

// refusedError means that this machine itself would not send to the target:
// nothing that follows from it is about the network, so the diagnosis ends.
type refusedError struct{ why flow.Refusal }

func (e refusedError) Error() string {
	switch e.why {
	case flow.Forbidden:
		return "this machine forbids to send there (operation not permitted): a rule of its own packet filter or a route of type prohibit"
	case flow.NoWay:
		return "this machine has lost its way there: the route or the address is gone, or the interface is down"
	case flow.NoRoom, flow.NotRefused:
	}
	return "this machine's own interface takes no more packets"
}

// next is what to look at.
func (e refusedError) next(t probe.Target) string {
	switch e.why {
	case flow.Forbidden:
		return fmt.Sprintf("look at sudo nft list ruleset and ip route get %v", t.IP)
	case flow.NoWay:
		return fmt.Sprintf("look at ip route get %v and ip link, and run again", t.IP)
	case flow.NoRoom, flow.NotRefused:
	}
	return "run again with a lower --rate, and look at ip -s link"
}

// summary is the sentence for a target that was never sent to, or not any more.
func (e refusedError) summary(t probe.Target) string {
	return fmt.Sprintf("%s port %d cannot be reached: %v. Next: %s.", t.Host, t.Port, e, e.next(t))
}

// refused is the error for the first trial with the target that this machine
// refused. Other ports and addresses serve for comparison only.
func (s *session) refused(trials []probe.Trial, recs []flow.Record) error {
	for i, rec := range recs {
		if rec.Refused != flow.NotRefused && trials[i].Remote == s.remote {
			return refusedError{rec.Refused}
		}
	}
	return nil
}
