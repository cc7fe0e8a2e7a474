package state

import (
	"fmt"
	"slices"
	"strings"
	"time"
)

// Patience is what it takes to believe a change.
type Patience struct {
	Confirm int             // re-tests that must agree
	Of      int             // of at most so many; at least Confirm
	Retest  []time.Duration // before each re-test; the last one is for all later ones, too. Never empty
	Every   time.Duration   // interval of the check
}

// flappingSlots is the window in which flapping is looked for, in intervals.
const flappingSlots = 20

func (p Patience) window() time.Duration { return flappingSlots * p.Every }

// flappingTurns is how many turns within the window make a state flap. A lost
// packet that spoils a whole reading makes two, there and back; a box that was
// switched makes one.
const flappingTurns = 6

// Machine is what is known of one question. The zero value knows nothing. It
// is a plain value, to be kept in a store as JSON.
type Machine struct {
	Confirmed Axes      `json:"confirmed"`
	Since     time.Time `json:"since"` // when the first reading of Confirmed was made
	Flapping  bool      `json:"flapping"`

	Candidate *Candidate  `json:"candidate"` // nil: nothing contradicts Confirmed
	Target    string      `json:"target"`    // of the last reading, as Reading.Target
	Last      Axes        `json:"last"`      // of the last reading that counted
	LastAt    time.Time   `json:"last_at"`
	Alike     int         `json:"alike"` // readings in a row, with the last one, between which nothing turned
	Turns     []time.Time `json:"turns"` // when two readings in a row differed, ascending; at most flappingTurns
}

// Machines are those of one check.
type Machines map[Question]Machine

// Candidate is what may have changed.
type Candidate struct {
	Axes    Axes      `json:"axes"`
	First   time.Time `json:"first"`   // its first reading
	Agreed  int       `json:"agreed"`  // re-tests that gave it again
	Tested  int       `json:"tested"`  // all re-tests that counted
	Skipped int       `json:"skipped"` // re-tests since Voted that told nothing
	Voted   time.Time `json:"voted"`   // the last that counted, or First
	Due     time.Time `json:"due"`     // of the next re-test; a reading before that is none
}

// Change is something to tell.
type Change struct {
	Question Question  `json:"question"`
	Since    time.Time `json:"since"` // the first reading of To
	At       time.Time `json:"at"`    // when it was sure
	Axes     []Axis    `json:"axes"`  // what has changed
	From     Axes      `json:"from"`  // not Known: this is the first that is known
	To       Axes      `json:"to"`
	Flapping bool      `json:"flapping"` // from now on
}

// Relocated reports whether the same box, to all that is known, acts at
// another place.
func (c Change) Relocated() bool { return slices.Equal(c.Axes, []Axis{Where}) }

// String is the change in one line.
func (c Change) String() string {
	switch {
	case c.Flapping:
		return fmt.Sprintf("%v: flapping, lately %v", c.Question, c.To)
	case slices.Equal(c.Axes, []Axis{Stability}):
		return fmt.Sprintf("%v: no longer flapping: %v", c.Question, c.To)
	case c.Relocated():
		return fmt.Sprintf("%v: the box moved from %v to %v", c.Question, c.From.Place, c.To.Place)
	}
	axes := make([]string, len(c.Axes))
	for i, a := range c.Axes {
		axes[i] = string(a)
	}
	return fmt.Sprintf("%v: %v, before: %v (changed: %s)", c.Question, c.To, c.From, strings.Join(axes, ", "))
}

// Step takes the next reading and returns the machine after it, and the change
// that it makes certain, or nil. aliveElsewhere says whether another check has
// shown since a time that our own network works.
func (m Machine) Step(q Question, r Reading, p Patience, aliveElsewhere func(since time.Time) bool) (Machine, *Change) {
	m, change := m.step(q, r, p, aliveElsewhere)
	return m.Postpone(r.At, p), change
}

// Postpone is the machine after a run that told nothing of the question: a
// re-test that was due by then is still to be made, later. What goes on telling
// nothing is tested again ever more rarely, until its runs come no more often
// than those of any check.
func (m Machine) Postpone(at time.Time, p Patience) Machine {
	if m.Candidate == nil || m.Candidate.Due.After(at) {
		return m
	}
	c := *m.Candidate
	c.Skipped++
	delay := p.delay(c.Tested + c.Skipped)
	for longer := len(p.Retest); longer < c.Skipped && delay < p.Every; longer++ {
		delay *= 2
	}
	c.Due = at.Add(delay)
	m.Candidate = &c
	return m
}

func (m Machine) step(q Question, r Reading, p Patience, aliveElsewhere func(since time.Time) bool) (Machine, *Change) {
	if !r.Healthy || !r.Axes.Known() {
		return m, nil
	}
	setBack := r.At.Before(m.LastAt) || m.Candidate != nil && r.At.Before(m.Candidate.Voted) // the clock
	if r.Target != m.Target || setBack {
		m = m.afresh(r)
	}
	if !r.Life && !aliveElsewhere(m.silentSince(r)) {
		return m.wait(r, p), nil
	}
	m.turn(r)
	if m.Flapping {
		return m.settle(q, r, p)
	}
	if m.flaps(r.At, p) {
		m.Flapping, m.Candidate = true, nil
		return m, &Change{Question: q, Since: m.Turns[0], At: r.At, Axes: []Axis{Stability}, From: m.Confirmed, To: r.Axes, Flapping: true}
	}
	switch {
	case !m.Confirmed.Known() && r.Axes.Fine() && m.Candidate == nil: // nothing to tell
		m.Confirmed, m.Since = r.Axes, r.At
		return m, nil
	case m.Confirmed.Known() && len(differing(m.Confirmed, r.Axes)) == 0:
		if m.Candidate == nil {
			m.Confirmed = merged(m.Confirmed, r.Axes)
			return m, nil
		}
		if len(differing(m.Candidate.Axes, r.Axes)) == 0 {
			return m, nil // it fits both, and so tells nothing
		}
		return m.vote(r, p, false), nil
	case m.Candidate == nil || len(differing(m.Candidate.Axes, r.Axes)) > 0:
		m = m.suspect(r, p)
	default:
		m = m.vote(r, p, true)
	}
	if c := m.Candidate; c != nil && c.Agreed >= p.Confirm {
		return m.confirm(q, r.At)
	}
	return m, nil
}

