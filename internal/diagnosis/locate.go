package diagnosis

import (
	"slices"
	"time"

	"github.com/rstprobe/rstprobe/internal/residual"
	"github.com/rstprobe/rstprobe/probe"
	"github.com/rstprobe/rstprobe/traceroute"
)

// locate places what makes the tests fail. Where nothing is found, the tests
// may have gone another way than the copies.
func (n *nameQuestion) locate() error {
	if n.findings.Differ() == 0 && !n.heldUp() && n.late == 0 || n.cfg.Trace == TraceNever {
		return nil
	}
	if err := n.distance(); err != nil || n.ctx.Err() != nil || n.serverTTL() == 0 {
		return err
	}
	if err := n.seek(); err != nil || n.ctx.Err() != nil {
		return err
	}
	if n.nowhere() {
		if err := n.classify(); err != nil || n.ctx.Err() != nil {
			return err
		}
		if len(n.classes) > 1 {
			if err := n.seek(); err != nil || n.ctx.Err() != nil {
				return err
			}
		}
	}
	return n.doubt()
}

// distance finds out how far the server is by harmless requests, where SYNs
// cannot be swept.
func (n *nameQuestion) distance() error {
	all := ttls(1, n.cfg.MaxTTL)
	if n.serverTTL() > 0 || n.can(n.synTrial(n.remote, all)) || len(n.controls) == 0 {
		return nil
	}
	trials := make([]probe.Trial, n.cfg.Repeat) // a server that fails now and then would look farther away
	for i := range trials {
		trials[i] = n.sweepTrial(n.say(n.controls[0]), probe.Control, n.timeout())
		trials[i].TTLs = all
	}
	recs, err := n.exchange(trials)
	for _, sweep := range sweeps(recs) {
		if at := sweep.Lowest(); at > 0 && (n.served == 0 || at < n.served) {
			n.served = at
		}
	}
	return err
}

// doubt makes more tests where a box, or gear at the server's side, would be
// blamed although nothing was seen of it on the way: three failures in a row
// and no failed control come about by chance as well, once in 35 times for a
// server that fails now and then. Answers cut or held back in the middle do not.
func (n *nameQuestion) doubt() error {
	all := len(n.findings.Tests)
	v := probe.Decide(n.findings)
	sure := v.Confidence == probe.Proved || v.Confidence == probe.Likely
	if !sure || !v.Interferes() && v.Author != probe.ServerSide || n.whole || n.seen() || n.findings.Failed() < all || all >= wide || n.lasting() || n.poisoned() {
		return nil
	}
	if err := n.blocks(wide - all); err != nil || n.ctx.Err() != nil || n.findings.Failed() == len(n.findings.Tests) {
		return err
	}
	return n.seek() // it acts now and then
}

// seen reports whether anything of what makes the tests fail was seen this side
// of the server.
func (n *nameQuestion) seen() bool {
	below := func(at int) bool { return at > 0 && at < n.serverTTL() }
	return below(n.findings.Sweeps.At) || below(n.findings.Read.At)
}

// seek searches for the box in the way that suits what it does. Where it
// answers: stamped bursts, one vote each, confirmed by a timed step. Where it
// swallows the stimulus: pairs of control and test sweeps. Where no copy below
// the server's distance draws or loses anything: a reader behind the copies,
// and at last the way back alone.
func (n *nameQuestion) seek() error {
	n.begin(StepLocate)
	// What an earlier search found may be of another route.
	n.findings.Sweeps, n.findings.Read, n.readings = probe.Sweeps{}, probe.ReadSweep{}, traceroute.Readings{}
	if err := n.choosePath(); err != nil || n.ctx.Err() != nil {
		return err
	}
	if n.afterResending() {
		n.twice = true
	}
	n.method = traceroute.CodedBurst
	if n.sockets {
		n.method = traceroute.OwnFlows
	}
	n.search = traceroute.Search{Full: slices.Concat(n.findings.Tests, n.findings.Exact), Control: n.control, Known: n.synSweep}
	n.search.Silence = n.swallowed()
	n.search.Path = traceroute.Merge(n.serverTTL(), n.cfg.MaxTTL, n.synSweep, n.control, nil)
	sweep := n.burst
	if n.search.Silence {
		n.method, sweep = traceroute.DarkZone, n.pairs
	}
	if n.search.Silence && n.acknowledged() { // it passed whatever stands there
		return n.read()
	}
	if n.serverTTL() > 1 {
		if err := sweep(); err != nil || n.ctx.Err() != nil {
			return err
		}
	}
	if n.search.Silence && n.uncertain() {
		if err := n.blocks(wide - len(n.findings.Tests)); err != nil || n.ctx.Err() != nil {
			return err
		}
		if n.findings.Failed() < len(n.findings.Tests) {
			n.search.Test = nil
			if err := n.pairs(); err != nil || n.ctx.Err() != nil {
				return err
			}
		}
	}
	if n.missed() {
		// It may leave many connections alone, and these sweeps were among them.
		n.shy = true
		if err := n.burst(); err != nil || n.ctx.Err() != nil {
			return err
		}
	}
	n.search.Path = traceroute.Merge(n.serverTTL(), n.cfg.MaxTTL, n.synSweep, n.control, n.search.Test)
	if n.heldUp() && n.findings.Differ() == 0 {
		return n.read()
	}
	n.findings.Sweeps = n.search.Facts()
	if n.serverTTL() < 2 {
		return nil
	}
	var err error
	switch {
	case n.search.Silence:
	case n.unstamped():
		err = n.timed()
	default:
		err = n.confirm()
	}
	if err != nil || n.ctx.Err() != nil {
		return err
	}
	// What swallows may do so because of an earlier copy of the same sweep,
	// and a reset that copies our TTL may have ended on its own way.
	if at := n.findings.Sweeps.At; at == 0 || at >= n.serverTTL() || n.search.Silence || traceroute.Slope(n.ttlPairs()) == traceroute.CopiedTTL {
		return n.read()
	}
	return nil
}

