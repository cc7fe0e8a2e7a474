package state

import "time"

// Network is what all checks together show of our own network.
type Network struct {
	last    map[string]sign // by check
	trouble bool
}

// sign is what the last runs of a check showed.
type sign struct {
	now   bool      // the last run showed life
	alive time.Time // when the last run that did began; zero: none did
}

// Note takes what a run of a check showed that began at a time. What answered
// in it may have done so at once, and no longer when it ended.
func (n *Network) Note(check string, began time.Time, life bool) {
	if n.last == nil {
		n.last = map[string]sign{}
	}
	s := n.last[check]
	if s.now = life; life {
		s.alive = began
	}
	n.last[check] = s
}

// Forget drops a check that is no longer watched.
func (n *Network) Forget(check string) { delete(n.last, check) }

// AliveElsewhere returns whether a run of another check that began after a time
// has shown life. One that began later than now did so before the clock was set
// back.
func (n *Network) AliveElsewhere(check string, now time.Time) func(since time.Time) bool {
	return func(since time.Time) bool {
		for name, s := range n.last {
			if name != check && s.alive.After(since) && !s.alive.After(now) {
				return true
			}
		}
		return false
	}
}

// Trouble reports whether none of so many checks shows any life: then it is our
// own network that is down, to all that can be known here. It begins once each
// has run, and only life ends it: a check that is new has shown none yet.
func (n *Network) Trouble(checks int) bool {
	for _, s := range n.last {
		if s.now {
			n.trouble = false
			return false
		}
	}
	n.trouble = n.trouble || len(n.last) >= checks
	return n.trouble
}
