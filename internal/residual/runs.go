package residual

import (
	"slices"
	"time"
)

// track is what the polls by one way have shown in the first run.
type track struct {
	way     Scope
	frees   int           // successes
	failed  bool          // the last poll failed and was not repeated yet
	at, gap time.Duration // of that poll: its time, and how long before it there was none
	seen    bool          // blocked, by two failures in a row
	blocked time.Duration // last such failure, the first of the two
	touched time.Duration // the second: the last packet that the block surely met
	quiet   time.Duration // longest time without any poll that the block outlasted
	freed   time.Duration // first success after it was blocked; 0: none yet
}

// clear reports whether the way was never blocked; over, whether it needs no
// further poll.
func (t *track) clear() bool { return !t.seen && t.frees >= 2 }
func (t *track) over() bool  { return t.clear() || t.freed > 0 }

// add takes an answer in; before is the time of the last poll earlier than it,
// by any way, and 0 is the trigger.
func (t *track) add(a Answer, before time.Duration) {
	switch {
	case t.freed > 0: // over, whatever fails later
	case !a.Blocked:
		t.frees++
		t.failed = false
		if t.seen {
			t.freed = a.At
		}
	case !t.failed:
		t.failed, t.at, t.gap = true, a.At, a.At-before
	default:
		t.failed = false
		t.seen, t.blocked, t.touched = true, t.at, a.At
		t.quiet = max(t.quiet, t.gap)
	}
}

// firstRun is where the first run has come to.
type firstRun struct {
	plan   Plan
	now    time.Duration // of the last answer
	tracks map[Scope]*track
}

func (p Plan) firstRun(answers []Answer) firstRun {
	r := firstRun{plan: p, tracks: make(map[Scope]*track)}
	for _, way := range p.Ways {
		if slices.Contains(scopes[:], way) {
			r.tracks[way] = &track{way: way}
		}
	}
	var before time.Duration
	for _, a := range answers {
		t := r.tracks[a.Way]
		if a.Run != 0 || t == nil {
			continue
		}
		if a.At > r.now {
			before, r.now = r.now, a.At
		}
		t.add(a, before)
	}
	return r
}

// open lists the ways that need further polls. A wider block is looked for
// only as long as the narrower ones may exist: what fails alone, such as
// another port, fails for reasons of its own. By the same ports is polled only
// as long as no wider block is known: trials can choose new ones.
func (r firstRun) open() []*track {
	var open []*track
	three := r.tracks[ThreeTuple]
	if t := r.tracks[FourTuple]; t != nil && !t.over() && (three == nil || !three.seen) {
		open = append(open, t)
	}
	for _, way := range scopes[1:] {
		t := r.tracks[way]
		if t == nil {
			continue
		}
		if t.clear() {
			break
		}
		if !t.over() {
			open = append(open, t)
		}
	}
	return open
}

// poll is the next poll of the first run; false when it is over.
func (r firstRun) poll() (Step, bool) {
	var step, repeat Step
	for _, t := range r.open() {
		step.Ways = append(step.Ways, t.way)
		if t.failed {
			repeat.Ways = append(repeat.Ways, t.way)
			repeat.At = max(repeat.At, t.at+again)
		}
	}
	if len(repeat.Ways) > 0 && repeat.At <= r.plan.MaxWait {
		return repeat, true
	}
	var ok bool
	step.At, ok = r.plan.due(r.now)
	return step, ok && len(step.Ways) > 0
}

// conclude is what the first run shows, and the way that it shows the duration
// of, nil if none: that which stayed blocked longest.
func (r firstRun) conclude() (Fact, *track) {
	var last *track
	fact := Fact{Scope: None}
	for _, way := range scopes[1:] {
		t := r.tracks[way]
		if t == nil {
			continue
		}
		if !t.seen {
			break
		}
		fact.Scope = way
		last = longer(last, t)
	}
	if t := r.tracks[FourTuple]; last == nil && t != nil && t.seen {
		fact.Scope, last = FourTuple, t
	}
	if last == nil {
		if len(r.tracks) == 0 || len(r.open()) > 0 {
			fact.Scope = Unknown
		}
		return fact, nil
	}
	fact.Min, fact.Max = last.blocked, last.freed
	// A timer that every poll had started again would have outlasted quiet and
	// not outlasted silence.
	if last.freed > 0 && last.quiet >= last.silence()+slack(last.silence()) {
		fact.Timer = TimerFixed
	}
	return fact, last
}

// silence is how long the box was left alone before the first success.
func (t *track) silence() time.Duration { return t.freed - t.touched }

// longer is the way that stayed blocked longer; a may be nil.
func longer(a, b *track) *track {
	switch {
	case a == nil:
		return b
	case a.freed == 0 && b.freed == 0:
		if a.blocked > b.blocked {
			return a
		}
		return b
	case b.freed == 0 || a.freed != 0 && b.freed >= a.freed:
		return b
	}
	return a
}

// secondRun tells a timer that polls prolonged from one that they did not,
// by one poll between the ends that the two would have.
type secondRun struct {
	fact  Fact // of the first run
	track *track
	left  time.Duration // of what may be waited
}

// next is the next step of the second run.
func (s secondRun) next(answers []Answer) Step {
	var own []Answer
	for _, a := range answers {
		if a.Run == 1 && a.Way == s.track.way {
			own = append(own, a)
		}
	}
	if len(own) == 0 {
		earliest, latest := s.prolonged(), s.track.blocked-slack(s.track.blocked)
		at := min((earliest+latest)/2, s.left-spare)
		if earliest > latest || at < earliest {
			return Step{Done: true, Fact: s.fact}
		}
		return Step{Trigger: true, Run: 1, At: at, Ways: []Scope{s.track.way}}
	}
	own = own[:min(len(own), 2)]
	if poll := own[0]; poll.Blocked && len(own) == 1 && poll.At+again <= s.left {
		return Step{Run: 1, At: poll.At + again, Ways: []Scope{s.track.way}}
	}
	return Step{Done: true, Fact: s.conclude(own)}
}

// conclude is the fact after the poll of the second run and, if it failed and
// there was time, its repetition.
func (s secondRun) conclude(polls []Answer) Fact {
	fact, last := s.fact, polls[len(polls)-1]
	switch {
	case last.Blocked && len(polls) == 2 && polls[0].At >= s.prolonged():
		fact.Timer = TimerFixed
	case !last.Blocked && last.At < s.track.blocked:
		fact.Timer = TimerExtended
		fact.Max = min(s.track.silence(), last.At)
		fact.Min = min(s.track.quiet, fact.Max-slack(fact.Max))
	}
	return fact
}

// prolonged is when a timer is over at the latest, without polls, if polls
// had prolonged it in the first run.
func (s secondRun) prolonged() time.Duration { return s.track.silence() + slack(s.track.silence()) }
