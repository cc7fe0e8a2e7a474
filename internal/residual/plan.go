package residual

import "time"

// Schedule is when a block is polled, after the trigger.
var Schedule = [...]time.Duration{
	500 * time.Millisecond, 2 * time.Second, 5 * time.Second, 10 * time.Second, 20 * time.Second, 40 * time.Second,
	60 * time.Second, 80 * time.Second, 120 * time.Second, 180 * time.Second, 300 * time.Second, 420 * time.Second,
}

// again is how long after a poll that failed it is repeated: a single failure
// may be a loss.
const again = time.Second

// spare is what must be left of the time when a poll is sent, so that it can
// be repeated: again, and what it takes to see that nothing answers.
const spare = 3 * time.Second

// Plan measures a residual block by polls with harmless connections, and
// holds no state: what to do next follows from the answers so far.
//
// The first run polls on the schedule, by every scope that may yet prove
// blocked, until what is blocked has become free. A poll may have prolonged
// the block. If the gaps between the polls do not rule that out, a second run
// triggers again and polls once, at a time at which a timer that runs from the
// trigger still blocks and one that polls had prolonged does not.
//
// Two failures in a row count as blocked, so that one lost packet changes no
// conclusion; one success counts as free, and a scope that never failed is
// asked twice, since some boxes are slow to block.
type Plan struct {
	Ways    []Scope       // by which can be polled; without one, blocks of that scope go unnoticed
	MaxWait time.Duration // no poll is later than that, both runs together
}

// Answer is a poll that was carried out.
type Answer struct {
	Run     int           // 0, or 1 after the second trigger
	At      time.Duration // when it was sent, since the trigger of its run
	Way     Scope
	Blocked bool // it met the end that the trigger brought about, or silence; what the server says itself is no block
}

// Step is what to do next.
type Step struct {
	Done    bool // nothing; Fact is the conclusion
	Fact    Fact
	Trigger bool          // first trigger the box again, and see to it that it acts; At counts from there
	Run     int           // of the answers that this step will give
	At      time.Duration // poll then, or at once if that is over
	Ways    []Scope       // one poll by each
}

// Next is the next step after these answers, which are in the order of their
// times. Answers that nobody asked for do no harm.
func (p Plan) Next(answers []Answer) Step {
	run := p.firstRun(answers)
	if step, ok := run.poll(); ok {
		return step
	}
	fact, last := run.conclude()
	if fact.Max == 0 || fact.Timer != TimerUnknown {
		return Step{Done: true, Fact: fact}
	}
	return secondRun{fact: fact, track: last, left: p.MaxWait - run.now}.next(answers)
}

// end is the time of the last scheduled poll: it can be repeated in time.
func (p Plan) end() time.Duration { return min(Schedule[len(Schedule)-1], p.MaxWait-spare) }

// due is the first time of the schedule after now. The last is at the end of
// what may be waited, in place of one of the schedule shortly before.
func (p Plan) due(now time.Duration) (time.Duration, bool) {
	end := p.end()
	if end < Schedule[0] {
		return 0, false
	}
	for _, at := range Schedule {
		if at > now && at+at/10 <= end {
			return at, true
		}
	}
	return end, end > now
}

// slack is the part of a time by which timers, polls and the network are
// taken to be inexact: 2 %.
func slack(d time.Duration) time.Duration { return d / 50 }
