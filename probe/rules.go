package probe

import "slices"

// A rule looks at the findings of one question for one kind of evidence.
type rule struct {
	id       RuleID
	decisive bool
	family   string // items of the same family are no independent reasons
	doc      string
	find     func(*Findings) *Evidence // nil: does not apply
}

// Families of evidence. Strong items of three different families make likely
// what fewer leave open.
const (
	famPath   = "path"
	famPlace  = "place"
	famTime   = "time"
	famTTL    = "ttl"
	famHeader = "header"
	famCount  = "count"
	famName   = "name"
	famServer = "server"
)

// rules in the order in which they are reported.
var rules = []rule{
	{"below-server-ttl", true, famPath, "a copy of the stimulus whose TTL was too small to reach the server drew a reset, a close or an answer", belowServerTTL},
	{"lost-before-server", true, famPath, "copies of the test stimulus stop drawing Time Exceeded at a router that goes on answering control copies", lostBeforeServer},
	{"router-forbids", true, famPath, "a router answers the test stimulus with an ICMP error that it does not send to a control", routerForbids},
	{"server-goes-on", true, famTime, "after a reset in its name the server sends data at or beyond the reset's own sequence number: it never sent that reset", serverGoesOn},
	{"two-answers", true, famTime, "two different answers claim the same place in the server's stream", twoAnswers},
	{"faster-than-path", true, famTime, "the reset came sooner than any packet of the server can (RFC 9293 asks for one round trip)", fasterThanPath},
	{"ahead-of-sequence", true, famPath, "a stimulus that the server's application cannot have read, since a byte before it is missing, was acted on", aheadOfSequence},
	{"same-at-control-address", true, famPath, "the test name meets the same end at an address that is known to serve any name", sameElsewhere},
	{"hedged-sequence", true, famCount, "several resets step their sequence number past bytes that the server never sent", hedgedSequence},
	{"answered-nearer", false, famPlace, "the handshake is completed nearer to us than at the control address, where the name is served", answeredNearer},
	{"never-acknowledged", false, famPath, "the server's TCP never acknowledged the test stimulus, whatever its application thinks of it, and acknowledged the controls", neverAcknowledged},
	{"ttl-differs", false, famTTL, "the remaining TTL lies outside the range of the server's own packets", ttlDiffers},
	{"id-echoed", false, famHeader, "the IPv4 identification repeats ours", idEchoed},
	{"window-mirrored", false, famHeader, "a reset carries the window of our own packet", windowMirrored},
	{"name-differs", false, famName, "only the test name fails; controls, a random name and no name are served", nameDiffers},
	{"answered-and-reset", false, famTime, "the server answered, and a reset came all the same", answeredAndReset},
	{"unknown-names-alike", false, famServer, "a random name, which no list can hold, meets the same end: the server refuses names that it does not know", unknownNamesAlike},
	{"controls-alike", false, famServer, "the controls meet the same end: the name makes no difference", controlsAlike},
	{"tls-alert", false, famServer, "the peer said why in a TLS alert", tlsAlert},
	{"server-ttl", false, famServer, "the ending packet arrives with the TTL of the server's own packets, no sooner than a round trip", serverTTL},
}

// serverRules speak for the server; all others for something before it.
func (r rule) forServer() bool { return r.family == famServer }

// evidence runs all rules.
func (f *Findings) evidence() (forBox, forServer []Evidence, families map[string]bool, decisive bool) {
	families = map[string]bool{}
	for _, r := range rules {
		e := r.find(f)
		if e == nil {
			continue
		}
		e.Rule, e.Decisive = r.id, r.decisive
		slices.Sort(e.Packets)
		e.Packets = slices.Compact(e.Packets)
		if e.Packets == nil {
			e.Packets = []int{}
		}
		if r.forServer() {
			e.Supports = Server
			forServer = append(forServer, *e)
			continue
		}
		families[r.family] = true
		decisive = decisive || r.decisive
		forBox = append(forBox, *e)
	}
	return forBox, forServer, families, decisive
}

// enough is the share of trials in which an item must show: two of three.
func enough(n, of int) bool { return n > 0 && 3*n >= 2*of }
