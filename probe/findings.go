package probe

import (
	"fmt"
	"slices"
	"time"

	"github.com/rstprobe/rstprobe/internal/payload"
)

// Findings are all the observations that bear on one question about a name.
type Findings struct {
	Kind             Kind
	Leading          []Observation // controls answered before the first test name was sent
	Trailing         []Observation // controls interleaved with the tests
	Tests            []Observation
	Exact            []Observation // the test once more on ordinary sockets, with its remaining TTLs measured; they show none else
	Random           []Observation // a name that nobody knows
	NoName           []Observation // no name at all
	Gap              []Observation // the test stimulus one byte ahead of sequence: a TCP may hold it, no application reads it
	Elsewhere        []Observation // the test stimulus at the control address
	ElsewhereControl []Observation // a control stimulus at the control address
	Stray            []Observation // ACKs that belong to no connection: the host's genuine resets, where it sends any
	Split            []Observation // the test stimulus cut inside the name into two segments: a TCP puts it together, who reads single packets misses it
	Sloped           []Observation // the test stimulus sent with several other TTLs, see Observation.Stimulus
	Small            []Observation // the control stimulus in segments of 536 bytes and less, both ways (RFC 9293 §3.7.1)
	Alone            []Observation // as many controls as there had been trials, none with the test name among them, after a pause
	Later            []Observation // the control stimulus again, after the tests: what failed tests leave behind
	Halfway          []Observation // copies of the test stimulus that end just before the server, on connections of which it knows our SYN only (ReadSYNACK)
	HalfwayControl   []Observation // the same of a control stimulus
	Read             ReadSweep     // zero: not read
	FirstHop         bool          // the target lies behind a router, and yet the first TTL is answered in its name
	Nearer           int           // hops by which what completes the handshake is nearer than the control address; 0: it is not, or not known
	Sweeps           Sweeps        // zero: not swept
	Cut              bool          // interrupted
}

// Sweeps sum up the TTL-limited sweeps of one question. TTLs below ServerTTL
// cannot reach the server.
type Sweeps struct {
	ServerTTL   int   // 0: not known
	Rounds      int   // test sweeps
	At          int   // the smallest TTL at which the test stimulus drew something or got lost; ServerTTL: none below drew anything; 0: nothing found
	After       int   // the largest TTL below At at which the box was still not reached
	Votes       int   // rounds that gave At
	Hits        []int // packets drawn by copies below ServerTTL
	ControlHits []int // the same, by control copies
	Passed      []int // Time Exceeded about test copies with a TTL of At or more: they went on past the box
	Control     []int // Time Exceeded about control copies with a TTL of At or more
	Confirmed   bool  // a timed step gave the same At
}

// ReadSweep sums up trials in which a harmless packet followed a TTL-limited
// copy of the stimulus on the same connection (trigger, then read).
type ReadSweep struct {
	Reader      Reader // ReadNothing: not carried out
	ServerTTL   int
	Rounds      int
	At          int   // the smallest TTL of a test copy after which the reader met another end than after a control copy; ServerTTL: after none below did; 0: nothing found
	After       int   // the largest TTL below At after which it did not
	Votes       int   // rounds that gave At
	Controls    int   // readers sent after control copies
	ControlBad  int   // those of them that met another end than most
	ServerReset bool  // the server itself answered the reader with a reset of its own: somebody had ended the connection in our name
	Packets     []int // what the readers met
}

// controls are not to be changed.
func (f *Findings) controls() []Observation {
	if len(f.Trailing) == 0 {
		return f.Leading
	}
	return slices.Concat(f.Leading, f.Trailing)
}

// class is how an observation compares with others of the same server.
type class string

// classOf tells answers apart by their kind, not by their words: servers give
// different pages and certificates to different names.
func classOf(o Observation) class {
	if o.Outcome != OK {
		return class(o.Outcome)
	}
	if o.Reply.Kind == payload.HTTPReply {
		return class(fmt.Sprintf("http %dxx", o.Reply.Status/100))
	}
	return class(fmt.Sprintf("ok %v", o.Reply.Kind))
}

// worked reports whether the peer said anything that a client could use:
// TCP and the path are in order.
func worked(o Observation) bool { return o.Outcome == OK || o.Outcome == Alert }

func count(obs []Observation, is func(Observation) bool) int {
	n := 0
	for _, o := range obs {
		if is(o) {
			n++
		}
	}
	return n
}

// most is the commonest outcome and its stage; "" for none.
func most(obs []Observation) (Outcome, Stage) {
	votes := map[Outcome]int{}
	var best Outcome
	var stage Stage
	for _, o := range obs {
		votes[o.Outcome]++
		if votes[o.Outcome] > votes[best] {
			best, stage = o.Outcome, o.Stage
		}
	}
	return best, stage
}

