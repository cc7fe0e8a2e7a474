package twoends

import (
	"cmp"
	"math"
	"slices"
	"time"
)

// sample is the shortest gap of each direction in one second: from a packet's
// passing the one capture to its passing the other, by their clocks.
type sample struct {
	at  time.Duration // by the clock of the client's capture
	gap [2]time.Duration
	has [2]bool
}

// stretch is a time in which no clock was set.
type stretch struct {
	from time.Duration // by the clock of the client's capture; the first holds before it, too
	sample
}

// clocks relates the clocks of two captures. The server's clock is ahead by at
// most the shortest gap on the way there, and by at least minus the shortest
// one on the way back, for no packet arrives before it is sent: an interval in
// which the middle is right if both ways take the same time.
type clocks struct {
	drift     float64       // what the server's clock gains on the client's
	origin    time.Duration // where drift counts from
	stretches []stretch     // by time; at least one
}

// unsharp is what timestamps of captures may contradict each other by though
// no clock was set: the interrupts of network cards are put off for so long.
const unsharp = 200 * time.Microsecond

// newClocks finds the relation from samples.
func newClocks(samples []sample) *clocks {
	samples = merged(samples)
	c := &clocks{}
	if len(samples) > 0 {
		c.origin = samples[0].at
	}
	c.stretches = c.divide(samples)
	if d := drift(samples); d != 0 {
		drifting := &clocks{drift: d, origin: c.origin}
		drifting.stretches = drifting.divide(samples)
		if len(drifting.stretches) <= len(c.stretches) {
			return drifting
		}
	}
	return c
}

// merged are samples by time, one for each second.
func merged(samples []sample) []sample {
	slices.SortFunc(samples, func(a, b sample) int { return cmp.Compare(a.at, b.at) })
	var out []sample
	for _, s := range samples {
		if n := len(out); n > 0 && s.at-out[n-1].at < time.Second {
			out[n-1].add(s.gap, s.has)
		} else {
			out = append(out, s)
		}
	}
	return out
}

// add takes the gaps into a sample.
func (s *sample) add(gap [2]time.Duration, has [2]bool) {
	for e := range gap {
		if has[e] && (!s.has[e] || gap[e] < s.gap[e]) {
			s.gap[e], s.has[e] = gap[e], true
		}
	}
}

// possible reports whether one offset satisfies all gaps of a sample.
func (s *sample) possible() bool {
	return !s.has[Client] || !s.has[Server] || s.gap[Client]+s.gap[Server] >= -unsharp
}

// steady is a sample without the drift.
func (c *clocks) steady(s sample) sample {
	d := c.gained(s.at)
	s.gap[Client] -= d
	s.gap[Server] += d
	return s
}

func (c *clocks) gained(at time.Duration) time.Duration {
	return time.Duration(c.drift * float64(at-c.origin))
}

// divide cuts the time where no one offset satisfies all gaps. A single
// sample that contradicts those before and after it is a mistake.
func (c *clocks) divide(samples []sample) []stretch {
	out := []stretch{{}}
	for i, s := range samples {
		s = c.steady(s)
		last := &out[len(out)-1]
		if i == 0 {
			*last = stretch{s.at, s}
			continue
		}
		if with := last.with(s); with.possible() {
			last.sample = with
			continue
		}
		if i+1 < len(samples) {
			if after := last.with(c.steady(samples[i+1])); after.possible() {
				continue
			}
		}
		out = append(out, stretch{s.at, s})
	}
	return out
}

func (s *stretch) with(o sample) sample {
	out := s.sample
	out.add(o.gap, o.has)
	return out
}

