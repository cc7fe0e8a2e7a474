package residual

import (
	"slices"
	"time"
)

// How long to leave alone what a box was triggered on, as long as nothing was
// measured of the box.
const (
	// DefaultHold is as long as or above most durations that are known, such as
	// the 90 s of China's HTTP filter and the 75 s of Russia's filter of names;
	// studies commonly wait 100 to 120 s.
	DefaultHold = 180 * time.Second
	// BurstHold is for boxes that answer with several different resets at
	// once, as China's do: mostly 180 s, sometimes up to 350 s.
	BurstHold = 300 * time.Second
	// CutHold is for boxes that let a few packets more pass and then drop both
	// directions: 420 s in Russia (Xue et al.,
	// "TSPU: Russia's Decentralized Censorship System", IMC 2022).
	CutHold = 420 * time.Second
	// MaxHold is the longest that anything is left alone.
	MaxHold = time.Hour
)

// Timer says what becomes of a block's remaining time when more packets come.
type Timer string

// The timers.
const (
	TimerUnknown  Timer = ""
	TimerFixed    Timer = "fixed"    // it runs from the trigger, whatever follows
	TimerExtended Timer = "extended" // every packet that is blocked starts it again
)

// Fact is what was measured of one box's residual blocking. The zero Fact
// says nothing.
type Fact struct {
	Scope Scope
	// The block lasts longer than Min and at most Max, since the trigger or,
	// if Timer is TimerExtended, since the last packet that was blocked. With
	// TimerUnknown, that is as seen while polling, which may have prolonged it.
	// Max 0: longer than could be waited for. Both are 0 with None and Unknown.
	Min, Max time.Duration
	Timer    Timer
}

// Hold is how long to leave alone what the box was triggered on: nothing if it
// does not block, DefaultHold if that is not known, at most MaxHold.
func (f Fact) Hold() time.Duration {
	switch {
	case f.Scope == None:
		return 0
	case f.Scope == Unknown:
		return DefaultHold
	case f.Max == 0:
		return min(max(DefaultHold, 2*f.Min), MaxHold)
	}
	return min(f.Max+f.Max/10, MaxHold) // timers are not exact, nor is our view of them
}

// valid reports whether a measurement can have given this fact.
func (f Fact) valid() bool {
	const day = 24 * time.Hour
	if f.Scope == None {
		return f == Fact{Scope: None}
	}
	return slices.Contains(scopes[:], f.Scope) &&
		slices.Contains([]Timer{TimerUnknown, TimerFixed, TimerExtended}, f.Timer) &&
		f.Min >= 0 && f.Min < day && f.Max < day && (f.Max == 0 || f.Min < f.Max)
}
