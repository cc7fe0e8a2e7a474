package report

import (
	"cmp"
	"net/netip"
	"slices"

	"github.com/rstprobe/rstprobe/internal/diagnosis"
	"github.com/rstprobe/rstprobe/internal/flow"
	"github.com/rstprobe/rstprobe/probe"
)

// How much of what was seen a document carries: enough to draw what decided,
// while the exported capture has everything.
const (
	maxExchanges       = 8  // of a document
	maxExchangePackets = 48 // of one of them
)

// Exchange is one connection that the evidence of tests cites, or a control
// beside it, with its packets.
type Exchange struct {
	Tests     List[int]            `json:"tests"` // from 1, ascending
	Role      probe.Role           `json:"role"`
	Kind      probe.Kind           `json:"kind"`
	Name      string               `json:"name"` // "": none was said
	IP        netip.Addr           `json:"ip"`   // that it went to
	Port      uint16               `json:"port"`
	LocalPort uint16               `json:"local_port"`
	StartedMS float64              `json:"started_ms"` // after Document.StartedAt, 1 µs resolution
	Packets   List[ExchangePacket] `json:"packets"`    // by time
	Left      int                  `json:"left"`       // packets of it that are not here, wherever they were
}

// ExchangePacket is one packet of an Exchange.
type ExchangePacket struct {
	Packet  int          `json:"packet"`   // number in the exported capture; 0: it is not in there
	AtMS    float64      `json:"at_ms"`    // after the exchange started, 1 µs resolution
	Sent    bool         `json:"sent"`     // by us
	TTL     uint8        `json:"ttl"`      // as sent, or as received; 0: unknown
	Flags   string       `json:"flags"`    // as tcpdump writes them; "": ICMP
	Seq     int          `json:"seq"`      // after the first packet of its sender that was no reset
	Ack     int          `json:"ack"`      // after the first of the other side; 0 without ACK
	Len     int          `json:"len"`      // bytes of payload
	CopyTTL uint8        `json:"copy_ttl"` // of our copy that it is, or that drew it; 0: it is none
	ICMP    *ICMPMessage `json:"icmp"`     // nil, null in JSON: TCP
	Forged  bool         `json:"forged"`   // by a box in the server's name, as sure as the verdicts are
	Skipped int          `json:"skipped"`  // packets before it that are not here
}

// ICMPMessage is what an ICMP error said.
type ICMPMessage struct {
	From netip.Addr `json:"from"`
	Type uint8      `json:"type"`
	Code uint8      `json:"code"`
}

// citation is how much the evidence of a test relies on a packet.
type citation map[int]int

// The weights of evidence.
const (
	decisiveWeight = 8
	supportWeight  = 2
	againstWeight  = 1
)

func (c citation) add(evidence []probe.Evidence, weight int) {
	for _, e := range evidence {
		w := weight
		if e.Decisive {
			w = max(w, decisiveWeight)
		}
		for _, n := range e.Packets {
			c[n] = max(c[n], w)
		}
	}
}

func cited(t diagnosis.Test) citation {
	c := citation{}
	c.add(t.Verdict.Evidence, supportWeight)
	c.add(t.Verdict.Against, againstWeight)
	if t.Location != nil {
		c.add(t.Location.Evidence, supportWeight)
	}
	return c
}

// exhibitor finds the attempts that show best what the tests found.
type exhibitor struct {
	res    diagnosis.Result
	of     map[int]int // attempt by packet number
	cited  []citation  // by test
	chosen []int       // attempts, in the order in which they were chosen
	tests  map[int][]int
}

// newExchanges are the connections to show: of each test that found something
// the one that its evidence relies on most, then a control beside it, then one
// that was carried out in another way. What any client does says more to a
// reader than a sweep, so it comes first.
func newExchanges(res diagnosis.Result) List[Exchange] {
	x := exhibitor{res: res, of: map[int]int{}, tests: map[int][]int{}}
	for i, a := range res.Attempts {
		for _, e := range a.Record.Events {
			if e.N > 0 {
				x.of[e.N] = i
			}
		}
	}
	shown := make([]int, len(res.Tests)) // attempt by test
	for i, t := range res.Tests {
		x.cited = append(x.cited, cited(t))
		shown[i] = x.main(i)
		x.choose(i, shown[i])
	}
	for i := range res.Tests {
		if shown[i] >= 0 {
			x.choose(i, x.control(i, shown[i]))
		}
	}
	for i := range res.Tests {
		if shown[i] >= 0 {
			asAny := ordinary(res.Attempts[shown[i]].Trial)
			x.choose(i, x.heaviest(i, func(t probe.Trial) bool { return t.Role == probe.Test && ordinary(t) != asAny }))
		}
	}
	slices.Sort(x.chosen)
	out := List[Exchange]{}
	for _, i := range x.chosen {
		out = append(out, x.exchange(i))
	}
	return out
}

// ordinary reports whether a trial does what any client does.
func ordinary(t probe.Trial) bool {
	return len(t.TTLs) == 0 && len(t.Split) == 0 && t.TTL == 0 && t.Ahead == 0 && !t.Unconnected && t.Reader == probe.ReadNothing
}

