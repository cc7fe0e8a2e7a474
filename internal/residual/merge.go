package residual

import (
	"cmp"
	"maps"
	"slices"
	"time"
)

// Merge takes over what another ledger knows besides or knows better: of two
// blocks of one place the longer, unless the place was found free after the
// block was noted; of two facts the newer. When in doubt it waits longer.
// other must not be l.
func (l *Ledger) Merge(other *Ledger) {
	other.mu.Lock()
	blocks, facts := maps.Clone(other.blocks), maps.Clone(other.facts)
	other.mu.Unlock()

	l.mu.Lock()
	defer l.mu.Unlock()
	if l.blocks == nil {
		l.blocks = make(map[place]block)
	}
	for p, b := range blocks {
		if old, ok := l.blocks[p]; ok {
			b = better(old, b)
		}
		l.blocks[p] = b
	}
	if l.facts == nil {
		l.facts = make(map[string]finding)
	}
	for family, f := range facts {
		if old, ok := l.facts[family]; !ok || f.measured.After(old.measured) {
			l.facts[family] = f
		}
	}
}

// better is what two notes about one place amount to. Of equal times the first
// is kept: it may hold a reading of the monotonic clock, which one that comes
// out of a file has not.
func better(a, b block) block {
	newer := a
	if b.learnt.After(a.learnt) || b.learnt.Equal(a.learnt) && a.free {
		newer = b
	}
	switch {
	case a.free != b.free:
		return newer
	case b.until.After(a.until):
		newer.until = b.until
	default:
		newer.until = a.until
	}
	return newer
}

// Prune forgets what is over and what is beyond the limits.
func (l *Ledger) Prune(now time.Time) {
	l.mu.Lock()
	defer l.mu.Unlock()
	maps.DeleteFunc(l.blocks, func(_ place, b block) bool { return !b.until.After(now) })
	maps.DeleteFunc(l.facts, func(_ string, f finding) bool { return now.Sub(f.measured) > MaxAge })
	l.shrink(now)
}

// shrink keeps the ledger within its limits. The lock is held.
func (l *Ledger) shrink(now time.Time) {
	drop(l.blocks, MaxBlocks, func(b block) time.Duration { return b.until.Sub(now) })
	drop(l.facts, MaxFacts, func(f finding) time.Duration { return f.measured.Sub(now) })
}

// drop removes what is worth least until at most limit are left.
func drop[K comparable, V any](m map[K]V, limit int, worth func(V) time.Duration) {
	if len(m) <= limit {
		return
	}
	keys := slices.SortedFunc(maps.Keys(m), func(a, b K) int { return cmp.Compare(worth(m[a]), worth(m[b])) })
	for _, k := range keys[:len(keys)-limit] {
		delete(m, k)
	}
}
