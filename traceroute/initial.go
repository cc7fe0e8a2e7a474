package traceroute

import "github.com/rstprobe/rstprobe/probe"

// initialTTLs are the initial TTLs that stacks and boxes have been seen to
// use, the commoner first.
var initialTTLs = []int{64, 255, 128, 32, 60, 100, 102, 200}

// snap is how far a guess may be off: ways back differ from ways out by that
// much without being another way altogether.
const snap = 3

// InitialTTL infers the TTL that a packet left its sender with, from the TTL
// it arrived with and the number of routers that it is expected to have
// crossed: the nearest value in use, the commoner of two as near. It is false
// where none is within 3: the TTL is copied, random, or has another law.
func InitialTTL(received uint8, crossed int) (int, bool) {
	best, off := 0, snap+1
	for _, t := range initialTTLs {
		d := t - int(received) - crossed
		if d < 0 {
			d = -d
		}
		if d < off && t >= int(received) {
			best, off = t, d
		}
	}
	return best, best > 0
}

// TTLLaw says how a sender sets the TTL of what it sends.
type TTLLaw string

// The laws.
const (
	UnknownTTL TTLLaw = ""       // too few packets, or too alike
	FixedTTL   TTLLaw = "fixed"  // always the same: slope 0
	CopiedTTL  TTLLaw = "copied" // what was left of the trigger's: slope 1
	RandomTTL  TTLLaw = "random" // neither
)

// TTLPair is the TTL a trigger was sent with, and the TTL with which what it
// drew arrived.
type TTLPair struct{ Sent, Received uint8 }

// Slope tells the law from triggers sent with several TTLs, of which the
// largest and the smallest differ by 4 at least. Paths of unlike length may
// account for a spread of 1. Where they differ by less, four packets that all
// follow their triggers exactly will do, which random ones do once in 10^6.
func Slope(pairs []TTLPair) TTLLaw {
	sent, received, lost := newSpread(), newSpread(), newSpread()
	for _, p := range pairs {
		sent.add(int(p.Sent))
		received.add(int(p.Received))
		lost.add(int(p.Sent) - int(p.Received))
	}
	switch {
	case len(pairs) > 3 && received.width() > 0 && lost.width() == 0 && lost.low >= 0:
		return CopiedTTL
	case len(pairs) < 2 || sent.width() < 4:
		return UnknownTTL
	case received.width() <= 1:
		return FixedTTL
	case lost.width() <= 1 && lost.low >= 0: // nothing arrives with more than was left
		return CopiedTTL
	}
	return RandomTTL
}

// CopiedHops solves the arithmetic of a copied TTL: sent less received are the
// routers crossed to the box and those on the way back. After is the hop
// behind whose TTL check the box was found by other means; back is then the
// number of routers on the way back, and false where the numbers do not
// allow it. Without After only the mean of both ways is known, half of the
// difference.
func CopiedHops(p TTLPair, after int) (back int, ok bool) {
	back = int(p.Sent) - int(p.Received) - after
	return back, back >= 0 && after >= 0
}

type spread struct{ low, high int }

func newSpread() spread { return spread{low: 1 << 16, high: -1 << 16} }

func (s *spread) add(n int) { s.low, s.high = min(s.low, n), max(s.high, n) }

func (s *spread) width() int { return s.high - s.low }

// routersCrossed is how many routers a packet crossed that a router or a
// server sent, whose stacks start at one of the four usual TTLs.
func routersCrossed(ttl uint8) int { return probe.InitialTTL(ttl) - int(ttl) }
