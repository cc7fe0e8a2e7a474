package probe

import "fmt"

// IDKind is a way to choose the IPv4 identification of a packet.
type IDKind string

// The kinds of law. RFC 6864 leaves the field free where a packet cannot be
// fragmented.
const (
	IDUnknown  IDKind = ""         // too few packets, or IPv6
	IDZero     IDKind = "zero"     // always 0
	IDConstant IDKind = "constant" // always the same value, not 0
	IDCounter  IDKind = "counter"  // each a little more than the one before
	IDRandom   IDKind = "random"
	IDEcho     IDKind = "echo" // the value of the packet that it answers, or the next
)

// IDLaw is how a sender seems to choose the identification of its packets.
type IDLaw struct {
	Kind IDKind
	Step int // the largest step of a counter
}

// maxIDStep is the largest step that still counts as a counter's: what a
// busy host sends to others between two packets to us. By chance, three
// random steps are that small once in 260,000.
const maxIDStep = 1024

// LawOfIDs infers the law from the identifications of one sender's packets,
// in the order in which they were sent. answered are those of our packets
// that drew them, one each; nil: not known. Two packets show a constant, three
// steps a counter.
func LawOfIDs(ids, answered []uint16) IDLaw {
	if len(ids) < 2 {
		return IDLaw{}
	}
	same, zero := true, true
	echo := len(answered) == len(ids)
	step := 0
	counter := len(ids) > 3
	for i, id := range ids {
		zero = zero && id == 0
		same = same && id == ids[0]
		echo = echo && id != 0 && (id == answered[i] || id == answered[i]+1)
		if i > 0 {
			d := int(id - ids[i-1]) // modulo 2^16
			counter = counter && d > 0 && d <= maxIDStep
			step = max(step, d)
		}
	}
	switch {
	case zero:
		return IDLaw{Kind: IDZero}
	case echo && !constant(answered):
		return IDLaw{Kind: IDEcho}
	case same:
		return IDLaw{Kind: IDConstant}
	case echo:
		return IDLaw{Kind: IDEcho}
	case counter:
		return IDLaw{Kind: IDCounter, Step: step}
	case len(ids) > 3:
		return IDLaw{Kind: IDRandom}
	}
	return IDLaw{}
}

func constant(ids []uint16) bool {
	for _, id := range ids {
		if id != ids[0] {
			return false
		}
	}
	return true
}

// Between reports whether a counter may have passed id on its way from before
// to after.
func (l IDLaw) Between(before, id, after uint16) bool { return id-before <= after-before }

// String is the law in words.
func (l IDLaw) String() string {
	switch l.Kind {
	case IDCounter:
		return fmt.Sprintf("a counter with steps up to %d", l.Step)
	case IDUnknown:
		return "not known"
	case IDZero, IDConstant, IDRandom, IDEcho:
	}
	return string(l.Kind)
}