// ttlPairs are the TTLs with which the test stimulus was sent and those with
// which what it drew arrived.
func (n *nameQuestion) ttlPairs() []traceroute.TTLPair {
	var pairs []traceroute.TTLPair
	for _, t := range n.search.Test {
		for ttl, r := range t.Replies {
			for _, d := range r.Drawn {
				if d.Packet.TTL == 0 {
					continue // not known
				}
				pairs = append(pairs, traceroute.TTLPair{Sent: uint8(ttl), Received: d.Packet.TTL}) //nolint:gosec // at most 64
			}
		}
	}
	for _, o := range slices.Concat(n.findings.Tests, n.findings.Exact, n.findings.Sloped) {
		for _, d := range o.Resets {
			// Those with the server's own TTL are its answer to the others.
			if d.Packet.TTL > 0 && o.Stimulus != nil && o.SYNACK != nil && d.Packet.TTL != o.SYNACK.Packet.TTL {
				pairs = append(pairs, traceroute.TTLPair{Sent: o.Stimulus.Packet.TTL, Received: d.Packet.TTL})
			}
		}
	}
	return pairs
}

// place is where the box stands, and where the others stand if there are
// several; nil: not known.
func (n *nameQuestion) place() (*traceroute.Location, []traceroute.Box) {
	f := n.findings
	below := func(at int) bool { return at > 0 && at < n.serverTTL() }
	read := n.readings.Locate(n.search, f.Read)
	if f.Read.Reader != probe.ReadStimulus {
		read = nil
	}
	// Resets that copy our TTL reach the readers late as well.
	if l := n.search.Copied(n.ttlPairs()); l != nil && (read == nil || l.At.TTL < read.At.TTL) {
		return l, nil
	}
	if read != nil {
		return read, nil
	}
	if below(f.Sweeps.At) {
		return n.search.Place(f.Sweeps, n.method)
	}
	if l := n.search.Response(); l != nil {
		return l, nil
	}
	if f.Nearer > 0 && len(f.Sweeps.Hits) == 0 {
		return n.whereAnswered(), nil
	}
	if bad := f.Failed(); bad > 0 && bad < len(f.Tests) {
		return nil, nil // the copies may have been among what it lets pass
	}
	l := n.search.Locate(f.Sweeps, n.method)
	if n.sockets && l != nil && l.Device == nil {
		return nil, nil // nothing was put behind a copy to see what it had set off
	}
	return l, nil
}

// afterResending reports whether what ended the tests came only after we had
// sent the stimulus again.
func (n *nameQuestion) afterResending() bool {
	bad := 0
	for _, o := range n.findings.Tests {
		if worked(o) {
			continue
		}
		ends := slices.Concat(o.Resets, o.FINs)
		if len(ends) == 0 {
			continue // lost, or swallowed
		}
		if o.Resent == 0 || ends[0].At < o.Resent {
			return false
		}
		bad++
	}
	return bad > 0
}

// failures are the tests that failed; all of them where none did.
func (n *nameQuestion) failures() []probe.Observation {
	failed := slices.DeleteFunc(slices.Clone(n.findings.Tests), worked)
	if len(failed) == 0 {
		return n.findings.Tests
	}
	return failed
}

// swallowed reports whether the tests that failed ended in nothing but silence.
func (n *nameQuestion) swallowed() bool {
	for _, o := range n.failures() {
		if len(o.Resets)+len(o.FINs)+len(o.Data)+len(o.Errors) > 0 {
			return false
		}
	}
	return true
}

// acknowledged reports whether the server took the stimulus in most tests that
// failed.
func (n *nameQuestion) acknowledged() bool {
	acked, failed := 0, n.failures()
	for _, o := range failed {
		if o.Acked {
			acked++
		}
	}
	return 2*acked > len(failed)
}

