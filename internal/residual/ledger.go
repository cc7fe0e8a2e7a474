package residual

import (
	"sync"
	"time"

	"github.com/rstprobe/rstprobe/internal/packet"
)

// The limits of a ledger. Beyond them the blocks that end soonest and the
// oldest facts are forgotten.
const (
	MaxBlocks = 4096
	MaxFacts  = 256
	// MaxAge is how long a fact is believed: boxes are reconfigured.
	MaxAge = 30 * 24 * time.Hour
)

// Ledger holds what must not be touched until when, and the facts measured
// of boxes. The zero value is an empty ledger. It may be used by several
// goroutines at once.
type Ledger struct {
	// Changed is called after every change by one of the methods but Merge and
	// Prune, so that a caller can keep the ledger at once and not lose it with
	// the process. nil: nobody is told. It must be set before the first use.
	Changed func()

	mu     sync.Mutex
	blocks map[place]block
	facts  map[string]finding // by family
}

// place is what a block is of; key is as Scope.reduce leaves it.
type place struct {
	scope Scope
	key   packet.Key
}

// block is what is known of a place. One that was found to be free before its
// time stays as a note that it is, until that time, so that an older opinion
// in the file or in another process does not come back.
type block struct {
	learnt, until time.Time
	free          bool
}

type finding struct {
	fact     Fact
	measured time.Time
}

// Add notes that what shares scope with the flow k is to be left alone until
// a time, at most MaxHold from now. A later time that is already noted stays.
// Scopes that block nothing, and times that are over, change nothing.
func (l *Ledger) Add(now time.Time, scope Scope, k packet.Key, until time.Time) {
	key, ok := scope.reduce(k)
	if !ok || !until.After(now) {
		return
	}
	if latest := now.Add(MaxHold); until.After(latest) {
		until = latest
	}
	l.mu.Lock()
	if l.blocks == nil {
		l.blocks = make(map[place]block)
	}
	p, b := place{scope, key}, block{learnt: now, until: until}
	if old, ok := l.blocks[p]; ok && !old.free && old.until.After(until) {
		b.until = old.until
	}
	l.blocks[p] = b
	l.shrink(now)
	l.mu.Unlock()
	l.changed()
}

// Trigger notes that a box was triggered on the flow k: from now on that is
// left alone as long as is known of the box's family, and otherwise, by the
// three-tuple, for the time given in unknown. It returns the note; the zero
// time if the family is known to block nothing.
func (l *Ledger) Trigger(now time.Time, family string, k packet.Key, unknown time.Duration) (time.Time, Scope) {
	fact, _ := l.Known(now, family)
	scope, hold := fact.Scope, fact.Hold()
	if scope == Unknown {
		scope, hold = ThreeTuple, unknown
	}
	if scope == None {
		return time.Time{}, None
	}
	until := now.Add(min(hold, MaxHold))
	l.Add(now, scope, k, until)
	return until, scope
}

// Free notes that a harmless connection on the flow k fared well: nothing
// that covers it is blocked any more.
func (l *Ledger) Free(now time.Time, k packet.Key) {
	changed := false
	l.mu.Lock()
	for p, b := range l.covering(now, k) {
		b.learnt, b.free = now, true
		l.blocks[p] = b
		changed = true
	}
	l.mu.Unlock()
	if changed {
		l.changed()
	}
}

// Until is the time until which the flow k is to be left alone, with the scope
// of the block that ends last; the zero time if it may be used now. A flow
// whose local port is 0 stands for one from any port that is not blocked by
// itself.
func (l *Ledger) Until(now time.Time, k packet.Key) (time.Time, Scope) {
	var until time.Time
	scope := Unknown
	l.mu.Lock()
	defer l.mu.Unlock()
	for p, b := range l.covering(now, k) {
		if b.until.After(until) {
			until, scope = b.until, p.scope
		}
	}
	return until, scope
}

// covering yields the blocks in force that cover a flow, from wide to narrow.
// The lock is held.
func (l *Ledger) covering(now time.Time, k packet.Key) func(yield func(place, block) bool) {
	return func(yield func(place, block) bool) {
		for i := range scopes {
			scope := scopes[len(scopes)-1-i]
			key, ok := scope.reduce(k)
			if !ok {
				continue
			}
			p := place{scope, key}
			if b, ok := l.blocks[p]; ok && !b.free && b.until.After(now) && !yield(p, b) {
				return
			}
		}
	}
}

// Learn keeps what was measured of a family of boxes: a word of the caller's
// that tells boxes of different make apart, by what they do and where. What no
// measurement says, such as a fact without a scope, is not kept.
func (l *Ledger) Learn(now time.Time, family string, fact Fact) {
	if !fact.valid() || family == "" {
		return
	}
	l.mu.Lock()
	if l.facts == nil {
		l.facts = make(map[string]finding)
	}
	l.facts[family] = finding{fact, now}
	l.shrink(now)
	l.mu.Unlock()
	l.changed()
}

// Known is what was measured of a family of boxes in the last MaxAge; the
// zero Fact and false if nothing was.
func (l *Ledger) Known(now time.Time, family string) (Fact, bool) {
	l.mu.Lock()
	defer l.mu.Unlock()
	f, ok := l.facts[family]
	if !ok || now.Sub(f.measured) > MaxAge {
		return Fact{}, false
	}
	return f.fact, true
}

func (l *Ledger) changed() {
	if l.Changed != nil {
		l.Changed()
	}
}
