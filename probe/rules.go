package probe

import "slices"

// Class is how much an item of evidence can carry.
type Class string

// The classes. Decisive items exclude the server one by one; strong items
// count by family; weak ones are shown and decide nothing; genuine ones speak
// for the server, or for an innocent cause.
const (
	Decisive Class = "decisive"
	Strong   Class = "strong"
	Weak     Class = "weak"
	Genuine  Class = "genuine"
	Placing  Class = "place" // says where, not who
)

// Family groups items that one and the same circumstance could explain: they
// are no independent reasons.
type Family string

// The families of evidence.
const (
	FamilyTTL          Family = "ttl"          // the remaining TTL of what came back
	FamilyID           Family = "ip-id"        // its IPv4 identification
	FamilyHeader       Family = "header"       // other fields of its headers
	FamilyCount        Family = "count"        // how many came, and with which numbers
	FamilyTiming       Family = "timing"       // when
	FamilyStream       Family = "stream"       // what became of the byte stream
	FamilyDifferential Family = "differential" // what differs with the name
	FamilyResidual     Family = "residual"     // what an earlier trial left behind
	FamilyPath         Family = "path"         // how far a packet of ours had to go
	FamilySilence      Family = "silence"      // what never came
	FamilyAnswer       Family = "answer"       // what the peer itself said or did before
	FamilyCapture      Family = "capture"      // what only captures show, of one end or of both
)

// Rule is one kind of evidence. Most are read from the findings about a name;
// those of the handshake come from DecideSYN, those of class Placing from
// package traceroute, those of FamilyCapture from package explain.
type Rule struct {
	ID     RuleID
	Class  Class
	Family Family
	Weight int // 0 for Placing; roughly ten times the decimal logarithm of the odds it changes; decides between possible and undetermined

	Doc    string // one sentence
	Looks  string // what it looks at
	Why    string // why that is convincing
	Trap   string // the innocent thing that looks alike, and how it is kept out
	Source string // where it is written down

	// Headers says that it reads fields of headers, or counts packets, that a
	// kernel shows to nobody but itself: it is silent about records from
	// ordinary sockets (flow.Kernel).
	Headers bool

	find func(*Findings) *Evidence // nil: found by DecideSYN, traceroute or explain; returns nil where it does not apply
}

// The usual weights. One decisive item outweighs all that is not.
const (
	decisiveWeight = 100
	strongWeight   = 10
	weakWeight     = 2
)

// rules are all rules, in the order in which they are reported.
var rules = slices.Concat(decisiveRules(), strongRules(), weakRules(), genuineRules(), synRules(), placeRules(), captureRules())

// Rules are all rules of evidence, in the order in which they are reported.
func Rules() []Rule { return slices.Clone(rules) }

// items is what the rules say about some findings.
type items struct {
	forBox, forServer []Evidence
	families          map[Family]bool // of decisive and strong items
	decisive          bool
	strong            int // weight of the decisive and strong items
	genuine           int // weight of what speaks for the server
	has               map[RuleID]bool
}

// evidence runs all rules.
func (f *Findings) evidence() items {
	it := items{families: map[Family]bool{}, has: map[RuleID]bool{}}
	for _, r := range rules {
		if r.find == nil || r.Headers && f.onSockets() {
			continue
		}
		e := r.find(f)
		if e == nil {
			continue
		}
		e.Rule, e.Decisive = r.ID, r.Class == Decisive
		slices.Sort(e.Packets)
		e.Packets = slices.Compact(e.Packets)
		if e.Packets == nil {
			e.Packets = []int{}
		}
		it.has[r.ID] = true
		if r.Class == Genuine {
			e.Supports = Server
			it.genuine += r.Weight
			it.forServer = append(it.forServer, *e)
			continue
		}
		if r.Class != Weak {
			it.families[r.Family] = true
			it.strong += r.Weight
		}
		it.decisive = it.decisive || e.Decisive
		it.forBox = append(it.forBox, *e)
	}
	return it
}

// enough is the share of trials in which an item must show: two of three.
func enough(n, of int) bool { return n > 0 && 3*n >= 2*of }

// each reads one kind of item from every test: look says what it sees in one,
// and by which packets; nothing is "". It must show in enough of the tests,
// or, where a box acts now and then, in three and enough of those that failed.
func (f *Findings) each(look func(Observation) (detail string, packets []int)) *Evidence {
	return eachOf(f.Tests, look)
}

func eachOf(tests []Observation, look func(Observation) (detail string, packets []int)) *Evidence {
	var e Evidence
	n, bad := 0, 0
	for _, o := range tests {
		if detail, packets := look(o); detail != "" {
			e.Detail, e.Packets = detail, append(e.Packets, packets...)
			n++
			if !worked(o) {
				bad++
			}
		}
	}
	if !enough(n, len(tests)) && (bad < 3 || !enough(bad, len(tests)-count(tests, worked))) {
		return nil
	}
	return &e
}