// lasting reports whether a test is in the way of the next one, so that they
// go one at a time.
func (n *nameQuestion) lasting() bool {
	switch n.residual.Scope {
	case residual.ThreeTuple, residual.AnyPort, residual.AnyAddress:
		return true
	case residual.Unknown, residual.None, residual.FourTuple:
	}
	return false
}

// delay is the longest time that what acts was seen to take.
func (n *nameQuestion) delay() time.Duration { return max(n.findings.ResetDelay(), n.late) }

// listen is how long a sweep has to listen after a round trip.
func (n *nameQuestion) listen() time.Duration {
	return n.grace() + max(0, n.delay()-n.minRTT())
}

// sweep is a stamped burst that says name.
func (n *nameQuestion) sweep(name string, role probe.Role, listen time.Duration) probe.Trial {
	t := n.pinned(n.sweepTrial(n.say(name), role, listen))
	t.Twice = n.twice
	return t
}

// burst sends the stamped sweeps and the trials ahead of sequence at once;
// where the box blocks what follows, one sweep after each block.
func (n *nameQuestion) burst() error {
	listen := n.listen()
	sweep := func() probe.Trial { return n.sweep(n.q.Name, probe.Test, listen) }
	if n.lasting() {
		for range n.cfg.Repeat {
			if !n.undisturbed() {
				return nil
			}
			recs, err := n.exchange([]probe.Trial{sweep()})
			n.search.Test = append(n.search.Test, carriedOut(n.sweeps(recs))...)
			n.hold(trigger{key: recs[0].Key})
			if err != nil || n.ctx.Err() != nil {
				return err
			}
		}
		return nil
	}
	var trials []probe.Trial
	rounds := n.rounds()
	for range rounds {
		trials = append(trials, sweep())
	}
	for range rounds {
		gap := n.trial(n.remote, n.say(n.q.Name), probe.Test)
		gap.Ahead, gap.Watch = 1, 0
		gap.Timeout, gap.Linger = n.minRTT()+listen, listen
		trials = append(trials, gap)
	}
	gaps := len(trials)
	recs, err := n.exchange(append(trials, n.sameFlow()...))
	n.search.Test = carriedOut(n.sweeps(recs[:rounds]))
	n.findings.Gap = observe(recs[rounds:gaps])
	n.sawFlow(recs[gaps:])
	if failed := rounds - len(n.search.Test); err == nil && failed > 0 {
		// A handshake got lost, and no copy was sent: that is no vote.
		recs, err = n.exchange(trials[:failed])
		n.search.Test = append(n.search.Test, carriedOut(n.sweeps(recs))...)
	}
	n.search.Test = n.met(n.search.Test)
	return err
}

// missed reports whether too few sweeps drew anything, although the tests met
// something that answers from another distance than the server.
func (n *nameQuestion) missed() bool {
	if n.search.Silence || n.shy || n.lasting() || n.serverTTL() < 2 {
		return false
	}
	drew := 0
	for _, t := range n.search.Test {
		if t.Lowest() > 0 || len(t.Stray) > 0 {
			drew++
		}
	}
	if drew >= min(2, n.cfg.Repeat) { // as many as it takes to place it
		return false
	}
	return slices.ContainsFunc(n.findings.Tests, func(o probe.Observation) bool {
		return slices.ContainsFunc(slices.Concat(o.Resets, o.FINs), func(s probe.Seen) bool {
			return o.SYNACK != nil && s.Packet.TTL != o.SYNACK.Packet.TTL
		})
	})
}

// rounds is how many sweeps it takes, so that as many as there are votes meet
// a box that acts on a share of the connections only.
func (n *nameQuestion) rounds() int {
	bad, all := n.findings.Failed(), len(n.findings.Tests)
	most := max(wide, n.cfg.Repeat)
	if n.shy {
		return min(3*n.cfg.Repeat, most)
	}
	if bad == 0 || bad == all {
		return n.cfg.Repeat
	}
	return min((n.cfg.Repeat+1)*all/bad, most)
}

// met are the sweeps that met the box, where it is known to leave many
// connections alone: the others say nothing of its place.
func (n *nameQuestion) met(all []traceroute.Sweep) []traceroute.Sweep {
	drew := slices.DeleteFunc(slices.Clone(all), func(s traceroute.Sweep) bool { return s.Lowest() == 0 && len(s.Stray) == 0 })
	if n.rounds() == n.cfg.Repeat || len(drew) == 0 {
		return all
	}
	return drew
}

// carriedOut are the sweeps whose copies were sent.
func carriedOut(all []traceroute.Sweep) []traceroute.Sweep {
	return slices.DeleteFunc(all, func(s traceroute.Sweep) bool { return len(s.TTLs) == 0 })
}

// unstamped reports whether the sweeps drew something that follows none of
// our copies' numbers.
func (n *nameQuestion) unstamped() bool {
	for _, t := range n.search.Test {
		if len(t.Stray) > 0 && t.Lowest() == 0 {
			return true
		}
	}
	return false
}
