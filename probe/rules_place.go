package probe

// placeRules are the items that package traceroute attaches to a location.
// They say where, and not who: no verdict rests on them.
func placeRules() []Rule {
	const inference = "None: an inference from how hosts, networks and boxes behave."
	return []Rule{
		{ID: "two-rulers", Class: Placing, Family: FamilyTTL,
			Doc:    "what it sent crossed as many routers on the way back as the ICMP errors of one end of the segment",
			Looks:  "The remaining TTL of what the box sent, and those of the Time Exceeded errors of the routers on both sides of the segment.",
			Why:    "The TTL of the trigger and that of the answer are two measures that know nothing of each other; where they agree, the router can be named.",
			Trap:   "A box that forges its TTL: its distance then fits neither end, or the server's, and no router is named.",
			Source: "RFC 791 §3.1, RFC 1700."},
		{ID: "rulers-disagree", Class: Placing, Family: FamilyTTL,
			Doc:    "the distance by the TTL of what it sent fits neither end of the segment",
			Looks:  "As two-rulers.",
			Why:    "The segment stands; the router cannot be named.",
			Trap:   "A way back that is longer or shorter than the way out does it too.",
			Source: inference},
		{ID: "wide-segment", Class: Placing, Family: FamilyPath,
			Doc:    "the segment is wider than one hop, since copies may have got lost or routers kept silent",
			Looks:  "The probability of each place, given how often copies and routers' answers get lost.",
			Why:    "A segment that holds the box with a probability of 0.99 is worth more than a hop that may be the wrong one.",
			Trap:   "More rounds (--repeat) make it narrower where loss is the reason, and not where routers are silent.",
			Source: inference},
		{ID: "reader-fate", Class: Placing, Family: FamilySilence,
			Doc:    "a harmless packet behind a TTL-limited copy met another end from this TTL on",
			Looks:  "Connections on which a copy of the stimulus ends on its way, and a harmless packet follows it to the server.",
			Why:    "The copy never reached the server, so what changed the fate of the packet behind it stands before the place where the copy ended.",
			Trap:   "Loss: the same is done with a harmless copy, and how often readers fail there counts.",
			Source: inference},
		{ID: "half-of-copied-ttl", Class: Placing, Family: FamilyTTL,
			Doc:    "what it sends has our own TTL, less the routers on both ways; it stands half of them away",
			Looks:  "The TTLs sent and received of several triggers, and how far routers and server are on the way back.",
			Why:    "A sender that copies the TTL adds up both ways for us.",
			Trap:   "Ways of unlike length: unless all routers that spoke and the server are as far back as out, the segment begins at this machine.",
			Source: inference},
		{ID: "way-back", Class: Placing, Family: FamilyTTL,
			Doc:    "only the way back places it: no copy that ended before the server drew anything",
			Looks:  "The remaining TTL of what it sent, held against that of the routers' ICMP errors.",
			Why:    "A box that acts on the server's answer is met by no copy; its own packets still count the routers.",
			Trap:   "The way back need not be the way out, so the segment lies on both sides of the router that fits and none is named.",
			Source: inference},
	}
}