func (x *exhibitor) choose(test, attempt int) {
	switch {
	case attempt < 0:
		return
	case !slices.Contains(x.chosen, attempt):
		if len(x.chosen) == maxExchanges {
			return
		}
		x.chosen = append(x.chosen, attempt)
	}
	if list := x.tests[attempt]; !slices.Contains(list, test+1) {
		x.tests[attempt] = append(list, test+1)
	}
}

// main is the attempt that shows what happened to a test; -1: nothing did, or
// there is none.
func (x *exhibitor) main(test int) int {
	t := x.res.Tests[test]
	if o := t.Verdict.Outcome; o == probe.OK || o == probe.Inconclusive || o == "" {
		return -1
	}
	for _, suits := range []func(probe.Trial) bool{
		func(t probe.Trial) bool { return t.Role == probe.Test && ordinary(t) },
		func(t probe.Trial) bool { return t.Role == probe.Test },
		func(probe.Trial) bool { return true },
	} {
		if i := x.heaviest(test, suits); i >= 0 {
			return i
		}
	}
	return slices.IndexFunc(x.res.Attempts, func(a diagnosis.Attempt) bool {
		return a.Trial.Role == probe.Test && a.Trial.Stimulus.Kind == t.Kind && a.Trial.Stimulus.Name == t.Name && len(a.Record.Events) > 0
	})
}

// heaviest is the attempt on which a test relies most of those that suit; -1:
// it relies on none.
func (x *exhibitor) heaviest(test int, suits func(probe.Trial) bool) int {
	weights := make([]int, len(x.res.Attempts))
	for n, w := range x.cited[test] {
		if i, ok := x.of[n]; ok && suits(x.res.Attempts[i].Trial) {
			weights[i] += w
		}
	}
	best := -1
	for i, w := range weights {
		if w > 0 && (best < 0 || w > weights[best]) {
			best = i
		}
	}
	return best
}

// control is the attempt to hold against another: it says something of the
// same kind in the same way, and is cited, or else the nearest. -1: none.
func (x *exhibitor) control(test, shown int) int {
	like := x.res.Attempts[shown].Trial
	suits := func(t probe.Trial) bool {
		return t.Role == probe.Control && t.Stimulus.Kind == like.Stimulus.Kind && t.Remote == like.Remote && t.Reader == like.Reader && ordinary(t) == ordinary(like)
	}
	if i := x.heaviest(test, suits); i >= 0 {
		return i
	}
	best := -1
	for i, a := range x.res.Attempts {
		if suits(a.Trial) && len(a.Record.Events) > 0 && (best < 0 || distance(i, shown) < distance(best, shown)) {
			best = i
		}
	}
	return best
}

func distance(a, b int) int { return max(a, b) - min(a, b) }

// exchange is an attempt as the document shows it.
func (x *exhibitor) exchange(i int) Exchange {
	a := x.res.Attempts[i]
	s := a.Trial.Stimulus
	out := Exchange{
		Tests: x.tests[i], Role: a.Trial.Role, Kind: s.Kind, Name: s.Name,
		IP: a.Trial.Remote.Addr(), Port: a.Trial.Remote.Port(), LocalPort: a.Record.Key.Local.Port(),
		StartedMS: max(0, milliseconds(a.Record.Start.Sub(x.res.Started))), Packets: List[ExchangePacket]{},
	}
	slices.Sort(out.Tests)
	copies := copiesAnswered(a.Record)
	kept := x.kept(out.Tests, a.Record.Events)
	var tests []diagnosis.Test
	for _, t := range out.Tests {
		tests = append(tests, x.res.Tests[t-1])
	}
	foreign := forged(tests, a.Record.Events)
	var numbers numbering
	skipped := 0
	for k, e := range a.Record.Events {
		if e.Kind == flow.Expired {
			continue
		}
		p := exchangePacket(e, &numbers)
		if !kept[k] {
			out.Left++
			skipped++
			continue
		}
		p.Skipped, skipped = skipped, 0
		p.CopyTTL = cmp.Or(e.TTL, copies[e.N])
		p.Forged = foreign[k]
		out.Packets = append(out.Packets, p)
	}
	return out
}

// kept says which events have a place in the document: the beginning, what
// is cited, and then the others in their order.
func (x *exhibitor) kept(tests []int, events []flow.Event) map[int]bool {
	kept := map[int]bool{}
	keep := func(want func(k int, e flow.Event) bool) {
		for k, e := range events {
			if len(kept) < maxExchangePackets && e.Kind != flow.Expired && want(k, e) {
				kept[k] = true
			}
		}
	}
	keep(func(k int, _ flow.Event) bool { return k < opening })
	keep(func(_ int, e flow.Event) bool {
		return slices.ContainsFunc(tests, func(t int) bool { return x.cited[t-1][e.N] > 0 })
	})
	keep(func(int, flow.Event) bool { return true })
	return kept
}