// Due is when the next re-test should be made; zero: none is needed.
func (m Machine) Due() time.Time {
	if m.Candidate == nil {
		return time.Time{}
	}
	return m.Candidate.Due
}

// silentSince is since when another check must have shown life for silence to
// count. Every vote takes a new sign of it, for our own network may have gone
// down with one that was still under way.
func (m Machine) silentSince(r Reading) time.Time {
	if m.Candidate != nil {
		return m.Candidate.Voted
	}
	return r.At
}

// wait puts a candidate up that no vote was cast for yet: whether it is the
// target or our own network that is silent will show elsewhere.
func (m Machine) wait(r Reading, p Patience) Machine {
	if m.Candidate == nil && !m.Flapping && (!m.Confirmed.Known() || len(differing(m.Confirmed, r.Axes)) > 0) {
		return m.suspect(r, p)
	}
	return m
}

// suspect begins with another candidate.
func (m Machine) suspect(r Reading, p Patience) Machine {
	m.Candidate = &Candidate{Axes: r.Axes, First: r.At, Voted: r.At, Due: r.At.Add(p.delay(0))}
	return m
}

// vote counts a re-test, if it is one, and drops a candidate that can no
// longer win.
func (m Machine) vote(r Reading, p Patience, agrees bool) Machine {
	c := *m.Candidate
	if r.At.Before(c.Due) {
		return m
	}
	c.Tested++
	if agrees {
		c.Agreed++
		c.Axes = merged(c.Axes, r.Axes)
	}
	c.Skipped, c.Voted, c.Due = 0, r.At, r.At.Add(p.delay(c.Tested))
	m.Candidate = &c
	if c.Tested-c.Agreed > p.Of-p.Confirm {
		m.Candidate = nil
	}
	return m
}

// confirm makes the candidate the state.
func (m Machine) confirm(q Question, at time.Time) (Machine, *Change) {
	c := m.Candidate
	change := &Change{
		Question: q, Since: c.First, At: at,
		Axes: differing(m.Confirmed, c.Axes), From: m.Confirmed, To: c.Axes,
	}
	m.Confirmed, m.Since, m.Candidate = c.Axes, c.First, nil
	if len(change.Axes) == 0 || !change.From.Known() && change.To.Fine() {
		return m, nil
	}
	return m, change
}

// afresh is what remains of the machine where readings are no longer to be
// compared with those before: what is confirmed, and that it flaps.
func (m Machine) afresh(r Reading) Machine {
	out := Machine{Confirmed: m.Confirmed, Since: m.Since, Flapping: m.Flapping, Target: r.Target}
	if r.At.Before(m.Since) {
		out.Since = r.At
	}
	if m.Flapping {
		out.Turns = []time.Time{r.At} // it is quiet from now on at the earliest
	}
	return out
}

// turn notes whether a reading differs from the one before.
func (m *Machine) turn(r Reading) {
	m.Alike++
	if m.Last.Known() && len(differing(m.Last, r.Axes)) > 0 && len(differing(r.Axes, m.Last)) > 0 {
		m.Turns = append(slices.Clone(m.Turns), r.At)
		m.Turns = m.Turns[max(0, len(m.Turns)-flappingTurns):]
		m.Alike = 1
	}
	m.Last, m.LastAt = r.Axes, r.At
}

// Doubt is the machine once it shows that our own network has failed. That may
// have cut the last run short of what it would have found, so neither that
// reading nor the next one makes a turn. What flaps has a turn left.
func (m Machine) Doubt() Machine {
	if last := len(m.Turns) - 1; last >= 0 && m.Turns[last].Equal(m.LastAt) && (last > 0 || !m.Flapping) {
		m.Turns = slices.Clone(m.Turns[:last])
	}
	m.Last, m.Alike = Axes{}, 0
	return m
}

// flaps reports whether there were too many turns lately.
func (m Machine) flaps(now time.Time, p Patience) bool {
	return len(m.Turns) == flappingTurns && now.Sub(m.Turns[0]) <= p.window()
}

// settle ends flapping once nothing has turned for a whole window. What it has
// come to since is confirmed by that, if it was read as often as any change
// must be: there may have been no readings for hours.
func (m Machine) settle(q Question, r Reading, p Patience) (Machine, *Change) {
	quiet := m.Turns[len(m.Turns)-1]
	if r.At.Sub(quiet) < p.window() || m.Alike <= p.Confirm {
		return m, nil
	}
	change := &Change{Question: q, Since: quiet, At: r.At, Axes: append([]Axis{Stability}, differing(m.Confirmed, r.Axes)...), From: m.Confirmed, To: r.Axes}
	if len(change.Axes) > 1 {
		m.Confirmed, m.Since = r.Axes, quiet
	}
	m.Flapping, m.Turns = false, nil
	return m, change
}

// delay is how long to wait before re-test n, from 0.
func (p Patience) delay(n int) time.Duration { return p.Retest[min(n, len(p.Retest)-1)] }