// ending is the commonest end of the tests, and its stage. Where most of them
// fail, failures of several kinds do not make the rest a majority.
func (f *Findings) ending() (Outcome, Stage) {
	if enough(f.Failed(), len(f.Tests)) {
		return most(f.failures())
	}
	return most(f.Tests)
}

// failures are the tests that failed.
func (f *Findings) failures() []Observation {
	return slices.DeleteFunc(slices.Clone(f.Tests), worked)
}

// minRTT is the smallest handshake RTT and how many there are.
func (f *Findings) minRTT() (time.Duration, int) {
	var least time.Duration
	n := 0
	for _, list := range f.lists() {
		for i := range list {
			if rtt := list[i].RTT; rtt > 0 {
				n++
				if least == 0 || rtt < least {
					least = rtt
				}
			}
		}
	}
	return least, n
}

// ttlRange is the range of remaining TTLs that the server's packets arrive
// with: SYN-ACKs of all trials, and data of the controls.
func (f *Findings) ttlRange() (low, high uint8) {
	low = 255
	add := func(ttl uint8) {
		if ttl > 0 { // else it is not known
			low, high = min(low, ttl), max(high, ttl)
		}
	}
	for _, list := range f.lists() {
		for i := range list {
			if s := list[i].SYNACK; s != nil {
				add(s.Packet.TTL)
			}
		}
	}
	for _, list := range [][]Observation{f.Leading, f.Trailing} {
		for i := range list {
			for k := range list[i].Data {
				add(list[i].Data[k].Packet.TTL)
			}
		}
	}
	return low, high
}

// lists are all connections with the server, by their roles.
func (f *Findings) lists() [][]Observation {
	return [][]Observation{f.Leading, f.Trailing, f.Tests, f.Random, f.NoName, f.Exact}
}

// Differ is how many tests failed, or were answered in a way that no control
// was: another kind of answer, of another length, from another distance, or
// sooner than the server can. A different answer alone proves nothing; it is a reason to look closer.
func (f *Findings) Differ() int {
	controls := f.controls()
	low, high := f.ttlRange()
	least := slowest(controls)
	tooSoon := f.tooSoon()
	return count(f.Tests, func(o Observation) bool {
		if !worked(o) || tooSoon(o) != nil {
			return true
		}
		for _, d := range o.Data {
			if ttl := d.Packet.TTL; ttl > 0 && (ttl < low || ttl > high) {
				return true
			}
		}
		if r := o.Rate(); r > 0 && r*throttleFactor < least {
			return true
		}
		return count(controls, func(c Observation) bool { return alike(c, o) }) == 0
	})
}

// tlsSlack is by how many bytes a server's first flights differ for one and
// the same name: each ECDSA signature in it is 70 to 72 bytes long, and now and
// then shorter (RFC 3279 §2.2.3, a DER encoding), in the certificates and in
// the CertificateVerify.
const tlsSlack = 16

// alike reports whether two answers are of one kind and one length.
func alike(a, b Observation) bool {
	slack := 0
	if a.Reply.Kind == payload.ServerHello {
		slack = tlsSlack
	}
	return classOf(a) == classOf(b) && max(a.Said-b.Said, b.Said-a.Said) <= slack && len(a.FINs) == len(b.FINs)
}

// Failed is how many tests were reset, closed, dropped, stalled or refused.
func (f *Findings) Failed() int {
	return count(f.Tests, func(o Observation) bool { return !worked(o) })
}

// heldBack reports whether most answers to the test name had not come to their
// end when we stopped listening, and all of those to the controls had.
func (f *Findings) heldBack() bool {
	short := func(o Observation) bool { return worked(o) && o.Short > 0 }
	return enough(count(f.Tests, short), len(f.Tests)) && count(f.Trailing, short) == 0
}

// served reports whether the leading controls were answered.
func (f *Findings) served() bool {
	lead := f.Leading
	return len(lead) > 0 && count(lead, worked)*2 > len(lead)
}

// ResetDelay is the longest time that an ending packet took after the
// stimulus: how long a sweep has to listen.
func (f *Findings) ResetDelay() time.Duration {
	var longest time.Duration
	for _, o := range f.Tests {
		for _, seen := range [][]Seen{o.Resets, o.FINs, o.Data} {
			for _, s := range seen {
				longest = max(longest, s.Delay)
			}
		}
	}
	return longest
}

// TooMany reports whether controls alone were turned away once there were as
// many of them as there had been trials: it is not the name that the server,
// or what guards it, minds.
func (f *Findings) TooMany() bool {
	bad := len(f.Alone) - count(f.Alone, worked)
	return 2*bad >= len(f.Alone) && bad > 0
}