// drift is what the server's clock gains, by Sen's estimator (1968) over
// samples an eighth of the time apart: a clock that is set once touches an
// eighth of them. 0: nothing that shows above the scatter, or no second
// minute to compare with.
func drift(samples []sample) float64 {
	const fewest, shortest = 16, time.Minute
	var mids []sample
	for _, s := range samples {
		if s.has[Client] && s.has[Server] {
			mids = append(mids, s)
		}
	}
	if len(mids) < fewest {
		return 0
	}
	span := mids[len(mids)-1].at - mids[0].at
	if span < shortest {
		return 0
	}
	step := len(mids) / 8
	var slopes []float64
	for i := range mids[step:] {
		a, b := &mids[i], &mids[i+step]
		slopes = append(slopes, float64(b.middle()-a.middle())/float64(b.at-a.at))
	}
	slope := median(slopes)
	var rest []float64
	for i, s := range mids[1:] {
		rest = append(rest, math.Abs(float64(s.middle()-mids[i].middle())-slope*float64(s.at-mids[i].at)))
	}
	if math.Abs(slope)*float64(span) < max(4*median(rest), float64(time.Millisecond)) {
		return 0
	}
	return slope
}

// middle is the offset by the gaps of one sample.
func (s *sample) middle() time.Duration { return (s.gap[Client] - s.gap[Server]) / 2 }

func median(list []float64) float64 {
	if len(list) == 0 {
		return 0
	}
	slices.Sort(list)
	return list[len(list)/2]
}

// at is the stretch of a time by the clock of an end's capture.
func (c *clocks) at(t time.Duration, by End) *stretch {
	best := &c.stretches[0]
	for i := range c.stretches[1:] {
		s := &c.stretches[i+1]
		begins := s.from
		if by == Server {
			begins += s.offset() + c.gained(s.from)
		}
		if t >= begins {
			best = s
		}
	}
	return best
}

// offset is what the server's clock is ahead by in a stretch, drift left out.
func (s *stretch) offset() time.Duration {
	switch {
	case s.has[Client] && s.has[Server]:
		return s.middle()
	case s.has[Client]:
		return s.gap[Client]
	case s.has[Server]:
		return -s.gap[Server]
	}
	return 0
}

// rtt is the shortest way there and back.
func (s *stretch) rtt() time.Duration {
	if !s.has[Client] || !s.has[Server] {
		return 0
	}
	return max(s.gap[Client]+s.gap[Server], 0)
}

// offset is what the server's clock is ahead by, at a time of the client's.
func (c *clocks) offset(t time.Duration) time.Duration {
	return c.at(t, Client).offset() + c.gained(t)
}

// carried is the time, by the clock of the other capture, at which a packet of
// an end that passes its capture at t arrives at the earliest.
func (c *clocks) carried(t time.Duration, from End) time.Duration {
	return t + c.gap(t, from, from)
}

// left is the time, by the clock of the sender's capture, at which a packet of
// an end was sent at the latest that passes the other capture at t.
func (c *clocks) left(t time.Duration, from End) time.Duration {
	return t - c.gap(t, from.other(), from)
}

// gap is the shortest gap of a direction at a time by the clock of an end's
// capture; the half of the way that is not known is taken for nothing.
func (c *clocks) gap(t time.Duration, by, from End) time.Duration {
	s := c.at(t, by)
	if by == Server {
		t -= s.offset()
	}
	d := c.gained(t)
	if from == Server {
		d = -d
	}
	switch {
	case s.has[from]:
		return s.gap[from] + d
	case s.has[from.other()]:
		return -s.gap[from.other()] + d
	}
	return 0
}

// slack is what a gap may be shorter than the shortest known.
func (c *clocks) slack(t time.Duration, by End) time.Duration {
	return time.Millisecond + c.at(t, by).rtt()/4
}

// public is the relation as reported.
func (c *clocks) public() Clock {
	s := &c.stretches[0]
	return Clock{
		Known: s.has[Client] && s.has[Server], Offset: s.offset(), Error: s.rtt() / 2, RTT: s.rtt(),
		Drift: c.drift * 1e6, Steps: len(c.stretches) - 1,
	}
}
