package diagnosis

import (
	"slices"
	"time"

	"github.com/rstprobe/rstprobe/internal/residual"
	"github.com/rstprobe/rstprobe/probe"
	"github.com/rstprobe/rstprobe/traceroute"
)

// icmpRefill is how long a router that limits its ICMP errors takes to be
// ready for another: Linux's icmp_ratelimit, one per second and destination
// after a burst of six.
const icmpRefill = time.Second

// pairs sends stamped sweeps of control and test side by side, in an order
// that changes from round to round. Routers limit the rate of their ICMP
// errors, so silence about a test copy means something only where it is held
// against a control copy of the same moment, and either was as likely to be
// the one that got the answer. Where the box blocks what follows, the control
// goes first, and each pair after the block that the one before set off.
func (n *nameQuestion) pairs() error {
	n.search.Known = slices.Concat(n.search.Known, n.control)
	n.search.Control = nil
	short := false // something got lost, or a router kept silent that speaks
	// A sweep whose handshake got lost sent no copy and is no round.
	for round := range 2 * n.cfg.Repeat {
		if len(n.search.Test) >= n.cfg.Repeat && (!short || n.narrow()) {
			break
		}
		if !n.undisturbed() {
			break
		}
		control := n.sweep(n.controls[0], probe.Control, n.grace())
		test := n.sweep(n.q.Name, probe.Test, n.grace())
		if round < n.cfg.Repeat || len(n.search.Test) > 0 { // or else those flows alone are blocked by now
			n.asFailed(&test, round)
		}
		trials := []probe.Trial{control, test}
		if round%2 == 1 && !n.lasting() {
			slices.Reverse(trials)
		}
		if round == 0 {
			trials = append(trials, n.sameFlow()...)
		}
		recs, err := n.exchange(trials)
		if err != nil || n.ctx.Err() != nil {
			return err
		}
		found := 0
		for i, t := range trials[:2] {
			done := carriedOut(n.sweeps(recs[i : i+1]))
			found += len(done)
			if t.Role == probe.Test {
				n.hold(trigger{key: recs[i].Key})
				n.search.Test = append(n.search.Test, done...)
			} else {
				n.search.Control = append(n.search.Control, done...)
			}
		}
		n.sawFlow(recs[2:])
		if found == 2 && !n.starved(n.search.Control[len(n.search.Control)-1]) {
			continue
		}
		short = true
		select {
		case <-time.After(icmpRefill):
		case <-n.ctx.Done():
			return nil
		}
	}
	n.control = append(n.control, n.search.Control...)
	return nil
}

// uncertain reports whether copies of the test stimulus came much farther in
// some sweeps than in others although all tests failed: what swallows it may
// leave connections alone.
func (n *nameQuestion) uncertain() bool {
	all := len(n.findings.Tests)
	if len(n.search.Test) == 0 || n.findings.Failed() < all || all >= wide || n.lasting() {
		return false
	}
	nearest, farthest := n.serverTTL(), 0
	for _, t := range n.search.Test {
		heard := 0
		for ttl, r := range t.Replies {
			if r.Expired > 0 {
				heard = max(heard, ttl)
			}
		}
		nearest, farthest = min(nearest, heard), max(farthest, heard)
	}
	return farthest-nearest > 1
}

// asFailed has a trial leave from the port of a test that failed, where others
// did not: routers that balance load choose the way by it, and a box that acts
// on a share of the connections mostly chooses them so. Where several paths are
// known, the port is chosen for those; a kernel may not be ready to use it
// again so soon.
func (n *nameQuestion) asFailed(t *probe.Trial, i int) {
	if n.sockets || n.findings.Failed() == len(n.findings.Tests) || len(n.triggers) == 0 || t.LocalPort != 0 || n.lasting() || n.residual.Scope == residual.FourTuple {
		return
	}
	t.LocalPort = n.triggers[i%len(n.triggers)].key.Local.Port()
}

// narrow reports whether the sweeps so far place the box between two hops.
func (n *nameQuestion) narrow() bool {
	search := n.search
	search.Path = traceroute.Merge(n.serverTTL(), n.cfg.MaxTTL, n.synSweep, n.control, n.search.Test)
	f := search.Facts()
	return f.At-f.After <= 1
}

// starved reports whether a router that spoke to an earlier sweep kept silent
// about a control copy.
func (n *nameQuestion) starved(control traceroute.Sweep) bool {
	for _, earlier := range slices.Concat(n.synSweep, n.session.control) {
		for ttl, r := range earlier.Replies {
			if r.Expired > 0 && ttl < n.serverTTL() && control.Replies[ttl].Expired == 0 {
				return true
			}
		}
	}
	return false
}
