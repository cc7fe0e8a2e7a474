package diagnosis

import (
	"slices"
	"time"

	"github.com/rstprobe/rstprobe/internal/flow"
	"github.com/rstprobe/rstprobe/internal/packet"
	"github.com/rstprobe/rstprobe/probe"
	"github.com/rstprobe/rstprobe/traceroute"
)

// reading is a copy of the stimulus that says name, with one TTL, and behind
// it on the same connection a packet that is harmless.
func (n *nameQuestion) reading(ttl uint8, name string, reader probe.Reader) probe.Trial {
	role := probe.Control
	if name == n.q.Name {
		role = probe.Test
	}
	t := n.pinned(n.trial(n.remote, n.say(name), role))
	t.TTLs, t.Reader, t.Read, t.Pause, t.Watch = []uint8{ttl}, reader, n.say(n.controls[0]), n.listen(), n.grace()
	if n.whole && reader == probe.ReadStimulus { // what is read must be as long as what was cut
		t = n.fetching(t)
	}
	return t
}

// finTrials put our FIN behind copies that just do not reach the server: it
// answers with a reset of its own where somebody ended the connection in our
// name.
func (n *nameQuestion) finTrials() []probe.Trial {
	last := uint8(n.serverTTL() - 1) //nolint:gosec // 1 … 63
	trials := []probe.Trial{n.reading(last, n.controls[0], probe.ReadFIN)}
	for range n.cfg.Repeat {
		trials = append(trials, n.reading(last, n.q.Name, probe.ReadFIN))
	}
	for i := range trials {
		// What a box sends takes the same way as the FIN behind it.
		trials[i].Pause = n.listen() - n.grace() + time.Millisecond
		trials[i].Timeout = n.minRTT() + n.grace()
	}
	return trials
}

func (n *nameQuestion) readFINs(trials []probe.Trial, recs []flow.Record) {
	rs := traceroute.Readings{Reader: probe.ReadFIN, ServerTTL: n.serverTTL()}
	for i, t := range trials {
		r := traceroute.Reading{TTL: t.TTLs[0], Met: probe.Observe(recs[i])}
		if t.Role == probe.Control {
			rs.Control = append(rs.Control, r)
		} else {
			rs.Test = append(rs.Test, []traceroute.Reading{r})
		}
	}
	n.findings.Read = rs.Facts()
	n.readings = rs
}

// read places a box that gives no sign of its own. The first round tries every
// TTL, the others, all at once, those about the place that it points to; where
// that leaves more than one hop, as many once more. Where the place is known
// and the first round shows nothing else, it stands.
func (n *nameQuestion) read() error {
	if n.serverTTL() < 2 || !n.can(n.reading(1, n.q.Name, probe.ReadStimulus)) {
		return nil // no copy ends before the server, or nothing can be sent behind one
	}
	if err := n.slope(); err != nil || n.ctx.Err() != nil {
		return err
	}
	rs := traceroute.Readings{Reader: probe.ReadStimulus, ServerTTL: n.serverTTL(), Whole: n.whole}
	near := ttls(1, min(n.serverTTL()-1, n.cfg.MaxTTL))
	known := n.findings.Sweeps.At > 0 && n.findings.Sweeps.At < n.serverTTL()
	for _, rounds := range []int{1, n.cfg.Repeat - 1, n.cfg.Repeat} {
		if f := rs.Facts(); len(rs.Test) >= n.cfg.Repeat && f.At-f.After <= 1 {
			break
		}
		if err := n.readRounds(&rs, near, rounds); err != nil || n.ctx.Err() != nil {
			return err
		}
		if len(rs.Test) == 0 {
			return nil // a block is in the way
		}
		f, from := rs.Facts(), changes(rs)
		switch {
		case len(rs.Test) > 1 && f.At > 0 && f.At < n.serverTTL():
			near = ttls(max(1, f.After), min(f.At+1, n.serverTTL()-1))
		case from > 0:
			near = ttls(max(1, from-1), min(from+1, n.serverTTL()-1))
		case known && unlike(rs) < 2: // one reader may have got lost
			return nil
		default:
			continue
		}
		near = append(near, near...) // as much certainty from fewer TTLs
	}
	before := n.findings.Read
	n.findings.Read, n.readings = rs.Facts(), rs
	n.findings.Read.ServerReset = before.ServerReset
	return nil
}

// unlike is how many readers of the first round met another end than those
// after a control copy with the same TTL.
func unlike(rs traceroute.Readings) int {
	count := 0
	for i, r := range rs.Test[0] {
		if i < len(rs.Control) && r.Met.Outcome != rs.Control[i].Met.Outcome {
			count++
		}
	}
	return count
}

// changes is the smallest TTL of the first round from which on all readers met
// another end than those after control copies; 0: the last one did not.
func changes(rs traceroute.Readings) int {
	from := 0
	for i := len(rs.Test[0]) - 1; i >= 0; i-- {
		test, control := rs.Test[0][i], rs.Control[i]
		short := rs.Whole && test.Met.Said < test.Met.Reply.Total
		if test.Met.Outcome == control.Met.Outcome && !short {
			break
		}
		from = int(test.TTL)
	}
	return from
}

