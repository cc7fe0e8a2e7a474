package sweep

import (
	"errors"
	"fmt"
	"net/netip"
	"slices"

	"github.com/rstprobe/rstprobe/internal/flow"
	"github.com/rstprobe/rstprobe/probe"
	"github.com/rstprobe/rstprobe/traceroute"
)

// ErrNoSweep is wrapped by the error about a capture that holds no
// TTL-limited sweep; the message says what was expected and what was found.
var ErrNoSweep = errors.New("sweep: no TTL-limited sweep")

// Result is what a sweep and its control show.
type Result struct {
	Outcome    probe.Overall
	Summary    string // one sentence
	Chinese    string // the same in Chinese
	Server     netip.AddrPort
	Kind       probe.Kind
	Name       string // that the test says; "": none
	Control    string // that the control says; "": none
	Verdict    probe.Verdict
	Path       traceroute.Path
	Location   *traceroute.Location // nil: nothing to place, or it cannot be placed
	Boxes      []traceroute.Box     // nil unless several boxes answer on the path
	Steps      []Step               // ascending by TTL, also where nothing was hit
	Rounds     int                  // runs of the test sweep that went all the way
	Controls   int                  // runs of the control sweep
	ControlHit int                  // TTL from which on control copies were hit and test copies were not; 0: none
	Ignored    int                  // connections of both captures that belong to neither sweep
}

// Step is what the copies with one TTL met.
type Step struct {
	TTL           int
	Test, Control Tally
}

// Tally counts connections.
type Tally struct {
	Copies  int // connections whose copy was sent
	Hits    int // those of them that were hit: the copy drew something below the server, or the reader met another end than most do after a control copy
	Expired int // those whose copy drew a Time Exceeded
	Served  int // those whose copy arrived at the server
	Drawn   int // those hit of which something came back
}

// Explain reads a sweep with the test name, and one with a harmless control
// name to the same server. Conversations are those of a capture file each, at
// the prober's end, in any order; what belongs to neither sweep is left out.
// Packet numbers in the result are those of the test capture.
func Explain(test, control []flow.Conversation) (Result, error) {
	order := numbering(test, control)
	tests, others := best(shots(order.test(test)), nil)
	if len(tests) == 0 {
		return Result{}, lacking("test", test)
	}
	server, key := tests[0].server, tests[0].key
	controls, strays := best(shots(order.control(control)), func(s shot) bool { return s.server == server && s.key != key })
	if len(controls) == 0 {
		return Result{}, fmt.Errorf("%w (it must go to %v, as that of the test capture does, with another name than %q)", lacking("control", control), server, tests[0].stim.Name)
	}
	c := newSweeps(tests, controls)
	res := c.result()
	res.Ignored = others + strays
	order.own(&res)
	return res, nil
}

// least is how many different TTLs make a sweep.
const least = 3

// best is the largest sweep among shots: those to one server that say the
// same, with at least three TTLs below that of the handshake. others is how
// many shots belong to none or to another.
func best(all []shot, want func(shot) bool) (sweep []shot, others int) {
	groups := map[string][]shot{}
	var keys []string
	for _, s := range all {
		if want != nil && !want(s) {
			continue
		}
		key := s.server.String() + " " + s.key
		if groups[key] == nil {
			keys = append(keys, key)
		}
		groups[key] = append(groups[key], s)
	}
	for _, key := range keys {
		if g := groups[key]; len(g) > len(sweep) && limits(g) >= least {
			sweep = g
		}
	}
	return sweep, len(all) - len(sweep)
}

// limits counts the different TTLs of copies that were limited.
func limits(all []shot) int {
	ttls := map[int]bool{}
	for _, s := range all {
		if s.limited {
			ttls[s.ttl] = true
		}
	}
	return len(ttls)
}

func lacking(which string, conversations []flow.Conversation) error {
	all := shots(conversations)
	return fmt.Errorf("%w in the %s capture: expected, captured at the prober, at least %d connections to one server that say the same name, each in one payload packet with a lower TTL than its handshake (0, 1, 2, …); of %d conversations %d carry a payload, with %d such TTLs",
		ErrNoSweep, which, least, len(conversations), len(all), limits(all))
}

// numbers keeps the packet numbers of two captures apart while they are
// judged together: those of the capture that began later come after all of
// the other.
type numbers struct{ base, other, last int }

func numbering(test, control []flow.Conversation) numbers {
	most := func(all []flow.Conversation) (n int) {
		for _, c := range all {
			for _, e := range c.Events {
				n = max(n, e.N)
			}
		}
		return n
	}
	if began(control) < began(test) {
		return numbers{base: most(control), last: most(control) + most(test)}
	}
	return numbers{other: most(test), last: most(test)}
}

// began is when a capture's first conversation did, in ns since 1970.
func began(all []flow.Conversation) int64 {
	var first int64
	for i, c := range all {
		if t := c.Start.UnixNano(); i == 0 || t < first {
			first = t
		}
	}
	return first
}

func (n numbers) test(all []flow.Conversation) []flow.Conversation    { return renumber(all, n.base) }
func (n numbers) control(all []flow.Conversation) []flow.Conversation { return renumber(all, n.other) }

func renumber(all []flow.Conversation, base int) []flow.Conversation {
	all = slices.Clone(all)
	for i := range all {
		all[i].Events = slices.Clone(all[i].Events)
		for k := range all[i].Events {
			all[i].Events[k].N += base
		}
	}
	return all
}

// own leaves only the numbers of the test capture's packets in a result.
func (n numbers) own(r *Result) {
	keep := func(ns []int) []int {
		out := []int{}
		for _, k := range ns {
			if k > n.base && k <= n.last {
				out = append(out, k-n.base)
			}
		}
		return out
	}
	for _, list := range [][]probe.Evidence{r.Verdict.Evidence, r.Verdict.Against} {
		for i := range list {
			list[i].Packets = keep(list[i].Packets)
		}
	}
	locations := []*traceroute.Location{r.Location}
	for i := range r.Boxes {
		r.Boxes[i].Packets = keep(r.Boxes[i].Packets)
		locations = append(locations, r.Boxes[i].Location)
	}
	for _, l := range locations {
		if l == nil {
			continue
		}
		for i := range l.Evidence {
			l.Evidence[i].Packets = keep(l.Evidence[i].Packets)
		}
	}
	for i := range r.Path.Hops {
		altered := r.Path.Hops[i].Altered
		for k := range altered {
			own := append(keep([]int{altered[k].Packet}), 0)
			altered[k].Packet = own[0]
		}
	}
}