// readRounds reads after one copy of test and control for each TTL, in several
// rounds. A box that blocks what follows is approached from below, and met
// once a round, after all controls.
func (n *nameQuestion) readRounds(rs *traceroute.Readings, near []uint8, rounds int) error {
	if !n.lasting() {
		return n.readBatch(rs, near, rounds)
	}
	for range rounds {
		if !n.undisturbed() {
			return nil
		}
		controls, _, err := n.readAll(near, n.controls[0])
		if err != nil || n.ctx.Err() != nil {
			return err
		}
		var round []traceroute.Reading
		for i, ttl := range near {
			got, key, err := n.readAll([]uint8{ttl}, n.q.Name)
			if err != nil || n.ctx.Err() != nil {
				return err
			}
			round = append(round, got...)
			if got[0].Met.Outcome != controls[i].Met.Outcome {
				n.hold(trigger{key: key})
				break
			}
		}
		rs.Control = append(rs.Control, controls...)
		rs.Test = append(rs.Test, round)
	}
	return nil
}

// readAll reads after a copy that says name for each TTL, at the same time.
// The key is that of the last flow.
func (n *nameQuestion) readAll(ttls []uint8, name string) ([]traceroute.Reading, packet.Key, error) {
	trials := make([]probe.Trial, len(ttls))
	for i, ttl := range ttls {
		trials[i] = n.reading(ttl, name, probe.ReadStimulus)
	}
	recs, err := n.exchange(trials)
	all := make([]traceroute.Reading, len(ttls))
	var key packet.Key
	for i, rec := range recs {
		all[i] = traceroute.Reading{TTL: ttls[i], Met: probe.Observe(rec)}
		key = rec.Key
	}
	return all, key, err
}

// halfway are copies that end just before the server, on connections of which
// it knows our SYN only. It is a reader by itself: where what acts is silent,
// it tells whether the server's own packets are stopped as well.
func (n *nameQuestion) halfway() []probe.Trial {
	if !n.swallowed() || n.findings.Halfway != nil {
		return nil
	}
	last := uint8(n.serverTTL() - 1) //nolint:gosec // 1 … 63
	var trials []probe.Trial
	for range n.cfg.Repeat {
		for _, name := range []string{n.controls[0], n.q.Name} {
			t := n.reading(last, name, probe.ReadSYNACK)
			t.Pause, t.Timeout, t.Linger = 0, synackRTO+n.minRTT()+n.grace(), n.grace()
			trials = append(trials, t)
		}
	}
	return trials
}

// synackRTO is when a SYN-ACK comes again: a second after the first (RFC 6298
// §2.1), and as much as a fifth later by the timers of kernels.
const synackRTO = 1200 * time.Millisecond

// readBatch carries out rounds of readings at the same time.
func (n *nameQuestion) readBatch(rs *traceroute.Readings, near []uint8, rounds int) error {
	trials := n.halfway()
	apart := len(trials)
	for range rounds {
		for _, ttl := range near {
			trials = append(trials, n.reading(ttl, n.controls[0], probe.ReadStimulus), n.reading(ttl, n.q.Name, probe.ReadStimulus))
		}
	}
	recs, err := n.exchange(trials)
	if err != nil || n.ctx.Err() != nil {
		return err
	}
	for i, rec := range recs[:apart] {
		list := &n.findings.Halfway
		if trials[i].Role == probe.Control {
			list = &n.findings.HalfwayControl
		}
		*list = append(*list, probe.Observe(rec))
	}
	for of := range slices.Chunk(recs[apart:], 2*len(near)) {
		var round []traceroute.Reading
		for i := 0; i < len(of); i += 2 {
			rs.Control = append(rs.Control, traceroute.Reading{TTL: near[i/2], Met: probe.Observe(of[i])})
			round = append(round, traceroute.Reading{TTL: near[i/2], Met: probe.Observe(of[i+1])})
		}
		rs.Test = append(rs.Test, round)
	}
	return nil
}

// slope sends the test stimulus with other TTLs than usual, where resets came
// and no copy that ended on the way drew one: they may copy our TTL, and end
// on their own way.
func (n *nameQuestion) slope() error {
	if n.swallowed() || n.lasting() {
		return nil
	}
	var trials []probe.Trial
	for _, less := range []uint8{4, 8, 12} {
		t := n.trial(n.remote, n.say(n.q.Name), probe.Test)
		t.TTL, t.Watch = systemTTL-less, n.grace()
		if int(t.TTL) > n.serverTTL() {
			trials = append(trials, t)
		}
	}
	recs, err := n.exchange(trials)
	n.findings.Sloped = observe(recs)
	return err
}

// systemTTL is the initial TTL of our full-TTL packets (see probe.Trial.TTL).
const systemTTL = 64
